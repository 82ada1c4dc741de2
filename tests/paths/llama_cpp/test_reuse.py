"""What the worker need not compute again: counted, a tenant's own, and gone with the process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.paths.contract import Job
from appliance.paths.llama_cpp.path import LlamaCppPath
from appliance.records.request import Message
from tests.paths.llama_cpp.rig import Answer, answer, make_job, running, until
from tests.standins import tiny_gguf

SYSTEM = "The pump in hall 3 was serviced on 14 March and its bearing is worn. " * 5
OTHER = "Nothing of this was ever said before, and nothing of it will be said again. " * 5
# Wide layers of little memory: computing a prompt takes far longer than sealing what came of it.
WIDE = tiny_gguf.Shape(width=64, ff=8192, layers=2, heads=4, context=1024)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide")
    tiny_gguf.write(folder / "wide.gguf", WIDE)
    return folder


@asynccontextmanager
async def one_slot(wide: Path, **llama: Any) -> AsyncIterator[LlamaCppPath]:
    async with running(wide, "wide.gguf", context_per_sequence=1024, **({"sequences": 1} | llama)) as path:
        yield path


def chat(user: str, **over: Any) -> Job:
    job = {"messages": (Message("system", SYSTEM), Message("user", user)), "max_tokens": 2, "tenant_salt": "a"}
    return make_job(**(job | over))


def unrelated(salt: str = "a") -> Job:
    return make_job(OTHER, max_tokens=1, tenant_salt=salt)


async def counted(path: LlamaCppPath, job: Job) -> tuple[Answer, int]:
    """An answer, and how many prompt tokens went into a batch for it."""
    before = path.work.computed
    got = await answer(path, job)
    return got, path.work.computed - before


async def test_cached_tokens_are_the_prompt_less_what_was_computed(wide: Path) -> None:
    async with one_slot(wide, sequences=2) as path:
        for job in (
            chat("One?"),
            chat("Two?"),
            chat("Two?", stream=True),
            chat("One?", tenant_salt="b"),
            unrelated(),
            make_job(SYSTEM, kind="completion", max_tokens=1),
            make_job(SYSTEM + OTHER, kind="completion", max_tokens=1, stream=True),
        ):
            got, computed = await counted(path, job)
            usage = got.done.usage
            assert usage.cached_tokens == usage.prompt_tokens - computed


async def test_a_sequence_that_lost_its_slot_comes_back_from_where_it_was_parked(wide: Path) -> None:
    async with one_slot(wide) as path:
        cold, _ = await counted(path, chat("One?", max_tokens=12))
        await answer(path, unrelated())
        assert path.work.parked == 1
        assert 0 < path.work.parked_bytes < 1 << 20
        warm, computed = await counted(path, chat("One?", max_tokens=12))
        assert path.work.restored == warm.done.usage.cached_tokens > 200
        assert computed < 20
        assert warm.text() == cold.text()
        other, computed = await counted(path, chat("Two?", max_tokens=12))
        assert other.done.usage.cached_tokens == other.done.usage.prompt_tokens - computed > 200


async def test_a_tenant_starts_cold_where_another_parked_the_same(wide: Path) -> None:
    async with one_slot(wide) as path:
        await answer(path, chat("One?", tenant_salt="a"))
        await answer(path, unrelated("b"))
        foreign, computed = await counted(path, chat("One?", tenant_salt="b"))
        assert foreign.done.usage.cached_tokens < 20 < 200 < computed  # the few are its own, of what it asked before
        assert path.work.restored == 0


async def test_a_killed_worker_takes_what_was_parked_with_it_and_the_next_one_starts_cold(wide: Path) -> None:
    async with one_slot(wide) as path:
        cold = await answer(path, chat("One?", max_tokens=12))
        await answer(path, unrelated())
        assert path.work.parked == 1
        assert path.worker_pid is not None
        os.kill(path.worker_pid, signal.SIGKILL)
        await until(lambda: not path.ready().ok)
        assert path.work.parked == 0
        await until(lambda: path.ready().ok, 15)
        again, computed = await counted(path, chat("One?", max_tokens=12))
        assert again.done.usage.cached_tokens == 0 == path.work.restored
        assert computed == again.done.usage.prompt_tokens
        assert again.text() == cold.text()


async def test_a_card_may_leave_no_room_for_parking(wide: Path) -> None:
    async with one_slot(wide, parked_bytes=0) as path:
        await answer(path, chat("One?"))
        await answer(path, unrelated())
        assert path.work.parked == 0
        assert (await answer(path, chat("One?"))).done.usage.cached_tokens < 20


async def test_nothing_of_what_was_parked_lies_in_a_file(wide: Path) -> None:
    async with one_slot(wide) as path:
        await answer(path, chat("One?"))
        await answer(path, unrelated())
        assert path.work.parked == 1
        open_files = [os.readlink(link) for link in Path(f"/proc/{path.worker_pid}/fd").iterdir()]
        assert not [name for name in open_files if name.startswith(("/memfd:", "/tmp")) or "deleted" in name]
        mapped = Path(f"/proc/{path.worker_pid}/maps").read_text()
        assert "rw-s" not in mapped  # and in no memory that others could share


async def test_a_shared_beginning_stays_while_others_come_and_go(wide: Path) -> None:
    async with one_slot(wide, sequences=4, parked_bytes=0) as path:
        for text in ("One?", "Two?"):
            await answer(path, chat(text))
        for at in range(8):
            await answer(path, make_job(f"{at} {OTHER}", max_tokens=1, tenant_salt="a"))
        assert (await answer(path, chat("Three?"))).done.usage.cached_tokens > 200


async def test_many_at_once_through_few_slots_get_what_each_gets_alone(wide: Path) -> None:
    texts = [f"{OTHER if at % 3 else ''}Question {at}" for at in range(12)]
    jobs = [chat(text, max_tokens=6, tenant_salt="ab"[at % 2]) for at, text in enumerate(texts)]
    async with one_slot(wide, sequences=3) as path:
        alone = [(await answer(path, job)).text() for job in jobs]
        got = await asyncio.gather(*(answer(path, job) for job in [*jobs, *reversed(jobs)]))
        assert [one.text() for one in got] == [*alone, *reversed(alone)]


async def test_no_template_is_told_the_time(wide: Path, tmp_path: Path) -> None:
    """Two prompts of one chat are the same tokens at any moment of a day."""
    clock = "{{ strftime_now('%H:%M:%S') }}|{{ strftime_now('%Y-%m-%d') }}|{{ messages[0]['content'] }}"
    tiny_gguf.write(tmp_path / "clock.gguf", tiny_gguf.Shape(template=clock))
    async with running(tmp_path, "clock.gguf") as path:
        first = await answer(path, make_job(OTHER, max_tokens=1))
        await asyncio.sleep(1.1)
        again = await answer(path, make_job(OTHER, max_tokens=1))
    assert first.done.usage.prompt_tokens == again.done.usage.prompt_tokens == again.done.usage.cached_tokens + 1

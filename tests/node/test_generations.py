"""Claims about a node that runs while another generation comes into force, and about safe mode."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from appliance.bundle import generations
from appliance.bundle.in_force import InForce, in_force
from appliance.config import Config, Listen
from appliance.egress import Destination
from appliance.node import Node
from appliance.records.card import ModelCard
from appliance.status import readiness_of
from appliance.store import slots
from appliance.web.server import listening
from tests import policies
from tests.bundle.publisher import Publisher, write_tree
from tests.installed import install
from tests.node.conftest import ROOT, Running, fake_card, process_node, until, upstream_card, write_content
from tests.standins import tiny_gguf
from tests.standins.openai_server import Behaviour, OpenAIStandIn

MODEL = "models/tiny.gguf"
SHUT = """
@id("shut") @why("nothing public is answered any more")
forbid (principal, action == Action::"use", resource) when { context.classification == "public" };
"""
PUBLIC = {"X-Weir-Classification": "public"}


@dataclass
class Operated:
    """A node and whoever brings it bundles."""

    weir: Running
    directory: Path
    publisher: Publisher
    count: int = 1

    async def brings(self, *cards: ModelCard, models: dict[str, bytes] | None = None, **over: Any) -> str:
        """Take another bundle into force, as `weir bundle apply` does beside the node; the bundle's id."""
        self.count += 1
        id = f"test-2026.{self.count}"
        content = _content(self.directory / id, cards, models or {}, over)
        await asyncio.to_thread(install, self.weir.state, content, id, self.publisher)
        return id

    async def runs(self, id: str) -> None:
        await until(lambda: self.weir.node.fleets.in_force.id == id, 30)


def _content(folder: Path, cards: tuple[ModelCard, ...], models: dict[str, bytes], over: dict[str, Any]) -> Path:
    write_content(folder, *cards, **over)
    (folder / "evals").mkdir()
    (folder / "evals/name.txt").write_text(folder.name)  # no two generations are alike
    for path, data in models.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@asynccontextmanager
async def operated(
    directory: Path, *cards: ModelCard, models: dict[str, bytes] | None = None, **over: Any
) -> AsyncIterator[Operated]:
    """A node that serves what is in force in its state directory."""
    state = directory / "state"
    publisher = install(state, _content(directory / "test-2026.1", cards, models or {}, over))
    async with serving(state) as weir:
        yield Operated(weir, directory, publisher)


@asynccontextmanager
async def serving(state: Path) -> AsyncIterator[Running]:
    node = Node(Config(state_dir=state, listen=Listen(port=0)), in_force(state))
    async with listening(node) as port, aiohttp.ClientSession() as session:
        await node.start()
        yield Running(node, port, state, session)


def tiny(seed: int = 7, id: str = "device/tiny") -> tuple[ModelCard, bytes]:
    """A model of nonsense and its card; another seed makes another model."""
    scratch = Path(f"/tmp/weir-tiny-{os.getpid()}-{seed}.gguf")
    tiny_gguf.write(scratch, tiny_gguf.Shape(seed=seed))
    data = scratch.read_bytes()
    scratch.unlink()
    entry = {"path": MODEL, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    card = fake_card(id, runtime="llama_cpp", files=[entry], context_tokens=512, llama={"sequences": 4})
    return card, data


def worker(weir: Running, id: str = "device/tiny") -> int:
    pid: int = weir.node.paths[id].inner.worker_pid  # type: ignore[attr-defined]
    return pid


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_policy_takes_effect_and_no_model_is_loaded_for_it(tmp_path: Path) -> None:
    card, data = tiny()
    async with operated(tmp_path, card, models={MODEL: data}) as by:
        weir = by.weir
        before, path, pid = weir.node.generation.id, weir.node.paths[card.id], worker(weir)
        assert (await weir.ask("one", temperature=0, max_tokens=4, headers=PUBLIC))[0] == 200
        id = await by.brings(card, models={MODEL: data}, policy=policies.RULES + SHUT)
        await by.runs(id)
        status, body, headers = await weir.ask("two", temperature=0, max_tokens=4, headers=PUBLIC)
        assert (status, body["error"]["code"]) == (403, "policy_refused")
        assert headers["x-weir-policy"] == weir.node.generation.id != before
        assert (weir.node.paths[card.id], worker(weir)) == (path, pid)
        told = (await weir.get("/weir/v1/status"))[1]
        assert told["bundle"] == id
        assert told["trusted_root"] == {"version": 1, "name": "Test publisher", "evaluation": True}
        assert any("FOR EVALUATION ONLY" in warning for warning in told["warnings"])


async def test_a_worker_that_was_handed_on_starts_again_from_the_generation_that_is_in_force(tmp_path: Path) -> None:
    card, data = tiny()
    async with operated(tmp_path, card, models={MODEL: data}) as by:
        weir, pid = by.weir, worker(by.weir)
        for _ in range(3):
            await by.runs(await by.brings(card, models={MODEL: data}))
        assert not generations.place(weir.state, "test-2026.1").exists(), "collected"
        assert worker(weir) == pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: worker(weir) not in (None, pid) and weir.node.paths[card.id].ready().ok, 30)
        assert (await weir.ask("again", temperature=0, max_tokens=4))[0] == 200


async def test_a_model_is_exchanged_without_a_failed_request(tmp_path: Path) -> None:
    (old, before), (new, after) = tiny(7), tiny(8)
    async with operated(tmp_path, old, models={MODEL: before}) as by:
        weir, pid = by.weir, worker(by.weir)
        ended = asyncio.Event()
        answers: list[tuple[int, str]] = []

        async def client(number: int) -> None:
            asked = 0
            while not ended.is_set():
                asked += 1
                status, _, headers = await weir.ask(f"{number} {asked}", temperature=0, max_tokens=40)
                answers.append((status, headers["x-weir-policy"]))

        clients = [asyncio.create_task(client(number)) for number in range(4)]
        await until(lambda: len(answers) > 8, 30)
        await by.runs(await by.brings(new, models={MODEL: after}))
        seen = len(answers)
        await until(lambda: len(answers) > seen + 8, 30)
        ended.set()
        await asyncio.gather(*clients)
        assert {status for status, _ in answers} == {200}
        assert len({policy for _, policy in answers}) == 2, "both generations answered"
        assert worker(weir) != pid
        await until(lambda: not alive(pid), 30)


async def test_a_request_ends_under_the_generation_that_it_began_with(tmp_path: Path) -> None:
    async with (
        OpenAIStandIn(Behaviour(answers={"count": "one two three four five"}, tokens_per_s=2)) as old,
        OpenAIStandIn() as new,
    ):
        first, second = upstream_card(old.base_url, "site/old"), upstream_card(new.base_url, "site/new")
        async with operated(tmp_path, first) as by:
            weir = by.weir
            async with weir.chat("count", stream=True) as response:
                assert response.headers["x-weir-path"] == "site/old"
                await response.content.readany()
                await by.runs(await by.brings(second))
                assert set(weir.node.paths) == {"site/new"}
                meanwhile = await weir.ask("another")
                assert (meanwhile[0], meanwhile[2]["x-weir-path"]) == (200, "site/new")
                rest = await response.content.read()
                assert "five" in rest.decode()
                assert rest.endswith(b"data: [DONE]\n\n")
            await until(lambda: weir.node.egress.door.allowed == {Destination.parse(new.base_url)})


async def test_a_model_that_does_not_come_up_leaves_the_node_as_it_is(tmp_path: Path) -> None:
    (card, good), (other, _) = tiny(7), tiny(8)
    broken = good[: len(good) // 2]
    entry = {"path": MODEL, "sha256": hashlib.sha256(broken).hexdigest(), "bytes": len(broken)}
    bad = other.model_copy(update={"files": (card.files[0].model_copy(update=entry),)})
    async with operated(tmp_path, card, models={MODEL: good}) as by:
        weir, generation = by.weir, by.weir.node.generation.id
        failed = await by.brings(bad, models={MODEL: broken})
        await until(lambda: "does not run here" in str(readiness_of(weir.node)), 60)
        status, _, headers = await weir.ask("still there", temperature=0, max_tokens=4)
        assert (status, headers["x-weir-policy"]) == (200, generation)
        told = (await weir.get("/weir/v1/status"))[1]
        assert (told["bundle"], told["state"]) == ("test-2026.1", "degraded")
        assert any(failed in reason for reason in told["reasons"])
        mended = await by.brings(card, models={MODEL: good})
        await by.runs(mended)
        assert (await weir.ask("and on", temperature=0, max_tokens=4))[0] == 200
        assert "does not run here" not in str(readiness_of(weir.node))


async def test_what_keeps_the_node_from_following_passes_and_it_follows(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    card = upstream_card(upstream.base_url)
    async with operated(tmp_path, card) as by:
        weir, trusts = by.weir, by.weir.state / "trust"
        trusts.rename(aside := weir.state / "elsewhere")
        trusts.write_text("no directory")
        await until(lambda: "cannot be taken over" in str(readiness_of(weir.node)))
        assert (await weir.ask("meanwhile"))[0] == 200
        trusts.unlink()
        aside.rename(trusts)
        await until(lambda: "cannot be taken over" not in str(readiness_of(weir.node)))
        await by.runs(await by.brings(card))


async def test_what_comes_into_force_while_a_node_is_made_is_taken_over(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    """Also where what was in force before had failed: nothing of that runs for a moment."""
    card = upstream_card(upstream.base_url)
    publisher = install(tmp_path / "state", _content(tmp_path / "one", (card,), {}, {}))
    fallen = InForce("test-2026.1", generations.place(tmp_path / "state", "test-2026.1"), safe=True)
    install(tmp_path / "state", _content(tmp_path / "two", (card,), {}, {}), "test-2026.2", publisher)
    node = Node(Config(state_dir=tmp_path / "state", listen=Listen(port=0)), fallen)
    async with listening(node):
        assert node.fleet.safe
        await node.start()
        assert node.paths == {}
        await until(lambda: node.fleets.in_force.id == "test-2026.2" and not node.fleet.safe)
        assert node.paths[card.id].ready().ok


async def test_in_safe_mode_policy_and_cache_are_all_that_runs(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    card = upstream_card(upstream.base_url)
    async with operated(tmp_path, card) as by:
        weir = by.weir
        assert (await weir.ask("kept"))[2]["x-weir-cache"] == "miss"
        await asyncio.to_thread(weir.node.store.writer.flush)
        slots.write(weir.state, slots.Slots(fallen="test-2026.1", bad={"test-2026.1": "it fell"}))
        await until(lambda: weir.node.fleet.safe)
        asked = upstream.seen.total()
        assert (await weir.ask("kept"))[2]["x-weir-cache"].startswith("hit")
        status, body, _ = await weir.ask("new")
        assert (status, body["error"]["type"]) == (503, "server_error"), body
        assert upstream.seen.total() == asked
        state, told = await weir.get("/readyz")
        assert (state, "safe mode" in str(told)) == (503, True)
        await until(lambda: weir.node.egress.door.allowed == frozenset())
    async with serving(tmp_path / "state") as weir:  # as it is found at a start
        assert weir.node.fleet.safe
        assert (await weir.ask("kept"))[2]["x-weir-cache"].startswith("hit")
        assert (await weir.ask("new"))[0] == 503


def test_a_bundle_on_a_medium_that_is_plugged_in_is_announced_and_not_taken(tmp_path: Path) -> None:
    media, content = tmp_path / "media", tmp_path / "content"
    media.mkdir()
    card = upstream_card("http://127.0.0.1:9/v1")
    publisher = install(tmp_path / "state", _content(content, (card,), {}, {}))
    files = {str(file.relative_to(content)): file.read_bytes() for file in content.rglob("*") if file.is_file()}
    with process_node(tmp_path, content, bundles={"media": [str(media)]}) as node:
        release = publisher.release(files | {"evals/name.txt": b"another"}, id="test-2026.2")
        write_tree(release, tmp_path / "stick" / "test-2026.2.bundle")
        (tmp_path / "stick").rename(media / "stick")
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + 60
        while not found:
            assert time.monotonic() < deadline, node.said()
            found = node.get("/weir/v1/status")[1]["media"]
            time.sleep(0.2)
        (one,) = found
        assert (one["id"], one["taken"], one["changed"], one["evaluation"]) == ("test-2026.2", True, 1, True)
        assert node.get("/weir/v1/status")[1]["bundle"] == "test-2026.1"
        assert "bundle-found" in node.said()
        shown = subprocess.run(
            [sys.executable, "-m", "appliance.cli.main", "status", "--state", str(node.state)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        assert f"bundle test-2026.2 at {media}/stick: would be taken, FOR EVALUATION ONLY" in shown


async def test_a_server_that_cannot_be_reached_keeps_no_generation_from_running(tmp_path: Path) -> None:
    card, data = tiny()
    async with operated(tmp_path, card, models={MODEL: data}) as by:
        far = upstream_card("http://192.0.2.1/v1", "site/far")  # and deny_all stands
        await by.runs(await by.brings(card, far, models={MODEL: data}))
        assert (await by.weir.ask("one", temperature=0, max_tokens=4, model=card.id))[0] == 200
        assert "site/far" in str(readiness_of(by.weir.node))


async def test_what_a_node_runs_on_is_not_collected_while_it_does(tmp_path: Path) -> None:
    (card, good), (other, _) = tiny(7), tiny(8)
    entry = {"sha256": hashlib.sha256(broken := good[:9000]).hexdigest(), "bytes": len(broken)}
    bad = other.model_copy(update={"files": (card.files[0].model_copy(update=entry),)})
    async with operated(tmp_path, card, models={MODEL: good}) as by:
        weir, pid = by.weir, worker(by.weir)
        for _ in range(3):  # none of which it can take over
            await by.brings(bad, models={MODEL: broken})
        await until(lambda: "does not run here" in str(readiness_of(weir.node)), 60)
        assert generations.place(weir.state, "test-2026.1").is_dir()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: worker(weir) not in (None, pid) and weir.node.paths[card.id].ready().ok, 30)
        assert (await weir.ask("one", temperature=0, max_tokens=4))[0] == 200
        await by.runs(await by.brings(card, models={MODEL: good}))
    await by.brings(card, models={MODEL: good})
    assert not generations.place(weir.state, "test-2026.1").exists()


async def test_a_model_that_was_killed_a_moment_ago_makes_no_place_for_one_that_does_not_run(tmp_path: Path) -> None:
    (card, good), (other, _) = tiny(7), tiny(8)
    entry = {"sha256": hashlib.sha256(broken := good[:9000]).hexdigest(), "bytes": len(broken)}
    bad = other.model_copy(update={"files": (card.files[0].model_copy(update=entry),)})
    async with operated(tmp_path, card, models={MODEL: good}) as by:
        weir = by.weir

        async def kill_and_kill() -> None:
            while True:
                if pid := worker(weir):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(0.01)

        killing = asyncio.create_task(kill_and_kill())
        await until(lambda: not weir.node.paths[card.id].ready().ok)
        await by.brings(bad, models={MODEL: broken})
        await until(lambda: weir.node.fleets.not_taken_over or weir.node.fleets.in_force.id == "test-2026.2", 60)
        killing.cancel()
        assert "does not run here" in weir.node.fleets.not_taken_over
        assert weir.node.generation.card_by_id[card.id].files == card.files

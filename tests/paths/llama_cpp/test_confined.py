"""The worker is confined by the kernel before it looks at a model's file, and works all the same."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from appliance.paths.llama_cpp.path import LlamaCppPath
from appliance.paths.llama_cpp.protocol import Settings
from appliance.paths.llama_cpp.supervisor import Supervisor
from appliance.paths.llama_cpp.worker import parts_of
from tests.paths.llama_cpp.rig import answer, make_card, make_job, running, until

ROOT = Path(__file__).parents[3]


def status(pid: int | None, thread: str = "") -> dict[str, str]:
    """/proc/PID/status, of one thread where it is named."""
    file = Path(f"/proc/{pid}/task/{thread}/status" if thread else f"/proc/{pid}/status")
    lines = file.read_text().splitlines() if file.exists() else []
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def test_every_thread_of_a_working_worker_is_under_the_filter(models: Path) -> None:
    async with running(models, threads=2) as path:
        assert (await answer(path, make_job())).text()
        threads = [status(path.worker_pid, name) for name in os.listdir(f"/proc/{path.worker_pid}/task")]
    if len(os.sched_getaffinity(0)) > 1:
        assert len(threads) >= 2
    assert {(one["Seccomp"], one["NoNewPrivs"]) for one in threads} == {("2", "1")}


async def test_the_filter_is_there_before_the_model_is_read(models: Path, tmp_path: Path) -> None:
    # A file that never says anything: the worker hangs where it opens it.
    card = make_card(models)
    os.mkfifo(tmp_path / "tiny.gguf")
    path = LlamaCppPath(card, tmp_path)
    starting = asyncio.create_task(path.start())
    try:
        await until(lambda: status(path.worker_pid).get("Seccomp") == "2", 30)
        assert not path.ready().ok
    finally:
        await path.stop()
        await starting


async def test_a_worker_says_what_confines_it(models: Path) -> None:
    async with running(models) as path:
        facts = path._worker.facts
        assert facts is not None
        assert facts.confined.startswith("seccomp")
        assert ("landlock" in facts.confined) is not bool(facts.lacking)


async def test_a_worker_takes_no_more_memory_than_it_may(models: Path) -> None:
    few = Settings(str(models / "tiny.gguf"), 0, 16, 128, 1, 0, 64, address_space=64 << 20)
    supervisor = Supervisor("small", few)
    await supervisor.start()
    assert supervisor.facts is None
    assert supervisor.reason.startswith("The model")
    await supervisor.stop()


@pytest.mark.parametrize("unconfined", [False, True])
def test_without_seccomp_a_worker_starts_only_where_the_host_permits_it(models: Path, unconfined: bool) -> None:
    script = textwrap.dedent(f"""
        import asyncio, errno, json
        from pathlib import Path
        from appliance.paths.confine import seccomp
        from appliance.paths.confine.syscalls import Rule
        from appliance.paths.llama_cpp.path import LlamaCppPath
        from tests.paths.llama_cpp.rig import answer, make_card, make_job
        here = seccomp.architecture()
        # The kernel answers this process and its children as one that was built without seccomp.
        seccomp.install(seccomp.program((Rule("seccomp", errno.ENOSYS),), here), here)
        async def main():
            models = Path({str(models)!r})
            path = LlamaCppPath(make_card(models), models, unconfined={unconfined})
            await path.start()
            facts = path._worker.facts
            text = (await answer(path, make_job())).text() if path.ready().ok else ""
            print(json.dumps([path.ready().reason, bool(text), facts.lacking if facts else ""]))
            await path.stop()
        asyncio.run(main())
    """)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reason, answered, lacking = json.loads(done.stdout)
    assert answered is unconfined
    if unconfined:
        assert lacking == "the kernel sets no seccomp filter (Function not implemented)"
        assert "confined by" in done.stderr
    else:
        assert "sets no seccomp filter" in reason
        assert "paths.unconfined_workers in weir.yaml" in reason


def test_all_parts_of_a_model_in_parts_may_be_read() -> None:
    assert parts_of(Path("/m/a.gguf")) == [Path("/m/a.gguf")]
    assert parts_of(Path("/m/a-00001-of-00003.gguf")) == [Path(f"/m/a-0000{n}-of-00003.gguf") for n in (1, 2, 3)]

"""The worker as a process: it may die, hang or be fed garbage, and the node goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from appliance.paths.contract import PathError
from appliance.paths.llama_cpp.path import LlamaCppPath
from tests.paths.llama_cpp.rig import NO_END, answer, make_card, make_job, running, until
from tests.standins import tiny_gguf


async def test_closing_a_stream_frees_its_slot_at_once(models: Path) -> None:
    async with running(models, "long.gguf", sequences=1, context_per_sequence=4096) as path:
        endless = path.stream(make_job(max_tokens=4000, stream=True, logit_bias=NO_END))
        await anext(endless)
        waiting = asyncio.create_task(answer(path, make_job("Next", max_tokens=1)))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        began = time.perf_counter()
        await endless.aclose()
        await waiting
        assert time.perf_counter() - began < 0.5
        assert path.ready().busy == 0


async def test_a_cancelled_task_cancels_its_job(models: Path) -> None:
    async with running(models, "long.gguf", sequences=1, context_per_sequence=4096) as path:
        task = asyncio.create_task(answer(path, make_job(max_tokens=4000, logit_bias=NO_END)))
        await until(lambda: path.ready().busy == 1)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert path.ready().busy == 0
        assert (await answer(path, make_job("Next", max_tokens=2))).text()


async def test_a_killed_worker_fails_its_jobs_and_is_back_within_five_seconds(models: Path) -> None:
    async with running(models, "long.gguf", sequences=4, context_per_sequence=4096) as path:
        jobs = [make_job(f"{i}", max_tokens=4000, stream=True, logit_bias=NO_END) for i in range(8)]
        tasks = [asyncio.create_task(answer(path, job)) for job in jobs]
        await until(lambda: path.ready().busy == 4)
        await asyncio.sleep(0.1)
        assert path.worker_pid is not None
        os.kill(path.worker_pid, signal.SIGKILL)
        began = time.perf_counter()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, PathError)
            assert result.fault == "unavailable"
        assert not path.ready().ok
        assert path.ready().reason
        with pytest.raises(PathError, match="SIGKILL"):
            await answer(path, make_job())
        await until(lambda: path.ready().ok)
        assert time.perf_counter() - began < 5.0
        assert (await answer(path, make_job())).text()


def spoiled(models: Path, folder: Path) -> list[Path]:
    source = models / "tiny.gguf"
    size = source.stat().st_size
    return [
        tiny_gguf.truncated(source, folder / "half.gguf", 0.5),
        tiny_gguf.truncated(source, folder / "head.gguf", 0.001),
        tiny_gguf.truncated(source, folder / "empty.gguf", 0.0),
        tiny_gguf.patched(source, folder / "magic.gguf", 0, b"NOPE"),
        tiny_gguf.patched(source, folder / "version.gguf", 4, b"\xff\xff\xff\x7f"),
        tiny_gguf.patched(source, folder / "tensors.gguf", 8, b"\xff\xff\xff\xff\xff\xff\xff\x7f"),
        tiny_gguf.patched(source, folder / "pairs.gguf", 16, b"\xff\xff\xff\xff\xff\xff\xff\x7f"),
        tiny_gguf.patched(source, folder / "string.gguf", 24, b"\xff\xff\xff\xff\xff\xff\xff\x00"),
        tiny_gguf.patched(source, folder / "noise.gguf", 200, os.urandom(4000)),
        tiny_gguf.patched(source, folder / "nan.gguf", size - 4000, b"\xff\xff\xff\x7f" * 1000),
    ]


async def test_spoiled_files_say_so_and_never_hang(models: Path, tmp_path: Path) -> None:
    for file in spoiled(models, tmp_path):
        path = LlamaCppPath(make_card(tmp_path, file.name), tmp_path)
        async with asyncio.timeout(30):
            await path.start()
            state = path.ready()
            assert not state.ok, file.name
            assert state.reason.startswith(("The model cannot be loaded: ", "The model's process was ")), state.reason
            assert len(state.reason) < 500
            with pytest.raises(PathError) as caught:
                await answer(path, make_job())
            assert caught.value.fault == "unavailable"
            await path.stop()


async def test_a_missing_file_says_so(models: Path, tmp_path: Path) -> None:
    path = LlamaCppPath(make_card(models), tmp_path)
    await path.start()
    assert not path.ready().ok
    assert "cannot be loaded" in path.ready().reason
    await path.stop()


async def test_a_stopped_path_leaves_no_process(models: Path) -> None:
    async with running(models) as path:
        pid = path.worker_pid
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    assert not path.ready().ok


async def test_the_worker_holds_no_file_of_its_parent_but_its_socket(models: Path, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        async with running(models) as path:
            targets = [os.readlink(link) for link in Path(f"/proc/{path.worker_pid}/fd").iterdir()]
    assert sum(target.startswith("socket:") for target in targets) == 1
    assert not any("secret" in target for target in targets)


async def test_the_worker_dies_with_its_parent(models: Path) -> None:
    script = textwrap.dedent(f"""
        import asyncio, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from tests.paths.llama_cpp.rig import make_card
        from appliance.paths.llama_cpp.path import LlamaCppPath
        async def main():
            path = LlamaCppPath(make_card(Path({str(models)!r})), Path({str(models)!r}))
            await path.start()
            print(path.worker_pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(await asyncio.to_thread(parent.stdout.readline))
    parent.kill()
    await asyncio.to_thread(parent.wait)
    parent.stdout.close()

    def gone() -> bool:
        try:
            return Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    await until(gone)

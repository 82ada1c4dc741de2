"""The onnx path against its contract: vectors in order, tokens counted, faults named, a loop that turns."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.paths.contract import Chunk, Done, Job, PathError, Vector
from appliance.paths.onnx import OnnxPath
from appliance.records.card import ModelCard

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "models" / "embedder"
HEAD = ROOT / "models" / "classifier" / "task-classifier.onnx"
CARDS = ROOT / "bundles" / "starter" / "cards"

needs_model = pytest.mark.skipif(
    not (BUILT / "manifest.json").is_file(),
    reason="the embedder is not built: run models/embedder/build.py",
)


def card(name: str) -> ModelCard:
    return ModelCard.model_validate_json((CARDS / f"{name}.json").read_text(encoding="utf-8"))


def embedding_path() -> OnnxPath:
    return OnnxPath(card("minilm-embedder"), BUILT)


def classification_path() -> OnnxPath:
    return OnnxPath(card("task-classifier"), BUILT, head=HEAD)


async def collected(path: OnnxPath, job: Job) -> list[Chunk]:
    return [chunk async for chunk in path.stream(job)]


async def started(path: OnnxPath, job: Job) -> list[Chunk]:
    await path.start()
    try:
        return await collected(path, job)
    finally:
        await path.stop()


def embedding_job(*inputs: str) -> Job:
    return Job(id="j", kind="embedding", inputs=inputs)


@needs_model
def test_each_input_gets_its_vector_in_order_and_then_one_done() -> None:
    texts = tuple(f"Sentence number {i} about boats." for i in range(11))
    chunks = asyncio.run(started(embedding_path(), embedding_job(*texts)))
    *vectors, done = chunks
    assert [chunk.index for chunk in vectors if isinstance(chunk, Vector)] == list(range(11))
    assert all(isinstance(chunk, Vector) and abs(np.linalg.norm(chunk.values) - 1) < 1e-4 for chunk in vectors)
    assert isinstance(done, Done)
    assert done.finish_reasons == ("stop",) * 11
    assert done.device == "cpu"


@needs_model
def test_usage_counts_the_tokens_that_were_read() -> None:
    """[CLS] and [SEP] are read too."""

    def tokens(*inputs: str) -> int:
        done = asyncio.run(started(embedding_path(), embedding_job(*inputs)))[-1]
        assert isinstance(done, Done)
        return done.usage.prompt_tokens

    assert tokens("hello") == 3
    assert tokens("hello", "", "the boat") == 3 + 2 + 4
    assert tokens("boat " * 254) == 256


@needs_model
def test_a_text_longer_than_the_model_reads_is_refused_not_cut() -> None:
    with pytest.raises(PathError) as caught:
        asyncio.run(started(embedding_path(), embedding_job("short", "boat " * 255)))
    assert caught.value.fault == "context_too_long"
    assert "Input 1" in caught.value.message


@needs_model
def test_a_job_of_another_kind_or_without_inputs_is_refused() -> None:
    async def faults() -> list[str]:
        path = embedding_path()
        found: list[str] = []
        await path.start()
        for job in (
            Job(id="j", kind="chat"),
            Job(id="j", kind="classification", inputs=("a",)),
            embedding_job(),
        ):
            with pytest.raises(PathError) as caught:
                await collected(path, job)
            found.append(caught.value.fault)
        await path.stop()
        return found

    assert asyncio.run(faults()) == ["unsupported", "unsupported", "rejected"]


def test_a_path_that_cannot_load_says_so_and_lets_only_path_errors_out(tmp_path: Path) -> None:
    async def fault() -> tuple[str, bool, str]:
        path = OnnxPath(card("minilm-embedder"), tmp_path)
        assert not path.ready().ok
        with pytest.raises(PathError) as caught:
            await path.start()
        with pytest.raises(PathError):
            await collected(path, embedding_job("a"))
        ready = path.ready()
        await path.stop()
        return caught.value.fault, ready.ok, ready.reason

    name, ok, reason = asyncio.run(fault())
    assert (name, ok) == ("unavailable", False)
    assert "not loaded" in reason


@needs_model
def test_a_provider_that_this_host_lacks_falls_back_to_one_that_passes_the_probe() -> None:
    path = OnnxPath(card("minilm-embedder"), BUILT, providers=("CUDAExecutionProvider", "CPUExecutionProvider"))
    done = asyncio.run(started(path, embedding_job("a")))[-1]
    assert isinstance(done, Done)
    assert done.device == "cpu"


@needs_model
def test_the_loop_keeps_turning_while_vectors_are_computed() -> None:
    async def longest_pause() -> float:
        path = embedding_path()
        await path.start()
        pauses, last = [], time.perf_counter()
        work = asyncio.create_task(collected(path, embedding_job(*["boat " * 250] * 6)))
        while not work.done():
            await asyncio.sleep(0.001)
            pauses.append(time.perf_counter() - last)
            last = time.perf_counter()
        await work
        await path.stop()
        return sorted(pauses)[len(pauses) // 2]

    assert asyncio.run(longest_pause()) < 0.02


@needs_model
def test_closing_the_stream_stops_the_work() -> None:
    async def cancelled() -> tuple[int, float]:
        path = embedding_path()
        await path.start()
        stream = path.stream(embedding_job(*["a boat on the river"] * 10_000))
        assert isinstance(await anext(stream), Vector)
        begun = time.perf_counter()
        await stream.aclose()  # type: ignore[attr-defined]
        taken = time.perf_counter() - begun
        busy = path.ready().busy
        await path.stop()
        return busy, taken

    busy, taken = asyncio.run(cancelled())
    assert busy == 0
    assert taken < 1.0


@needs_model
def test_many_callers_at_once_each_get_their_own_answer() -> None:
    async def both() -> bool:
        path = embedding_path()
        await path.start()
        texts = [f"text {i}" for i in range(12)]
        answers = await asyncio.gather(*(collected(path, embedding_job(text)) for text in texts))
        alone = [await collected(path, embedding_job(text)) for text in texts]
        await path.stop()
        return [a[0] for a in answers] == [a[0] for a in alone]

    assert asyncio.run(both())


@needs_model
def test_a_stopped_path_can_start_again_and_refuses_work_in_between() -> None:
    async def restarted() -> bool:
        path = embedding_path()
        await path.start()
        await path.stop()
        assert path.ready().reason == "stopped"
        with pytest.raises(PathError, match="stopped"):
            await collected(path, embedding_job("a"))
        await path.start()
        ok = path.ready().ok
        await path.stop()
        return ok

    assert asyncio.run(restarted())


@needs_model
def test_classification_gives_a_distribution_over_the_stated_cells() -> None:
    async def classified() -> tuple[str, float, Chunk]:
        path = classification_path()
        await path.start()
        job = Job(id="j", kind="classification", inputs=("Sort ascending: 9, 3, 27, 14, 1",))
        vector, done = await collected(path, job)
        assert isinstance(vector, Vector)
        assert len(vector.values) == len(path.cells)
        best = path.cells[int(np.argmax(vector.values))]
        await path.stop()
        return best, sum(vector.values), done

    best, total, done = asyncio.run(classified())
    assert best.startswith("sort/")
    assert abs(total - 1) < 1e-4
    assert isinstance(done, Done)


@needs_model
def test_a_classifier_of_another_embedder_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "head.onnx"
    files = json.loads((BUILT / "manifest.json").read_text(encoding="utf-8"))["files"]
    digest = next(file["sha256"] for file in files if file["path"] == "model.int8.onnx").encode()
    content = HEAD.read_bytes()
    assert digest in content
    other.write_bytes(content.replace(digest, b"0" * 64))

    async def start() -> None:
        path = OnnxPath(card("task-classifier"), BUILT, head=other)
        try:
            await path.start()
        finally:
            await path.stop()

    with pytest.raises(PathError, match="belongs to the embedder"):
        asyncio.run(start())


@needs_model
def test_onnxruntime_is_imported_late_and_never_before_its_telemetry_is_switched_off() -> None:
    """In a fresh interpreter, whose import of onnxruntime looks at the environment."""
    program = f"""
import builtins, os, sys
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
seen = []
plain = builtins.__import__
def watched(name, *rest, **more):
    if name.split(".")[0] == "onnxruntime":
        seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
    return plain(name, *rest, **more)
builtins.__import__ = watched
import appliance.paths.onnx
assert "onnxruntime" not in sys.modules and not seen
from pathlib import Path
from appliance.features.embedder import Embedder
Embedder(Path({str(BUILT)!r}))
assert seen and set(seen) == {{"1"}}, seen
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=60)

"""Cards, jobs and answers: what the tests of this path are written with."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.paths.contract import Chunk, Done, Job, Text
from appliance.paths.llama_cpp.path import LlamaCppPath
from appliance.records.card import File, LlamaSettings, ModelCard
from appliance.records.request import Message, Sampling

SAMPLING = frozenset(Sampling.__dataclass_fields__)


def make_card(folder: Path, name: str = "tiny.gguf", **llama: Any) -> ModelCard:
    raw = (folder / name).read_bytes()
    return ModelCard(
        id="test/tiny",
        runtime="llama_cpp",
        tier="device",
        modalities=("chat", "completion"),
        files=(File(path=name, sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw)),),
        llama=LlamaSettings(**llama),
    )


# Of the tiny models, for `logit_bias`: no answer ends by itself, whatever a CPU makes of random weights.
NO_END = ((509, -1000.0), (510, -1000.0), (511, -1000.0))


def make_job(text: str = "Good morning", **wanted: Any) -> Job:
    """A greedy chat job; keywords go to Sampling or to Job."""
    sampling = {"temperature": 0.0, "max_tokens": 24} | {k: v for k, v in wanted.items() if k in SAMPLING}
    rest = {k: v for k, v in wanted.items() if k not in SAMPLING}
    job = Job(id="job", kind="chat", messages=(Message("user", text),), prompt=text, sampling=Sampling(**sampling))
    return replace(job, **rest)


class Answer:
    """All chunks of one job, gathered."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self.chunks = chunks
        assert isinstance(chunks[-1], Done)
        self.done: Done = chunks[-1]
        self.texts = [chunk for chunk in chunks if isinstance(chunk, Text)]

    def text(self, index: int = 0) -> str:
        return "".join(chunk.text for chunk in self.texts if chunk.index == index)


async def answer(path: LlamaCppPath, job: Job) -> Answer:
    return Answer([chunk async for chunk in path.stream(job)])


@asynccontextmanager
async def running(folder: Path, name: str = "tiny.gguf", **llama: Any) -> AsyncIterator[LlamaCppPath]:
    path = LlamaCppPath(make_card(folder, name, **llama), folder)
    await path.start()
    try:
        yield path
    finally:
        await path.stop()


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)

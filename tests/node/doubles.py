"""Paths that keep the contract and say what a test tells them to. No runtime behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from appliance.paths.contract import Chunk, Done, Job, PathError, Readiness, Signals, Text, Usage
from appliance.records.card import ModelCard

Script = Sequence[Chunk | PathError | float]  # chunks in order; a number sleeps that long; an error is raised


def signals(logprob: float = -0.05, tokens: int = 4) -> Signals:
    """Statistics of an answer whose every token had this log-probability."""
    return Signals(0, tokens, logprob * tokens, logprob, logprob, (logprob, logprob, logprob), -logprob, 1.0)


def answer(text: str, *, sure: bool | None = None, finish: Any = "stop", pause: float = 0.0) -> list[Any]:
    """A whole answer word by word; `sure` adds token statistics that a gate accepts or sends back."""
    words = text.split(" ")
    script: list[Any] = []
    for k, word in enumerate(words):
        if pause:
            script.append(pause)
        script.append(Text(word if k == 0 else f" {word}"))
    if sure is not None:
        script.append(signals(-0.01 if sure else -5.0, len(words)))
    script.append(Done(Usage(7, len(words)), (finish,), "cpu"))
    return script


class FakePath:
    """Plays `script` for every job, or what `script(job)` gives; remembers the jobs and how they ended."""

    def __init__(self, card: ModelCard, script: Script | Callable[[Job], Script]) -> None:
        self._card = card
        self.script = script
        self.jobs: list[Job] = []
        self.ended: list[str] = []
        self.running = 0
        self.readiness = Readiness(True, slots=8)

    @property
    def card(self) -> ModelCard:
        return self._card

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def ready(self) -> Readiness:
        return self.readiness

    async def stream(self, job: Job) -> AsyncIterator[Chunk]:
        self.jobs.append(job)
        self.running += 1
        how = "cancelled"
        try:
            for item in self.script(job) if callable(self.script) else self.script:
                if isinstance(item, PathError):
                    how = "failed"
                    raise item
                if isinstance(item, float):
                    await asyncio.sleep(item)
                else:
                    yield item
            how = "finished"
        finally:
            self.running -= 1
            self.ended.append(how)

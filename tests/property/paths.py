"""Paths that keep the contract, fail in every way that it knows, and note each job that reaches them.

What a path says is numbered, so that whoever reads an answer knows which path made it, for which request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from appliance.breaker import Breaker
from appliance.decide.failing import Breaking
from appliance.paths.contract import (
    Chunk,
    Done,
    Job,
    PathError,
    PathFault,
    Readiness,
    Signals,
    Text,
    ToolCall,
    Usage,
    Vector,
)
from appliance.records.card import ModelCard
from appliance.records.departure import Departure, current_departure

FAULTS: tuple[PathFault, ...] = (
    "unavailable", "timeout", "overloaded", "rejected", "context_too_long", "unsupported", "auth", "audit", "internal"
)  # fmt: skip
MANNERS = (
    "answers", "answers weakly", "answers nothing", "is cut off", "calls a tool", "breaks off", "ends without an end",
    "goes on after its end", "talks nonsense", "crashes", "loses its client", "loses its client midway", *FAULTS,
)  # fmt: skip
_SLOT = re.compile(r"#(\d+)")
_NUMBER = re.compile(r"@(\d+)@")


@dataclass(frozen=True)
class Note:
    """One job that reached a path: who it was, and what the door would have been told of it."""

    path: str
    job: Job
    departure: Departure | None


@dataclass(frozen=True)
class Made:
    """Where an answer came from: the combination that it was made for, None where a test put it into the cache."""

    path: str
    combination: Any
    tenant: str


class Stage:
    """What the paths of one node share: who is being served, what came to them, what they made of it."""

    def __init__(self, slots: int) -> None:
        self.now = 0.0  # of the breakers' clock
        self.gone: set[str] = set()  # paths whose servers nobody can reach
        self.serving: list[Any] = [None] * slots
        self.notes: list[list[Note]] = [[] for _ in range(slots)]
        self.hang_up: list[Callable[[], None]] = [lambda: None] * slots
        self.made: list[Made] = []
        self._salts: dict[str, tuple[str, str, str]] = {}  # whose prompts may be reused together, and under what

    def clock(self) -> float:
        return self.now

    def sign(self, path: str, combination: Any, tenant: str) -> str:
        """A mark for an answer of this path."""
        self.made.append(Made(path, combination, tenant))
        return f"@{len(self.made) - 1}@"

    def whose(self, job: Job, told: Departure | None) -> str:
        """The tenant that a job is for. No salt is ever of two tenants, nor of two labels that part."""
        assert told is not None, "a job is run on behalf of a decision"
        stands_for = (told.tenant, told.classification, told.residency)
        assert self._salts.setdefault(job.tenant_salt, stands_for) == stands_for
        return told.tenant


def signed(body: bytes) -> set[int]:
    """The marks in what a client was sent."""
    return {int(number) for number in _NUMBER.findall(body.decode("utf-8", "replace"))}


def slot_of(job: Job) -> int:
    """Which of those who are being served this job is for, by its text alone."""
    said = [message.content for message in job.messages] + [job.prompt, *job.inputs]
    found = {int(number) for text in said for number in _SLOT.findall(text)}
    assert len(found) == 1, "the text of a job names its slot once"
    return found.pop()


class Noting:
    """A path. What it does is for the combination that it serves to say."""

    def __init__(self, card: ModelCard, stage: Stage) -> None:
        self._card = card
        self._stage = stage
        self.breaker = Breaker(Breaking(probes=1), stage.clock)
        self.readiness = Readiness(True, slots=8)

    @property
    def card(self) -> ModelCard:
        return self._card

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def ready(self) -> Readiness:
        return Readiness(False, "resting after failures") if self.breaker.refuses() else self.readiness

    def stream(self, job: Job) -> AsyncIterator[Chunk]:
        slot = slot_of(job)
        told = current_departure()
        self._stage.notes[slot].append(Note(self._card.id, job, told))
        return self._played(job, slot, self._stage.whose(job, told), self.breaker.enter())

    async def _played(self, job: Job, slot: int, tenant: str, epoch: int) -> AsyncIterator[Chunk]:
        combination = self._stage.serving[slot]
        gone = self._card.id in self._stage.gone
        manner = "unavailable" if gone else combination.manners.get(self._card.id, "answers")
        if manner == "unavailable":
            self.breaker.failed(epoch, connecting=True)
        else:
            self.breaker.answered(epoch)
        try:
            for item in self._script(manner, job, combination, tenant):
                if isinstance(item, str):
                    await self._wait(item, slot)
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            self.breaker.given_up(epoch)

    async def _wait(self, how: str, slot: int) -> None:
        if how == "hang up":
            asyncio.get_running_loop().call_soon(self._stage.hang_up[slot])
        for _ in range(3 if how == "hang up" else 1):
            await asyncio.sleep(0)
        if how == "hang":
            await asyncio.sleep(60)

    def _script(self, manner: str, job: Job, combination: Any, tenant: str) -> Iterator[Any]:
        mark = self._stage.sign(self._card.id, combination, tenant)
        done = Done(Usage(7, 3), ("stop",) * job.n, "cpu")
        if manner in FAULTS:
            yield PathError(manner, "as the test has it")  # type: ignore[arg-type]  # one of the literals
        if manner == "crashes":
            yield RuntimeError("a path that breaks its promise")
        if manner in ("hangs", "loses its client"):
            yield "hang" if manner == "hangs" else "hang up"
        if job.kind == "embedding":
            yield from (Vector((float(mark[1:-1]), 0.5), index) for index in range(len(job.inputs)))
        elif manner == "calls a tool":
            yield ToolCall({"index": 0, "id": "c", "function": {"name": "f", "arguments": f'{{"said": "{mark}"}}'}})
        elif manner != "answers nothing":
            said = f'{{"said": "{mark}"}}' if job.format.kind != "text" else f"said {mark}"
            yield from (Text(said, index) for index in range(job.n))
            if combination.kinds and job.format.kind == "text":
                heard = f" to {job.messages[-1].content if job.messages else job.prompt}"
                half = len(heard) // 2 if not job.stream else 12  # perhaps within a placeholder
                yield from (Text(part, index) for part in (heard[:half], heard[half:]) for index in range(job.n))
        yield "wait"
        if manner == "loses its client midway":
            yield "hang up"
        if manner == "breaks off":
            yield PathError("broken_stream", "as the test has it")
        if manner == "talks nonsense":
            yield object()
        if job.signals:
            p = -5.0 if manner == "answers weakly" else -0.01
            yield from (Signals(index, 4, 4 * p, p, p, (p, p, p), -p, 1.0) for index in range(job.n))
        if manner == "is cut off":
            yield Done(Usage(7, 3), ("length",) * job.n, "cpu")
        elif manner != "ends without an end":
            yield done
        if manner == "goes on after its end":
            yield Text("and another thing")

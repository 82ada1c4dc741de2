"""One execution for all who ask the same at the same time ("single flight").

Rules kept here:
1. Who may share is said by the key: the exact cache's, with all labels, so the same tenant, content and generation.
2. The execution belongs to nobody who waits for it: it goes on while one is left, and ends when the last one leaves.
3. Everybody gets every chunk, from the first one on, or the error that ended it.
4. What it cost is told once: to the first who leaves after its end, or to the last who leaves before.
5. It is joined until it ends, and no more where anything was erased meanwhile: then nobody stores it either.
6. The execution is at most `AHEAD` chunks before the quickest of those who wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from appliance.records.chunks import Chunk
from appliance.records.decision import Judgement, StepOutcome
from appliance.records.features import FindingKind
from appliance.tenancy.hold import Hold

E = TypeVar("E", bound=BaseException)
AHEAD = 256


class Executing(Protocol):
    """What is shared: a run of a decision, of one call or several."""

    @property
    def path(self) -> str: ...

    @property
    def outcomes(self) -> tuple[StepOutcome, ...]: ...

    @property
    def redacted(self) -> tuple[tuple[FindingKind, int], ...]: ...

    @property
    def below_floor(self) -> bool: ...

    @property
    def judgement(self) -> Judgement | None: ...

    async def whole(self) -> list[Chunk]: ...

    def chunks(self) -> AsyncGenerator[Chunk, None]: ...


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a request that leaves records of the execution's cost; `shared` where another request settles it."""

    steps: tuple[StepOutcome, ...]
    shared: bool = False


class Flight:
    """One execution and those who wait for it. `chunks` to the end or not; then `leave`, once each."""

    def __init__(self, execution: Executing, *, whole: bool, retired: Callable[[], object]) -> None:
        """`whole`: nobody wants a stream. `retired` is called when it is not to be joined any more."""
        self.execution = execution
        self.hold: Hold | None = None  # what is set aside for it; for the one who tells what it cost
        self.joined = 0
        self._waiters = 0
        self._retired: Callable[[], object] | None = retired
        self._chunks: list[Chunk] = []
        self._ended = False
        self._told = False
        self._stored = False
        self._read = 0  # by the quickest
        self._room: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._task = asyncio.create_task(_run(self, execution, whole=whole))

    def join(self) -> None:
        """Somebody more waits for it."""
        self.joined += 1
        self._waiters += 1

    def add(self, chunk: Chunk) -> None:
        """The execution's next chunk."""
        self._chunks.append(chunk)
        self._tell()

    async def room(self) -> None:
        """Returns when somebody has read nearly all there is."""
        while len(self._chunks) > self._read + AHEAD:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def end(self, error: BaseException | None) -> None:
        """The execution's end, and what went wrong."""
        self._ended, self._error = True, error
        self._tell()
        if error is not None:
            self.retire()
        else:  # those who wait are woken first, and store it, so that nobody finds neither
            asyncio.get_running_loop().call_soon(self.retire)

    def retire(self) -> None:
        """Let nobody join any more."""
        if self._retired is not None:
            self._retired()
            self._retired = None

    def take_storing(self) -> bool:
        """Whether the caller is the one to store the answer: the first who asks."""
        first, self._stored = not self._stored, True
        return first

    def forget(self) -> None:
        """Something was erased: let nobody join, and nobody store."""
        self._stored = True
        self.retire()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Every chunk as it comes. Raises what the execution raised."""
        at = 0
        while at < len(self._chunks) or not self._ended:
            if at == len(self._chunks):
                self._waiting.append(news := asyncio.get_running_loop().create_future())
                await news
            while at < len(self._chunks):
                yield self._chunks[at]
                at += 1
                if at > self._read:
                    self._read = at
                    if self._room is not None and not self._room.done():
                        self._room.set_result(None)
        if self._error is not None:
            raise _again(self._error)

    async def whole(self) -> list[Chunk]:
        """All chunks, at the end. Raises what the execution raised."""
        while not self._ended:
            self._waiting.append(news := asyncio.get_running_loop().create_future())
            await news
        if self._error is not None:
            raise _again(self._error)
        return self._chunks

    async def leave(self) -> Settlement:
        """Somebody does not wait any more. The last one ends an execution that is still at work."""
        self._waiters -= 1
        if not self._waiters:
            self.retire()
            if not self._ended:
                self._task.cancel()
                await _ended(self._task)
        if not self._ended:
            return Settlement((), shared=True)
        execution = self.execution
        if not self._told:
            self._told = True
            return Settlement(execution.outcomes)
        shared = (StepOutcome(execution.path, "answered", shared=True),) if self._error is None else ()
        return Settlement(shared, shared=True)

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)


class Flights:
    """What is being executed for more than one perhaps, by key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, Flight] = {}

    def __len__(self) -> int:
        return len(self._running)

    def let_go(self) -> None:
        """Something was erased."""
        for flight in tuple(self._running.values()):
            flight.forget()

    def find(self, key: Hashable) -> Flight | None:
        """The flight to join."""
        return self._running.get(key)

    def begin(self, key: Hashable, execution: Executing, *, whole: bool) -> Flight:
        """Run it for whoever asks the same from now on. There is no other of this key."""
        running = self._running
        flight = running[key] = Flight(execution, whole=whole, retired=lambda: running.pop(key))
        return flight


async def _run(flight: Flight, execution: Executing, *, whole: bool) -> None:
    """Not a method, and its error without this frame: what a flight leaves behind must hold no circle."""
    error: BaseException | None = None
    try:
        if whole:
            for chunk in await execution.whole():
                flight.add(chunk)
        else:
            stream = execution.chunks()
            try:
                async for chunk in stream:
                    flight.add(chunk)
                    await flight.room()
            finally:
                await stream.aclose()
    except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - it is raised where somebody waits for it
        error = raised.with_traceback(raised.__traceback__ and raised.__traceback__.tb_next)
    flight.end(error)


async def _ended(task: asyncio.Task[None]) -> None:
    """Returns when it has, also where whoever waits is cancelled meanwhile: a client that goes away breaks off the
    writing first and its request's task a moment later, and what the execution cost would be told by nobody.
    """
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            continue


def _again(error: E) -> E:
    """The same error for one of several: whoever raises it hangs his frames on it."""
    made = type(error).__new__(type(error))
    made.args = error.args
    made.__dict__.update(error.__dict__)
    return made.with_traceback(error.__traceback__)

"""Hedging: a second path is asked where the first gives no token in time; whoever speaks first is heard.

Rules kept here:
1. One of the two is given out, from its first chunk to its last; nothing of the other ever is.
2. The other is stopped at once. What both came to is told, and what both cost is counted.
3. A path that fails before it speaks leaves the field to the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from appliance.paths.contract import Chunk
from appliance.run import Run


@dataclass(slots=True, eq=False)
class _Lane:
    """A run that takes part; `first` is its first chunk, None where it ended without one."""

    run: Run
    stream: AsyncGenerator[Chunk, None]
    first: asyncio.Task[Chunk | None]


class Race:
    """At most two runs. Iterate `chunks` as a run's; then `heard` is the one that counts, and `stopped` the other."""

    def __init__(self, first: Run, after_s: float, second: Callable[[], Run | None]) -> None:
        """`second` is called after `after_s` seconds without a token; None: there is no second after all."""
        self.heard = first
        self.stopped: Run | None = None
        self._after_s = after_s
        self._second = second

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """What the one says that spoke first."""
        spoke: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        lanes = [_lane(self.heard, spoke, 0)]
        closing: list[asyncio.Task[None]] = []
        try:
            await _news(lanes, spoke, self._after_s)
            if not spoke.done() and not lanes[0].first.done():
                second = self._second()
                if second is not None:
                    self.stopped = second
                    lanes.append(_lane(second, spoke, 1))
                    self.heard.hedged = second.hedged = True
            while not spoke.done() and not all(lane.first.done() for lane in lanes):
                await _news(lanes, spoke, None)
            lane = _winner(lanes, spoke)
            for other in lanes:
                if other is not lane:
                    self.heard, self.stopped = lane.run, other.run
                    other.run.overtaken = other is lanes[0]  # it had its time, the second had not
                    other.first.cancel()
                    closing.append(asyncio.create_task(_leave(other)))
            chunk = await lane.first
            if chunk is not None:
                yield chunk
                async for chunk in lane.stream:
                    yield chunk
        finally:
            for each in lanes:
                each.first.cancel()
            try:
                await asyncio.gather(*(each.first for each in lanes), *closing, return_exceptions=True)
            finally:  # also where whoever left is cancelled a moment later, while the other still hangs up
                for each in lanes:
                    await each.stream.aclose()


def _lane(run: Run, spoke: asyncio.Future[int], number: int) -> _Lane:
    run.when_speaking = partial(_say, spoke, number)
    stream = run.chunks()
    return _Lane(run, stream, asyncio.create_task(_first(stream)))


async def _leave(lane: _Lane) -> None:
    """Close it now, whether it was stopped or had just said something."""
    await asyncio.wait((lane.first,))
    await lane.stream.aclose()


def _say(spoke: asyncio.Future[int], number: int) -> None:
    if not spoke.done():
        spoke.set_result(number)


async def _news(lanes: list[_Lane], spoke: asyncio.Future[int], within_s: float | None) -> None:
    """Returns when one of them spoke or came to an end, or after so many seconds."""
    waited_for: list[asyncio.Future[Any]] = [lane.first for lane in lanes if not lane.first.done()]
    await asyncio.wait([*waited_for, spoke], timeout=within_s, return_when=asyncio.FIRST_COMPLETED)


async def _first(stream: AsyncGenerator[Chunk, None]) -> Chunk | None:
    async for chunk in stream:
        return chunk
    return None


def _winner(lanes: list[_Lane], spoke: asyncio.Future[int]) -> _Lane:
    """Who spoke; or who answered without a word; or, where all failed, the last."""
    if spoke.done():
        return lanes[spoke.result()]
    return next((lane for lane in lanes if lane.run.status in ("answered", "rejected")), lanes[-1])

"""Whose job a path takes next, where more wait than it has room for: fair between tenants, by weight.

Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996): a job is tagged with the time at which its tenant's share
would begin it, in a time that runs with the work done, and the smallest tag goes first. A tenant that floods only moves
its own tags.

Rules kept here:
1. While there is room nobody waits, and nothing is counted but the jobs.
2. Where the queue is full, who has most in it for its weight loses its newest: never a tenant that asks for less.
3. Who stops waiting leaves nothing behind.
4. Where the room changes with the path's members, who waits is let on as soon as there is more of it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.paths.contract import PathError

LOOK_S = 0.5  # between two looks at a room that changes


@dataclass(order=True, slots=True)
class _Waiting:
    tag: float
    number: int
    tenant: str = field(compare=False)
    weight: int = field(compare=False)
    size: int = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class Turns:
    """The turns of one path. `room` jobs run at once; at most `queue` wait. `room_now` may say less, but never 0."""

    def __init__(self, room: int, queue: int) -> None:
        self._most = room
        self.room_now: Callable[[], int] | None = None
        self._queue = queue
        self._running = 0
        self._now = 0.0  # the tag of the job that was begun last
        self._ends: dict[str, float] = {}  # where the next job of a tenant begins, at the earliest
        self._heap: list[_Waiting] = []
        self._waits: Counter[str] = Counter()
        self._number = 0
        self.waiting = 0

    @property
    def _room(self) -> int:
        return self._most if self.room_now is None else min(self._most, self.room_now())

    def free(self, size: int = 1) -> bool:
        """Take a turn at once, where there is room and nobody waits; `done` must follow. False where not."""
        if self._running >= self._room or self.waiting:
            return False
        self._running += size
        return True

    async def take(self, tenant: str, weight: int = 1, size: int = 1) -> None:
        """Returns when it is this job's turn; `done` must follow. `size` is in answers, as `room` is.

        Raises PathError 'overloaded' where the queue is full and nobody has more in it.
        """
        if self.free(size):
            return
        if self.waiting >= self._queue:
            self._make_way(tenant, weight)
        if len(self._heap) > 2 * self._queue:  # most of them gave up
            self._heap = [one for one in self._heap if not one.turn.done()]
            heapq.heapify(self._heap)
        self._number += 1
        tag = max(self._now, self._ends.get(tenant, 0.0))
        self._ends[tenant] = tag + size / weight
        turn = asyncio.get_running_loop().create_future()
        one = _Waiting(tag, self._number, tenant, weight, size, turn)
        heapq.heappush(self._heap, one)
        self._waits[tenant] += 1
        self.waiting += 1
        try:
            while self.room_now is not None and not turn.done():
                self._let_on()
                await asyncio.wait((turn,), timeout=LOOK_S)
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.done(size)  # its turn came in the same moment
            else:
                self._forget(one)
            raise

    def done(self, size: int = 1) -> None:
        """A job that had its turn has ended."""
        self._running -= size
        self._let_on()
        if not self._running and not self.waiting:
            self._now = 0.0
            self._ends.clear()

    def _let_on(self) -> None:
        """As many as there is room for, in their order."""
        while self._running < self._room and self._heap:
            one = heapq.heappop(self._heap)
            if one.turn.done():
                continue  # gave up, or lost its place
            self._now = one.tag
            self._left(one, served=True)
            self._running += one.size
            one.turn.set_result(None)

    def _make_way(self, tenant: str, weight: int) -> None:
        """Take its place from the newest job of whoever has most waiting for its weight. Raises PathError where that is
        this tenant.
        """
        shares = {one.tenant: self._waits[one.tenant] / one.weight for one in self._heap if not one.turn.done()}
        most = max(shares, key=lambda name: shares[name], default=tenant)
        if shares.get(tenant, 0.0) + 1 / weight >= shares.get(most, 0.0):
            raise PathError("overloaded", "The path's queue is full.", retry_after_s=5.0)
        newest = max(one for one in self._heap if one.tenant == most and not one.turn.done())
        self._left(newest, served=False)
        newest.turn.set_exception(PathError("overloaded", "The path's queue is full.", retry_after_s=5.0))

    def _forget(self, one: _Waiting) -> None:
        if one.turn.cancelled() or one.turn.cancel():
            self._left(one, served=False)

    def _left(self, one: _Waiting, *, served: bool) -> None:
        """It does not wait any more. Whose job was not `served` has its share of the time again."""
        if not served:
            self._ends[one.tenant] -= one.size / one.weight
        self.waiting -= 1
        self._waits[one.tenant] -= 1
        if not self._waits[one.tenant]:
            del self._waits[one.tenant]

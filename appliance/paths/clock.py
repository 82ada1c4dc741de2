"""A clock for a job that is worked on in steps: it runs while the runtime works, never while the consumer does.

Rules kept here:
1. One timer for a whole job. `asyncio.timeout` around each step of a stream would cost 6 us a step; this costs a
   few tenths. Moving the end later only writes it down: the timer looks again when it goes off.
2. It cancels the step in hand, never the consumer between two steps: a timeout that spans a yield would.
3. A cancellation from elsewhere stays one; only the clock's own becomes TimeoutError (as in `asyncio.timeout`).
"""

from __future__ import annotations

import asyncio
from types import TracebackType

GRAIN_S = 0.001  # uvloop's timers count milliseconds and may go off a little early


class Clock:
    """Use `with clock:` around each await; `at` is in the loop's time, and may be infinite. `stop` it at the end."""

    __slots__ = ("_at", "_base", "_fired", "_loop", "_set_for", "_task", "_timer")

    def __init__(self, at: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._at = at
        self._set_for = at
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._base = 0
        self._fired = False

    def move(self, at: float) -> None:
        """The steps now end at `at`."""
        self._at = at
        if self._timer is not None and at < self._set_for:
            self._timer.cancel()
            self._timer = None
            if self._task is not None:
                self._set()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a clock runs inside a task")
        self._task = task
        self._base = task.cancelling()
        if self._timer is None:
            self._set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._fired:
            self._fired = False
            mine = task is not None and task.uncancel() <= self._base
            if mine and kind is not None and issubclass(kind, asyncio.CancelledError):
                raise TimeoutError from None

    def _set(self) -> None:
        if self._at != float("inf"):
            self._set_for = self._at
            self._timer = self._loop.call_at(self._at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._at - self._loop.time() > GRAIN_S:
            self._set()
        elif self._task is not None:
            self._fired = True
            self._task.cancel()
        # Between two steps nothing is cancelled: the next step sets the timer anew.

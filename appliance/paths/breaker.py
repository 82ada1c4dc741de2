"""When a path rests: after repeated failures to connect, and one job at a time tries whether the server is back.

It knows only whether a server could be reached; what it answered is for others to judge.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES_TO_OPEN = 5
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0


class Breaker:
    """Rests after FAILURES_TO_OPEN consecutive failures to connect: 5 s, doubling to 60 s, then one probe."""

    __slots__ = ("_clock", "_failures", "_pause", "_probing", "_until")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_PAUSE_S
        self._probing = False
        self._until = 0.0

    def wait_s(self) -> float:
        """Seconds until a job may pass: 0 when one may now."""
        if self._failures < FAILURES_TO_OPEN:
            return 0.0
        left = self._until - self._clock()
        return left if left > 0 else 1.0 if self._probing else 0.0

    def enter(self) -> None:
        if self._failures >= FAILURES_TO_OPEN:
            self._probing = True

    def reached(self) -> None:
        if self._failures:
            self._failures = 0
            self._pause = FIRST_PAUSE_S
            self._probing = False

    def missed(self) -> None:
        self._failures += 1
        self._probing = False
        if self._failures >= FAILURES_TO_OPEN and self._until <= self._clock():
            self._until = self._clock() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE_S)

    def given_up(self) -> None:
        """The job ended before it was known whether the server can be reached."""
        self._probing = False

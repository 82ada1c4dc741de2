"""A circuit breaker: calls that would fail are not made, and a few find out whether that is over.

Closed, open, half open (Nygard, Release It!, 2007). It opens by consecutive failures to connect, by the share of errors
in a sliding window of time, and by the 95th percentile of the first token.

Rules kept here:
1. What a call came to counts for the state that it began in: a straggler neither closes nor opens anything.
2. Half open, a counted number of calls may pass. All of them answered: closed; or lagging, where one of them came too
   late. One that was not: open again, for twice as long. One that was given up is another's again.
3. Being asked to wait (Retry-After) is no error. It is waited for, and nothing else changes.
4. A server that is only slow is `lagging`: others are asked before it, and where there is no other it is asked all the
   same. A slow answer is better than none.
5. It reads no clock but the one it is given, and draws nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from appliance.decide.failing import Breaking

State = Literal["closed", "open", "half-open"]
_KEPT = 1024  # calls of one window
_SLOW_SHARE = 0.05  # more than that over the limit: so is the 95th percentile
_OK, _SLOW, _BAD = 0, 1, 2


class Breaker:
    """`refuses` says why no call may be made now, `lags` why others should be asked first. Else `enter`, and then one
    of `answered`, `failed`, `outlasted`, `given_up` with what `enter` gave.
    """

    __slots__ = (
        "_answered",
        "_calls",
        "_clock",
        "_counts",
        "_epoch",
        "_left",
        "_limits",
        "_missed",
        "_pause",
        "_paused_until",
        "_too_late",
        "_until",
        "closings",
        "lagging",
        "openings",
        "state",
        "why",
    )

    def __init__(self, limits: Breaking, clock: Callable[[], float]) -> None:
        """`clock` in seconds, never backwards."""
        self._limits = limits
        self._clock = clock
        self.state: State = "closed"
        self.why = ""  # it opened last
        self.lagging = False  # whether it opened for being slow, and for nothing else since
        self.openings = 0
        self.closings = 0
        self._epoch = 0
        self._calls: deque[tuple[float, int]] = deque(maxlen=_KEPT)
        self._counts = [0, 0, 0]
        self._missed = 0  # connections, one after the other
        self._pause = limits.pause_s
        self._until = 0.0
        self._paused_until = 0.0
        self._left = 0  # probes that may still pass
        self._answered = 0  # probes
        self._too_late = False  # one of them

    def refuses(self) -> str:
        """Why no call may be made now, in words; '' where one may."""
        return self._says(lagging=False)

    def lags(self) -> str:
        """Why others should be asked first, in words; '' where nothing speaks for that."""
        return self._says(lagging=True) if self.lagging else ""

    def _says(self, *, lagging: bool) -> str:
        if self.state == "closed" and not self._paused_until:
            return ""
        now = self._clock()
        if now < self._paused_until and not lagging:
            return f"the server asked to wait, {_seconds(self._paused_until - now)} more"
        if now >= self._paused_until:
            self._paused_until = 0.0
        if self.lagging != lagging:
            return ""
        if self.state == "open":
            if now < self._until:
                return f"circuit breaker open, {_seconds(self._until - now)} more: {self.why}"
            self._half_open()
        if self.state == "half-open" and self._left <= 0:
            return f"circuit breaker half open, its probes are at work: {self.why}"
        return ""

    def passes(self, calls: int) -> int:
        """How many of so many calls may be made now."""
        if self.refuses():
            return 0
        return min(calls, self._left) if self.state == "half-open" and not self.lagging else calls

    def wait_s(self) -> float:
        """Seconds until a call may be made, 0 where one may be now. While probes are at work nobody knows: 1."""
        if not self.refuses():
            return 0.0
        now = self._clock()
        return max(self._paused_until - now, self._until - now if self.state == "open" else 0.0) or 1.0

    def enter(self) -> int:
        """A call is made. Only where nothing refuses it."""
        if self.state == "half-open":
            self._left -= 1
        return self._epoch

    def answered(self, epoch: int, *, slow: bool = False) -> None:
        """It gave an answer; `slow`: its first token took longer than the 95th percentile may."""
        if epoch != self._epoch:
            return
        self._missed = 0
        if self.state == "half-open":
            self._answered += 1
            self._too_late = self._too_late or slow
            if self._too_late and (self.lagging or self._answered >= self._limits.probes):
                self._open("the first token of a probe came too late", lagging=True)
            elif self._answered >= self._limits.probes:
                self._close()
        elif self.state == "closed":
            self._count(_SLOW if slow else _OK)

    def failed(self, epoch: int, *, connecting: bool) -> None:
        """It failed; `connecting`: before anything could be sent."""
        if epoch != self._epoch:
            return
        self._missed = self._missed + 1 if connecting else 0
        if self.state == "half-open":
            self._open(self.why)
        elif self._missed >= self._limits.connect_failures:
            self._open(f"it could not be connected to {self._missed} times in a row")
        elif self.state == "closed":
            self._count(_BAD)

    def outlasted(self, epoch: int, *, slow: bool) -> None:
        """It was stopped because another path was quicker; `slow`: after more than the 95th percentile may be. Of a
        probe that is all that will be known, so it counts as slow.
        """
        if slow or self.state == "half-open":
            self.answered(epoch, slow=True)

    def given_up(self, epoch: int) -> None:
        """It ended before anything was known, or in a way that says nothing of the server."""
        if epoch == self._epoch and self.state == "half-open":
            self._left += 1

    def pause(self, seconds: float) -> None:
        """The server asked not to be called for so long."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _count(self, kind: int) -> None:
        limits, calls, counts = self._limits, self._calls, self._counts
        now = self._clock()
        while calls and (calls[0][0] <= now - limits.window_s or len(calls) == _KEPT):
            counts[calls.popleft()[1]] -= 1
        calls.append((now, kind))
        counts[kind] += 1
        if kind == _OK:
            return
        ok, slow, bad = counts
        total = ok + slow + bad
        if kind == _BAD and total >= limits.least_calls and bad >= limits.error_share * total:
            self._open(f"{bad} of {total} calls failed within {limits.window_s:g} s")
        elif kind == _SLOW and ok + slow >= limits.least_answers and slow > _SLOW_SHARE * (ok + slow):
            self._open(
                f"the first token of {slow} of {ok + slow} answers came too late within {limits.window_s:g} s",
                lagging=True,
            )

    def _open(self, why: str, *, lagging: bool = False) -> None:
        self.why, self.lagging = why, lagging
        self._until = self._clock() + self._pause
        self._pause = min(self._pause * 2, self._limits.longest_pause_s)
        self.openings += 1
        self._enter_state("open")

    def _half_open(self) -> None:
        self._left, self._answered, self._too_late = self._limits.probes, 0, False
        self._enter_state("half-open")

    def _close(self) -> None:
        self.lagging = False
        self._pause = self._limits.pause_s
        self.closings += 1
        self._enter_state("closed")

    def _enter_state(self, state: State) -> None:
        self.state = state
        self._epoch += 1
        self._missed = 0
        self._calls.clear()
        self._counts = [0, 0, 0]


def _seconds(left: float) -> str:
    return f"{left:.0f} s" if left >= 1 else "under a second"

"""What a tenant has spent in this UTC day and month, and what is left of its budgets.

Pure: callers bring the time in Unix seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from appliance.records.money import amount_of

_KEPT = 93  # days that are remembered: of three months


def day_of(now: float) -> str:
    """The UTC day, as '2026-11-21'."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


class Spent(NamedTuple):
    """Use within one UTC day: money in picos, requests, tokens of answers that were computed."""

    picos: int = 0
    requests: int = 0
    tokens: int = 0

    @property
    def cost(self) -> float:
        """The money in units of the currency."""
        return amount_of(self.picos)

    def plus(self, other: Spent) -> Spent:
        return Spent(self.picos + other.picos, self.requests + other.requests, self.tokens + other.tokens)


class Spending:
    """Use of one tenant by UTC day. The newest days are remembered, because requests that began in a month go on in the
    next, and clocks are set back.
    """

    __slots__ = ("_before", "_days", "_today", "_until", "_used")

    def __init__(self, days: dict[str, Spent] | None = None) -> None:
        self._days = dict(days or {})  # as they were when the day of `_today` began, or was gone back to
        self._today = ""
        self._until = 0.0
        self._used = Spent()  # on that day
        self._before = Spent()  # on the other days of its month

    def add(self, now: float, used: Spent) -> str:
        """Count use; returns the day that it counts for."""
        day = self._day(now)
        self._used = self._used.plus(used)
        return day

    def today(self, now: float) -> Spent:
        self._day(now)
        return self._used

    def month(self, now: float) -> Spent:
        """The use of this month, today included."""
        self._day(now)
        return self._before.plus(self._used)

    def _day(self, now: float) -> str:
        """The day of `now`; asked several times for every request, so it is worked out once a day."""
        if not self._until - 86_400.0 <= now < self._until:
            if self._today:
                self._days[self._today] = self._used
            self._today = day_of(now)
            self._until = _next_day(now)
            month = self._today[:7]
            self._days = dict(sorted(self._days.items())[-_KEPT:])
            self._used = self._days.pop(self._today, Spent())
            self._before = Spent()
            for day, spent in self._days.items():
                if day.startswith(month):
                    self._before = self._before.plus(spent)
        return self._today


def _next_day(now: float) -> float:
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=1)).timestamp()


def resets_in(now: float, *, month: bool) -> int:
    """Seconds until the next UTC day, or month, begins; at least 1."""
    at = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    then = at.replace(day=1) + timedelta(days=32) if month else at + timedelta(days=1)
    then = then.replace(day=1) if month else then
    return max(1, int(then.timestamp() - now))

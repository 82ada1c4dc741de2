"""How much of something may be used in a minute: a token bucket.

Pure: callers bring a time in seconds that does not go back (`time.monotonic`).
"""

from __future__ import annotations

_AT_ONCE = 10  # of a small limit, so that a page that asks for a few things is not cut off


class Bucket:
    """Fills at `per_minute` and holds ten seconds' worth of it, or ten where that is more but no more than a minute's.

    It may be overdrawn by what is known only afterwards; then nothing is taken until that is made good.
    """

    __slots__ = ("_at", "_level", "_rate", "holds", "per_minute")

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60.0
        self.holds = max(per_minute / 6.0, float(min(per_minute, _AT_ONCE)))
        self._level = self.holds
        self._at = now

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Seconds until `amount` is there; 0 where it is. More than the bucket holds counts as all of it."""
        self._fill(now)
        if self._level >= amount:
            return 0.0
        missing = min(amount, self.holds) - self._level
        return missing / self._rate if missing > 1e-9 else 0.0

    def take(self, now: float, amount: float = 1.0) -> None:
        """Use `amount`, or give back a negative one. The level may fall below zero."""
        self._fill(now)
        level = self._level - amount
        self._level = level if level < self.holds else self.holds

    def resized(self, per_minute: int, now: float) -> Bucket:
        """Another limit, with what was used kept."""
        made = Bucket(per_minute, now)
        self._fill(now)
        made._level = min(made.holds, self._level - self.holds + made.holds)
        return made

    def _fill(self, now: float) -> None:
        if now > self._at:
            level = self._level + (now - self._at) * self._rate
            self._level = level if level < self.holds else self.holds
            self._at = now

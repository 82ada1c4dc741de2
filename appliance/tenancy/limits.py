"""How much of something may be used in a minute: a token bucket.

Pure: callers bring a time in seconds that does not go back (`time.monotonic`).
"""

from __future__ import annotations


class Bucket:
    """Holds `per_minute` at most and fills at that rate, so that no minute sees more than twice as many.

    It may be overdrawn by what is known only afterwards; then nothing is taken until that is made good.
    """

    __slots__ = ("_at", "_level", "_rate", "per_minute")

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60.0
        self._level = float(per_minute)
        self._at = now

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Seconds until `amount` is there; 0 where it is. More than the bucket holds counts as all of it."""
        self._fill(now)
        missing = min(amount, self.per_minute) - self._level
        return missing / self._rate if missing > 1e-9 else 0.0

    def take(self, now: float, amount: float = 1.0) -> None:
        """Use `amount`, or give back a negative one. The level may fall below zero."""
        self._fill(now)
        self._level = min(float(self.per_minute), self._level - amount)

    def resized(self, per_minute: int, now: float) -> Bucket:
        """Another limit, with what was used kept."""
        made = Bucket(per_minute, now)
        self._fill(now)
        made._level = min(float(per_minute), self._level - self.per_minute + per_minute)
        return made

    def _fill(self, now: float) -> None:
        passed = now - self._at
        if passed > 0:
            self._level = min(float(self.per_minute), self._level + passed * self._rate)
            self._at = now

"""What a stand-in would bill: one row a call, in tokens, those that were cut off or abandoned included.

A call that is refused costs nothing. One that was begun costs its prompt, and what was put on the wire of its answer;
one that came to its end costs what its usage said.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Bill:
    """One call. `ended`: 'refused', 'begun' (and neither of the others so far), 'left' by its client, 'whole'."""

    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    ended: str = "refused"


@dataclass
class Bills:
    """All of a stand-in's calls, in the order in which they came."""

    rows: list[Bill] = field(default_factory=list)

    def open(self, model: str) -> Bill:
        bill = Bill(model)
        self.rows.append(bill)
        return bill

    def total(self, what: str) -> int:
        """A sum over all calls, such as of 'completion_tokens'."""
        return sum(getattr(row, what) for row in self.rows)

    def ends(self) -> dict[str, int]:
        """How many calls ended how."""
        found: dict[str, int] = {}
        for row in self.rows:
            found[row.ended] = found.get(row.ended, 0) + 1
        return found

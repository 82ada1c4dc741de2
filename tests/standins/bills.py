"""What a stand-in would bill: one row a call, in tokens, those that were cut off or abandoned included.

A call that is refused costs nothing. One that was begun costs its prompt, and what was put on the wire of its answer;
one that came to its end costs what its usage said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


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

    def line(self) -> str:
        """The ledger as one line of JSON."""
        return line_of(self.rows)

    def ends(self) -> dict[str, int]:
        """How many calls ended how."""
        found: dict[str, int] = {}
        for row in self.rows:
            found[row.ended] = found.get(row.ended, 0) + 1
        return found


_TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


def line_of(rows: Iterable[Any]) -> str:
    """What calls come to, by how they ended, as one line of JSON: {"bills": {ENDED: {"calls": ..., TOKENS: ...}}}.

    Sums and not the calls themselves: whoever started a stand-in may read its end late, and a pipe holds 64 KiB.
    """
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        sums = found.setdefault(row.ended, {"calls": 0})
        sums["calls"] += 1
        for what in _TOKENS:
            sums[what] = sums.get(what, 0) + getattr(row, what, 0)
    return json.dumps({"bills": found})

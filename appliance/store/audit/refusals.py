"""Refusals on their way into the audit: equal ones within a minute are one entry, which counts them.

Rules kept here:
1. The first of its kind is an entry at once. Those that follow it are counted, and are one more entry when `flush` ends
   the window; none is left out of the counts.
2. Of one window `KINDS` kinds are told apart; beyond that the rest are one kind, so that whoever makes up labels does
   not fill the disk with a log that is never pruned.

It knows no clock: whoever is told that a window opened calls `flush` after WINDOW_S seconds, and at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

WINDOW_S = 60.0
KINDS = 16

Facts = Mapping[str, object]


class Refusals:
    """`note` takes the payload of an entry."""

    def __init__(self, note: Callable[[Facts], None]) -> None:
        self._note = note
        self._counted: dict[str, tuple[int, Facts]] = {}  # by kind: how many since its entry, and the last of them

    def add(self, facts: Facts) -> bool:
        """One refusal; `facts` but for `decision` say of which kind it is. True where it opens a window."""
        opens = not self._counted
        kind = repr(sorted((name, value) for name, value in facts.items() if name != "decision"))
        if kind not in self._counted and len(self._counted) >= KINDS:
            kind, facts = "", {"decision": facts["decision"], "generation": facts["generation"], "others": True}
        count, _ = self._counted.get(kind, (-1, facts))
        if count < 0:
            self._note({**facts, "count": 1})
        self._counted[kind] = (count + 1, facts)
        return opens

    def flush(self) -> None:
        """End the window: what was counted in it is written."""
        counted, self._counted = self._counted, {}
        for count, facts in counted.values():
            if count:
                self._note({**facts, "count": count})

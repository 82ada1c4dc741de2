"""Daily totals, which outlive the records that they were added up from.

Rules kept here:
1. They are written in the transaction of the record, by the writer's thread.
2. What a failed commit did not write, and what belongs to records that were dropped, is written with the next one.

`appliance.spent` reads them.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable

from appliance.records.record import Alike, Record
from appliance.records.totals import DAY_S, Part, Sums, Where, parts_of

Added = dict[tuple[int, Where], Sums]  # by UTC day, counted from 1970
MOST = (1 << 63) - 1  # of one figure: SQLite's integers have 64 bits
_KEYS = ("day", *Where._fields)
_PLACES = ",".join("?" * (len(_KEYS) + len(Sums._fields)))
_ADDED = ",".join(f"{name}=min({MOST},{name}+excluded.{name})" for name in Sums._fields)  # beyond, SQLite has reals
_UPSERT = f"INSERT INTO totals VALUES ({_PLACES}) ON CONFLICT ({','.join(_KEYS)}) DO UPDATE SET {_ADDED}"  # noqa: S608 - names of ours


class Totals:
    """What is to be added. `add` and `write` are for the writer's thread, `owe` for any other."""

    def __init__(self) -> None:
        self._sums: Added = {}
        self._owed: Added = {}
        self._lock = threading.Lock()

    def add(self, record: Record | Alike) -> None:
        """Count a record that is written."""
        _add(self._sums, record.time, _parts(record))

    def owe(self, record: Record | Alike) -> None:
        """Count one that is not."""
        with self._lock:
            _add(self._owed, record.time, _parts(record))

    def write(self, connection: sqlite3.Connection) -> Added:
        """Add all of it to the table; where the transaction comes to nothing, `owe_again` what is returned."""
        with self._lock:
            owed, self._owed = self._owed, {}
        _merge(self._sums, owed)
        added, self._sums = self._sums, {}
        rows = [(day, *where, *(min(one, MOST) for one in sums)) for (day, where), sums in added.items()]
        try:
            connection.executemany(_UPSERT, rows)
        except sqlite3.Error:
            self._sums = added
            raise
        return added

    def owe_again(self, added: Added) -> None:
        """It was not written."""
        _merge(self._sums, added)


def _parts(record: Record | Alike) -> tuple[Part, ...]:
    if isinstance(record, Alike):
        return record.like.parts
    cells = record.features.cells
    tiers = record.decision.candidates
    frontier = frozenset([one.path for one in tiers if one.tier == "frontier"]) if len(tiers) > 1 else frozenset()
    return parts_of(record.asked.tenant, cells[0][0] if cells else "", record.outcome, frontier)


def _add(sums: Added, time: float, parts: Iterable[Part]) -> None:
    day = int(time // DAY_S)
    for where, more in parts:
        before = sums.get((day, where))
        sums[day, where] = more if before is None else before.plus(more)


def _merge(sums: Added, more: Added) -> None:
    for key, each in more.items():
        before = sums.get(key)
        sums[key] = each if before is None else before.plus(each)

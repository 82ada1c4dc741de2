"""Daily totals, which outlive the records that they were added up from.

Rules kept here:
1. They are written in the transaction of the record, by the writer's thread.
2. What a failed commit did not write, and what belongs to records that were dropped, is written with the next one.
3. Reading needs no node, and takes as long as there are rows, whatever the number of requests.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from appliance.errors import StateInvalid
from appliance.records.record import Alike, Record
from appliance.records.totals import DAY_S, Part, Sums, Where, parts_of
from appliance.store.room import reading

By = Literal["tenant", "path", "task", "day"]
BY: tuple[By, ...] = ("tenant", "path", "task", "day")
Added = dict[tuple[int, Where], Sums]  # by UTC day, counted from 1970
_EPOCH = date(1970, 1, 1)
_KEYS = ("day", *Where._fields)
_PLACES = ",".join("?" * (len(_KEYS) + len(Sums._fields)))
_ADDED = ",".join(f"{name}={name}+excluded.{name}" for name in Sums._fields)
_UPSERT = f"INSERT INTO totals VALUES ({_PLACES}) ON CONFLICT ({','.join(_KEYS)}) DO UPDATE SET {_ADDED}"  # noqa: S608 - names of ours
# SQLite's sum of integers ends in an error beyond 64 bits, so money is added up in two halves.
_HALF = 1_000_000_000
_MONEY = ("picos", "estimated_picos", "frontier_picos")
_COUNTS = tuple(name for name in Sums._fields if name not in _MONEY)
_SUMS = ",".join([f"sum({name})" for name in _COUNTS] + [f"sum({name}/{_HALF}),sum({name}%{_HALF})" for name in _MONEY])


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
        try:
            connection.executemany(_UPSERT, [(day, *where, *sums) for (day, where), sums in added.items()])
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


# ---- reading --------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """Sums of what has these names in common; '' where it was not asked for."""

    tenant: str
    path: str
    task: str
    day: str
    currency: str
    sums: Sums


def read(state_dir: Path, by: tuple[By, ...], since: date | None, until: date | None, tenant: str | None) -> list[Row]:
    """Totals from `since` to `until` (UTC days, both included), grouped; by day first, then dearest first.

    Raises StateInvalid where there are none to read.
    """
    path = state_dir / "telemetry.db"
    if not path.is_file():
        raise StateInvalid(
            f"{state_dir} holds no records.", next_step="Name the node's state directory with --state DIR."
        )
    conditions = {
        "day >= ?": None if since is None else (since - _EPOCH).days,
        "day <= ?": None if until is None else (until - _EPOCH).days,
        "tenant = ?": tenant,
    }
    stated = {text: value for text, value in conditions.items() if value is not None}
    names = [name for name in BY if name in by]
    chosen = ",".join([*(name if name in by else "''" for name in BY), "currency", _SUMS])
    query = f"SELECT {chosen} FROM totals"  # noqa: S608 - names of ours
    if stated:
        query += " WHERE " + " AND ".join(stated)
    query += f" GROUP BY {','.join([*names, 'currency'])}"
    try:
        with reading(path) as connection:
            rows = [_row(row) for row in connection.execute(query, tuple(stated.values()))]
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise StateInvalid(f"{path} cannot be read: {error}.", next_step="Check its owner and the disk.") from None
        raise StateInvalid(
            f"{path} holds no totals: an older version wrote it.", next_step="Start the node once; it adds them up."
        ) from None
    return sorted(rows, key=lambda row: (row.day, -row.sums.picos, row))


def _row(found: tuple[object, ...]) -> Row:
    tenant, path, task, day, currency, *figures = found
    counts = [int(str(figure)) for figure in figures]
    named = dict(zip(_COUNTS, counts, strict=False))
    money = counts[len(_COUNTS) :]
    for index, name in enumerate(_MONEY):
        named[name] = money[2 * index] * _HALF + money[2 * index + 1]
    said = "" if day == "" else str(_EPOCH + timedelta(days=int(str(day))))
    return Row(str(tenant), str(path), str(task), said, str(currency), Sums(**named))

"""Records of exact hits that came again: of each its moment is kept, and what it has in common with the others once. A
twentieth of the bytes, and most of what writing it took.

Rules kept here:
1. A row names the pattern that it is to be poured into, and without that it cannot be read.
2. A pattern serves no record that begins `PATTERN_S` after it, so that it can go when those before are gone; where room
   is wanted it goes with the last record that names it.
3. A pattern written in a transaction that came to nothing is none: after that, and after any went, all are made anew.
4. There is at most one of a likeness in that time, so never more than there are records of first hits.

Other records stay JSON: deflated with one like them as the dictionary they have 155 bytes instead of 3,100, but each
call of zlib lets go of the interpreter's lock, and a request took 4 % more processor time for it.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import orjson

from appliance.records.mould import Mould
from appliance.records.record import Alike, Likeness, Record, to_json

PATTERN_S = 86_400.0
_MOMENT = Alike._fields[1:]


class _Pattern(NamedTuple):
    """Row `id`, as long as its packer's `age` is this one."""

    id: int
    until: float
    age: object


class Packer:
    """What the writer thread packs records with."""

    def __init__(self) -> None:
        self._age = object()

    def pack(self, connection: sqlite3.Connection, record: Record | Alike) -> tuple[int | None, str]:
        """The pattern, if it has one, and the JSON that is kept of the record. Raises TypeError or ValueError as
        `to_json`.
        """
        if isinstance(record, Record):
            return None, to_json(record).decode()
        like, *moment = record
        pattern = like.kept
        if not isinstance(pattern, _Pattern) or pattern.age is not self._age or record.time >= pattern.until:
            pattern = like.kept = self._written(connection, like, record.time + PATTERN_S)
        return pattern.id, orjson.dumps(moment).decode()

    def forget(self) -> None:
        """What was written may be gone."""
        self._age = object()

    def _written(self, connection: sqlite3.Connection, like: Likeness, until: float) -> _Pattern:
        cursor = connection.execute("INSERT INTO patterns (until, text) VALUES (?, ?)", (until, like.json.text))
        assert cursor.lastrowid is not None
        return _Pattern(cursor.lastrowid, until, self._age)


def unpacked(kept: str, pattern: bytes | None) -> str | bytes:
    """The JSON of a record. `pattern` is None where it has none."""
    if pattern is None:
        return kept
    return Mould(pattern).pour(dict(zip(_MOMENT, orjson.loads(kept), strict=True)))


def drop_outlived(connection: sqlite3.Connection, now: float) -> bool:
    """Delete the patterns that are too old for any record that is there; whether there were any."""
    done = connection.execute(
        "DELETE FROM patterns WHERE until <= COALESCE((SELECT MIN(time) FROM records), ?)", (now,)
    )
    return done.rowcount > 0


def drop_unnamed(connection: sqlite3.Connection) -> None:
    """Delete the patterns that no record names. Reads all records."""
    connection.execute("DELETE FROM patterns WHERE id NOT IN (SELECT pattern FROM records WHERE pattern IS NOT NULL)")

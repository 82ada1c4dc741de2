"""What is set aside for requests in work, on disk, so that a node that dies does not forget what it may have spent.

Rules kept here:
1. A row is written before the first call that costs is sent, and goes in the transaction that counts the cost. What a
   later call adds to it is handed to the writer as that call begins, and may be lost with a node that dies just then.
2. A row that is left over when a node starts is of a request that died with the node before. Nobody knows how far it
   got, so all that was set aside counts as spent, unless its record says what it cost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

_INSERT = "INSERT OR REPLACE INTO holds VALUES "
_TOGETHER = 32  # rows of one statement
_MOST = (1 << 63) - 1  # of one figure: SQLite's integers have 64 bits


@lru_cache(maxsize=_TOGETHER)
def _insert_of(rows: int) -> str:
    """The statement for this many rows: every statement lets go of the interpreter's lock and waits for it again."""
    return _INSERT + ",".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * rows)


class Kept(NamedTuple):
    """What is set aside for one request. `time` in Unix seconds, `amount` in picos of `currency`."""

    id: str
    tenant: str
    time: float
    amount: int
    path: str
    cell: str
    currency: str
    generation: str


def keep(rows: Sequence[Kept], connection: sqlite3.Connection) -> None:
    """Write them, over what was kept under the same ids; the last of one id holds."""
    for at in range(0, len(rows), _TOGETHER):
        some = [row._replace(amount=min(row.amount, _MOST)) for row in rows[at : at + _TOGETHER]]
        connection.execute(_insert_of(len(some)), [value for row in some for value in row])


def let_go(ids: Iterable[str], connection: sqlite3.Connection) -> None:
    """Remove the rows of these ids."""
    connection.executemany("DELETE FROM holds WHERE id = ?", [(id,) for id in ids])


def left_over(connection: sqlite3.Connection) -> list[Kept]:
    """All rows, oldest first; none where the table was never made."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'holds'").fetchone() is None:
        return []
    return [Kept(*row) for row in connection.execute("SELECT * FROM holds ORDER BY time, id")]

"""What was spent: the daily totals of a state directory, grouped.

Rules kept here:
1. Read-only, without a node, and in a time that depends on the number of rows, not of requests.
2. Few imports: the command that shows it does nothing else.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from appliance.errors import StateInvalid
from appliance.records.totals import Sums

By = Literal["tenant", "path", "task", "day"]
BY: tuple[By, ...] = ("tenant", "path", "task", "day")
_EPOCH = date(1970, 1, 1)
# SQLite's sum of integers ends in an error beyond 64 bits, so money is added up in two halves.
_HALF = 1_000_000_000
_MONEY = ("picos", "estimated_picos", "frontier_picos")
_COUNTS = tuple(name for name in Sums._fields if name not in _MONEY)
_SUMS = ",".join([f"sum({name})" for name in _COUNTS] + [f"sum({name}/{_HALF}),sum({name}%{_HALF})" for name in _MONEY])


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
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
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

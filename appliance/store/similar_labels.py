"""Labels of similar hits, and what they are a share of, in cache.db: written by the writer's thread, read at start.

Rules kept here:
1. All of a cell's state comes from here (`similar.watch`); it is the same after a restart.
2. No text, no tenant and no key: a label says of a cell that one hit was right or wrong.
3. Each function works on the connection it is given; the caller hands it to the writer for cache.db.
4. What SQLite holds and `watch` could not have written is left out.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from typing import get_args

from appliance.similar.report import Seen
from appliance.similar.watch import Count, Label, Opened, Outcome, first_day

_OUTCOMES = get_args(Outcome)
_COUNT = """INSERT INTO similar_counts VALUES (?, ?, ?, ?, ?) ON CONFLICT (verifier, cell, day) DO UPDATE SET
    look_ups = look_ups + excluded.look_ups, would_be_hits = would_be_hits + excluded.would_be_hits"""


def add_labels(connection: sqlite3.Connection, verifier: str, labels: Iterable[Label]) -> None:
    """Keep labels of this verifier's scores."""
    connection.executemany(
        """INSERT INTO similar_labels (verifier, cell, day, nth, score, share, draw, outcome, how)
        VALUES (?,?,?,?,?,?,?,?,?)""",
        [(verifier, x.cell, x.day, x.nth, x.score, x.share, x.draw, x.outcome, x.how) for x in labels],
    )


def add_counts(connection: sqlite3.Connection, verifier: str, counts: Mapping[tuple[str, int], Count]) -> None:
    """Add to what was counted, by cell and day."""
    rows = [(verifier, *where, count.look_ups, count.would_be_hits) for where, count in counts.items()]
    connection.executemany(_COUNT, rows)


def open_again(connection: sqlite3.Connection, verifier: str, cell: str, opened: Opened) -> None:
    """An operator's word: what was labelled up to this look-up counts no longer."""
    connection.execute("REPLACE INTO similar_opened VALUES (?,?,?,?)", (verifier, cell, opened.day, opened.nth))


def sweep(connection: sqlite3.Connection, today: int) -> None:
    """Delete what has aged out, of every verifier."""
    first = first_day(today)
    connection.execute("DELETE FROM similar_labels WHERE day < ?", (first,))
    connection.execute("DELETE FROM similar_counts WHERE day < ?", (first,))
    connection.execute("DELETE FROM similar_opened WHERE day < ?", (first,))


def read_seen(connection: sqlite3.Connection, verifier: str) -> dict[str, Seen]:
    """What is on record of each cell for this verifier. Raises sqlite3.Error; may block."""
    labels: dict[str, list[Label]] = {}
    for row in connection.execute(
        "SELECT cell, day, nth, score, share, draw, outcome, how FROM similar_labels WHERE verifier = ? ORDER BY seq",
        (verifier,),
    ):
        label = Label(*row)
        if _sound(label):
            labels.setdefault(label.cell, []).append(label)
    counts: dict[str, dict[int, Count]] = {}
    rows = connection.execute(
        "SELECT cell, day, look_ups, would_be_hits FROM similar_counts WHERE verifier = ?", (verifier,)
    )
    for cell, day, look_ups, hits in rows:
        if _whole(day, look_ups, hits):
            counts.setdefault(cell, {})[day] = Count(look_ups, hits)
    opened = {
        cell: Opened(day, nth)
        for cell, day, nth in connection.execute(
            "SELECT cell, day, nth FROM similar_opened WHERE verifier = ?", (verifier,)
        )
        if _whole(day, nth)
    }
    return {
        cell: Seen(tuple(labels.get(cell, ())), counts.get(cell, {}), opened.get(cell))
        for cell in sorted({*labels, *counts, *opened})
    }


def _sound(label: Label) -> bool:
    numbers = (label.score, label.share, label.draw)
    return (
        label.outcome in _OUTCOMES
        and _whole(label.day, label.nth)
        and all(isinstance(x, float) and math.isfinite(x) and 0.0 <= x <= 1.0 for x in numbers)
    )


def _whole(*numbers: object) -> bool:
    return all(isinstance(number, int) and number >= 0 for number in numbers)

"""What cache.db holds, for people: entries one by one, and sums. Reads only, and shows no text of anybody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.cache.erasure import Selection, reading

_LIST = """SELECT e.key, e.tenant, e.labels, e.origin, e.generation, e.staticity, e.created, e.expires, e.hits, e.saved,
    e.bytes + COALESCE(s.bytes, 0), COALESCE(s.cell, ''), COALESCE(s.language, '')
    FROM exact e LEFT JOIN semantic s ON s.key = e.key WHERE {} ORDER BY e.created DESC, e.key LIMIT ?"""
_SUMS = """SELECT COALESCE({}, ''), COUNT(*), COUNT(s.key), SUM(e.bytes + COALESCE(s.bytes, 0)), SUM(e.hits),
    SUM(e.hits * e.saved), MIN(e.created)
    FROM exact e LEFT JOIN semantic s ON s.key = e.key GROUP BY 1 ORDER BY 4 DESC"""


@dataclass(frozen=True)
class Kept:
    """One answer that is kept. Times in Unix seconds; `labels` is JSON; `cell` is '' where no question is kept with
    it; `hits` as they count for its worth: a day after the last one, half.
    """

    id: str
    tenant: str
    labels: str
    model: str
    generation: str
    staticity: str
    created: float
    expires: float
    hits: float
    saved: float
    bytes: int
    cell: str
    language: str


@dataclass(frozen=True)
class Sum:
    """Answers that have `name` in common. `saved` is what their hits saved; `oldest` in Unix seconds."""

    name: str
    entries: int
    questions: int
    bytes: int
    hits: float
    saved: float
    oldest: float


def kept(state_dir: Path, selection: Selection, limit: int) -> tuple[Kept, ...]:
    """The newest entries that the selection holds for. Raises StateInvalid."""
    where, values = selection.where("e.")
    with reading(state_dir) as connection:
        if connection is None:
            return ()
        rows = connection.execute(_LIST.format(where), (*values, limit)).fetchall()
    return tuple(Kept(*row) for row in rows)


def sums(state_dir: Path) -> dict[str, tuple[Sum, ...]]:
    """All of it, by cell, staticity, tenant and the path that made the answer. Raises StateInvalid."""
    by = {"cell": "s.cell", "staticity": "e.staticity", "tenant": "e.tenant", "model": "e.origin"}
    with reading(state_dir) as connection:
        if connection is None:
            return dict.fromkeys(by, ())
        return {name: tuple(Sum(*row) for row in connection.execute(_SUMS.format(of))) for name, of in by.items()}

"""Which generation a node runs, which one it ran before, which one is on trial, and which ones are bad.

Rules kept here:
1. Kept in node.db with `synchronous=FULL`; every change is one transaction, whole or not at all.
2. This is what holds; the link `current` follows it and is made anew from it (`Slots.pointed`).
3. Floors are not kept here (`floors`), and nothing here ever lowers one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from appliance.store.node_db import DATABASE, opened

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS bundle_slots (
        one INTEGER PRIMARY KEY CHECK (one = 1), good TEXT NOT NULL, previous TEXT NOT NULL, trial TEXT NOT NULL,
        tries INTEGER NOT NULL, fallen TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS bundle_bad (id TEXT PRIMARY KEY, reason TEXT NOT NULL)",
)
HOLDS = "SELECT good, previous, trial, tries, fallen FROM bundle_slots"


@dataclass(frozen=True)
class Slots:
    """Generations by id, '' where there is none.

    `tries` counts the attempts of `trial` that were begun. `fallen` is the one in whose name safe mode holds: it
    failed, and there was none to return to that the security epoch allows. `bad` says of each bad one why.
    """

    good: str = ""
    previous: str = ""
    trial: str = ""
    tries: int = 0
    fallen: str = ""
    bad: Mapping[str, str] = field(default_factory=dict)

    @property
    def pointed(self) -> str:
        """What `current` must name."""
        return self.trial or self.good or self.fallen

    @property
    def kept(self) -> frozenset[str]:
        """What must stay on the disk."""
        return frozenset((self.good, self.previous, self.trial, self.fallen)) - {""}


def read(state_dir: Path) -> Slots | None:
    """What holds; None where nothing was ever written. Raises StateInvalid."""
    if not (state_dir / DATABASE).exists():
        return None
    with opened(state_dir / DATABASE, to_write=False) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'bundle_slots'").fetchone() is None:
            return None
        row = db.execute(HOLDS).fetchone()
        bad = db.execute("SELECT id, reason FROM bundle_bad ORDER BY id").fetchall()
    if row is None:
        return None
    good, previous, trial, tries, fallen = row
    return Slots(good, previous, trial, tries, fallen, dict(bad))


def write(state_dir: Path, slots: Slots) -> None:
    """Make this what holds, durably. Raises StateInvalid, DiskFull."""
    row = (slots.good, slots.previous, slots.trial, slots.tries, slots.fallen)
    with opened(state_dir / DATABASE) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            db.execute(statement)
        db.execute("INSERT OR REPLACE INTO bundle_slots VALUES (1, ?, ?, ?, ?, ?)", row)
        db.execute("DELETE FROM bundle_bad")
        db.executemany("INSERT INTO bundle_bad VALUES (?, ?)", slots.bad.items())
        db.execute("COMMIT")

"""Which generation a node runs, which one it ran before, which one is on trial, and which ones are bad.

Rules kept here:
1. Kept in node.db with `synchronous=FULL`; every change is one transaction, whole or not at all.
2. This is what holds; the link `current` follows it and is made anew from it (`Slots.pointed`).
3. Floors are not kept here (`floors`), and nothing here ever lowers one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import StateInvalid
from appliance.store.floors import DATABASE
from appliance.store.room import full, lacking, reading

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS bundle_slots (
        one INTEGER PRIMARY KEY CHECK (one = 1), good TEXT NOT NULL, previous TEXT NOT NULL, trial TEXT NOT NULL,
        tries INTEGER NOT NULL, fallen TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS bundle_bad (id TEXT PRIMARY KEY, reason TEXT NOT NULL)",
)


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
    with _database(state_dir, to_write=False) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'bundle_slots'").fetchone() is None:
            return None
        row = db.execute("SELECT good, previous, trial, tries, fallen FROM bundle_slots").fetchone()
        bad = db.execute("SELECT id, reason FROM bundle_bad ORDER BY id").fetchall()
    if row is None:
        return None
    good, previous, trial, tries, fallen = row
    return Slots(good, previous, trial, tries, fallen, dict(bad))


def write(state_dir: Path, slots: Slots) -> None:
    """Make this what holds, durably. Raises StateInvalid, DiskFull."""
    row = (slots.good, slots.previous, slots.trial, slots.tries, slots.fallen)
    with _database(state_dir) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            db.execute(statement)
        db.execute("INSERT OR REPLACE INTO bundle_slots VALUES (1, ?, ?, ?, ?, ?)", row)
        db.execute("DELETE FROM bundle_bad")
        db.executemany("INSERT INTO bundle_bad VALUES (?, ?)", slots.bad.items())
        db.execute("COMMIT")


@contextmanager
def _database(state_dir: Path, *, to_write: bool = True) -> Iterator[sqlite3.Connection]:
    path = state_dir / DATABASE
    try:
        with (
            closing(sqlite3.connect(path, isolation_level=None, timeout=30))
            if to_write
            else reading(path, 30, "rw") as db
        ):
            yield db
    except sqlite3.OperationalError as error:
        if lacking(path.parent):
            raise full(path.parent) from None
        raise StateInvalid(f"{path} cannot be used: {error}.", next_step="Check its owner and the disk.") from None
    except sqlite3.DatabaseError as error:
        raise StateInvalid(f"{path} is damaged: {error}.", next_step="Restore it from a backup.") from None

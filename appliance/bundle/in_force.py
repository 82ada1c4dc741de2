"""What a node runs on and whom it trusts, as its state directory says. Reads, and changes nothing."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from appliance.bundle import generations, trust
from appliance.bundle.refusal import BundleRefused
from appliance.store import floors, slots
from appliance.store.floors import Lost, TrustState

_TICK_NS = 50_000_000  # longer than any file system's clock stands still
_CHANGED = (  # what tells that tenants, what is in force or whom the node trusts are others than before
    "SELECT n FROM changes",
    "SELECT good, previous, trial, tries, fallen FROM bundle_slots",
    "SELECT revision FROM bundle_trust",
)


@dataclass(frozen=True)
class Root:
    """The newest root that the node trusts."""

    version: int
    name: str
    evaluation: bool

    @property
    def words(self) -> str:
        """The root as people are told of it."""
        return f"root {self.version}, {self.name}" + (", FOR EVALUATION ONLY" if self.evaluation else "")


@dataclass(frozen=True)
class InForce:
    """`id` and `folder` are of the good generation, or in safe mode of the one that failed; '' and None: none."""

    id: str = ""
    folder: Path | None = None
    safe: bool = False
    root: Root | None = None


def in_force(state_dir: Path) -> InForce:
    """What is in force now. Raises StateInvalid."""
    kept = slots.read(state_dir) or slots.Slots()
    id = kept.good or kept.fallen
    return InForce(id, generations.place(state_dir, id) if id else None, bool(id) and not kept.good, root_of(state_dir))


def marks(state_dir: Path) -> object:
    """Equal to what it was before where nothing of this changed, by the times and lengths of the files. Cheap, since it
    opens none: a database that nobody holds is written to by being read. Files written just now are equal to nothing:
    the clock of a file system stands still for some milliseconds, and what is written in those may be a revoked key.
    """
    found = []
    just_now = time.time_ns() - _TICK_NS
    for name in (floors.DATABASE, f"{floors.DATABASE}-wal", floors.FILE):
        try:
            about = (state_dir / name).stat()
        except OSError:
            found.append((0, 0))
        else:
            if about.st_mtime_ns > just_now:
                return object()
            found.append((about.st_mtime_ns, about.st_size))
    return tuple(found)


class ChangeWatch:
    """Notices what commands change: what is in force, whom the node trusts, whom it admits. What a node at work writes
    into the same database with every request does not count.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._marks: object = None
        self._content: object = None
        self._db: sqlite3.Connection | None = None
        self._of: os.stat_result | None = None  # the file that is open

    def seen(self) -> object:
        """Equal to what it was before where neither `in_force` nor a tenant's settings and keys can have changed. What
        cannot be read is equal to nothing. For one thread; a few dozen microseconds, and it waits for no lock.
        """
        found = marks(self._state_dir)
        if found != self._marks:
            self._marks = found  # before it is read: what comes between is looked at again
            self._content = self._read()
        return self._content

    def close(self) -> None:
        """Let go of the database."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _read(self) -> object:
        try:
            database, file = self._state_dir / floors.DATABASE, self._state_dir / floors.FILE
            about, beside = database.stat(), file.stat()
            if beside.st_mtime_ns > time.time_ns() - _TICK_NS:
                return object()
            if self._db is None or self._of is None or not os.path.samestat(about, self._of):
                self.close()
                self._db = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=0)
                self._of = about
            return beside.st_mtime_ns, beside.st_size, [self._db.execute(query).fetchall() for query in _CHANGED]
        except (OSError, sqlite3.Error):
            self.close()
            self._marks = object()  # nor is it next time
            return object()


def root_of(state_dir: Path) -> Root | None:
    """The root that the node trusts, also where a copy of it was lost. Raises StateInvalid."""
    return root_in(floors.read(state_dir))


def root_in(found: TrustState | Lost | None) -> Root | None:
    """The root in what `floors.read` returned."""
    state = found.state if isinstance(found, Lost) else found
    if state is None:
        return None
    return _root(state.roots[max(state.roots)])


@lru_cache(maxsize=4)
def _root(data: bytes) -> Root | None:
    try:
        return Root(*trust.root_facts(data))
    except BundleRefused:
        return None

"""Whether commands changed, beside a node at work, what it runs on, whom it trusts or whom it admits. Reads only."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from appliance.store import floors, slots, tenants
from appliance.store.node_db import DATABASE

_TICK_NS = 50_000_000  # longer than any file system's clock stands still
_CHANGED = (tenants.NUMBER, slots.HOLDS, floors.REVISION)  # others than before where anything of this changed


def marks(state_dir: Path) -> object:
    """Equal to what it was before where nothing of this changed, by the times and lengths of the files. Cheap, since it
    opens none: a database that nobody holds is written to by being read. Files written just now are equal to nothing:
    the clock of a file system stands still for some milliseconds, and what is written in those may be a revoked key.
    """
    found = []
    just_now = time.time_ns() - _TICK_NS
    for name in (DATABASE, f"{DATABASE}-wal", floors.FILE):
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
        """Equal to what it was before where neither what is in force nor a tenant's settings and keys can have changed.
        What cannot be read is equal to nothing. For one thread; a few dozen microseconds, and it waits for no lock.
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
            database, file = self._state_dir / DATABASE, self._state_dir / floors.FILE
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

"""node.db: opened by commands that act on what a node trusts and runs, with what stands against it in words.

What is in it is said by those who keep it there: `tenants`, `holds`, `floors`, `slots`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from appliance.errors import StateInvalid
from appliance.store.room import full, lacking, reading

DATABASE = "node.db"
_PATIENCE_S = 30.0  # for another command that is at work on it


@contextmanager
def opened(path: Path, *, to_write: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection without a transaction of its own. Raises StateInvalid, DiskFull, of what is done with it too."""
    try:
        with (
            closing(sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE_S))
            if to_write
            else reading(path, _PATIENCE_S, "rw") as db
        ):
            yield db
    except sqlite3.OperationalError as error:
        if lacking(path.parent):
            raise full(path.parent) from None
        raise StateInvalid(f"{path} cannot be used: {error}.", next_step="Check its owner and the disk.") from None
    except sqlite3.DatabaseError as error:
        raise StateInvalid(f"{path} is damaged: {error}.", next_step="Restore it from a backup.") from None

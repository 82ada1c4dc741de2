"""Room on the disk of the state directory: whether there is any, what is said where not, and how to read then.

Rules kept here:
1. Looking leaves nothing behind, and needs no more than the room that it looks for.
2. A database can be read on a full disk: SQLite then keeps its index in memory, and holds the file alone meanwhile.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.errors import DiskFull

NEEDED = 1 << 20  # bytes: an import's entries in the audit, and what SQLite makes beside each database
FULL = (errno.ENOSPC, errno.EDQUOT)


def lacking(directory: Path) -> bool:
    """Whether fewer than `NEEDED` bytes can be written below the directory. May block."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, NEEDED)
            return False
        except OSError as error:
            if error.errno in FULL:
                return True
        finally:
            os.close(descriptor)
    with suppress(OSError):  # a file system without nameless files
        return shutil.disk_usage(directory).free < NEEDED
    return False


def full(directory: Path) -> DiskFull:
    """What is said where there is no room."""
    free = 0
    with suppress(OSError):
        free = shutil.disk_usage(directory).free
    return DiskFull(
        f"The disk that holds {directory} is full: {free} bytes are free, and {NEEDED} must be.",
        next_step="Make room there, or move the state directory to a larger disk, and try again. Nothing was lost.",
    )


def demand(directory: Path) -> None:
    """Raises DiskFull where there is no room."""
    if lacking(directory):
        raise full(directory)


@contextmanager
def reading(database: Path, timeout_s: float = 5.0, mode: str = "ro") -> Iterator[sqlite3.Connection]:
    """A connection to read a database by, also on a full disk. Raises sqlite3.OperationalError."""
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode={mode}", uri=True, timeout=timeout_s)
    try:
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            if not lacking(database.parent):
                raise
            connection.close()
            connection = sqlite3.connect(database, isolation_level=None, timeout=timeout_s)
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")  # rule 2
            connection.execute("PRAGMA query_only=ON")
        yield connection
    finally:
        connection.close()

"""The databases of the state directory and their append-only migrations.

Rules kept here:
1. A migration is never edited once released; the next one is added below it.
2. A database that knows migrations which this program does not know is from a newer program: refused.
3. One program at a time: a command that is run while a node starts waits for it, and finds what it needs.
4. What is made here only its owner reads; SQLite gives a database's log the same mode.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.errors import StateInvalid
from appliance.store.room import FULL, full, lacking

telemetry = Migrations("weir-telemetry")
cache = Migrations("weir-cache")
audit = Migrations("weir-audit")
node = Migrations("weir-node")
_PATIENCE_S = 30.0


@telemetry()
def m001_records(db: Database) -> None:
    db.execute(
        """CREATE TABLE records (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, time REAL NOT NULL,
            status TEXT NOT NULL, path TEXT NOT NULL, tier TEXT NOT NULL, chosen TEXT NOT NULL,
            cell TEXT NOT NULL, generation TEXT NOT NULL, seconds REAL NOT NULL, cost REAL NOT NULL,
            frontier_cost REAL NOT NULL, json TEXT NOT NULL)"""
    )
    db.execute("CREATE INDEX records_time ON records(time)")


@telemetry()
def m002_conversations(db: Database) -> None:
    db.execute(
        """CREATE TABLE conversations (
            mark BLOB PRIMARY KEY, tenant TEXT NOT NULL, label TEXT NOT NULL, redacted TEXT NOT NULL,
            seen REAL NOT NULL) WITHOUT ROWID"""
    )


@telemetry()
def m003_totals(db: Database) -> None:
    """Sums by UTC day (counted from 1970) and what they have in common (`records.totals`). Pruning leaves them."""
    db.execute(
        """CREATE TABLE totals (
            day INTEGER NOT NULL, tenant TEXT NOT NULL, path TEXT NOT NULL, task TEXT NOT NULL, currency TEXT NOT NULL,
            requests INTEGER NOT NULL, answered INTEGER NOT NULL, off_frontier INTEGER NOT NULL,
            calls INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
            cache_write_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
            reasoning_tokens INTEGER NOT NULL, estimated_tokens INTEGER NOT NULL, picos INTEGER NOT NULL,
            estimated_picos INTEGER NOT NULL, frontier_picos INTEGER NOT NULL,
            PRIMARY KEY (day, tenant, path, task, currency)) WITHOUT ROWID"""
    )


@telemetry()
def m004_packed(db: Database) -> None:
    """What `json` is poured into (`packed`), NULL where it is all there is; none that begins after `until` names it."""
    db.execute("CREATE TABLE patterns (id INTEGER PRIMARY KEY AUTOINCREMENT, until REAL NOT NULL, text BLOB NOT NULL)")
    db.execute("ALTER TABLE records ADD COLUMN pattern INTEGER")


@cache()
def m001_exact(db: Database) -> None:
    db.execute(
        """CREATE TABLE exact (
            key TEXT PRIMARY KEY, tenant TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL,
            origin TEXT NOT NULL, p_good REAL NOT NULL, bytes INTEGER NOT NULL, answer BLOB NOT NULL)
            WITHOUT ROWID"""
    )
    db.execute("CREATE INDEX exact_expires ON exact(expires)")


@cache()
def m002_semantic(db: Database) -> None:
    """Questions with their vectors, each pointing at an answer in `exact`, with which it goes.

    `labels` is JSON of what was stated; '' in what was stored before this. `saved` is what a hit saves, `hits` how many
    there were, the older ones counting less, `used` when the last was; `changes` counts erasures.
    """
    for column in (
        "labels TEXT NOT NULL DEFAULT ''",
        "generation TEXT NOT NULL DEFAULT ''",
        "staticity TEXT NOT NULL DEFAULT ''",
        "saved REAL NOT NULL DEFAULT 0",
        "hits REAL NOT NULL DEFAULT 0",
        "used REAL NOT NULL DEFAULT 0",
    ):
        db.execute(f"ALTER TABLE exact ADD COLUMN {column}")
    db.execute(
        """CREATE TABLE semantic (
            row INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, partition TEXT NOT NULL,
            tenant TEXT NOT NULL, text TEXT NOT NULL, language TEXT NOT NULL, cell TEXT NOT NULL,
            embedder TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL, bytes INTEGER NOT NULL,
            vector BLOB NOT NULL)"""
    )
    db.execute("CREATE INDEX semantic_partition ON semantic(partition, row)")
    db.execute("CREATE INDEX semantic_expires ON semantic(expires)")
    db.execute("CREATE TRIGGER exact_gone AFTER DELETE ON exact BEGIN DELETE FROM semantic WHERE key = old.key; END")
    db.execute("CREATE TABLE changes (n INTEGER NOT NULL, identity TEXT NOT NULL)")
    db.execute("INSERT INTO changes VALUES (0, lower(hex(randomblob(16))))")


@cache()
def m003_similar_labels(db: Database) -> None:
    db.execute(
        """CREATE TABLE similar_labels (
            seq INTEGER PRIMARY KEY, verifier TEXT NOT NULL, cell TEXT NOT NULL, day INTEGER NOT NULL,
            nth INTEGER NOT NULL, score REAL NOT NULL, share REAL NOT NULL, draw REAL NOT NULL,
            outcome TEXT NOT NULL, how TEXT NOT NULL)"""
    )
    db.execute("CREATE INDEX similar_labels_day ON similar_labels(day)")
    db.execute(
        """CREATE TABLE similar_counts (
            verifier TEXT NOT NULL, cell TEXT NOT NULL, day INTEGER NOT NULL, look_ups INTEGER NOT NULL,
            would_be_hits INTEGER NOT NULL, PRIMARY KEY (verifier, cell, day)) WITHOUT ROWID"""
    )
    db.execute(
        """CREATE TABLE similar_opened (
            verifier TEXT NOT NULL, cell TEXT NOT NULL, day INTEGER NOT NULL, nth INTEGER NOT NULL,
            PRIMARY KEY (verifier, cell)) WITHOUT ROWID"""
    )


@cache()
def m004_cells_of_exact(db: Database) -> None:
    """What kind of task an answer was of, as JSON of `Features.cells`; '' where nobody knows."""
    db.execute("ALTER TABLE exact ADD COLUMN cells TEXT NOT NULL DEFAULT ''")


@audit()
def m001_entries(db: Database) -> None:
    db.execute(
        """CREATE TABLE entries (
            seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL,
            previous TEXT NOT NULL, hash TEXT NOT NULL, signature TEXT NOT NULL)"""
    )


@node()
def m001_tenants(db: Database) -> None:
    db.execute("CREATE TABLE tenants (name TEXT PRIMARY KEY, created REAL NOT NULL, settings TEXT NOT NULL)")
    db.execute(
        """CREATE TABLE keys (
            id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, tenant TEXT NOT NULL REFERENCES tenants(name),
            created REAL NOT NULL, expires REAL, revoked REAL)"""
    )
    db.execute(
        """CREATE TABLE spending (
            tenant TEXT NOT NULL, day TEXT NOT NULL, cost REAL NOT NULL, requests INTEGER NOT NULL,
            tokens INTEGER NOT NULL, PRIMARY KEY (tenant, day)) WITHOUT ROWID"""
    )
    db.execute("CREATE TABLE changes (n INTEGER NOT NULL)")
    db.execute("INSERT INTO changes VALUES (0)")


@node()
def m002_money_in_picos(db: Database) -> None:
    """`picos` of the currency, which add up exactly, in place of its units; and what is set aside (`holds.Kept`)."""
    db.execute("ALTER TABLE spending RENAME TO spending_before")
    db.execute(
        """CREATE TABLE spending (
            tenant TEXT NOT NULL, day TEXT NOT NULL, picos INTEGER NOT NULL, requests INTEGER NOT NULL,
            tokens INTEGER NOT NULL, PRIMARY KEY (tenant, day)) WITHOUT ROWID"""
    )
    db.execute(
        "INSERT INTO spending SELECT tenant, day, CAST(round(cost * 1e12) AS INTEGER), requests, tokens "
        "FROM spending_before"
    )
    db.execute("DROP TABLE spending_before")
    db.execute(
        """CREATE TABLE holds (
            id TEXT PRIMARY KEY, tenant TEXT NOT NULL, time REAL NOT NULL, amount INTEGER NOT NULL, path TEXT NOT NULL,
            cell TEXT NOT NULL, currency TEXT NOT NULL, generation TEXT NOT NULL) WITHOUT ROWID"""
    )


def migrate(path: Path, migrations: Migrations) -> None:
    """Create the database or bring it up to date.

    Raises StateInvalid where it is newer, damaged, or out of reach, DiskFull where there is no room for it.
    """
    try:
        with _alone(path.parent):
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with closing(Database(path)) as db:
                _migrate(db, path, migrations)
    except sqlite3.OperationalError as error:
        if lacking(path.parent):
            raise full(path.parent) from None
        raise StateInvalid(f"{path} cannot be opened: {error}.", next_step="Check its owner and the disk.") from None
    except OSError as error:
        if error.errno in FULL:
            raise full(path.parent) from None
        raise StateInvalid(
            f"{path} cannot be opened: {error.strerror}.", next_step="Check its owner and the disk."
        ) from None
    except sqlite3.DatabaseError as error:
        raise StateInvalid(
            f"{path} is damaged: {error}.", next_step="Move the file away; the node then begins an empty one."
        ) from None


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else brings a database of this directory up to date meanwhile. Raises StateInvalid.

    The directory is locked, not the file: closing any descriptor of a file lets go of SQLite's own locks on it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise StateInvalid(
                        f"Another program has been bringing {directory} up to date for {_PATIENCE_S:.0f} s.",
                        next_step="Wait for it, or stop it, and try again.",
                    ) from None
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _migrate(db: Database, path: Path, migrations: Migrations) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    known = {migration.name for migration in migrations._migrations}
    newer = [m.name for m in migrations.applied(db) if m.name not in known]
    if newer:
        raise StateInvalid(
            f"{path.name} was written by a newer Weir (it has {newer[0]}).",
            next_step="Start that version, or restore a backup that this version made.",
        )
    migrations.apply(db)

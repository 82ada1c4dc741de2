"""Claims about how a node sees, without opening anything, that what it runs on or whom it admits may have changed."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.book import Book
from appliance.records.tenant import Tenant
from appliance.store import Store, floors, slots
from appliance.store.changes import ChangeWatch, marks
from appliance.store.floors import TrustState
from appliance.store.holds import Kept
from appliance.store.node_db import DATABASE
from appliance.store.tenants import Tenants
from appliance.tenancy.accounts import Accounts
from appliance.tenancy.budget import Spent


def test_nothing_that_changed_is_equal_and_a_missing_file_is_no_trouble(tmp_path: Path) -> None:
    long_ago = time.time() - 60
    seen = [marks(tmp_path)]
    for name, text in ((DATABASE, "a"), (f"{DATABASE}-wal", "a"), (DATABASE, "ab")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (long_ago, long_ago))
        assert marks(tmp_path) not in seen
        assert marks(tmp_path) == marks(tmp_path)
        seen.append(marks(tmp_path))
    os.utime(tmp_path / DATABASE, (long_ago, long_ago + 1))
    assert marks(tmp_path) not in seen


def test_what_was_written_just_now_is_looked_at_again(tmp_path: Path) -> None:
    """What comes in the same tick of the file system's clock, as long as before, changes neither time nor size."""
    (tmp_path / DATABASE).write_text("a")
    assert marks(tmp_path) != marks(tmp_path)


NOW = 1_795_262_400.0


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory in which something is in force, root and tenants too, and nothing was written just now."""
    Tenants(tmp_path).add(Tenant(name="t"), now=NOW)
    slots.write(tmp_path, slots.Slots(good="g1"))
    floors.write(tmp_path, TrustState(1, {1: b"root"}))
    settle(tmp_path)
    return tmp_path


def settle(state: Path) -> None:
    """The file that is written beside the database is no longer new."""
    os.utime(state / floors.FILE, (NOW, NOW))


def test_what_a_node_books_with_every_request_is_no_change(state: Path) -> None:
    look, store, accounts = ChangeWatch(state), Store(state), Accounts(10)
    accounts.take_over({"t": Tenant(name="t")}, {})
    book = Book(accounts, store)
    try:
        before = look.seen()
        for k in range(3):
            book.used("t", NOW, Spent(7, 1, 2))
            store.writer.flush()
            store.writer.submit("node", lambda db, k=k: keep_one(db, k)).result(5)
            assert marks(state) != marks(state)  # it was written just now
            assert look.seen() == before
    finally:
        store.close()
        look.close()


def keep_one(db: sqlite3.Connection, k: int) -> None:
    row = Kept(f"r{k}", "t", NOW, 7, "p", "", "USD", "g")
    db.execute("INSERT INTO holds VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def revoked(state: Path) -> None:
    Tenants(state).revoke("t", now=NOW)


def trusts_more(state: Path) -> None:
    before = floors.read(state)
    assert isinstance(before, TrustState)
    floors.write(state, replace(before, revision=2, roots={**before.roots, 2: b"root 2"}))


def only_the_row(state: Path) -> None:
    """As where somebody, or a fault, changes one of the two copies."""
    with closing(sqlite3.connect(state / DATABASE)) as db:
        db.execute("UPDATE bundle_trust SET revision = 9")
        db.commit()


def other_file(state: Path) -> None:
    """As where a backup is put back."""
    with closing(sqlite3.connect(state / DATABASE)) as old, closing(sqlite3.connect(state / "copy.db")) as new:
        old.backup(new)
        new.execute("UPDATE changes SET n = 77")
        new.commit()
    (state / "copy.db").replace(state / DATABASE)


@pytest.mark.parametrize(
    "change",
    [
        revoked,
        trusts_more,
        only_the_row,
        other_file,
        lambda state: slots.write(state, slots.Slots(good="g2", previous="g1")),
        lambda state: (state / floors.FILE).write_text("{}"),
        lambda state: (state / floors.FILE).unlink(),
    ],
)
def test_what_a_command_changes_is_a_change(state: Path, change: Callable[[Path], object]) -> None:
    look = ChangeWatch(state)
    try:
        before = look.seen()
        assert look.seen() == before
        change(state)
        after = look.seen()
        assert after != before
        if (state / floors.FILE).exists():
            settle(state)
        assert look.seen() != before
    finally:
        look.close()


def test_what_cannot_be_read_is_equal_to_nothing(tmp_path: Path) -> None:
    look = ChangeWatch(tmp_path)
    first = look.seen()
    (tmp_path / DATABASE).write_bytes(b"no database at all" * 100)
    second = look.seen()
    assert first != second
    os.utime(tmp_path / DATABASE, (NOW, NOW))
    assert look.seen() != look.seen()
    assert look.seen() != second  # it was written just now, and may be another by now
    look.close()

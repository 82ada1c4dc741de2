"""What is set aside and what was spent reach the disk in their order, and once."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest

from appliance.book import Book, _Keeping, _Page
from appliance.records.tenant import Tenant
from appliance.store import Store
from appliance.store.holds import Kept, left_over
from appliance.store.node_db import DATABASE
from appliance.tenancy.accounts import Accounts
from appliance.tenancy.budget import Spent


def test_a_page_that_is_told_twice_that_it_was_not_written_gives_back_once(tmp_path: Path) -> None:
    """As where a piece fails, and then the commit that it was part of."""
    store, accounts = Store(tmp_path), Accounts(10)
    accounts.take_over({"t": Tenant(name="t")}, {})
    try:
        book = Book(accounts, store)
        accounts.used("t", 1_795_262_400.0, Spent(7, 1, 2), ["r1"])
        page = _Page(book)
        with closing(sqlite3.connect(":memory:")) as empty, pytest.raises(sqlite3.OperationalError):
            page.write(empty)
        page.not_written()
        page.not_written()
        taken = accounts.take_unwritten()
    finally:
        store.close()
    assert list(taken.spent.values()) == [Spent(7, 1, 2)]
    assert taken.settled == ["r1"]


def test_what_was_spent_is_not_lost_where_nothing_was_left_to_set_aside_and_the_commit_fails(tmp_path: Path) -> None:
    """As where the work before it took its rows too."""
    store, accounts = Store(tmp_path), Accounts(10)
    accounts.take_over({"t": Tenant(name="t")}, {})
    try:
        work, commit = _Keeping(Book(accounts, store)), Future[object]()
        accounts.used("t", 1_795_262_400.0, Spent(7, 1, 2), ["r1"])
        with closing(sqlite3.connect(":memory:")) as empty, pytest.raises(sqlite3.OperationalError) as failed:
            work.write(empty)
        commit.set_exception(failed.value)
        work.committed(commit)
        taken = accounts.take_unwritten()
    finally:
        store.close()
    assert list(taken.spent.values()) == [Spent(7, 1, 2)]
    assert taken.settled == ["r1"]


NOW = 1_795_262_400.0


def row(id: str, amount: int = 5) -> Kept:
    return Kept(id, "t", NOW, amount, "one", "", "USD", "g")


class Rig:
    """A book on a real store, whose writer can be held back."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.store, self.accounts = directory, Store(directory), Accounts(10)
        self.accounts.take_over({"t": Tenant(name="t")}, {})
        self.book = Book(self.accounts, self.store)
        self.store.writer.flush()

    def held_back(self) -> Callable[[], None]:
        """The writer does nothing until what this returns is called."""
        busy, go = threading.Event(), threading.Event()
        self.store.writer.submit("node", lambda _: (busy.set(), go.wait(30)))
        assert busy.wait(30)
        return go.set

    def kept(self) -> list[tuple[str, int]]:
        self.store.writer.flush()
        with closing(sqlite3.connect(self.directory / DATABASE)) as db:
            return [(one.id, one.amount) for one in left_over(db)]

    def spent(self) -> int:
        with closing(sqlite3.connect(self.directory / DATABASE)) as db:
            return int(db.execute("SELECT coalesce(sum(picos), 0) FROM spending").fetchone()[0])


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.store.close()


def test_what_is_settled_before_it_was_written_is_not_left_behind(rig: Rig) -> None:
    """Its work is queued behind a page that another request asked for."""
    go = rig.held_back()
    rig.book.used("t", NOW, Spent(1, 1))
    rig.book.keep_soon(row("r1"))
    rig.book.used("t", NOW, Spent(4, 1), ["r1"])
    go()
    assert rig.kept() == []
    assert rig.spent() == 5


async def test_many_are_written_together_and_all_who_wait_go_on(rig: Rig) -> None:
    go = rig.held_back()
    waiting = [rig.book.keep(row(f"r{n:03}")) for n in range(100)]
    gone = rig.book.keep(row("gone"))
    gone.cancel()
    rig.book.keep_soon(row("r007", 9))
    rig.book.keep_soon(row("huge", 1 << 70))
    assert not any(one.done() for one in waiting)
    go()
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    kept = dict(rig.kept())
    assert kept == {f"r{n:03}": 5 for n in range(100)} | {"gone": 5, "r007": 9, "huge": (1 << 63) - 1}


async def test_who_waits_goes_on_where_nothing_can_be_written_and_nothing_spent_is_lost(rig: Rig) -> None:
    rig.store.writer.submit("node", lambda db: db.execute("ALTER TABLE holds RENAME TO away")).result(30)
    go = rig.held_back()
    waiting = [rig.book.keep(row(f"r{n}")) for n in range(3)]
    rig.book.used("t", NOW, Spent(4, 1))
    go()
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    rig.store.writer.submit("node", lambda db: db.execute("ALTER TABLE away RENAME TO holds")).result(30)
    rig.book.used("t", NOW, Spent(1, 1))
    assert rig.kept() == []
    assert rig.spent() == 5


def test_who_waits_goes_on_also_where_the_log_takes_no_line(tmp_path: Path) -> None:
    """As on a full disk, which keeps the log too."""
    code = """
import asyncio, os, sys
from pathlib import Path
from appliance.book import Book
from appliance.store import Store
from appliance.store.holds import Kept
from appliance.tenancy.accounts import Accounts
out, store = os.dup(1), Store(Path(sys.argv[1]))
store.writer.submit("node", lambda db: db.execute("DROP TABLE holds")).result(30)
sys.stdout = sys.stderr = open("/dev/full", "w", buffering=1)
async def main():
    await asyncio.wait_for(Book(Accounts(1), store).keep(Kept("r", "t", 1.0, 5, "one", "", "USD", "g")), 10)
asyncio.run(main())
os.write(out, b"went on")
os._exit(0)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout == "went on", ended.stderr

"""What could not be written is given back once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.book import Book, _Page
from appliance.records.tenant import Tenant
from appliance.store import Store
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

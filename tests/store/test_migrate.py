"""Programs that find an old database at the same time, such as a node that starts and a command."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import StateInvalid
from appliance.store.schema import migrate, node


def test_many_at_once_all_find_it_up_to_date(tmp_path: Path) -> None:
    """Without turns nearly every round had one that was told 'locked' or 'table already exists'."""
    failed: list[BaseException] = []

    def start(path: Path, go: threading.Barrier) -> None:
        go.wait(10)
        try:
            migrate(path, node)
        except StateInvalid as error:
            failed.append(error)

    for number in range(5):
        go = threading.Barrier(4)
        path = tmp_path / f"{number}.db"
        programs = [threading.Thread(target=start, args=(path, go)) for _ in range(4)]
        for program in programs:
            program.start()
        for program in programs:
            program.join()
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT n FROM changes").fetchall() == [(0,)]
    assert failed == []


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateInvalid, match="cannot be opened"):
        migrate(tmp_path / "none" / "node.db", node)

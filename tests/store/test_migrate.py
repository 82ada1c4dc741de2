"""Programs that find an old database at the same time, such as a node that starts and a command."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils.migrations import Migrations

from appliance.errors import StateInvalid
from appliance.store.schema import audit, cache, migrate, node, telemetry


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


@pytest.mark.parametrize("migrations", [audit, cache, node, telemetry], ids=lambda one: one.name)
def test_nobody_but_its_owner_reads_what_is_made(tmp_path: Path, migrations: Migrations) -> None:
    path = tmp_path / "a.db"
    before = os.umask(0o022)
    try:
        migrate(path, migrations)
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE more (n)")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("a.db", "a.db-wal", "a.db-shm"), 0o600)


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateInvalid, match="cannot be opened"):
        migrate(tmp_path / "none" / "node.db", node)

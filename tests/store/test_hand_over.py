"""Handing records to the writer: what is dropped is dropped once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from appliance.records.decision import Decision, Outcome
from appliance.records.record import Record
from appliance.store import Reader, Store
from appliance.store.writer import Writer
from tests import factories as make


def record(id: str) -> Record:
    decision = Decision(id, "g1", "only-path")
    return Record(id, 1000.0, make.asked(id=id), make.features(), make.snapshot(), decision, Outcome("answered"))


def test_after_one_dropped_hand_over_records_are_written_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    busy, go_on = threading.Event(), threading.Event()

    def block(_: object) -> None:
        busy.set()
        go_on.wait(10)

    store.writer.submit("telemetry", block)
    assert busy.wait(5)
    while not store.writer.dropped:  # until the queue is full
        store.writer.put("telemetry", lambda _: None)
    store.add(record("lost-on-the-way"))
    assert store.writer.dropped == 2
    go_on.set()
    store.writer.flush()
    store.add(record("later"))
    store.writer.flush()
    written = [row["id"] for row in Reader(store.telemetry_path).all()]
    store.close()
    assert written == ["lost-on-the-way", "later"]


def test_what_waits_when_the_store_closes_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.writer.put = lambda *_: False  # type: ignore[method-assign]  # every hand-over is dropped
    store.add(record("r1"))
    store.close()
    assert [row["id"] for row in Reader(store.telemetry_path).all()] == ["r1"]


def test_what_keeps_coming_does_not_keep_it_from_being_written(tmp_path: Path) -> None:
    """One piece after the other within the window: the window counts from the first, not from the last."""
    store = Store(tmp_path)
    store.add(record("first"))
    reader, seen = Reader(store.telemetry_path), False
    for _ in range(400):  # fewer than make a batch
        store.writer.put("cache", lambda _: None)
        time.sleep(0.005)
        seen = reader.record("first") is not None
        if seen:
            break
    store.close()
    assert seen


def test_after_a_transaction_that_never_began_records_are_written_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.writer.submit("telemetry", lambda c: c.execute("PRAGMA busy_timeout=0")).result(5)
    with closing(sqlite3.connect(store.telemetry_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.add(record("while-locked"))
        store.writer.flush()
        assert "locked" in store.writer.trouble
        other.execute("ROLLBACK")
    store.add(record("later"))
    store.writer.flush()
    assert store.writer.trouble == ""
    written = [row["id"] for row in Reader(store.telemetry_path).all()]
    store.close()
    assert written == ["while-locked", "later"]


def test_a_database_that_cannot_be_opened_fails_what_is_for_it_until_it_can(tmp_path: Path) -> None:
    file, other = tmp_path / "a.db", tmp_path / "b.db"
    file.mkdir()
    writer = Writer({"a": file, "b": other})
    writer.start()
    lost = [writer.submit("a", lambda _: 1) for _ in range(3)]
    for one in lost:
        with pytest.raises(sqlite3.OperationalError):
            one.result(5)
    assert writer.trouble.startswith("a.db: unable to open")
    assert writer.submit("b", lambda _: "b").result(5) == "b"
    writer.flush()
    file.rmdir()
    writer.submit("a", lambda c: c.execute("CREATE TABLE t (n)")).result(5)
    assert writer.submit("a", lambda c: c.execute("INSERT INTO t VALUES (1)").rowcount).result(5) == 1
    assert writer.trouble == ""
    writer.stop()


def test_work_that_takes_its_transaction_away_does_not_take_the_thread_along(tmp_path: Path) -> None:
    writer = Writer({"a": tmp_path / "a.db"})
    writer.start()

    def escape(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise ValueError("no transaction is left to undo")

    with pytest.raises(ValueError):
        writer.submit("a", escape).result(5)
    assert writer.submit("a", lambda _: "alive").result(5) == "alive"
    writer.stop()


@pytest.mark.parametrize("company", [0, 2])
def test_a_piece_that_fails_leaves_nothing_of_itself_and_takes_nobody_along(tmp_path: Path, company: int) -> None:
    writer = Writer({"a": tmp_path / "a.db"}, window_s=3600)
    writer.start()
    writer.submit("a", lambda c: c.execute("CREATE TABLE t (n)")).result(5)

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    for _ in range(company):
        writer.put("a", lambda c: c.execute("INSERT INTO t VALUES (2)"))
    with pytest.raises(sqlite3.OperationalError):
        writer.submit("a", half).result(5)
    writer.flush()
    assert "nowhere" in writer.trouble
    rows = writer.submit("a", lambda c: c.execute("SELECT n FROM t").fetchall()).result(5)
    assert rows == [(2,)] * company
    writer.submit("a", lambda c: c.execute("INSERT INTO t VALUES (3)")).result(5)
    writer.stop()
    assert writer.trouble == ""


def test_who_waits_for_one_database_lets_what_is_for_another_gather_on(tmp_path: Path) -> None:
    writer = Writer({"a": tmp_path / "a.db", "b": tmp_path / "b.db"}, window_s=3600)
    writer.start()
    written: list[str] = []
    writer.put("a", lambda _: written.append("a"))
    writer.put("b", lambda _: written.append("b"))
    writer.submit("b", lambda _: written.append("waited for")).result(5)
    assert written == ["b", "waited for"]
    writer.stop()
    assert written == ["b", "waited for", "a"]


def test_what_nobody_waits_for_is_written_when_it_has_gathered_long_enough(tmp_path: Path) -> None:
    writer = Writer({"a": tmp_path / "a.db"}, window_s=0.2)
    writer.start()
    written = threading.Event()
    assert writer.put("a", lambda _: written.set())
    assert not written.wait(0.05)
    assert written.wait(5)
    writer.stop()


def test_as_many_as_a_transaction_takes_gather_no_longer(tmp_path: Path) -> None:
    writer = Writer({"a": tmp_path / "a.db"}, batch=4, window_s=3600)
    writer.start()
    written = [threading.Event() for _ in range(6)]
    for event in written[:4]:
        writer.put("a", lambda _, event=event: event.set())
    assert all(event.wait(5) for event in written[:4])
    for event in written[4:]:
        writer.put("a", lambda _, event=event: event.set())
    assert not written[4].wait(0.05)
    writer.stop()
    assert all(event.is_set() for event in written)


@pytest.mark.parametrize("ill", ["full", "closed"])
def test_a_log_that_takes_no_line_does_not_end_the_writer(tmp_path: Path, ill: str) -> None:
    """Where the disk is full, the log that shall say so cannot be written either; whoever waits must still be told."""
    code = """
import os, resource, sqlite3, sys
from pathlib import Path
from appliance.store.writer import Writer
top, ill = Path(sys.argv[1]), sys.argv[2]
out = os.dup(1)
writer = Writer({"a": top / "a.db"})
writer.start()
writer.submit("a", lambda db: db.execute("CREATE TABLE t (x)")).result(30)
sys.stdout = sys.stderr = open(top / "log", "w", buffering=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
if ill == "closed":
    sys.stdout.close()
def put():
    try:
        writer.submit("a", lambda db: db.execute("INSERT INTO t VALUES (1)")).result(30)
    except sqlite3.Error:
        return "failed"
    return "written"
ended = [put(), put()]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ended.append(put())
os.write(out, " ".join(ended).encode())
os._exit(0)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path, ill], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stdout == "failed failed written", ended.stderr


def test_whoever_waits_for_an_entry_is_told_also_where_neither_its_mark_nor_the_log_can_be_written(
    tmp_path: Path,
) -> None:
    code = """
import os, sys
from pathlib import Path
from appliance.errors import AuditUnavailable
from appliance.store.audit.log import Audit
out = os.dup(1)
audit = Audit(Path(sys.argv[1]))
audit.write("admin", {"act": "one"})
os.dup2(os.open("/dev/full", os.O_WRONLY), audit._head)
sys.stdout = sys.stderr = open("/dev/full", "w", buffering=1)
try:
    audit.write("admin", {"act": "two"})
except AuditUnavailable:
    os.write(out, b"told")
os._exit(0)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout == "told", ended.stderr

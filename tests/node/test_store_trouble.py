"""The state directory in trouble: group commit, bad pieces, full disks, newer and broken databases."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import StateInvalid
from appliance.store import Reader, Store
from appliance.store.writer import Writer
from tests.node.conftest import running_node, upstream_card
from tests.standins.openai_server import OpenAIStandIn


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (n INTEGER NOT NULL)")
    db.close()
    return path


def numbers(path: Path) -> list[int]:
    db = sqlite3.connect(path)
    try:
        return [row[0] for row in db.execute("SELECT n FROM t ORDER BY n")]
    finally:
        db.close()


def add(n: Any) -> Any:
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (n,))


def test_what_is_queued_together_is_committed_together(database: Path) -> None:
    writer = Writer({"a": database})
    commits: list[int] = []

    def count(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(lambda sql: commits.append(1) if sql == "COMMIT" else None)

    for k in range(100):  # before the thread runs, so that all of it is there at once
        writer.put("a", add(k))
    writer.put("a", count)
    writer.start()
    writer.flush()
    writer.stop()
    assert numbers(database) == list(range(100))
    assert len(commits) <= 2


def test_a_failing_piece_is_undone_alone(database: Path) -> None:
    writer = Writer({"a": database})

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (99)")
        raise RuntimeError("secret")

    for k in range(3):
        writer.put("a", add(k))
        writer.put("a", add(None))
    bad = writer.submit("a", half)
    writer.start()
    writer.flush()
    with pytest.raises(RuntimeError):
        bad.result(1)
    writer.stop()
    assert numbers(database) == [0, 1, 2]
    assert writer.failures == 4


def test_stopping_writes_all_that_is_queued(database: Path) -> None:
    writer = Writer({"a": database}, batch=7)
    writer.start()
    for k in range(1000):
        writer.put("a", add(k))
    writer.stop()
    assert len(numbers(database)) == 1000


def test_a_full_disk_is_said_and_forgotten_once_there_is_room(database: Path) -> None:
    writer = Writer({"a": database})
    writer.start()

    def fill(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    writer.submit("a", fill).result(5)
    big = writer.submit("a", lambda c: c.executemany("INSERT INTO t VALUES (?)", [(k,) for k in range(5000)]))
    with pytest.raises(sqlite3.OperationalError):
        big.result(5)
    assert "full" in writer.trouble
    writer.submit("a", lambda c: c.execute("PRAGMA max_page_count=1000000")).result(5)
    writer.submit("a", add(1)).result(5)
    assert writer.trouble == ""
    writer.stop()
    assert numbers(database) == [1]


def test_a_queue_that_is_full_drops_and_counts_and_never_waits(database: Path) -> None:
    """The loop hands over records; waiting here would stop every request."""
    writer = Writer({"a": database}, backlog=10)
    began = time.monotonic()
    for k in range(25):
        writer.put("a", add(k))
    assert time.monotonic() - began < 1.0
    assert writer.dropped == 15
    assert "dropped" in writer.trouble
    writer.start()
    writer.flush()
    writer.stop()
    assert numbers(database) == list(range(10))


async def test_a_node_whose_disk_is_full_answers_and_says_so(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        await weir.ask("before")

        def limit(pages: str) -> Any:
            def work(connection: sqlite3.Connection) -> None:
                full = connection.execute("PRAGMA page_count").fetchone()[0]
                connection.execute(f"PRAGMA max_page_count={pages or full}")

            return work

        for name in ("telemetry", "cache"):
            await asyncio.to_thread(weir.node.store.writer.submit(name, limit("")).result, 5)
        for k in range(60):
            status, _, _ = await weir.ask(f"while full {k} " + "x" * 500)
            assert status == 200
        await asyncio.sleep(0.1)
        status, body = await weir.get("/readyz")
        assert (status, body["state"]) == (200, "degraded")
        assert any("full" in reason for reason in body["reasons"])
        for address in ("/v1/decisions/wr_0", "/weir/v1/records?limit=5", "/weir/v1/status"):
            status, _ = await weir.get(address)
            assert status in (200, 404), address
        for name in ("telemetry", "cache"):
            await asyncio.to_thread(weir.node.store.writer.submit(name, limit("1000000")).result, 5)
        await weir.ask("after")
        rows = await weir.records()
        assert rows[-1]["outcome"]["status"] == "answered"
        reasons = (await weir.get("/readyz"))[1]["reasons"]
        assert not any("full" in reason for reason in reasons)


@pytest.mark.parametrize("name", ["telemetry.db", "cache.db"])
async def test_a_database_of_a_newer_program_is_refused(tmp_path: Path, name: str) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / name)
    with db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'm999_later', '2030-01-01')",
            (f"weir-{name.removesuffix('.db')}",),
        )
    db.close()
    with pytest.raises(StateInvalid, match="m999_later"):
        Store(tmp_path)


@pytest.mark.parametrize("name", ["telemetry.db", "cache.db"])
def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is no database at all" * 1000)
    with pytest.raises(StateInvalid, match=name):
        Store(tmp_path)


async def test_records_beyond_the_quota_go_oldest_first(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        for k in range(300):
            await weir.ask(f"q{k % 3}")
        before = await weir.records()
        with closing(sqlite3.connect(weir.state / "telemetry.db")) as db:
            pages, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        weir.node.store.prune(before=0.0, max_bytes=pages * size // 2)
        after = await weir.records()
    assert 0 < len(after) < len(before)
    assert [row["id"] for row in after] == [row["id"] for row in before[-len(after) :]]


async def test_records_are_read_while_they_are_written(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        seen = 0
        for _ in range(10):
            await asyncio.gather(*(weir.ask(f"q{k}") for k in range(5)))
            count = len(list(Reader(weir.state / "telemetry.db").all()))
            assert count >= seen
            seen = count
        assert len(await weir.records()) == 50

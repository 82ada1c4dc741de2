"""The state directory: where records and answers are kept.

Rules kept here:
1. Ids and times come from the caller; the store inserts what it is given.
2. Reading opens its own read-only connection, so that `weir why` works beside a node and without one.
3. Records gather while one piece of work waits for them: a request costs an append, many rows one statement. On one
   core every wake of the writer thread and every hand-over of the interpreter's lock is paid for by requests.
4. Each record is added to the daily totals in the transaction that inserts it.
5. A disk that is full when the node starts costs it what it would write, not its life: `writer.trouble` says so, and
   each piece of work tries again.
"""

from __future__ import annotations

import fcntl
import math
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import orjson
import structlog

from appliance.errors import DiskFull, StateInvalid
from appliance.records.record import Alike, Record
from appliance.store.node_db import DATABASE
from appliance.store.packed import Packer, drop_outlived, drop_unnamed, unpacked
from appliance.store.schema import cache, migrate, node, telemetry
from appliance.store.totals import Added, Totals
from appliance.store.writer import Writer, say

__all__ = ["Reader", "Store", "open_reader"]

log = structlog.get_logger("weir.store")
Row = tuple[object, ...]
_INSERT = """INSERT INTO records
    (id,time,status,path,tier,chosen,cell,generation,seconds,cost,frontier_cost,pattern,json) VALUES """
_ROW = "(?,?,?,?,?,?,?,?,?,?,?,?,?)"
_SELECT = "SELECT seq, json, text FROM records LEFT JOIN patterns ON patterns.id = records.pattern "
_TOGETHER = 32  # rows of one statement
_BACKLOG = 50_000  # records


@lru_cache(maxsize=_TOGETHER)
def _insert_of(rows: int) -> str:
    """The statement for this many rows; up to `_TOGETHER` of them, so that the connection keeps all prepared."""
    return _INSERT + ",".join([_ROW] * rows)


class _Batch:
    """One piece of work for the writer thread: the records that wait when it is done."""

    __slots__ = ("_added", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._added: Added = {}

    def insert(self, connection: sqlite3.Connection) -> None:
        self._added = self._store.insert_waiting(connection)

    def came_to_nothing(self) -> None:
        added, self._added = self._added, {}  # it may be told twice
        self._store.came_to_nothing(added)


class Store:
    """The node's side: migrated databases and the writer thread."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._lock = _locked(state_dir)
        self.telemetry_path = state_dir / "telemetry.db"
        self.cache_path = state_dir / "cache.db"
        paths = {"telemetry": self.telemetry_path, "cache": self.cache_path, "node": state_dir / DATABASE}
        self._unready = {"telemetry": telemetry, "cache": cache, "node": node}  # that are not migrated yet
        self._paths = paths
        faults = {}
        for name in ("telemetry", "cache"):
            try:
                self._prepare(name)
            except DiskFull as error:  # rule 5
                faults[name] = error.message
                log.error("disk-full", database=paths[name].name)
            except BaseException:
                self._lock.close()
                raise
        self.writer = Writer(paths, prepare=self._prepare)
        self.writer.start(faults)
        self._waiting: deque[Record | Alike] = deque()
        self._asked = False  # whether work is queued that will take what waits
        self._totals = Totals()
        self._packer = Packer()

    def _prepare(self, name: str) -> None:
        """Bring a database up to date, once. Raises StateInvalid, DiskFull."""
        if name in self._unready:
            migrate(self._paths[name], self._unready[name])
            del self._unready[name]

    def close(self) -> None:
        if self._waiting:
            self.writer.submit("telemetry", self.insert_waiting)
        self.writer.stop()
        self._lock.close()

    def add(self, record: Record | Alike) -> None:
        """Queue a record; the writer thread encodes and inserts it. Beyond `_BACKLOG` it is dropped and counted."""
        if len(self._waiting) >= _BACKLOG:
            self.writer.dropped += 1
            self._totals.owe(record)
        else:
            self._waiting.append(record)
        if not self._asked:
            self._asked = True  # before the hand-over: the writer may be done with it before `put` returns
            batch = _Batch(self)
            if not self.writer.put("telemetry", batch.insert, batch.came_to_nothing):
                self._asked = False

    def came_to_nothing(self, added: Added) -> None:
        """A batch, perhaps before it took anything: the next record asks again."""
        self._asked = False
        self._packer.forget()
        self._totals.owe_again(added)

    def insert_waiting(self, connection: sqlite3.Connection) -> Added:
        """On the writer thread; returns what was added to the totals. What comes from here on queues work of its own,
        so that nothing is left lying.
        """
        self._asked = False
        rows: list[tuple[Record | Alike, Row]] = []
        for _ in range(len(self._waiting)):
            record = self._waiting.popleft()
            try:
                rows.append((record, _row(record, *self._packer.pack(connection, record))))
            except (TypeError, ValueError) as error:
                self._failed(error)
            except sqlite3.Error:
                self._owe([*(one for one, _ in rows), record])
                raise
            if len(rows) == _TOGETHER:
                self._insert(connection, rows)
                rows.clear()
        self._insert(connection, rows)
        return self._totals.write(connection)

    def _insert(self, connection: sqlite3.Connection, rows: list[tuple[Record | Alike, Row]]) -> None:
        """All in one statement where that goes; where it fails, row by row, so that a bad one is alone. What the
        database itself did not take is owed to the totals.
        """
        done = 0
        try:
            if len(rows) > 1:
                try:
                    connection.execute(_insert_of(len(rows)), [value for _, row in rows for value in row])
                    for record, _ in rows:
                        self._totals.add(record)
                    return
                except sqlite3.IntegrityError:
                    pass  # the statement left nothing behind
            for record, row in rows:
                try:
                    connection.execute(_insert_of(1), row)
                    self._totals.add(record)
                except sqlite3.IntegrityError as error:
                    self._failed(error)
                done += 1
        except sqlite3.Error:
            self._owe([record for record, _ in rows[done:]])
            raise

    def _owe(self, records: list[Record | Alike]) -> None:
        for record in records:
            self._totals.owe(record)

    def _failed(self, error: Exception) -> None:
        self.writer.failures += 1
        say(log, "write-failed", kind=type(error).__name__)

    def prune(self, *, before: float, max_bytes: int) -> None:
        """Drop records older than a Unix time, then the oldest beyond `max_bytes` of the database."""

        def work(connection: sqlite3.Connection) -> None:
            if _prune(connection, before, max_bytes):
                self._packer.forget()

        self.writer.put("telemetry", work)


def _locked(state_dir: Path) -> IO[bytes]:
    """An open file whose lock says that the directory is in use; the kernel lets go of it when the process ends."""
    lock = (state_dir / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StateInvalid(
            f"Another node is using {state_dir}.", next_step="Stop it, or give this one a directory with --state DIR."
        ) from None
    return lock


def _prune(connection: sqlite3.Connection, before: float, max_bytes: int) -> bool:
    """Whether patterns may have gone."""
    connection.execute("DELETE FROM records WHERE time < ?", (before,))
    gone = drop_outlived(connection, before)
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    used = (pages - free) * size
    if used <= max_bytes:
        return gone
    kept = connection.execute("SELECT COUNT(*) FROM records").fetchone()[0]
    surplus = math.ceil(kept * (1 - 0.9 * max_bytes / used))  # down to nine tenths, so as not to prune every time
    connection.execute("DELETE FROM records WHERE seq IN (SELECT seq FROM records ORDER BY seq LIMIT ?)", (surplus,))
    drop_unnamed(connection)
    return True


def _row(record: Record | Alike, pattern: int | None, kept: str) -> Row:
    outcome = record.outcome
    like, seconds = (record.like.record, record.seconds) if isinstance(record, Alike) else (record, outcome.seconds)
    return (
        record.id,
        record.time,
        outcome.status,
        outcome.path,
        outcome.tier,
        like.decision.chosen,
        like.features.cells[0][0] if like.features.cells else "",
        like.decision.generation,
        seconds,
        outcome.cost,
        outcome.frontier_cost,
        pattern,
        kept,
    )


class Reader:
    """Read-only access to the records of a state directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _reading(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5))

    def _records(self, which: str, parameters: tuple[object, ...] = ()) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each with its place in the order of arrival. `which` is SQL behind the names of the tables."""
        with self._reading() as connection:
            for seq, kept, pattern in connection.execute(_SELECT + which, parameters):
                yield seq, orjson.loads(unpacked(kept, pattern))

    def record(self, id: str) -> dict[str, Any] | None:
        """The record as parsed JSON, or None."""
        return next((record for _, record in self._records("WHERE records.id = ?", (id,))), None)

    def after(self, seq: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Records in the order of arrival, from the one after `seq`."""
        return list(self._records("WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)))

    def newest(self, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """The last `limit` records, oldest first."""
        return list(self._records("ORDER BY seq DESC LIMIT ?", (limit,)))[::-1]

    def seq_of(self, id: str) -> int | None:
        with self._reading() as connection:
            row = connection.execute("SELECT seq FROM records WHERE id = ?", (id,)).fetchone()
        return None if row is None else int(row[0])

    def all(self) -> Iterator[dict[str, Any]]:
        for _, record in self._records("ORDER BY seq"):
            yield record


def open_reader(state_dir: Path) -> Reader:
    """Raises StateInvalid where the directory holds no records database."""
    path = Path(state_dir) / "telemetry.db"
    if not path.is_file():
        raise StateInvalid(
            f"{state_dir} holds no records.", next_step="Name the node's state directory with --state DIR."
        )
    return Reader(path)

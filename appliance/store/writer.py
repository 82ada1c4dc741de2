"""The one thread that writes to SQLite, with group commit; readers never wait for it.

Rules kept here:
1. Callers hand over work and go on, never waiting: what is queued by `put` is bounded in pieces, and what comes beyond
   that is dropped and counted. Who submits waits for it, so that their number bounds the rest.
2. All that is queued for a database goes into one transaction, at most `batch` pieces or `window_s` seconds of it. A
   piece that somebody waits for is written at once, with what has gathered for its database; the others gather on.
3. A failing piece is rolled back alone and counted; it never takes the others with it.
4. `trouble` says in words what stands in the way of writing, until a commit succeeds again.
5. Nothing ends the thread but `stop`: a database that cannot be opened fails what is for it, and is tried again with
   the next piece. A log that takes no line (its disk is full too) is no trouble of the writing.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import structlog

from appliance.errors import StateInvalid

log = structlog.get_logger("weir.store")
_WAL_PAGES = 4000  # of 4 KiB, until a log is carried over: its sync holds up every other on the disk for milliseconds
Work = Callable[[sqlite3.Connection], object]


class _Piece(NamedTuple):
    """`done` learns what became of the work, and somebody waits for it; `failed` is called where nothing did, twice
    where the whole commit fails after the piece.
    """

    database: str
    work: Work
    done: Future[object] | None = None
    failed: Callable[[], object] | None = None

    def fail(self, error: Exception) -> None:
        if self.failed is not None:
            self.failed()
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)


@dataclass(slots=True)
class _Gathered:
    """What waits for one database's next transaction, and until when at most, by `time.monotonic`."""

    pieces: list[_Piece]
    until: float


class Writer:
    """Writes to several databases by name. Start before use, stop to flush."""

    def __init__(
        self,
        databases: dict[str, Path],
        *,
        batch: int = 512,
        window_s: float = 0.1,
        backlog: int = 50_000,
        synchronous: str = "NORMAL",
        prepare: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`prepare` is called with a database's name each time before it is opened; what it raises is why it is not."""
        self._databases = databases
        self._batch = batch
        self._window_s = window_s
        self._synchronous = synchronous
        self._prepare = prepare
        self._backlog = backlog
        self._queue: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()  # its put takes no lock of Python's
        self._thread = threading.Thread(target=self._run, name="weir-writer", daemon=True)
        self.failures = 0
        self.dropped = 0
        self._faults: dict[str, str] = {}  # database -> why its last commit failed
        self._lost = ""  # why the queue last overflowed

    @property
    def trouble(self) -> str:
        """What stands in the way of writing; '' where nothing does."""
        parts = [f"{name}.db: {fault}" for name, fault in self._faults.items()]
        if self._lost:
            parts.append(self._lost)
        return "; ".join(parts)

    def start(self, faults: Mapping[str, str] = MappingProxyType({})) -> None:
        """Begin; `faults` says of databases why they cannot be written yet."""
        self._faults |= faults
        self._thread.start()

    def stop(self) -> None:
        """Write all that is queued, then end the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def put(self, database: str, work: Work, failed: Callable[[], object] | None = None) -> bool:
        """Hand over a piece of work; it is durable after the next commit. False where it was dropped.

        `failed` is called on the writer thread where it came to nothing.
        """
        if self._queue.qsize() >= self._backlog:
            self.dropped += 1
            self._lost = "writes are dropped, because the disk does not keep up"
            return False
        self._queue.put(_Piece(database, work, failed=failed))
        return True

    def submit(self, database: str, work: Work) -> Future[object]:
        """Hand over a piece of work whose commit (or failure) the caller wants to know."""
        future: Future[object] = Future()
        self._queue.put(_Piece(database, work, future))
        return future

    def flush(self) -> None:
        """Wait until all that was handed over before is committed, or has failed. Not for the event loop."""
        for name in self._databases:
            with suppress(sqlite3.Error, StateInvalid):  # `trouble` has it
                self.submit(name, _nothing).result()

    def _run(self) -> None:
        connections: dict[str, sqlite3.Connection] = {}
        gathered: dict[str, _Gathered] = {}
        stopping = False
        while not stopping:
            stopping = self._gather(gathered)
            now = time.monotonic()
            for name in self._databases:
                own = gathered.get(name)
                if own is not None and (stopping or own.until <= now or len(own.pieces) >= self._batch):
                    self._commit(name, connections, gathered.pop(name).pieces)
        for connection in connections.values():
            connection.close()

    def _gather(self, gathered: dict[str, _Gathered]) -> bool:
        """Take what is queued, after waiting until there is something or the first of what has gathered is due; True
        where nothing comes after it.
        """
        until = min([one.until for one in gathered.values()], default=None)
        left = None if until is None else max(0.0, until - time.monotonic())
        with suppress(queue.Empty):
            piece = self._queue.get(timeout=left)
            while piece is not None:
                own = gathered.get(piece.database)
                if own is None:
                    own = gathered[piece.database] = _Gathered([], time.monotonic() + self._window_s)
                own.pieces.append(piece)
                if piece.done is not None:
                    own.until = 0.0
                if len(own.pieces) >= self._batch:
                    return False
                piece = self._queue.get_nowait()
            return True
        return False

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={self._synchronous}")
            connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _commit(self, name: str, connections: dict[str, sqlite3.Connection], pieces: list[_Piece]) -> None:
        results: list[tuple[Future[object], object]] = []
        connection, failing = connections.get(name), ""
        try:
            if connection is None:
                self._prepare(name)
                connection = connections[name] = self._connect(self._databases[name])
                self._faults.pop(name, None)  # of a start without it
            before = connection.total_changes
            connection.execute("BEGIN IMMEDIATE")
            for piece in pieces:
                failing = self._one(connection, piece, results, alone=len(pieces) == 1) or failing
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the transaction as a whole: disk full, locked, corrupt, not there
            if connection is not None and connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            self.failures += len(pieces)
            self._faults[name] = failing or str(error)  # SQLite's own words; values are parameters
            say(log, "commit-failed", kind=type(error).__name__, pieces=len(pieces))
            for piece in pieces:
                piece.fail(error)
            return
        if failing:
            self._faults[name] = failing
        elif connection.total_changes != before:  # an empty transaction proves nothing
            self._faults.pop(name, None)
            self._lost = ""
        for done, result in results:
            done.set_result(result)

    def _one(
        self,
        connection: sqlite3.Connection,
        piece: _Piece,
        results: list[tuple[Future[object], object]],
        *,
        alone: bool,
    ) -> str:
        """Do one piece; returns what the database itself found wrong, '' where nothing or only the piece was. For one
        that is alone the transaction is its savepoint: every statement waits for the interpreter's lock again.
        """
        if not alone:
            connection.execute("SAVEPOINT piece")
        try:
            result = piece.work(connection)
        except Exception as error:
            fault = str(error) if isinstance(error, sqlite3.OperationalError) else ""
            if not connection.in_transaction:  # a full disk rolls back all of it, savepoints too
                raise
            for statement in ("ROLLBACK", "BEGIN") if alone else ("ROLLBACK TO piece", "RELEASE piece"):
                connection.execute(statement)
            self.failures += 1
            say(log, "write-failed", kind=type(error).__name__)
            piece.fail(error)
            return fault
        if not alone:
            connection.execute("RELEASE piece")
        if piece.done is not None:
            results.append((piece.done, result))
        return ""


def say(to: Any, event: str, **facts: object) -> None:
    """A line of the log, where it takes one: whoever waits for the writing is told in any case."""
    with suppress(OSError, ValueError):  # no room for a line, a pipe nobody reads, a stream that was closed
        to.error(event, **facts)


def _nothing(_: sqlite3.Connection) -> None:
    """Work that is only waited for."""

"""The one thread that writes to SQLite, with group commit; readers never wait for it.

Rules kept here:
1. Callers hand over work and go on, never waiting: what is queued is bounded in pieces, and what comes beyond that is
   dropped and counted.
2. All that is queued goes into one transaction, at most `batch` pieces or `window_s` seconds of it.
3. A failing piece is rolled back alone and counted; it never takes the others with it.
4. `trouble` says in words what stands in the way of writing, until a commit succeeds again.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger("weir.store")
Work = Callable[[sqlite3.Connection], object]


class Writer:
    """Writes to several databases by name. Start before use, stop to flush."""

    def __init__(
        self,
        databases: dict[str, Path],
        *,
        batch: int = 512,
        window_s: float = 0.02,
        backlog: int = 50_000,
        synchronous: str = "NORMAL",
    ) -> None:
        self._databases = databases
        self._batch = batch
        self._window_s = window_s
        self._synchronous = synchronous
        self._queue: queue.Queue[tuple[str, Work, Future[object] | None] | None] = queue.Queue(backlog)
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

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write all that is queued, then end the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def put(self, database: str, work: Work) -> bool:
        """Hand over a piece of work; it is durable after the next commit. False where it was dropped."""
        try:
            self._queue.put_nowait((database, work, None))
        except queue.Full:
            self.dropped += 1
            self._lost = "writes are dropped, because the disk does not keep up"
            return False
        return True

    def submit(self, database: str, work: Work) -> Future[object]:
        """Hand over a piece of work whose commit (or failure) the caller wants to know."""
        future: Future[object] = Future()
        self._queue.put((database, work, future))
        return future

    def flush(self) -> None:
        """Wait until all that was handed over before is committed, or has failed. Not for the event loop."""
        for name in self._databases:
            with suppress(sqlite3.Error):  # `trouble` has it
                self.submit(name, lambda _: None).result()

    def _run(self) -> None:
        connections = {name: self._connect(path) for name, path in self._databases.items()}
        stopping = False
        while not stopping:
            pieces: list[tuple[str, Work, Future[object] | None]] = []
            piece = self._queue.get()
            until, waiting = time.monotonic() + self._window_s, False
            while True:
                if piece is None:
                    stopping = True
                    break
                pieces.append(piece)
                if len(pieces) >= self._batch:
                    break
                # A caller that waits gets its commit at once; others may gather for a moment.
                waiting = waiting or piece[2] is not None
                left = 0.0 if waiting else until - time.monotonic()
                try:
                    piece = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
                except queue.Empty:
                    break
            for name, connection in connections.items():
                self._commit(name, connection, [(work, future) for db, work, future in pieces if db == name])
        for connection in connections.values():
            connection.close()

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        return connection

    def _commit(
        self, name: str, connection: sqlite3.Connection, pieces: list[tuple[Work, Future[object] | None]]
    ) -> None:
        if not pieces:
            return
        results: list[tuple[Future[object], object]] = []
        before, failing = connection.total_changes, ""
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work, future in pieces:
                failing = self._one(connection, work, future, results) or failing
            connection.execute("COMMIT")
        except sqlite3.Error as error:  # the transaction as a whole: disk full, locked, corrupt
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self.failures += len(pieces)
            self._faults[name] = failing or str(error)  # SQLite's own words; values are parameters
            log.error("commit-failed", kind=type(error).__name__, pieces=len(pieces))
            for _, future in pieces:
                if future is not None and not future.done():
                    future.set_exception(error)
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
        work: Work,
        future: Future[object] | None,
        results: list[tuple[Future[object], object]],
    ) -> str:
        """Do one piece; returns what the database itself found wrong, '' where nothing or only the piece was."""
        connection.execute("SAVEPOINT piece")
        try:
            result = work(connection)
        except Exception as error:
            fault = str(error) if isinstance(error, sqlite3.OperationalError) else ""
            if not connection.in_transaction:  # a full disk rolls back all of it, savepoints too
                raise
            connection.execute("ROLLBACK TO piece")
            connection.execute("RELEASE piece")
            self.failures += 1
            log.error("write-failed", kind=type(error).__name__)
            if future is not None:
                future.set_exception(error)
            return fault
        connection.execute("RELEASE piece")
        if future is not None:
            results.append((future, result))
        return ""

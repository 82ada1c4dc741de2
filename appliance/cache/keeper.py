"""The thread that keeps graphs: loads, builds, grows and saves them, so that no look-up waits for it.

Rules kept here:
1. A graph is made from rows of `semantic` alone, and compared with them after each sweep and erasure.
2. Nothing erased stays in a graph or its file: a graph that held any of it is made anew, and a file that was written
   while something was erased is removed.
3. Nothing ends the thread but `close`; what goes wrong costs a graph, and look-ups then see the newest rows only.
4. It stands back for requests: the lowest priority but one, and one row at a time where a graph is in use.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import structlog

from appliance.cache.erasure import Erasures
from appliance.cache.graph import ELEMENT_BYTES, Graph, Unfit, remove
from appliance.cache.index import PartitionIndex, Rows
from appliance.features.embedder import Floats

log = structlog.get_logger("weir.cache")
BEHIND = 10  # a tenth of what is compared one by one may lie beside a graph
_BATCH = 256
_GROWN = 10  # a graph that grew by a tenth is saved
_NICE = 10
_NEXT = "SELECT row, vector FROM semantic WHERE partition = ? AND row > ? ORDER BY row LIMIT ?"


class Keeper:
    """Tends the graphs of partitions that it is asked to. `held` gives what is in memory of one, `grown` hears that it
    changed its size.
    """

    def __init__(
        self,
        database: Path,
        directory: Path,
        erasures: Erasures,
        *,
        dimensions: int,
        memory_bytes: int,
        flat_most: int,
        held: Callable[[str], PartitionIndex],
        grown: Callable[[str, PartitionIndex], object],
    ) -> None:
        self._database = database
        self._directory = directory
        self._erasures = erasures
        self._dimensions = dimensions
        self._memory_bytes = memory_bytes
        self._flat_most = flat_most
        self._held = held
        self._grown = grown
        self._asked: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._open = 0
        self._settled = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="weir-index", daemon=True)
        self._thread.start()
        for draft in directory.glob("*.draft"):  # of one who was killed
            with suppress(OSError):
                draft.unlink()
        for file in directory.glob("*.graph"):
            self.ask(file.stem)

    def ask(self, partition: str) -> None:
        """Bring the partition's graph up to date, soon."""
        with self._settled:
            self._open += 1
        self._asked.put(partition)

    def settle(self, seconds: float) -> bool:
        """Wait until all is done that was asked for. Not for the event loop."""
        with self._settled:
            return self._settled.wait_for(lambda: not self._open, seconds)

    def close(self) -> None:
        """Ends soon, whatever it is at."""
        self._stopping = True
        self._asked.put(None)
        self._thread.join()

    def _run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while (partition := self._asked.get()) is not None and not self._stopping:
            held = self._held(partition)
            held.asked = False
            try:
                with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=5)) as connection:
                    self._tend(connection, partition, held)
            except Exception as error:  # noqa: BLE001 - rule 3
                log.error("index-not-kept", kind=type(error).__name__)
            self._grown(partition, held)
            with self._settled:
                self._open -= 1
                self._settled.notify_all()

    def _tend(self, connection: sqlite3.Connection, partition: str, held: PartitionIndex) -> None:
        file = self._directory / f"{partition}.graph"
        number = self._erasures.number
        graph = held.graph
        if graph is None:
            graph = self._loaded(connection, file, partition)
        if graph is not None and not self._fits(connection, partition, held, graph, number):
            graph = None
            remove(file)
            with held.lock:
                held.take(None)
        count = connection.execute("SELECT COUNT(*) FROM semantic WHERE partition = ?", (partition,)).fetchone()[0]
        least = self._flat_most if graph is None else self._flat_most // 2
        if count <= least or count * (4 * self._dimensions + ELEMENT_BYTES) > self._memory_bytes:
            remove(file)
            with held.lock:
                held.take(None)
            return
        if graph is None:
            graph = Graph.begun(self._dimensions, count + count // 8)
            graph.number = number
        if not self._grow(connection, partition, held, graph, count):
            return
        with held.lock:
            held.take(graph)
        if _GROWN * (len(graph) - graph.saved) > graph.saved or not file.exists():
            self._save(connection, file, partition, graph)
        if self._erasures.number != graph.number:  # it was read while something was erased
            self.ask(partition)

    def _loaded(self, connection: sqlite3.Connection, file: Path, partition: str) -> Graph | None:
        """The graph in the file; None where there is none, or none that fits."""
        if not file.exists():
            return None
        began = time.perf_counter()
        try:
            graph = Graph.load(file, _identity(connection), partition, self._dimensions)
            newest = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'semantic'").fetchone()
            if newest is None or newest[0] < graph.up_to:
                raise Unfit("it is newer than the database")
        except Unfit as unfit:
            log.warning("index-not-used", partition=partition[:12], why=str(unfit))
            remove(file)
            return None
        seconds = round(time.perf_counter() - began, 3)
        log.info("index-loaded", partition=partition[:12], rows=len(graph), seconds=seconds)
        return graph

    def _fits(
        self, connection: sqlite3.Connection, partition: str, held: PartitionIndex, graph: Graph, number: int
    ) -> bool:
        """Compare the graph with the rows, and mark what is gone; whether it may be used from here on."""
        rows = connection.execute(
            "SELECT row FROM semantic WHERE partition = ? AND row <= ?", (partition, graph.up_to)
        ).fetchall()
        gone = graph.rows().difference(row for (row,) in rows)
        with held.lock:
            if graph is held.graph and graph.number != number and (gone or graph.found_gone):
                return False  # some of it was erased
            for row in gone:
                graph.forget(row)
            graph.found_gone.clear()
            graph.number = number
        return not graph.worn and self._is_of_the_rows(connection, graph)

    def _is_of_the_rows(self, connection: sqlite3.Connection, graph: Graph) -> bool:
        """Whether a sample of its vectors is what the rows hold: a database put back from a backup numbers anew."""
        sample = graph.sample()
        if not sample:
            return False
        stored = dict(
            connection.execute(
                f"SELECT row, vector FROM semantic WHERE row IN ({','.join('?' * len(sample))})",  # noqa: S608
                sample,
            ).fetchall()
        )
        for row, vector in zip(sample, graph.vectors(sample), strict=True):
            of_row = vector_of(stored.get(row), self._dimensions)
            if of_row is not None and float(of_row @ vector) < 0.999:
                return False
        return True

    def _grow(
        self, connection: sqlite3.Connection, partition: str, held: PartitionIndex, graph: Graph, count: int
    ) -> bool:
        """Add what is not in it yet; False where it was not finished."""
        said = 0
        while True:
            found = connection.execute(_NEXT, (partition, graph.up_to, _BATCH)).fetchall()
            rows, vectors = vectors_of(found, self._dimensions)
            if not found:
                return True
            if self._stopping:
                return False
            if graph is held.graph:
                for at in range(len(rows)):
                    with held.lock:
                        graph.add(rows[at : at + 1], vectors[at : at + 1])
                    time.sleep(0)  # others come first
                with held.lock:
                    held.take(graph)
            elif len(rows):
                graph.add(rows, vectors)
            if not len(rows):  # all of them are damaged
                graph.up_to = found[-1][0]
            if len(graph) - said > count // 10:
                said = len(graph)
                log.info("index-built", partition=partition[:12], done=said, of=count)

    def _save(self, connection: sqlite3.Connection, file: Path, partition: str, graph: Graph) -> None:
        try:
            graph.save(file, _identity(connection), partition)
        except OSError as error:
            log.error("index-not-saved", kind=type(error).__name__)
        if self._erasures.number != graph.number:
            remove(file)


def vector_of(blob: object, dimensions: int) -> Floats | None:
    """A stored vector; None where it is none."""
    if not isinstance(blob, bytes) or len(blob) != 2 * dimensions:
        return None
    vector = np.frombuffer(blob, np.float16).astype(np.float32)
    norm = float(np.linalg.norm(vector))
    return vector if 0.99 < norm < 1.01 else None  # of float16 it is 1 within 0.001; NaN is neither


def vectors_of(found: list[tuple[int, object]], dimensions: int) -> tuple[Rows, Floats]:
    """Rows and their vectors, without those that are none."""
    sound = [(row, blob) for row, blob in found if isinstance(blob, bytes) and len(blob) == 2 * dimensions]
    joined = b"".join([blob for _, blob in sound])
    vectors = np.frombuffer(joined, np.float16).astype(np.float32).reshape(len(sound), dimensions)
    norms = np.linalg.norm(vectors, axis=1)
    whole = (norms > 0.99) & (norms < 1.01)
    return np.array([row for row, _ in sound], np.int64)[whole], vectors[whole]


def _identity(connection: sqlite3.Connection) -> str:
    return str(connection.execute("SELECT identity FROM changes").fetchone()[0])

"""Questions kept with their vectors, each pointing at its answer in the exact cache: the nearest ones of a partition.

Rules kept here:
1. SQLite is the truth. A question is found only where its row and that of its answer are read alive, in one read, at
   that moment, under the very partition that was asked for; the cosine is that of the vector in the row.
2. There is no answer here: the key points at it, and whatever takes the answer away takes the question along.
3. Nothing here waits for a write, and what is added is found once it is committed.
4. Any error is a miss: a damaged vector, another dimension, a number that is none, a database that cannot be read.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from appliance.cache.erasure import INDEX
from appliance.cache.exact import COLUMNS, Entry, ExactCache, entry_of
from appliance.cache.index import FLAT_MOST, PartitionIndex, Proposed
from appliance.cache.keeper import BEHIND, Keeper, vector_of, vectors_of
from appliance.features.embedder import Floats
from appliance.store import Store

log = structlog.get_logger("weir.cache")
_ROUNDS = 4  # of asking for more where what was proposed is gone
_NEW = "SELECT row, vector FROM semantic WHERE partition = ? AND row > ? AND expires > ? ORDER BY row DESC LIMIT ?"
_ANSWER = ", ".join(f"e.{column}" for column in COLUMNS.split(", "))
_ALIVE = f"""SELECT s.row, s.key, s.text, s.language, s.cell, s.vector, {_ANSWER}
    FROM semantic s JOIN exact e ON e.key = s.key
    WHERE s.row IN ({{}}) AND s.partition = ? AND s.expires > ? AND e.expires > ?"""  # noqa: S608 - constants
_INSERT = """INSERT INTO semantic (key,partition,tenant,text,language,cell,embedder,created,expires,bytes,vector)
    SELECT ?,?,?,?,?,?,?,?,?,?,? WHERE EXISTS (SELECT 1 FROM exact WHERE key = ?)"""
_HELD_BYTES = 1000  # of a partition in memory beside its vectors
_ROW_BYTES = 300  # of a row beside its text and vector, the index's part included


@dataclass(frozen=True, slots=True)
class Near:
    """A question that was asked before, and its answer. `cosine` of both vectors; `cell` as it was then."""

    row: int
    key: str
    text: str
    language: str
    cell: str
    cosine: float
    entry: Entry


class SemanticCache:
    """`nearest` may be called from several threads at once, beside `add`."""

    def __init__(
        self,
        store: Store,
        exact: ExactCache,
        *,
        dimensions: int = 384,
        memory_bytes: int = 256 << 20,
        flat_most: int = FLAT_MOST,
    ) -> None:
        """`exact` holds the answers, and hears of erasures. `memory_bytes` bounds what is held of indexes; a partition
        of more than `flat_most` questions gets a graph.
        """
        self._store = store
        self._erasures = exact.erasures
        self._dimensions = dimensions
        self._memory_bytes = memory_bytes
        self._flat_most = flat_most
        self._partitions: OrderedDict[str, PartitionIndex] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None  # opened by the first look
        self._reading = threading.Lock()
        self.keeper = Keeper(
            store.cache_path,
            store.state_dir / INDEX,
            exact.erasures,
            dimensions=dimensions,
            memory_bytes=memory_bytes,
            flat_most=flat_most,
            held=self._of,
            grown=self._weigh,
        )
        self._erasures.tell(self.let_go)

    def close(self) -> None:
        self.keeper.close()
        with self._reading:
            if self._reader is not None:
                self._reader.close()

    @property
    def held_bytes(self) -> int:
        """What indexes take in memory."""
        return self._bytes

    # ---- looking up -----------------------------------------------------------------------------------------

    def nearest(self, partition: str, vector: Floats, now: float, most: int = 5) -> tuple[Near, ...]:
        """Up to `most` living questions of the partition, nearest first. `vector`: float32 of norm 1.

        Not for the event loop. Any error is ().
        """
        try:
            query = np.asarray(vector, np.float32)
            if query.shape != (self._dimensions,) or not 0.99 < float(np.linalg.norm(query)) < 1.01:
                return ()
            return self._nearest(partition, query, now, most)
        except Exception as error:  # noqa: BLE001 - rule 4
            log.error("semantic-miss", kind=type(error).__name__)
            return ()

    def _nearest(self, partition: str, query: Floats, now: float, most: int) -> tuple[Near, ...]:
        held = self._of(partition)
        alive: list[Near] = []
        with held.lock:
            for again in range(_ROUNDS):
                self._catch_up(held, partition, now)
                proposed = held.propose(query, most)
                alive = self._alive(partition, proposed, query, now)
                gone = {row for row, _ in proposed}.difference(near.row for near in alive)
                if not gone:
                    break
                for row in gone:
                    held.forget(row)
                if again == _ROUNDS // 2 or held.flat.worn:
                    held.start_anew()
            behind = len(held.flat) >= (self._flat_most // BEHIND if held.graph is not None else self._flat_most)
            worn = held.graph is not None and held.graph.worn
            if (behind or worn) and not held.asked:
                held.asked = True
                self.keeper.ask(partition)
        self._weigh(partition, held)
        return tuple(sorted(alive, key=lambda near: -near.cosine))

    def _alive(self, partition: str, proposed: Proposed, query: Floats, now: float) -> list[Near]:
        """What of it may be used."""
        rows = [row for row, _ in proposed]
        alive: list[Near] = []
        if not rows:
            return alive
        for row, key, text, language, cell, blob, *columns in self._read(
            _ALIVE.format(",".join("?" * len(rows))), (*rows, partition, now, now)
        ):
            stored = vector_of(blob, self._dimensions)
            entry = entry_of(key, tuple(columns))
            if stored is None or entry is None or now < entry.created or not isinstance(text, str):
                continue
            alive.append(Near(row, key, text, str(language), str(cell), min(1.0, float(stored @ query)), entry))
        return alive

    def _catch_up(self, held: PartitionIndex, partition: str, now: float) -> None:
        """Take in what was committed since the last look, at most the newest `flat_most`."""
        found = self._read(_NEW, (partition, held.up_to, now, self._flat_most))
        if found:
            held.up_to = found[0][0]
            held.flat.add(*vectors_of(found[::-1], self._dimensions))

    def _read(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._reading:
            if self._reader is None:
                where = f"file:{self._store.cache_path}?mode=ro"
                self._reader = sqlite3.connect(where, uri=True, timeout=1, check_same_thread=False)
            with closing(self._reader.execute(sql, values)) as cursor:
                return cursor.fetchall()

    def _of(self, partition: str) -> PartitionIndex:
        """What is held of the partition."""
        with self._lock:
            held = self._partitions.get(partition)
            if held is None:
                held = self._partitions[partition] = PartitionIndex(self._dimensions, self._flat_most)
            else:
                self._partitions.move_to_end(partition)
            return held

    def _weigh(self, partition: str, held: PartitionIndex) -> None:
        """Count what it holds. What was not asked for longest goes, beyond the bound."""
        with self._lock:
            if self._partitions.get(partition) is not held:
                return
            size = held.bytes + _HELD_BYTES
            self._bytes += size - held.counted
            held.counted = size
            while self._bytes > self._memory_bytes and len(self._partitions) > 1:
                _, dropped = self._partitions.popitem(last=False)
                self._bytes -= dropped.counted

    # ---- changing -------------------------------------------------------------------------------------------

    def add(
        self,
        *,
        partition: str,
        tenant: str,
        key: str,
        text: str,
        language: str,
        cell: str,
        vector: Floats,
        now: float,
        expires: float,
        embedder: str = "",
    ) -> None:
        """Keep a question whose answer was handed to the exact cache under `key` before; without that answer it is not
        kept. Returns at once. A vector that is none is not kept.
        """
        blob = np.asarray(vector, np.float16).tobytes()
        if vector_of(blob, self._dimensions) is None or expires <= now:
            return
        size = len(text.encode("utf-8", "replace")) + len(blob) + _ROW_BYTES
        row = (key, partition, tenant, text, language, cell, embedder, now, expires, size, blob, key)
        number = self._erasures.number

        def work(connection: sqlite3.Connection) -> None:
            if self._erasures.number == number:
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("DELETE FROM semantic WHERE key = ?", (key,))
                connection.execute(_INSERT, row)

        self._store.writer.put("cache", work)

    def sweep(self, now: float, embedder: str = "") -> None:
        """Drop what is over its time, and what another embedder than this one left behind ('': none is dropped).

        After the exact cache's: what that took away is no longer in memory then.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("DELETE FROM semantic WHERE expires <= ?", (now,))
            if embedder:
                connection.execute("DELETE FROM semantic WHERE embedder NOT IN ('', ?)", (embedder,))
            self.let_go()

        self._store.writer.put("cache", work)

    def let_go(self) -> None:
        """Forget what is in memory; what still stands is read anew. Graphs are compared with it soon."""
        with self._lock:
            graphs = [(partition, held) for partition, held in self._partitions.items() if held.graph is not None]
            self._partitions = OrderedDict(graphs)
            self._bytes = sum(held.counted for _, held in graphs)
        for partition, held in graphs:
            with held.lock:
                held.start_anew()
            self.keeper.ask(partition)

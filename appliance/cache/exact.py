"""The exact cache: the same question from the same tenant under the same labels, asked of the same generation.

Rules kept here:
1. The key holds tenant, labels and generation by equality; nothing is ever similar here.
2. Only complete, accepted answers are stored; lifetime is absolute and never renewed by hits.
3. SQLite is the truth. Memory holds the most recent entries; an entry is served from memory only while it lives.
4. An answer is stored only where detectors read all of the content and found nothing. What they find is a function
   of content, generation and detectors, which the key holds: in whatever has the key, nothing would be found.
5. A caller may raise the bar (no-store, no-cache, max-age), never lower it.
6. What another process erased is not served from memory either: memory counts under one number of `Erasures` only.
7. Over the quota goes first what is worth least: cost saved times how often it was asked for, older hits counting less,
   by byte.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import orjson
from pydantic import TypeAdapter

from appliance.cache.erasure import LABELS, Erasures
from appliance.features.detect import form
from appliance.records.answer import Answer
from appliance.records.decision import CacheHit
from appliance.records.features import UNKNOWN_CELLS, Cells
from appliance.records.request import Labels, Request
from appliance.store import Store

PATH_ID = "cache/exact"
COLUMNS = "created, expires, origin, p_good, answer, cells"  # what `entry_of` reads
_DOUBTED = 10_000  # keys
_COUNTED = 65_536  # hits between two sweeps; of more, the newest
_LEFT_S = 86_400.0  # an unused entry of another generation is kept this long, for a way back
_INSERT = """INSERT INTO exact
    (key,tenant,created,expires,origin,p_good,bytes,answer,labels,generation,staticity,saved,cells)
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (key) DO UPDATE SET
    (tenant,created,expires,origin,p_good,bytes,answer,labels,generation,staticity,saved,cells) =
    (excluded.tenant,excluded.created,excluded.expires,excluded.origin,excluded.p_good,excluded.bytes,excluded.answer,
    excluded.labels,excluded.generation,excluded.staticity,excluded.saved,excluded.cells)"""
# A day after its last hit, an entry's hits count half.
_NOTE_HITS = """UPDATE exact SET hits = hits / (1 + max(0, ?2 - max(created, used)) / 86400.0) + ?3, used = ?2
    WHERE key = ?1"""
_HELD = "SELECT (SELECT COALESCE(SUM(bytes), 0) FROM exact) + (SELECT COALESCE(SUM(bytes), 0) FROM semantic)"
_EVICT = """DELETE FROM exact WHERE key IN (SELECT key FROM (
    SELECT key, SUM(size) OVER (ORDER BY worth / size DESC, created DESC, key) AS kept FROM (
        SELECT e.key, e.created, e.bytes + COALESCE(s.bytes, 0) AS size,
            (e.saved + 1e-6) * (1 + e.hits) / (1 + max(0, ?2 - max(e.created, e.used)) / 86400.0) AS worth
        FROM exact e LEFT JOIN semantic s ON s.key = e.key)) WHERE kept > ?1)"""


@lru_cache(maxsize=1)
def _answers() -> TypeAdapter[Answer]:
    return TypeAdapter(Answer)


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored answer. Times in Unix seconds. `cells` as in the features of who asked first."""

    key: str
    created: float
    expires: float
    origin: str
    p_good: float
    answer: Answer
    bytes: int
    cells: Cells = UNKNOWN_CELLS

    def hit(self, now: float) -> CacheHit:
        """The entry as a decision sees it."""
        return CacheHit(PATH_ID, self.key, now - self.created, self.origin, self.p_good)


def cacheable(request: Request) -> bool:
    """Whether an answer may be looked up or stored for this request at all."""
    labels = request.labels
    return (
        request.kind != "embedding"
        and labels.cache != "no-store"
        and labels.classification in ("public", "internal")
        and labels.variation in ("", "replay")
        and request.sampling.seed is None
        and not request.tools
        and (request.n == 1 or request.sampling.temperature == 0)
        and not any(message.tool_calls or message.role == "tool" for message in request.messages)
    )


def key_of(request: Request, generation: str) -> str:
    """SHA-256 over what must be equal: tenant, labels that part, generation, detectors, content digest."""
    labels = request.labels
    return _digest(
        request.tenant,
        labels.classification,
        labels.residency,
        labels.purpose,
        labels.rights,
        labels.locale,
        labels.strategy,
        generation,
        form(),
        request.digest,
    )


@lru_cache(maxsize=4096)
def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


class ExactCache:
    """Lookups are memory first, then one indexed read; writes go through the store's writer."""

    def __init__(self, store: Store, *, ttl_s: float, memory_bytes: int = 64 << 20, max_bytes: int = 1 << 30) -> None:
        """Raises StateInvalid where the state directory takes no file."""
        self._store = store
        self._ttl_s = ttl_s
        self._memory_bytes = memory_bytes
        self._max_bytes = max_bytes
        self._held = 0
        self._memory: OrderedDict[str, Entry] = OrderedDict()
        self._asked: deque[str] = deque(maxlen=_COUNTED)  # keys of hits since the last sweep
        self._doubted: OrderedDict[tuple[str, str], None] = OrderedDict()  # key and origin
        self.erasures = Erasures(store.state_dir)
        self.erasures.tell(self.let_go)
        self._number = self.erasures.number
        self._reader: sqlite3.Connection | None = None  # opened by the first look
        self._lock = threading.Lock()
        self._changes = self._count_changes()
        store.writer.put("cache", partial(_shorten, ttl_s))

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self.erasures.close()

    def look_up(self, key: str, now: float, max_age_s: int | None = None) -> Entry | None:
        """The living entry under this key, or None. Any error in reading is a miss."""
        found = self.held(key, now, max_age_s)
        if found is None and key not in self._memory:
            entry = self._read(key, now)
            if entry is not None:
                self._hold(entry)
                found = self.held(key, now, max_age_s)
        return found

    def held(self, key: str, now: float, max_age_s: int | None = None) -> Entry | None:
        """The same, of what is in memory, where the newest is."""
        if self.erasures.numbers[0] != self._number:
            self.let_go()
        entry = self._memory.get(key)
        if entry is None:
            return None
        self._memory.move_to_end(key)
        age = now - entry.created
        if now >= entry.expires or age < 0 or (max_age_s is not None and age > max_age_s):
            return None
        self._asked.append(key)
        return entry

    def doubt(self, key: str, origin: str) -> None:
        """That path answered this too weakly. What it answers until it is judged good is no answer to keep: asked again
        and again, one of them is let through by mistake. The newest `_DOUBTED` are known, in this process.
        """
        self._doubted[key, origin] = None
        self._doubted.move_to_end((key, origin))
        if len(self._doubted) > _DOUBTED:
            self._doubted.popitem(last=False)

    def doubts(self, key: str, origin: str) -> bool:
        """Whether that path answered this too weakly before."""
        return (key, origin) in self._doubted

    def used(self, key: str) -> None:
        """Count a hit that did not come through `look_up`."""
        self._asked.append(key)

    def store(
        self,
        key: str,
        tenant: str,
        answer: Answer,
        *,
        origin: str,
        p_good: float,
        now: float,
        ttl_s: float | None = None,
        labels: Labels | None = None,
        generation: str = "",
        staticity: str = "",
        saved: float = 0.0,
        cells: Cells = UNKNOWN_CELLS,
    ) -> None:
        """Keep one complete, accepted answer, for `ttl_s` seconds or as long as the host lets answers live.

        Labels and generation are for erasing by them; `saved` is what a hit saves, in any unit that all entries share.
        """
        blob = orjson.dumps(answer)
        lives = self._ttl_s if ttl_s is None else min(ttl_s, self._ttl_s)
        entry = Entry(key, now, now + lives, origin, p_good, answer, len(blob), cells)
        number = self.erasures.number
        if number != self._number:
            self.let_go()
        self._hold(entry)
        stated = "" if labels is None else orjson.dumps({name: getattr(labels, name) for name in LABELS}).decode()
        row = (
            *(key, tenant, entry.created, entry.expires, origin, p_good, entry.bytes, blob),
            *(stated, generation, staticity, max(0.0, saved), orjson.dumps(cells).decode()),
        )

        def work(connection: sqlite3.Connection) -> None:
            if self.erasures.number == number:
                connection.execute("PRAGMA secure_delete = ON")  # what is overwritten is gone too
                connection.execute(_INSERT, row)

        self._store.writer.put("cache", work)

    def write_hits(self, now: float) -> None:
        """Hand the hits that were counted since the last time to the writer."""
        asked = [(key, now, count) for key, count in Counter(self._taken()).items()]
        if asked:
            self._store.writer.put("cache", lambda connection: connection.executemany(_NOTE_HITS, asked))

    def sweep(self, now: float, generation: str = "") -> None:
        """Write hits down. Drop what is over its time and what another generation left behind; then, beyond the quota,
        what is worth least. `generation` is the one in force, '' where that does not count.
        """
        self.write_hits(now)
        limit = self._max_bytes

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("DELETE FROM exact WHERE expires <= ?", (now,))
            if generation:
                left = "DELETE FROM exact WHERE generation NOT IN ('', ?) AND max(created, used) < ?"
                connection.execute(left, (generation, now - _LEFT_S))
            if connection.execute(_HELD).fetchone()[0] > limit:
                connection.execute(_EVICT, (limit, now))

        self._store.writer.put("cache", work)
        for key in [key for key, entry in self._memory.items() if entry.expires <= now]:
            self._held -= self._memory.pop(key).bytes
        if (changes := self._count_changes()) != self._changes:  # a command was killed before it said so
            self._changes = changes
            self.erasures.let_go()

    def let_go(self) -> None:
        """Forget what is in memory; what still stands is read anew."""
        self._number = self.erasures.number
        self._memory.clear()
        self._held = 0
        with suppress(sqlite3.Error), self._lock:
            self._opened().execute("PRAGMA shrink_memory")

    def _taken(self) -> Iterator[str]:
        """The keys of hits that were not counted yet."""
        for _ in range(len(self._asked)):
            yield self._asked.popleft()

    def _count_changes(self) -> int:
        """How often something was erased; -1 where that cannot be read."""
        try:
            with self._lock:
                return int(self._opened().execute("SELECT n FROM changes").fetchone()[0])
        except (sqlite3.Error, TypeError, ValueError):
            return -1

    def _hold(self, entry: Entry) -> None:
        old = self._memory.pop(entry.key, None)
        if old is not None:
            self._held -= old.bytes
        self._memory[entry.key] = entry
        self._held += entry.bytes
        while self._held > self._memory_bytes and self._memory:
            _, dropped = self._memory.popitem(last=False)
            self._held -= dropped.bytes

    def _opened(self) -> sqlite3.Connection:
        """Raises sqlite3.Error, as while a full disk keeps the database from being made."""
        if self._reader is None:
            where = f"file:{self._store.cache_path}?mode=ro"
            self._reader = sqlite3.connect(where, uri=True, timeout=1, check_same_thread=False)
        return self._reader

    def _read(self, key: str, now: float) -> Entry | None:
        try:
            with (
                self._lock,
                closing(
                    self._opened().execute(
                        f"SELECT {COLUMNS} FROM exact WHERE key=? AND expires>?",  # noqa: S608 - constant
                        (key, now),
                    )
                ) as cursor,
            ):
                row = cursor.fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else entry_of(key, row)


def _shorten(ttl_s: float, connection: sqlite3.Connection) -> None:
    """What was kept while answers might live longer lives no longer than they may now."""
    for table in ("exact", "semantic"):
        connection.execute(
            f"UPDATE {table} SET expires = created + ? WHERE expires > created + ?",  # noqa: S608 - constant
            (ttl_s, ttl_s),
        )


@lru_cache(maxsize=1)
def _cells_read() -> TypeAdapter[Cells]:
    return TypeAdapter(Cells)


def _cells(stored: object) -> Cells:
    """Raises ValueError, TypeError where they are none that `store` wrote."""
    if not isinstance(stored, str):
        raise TypeError("cells are kept as text")
    return (_cells_read().validate_json(stored) if stored else ()) or UNKNOWN_CELLS


def entry_of(key: str, row: tuple[Any, ...]) -> Entry | None:
    """The entry in the columns `COLUMNS`; None where `store` did not write it so: SQLite keeps any type anywhere."""
    try:
        answer = _answers().validate_json(row[4])
        entry = Entry(key, float(row[0]), float(row[1]), row[2], float(row[3]), answer, len(row[4]), _cells(row[5]))
    except (ValueError, TypeError):
        return None
    sound = isinstance(entry.origin, str) and 0.0 <= entry.p_good <= 1.0 and answer.choices
    return entry if sound else None

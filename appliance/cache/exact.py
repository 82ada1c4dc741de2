"""The exact cache: the same question from the same tenant under the same labels, asked of the same generation.

Rules kept here:
1. The key holds tenant, labels and generation by equality; nothing is ever similar here.
2. Only complete, accepted answers are stored; lifetime is absolute and never renewed by hits.
3. SQLite is the truth. Memory holds the most recent entries; an entry is served from memory only while it lives.
4. An answer is stored only where detectors read all of the content and found nothing. What they find is a function
   of content, generation and detectors, which the key holds: in whatever has the key, nothing would be found.
5. A caller may raise the bar (no-store, no-cache, max-age), never lower it.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import orjson
from pydantic import TypeAdapter

from appliance.features.detect import form
from appliance.records.answer import Answer
from appliance.records.decision import CacheHit
from appliance.records.request import Request
from appliance.store import Store

PATH_ID = "cache/exact"


@lru_cache(maxsize=1)
def _answers() -> TypeAdapter[Answer]:
    return TypeAdapter(Answer)


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored answer. Times in Unix seconds."""

    key: str
    created: float
    expires: float
    origin: str
    p_good: float
    answer: Answer
    bytes: int

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
        self._store = store
        self._ttl_s = ttl_s
        self._memory_bytes = memory_bytes
        self._max_bytes = max_bytes
        self._held = 0
        self._memory: OrderedDict[str, Entry] = OrderedDict()
        self._reader = sqlite3.connect(f"file:{store.cache_path}?mode=ro", uri=True, timeout=1, check_same_thread=False)
        self._lock = threading.Lock()

    def close(self) -> None:
        self._reader.close()

    def look_up(self, key: str, now: float, max_age_s: int | None = None) -> Entry | None:
        """The living entry under this key, or None. Any error in reading is a miss."""
        if key not in self._memory:
            entry = self._read(key, now)
            if entry is None:
                return None
            self._hold(entry)
        return self.held(key, now, max_age_s)

    def held(self, key: str, now: float, max_age_s: int | None = None) -> Entry | None:
        """The same, of what is in memory, where the newest is."""
        entry = self._memory.get(key)
        if entry is None:
            return None
        self._memory.move_to_end(key)
        age = now - entry.created
        if now >= entry.expires or age < 0 or (max_age_s is not None and age > max_age_s):
            return None
        return entry

    def store(self, key: str, tenant: str, answer: Answer, *, origin: str, p_good: float, now: float) -> None:
        """Keep one complete, accepted answer."""
        blob = orjson.dumps(answer)
        entry = Entry(key, now, now + self._ttl_s, origin, p_good, answer, len(blob))
        self._hold(entry)
        row = (key, tenant, entry.created, entry.expires, origin, p_good, entry.bytes, blob)
        self._store.writer.put("cache", lambda c: c.execute("REPLACE INTO exact VALUES (?,?,?,?,?,?,?,?)", row))

    def sweep(self, now: float) -> None:
        """Drop what is over its time, then the oldest beyond the quota."""
        limit = self._max_bytes

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM exact WHERE expires <= ?", (now,))
            held = connection.execute("SELECT COALESCE(SUM(bytes), 0) FROM exact").fetchone()[0]
            if held > limit:
                connection.execute(
                    """DELETE FROM exact WHERE key IN (SELECT key FROM (SELECT key,
                    SUM(bytes) OVER (ORDER BY created DESC, key) AS kept FROM exact) WHERE kept > ?)""",
                    (limit,),
                )

        self._store.writer.put("cache", work)
        for key in [key for key, entry in self._memory.items() if entry.expires <= now]:
            self._held -= self._memory.pop(key).bytes

    def _hold(self, entry: Entry) -> None:
        old = self._memory.pop(entry.key, None)
        if old is not None:
            self._held -= old.bytes
        self._memory[entry.key] = entry
        self._held += entry.bytes
        while self._held > self._memory_bytes and self._memory:
            _, dropped = self._memory.popitem(last=False)
            self._held -= dropped.bytes

    def _read(self, key: str, now: float) -> Entry | None:
        try:
            with (
                self._lock,
                closing(
                    self._reader.execute(
                        "SELECT created, expires, origin, p_good, answer FROM exact WHERE key=? AND expires>?",
                        (key, now),
                    )
                ) as cursor,
            ):
                row = cursor.fetchone()
            if row is None:
                return None
            answer = _answers().validate_json(row[4])
            entry = Entry(key, float(row[0]), float(row[1]), row[2], float(row[3]), answer, len(row[4]))
        except (sqlite3.Error, ValueError, TypeError):
            return None
        # SQLite keeps any type in any column; what was not written by `store` is not served.
        sound = isinstance(entry.origin, str) and 0.0 <= entry.p_good <= 1.0 and answer.choices
        return entry if sound else None

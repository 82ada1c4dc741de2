"""A store with both caches on a temporary directory, and questions with vectors for it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from appliance.cache.erasure import Erased, Selection, erase
from appliance.cache.exact import ExactCache
from appliance.cache.semantic import Near, SemanticCache
from appliance.features.embedder import Floats
from appliance.records.answer import Answer, Choice
from appliance.records.request import Labels
from appliance.store import Store

NOW = 1_800_000_000.0
DIMENSIONS = 384


def unit(seed: object, near: Floats | None = None, off: float = 0.0) -> Floats:
    """A vector of norm 1 that belongs to the seed; with `near`, that vector moved by `off`."""
    digest = hashlib.sha256(str(seed).encode()).digest()
    made = np.random.default_rng(int.from_bytes(digest[:8], "little")).normal(size=DIMENSIONS)
    made /= np.linalg.norm(made)
    if near is not None:
        made = near + off * made
    return (made / np.linalg.norm(made)).astype(np.float32)


class Rig:
    """Keeps answers and questions the way a node does."""

    def __init__(self, state: Path, **over: Any) -> None:
        state.mkdir(exist_ok=True)
        self.notes: list[Any] = []
        self.state = state
        self.store = Store(state)
        exact = {name: over.pop(name) for name in ("ttl_s", "max_bytes") if name in over}
        self.exact = ExactCache(self.store, **({"ttl_s": 86_400.0} | exact))
        self.semantic = SemanticCache(self.store, self.exact, **over)

    def keep(self, name: str, partition: str = "p", *, vector: Floats | None = None, **over: Any) -> None:
        """One question and its answer, both called after `name`."""
        now, ttl_s = over.pop("now", NOW), over.pop("ttl_s", None)
        tenant, cell = over.pop("tenant", "local"), over.pop("cell", "topic/easy")
        answer = Answer("id", over.get("origin", "site/one"), 0, (Choice(over.pop("answer", f"answer of {name}")),))
        facts = {"origin": "site/one", "p_good": 0.9, "labels": Labels(), "generation": "g", "staticity": "slow"}
        self.exact.store(key(name), tenant, answer, now=now, ttl_s=ttl_s, **(facts | over))
        self.semantic.add(
            partition=partition, tenant=tenant, key=key(name), text=f"question of {name}", language="en", cell=cell,
            vector=unit(name) if vector is None else vector, now=now, expires=now + (ttl_s or 86_400.0),
        )  # fmt: skip

    def near(self, name: str, partition: str = "p", *, now: float = NOW + 1, most: int = 5) -> tuple[Near, ...]:
        return self.semantic.nearest(partition, unit(name), now, most)

    def erase(self, act: str = "cache-erase", **chosen: Any) -> Erased:
        """As the command does it, while the node's loop looks."""
        done = threading.Event()

        def loop() -> None:
            while not done.wait(0.01):
                self.exact.erasures.follow()

        looking = threading.Thread(target=loop)
        looking.start()
        try:
            return erase(self.state, Selection(**chosen), act=act, note=self.notes.append)
        finally:
            done.set()
            looking.join()

    def flush(self) -> None:
        self.store.writer.flush()

    def close(self) -> None:
        self.semantic.close()
        self.exact.close()
        self.store.close()


def key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@contextmanager
def rigged(state: Path, **over: Any) -> Iterator[Rig]:
    made = Rig(state, **over)
    try:
        yield made
    finally:
        made.close()

"""Finding the nearest stored questions at 100,000 entries: in one partition, and spread over 2,000.

A look-up is the embedding of a new question and `SemanticCache.nearest`: the nearest five with their answers, read
alive from SQLite. Processor time of the thread that does both, on one core; the wall's clock is printed beside it and
belongs to whatever else runs. Loading is measured from the index's file, and from SQLite alone (the graph is built).

The questions that are asked are embedded. Of the stored ones a share is; the rest are mixtures of two of those with
noise, because 100,000 embeddings take minutes and their vectors lie no closer together. `--embed N` embeds more.

    python benchmarks/semantic_lookup.py [--entries 100000] [--partitions 2000] [--json FILE]

Exits with 1 where a target is missed: p95 of a look-up 15 ms, loading from the file 1 s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.cache.exact import ExactCache  # noqa: E402
from appliance.cache.semantic import SemanticCache  # noqa: E402
from appliance.features.embedder import Embedder, Floats  # noqa: E402
from appliance.records.answer import Answer, Choice  # noqa: E402
from appliance.records.chunks import Usage  # noqa: E402
from appliance.store import Store  # noqa: E402
from benchmarks import peers  # noqa: E402

TARGET_MS, TARGET_LOAD_S = 15.0, 1.0
_ASK = ("How do I {} the {} of {}?", "What is the best way to {} a {} for {}?", "Can you explain how to {} {} in {}?",
        "Why does it take so long to {} the {} at {}?", "Who is allowed to {} a {} from {}?")  # fmt: skip
_DO = "open close clean repair paint order return replace measure install remove clone copy lock label".split()
_WHAT = "door window pump filter battery screen cable valve engine ticket ledger folder branch sensor bracket".split()
_OF = "a boat an office a school a farm a hotel the workshop a museum a train a bakery a clinic a tower".split(" a ")
_ANSWER = "It is done in four steps, which the handbook describes one after the other. " * 6


def question(draw: random.Random) -> str:
    words = [draw.choice(several) for several in (_DO, _WHAT, _OF)]
    return draw.choice(_ASK).format(*words) + f" It is about case {draw.choice('ABCDEFGH')}{draw.randrange(100)}."


def mixtures(base: Floats, count: int, draw: np.random.Generator) -> Floats:
    """float32, count × dimensions, norm 1."""
    one, other = base[draw.integers(len(base), size=count)], base[draw.integers(len(base), size=count)]
    share = draw.uniform(0.2, 0.8, size=(count, 1))
    made = share * one + (1 - share) * other + 0.02 * draw.normal(size=(count, base.shape[1]))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def partition_name(number: int) -> str:
    return f"{number:064x}"


def fill(state: Path, vectors: Floats, partitions: int) -> float:
    """Seconds of processor time."""
    began, now = time.process_time(), time.time()
    store = Store(state)
    exact = ExactCache(store, ttl_s=1e6)
    semantic = SemanticCache(store, exact, flat_most=len(vectors) + 1)  # nothing is indexed meanwhile
    for at, vector in enumerate(vectors):
        key = f"{at:064x}"
        answer = Answer(f"id{at}", "site/one", 0, (Choice(_ANSWER),), Usage(20, 90))
        exact.store(key, "bench", answer, origin="site/one", p_good=0.95, now=now)
        semantic.add(
            partition=partition_name(at % partitions), tenant="bench", key=key, text=f"question {at}", language="en",
            cell="topic/easy", vector=vector, now=now, expires=now + 1e6,
        )  # fmt: skip
        if at % 5000 == 0:
            store.writer.flush()
    store.writer.flush()
    semantic.close()
    exact.close()
    store.close()
    return time.process_time() - began


def spread(times: list[float]) -> dict[str, float]:
    cut = np.percentile(np.array(times) * 1000, [50, 95, 99])
    return dict(zip(("p50_ms", "p95_ms", "p99_ms"), map(float, cut), strict=True))


def look_up(
    semantic: SemanticCache, embed: Callable[[str], Floats], texts: list[str], partitions: int
) -> dict[str, Any]:
    whole, search, wall, found = [], [], [], 0
    for at, text in enumerate(texts):
        clock, began = time.perf_counter(), time.thread_time()
        vector = embed(text)
        embedded = time.thread_time()
        near = semantic.nearest(partition_name(at * 7919 % partitions), vector, time.time())
        ended = time.thread_time()
        whole.append(ended - began)
        search.append(ended - embedded)
        wall.append(time.perf_counter() - clock)
        found += len(near)
    return {"whole": spread(whole), "nearest": spread(search), "wall": spread(wall), "found_each": found / len(texts)}


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def opened(state: Path) -> tuple[Store, ExactCache, SemanticCache]:
    store = Store(state)
    exact = ExactCache(store, ttl_s=1e6)
    return store, exact, SemanticCache(store, exact)


def closed(store: Store, exact: ExactCache, semantic: SemanticCache) -> None:
    semantic.close()
    exact.close()
    store.close()


def exact_nearest(vectors: Floats, query: Floats, most: int) -> set[int]:
    return set(np.argsort(-(vectors @ query))[:most].tolist())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=2000)
    parser.add_argument("--embed", type=int, default=1500, help="stored questions that are embedded")
    parser.add_argument("--look-ups", type=int, default=1000)
    parser.add_argument("--embedder", type=Path, default=ROOT / "build/starter/models/embedder")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    print(json.dumps(peers.machine("numpy", "hnswlib", "onnxruntime")))
    draw = random.Random(11)
    embedder = Embedder(options.embedder)
    embed = lambda text: embedder.embed(text).vector  # noqa: E731
    base = np.stack([embed(question(draw)) for _ in range(options.embed)])
    more = max(0, options.entries - len(base))
    vectors = np.concatenate([base[: options.entries], mixtures(base, more, np.random.default_rng(11))])
    asked = [question(draw) for _ in range(options.look_ups)]
    figures: dict[str, Any] = {"core": core, "entries": options.entries}
    with tempfile.TemporaryDirectory() as folder:
        for partitions in (1, options.partitions):
            state = Path(folder) / str(partitions)
            state.mkdir()
            case: dict[str, Any] = {"fill_cpu_s": fill(state, vectors, partitions)}
            case["disk_mb"] = sum(file.stat().st_size for file in state.glob("cache.db*")) / 1e6
            before = resident_mb()
            if partitions == 1:
                parts = opened(state)
                began = time.process_time()
                embed_one = embed(asked[0])
                case["first_look_up_without_index"] = spread(
                    [timed(lambda p=parts, e=embed_one: p[2].nearest(partition_name(0), e, time.time()))]
                )
                parts[2].keeper.settle(3600)
                case["build_from_sqlite_cpu_s"] = time.process_time() - began
                closed(*parts)
                case["file_mb"] = sum(file.stat().st_size for file in (state / "semantic").iterdir()) / 1e6
            began, wall = time.process_time(), time.perf_counter()
            parts = opened(state)
            parts[2].keeper.settle(3600)
            case["load_cpu_s"], case["load_wall_s"] = time.process_time() - began, time.perf_counter() - wall
            case["first_round"] = look_up(parts[2], embed, asked, partitions)
            case["look_ups"] = look_up(parts[2], embed, asked, partitions)
            case["index_mb"], case["resident_more_mb"] = parts[2].held_bytes / 1e6, resident_mb() - before
            if partitions == 1:
                hits = 0
                for text in asked[:200]:
                    query = embed(text)
                    best = exact_nearest(vectors, query, 5)
                    hits += len(
                        best & {int(near.key, 16) for near in parts[2].nearest(partition_name(0), query, time.time())}
                    )
                case["recall_at_5"] = hits / (200 * 5)
            closed(*parts)
            figures[f"{partitions} partitions"] = case
            print(json.dumps({f"{partitions} partitions": case}, indent=1))
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    p95 = max(figures[f"{n} partitions"]["look_ups"]["whole"]["p95_ms"] for n in (1, options.partitions))
    load = figures["1 partitions"]["load_cpu_s"]
    good = p95 <= TARGET_MS and load <= TARGET_LOAD_S
    print(f"look-up p95 {p95:.1f} ms (target {TARGET_MS:.0f}); load {load:.2f} s (target {TARGET_LOAD_S:.0f}): "
          f"{'met' if good else 'MISSED'}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0 if good else 1


def timed(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


if __name__ == "__main__":
    sys.exit(main())

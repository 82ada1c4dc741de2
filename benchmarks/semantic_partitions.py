"""A million look-ups by likeness over tenants, labels, models, policies and histories: none may cross a partition.

Every question has the very same vector, so that likeness never tells two of them apart: only the partition does. The
stored answers carry who asked, in words; a look-up that finds an answer of anybody else, or under anything else, is a
crossing. Requests are fuzzed: tenant, five labels, model, preference, generation, embedder, sampling, form, system
prompt, history, speaker's name; texts hold separators, quotes and look-alikes. Look-ups run in two threads beside
writes, sweeps and erasures. Half of them ask what was stored, so that there is something to find; three in ten differ from
it in one thing.

    python benchmarks/semantic_partitions.py [--look-ups 1000000] [--json FILE]

Exits with 1 where anything crossed, or where less than a fifth of the look-ups found something.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.cache.exact import ExactCache  # noqa: E402
from appliance.cache.partition import partition_of  # noqa: E402
from appliance.cache.semantic import SemanticCache  # noqa: E402
from appliance.records.answer import Answer, Choice  # noqa: E402
from appliance.records.request import Format, Labels, Message, Request, Sampling  # noqa: E402
from appliance.store import Store  # noqa: E402
from benchmarks import peers  # noqa: E402

DIMENSIONS = 384
_ODD = ("", "a", "b", "a b", "ab", "a\x1fb", "a\x00b", '"', "\\", "[]", "null", "ä", "a\u0308", "A", "а")
_SAID = ("Be brief.", "Be brief", "Be  brief.", "You are a clerk.", *_ODD)


def drawn(draw: random.Random) -> tuple[Request, str, str]:
    """Request, generation and embedder."""
    turns = [Message("system", draw.choice(_SAID))] if draw.random() < 0.5 else []
    for _ in range(draw.choice((0, 0, 1, 2))):
        turns += [Message("user", draw.choice(_SAID)), Message("assistant", draw.choice(_SAID))]
    labels = Labels(
        classification=draw.choice(("public", "internal")),
        residency=draw.choice(("", "node", "country:CH", "country:CH & site")),
        purpose=draw.choice(("", "research", "commercial")),
        rights=draw.choice(("", "licensed")),
        locale=draw.choice(("", "de-CH", "de", "fr")),
    )
    sampling = Sampling(
        max_tokens=draw.choice((None, None, 10, 100)),
        temperature=draw.choice((None, None, 0.0, 1.0)),
        stop=draw.choice(((), (), ("x",), ("x", "y"), ("xy",))),
    )
    request = Request(
        id=str(draw.random()),
        kind="chat",
        model=draw.choice(("auto", "site/one", "site/two")),
        preference=draw.choice(("balanced", "balanced", "cheap")),
        messages=(*turns, Message("user", "What is the opening move?", name=draw.choice((None, None, "n")))),
        sampling=sampling,
        format=draw.choice((Format(), Format(), Format("json_object"), Format("json_schema", {"type": "object"}))),
        labels=labels,
        tenant=draw.choice(("local", "acme", "acm", "acme2", "beta", *_ODD[1:8])),
        forwarded=draw.choice(({}, {}, {"reasoning_effort": "low"})),
    )
    return request, draw.choice(("g1", "g2", "g")), draw.choice(("e1", "e2"))


def must_equal(request: Request, generation: str, embedder: str) -> str:
    """All but the last turn, written another way than the partition is."""
    labels = request.labels
    return repr(
        (
            request.tenant, labels.classification, labels.residency, labels.purpose, labels.rights, labels.locale,
            generation, embedder, request.model, request.preference, request.sampling, request.format,
            sorted(request.forwarded.items()), request.messages[:-1], request.messages[-1].name,
        )
    )  # fmt: skip


def neighbour(draw: random.Random, one: tuple[Request, str, str]) -> tuple[Request, str, str]:
    """The same but for one thing."""
    request, generation, embedder = one
    other, generation_too, embedder_too = drawn(draw)
    what = draw.randrange(9)
    if what == 0:
        return request, generation_too, embedder
    if what == 1:
        return request, generation, embedder_too
    name = ("tenant", "labels", "model", "preference", "messages", "sampling", "format")[what - 2]
    return replace(request, **{name: getattr(other, name)}), generation, embedder


def asked(draw: random.Random, stored: list[tuple[Request, str, str]]) -> tuple[str, str, bool] | None:
    """Partition of a request that looks up, what must equal, and whether it differs from a stored one in one thing."""
    one, kind = draw.choice(stored), draw.random()
    if kind < 0.3:
        one = neighbour(draw, one)
    elif kind < 0.5:
        one = drawn(draw)
    partition = partition_of(*one)
    return None if partition is None else (partition, must_equal(*one), kind < 0.3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--look-ups", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=100_000, help="different requests that look up, by turns")
    parser.add_argument("--stored", type=int, default=2000)
    parser.add_argument("--large", type=int, default=60, help="questions of each of the twenty largest partitions")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    print(json.dumps(peers.machine("numpy", "hnswlib")))
    draw = random.Random(options.seed)
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[:4] = 0.5
    stored = [drawn(draw) for _ in range(options.stored)]
    pool = [one for one in (asked(draw, stored) for _ in range(options.requests)) if one is not None]
    figures: dict[str, Any] = {
        "requests": len(pool),
        "partitions": len({one[0] for one in pool}),
        "look_ups": 0,
        "found": 0,
        "near_misses_asked": 0,
        "crossed": 0,
        "seed": options.seed,
    }
    counting = threading.Lock()
    done = threading.Event()
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        exact = ExactCache(store, ttl_s=1e6)
        semantic = SemanticCache(store, exact, flat_most=options.large // 2)  # so that some have a graph
        number = 0

        def keep(one: tuple[Request, str, str]) -> None:
            nonlocal number
            number += 1
            request, generation, embedder = one
            partition = partition_of(*one)
            if partition is None:
                return
            said, now, key = must_equal(*one), time.time(), f"{number:064x}"
            exact.store(
                key, request.tenant, Answer("i", "m", 0, (Choice(said),)), origin="m", p_good=0.9, now=now,
                labels=request.labels, generation=generation,
            )  # fmt: skip
            semantic.add(
                partition=partition, tenant=request.tenant, key=key, text=said, language="en", cell="", vector=vector,
                now=now, expires=now + 1e6, embedder=embedder,
            )  # fmt: skip

        def ask(count: int, seed: int) -> None:
            own = random.Random(seed)
            found = near_misses = crossed = 0
            for _ in range(count):
                partition, said, missed = own.choice(pool)
                near = semantic.nearest(partition, vector, time.time(), 3)
                near_misses += missed
                found += bool(near)
                crossed += any(each.text != said or each.entry.answer.choices[0].text != said for each in near)
            with counting:
                figures["look_ups"] += count
                figures["found"] += found
                figures["near_misses_asked"] += near_misses
                figures["crossed"] += crossed

        def stir() -> None:
            """Meanwhile: new questions, sweeps, and what an erasure does to memory."""
            own = random.Random(-1)
            while not done.wait(0.2):
                for _ in range(20):
                    keep(own.choice(stored))
                exact.sweep(time.time())
                semantic.sweep(time.time())
                if own.random() < 0.2:
                    exact.erasures.let_go()

        for one in stored:
            keep(one)
        for one in stored[:20]:
            for _ in range(options.large):
                keep(one)
        store.writer.flush()
        stirring = threading.Thread(target=stir)
        asking = [threading.Thread(target=ask, args=(options.look_ups // 2, seed)) for seed in (101, 102)]
        for thread in (stirring, *asking):
            thread.start()
        for thread in asking:
            thread.join()
        done.set()
        stirring.join()
        figures["graphs"] = len(list((Path(folder) / "semantic").glob("*.graph")))
        semantic.close()
        exact.close()
        store.close()
    figures["cpu_s"] = round(time.process_time() - began, 1)
    print(json.dumps(figures, indent=1))
    good = figures["crossed"] == 0 and figures["found"] >= figures["look_ups"] / 5
    print("no look-up crossed a partition" if good else "MISSED")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

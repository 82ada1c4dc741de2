"""Side by side with GPTCache: the same questions in the same order, in one run. Hits, wrong hits, processor time.

    python3 -m venv build/gptcache
    build/gptcache/bin/pip install -r benchmarks/requirements-gptcache.txt
    .venv/bin/python benchmarks/semantic_peer.py --peer-python build/gptcache/bin/python [--data DIR] [--most 2000]

A stream of questions: each is looked up on both sides and, where it missed, stored there with its truth. Both have the
same embedder file (all-MiniLM-L6-v2, int8) on one thread: GPTCache's own ONNX model would have to be fetched, so it gets
ours through its public interface (`BaseEmbedding`). All else of it is its default: `init_similar_cache`, SQLite and
FAISS, `SearchDistanceEvaluation`, nearest one, threshold 0.8; and again at --strict. Our side is the node's own:
embedder, task classifier, language, staticity, `SemanticCache` on a state directory, guards, verifier and the shipped
promise; --threshold adds a line in which every cell serves from that score on. Sides alternate question by question.
A repeat of a text is not in the stream: it is the exact cache's, not this one's.

A hit is right where the stored and the asked question are of one intent, wrong where they are labelled as two, and
'unlabelled' where nobody said: intents are the groups that pairs of one intent join, so two groups may be one in truth.
The support clusters leave nothing unlabelled: two clusters are two intents. Without --data the stream is drawn from the
behavioural suite.

Processor time is of the look-up alone, not of storing; with the embedder, and without what it took.

Exits with 1 where our wrong hits, as a share of all look-ups, are more than the peer's at its default.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

MODELS = ROOT / "build" / "starter" / "models"
SEED = 20_261_121
NEEDS = ("gptcache", "faiss", "sqlalchemy", "onnxruntime", "tokenizers")


# ---- the peer, in its own interpreter ---------------------------------------------------------------------------


def peer(threshold: float) -> None:
    """One question a line in, one JSON line out: the text whose answer it gave, and nanoseconds with and without
    embedding.
    """
    from gptcache import Cache, Config
    from gptcache.adapter.api import get, init_similar_cache, put
    from gptcache.embedding.base import BaseEmbedding

    from appliance.features.embedder import Embedder

    embedder = Embedder(MODELS / "embedder")
    spent = [0]

    class MiniLM(BaseEmbedding):
        def to_embeddings(self, data: Any, **_: Any) -> Any:
            began = time.process_time_ns()
            vector = embedder.embed(data).vector
            spent[0] += time.process_time_ns() - began
            return vector

        @property
        def dimension(self) -> int:
            return embedder.dimensions

    cache = Cache()
    init_similar_cache(
        data_dir=os.environ["PEER_DIRECTORY"],
        cache_obj=cache,
        embedding=MiniLM(),
        config=Config(similarity_threshold=threshold),
    )
    get("a question that nobody asked", cache_obj=cache)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        spent[0] = 0
        began = time.process_time_ns()
        answer = get(question, cache_obj=cache)
        took = time.process_time_ns() - began
        embedding = spent[0]
        if answer is None:
            put(question, question, cache_obj=cache)
        print(json.dumps([answer, took, took - embedding]), flush=True)


class Peer:
    """The process that holds one GPTCache."""

    def __init__(self, python: Path, threshold: float, directory: Path) -> None:
        directory.mkdir()
        # A package that it misses it would fetch by itself, and a model too: neither may happen here.
        quiet = {"PIP_NO_INDEX": "1", "HF_HUB_OFFLINE": "1", "PEER_DIRECTORY": str(directory)}
        command = [str(python), str(Path(__file__).resolve()), "--as-peer", str(threshold)]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **quiet}
        )
        self._said()

    def _said(self) -> Any:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line[0] in '["':  # not what its libraries print
                return json.loads(line)
        raise SystemExit(f"GPTCache ended with {self._child.wait()}; its message stands above")

    def ask(self, question: str) -> tuple[str | None, int, int]:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(question) + "\n")
        self._child.stdin.flush()
        answer, whole, rest = self._said()
        return answer, whole, rest

    def end(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait(60)


# ---- our side ---------------------------------------------------------------------------------------------------


class Ours:
    """The node's semantic cache and chain on a state directory of its own."""

    def __init__(self, chain: Any, directory: Path, threshold: float | None) -> None:
        from appliance.cache.exact import ExactCache
        from appliance.cache.semantic import SemanticCache
        from appliance.store import Store

        directory.mkdir()
        self._chain = chain
        self._threshold = threshold
        self._store = Store(directory)
        self._exact = ExactCache(self._store, ttl_s=86_400.0)
        self._semantic = SemanticCache(self._store, self._exact)

    def ask(self, question: str) -> tuple[str | None, int, int]:
        from appliance.similar.reading import read

        now = time.time()
        began = time.thread_time_ns()
        asked = self._chain.look(question)
        middle = time.thread_time_ns()
        self._chain.classifier.embedder.embed(question)  # once more, to know what of `look` is the embedder
        embedding = time.thread_time_ns() - middle
        resumed = time.thread_time_ns()
        answer, best = None, 0.0
        if asked.reading is not None:
            for near in self._semantic.nearest("bench", asked.vector, now):
                if near.language != asked.language:
                    continue
                limit = self._chain.limit(near.cell, asked.cell) if self._threshold is None else self._threshold
                found = self._chain.judge(read(near.text, near.language), asked.reading, near.cosine)
                if not found.objections and found.score >= limit and found.score > best:
                    answer, best = near.entry.answer.choices[0].text, found.score
        took = (middle - began) + (time.thread_time_ns() - resumed)
        if answer is None:
            self._keep(question, asked, now)
        return answer, took, took - embedding

    def _keep(self, question: str, asked: Any, now: float) -> None:
        from appliance.records.answer import Answer, Choice

        key = hashlib.sha256(question.encode()).hexdigest()
        answer = Answer(key, "bench/model", int(now), (Choice(question),))
        self._exact.store(key, "local", answer, origin="bench/model", p_good=1.0, now=now)
        if asked.reading is not None:
            self._semantic.add(
                partition="bench", tenant="local", key=key, text=question, language=asked.language, cell=asked.cell,
                vector=asked.vector, now=now, expires=now + 86_400.0,
            )  # fmt: skip
        self._store.writer.flush()

    def end(self) -> None:
        self._semantic.close()
        self._exact.close()
        self._store.close()


# ---- the stream and its truth -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Stream:
    """Questions in order; `group` of each text; `apart` holds pairs of groups that are labelled as two intents."""

    questions: list[str]
    group: dict[str, str]
    apart: set[frozenset[str]] | None = None  # None: any two groups are two intents

    def truth(self, stored: str, asked: str) -> str:
        one, other = self.group[stored], self.group[asked]
        if one == other:
            return "right"
        return "wrong" if self.apart is None or frozenset((one, other)) in self.apart else "unlabelled"


def of_pairs(pairs: list[Any]) -> Stream:
    """Joins what is of one intent (union and find)."""
    above: dict[str, str] = {}

    def top(text: str) -> str:
        above.setdefault(text, text)
        while above[text] != text:
            above[text] = above[above[text]]
            text = above[text]
        return text

    for pair in pairs:
        one, other = top(pair.a), top(pair.b)
        if pair.same:
            above[one] = other
    apart = {frozenset((top(pair.a), top(pair.b))) for pair in pairs if not pair.same}
    questions = sorted(above)
    random.Random(SEED).shuffle(questions)
    return Stream(questions, {text: top(text) for text in questions}, apart)


def streams(data: Path | None, most: int) -> dict[str, Stream]:
    from benchmarks.semantic_pairs import Pair, lines, quora
    from benchmarks.semantic_suite import load

    if data is None:
        rows = load("seen") + load("second")
        random.Random(SEED).shuffle(rows)
        return {"suite": of_pairs([Pair(row["a"], row["b"], row["same"]) for row in rows[:most]])}
    clusters = [row["questions"] for row in lines(data / "support_clusters.jsonl.gz")]
    group = {text: str(number) for number, questions in enumerate(clusters) for text in questions}
    questions = sorted(group)
    random.Random(SEED).shuffle(questions)
    return {"support": Stream(questions, group), "quora": of_pairs(quora(data, most))}


# ---- the run ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Side:
    """What one side did."""

    counts: dict[str, int] = field(default_factory=lambda: {"right": 0, "wrong": 0, "unlabelled": 0})
    whole: list[float] = field(default_factory=list)  # ms of processor time
    rest: list[float] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        from benchmarks.peers import percentile

        look_ups, hits = len(self.whole), sum(self.counts.values())
        return {
            "look_ups": look_ups, "hits": hits, **self.counts, "wrong_per_look_up": self.counts["wrong"] / look_ups,
            "wrong_per_hit": self.counts["wrong"] / hits if hits else None,
            "ms_p50": percentile(self.whole, 0.5), "ms_p95": percentile(self.whole, 0.95),
            "rest_ms_p50": percentile(self.rest, 0.5), "rest_ms_p95": percentile(self.rest, 0.95),
        }  # fmt: skip


@contextmanager
def sides(chain: Any, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as work:
        place = Path(work)
        made: dict[str, Any] = {"node": Ours(chain, place / "node", None)}
        if options.threshold is not None:
            made[f"node at {options.threshold}"] = Ours(chain, place / "again", options.threshold)
        made["GPTCache"] = Peer(options.peer_python, 0.8, place / "peer")
        made[f"GPTCache at {options.strict}"] = Peer(options.peer_python, options.strict, place / "strict")
        try:
            yield made
        finally:
            for side in made.values():
                side.end()


def measured(name: str, stream: Stream, chain: Any, options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import peers

    with sides(chain, options) as made:
        found = {side: Side() for side in made}
        for question in stream.questions:
            for side, cache in made.items():
                answer, whole, rest = cache.ask(question)
                found[side].whole.append(whole / 1e6)
                found[side].rest.append(rest / 1e6)
                if answer is not None:
                    found[side].counts[stream.truth(answer, question)] += 1
    head = (
        "",
        "look-ups",
        "hits",
        "right",
        "wrong",
        "unlabelled",
        "of look-ups",
        "of hits",
        "ms p50",
        "p95",
        "rest p50",
        "p95",
    )
    table: list[tuple[str, ...]] = [head]
    facts = {side: of.facts() for side, of in found.items()}
    for side, of in facts.items():
        per_hit = "-" if of["wrong_per_hit"] is None else f"{100 * of['wrong_per_hit']:.1f} %"
        counts = tuple(str(of[key]) for key in ("look_ups", "hits", "right", "wrong", "unlabelled"))
        times = tuple(f"{of[key]:.2f}" for key in ("ms_p50", "ms_p95", "rest_ms_p50", "rest_ms_p95"))
        table.append((side, *counts, f"{100 * of['wrong_per_look_up']:.2f} %", per_hit, *times))
    peers.show(f"{name}: {len(stream.questions)} questions of {len(set(stream.group.values()))} intents", table)
    return facts


def missing(python: Path) -> str:
    """In words what the peer's interpreter lacks, '' for nothing."""
    check = f"import importlib.util as u; print(*[n for n in {NEEDS!r} if u.find_spec(n) is None])"
    try:
        lacks = subprocess.run([str(python), "-c", check], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"{python} does not run ({type(error).__name__})"
    return f"{python} has no {lacks.replace(' ', ', ')}" if lacks else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, default=ROOT / "build" / "gptcache" / "bin" / "python")
    parser.add_argument("--data", type=Path, help="directory of the labelled questions; without it the suite's")
    parser.add_argument(
        "--most", type=int, default=2000, help="pairs that the stream is made of; support has all of its own"
    )
    parser.add_argument("--threshold", type=float, help="also ours with this score as the threshold of every cell")
    parser.add_argument("--strict", type=float, default=0.95, help="also the peer at this threshold")
    parser.add_argument("--as-peer", type=float, metavar="THRESHOLD", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    if options.as_peer is not None:
        peer(options.as_peer)
        return 0
    if lacks := missing(options.peer_python):
        print(f"The peer cannot be measured: {lacks}. How to install it stands at the top of this file.")
        return 2
    from benchmarks import peers
    from benchmarks.semantic_chain import Chain

    chain = Chain()
    chain.look("A first question, so that all is loaded.")
    facts = peers.machine("onnxruntime", "hnswlib")
    print(json.dumps(facts))
    figures = {
        name: measured(name, stream, chain, options) for name, stream in streams(options.data, options.most).items()
    }
    met = all(of["node"]["wrong_per_look_up"] <= of["GPTCache"]["wrong_per_look_up"] for of in figures.values())
    print(f"\nno more wrong hits than the peer: {'met' if met else 'MISSED'}")
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": facts, "figures": figures, "met": met}, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

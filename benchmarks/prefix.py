"""Prefix reuse on the local worker: time to the first token with a shared system prompt of 1,500 tokens.

A model of random weights (120 M parameters by default) behind a node, asked over HTTP with streaming, one request at a
time. Each round has a system prompt of its own, so that it is cold once, and in the same round:

  cold      nobody asked anything with this system prompt before
  warm      the same system prompt, another question
  restored  the same on a worker with a single slot, after an unrelated prompt took that slot: what was parked is
            decrypted and put back
  foreign   the same system prompt and question as 'warm', asked by another tenant: it must be as cold as 'cold'

Printed are medians of the time to the first token at the client, the worker's processor time, and the prefill as it is
counted (prompt tokens less cached tokens). Exits with 1 where warm takes more than a quarter of cold, or where a
foreign tenant has anything cached.

    .venv/bin/python benchmarks/prefix.py [--rounds 5] [--tokens 1500] [--model small]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import peers  # noqa: E402
from benchmarks.generation import card  # noqa: E402
from tests.standins import tiny_gguf  # noqa: E402

TARGET = 0.25
SHAPES = {
    "small": replace(tiny_gguf.HUNDRED_M, width=384, layers=6, heads=6, ff=1024, context=4096),  # 33 M parameters
    "hundred": replace(tiny_gguf.HUNDRED_M, context=4096),
}
MANY, ONE = "bench/many", "bench/one"  # the same file with 4 slots and with one
KINDS = ("cold", "warm", "foreign", "cold, one slot", "restored")


class Round:
    """One kind of request over all rounds."""

    def __init__(self) -> None:
        self.first_s: list[float] = []
        self.worker_s: list[float] = []
        self.prompt: list[int] = []
        self.computed: list[int] = []

    def add(self, answer: peers.Streamed, worker_s: float) -> None:
        if answer.fault:
            sys.exit(f"a request failed: {answer.fault}")
        self.first_s.append(answer.first_s)
        self.worker_s.append(worker_s)
        self.prompt.append(answer.prompt)
        self.computed.append(answer.prompt - answer.cached)


def words(seed: str, count: int) -> str:
    """`count` made-up words; another seed has another first word."""
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 8))) for _ in range(count))


def workers_s(pid: int) -> float:
    """Processor seconds of all children of the node."""
    children = [one for task in Path(f"/proc/{pid}/task").glob("*/children") for one in task.read_text().split()]
    return sum(peers.cpu_s(int(one)) for one in children)


class Asker:
    """Asks a node for two tokens, and takes its workers' processor time."""

    def __init__(self, url: str, pid: int) -> None:
        self._url, self._pid = f"{url}/v1/chat/completions", pid

    def ask(self, model: str, system: str, user: str, key: dict[str, str]) -> tuple[peers.Streamed, float]:
        body = {
            "model": model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "max_tokens": 2,
            "temperature": 0,
        }
        before = workers_s(self._pid)
        answer = asyncio.run(peers.stream(self._url, body, {"Cache-Control": "no-store", **key}))
        return answer, workers_s(self._pid) - before


def measure(asker: Asker, keys: list[dict[str, str]], *, rounds: int, count: int) -> dict[str, Round]:
    found = {kind: Round() for kind in KINDS}
    ours, other = keys
    for number in range(rounds):
        system, unrelated = words(f"system {number}", count), words(f"unrelated {number}", count)
        first, second = f"What is {number}?", f"And what is {number + 1}?"
        found["cold"].add(*asker.ask(MANY, system, first, ours))
        found["warm"].add(*asker.ask(MANY, system, second, ours))
        found["foreign"].add(*asker.ask(MANY, system, second, other))
        found["cold, one slot"].add(*asker.ask(ONE, system, first, ours))
        asker.ask(ONE, unrelated, first, ours)
        found["restored"].add(*asker.ask(ONE, system, second, ours))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=1500, help="of the system prompt, about")
    parser.add_argument("--model", choices=sorted(SHAPES), default="hundred")
    parser.add_argument("--threads", type=int, default=0, help="of a worker; 0: as it decides itself")
    parser.add_argument("--starter", type=Path, default=ROOT / "build/starter")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    facts = peers.machine("llama-cpp-python", "cryptography")
    print(json.dumps(facts))
    work = Path(tempfile.mkdtemp(prefix="weir-prefix-"))
    model = tiny_gguf.write(work / "random.gguf", SHAPES[options.model])
    cards = [
        card(name, model, threads=options.threads, sequences=slots, context=4096)
        for name, slots in ((MANY, 4), (ONE, 1))
    ]
    content = peers.starter_content(work / "content", options.starter, cards)
    (content / "models" / model.name).hardlink_to(model)
    state = work / "state"
    state.mkdir()
    with peers.node(work, content, state=state) as (url, child):
        keys = [peers.tenant(state, name) for name in ("ours", "other")]
        asker = Asker(url, child.pid)
        probe, _ = asker.ask(MANY, words("probe", 500), "Why?", keys[0])
        if probe.fault:
            sys.exit(f"the node does not answer: {probe.fault}")
        asker.ask(ONE, words("probe", 500), "Why?", keys[0])
        found = measure(asker, keys, rounds=options.rounds, count=round(options.tokens * 500 / probe.prompt))
    rows = [("request", "prompt tokens", "prefilled", "TTFT p50", "least", "most", "worker's processor time p50")]
    for kind, one in found.items():
        rows.append(
            (
                kind,
                f"{statistics.median(one.prompt):.0f}",
                f"{statistics.median(one.computed):.0f}",
                *(f"{pick(one.first_s) * 1e3:.0f} ms" for pick in (statistics.median, min, max)),
                f"{statistics.median(one.worker_s) * 1e3:.0f} ms",
            )
        )
    peers.show(f"{options.model}, {model.stat().st_size / 1e6:.0f} MB, {options.rounds} rounds", rows)

    def share(kind: str, of: str, field: str) -> float:
        return statistics.median(getattr(found[kind], field)) / statistics.median(getattr(found[of], field))

    figures = {
        "warm / cold, TTFT": share("warm", "cold", "first_s"),
        "warm / cold, processor time": share("warm", "cold", "worker_s"),
        "restored / cold, TTFT": share("restored", "cold, one slot", "first_s"),
        "restored / cold, processor time": share("restored", "cold, one slot", "worker_s"),
    }
    leaked = sum(
        prompt - computed for prompt, computed in zip(found["foreign"].prompt, found["foreign"].computed, strict=True)
    )
    met = figures["warm / cold, TTFT"] <= TARGET and not leaked
    targets = [("figure", "measured", "target")]
    targets += [
        (name, f"{value:.3f}", f"<= {TARGET}" if name == "warm / cold, TTFT" else "-")
        for name, value in figures.items()
    ]
    targets.append(("tokens that the other tenant had cached", str(leaked), "0"))
    peers.show("met" if met else "MISSED", targets)
    if options.json is not None:
        rounds = {kind: vars(one) for kind, one in found.items()}
        options.json.write_text(
            json.dumps({"machine": facts, "figures": figures, "rounds": rounds, "met": met}, indent=1)
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

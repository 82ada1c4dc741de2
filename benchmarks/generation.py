"""Generation: tokens a second, time to the first token and errors of streaming clients, against two peers.

1. The starter model through the node, against `python -m llama_cpp.server` with the same file and wheel.
2. A model of 120 M random weights through the node, against llama.cpp's own C++ server (the xllamacpp wheel).

Both sides have the same file, threads, context of a sequence, batch, prompts, sampling (greedy) and length of answer;
rounds alternate between them. The starter model is measured in a copy that knows no end token, so that every answer
has its full length on both sides; its weights and its vocabulary are the same.

Needs a second interpreter with benchmarks/requirements-bench.txt. Exits with 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import peers  # noqa: E402
from tests.standins import tiny_gguf  # noqa: E402

EVALS = ROOT / "bundles/starter/evals/edge-desk.jsonl"
BATCH = 512


@dataclass
class Side:
    """One server and what was measured of it: per number of clients, rates by round and answers."""

    name: str
    url: str
    model: str
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    rates: dict[int, list[float]] = field(default_factory=dict)
    answers: dict[int, list[peers.Streamed]] = field(default_factory=dict)

    def first(self, clients: int, share: float) -> float:
        """Seconds to the first token."""
        return peers.percentile([a.first_s for a in self.answers[clients] if not a.fault] or [float("inf")], share)

    def rate(self, clients: int) -> float:
        return statistics.median(self.rates[clients])

    def errors(self, clients: int) -> list[str]:
        return [a.fault for a in self.answers[clients] if a.fault]


def endless(source: Path, target: Path) -> Path:
    """A copy of the starter model without an end token: another name for it, and the padding token in its role.

    llama.cpp takes tokens called '<|end|>' as ends whatever the file says of them, hence the name of equal length.
    """
    raw = source.read_bytes()
    if b"<|end|>" not in raw:
        sys.exit(f"{source} has no '<|end|>': it is not the starter model")
    raw = raw.replace(b"<|end|>", b"<|nxt|>")
    for key in (b"tokenizer.ggml.eos_token_id", b"tokenizer.ggml.eot_token_id"):
        at = raw.find(key) + len(key)
        raw = raw[: at + 4] + struct.pack("<I", 0) + raw[at + 8 :]
    target.write_bytes(raw)
    return target


def card(id: str, path: Path, *, threads: int, sequences: int, context: int) -> dict[str, Any]:
    raw = path.read_bytes()
    return {
        "id": id,
        "runtime": "llama_cpp",
        "tier": "device",
        "modalities": ["chat", "completion"],
        "retention": "none",
        "trains_on_input": "no",
        "context_tokens": context,
        "accelerator": "cpu",
        "files": [{"path": f"models/{path.name}", "sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}],
        "llama": {
            "context_per_sequence": context,
            "sequences": sequences,
            "batch_tokens": BATCH,
            "threads": threads,
        },
    }


async def one_round(side: Side, prompts: list[str], clients: int, tokens: int) -> None:
    """All prompts, `clients` at a time, each client asking its next as soon as it was answered."""
    waiting = iter(prompts)
    answers: list[peers.Streamed] = []

    async def client() -> None:
        for prompt in waiting:
            body = {
                "model": side.model,
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": tokens,
                "temperature": 0,
                **side.extra,
            }
            answers.append(await peers.stream(f"{side.url}/v1/chat/completions", body, side.headers))

    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(client() for _ in range(clients)))
    spent = asyncio.get_running_loop().time() - began
    side.rates.setdefault(clients, []).append(sum(a.tokens for a in answers if not a.fault) / spent)
    side.answers.setdefault(clients, []).extend(answers)


def measure(sides: list[Side], plan: list[tuple[int, int]], prompts: list[str], *, rounds: int, tokens: int) -> None:
    """`plan` holds numbers of clients and requests a round. Every round has prompts of its own, the same for all."""
    for side in sides:
        asyncio.run(one_round(side, prompts[:2], 1, 8))
        side.rates, side.answers = {}, {}
    at = 2
    for number in range(rounds):
        for clients, requests in plan:
            chosen = [prompts[(at + i) % len(prompts)] for i in range(requests)]
            at += requests
            for side in sides if number % 2 == 0 else sides[::-1]:
                asyncio.run(one_round(side, chosen, clients, tokens))


def report(title: str, ours: Side, peer: Side, plan: list[tuple[int, int]], tokens: int) -> None:
    rows = [("server", "clients", "answers", "tokens each", "tokens/s", "TTFT p50", "TTFT p99", "errors")]
    for clients, _ in plan:
        for side in (ours, peer):
            good = [a for a in side.answers[clients] if not a.fault]
            rows.append(
                (
                    side.name,
                    str(clients),
                    str(len(good)),
                    f"{statistics.fmean(a.tokens for a in good):.0f}" if good else "-",
                    f"{side.rate(clients):.0f}",
                    f"{side.first(clients, 0.5) * 1e3:.0f} ms",
                    f"{side.first(clients, 0.99) * 1e3:.0f} ms",
                    str(len(side.errors(clients))),
                )
            )
    peers.show(f"{title}; at most {tokens} tokens an answer, medians of {len(ours.rates[plan[0][0]])} rounds", rows)
    for side in (ours, peer):
        for clients, _ in plan:
            for fault in side.errors(clients)[:2]:
                print(f"    {side.name}, {clients} clients: {fault[:300]}")


Target = tuple[str, float, str, bool]


def starter(stack: ExitStack, work: Path, options: argparse.Namespace, prompts: list[str]) -> list[Target]:
    """Part 1."""
    model = endless(options.gguf, work / "endless.gguf")
    context, sequences, threads, tokens = 1024, 16, 1, options.tokens
    log, port = work / "llama-cpp-python.log", peers.free_port()
    command = [str(options.bench_python), "-m", "llama_cpp.server", "--model", str(model), "--port", str(port)]
    command += ["--interrupt_requests", "False", "--n_ctx", str(context), "--n_batch", str(BATCH), "--verbose", "False"]
    command += ["--n_threads", str(threads), "--n_threads_batch", str(threads)]
    child = stack.enter_context(peers.process(command, log))
    peers.wait_for(f"http://127.0.0.1:{port}/v1/models", child, log)
    # Its own default penalises repetition; the node, like OpenAI, does not.
    peer = Side("llama_cpp.server", f"http://127.0.0.1:{port}", "model", extra={"repeat_penalty": 1.0})
    ours = local(stack, work, options, model, threads=threads, sequences=sequences, context=context)
    plan = [(1, 4), (16, 32)]
    measure([ours, peer], plan, prompts, rounds=options.rounds, tokens=tokens)
    report(f"Starter model (1.4 M parameters, {threads} thread, context {context})", ours, peer, plan, tokens)
    alone, many = ours.rate(1) / peer.rate(1), ours.rate(16) / peer.rate(16)
    first = ours.first(16, 0.99) / peer.first(16, 0.99)
    faults = len(ours.errors(1)) + len(ours.errors(16))
    return [
        ("tokens/s, 1 client, of llama_cpp.server's", alone, ">= 1", alone >= 1),
        ("tokens/s, 16 clients, of llama_cpp.server's", many, ">= 3", many >= 3),
        ("p99 TTFT, 16 clients, of llama_cpp.server's", first, "<= 0.33", first <= 1 / 3),
        ("errors of the node, starter model", faults, "0", faults == 0),
    ]


def hundred(stack: ExitStack, work: Path, options: argparse.Namespace, prompts: list[str]) -> list[Target]:
    """Part 2."""
    model = tiny_gguf.write(work / "random-120m.gguf", tiny_gguf.HUNDRED_M)
    context, sequences, threads, tokens = 1024, 8, options.threads, max(16, options.tokens // 2)
    log, port = work / "xllamacpp.log", peers.free_port()
    command = [str(options.bench_python), "-m", "benchmarks.peers", "xllamacpp", "--port", str(port)]
    command += ["--model", str(model), "--context", str(context), "--sequences", str(sequences)]
    command += ["--threads", str(threads), "--batch", str(BATCH)]
    child = stack.enter_context(peers.process(command, log))
    peers.wait_for(f"http://127.0.0.1:{port}/health", child, log)
    peer = Side("xllamacpp", f"http://127.0.0.1:{port}", "model")
    ours = local(stack, work, options, model, threads=threads, sequences=sequences, context=context)
    plan = [(1, 2), (8, 8)]
    short = [prompt[:200] for prompt in prompts]  # the vocabulary is random too: a prompt has many tokens
    measure([ours, peer], plan, short, rounds=options.rounds, tokens=tokens)
    report(f"Random weights (120 M parameters, q8_0, {threads} threads, context {context})", ours, peer, plan, tokens)
    alone, many = ours.rate(1) / peer.rate(1), ours.rate(8) / peer.rate(8)
    faults = len(ours.errors(1)) + len(ours.errors(8))
    return [
        ("tokens/s, 1 client, of xllamacpp's", alone, ">= 0.8", alone >= 0.8),
        ("tokens/s, 8 clients, of xllamacpp's", many, ">= 0.8", many >= 0.8),
        ("errors of the node, 120 M", faults, "0", faults == 0),
    ]


def local(
    stack: ExitStack,
    work: Path,
    options: argparse.Namespace,
    model: Path,
    *,
    threads: int,
    sequences: int,
    context: int,
) -> Side:
    """The node with this model, asked for by its name and past the cache."""
    id = f"bench/{model.stem}"
    made = card(id, model, threads=threads, sequences=sequences, context=context)
    content = peers.starter_content(work / f"content-{model.stem}", options.starter, [made])
    (content / "models" / model.name).hardlink_to(model)
    url, _ = stack.enter_context(peers.node(work, content))
    with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
        reasons = json.loads(answer.read())["reasons"]
    if any(reason.startswith(id) for reason in reasons):
        sys.exit(f"the node did not load {model}: {reasons}")
    return Side("node", url, id, {"Cache-Control": "no-store"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("starter", "hundred", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128, help="of each answer; half as many in part 2")
    parser.add_argument("--threads", type=int, default=2, help="of each side in part 2")
    parser.add_argument("--gguf", type=Path, default=ROOT / "build/starter/models/weir-desk.gguf")
    parser.add_argument("--starter", type=Path, default=ROOT / "build/starter")
    parser.add_argument("--bench-python", type=Path, required=True, help="interpreter with requirements-bench.txt")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    prompts = [json.loads(line)["prompt"] for line in EVALS.read_text().splitlines()]
    prompts = sorted((p for p in prompts if len(p) < 600), key=lambda p: hashlib.sha256(p.encode()).digest())
    facts = peers.machine("llama-cpp-python")
    listed = subprocess.run(
        [str(options.bench_python), "-m", "pip", "freeze"], capture_output=True, text=True, check=True
    )
    facts["peers"] = " ".join(line for line in listed.stdout.split("\n") if line.startswith(("xllamacpp", "llama")))
    print(json.dumps(facts))
    results: list[Target] = []
    for name, part in (("starter", starter), ("hundred", hundred)):
        if options.part in (name, "both"):
            with ExitStack() as stack:
                results += part(stack, Path(tempfile.mkdtemp(prefix="weir-gen-")), options, prompts)
    rows = [("figure", "measured", "target", "met")]
    rows += [(name, f"{value:.2f}", target, "yes" if met else "NO") for name, value, target, met in results]
    peers.show("Targets", rows)
    if options.json is not None:
        figures = {name: {"measured": value, "target": text, "met": met} for name, value, text, met in results}
        options.json.write_text(json.dumps({"machine": facts, "targets": figures}, indent=1))
    return 0 if all(met for *_, met in results) else 1


if __name__ == "__main__":
    sys.exit(main())

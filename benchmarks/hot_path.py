"""The hot path: what the node costs a request, against bare aiohttp in the same run.

The server under test has one core, load generator and upstream share another. Rounds alternate between the four
servers, so that drift of the machine hits all alike. A node's round ends when its records are written: what the
writer thread still had queued counts against its rate. Its requests come with the key of a tenant that has labels,
limits and budgets, none of which is reached.

At an even pace the node is measured twice, with its state on the disk and in memory: the difference is the disk's, which
has the audit and what a request may cost before anything is sent. What counts is the median of the rounds, of a round's
p99 less the bare proxy's in it; a round that the host disturbed is run again.

Exits with 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import peers  # noqa: E402

SERVER_CORE, LOAD_CORE = 0, 1
NO_STORE = {"Cache-Control": "no-store"}
PLENTY = "100000000"
SETTINGS = (
    "--classification", "internal", "--quality-floor", "0.5", "--requests-per-minute", PLENTY, "--tokens-per-minute",
    PLENTY, "--concurrent", "1000", "--budget-day", PLENTY, "--budget-month", PLENTY,
)  # fmt: skip
EXACT_TARGET, PROXY_TARGET, ADDED_TARGET_S = 0.6, 0.4, 0.003


@dataclass
class Subject:
    """One server under one kind of load."""

    name: str
    url: str
    pid: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = peers.QUESTION
    flush: urllib.request.Request | None = None  # asked after a round; answers when nothing of it is left to do
    rates: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)  # share of its core that the process used
    late: list[tuple[float, float]] = field(default_factory=list)  # p50 and p99 of a round at an even pace, seconds


def one_round(subject: Subject, *, connections: int, seconds: float, python_load: bool) -> None:
    before, began = peers.cpu_s(subject.pid), time.perf_counter()
    asked = {"connections": connections, "seconds": seconds}
    if python_load:
        load = peers.closed_loop(subject.url, subject.body, subject.headers, connections=connections, seconds=seconds)
        rate = asyncio.run(load)
    else:
        rate = peers.wrk(subject.url, subject.body, subject.headers, core=LOAD_CORE, **asked)
    spent = time.perf_counter() - began
    drain = flushed(subject)
    subject.rates.append(rate * spent / (spent + drain))
    subject.busy.append((peers.cpu_s(subject.pid) - before) / (spent + drain))


def flushed(subject: Subject) -> float:
    """Seconds until a node has written what it had queued."""
    began = time.perf_counter()
    if subject.flush:
        with urllib.request.urlopen(subject.flush, timeout=120) as answer:
            answer.read()
    return time.perf_counter() - began


def check(subject: Subject, expected_path: str) -> None:
    """The node answers this load the way the benchmark says. Asks twice: the first may fill the cache."""
    for _ in range(2):
        request = urllib.request.Request(
            subject.url, subject.body, {"Content-Type": "application/json", **subject.headers}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            path = answer.headers["x-weir-path"]
            assert json.loads(answer.read())["choices"][0]["message"]["content"]
    if path != expected_path:
        sys.exit(f"{subject.name}: answered by {path!r}, not by {expected_path!r}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each round of each server")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--paced-rounds", type=int, default=9)
    parser.add_argument(
        "--paced-seconds", type=float, default=5.0, help="of each server in a round at 100 requests a second"
    )
    parser.add_argument("--no-tenant", action="store_true", help="a node as it comes, which serves loopback only")
    parser.add_argument("--conversation", action="store_true", help="proxied requests bring 20 earlier turns, 42 KB")
    parser.add_argument("--python-load", action="store_true", help="load by Python even where wrk is installed")
    parser.add_argument("--starter", type=Path, default=ROOT / "build/starter")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the node")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    python_load = options.python_load or shutil.which("wrk") is None
    os.sched_setaffinity(0, {LOAD_CORE})
    work = Path(tempfile.mkdtemp(prefix="weir-hot-"))
    log = work / "peers.log"
    with ExitStack() as stack:

        def peer(kind: str, core: int, *more: str) -> tuple[str, int]:
            port = peers.free_port()
            command = [sys.executable, "-m", "benchmarks.peers", kind, "--port", str(port), *more]
            child = stack.enter_context(peers.process(command, log, cores={core}))
            if kind != "upstream":
                peers.wait_for(f"http://127.0.0.1:{port}/readyz", child, log)
            return f"http://127.0.0.1:{port}/v1/chat/completions", child.pid

        own = (
            peers.CONVERSATION if options.conversation else peers.OWN_QUESTION
        )  # another text each time: the node does not read again what it read before
        upstream, _ = peer("upstream", LOAD_CORE)
        server = Subject("a  bare aiohttp server", *peer("server", SERVER_CORE))
        proxy = Subject("c  bare aiohttp proxy", *peer("proxy", SERVER_CORE, "--to", upstream), body=own)
        card = peers.upstream_card(int(upstream.split(":")[2].split("/")[0]))
        content = peers.starter_content(work / "content", options.starter, [card])
        state = work / "state"
        state.mkdir()
        key = {} if options.no_tenant else peers.tenant(state, "bench", *SETTINGS)
        url, child = stack.enter_context(peers.node(work, content, cores={SERVER_CORE}, state=state))
        chat = f"{url}/v1/chat/completions"
        flush = urllib.request.Request(f"{url}/weir/v1/records?limit=1", headers=peers.operator(state))
        exact = Subject("b  node, exact hits", chat, child.pid, key, flush=flush)
        through = Subject("d  node, whole pipeline", chat, child.pid, key | NO_STORE, own, flush)
        check(exact, "cache/exact")
        check(through, peers.UPSTREAM_ID)
        subjects = [server, exact, proxy, through]
        for subject in subjects:  # warm up
            one_round(subject, connections=options.connections, seconds=1, python_load=python_load)
            subject.rates, subject.busy = [], []
        for number in range(options.rounds):
            for subject in subjects if number % 2 == 0 else subjects[::-1]:
                one_round(subject, connections=options.connections, seconds=options.seconds, python_load=python_load)
        paced = [proxy, through]
        if os.access("/dev/shm", os.W_OK):
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
            key = {} if options.no_tenant else peers.tenant(place, "bench", *SETTINGS)
            url, child = stack.enter_context(peers.node(work, content, cores={SERVER_CORE}, state=place))
            memory = Subject("d' its state in memory", f"{url}/v1/chat/completions", child.pid, key | NO_STORE, own)
            check(memory, peers.UPSTREAM_ID)
            paced.append(memory)
        if options.paced_rounds:
            rounds, stolen = peers.quietest(
                partial(at_an_even_pace, paced, options.paced_seconds), options.paced_rounds
            )
            for subject, late in zip(paced, zip(*rounds, strict=True), strict=True):
                subject.late = list(late)
            show_pace(paced, stolen)
    return report(options.json, server, exact, proxy, through, load="Python" if python_load else "wrk")


def at_an_even_pace(subjects: list[Subject], seconds: float) -> list[tuple[float, float]]:
    """p50 and p99 of each, in turns, in seconds."""
    found = []
    for subject in subjects:
        took = asyncio.run(peers.open_loop(subject.url, subject.body, subject.headers, per_s=100, seconds=seconds))
        found.append((peers.percentile(took, 0.5), peers.percentile(took, 0.99)))
    return found


def added(subject: Subject, proxy: Subject) -> float:
    """What its p99 is above the proxy's, in the median of the rounds, in seconds."""
    return statistics.median([ours[1] - bare[1] for ours, bare in zip(subject.late, proxy.late, strict=True)])


def show_pace(subjects: list[Subject], stolen: float) -> None:
    rows = [("at 100 requests a second, ms", "p50", "p99", "p99 added")]
    for subject in subjects:
        middle = [statistics.median(values) * 1e3 for values in zip(*subject.late, strict=True)]
        rows.append((subject.name, *(f"{value:.2f}" for value in (*middle, added(subject, subjects[0]) * 1e3))))
    peers.show(f"{len(subjects[0].late)} rounds; the host took at most {stolen:.1%} of the processors", rows)


def report(target: Path | None, server: Subject, exact: Subject, proxy: Subject, through: Subject, *, load: str) -> int:
    rows = [("server", "median/s", "least", "most", "cpu us each", "core used")]
    for subject in (server, exact, proxy, through):
        middle = statistics.median(subject.rates)
        rows.append(
            (
                subject.name,
                f"{middle:.0f}",
                f"{min(subject.rates):.0f}",
                f"{max(subject.rates):.0f}",
                f"{statistics.median(busy / rate for busy, rate in zip(subject.busy, subject.rates, strict=True)) * 1e6:.0f}",
                f"{statistics.median(subject.busy):.0%}",
            )
        )
    facts = peers.machine("aiohttp", "uvloop", "orjson")
    print(json.dumps(facts))
    peers.show(f"Requests a second on one core, load by {load}, {len(server.rates)} rounds", rows)
    exact_ratio = statistics.median(a / b for a, b in zip(exact.rates, server.rates, strict=True))
    proxy_ratio = statistics.median(a / b for a, b in zip(through.rates, proxy.rates, strict=True))
    results = [
        ("exact hits / bare server", exact_ratio, f">= {EXACT_TARGET}", exact_ratio >= EXACT_TARGET),
        ("proxied / bare proxy", proxy_ratio, f">= {PROXY_TARGET}", proxy_ratio >= PROXY_TARGET),
    ]
    if proxy.late:
        above = added(through, proxy)
        results.append(("p99 added at 100/s, ms", above * 1e3, "<= 3", above <= ADDED_TARGET_S))
    rows = [("figure", "measured", "target", "met")]
    rows += [(name, f"{value:.2f}", target_, "yes" if met else "NO") for name, value, target_, met in results]
    peers.show("Targets", rows)
    if target is not None:
        figures = {name: {"measured": value, "target": text, "met": met} for name, value, text, met in results}
        rates = {s.name: {"rates": s.rates, "core_used": s.busy} for s in (server, exact, proxy, through)}
        target.write_text(json.dumps({"machine": facts, "targets": figures, "servers": rates}, indent=1))
    return 0 if all(met for *_, met in results) else 1


if __name__ == "__main__":
    sys.exit(main())

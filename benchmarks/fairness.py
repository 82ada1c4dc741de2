"""Fairness: what one tenant's flood does to another's waiting time.

A calm tenant asks at an even pace, alone and beside a loud one; rounds alternate, so that drift of the machine hits both
alike. Two floods: fifty times its limit, which the limit sends away, and without a limit as many at once as it can open,
which only turns and shares hold back. Two paths: the local model, and a server on the site that takes 20 ms.

Target: fifty times its limit changes the other's p95 by at most 20 %. Exits with 1 where it is missed.

    python benchmarks/fairness.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import aiohttp  # noqa: E402

from benchmarks import peers  # noqa: E402

LIMIT = 60  # requests a minute of the loud tenant
TIMES = 50
CALM_PER_S = 10.0
AT_ONCE = 64
TARGET = 1.2
SITE_DELAY_S = 0.02


@dataclass
class Load:
    """What came of one tenant's requests."""

    taken: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


@dataclass
class Caller:
    """One tenant at one path."""

    session: aiohttp.ClientSession
    url: str
    key: str
    model: str
    asked: int = 0

    async def ask(self, load: Load) -> None:
        self.asked += 1
        body = {"model": self.model, "messages": [{"role": "user", "content": f"Sort ascending: 31, {self.asked}, 19"}]}
        headers = {"Authorization": f"Bearer {self.key}", "Cache-Control": "no-store"}
        began = time.perf_counter()
        async with self.session.post(self.url, json=body, headers=headers) as response:
            await response.read()
            load.taken.append(time.perf_counter() - began)
            load.statuses[response.status] += 1


async def pace(caller: Caller, load: Load, *, per_s: float, seconds: float) -> None:
    """Ask at an even pace, whether or not earlier requests are answered."""
    tasks, began = [], time.perf_counter()
    for number in range(int(per_s * seconds)):
        await asyncio.sleep(max(0.0, began + number / per_s - time.perf_counter()))
        tasks.append(asyncio.create_task(caller.ask(load)))
    await asyncio.gather(*tasks)


async def crowd(caller: Caller, load: Load, *, at_once: int, seconds: float) -> None:
    """Keep `at_once` requests under way."""
    ends = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < ends:
            before = load.statuses[200]
            await caller.ask(load)
            if load.statuses[200] == before:
                await asyncio.sleep(0.05)  # sent away: as a client that backs off a little

    await asyncio.gather(*(one() for _ in range(at_once)))


def tenant(state: Path, name: str, *options: str) -> str:
    """A new tenant's key, from the command that an operator uses."""
    command = [sys.executable, "-m", "appliance.cli.main", "tenant", "add", name, *options, "--state", str(state)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


async def rounds(
    url: str, keys: dict[str, str], model: str, options: argparse.Namespace
) -> dict[str, tuple[Load, Load]]:
    """Calm and loud requests by what the loud tenant does."""
    found = {name: (Load(), Load()) for name in ("alone", "over its limit", "without a limit")}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        def caller(who: str) -> Caller:
            return Caller(session, f"{url}/v1/chat/completions", keys[who], model)

        calm = caller("calm")
        await pace(calm, Load(), per_s=CALM_PER_S, seconds=2.0)
        for _ in range(options.rounds):
            for name, (mine, theirs) in found.items():
                beside: list[Any] = []
                if name == "over its limit":
                    beside = [pace(caller("limited"), theirs, per_s=LIMIT / 60 * TIMES, seconds=options.seconds)]
                elif name == "without a limit":
                    beside = [crowd(caller("loud"), theirs, at_once=AT_ONCE, seconds=options.seconds)]
                await asyncio.gather(pace(calm, mine, per_s=CALM_PER_S, seconds=options.seconds), *beside)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starter", type=Path, default=ROOT / "build" / "starter")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    good = True
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weir-fairness-")))
        upstream = peers.free_port()
        command = [sys.executable, "-m", "tests.standins.openai_server", "--port", str(upstream)]
        stack.enter_context(peers.process([*command, "--delay-first", str(SITE_DELAY_S)], work / "upstream.log"))
        content = work / "content"
        shutil.copytree(options.starter, content, symlinks=True)
        card = {
            **peers.upstream_card(upstream),
            "endpoint": {"base_url": f"http://127.0.0.1:{upstream}/v1", "model": "m", "max_concurrent": 8},
        }
        (content / "cards" / "site.json").write_text(json.dumps(card))
        state = work / "state"
        keys = {
            "calm": tenant(state, "calm"),
            "limited": tenant(state, "limited", "--requests-per-minute", str(LIMIT)),
            "loud": tenant(state, "loud"),
        }
        port = peers.free_port()
        (state / "weir.yaml").write_text(json.dumps({"content_dir": str(content), "listen": {"port": port}}))
        command = [sys.executable, "-m", "appliance.cli.main", "serve", "--state", str(state)]
        log = work / "node.log"
        child = stack.enter_context(peers.process(command, log))
        url = f"http://127.0.0.1:{port}"
        peers.wait_for(f"{url}/readyz", child, log)
        for title, model in (("a server on the site, 20 ms", peers.UPSTREAM_ID), ("the local model", "weir-desk")):
            found = asyncio.run(rounds(url, keys, model, options))
            alone = peers.percentile(found["alone"][0].taken, 0.95)
            rows: list[tuple[str, ...]] = [
                ("the other tenant", "calm p50 ms", "p95 ms", "of alone", "its 200", "its 429", "its 503")
            ]
            for name, (mine, theirs) in found.items():
                p95 = peers.percentile(mine.taken, 0.95)
                if set(mine.statuses) != {200}:
                    print(f"calm requests were refused: {dict(mine.statuses)}")
                    good = False
                if name == "over its limit" and p95 > TARGET * alone:
                    good = False
                middle = peers.percentile(mine.taken, 0.5)
                counts = [str(theirs.statuses[status]) if theirs.statuses else "-" for status in (200, 429, 503)]
                rows.append((name, f"{middle * 1e3:.1f}", f"{p95 * 1e3:.1f}", f"{p95 / alone:.2f}", *counts))
            peers.show(f"{title}: {CALM_PER_S:g} requests a second of the calm tenant, {options.rounds} rounds", rows)
    print(f"\nTarget: fifty times its limit, p95 at most {TARGET:g} of alone: {'met' if good else 'MISSED'}.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

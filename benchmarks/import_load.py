"""Bundles taken into use while the node serves 50 requests a second: does one fail, and how much later do answers come?

The node runs on the starter bundle. Three others follow, each by `weir bundle apply` in a process of its own: one with
another policy and nothing else, one whose model has another file and card, and the return to the one before
(`weir bundle rollback`). Requests go to the local model and to exact hits by turns. Their delay while a command runs, and
until the node has taken over what it brought, is compared with that of the same load in between. Also how long the
command took, and how long after it the node had taken over.

Exits with 1 where a request failed, or the p99 more than doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import shutil
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import peers  # noqa: E402

PER_S = 50
QUIET_S = 20.0
MOST = 2.0
MODEL = "models/weir-desk.gguf"


@dataclass
class Load:
    """Delays in seconds, by when their request was sent; `failed` in words."""

    taken: list[tuple[float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def between(self, begin: float, end: float) -> list[float]:
        return [delay for at, delay in self.taken if begin <= at < end]


async def keep_asking(url: str, load: Load, ended: asyncio.Event) -> None:
    """`PER_S` requests a second, whether the ones before were answered or not."""
    tasks: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(number: int) -> None:
            fresh = number % 2 == 0
            text = f"Sort ascending: {number}, {number % 17}, {number % 5}" if fresh else "Sort ascending: 31, 7, 19"
            body = {"model": "weir-desk", "max_tokens": 24, "messages": [{"role": "user", "content": text}]}
            began = time.monotonic()
            try:
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    said = await response.read()
                    if response.status != 200:
                        load.failed.append(f"{response.status}: {said[:200].decode(errors='replace')}")
            except (aiohttp.ClientError, TimeoutError) as error:
                load.failed.append(type(error).__name__)
            load.taken.append((began, time.monotonic() - began))

        began, number = time.monotonic(), 0
        while not ended.is_set():
            number += 1
            task = asyncio.create_task(ask(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(max(0.0, began + number / PER_S - time.monotonic()))
        await asyncio.gather(*tasks)


async def status(url: str, key: dict[str, str]) -> dict[str, Any]:
    async with aiohttp.ClientSession(headers=key) as session, session.get(f"{url}/weir/v1/status") as response:
        found: dict[str, Any] = await response.json()
        return found


async def command(*words: str) -> float:
    """Run a `weir` command; seconds that it took."""
    began = time.monotonic()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "appliance.cli.main", *words, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await child.communicate()
    if child.returncode:
        raise SystemExit(f"weir {' '.join(words)} ended with {child.returncode}: {said.decode()}")
    return time.monotonic() - began


def bundles(work: Path, starter: Path) -> tuple[Path, Path, list[Path]]:
    """A first bundle, its root, and two more of the same publisher: another policy, then another model as well."""
    station, made = work / "station", []
    peers.sign("evaluate", str(station))
    recipe = YAML(typ="safe").load((ROOT / "bundles/starter.yaml").read_text(encoding="utf-8"))
    content = work / "content"
    shutil.copytree(starter, content)
    for number, change in enumerate((None, _other_policy, _other_model)):
        if change is not None:
            change(content)
        file = work / f"recipe-{number}.json"
        file.write_text(json.dumps(recipe | {"name": "benchmark", "content": str(content)}))
        peers.sign("press", str(station), str(file), "--out", str(work / f"bundle-{number}"))
        made.append(work / f"bundle-{number}")
    return made[0], station / "metadata" / "1.root.json", made[1:]


def _other_policy(content: Path) -> None:
    file = content / "policy" / "baseline.cedar"
    file.write_text(file.read_text(encoding="utf-8") + "\n// another issue of it\n", encoding="utf-8")


def _other_model(content: Path) -> None:
    """The same weights with a byte of padding more at the end, which is another file with another digest."""
    file = content / MODEL
    raw = file.read_bytes()
    assert struct.unpack("<I", raw[4:8])[0] == 3, "GGUF of another version"
    file.unlink()
    file.write_bytes(raw + b"\0")
    for path in (content / "cards").glob("*.json"):
        card = json.loads(path.read_bytes())
        for entry in card.get("files", ()):
            if entry["path"] == MODEL:
                entry |= {"sha256": hashlib.sha256(raw + b"\0").hexdigest(), "bytes": len(raw) + 1}
                path.unlink()
                path.write_text(json.dumps(card))


async def measure(url: str, state: Path, more: list[Path]) -> tuple[Load, list[tuple[str, float, float, float, float]]]:
    """The load, and for each command: name, when it began, when the node had taken over, seconds of both parts."""
    load, ended, rows = Load(), asyncio.Event(), []
    key = peers.operator(state)
    asking = asyncio.create_task(keep_asking(url, load, ended))
    for name, words in (
        ("another policy", ("bundle", "apply", str(more[0]))),
        ("another model", ("bundle", "apply", str(more[1]))),
        ("rollback", ("bundle", "rollback")),
    ):
        await asyncio.sleep(QUIET_S)
        before = (await status(url, key))["bundle"]
        began = time.monotonic()
        took = await command(*words, "--state", str(state))
        done = time.monotonic()
        while (await status(url, key))["bundle"] == before:
            await asyncio.sleep(0.02)
        over = time.monotonic()
        rows.append((name, began, over, took, over - done))
    await asyncio.sleep(QUIET_S)
    ended.set()
    await asking
    return load, rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starter", type=Path, default=ROOT / "build/starter")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="weir-import-"))
    first, root, more = bundles(work, options.starter)
    state, port = work / "state", peers.free_port()
    state.mkdir(mode=0o700)
    peers.take_into_use(state, first, root)
    (state / "weir.yaml").write_text(json.dumps({"listen": {"port": port}}))
    url, log = f"http://127.0.0.1:{port}", work / "node.log"
    with peers.process([sys.executable, "-m", "appliance.cli.main", "serve", "--state", str(state)], log) as child:
        peers.wait_for(f"{url}/readyz", child, log)
        load, rows = asyncio.run(measure(url, state, more))
    quiet = [delay for at, delay in load.taken if not any(begin <= at < end for _, begin, end, *_ in rows)]
    floor = peers.percentile(quiet, 0.99)
    facts = peers.machine("aiohttp", "uvloop")
    print(json.dumps(facts))
    table = [("while", "requests", "p50 ms", "p99 ms", "command s", "then taken over after s")]
    table.append(("nothing else", str(len(quiet)), _ms(quiet, 0.5), _ms(quiet, 0.99), "", ""))
    figures: dict[str, Any] = {"quiet": {"p50": peers.percentile(quiet, 0.5), "p99": floor}, "failed": load.failed}
    for name, begin, end, took, after in rows:
        during = load.between(begin, end)
        table.append((name, str(len(during)), _ms(during, 0.5), _ms(during, 0.99), f"{took:.2f}", f"{after:.2f}"))
        figures[name] = {"p99": peers.percentile(during, 0.99), "command_s": took, "taken_over_s": after}
    peers.show(f"{PER_S} requests a second, {len(load.taken)} in all, {len(load.failed)} failed", table)
    worst = max(peers.percentile(load.between(begin, end), 0.99) for _, begin, end, *_ in rows) / floor
    peers.show("Targets", [
        ("figure", "measured", "target", "met"),
        ("failed requests", str(len(load.failed)), "0", "NO" if load.failed else "yes"),
        ("p99 while importing / p99 else", f"{worst:.2f}", f"<= {MOST:g}", "yes" if worst <= MOST else "NO"),
    ])  # fmt: skip
    for line in sorted(set(load.failed))[:10]:
        print(f"  {line}")
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": facts, **figures}, indent=1))
    return 1 if load.failed or worst > MOST else 0


def _ms(delays: list[float], share: float) -> str:
    return f"{peers.percentile(delays, share) * 1e3:.1f}"


if __name__ == "__main__":
    sys.exit(main())

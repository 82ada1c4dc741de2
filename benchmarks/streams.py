"""Streams through the node beside the same streams through a bare aiohttp proxy, in one run.

* Latency: streams begun at an even pace, in turns through the node and through the proxy; an upstream that sends a token
  every 10 ms and writes into it when. First byte: from the request to the first token's arrival. Per chunk: from the
  moment the upstream sent a token to its arrival. Targets: the node's p99 at most 3 ms and 1 ms above the proxy's.
* Memory: so many streams open at once; resident memory of the node. Target: 400 MB.
* Leaving: streams whose client leaves after the first token: how long until the upstream sees it (target: 100 ms at
  most), and what tasks, sockets and descriptors stay (target: none).

    python benchmarks/streams.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import aiohttp  # noqa: E402
from aiohttp import web  # noqa: E402

from benchmarks import peers  # noqa: E402
from tests.node.conftest import process_node, write_content  # noqa: E402
from tests.node.failing import card_of  # noqa: E402
from tests.standins.numbered import NumberedStandIn, Remote  # noqa: E402

FIRST_MS, CHUNK_MS, MEMORY_MB, LEAVE_MS = 3.0, 1.0, 400.0, 100.0
TOKENS, PAUSE_S = 20, 0.01
WARM_UP = 50  # streams that are not counted
SPEED = {"first_token_s": 0.02, "first_token_p95_s": 1.0, "decode_tokens_per_s": 100.0}
LONG = {"connect_timeout_s": 30.0, "first_byte_timeout_s": 60.0, "gap_timeout_s": 60.0, "max_concurrent": 1024}
BODY = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "say something"}]}


async def _stream(session: aiohttp.ClientSession, url: str, firsts: list[float], delays: list[float]) -> None:
    """One stream; times in milliseconds."""
    began = time.monotonic_ns()
    first = True
    async with session.post(f"{url}/v1/chat/completions", json=BODY, headers={"Cache-Control": "no-store"}) as response:
        assert response.status == 200, await response.text()
        async for line in response.content:
            now = time.monotonic_ns()
            at = line.find(b'"content":"')
            stamp = line[at + 11 : line.find(b'"', at + 11)].strip() if at > 0 else b""
            if stamp:
                delays.append((now - int(stamp)) / 1e6)
                if first:
                    firsts.append((now - began) / 1e6)
                    first = False


async def _latency(urls: dict[str, str], count: int, per_s: float) -> dict[str, dict[str, float]]:
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in urls}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for counted in (WARM_UP, count):
            for lists in found.values():
                for one in lists:
                    one.clear()
            work, began = [], time.monotonic()
            for k in range(counted):
                name = list(urls)[k % len(urls)]
                await asyncio.sleep(max(0.0, began + k / per_s - time.monotonic()))
                work.append(asyncio.create_task(_stream(session, urls[name], *found[name])))
            await asyncio.gather(*work)
    return {
        name: {
            "first_p50_ms": peers.percentile(firsts, 0.5),
            "first_p99_ms": peers.percentile(firsts, 0.99),
            "chunk_p50_ms": peers.percentile(delays, 0.5),
            "chunk_p99_ms": peers.percentile(delays, 0.99),
            "tokens": len(delays),
        }
        for name, (firsts, delays) in found.items()
    }


async def _memory(url: str, pid: int, streams: int) -> dict[str, float]:
    before = _resident_mb(pid)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        open_now = [
            await session.post(f"{url}/v1/chat/completions", json=BODY, headers={"Cache-Control": "no-store"})
            for _ in range(streams)
        ]
        await asyncio.sleep(0.5)
        during = _resident_mb(pid)
        for response in open_now:
            response.close()
    return {"before_mb": before, "with_streams_mb": during}


async def _leaving(url: str, pid: int, upstream: Remote, count: int, at_once: int) -> dict[str, float]:
    left: list[float] = []
    await asyncio.sleep(6)  # connections are kept for four seconds
    files = len(os.listdir(f"/proc/{pid}/fd"))
    await asyncio.to_thread(upstream.settle)
    calls = len(upstream.calls)
    work = iter(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client() -> None:
            for _ in work:
                response = await session.post(
                    f"{url}/v1/chat/completions", json=BODY, headers={"Cache-Control": "no-store"}
                )
                said = await response.content.readany()
                assert response.status == 200, said
                left.append(time.monotonic())
                response.close()

        await asyncio.gather(*(client() for _ in range(at_once)))
    await asyncio.sleep(6)
    await asyncio.to_thread(upstream.settle)
    seen = sorted(call.gone_at for call in upstream.calls[calls:] if call.ended == "cancelled")
    late = [(gone - began) * 1000 for gone, began in zip(seen, sorted(left), strict=False)]
    return {
        "streams": count,
        "seen by the upstream": len(seen),
        "still open there": sum(call.ended == "at work" for call in upstream.calls),
        "until_seen_p50_ms": peers.percentile(late, 0.5),
        "until_seen_p99_ms": peers.percentile(late, 0.99),
        "until_seen_most_ms": max(late),
        "descriptors_more": len(os.listdir(f"/proc/{pid}/fd")) - files,
    }


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _proxy(port: int, upstream: str) -> None:
    """The bare peer: aiohttp's server and client, and nothing between them."""
    import uvloop

    async def serve() -> None:
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)

        async def onward(request: web.Request) -> web.StreamResponse:
            async with session.post(f"{upstream}/chat/completions", data=await request.read()) as answer:
                response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
                await response.prepare(request)
                async for block in answer.content.iter_any():
                    await response.write(block)
                await response.write_eof()
                return response

        async def alive(_: web.Request) -> web.Response:
            return web.Response(text="ok")

        app = web.Application()
        app.router.add_post("/v1/chat/completions", onward)
        app.router.add_get("/readyz", alive)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.sleep(float("inf"))

    uvloop.run(serve())


def measure(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All of it; the upstream runs in a process of its own but for the streams that are left."""
    found: dict[str, Any] = {"machine": peers.machine("aiohttp", "uvloop")}
    with ExitStack() as stack:
        port, log = peers.free_port(), directory / "upstream.log"
        flags = ["--port", str(port), "--stamped", "--tokens", str(TOKENS), "--pause-s", str(PAUSE_S)]
        command = [sys.executable, "-m", "tests.standins.numbered", *flags]
        child = stack.enter_context(peers.process(command, log))
        base = f"http://127.0.0.1:{port}/v1"
        peers.wait_for(f"http://127.0.0.1:{port}/ledger", child, log)
        bare = peers.free_port()
        command = [sys.executable, "-m", "benchmarks.streams", "--proxy", str(bare), "--upstream", base]
        bare_child = stack.enter_context(peers.process(command, directory / "proxy.log"))
        peers.wait_for(f"http://127.0.0.1:{bare}/readyz", bare_child, directory / "proxy.log")
        server = NumberedStandIn("a", port=port)
        content = write_content(directory / "content", card_of(server, endpoint=LONG, speed=SPEED))
        limits = {"concurrent_requests": 1024}
        made = directory / "latency"
        made.mkdir()
        (made / "state").mkdir()
        node = stack.enter_context(process_node(made, content, limits=limits, cache={"enabled": False}))
        urls = {"node": node.url, "proxy": f"http://127.0.0.1:{bare}"}
        pids = {"node": node.child.pid, "proxy": bare_child.pid}
        before = {name: peers.cpu_s(pid) for name, pid in pids.items()}
        found["latency"] = asyncio.run(_latency(urls, options.streams, options.per_s))
        share = options.streams / (options.streams + WARM_UP)
        for name, pid in pids.items():
            told = found["latency"][name]
            told["cpu_us_per_token"] = (peers.cpu_s(pid) - before[name]) * share / told["tokens"] * 1e6
    found["leaving"], found["memory"] = asyncio.run(_held(directory, options))
    return found


async def _held(directory: Path, options: argparse.Namespace) -> tuple[dict[str, float], dict[str, float]]:
    with Remote("a", tokens=100_000, pause_s=0.2) as server:
        content = write_content(directory / "content-held", card_of(server, endpoint=LONG, speed=SPEED))
        made = directory / "held"
        made.mkdir()
        (made / "state").mkdir()
        running = process_node(made, content, limits={"concurrent_requests": 1024}, cache={"enabled": False})
        node = await asyncio.to_thread(running.__enter__)
        try:
            memory = await _memory(node.url, node.child.pid, options.open)
            return await _leaving(node.url, node.child.pid, server, options.leave, 32), memory
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


def missed(found: dict[str, Any]) -> list[str]:
    """The targets that are missed, in words."""
    node, proxy = found["latency"]["node"], found["latency"]["proxy"]
    checks = [
        ("first byte, p99 above the proxy's", node["first_p99_ms"] - proxy["first_p99_ms"], FIRST_MS),
        ("per chunk, p99 above the proxy's", node["chunk_p99_ms"] - proxy["chunk_p99_ms"], CHUNK_MS),
        ("memory, MB", found["memory"]["with_streams_mb"], MEMORY_MB),
        ("until the upstream sees that a client left, p99", found["leaving"]["until_seen_p99_ms"], LEAVE_MS),
        (
            "streams that the upstream did not see left",
            found["leaving"]["streams"] - found["leaving"]["seen by the upstream"],
            0,
        ),
        ("streams still open at the upstream", found["leaving"]["still open there"], 0),
        ("descriptors that stay", found["leaving"]["descriptors_more"], 2),
    ]
    return [f"{what}: {value:.2f} (at most {most:g})" for what, value, most in checks if value > most]


def main() -> int:
    parser = argparse.ArgumentParser(description="Streams through the node beside a bare aiohttp proxy.")
    parser.add_argument("--streams", type=int, default=3000)
    parser.add_argument("--per-s", type=float, default=100.0)
    parser.add_argument("--open", type=int, default=500, help="streams at once")
    parser.add_argument("--leave", type=int, default=10_000, help="streams that are left")
    parser.add_argument("--json", type=Path, help="write what was found here")
    parser.add_argument("--proxy", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--upstream", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.proxy:
        _proxy(options.proxy, options.upstream)
        return 0
    with tempfile.TemporaryDirectory() as directory:
        found = measure(Path(directory), options)
    found["missed"] = missed(found)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))
    return 1 if found["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())

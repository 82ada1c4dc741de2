"""Streams through the node beside the same streams through a bare aiohttp proxy, in one run.

* Latency: rounds of streams begun at an even pace, in turns through the proxy, the node, and the node with its state in
  memory (what the disk's sync adds is the difference: nothing is sent before the audit has it); an upstream that sends a
  token every 10 ms and writes into it when. First byte: from the request to the first token's arrival. Per chunk: from
  the moment the upstream sent a token to its arrival. The server under test has one core, client and upstream share
  another. Targets: in the median of the rounds the node's p99 is at most 3 ms and 1 ms above the proxy's.
* Memory: so many streams open at once; resident memory of the node. Target: 400 MB.
* Leaving: streams whose client leaves after the first token: how long until the upstream sees it (target: 100 ms at
  most), and what tasks, sockets and descriptors stay (target: none).

    python benchmarks/streams.py
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import re
import sys
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import aiohttp  # noqa: E402
import uvloop  # noqa: E402
from aiohttp import web  # noqa: E402

from benchmarks import peers  # noqa: E402
from tests.node.conftest import process_node, write_content  # noqa: E402
from tests.node.failing import card_of  # noqa: E402
from tests.standins.numbered import NumberedStandIn, Remote  # noqa: E402

FIRST_MS, CHUNK_MS, MEMORY_MB, LEAVE_MS = 3.0, 1.0, 400.0, 100.0
TOKENS, PAUSE_S = 20, 0.01
CONNECTIONS = 128
SPEED = {"first_token_s": 0.02, "first_token_p95_s": 1.0, "decode_tokens_per_s": 100.0}
LONG = {"connect_timeout_s": 30.0, "first_byte_timeout_s": 60.0, "gap_timeout_s": 60.0, "max_concurrent": 1024}
_STAMP = re.compile(rb'"content": ?"(\d{9,}) "')
BODY = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "say something"}]}


class Listener(asyncio.Protocol):
    """One kept-alive connection that carries one stream at a time, and remembers only what came when: who reads a stream
    as it comes is busy when the next one does.
    """

    def __init__(self, request: bytes, idle: deque[Listener]) -> None:
        self._request, self._idle = request, idle
        self._transport: asyncio.Transport | None = None
        self._asked = 0
        self._came: list[tuple[int, bytes]] = []
        self.streams: list[tuple[int, list[tuple[int, bytes]]]] = []  # when it was asked for; what came when

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        assert self._transport is not None
        self._asked, self._came = time.monotonic_ns(), []
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._came.append((time.monotonic_ns(), data))
        if data.endswith(b"0\r\n\r\n"):
            self.streams.append((self._asked, self._came))
            self._idle.append(self)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


@dataclass
class Delays:
    """In milliseconds: of each stream's first token from the request on, of each token from the upstream on."""

    firsts: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)

    def add(self, asked: int, came: list[tuple[int, bytes]]) -> None:
        """What came of one stream. Raises RuntimeError where that is no whole answer."""
        whole, block, ends = b"".join([data for _, data in came]), 0, len(came[0][1])
        stamps = list(_STAMP.finditer(whole))
        if not whole.startswith(b"HTTP/1.1 200") or len(stamps) != TOKENS:
            raise RuntimeError(f"{len(stamps)} tokens in {whole[:400]!r}")
        for stamp in stamps:
            while stamp.end() > ends:
                block += 1
                ends += len(came[block][1])
            at = came[block][0]
            if stamp is stamps[0]:
                self.firsts.append((at - asked) / 1e6)
            self.tokens.append((at - int(stamp[1])) / 1e6)


async def _paced(url: str, per_s: float, seconds: float) -> Delays:
    """Streams begun at an even pace, whether or not earlier ones have ended."""
    request = peers.request_bytes(
        f"{url}/v1/chat/completions", json.dumps(BODY).encode(), {"Cache-Control": "no-store"}
    )
    host, _, port = url.removeprefix("http://").partition(":")
    loop, idle = asyncio.get_running_loop(), deque[Listener]()
    made = [
        (await loop.create_connection(lambda: Listener(request, idle), host, int(port)))[1] for _ in range(CONNECTIONS)
    ]
    idle.extend(made)
    began = time.monotonic()
    for k in range(int(per_s * seconds)):
        await asyncio.sleep(max(0.0, began + k / per_s - time.monotonic()))
        if not idle:
            raise RuntimeError(f"{url} cannot keep up with {per_s:g} streams a second")
        idle.popleft().ask()
    async with asyncio.timeout(30):
        while len(idle) < CONNECTIONS:
            await asyncio.sleep(0.01)
    found = Delays()
    for listener in made:
        listener.close()
        for stream in listener.streams:
            found.add(*stream)
    return found


def _latency(servers: dict[str, tuple[str, int]], options: argparse.Namespace) -> dict[str, Any]:
    """Of servers by name, with address and process: they take turns, and each has a core of its own in its turn. The
    medians of the rounds, and of what a round's p99 is above that of the proxy's turn in it.
    """
    for url, _ in servers.values():
        uvloop.run(_paced(url, options.per_s, 1.0))
    turns = partial(_turns, servers, options)
    rounds, stolen = peers.quietest(turns, options.rounds)
    found: dict[str, Any] = {
        name: {what: median([told[name][what] for told in rounds]) for what in rounds[0][name]} for name in servers
    }
    return found | {"rounds": len(rounds), "stolen_at_most": stolen}


def _turns(servers: dict[str, tuple[str, int]], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """One round. Raises RuntimeError where one cannot keep up."""
    told = {name: _turn(url, pid, options) for name, (url, pid) in servers.items()}
    for one in told.values():
        for what in ("first", "chunk"):
            one[f"{what}_p99_added_ms"] = one[f"{what}_p99_ms"] - told["proxy"][f"{what}_p99_ms"]
    return told


def _turn(url: str, pid: int, options: argparse.Namespace) -> dict[str, float]:
    """One server's part of a round."""
    before = peers.cpu_s(pid)
    delays = uvloop.run(_paced(url, options.per_s, options.seconds))
    told = {
        f"{what}_{word}_ms": peers.percentile(values, share)
        for what, values in (("first", delays.firsts), ("chunk", delays.tokens))
        for word, share in (("p50", 0.5), ("p99", 0.99))
    }
    return told | {"cpu_ms_per_stream": (peers.cpu_s(pid) - before) / len(delays.firsts) * 1e3}


def _syncs(directory: Path, options: argparse.Namespace) -> dict[str, float]:
    """What the disk alone takes to have a line of the audit's size, at the same pace, in milliseconds."""
    taken: list[float] = []
    with (directory / "line").open("ab", buffering=0) as file:
        for _ in range(int(options.per_s * options.seconds)):
            file.write(bytes(600))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - began) * 1e3)
            time.sleep(max(0.0, 1 / options.per_s - taken[-1] / 1e3))
    return {"p50_ms": peers.percentile(taken, 0.5), "p99_ms": peers.percentile(taken, 0.99)}


def _pin(pid: int, cores: set[int]) -> None:
    """Every thread of a process."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cores)


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
    gc.collect()
    gc.freeze()  # what was found so far takes a collector 0.1 s to walk through, in which nobody here sees anything
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
        child = stack.enter_context(peers.process(command, log, cores={1}))
        base = f"http://127.0.0.1:{port}/v1"
        peers.wait_for(f"http://127.0.0.1:{port}/ledger", child, log)
        bare = peers.free_port()
        command = [sys.executable, "-m", "benchmarks.streams", "--proxy", str(bare), "--upstream", base]
        proxy = stack.enter_context(peers.process(command, directory / "proxy.log", cores={0}))
        peers.wait_for(f"http://127.0.0.1:{bare}/readyz", proxy, directory / "proxy.log")
        content = write_content(
            directory / "content", card_of(NumberedStandIn("a", port=port), endpoint=LONG, speed=SPEED)
        )
        servers = {"proxy": (f"http://127.0.0.1:{bare}", proxy.pid)}
        memory = Path("/dev/shm")
        places = {"node": directory} | ({"node_in_memory": memory} if os.access(memory, os.W_OK) else {})
        for name, place in places.items():
            made = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place)))
            (made / "state").mkdir()
            limits = {"concurrent_requests": 1024}
            node = stack.enter_context(process_node(made, content, limits=limits, cache={"enabled": False}))
            _pin(node.child.pid, {0})
            servers[name] = (node.url, node.child.pid)
        found["sync"] = _syncs(directory, options)
        free = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {1})
        found["latency"] = _latency(servers, options)
        os.sched_setaffinity(0, free)
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
    node = found["latency"]["node"]
    checks = [
        ("first byte, p99 above the proxy's", node["first_p99_added_ms"], FIRST_MS),
        ("per chunk, p99 above the proxy's", node["chunk_p99_added_ms"], CHUNK_MS),
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
    parser.add_argument("--per-s", type=float, default=100.0, help="streams begun a second")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round of each server")
    parser.add_argument("--rounds", type=int, default=9)
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

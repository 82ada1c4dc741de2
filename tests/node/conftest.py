"""A real node on a temporary state: in this process, or as the process that an operator starts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from openai import AsyncOpenAI

from appliance.bundle.in_force import InForce
from appliance.config import Cache, Config, Egress, Limits, Listen, Paths, Records, Routing
from appliance.decide.labels import Detectors
from appliance.node import Node
from appliance.records.card import ModelCard
from appliance.store import Reader
from appliance.web.line import SILENCE_S
from appliance.web.server import listening
from tests import factories, policies
from tests.installed import install
from tests.node.doubles import FakePath
from tests.standins.openai_server import Behaviour, OpenAIStandIn

ROOT = Path(__file__).resolve().parent.parent.parent
DETECTORS = Detectors.model_validate_json((ROOT / "bundles" / "starter" / "detectors.json").read_bytes())
CACHE_CARD = factories.card(
    "cache/exact", runtime="exact_cache", tier="cache", modalities=("chat", "completion"), retention="logged"
)


def upstream_card(base_url: str, id: str = "site/one", **over: Any) -> ModelCard:
    """The stand-in as a path of any tier."""
    endpoint = {"base_url": base_url, "model": over.pop("model", "m"), **over.pop("endpoint", {})}
    base: dict[str, Any] = {
        "tier": "site",
        "modalities": ("chat", "completion", "embedding"),
        "capabilities": {
            "tools": True, "json_object": True, "json_schema": True, "logprobs": True, "multiple": True, "seed": True,
        },
        "accuracy_default": 0.99,
        "accuracy_default_n": 1000,
        "price": {"input_per_million": 1.0, "output_per_million": 2.0},
        "endpoint": endpoint,
    }  # fmt: skip
    return factories.card(id, **(base | over))


def fake_card(id: str, tier: str = "device", **over: Any) -> ModelCard:
    """A card for a path that a test puts in the node's hands."""
    base: dict[str, Any] = {
        "runtime": "fake",
        "tier": tier,
        "modalities": ("chat", "completion"),
        "capabilities": {"signals": True, "multiple": True, "logprobs": True, "seed": True},
        "accuracy_default": 0.99,
        "accuracy_default_n": 1000,
        "speed": {"first_token_s": 0.01, "first_token_p95_s": 0.02, "decode_tokens_per_s": 10_000.0},
    }
    return factories.card(id, **(base | over))


def write_content(directory: Path, *cards: ModelCard, gates: tuple[Any, ...] = (), **over: Any) -> Path:
    """A content directory as a bundle would leave it; `policy` (rules as text), `detectors`, the weights by keyword."""
    (directory / "cards").mkdir(parents=True, exist_ok=True)
    (directory / "router").mkdir(exist_ok=True)
    policies.write(directory / "policy", over.pop("policy", policies.RULES))
    detectors = over.pop("detectors", DETECTORS)
    (directory / "detectors.json").write_text(detectors.model_dump_json())
    (directory / "router" / "weights.json").write_text(json.dumps({"quality_floor": 0.9, **over}))
    for card in (CACHE_CARD, *cards):
        (directory / "cards" / f"{card.id.replace('/', '-')}.json").write_text(card.model_dump_json())
    for gate in gates:
        (directory / "router" / f"gate-{gate.id}.json").write_text(gate.model_dump_json())
    return directory


@dataclass
class Running:
    """A node that answers at `url`."""

    node: Node
    port: int
    state: Path
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **over: Any) -> AsyncOpenAI:
        return AsyncOpenAI(**({"base_url": f"{self.url}/v1", "api_key": "unused", "max_retries": 0} | over))

    def chat(self, text: str = "Say hello", **over: Any) -> Any:
        """One chat request as raw HTTP: `async with running.chat() as response`."""
        headers = over.pop("headers", {})
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **over}
        return self.session.post(f"{self.url}/v1/chat/completions", json=body, headers=headers)

    async def ask(self, text: str = "Say hello", **over: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, body and x-weir-* headers of one chat request."""
        async with self.chat(text, **over) as response:
            headers = {k.lower(): v for k, v in response.headers.items()}
            return response.status, await response.json(), headers

    async def get(self, address: str) -> tuple[int, Any]:
        async with self.session.get(self.url + address) as response:
            return response.status, await response.json()

    async def records(self) -> list[dict[str, Any]]:
        """All records, committed."""
        await asyncio.to_thread(self.node.store.writer.flush)
        return list(Reader(self.state / "telemetry.db").all())

    async def record(self, id: str) -> dict[str, Any]:
        return next(row for row in await self.records() if row["id"] == id)


@asynccontextmanager
async def running_node(
    directory: Path, *cards: ModelCard, fakes: tuple[FakePath, ...] = (), silence_s: float = SILENCE_S, **over: Any
) -> AsyncIterator[Running]:
    """A node with these cards (and the fake paths' own) on `directory`/state; keywords are sections of the config,
    gates, policy, or weights."""
    state = directory / "state"
    state.mkdir(exist_ok=True)
    listen = Listen(port=0, **over.pop("listen", {}))
    names = ("limits", "cache", "records", "egress", "routing", "paths")
    kinds = dict(zip(names, (Limits, Cache, Records, Egress, Routing, Paths), strict=True))
    sections = {name: kinds[name](**over.pop(name)) for name in names if name in over}
    content = write_content(directory / "content", *cards, *(fake.card for fake in fakes), **over)
    node = Node(Config(state_dir=state, listen=listen, **sections), InForce(folder=content))
    async with listening(node, silence_s=silence_s) as port:
        await node.start()
        for fake in fakes:
            hand_over(node, fake)
        async with aiohttp.ClientSession() as session:
            yield Running(node, port, state, session)


def hand_over(node: Node, fake: FakePath) -> None:
    """The path is the node's from now on."""
    from appliance.paths.guard import Guarded
    from appliance.snapshot import LiveFigures

    fleet = node.fleet
    fleet.problems[:] = [problem for problem in fleet.problems if not problem.startswith(f"{fake.card.id}:")]
    fleet.paths[fake.card.id] = Guarded(fake)
    fleet.figures[fake.card.id] = LiveFigures()


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """`async with start(card, ..., limits={...}) as running`."""

    def starting(*cards: ModelCard, **over: Any) -> AbstractAsyncContextManager[Running]:
        return running_node(tmp_path, *cards, **over)

    return starting


@pytest.fixture
async def upstream() -> AsyncIterator[OpenAIStandIn]:
    async with OpenAIStandIn(Behaviour()) as server:
        yield server


@pytest.fixture
async def weir(start: Start, upstream: OpenAIStandIn) -> AsyncIterator[Running]:
    """A node with one site path: the stand-in."""
    async with start(upstream_card(upstream.base_url)) as running:
        yield running


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Returns when the condition (plain or awaitable) holds; fails after `seconds`."""
    ends = time.monotonic() + seconds
    while True:
        held = condition()
        if isinstance(held, Awaitable):
            held = await held
        if held:
            return
        assert time.monotonic() < ends, "it did not come about in time"
        await asyncio.sleep(0.01)


def sse(raw: bytes) -> list[Any]:
    """The events of a stream: parsed JSON, and '[DONE]' where it stands."""
    events: list[Any] = []
    for block in raw.decode().split("\n\n"):
        if block:
            assert block.startswith("data: "), block
            data = block[6:]
            events.append(data if data == "[DONE]" else orjson.loads(data))
    return events


def said(events: list[Any], index: int = 0) -> str:
    """The text of one choice of a chat stream."""
    return "".join(
        choice["delta"].get("content") or ""
        for event in events
        if isinstance(event, dict)
        for choice in event.get("choices", [])
        if choice["index"] == index
    )


@dataclass
class Process:
    """`weir serve` as an operator starts it."""

    child: subprocess.Popen[bytes]
    port: int
    state: Path
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def ask(self, text: str = "Say hello", timeout: float = 30, **over: Any) -> tuple[int, Any, dict[str, str]]:
        headers = {"Content-Type": "application/json", **over.pop("headers", {})}
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **over}
        return self.post("/v1/chat/completions", json.dumps(body).encode(), headers, timeout)

    def post(
        self, address: str, body: bytes, headers: dict[str, str] | None = None, timeout: float = 30
    ) -> tuple[int, Any, dict[str, str]]:
        request = urllib.request.Request(self.url + address, body, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                raw, status, headers = response.read(), response.status, dict(response.headers)
        except urllib.error.HTTPError as error:
            with error:
                raw, status, headers = error.read(), error.code, dict(error.headers)
        return status, orjson.loads(raw) if raw[:1] in b"{[" else raw, headers

    def get(self, address: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(self.url + address, timeout=10) as response:
                return response.status, orjson.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, orjson.loads(error.read())

    def wait_ready(self, seconds: float = 60) -> None:
        ends = time.monotonic() + seconds
        while True:
            assert self.child.poll() is None, self.said()
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            assert time.monotonic() < ends, self.said()
            time.sleep(0.05)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process_node(
    directory: Path, content: Path, *, before: tuple[str, ...] = (), ready: bool = True, **settings: Any
) -> Iterator[Process]:
    """`weir serve --state directory/state` with these settings in weir.yaml; `before` stands before the command.

    What is in force there already stays; else `content` is.
    """
    state = directory / "state"
    if not (state / "current").is_symlink():
        install(state, content)
    port = free_port()
    (state / "weir.yaml").write_text(json.dumps({"listen": {"host": "127.0.0.1", "port": port}, **settings}))
    log = directory / f"node-{port}.log"
    command = [*before, sys.executable, "-m", "appliance.cli.main", "serve", "--state", str(state)]
    with log.open("wb") as out:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "NO_PROXY": "*"},
            start_new_session=bool(before),
        )
    process = Process(child, port, state, log)
    try:
        if ready:
            process.wait_ready()
        yield process
    finally:
        if child.poll() is None:
            if before:
                os.killpg(child.pid, signal.SIGTERM)  # strace alone would let go of the node and end
            else:
                child.terminate()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

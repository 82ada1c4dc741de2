"""What all stand-ins of providers do alike: listen, count and remember what they were sent, and run as a command."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from tests.standins.openai_answers import LABEL, Behaviour, read_answers

MAX_KEPT_BODIES = 1000


class StandIn:
    """A server. `async with` serves on a free loopback port; `base_url` is where.

    `seen` counts requests by address, `bodies` and `headers` keep the first MAX_KEPT_BODIES, `open_now` and `most_open`
    are how many are and were in progress at once, `cancelled` how many clients left before the end.
    """

    def __init__(
        self, behaviour: Behaviour | None = None, *, host: str = "127.0.0.1", port: int = 0, tls: Any = None
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.seen: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.open_now = 0
        self.most_open = 0
        self.cancelled = 0
        self.port = port
        self._host = host
        self._tls = tls
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    def routes(self, app: web.Application) -> None:
        """Add what it serves."""
        raise NotImplementedError

    def last_line(self) -> str:
        """What it prints when it is ended as a command; '' for nothing."""
        return ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        self.routes(app)
        # A client that leaves cancels its handler, as uvicorn does: cancellation can be asserted.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port, reuse_address=True, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def begun(self, address: str) -> None:
        """A request came; `ended` must follow."""
        self.seen[address] += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)

    def ended(self) -> None:
        self.open_now -= 1

    def keep(self, request: web.Request, body: dict[str, Any]) -> None:
        """Remember what came, while there is room."""
        if len(self.bodies) < MAX_KEPT_BODIES:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))


def alike(one: list[str], other: list[str]) -> int:
    """How many leading tokens two prompts share."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def serve(make: Callable[[Behaviour, str, int], StandIn], what: str) -> None:
    """The command line of a stand-in: `make(behaviour, host, port)` is the server. Prints its port as one line of JSON
    and serves until it is stopped.
    """
    parser = argparse.ArgumentParser(description=f"A stand-in for {what}: no model behind it.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--answers", type=Path, help="JSONL rows of id, prompt, answer; other prompts are echoed")
    parser.add_argument("--delay-first", type=float, default=0.0, help="seconds before the first token")
    parser.add_argument("--tokens-per-s", type=float, default=0.0, help="0 sends at once")
    parser.add_argument("--context-tokens", type=int, default=4096)
    parser.add_argument("--key", default="", help="refuse requests that do not bring this key")
    given = parser.parse_args()
    behaviour = Behaviour(
        answers=read_answers(given.answers) if given.answers else {},
        delay_first_s=given.delay_first,
        tokens_per_s=given.tokens_per_s,
        context_tokens=given.context_tokens,
        key=given.key,
    )

    async def run() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with make(behaviour, given.host, given.port) as server:
            sys.stdout.write(json.dumps({"port": server.port, "base_url": server.base_url, "is": LABEL}) + "\n")
            sys.stdout.flush()
            await stopped.wait()
        if line := server.last_line():
            with suppress(BrokenPipeError):  # nobody wants to know
                sys.stdout.write(line + "\n")
                sys.stdout.flush()

    asyncio.run(run())

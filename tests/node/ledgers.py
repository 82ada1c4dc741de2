"""A mix of calls, however they end, and what those who served them would bill: shared by a test and a benchmark."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any, Self

import orjson

from appliance.records.card import ModelCard
from appliance.records.money import picos
from tests.node.conftest import Running
from tests.node.failing import card_of
from tests.standins.numbered import Billed, NumberedStandIn

HOW = ("whole", "streamed", "cancelled", "retried", "broken", "hedged", "failed")
PRICE = {
    "input_per_million": 0.075,
    "cached_input_per_million": 0.01875,
    "output_per_million": 0.3,
    "reasoning_per_million": 0.35,
}
PER_REQUEST = {"first": 100_000_000, "second": 200_000_000}  # picos; the others are dearer, so that 'auto' is not them
DEARER = 10_000_000_000
FAILING = {
    "retries": {"first_wait_s": 0.01, "patience_s": 0.05, "longest_wait_s": 0.2},
    "breaking": {"least_calls": 100_000, "connect_failures": 100_000},
    "hedging": {"on": True, "after_s": 0.05},
}


class Providers:
    """Stand-ins that bill. `async with Providers() as providers:`; `cards` are the paths to them."""

    def __init__(self) -> None:
        self.servers = {
            "first": NumberedStandIn("first", first_s=0.3, cached=2, thinks=3),
            "second": NumberedStandIn("second", cached=1),
            "plain": NumberedStandIn("plain", cached=4, thinks=5),
            "slow": NumberedStandIn("slow", tokens=500, pause_s=0.005, cached=3),
            "flaky": NumberedStandIn("flaky", thinks=2),
            "breaks": NumberedStandIn("breaks", "end", after=7),
            "down": NumberedStandIn("down", "500"),
        }

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        for server in self.servers.values():
            await self._stack.enter_async_context(server)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def cards(self) -> list[ModelCard]:
        clocks = {"first_byte_timeout_s": 20.0, "gap_timeout_s": 20.0, "connect_timeout_s": 20.0}
        return [
            card_of(server, endpoint=clocks, price={**PRICE, "per_request": per_request(name) / 10**12})
            for name, server in self.servers.items()
        ]

    def ledger(self) -> Counter[str]:
        """Picos that are billed, by prompt."""
        found: Counter[str] = Counter()
        for name, server in self.servers.items():
            for body, call in zip(server.bodies, server.calls, strict=True):
                found[orjson.loads(body)["messages"][0]["content"]] += billed(name, call)
        return found


def per_request(name: str) -> int:
    return PER_REQUEST.get(name, DEARER)


def billed(name: str, call: Billed) -> int:
    """Picos of one call. What was refused costs nothing."""
    if not call.prompt_tokens:
        return 0
    fresh, said = call.prompt_tokens - call.cached_tokens, call.completion_tokens - call.reasoning_tokens
    cost = fresh * 75_000 + call.cached_tokens * 18_750 + said * 300_000 + call.reasoning_tokens * 350_000
    return cost + per_request(name)


async def ask(weir: Running, providers: Providers, how: str, prompt: str, headers: dict[str, str]) -> str:
    """One request that ends so; returns the id of its decision."""
    models = {"cancelled": "slow", "retried": "flaky", "broken": "breaks", "failed": "down"}
    model = "auto" if how == "hedged" else f"site/{models.get(how, 'plain')}"
    if how == "retried":
        providers.servers["flaky"].next_troubles.append("503")
    stream = how not in ("whole", "failed")
    over: dict[str, Any] = {} if how == "cancelled" else {"max_tokens": 20}
    async with weir.chat(prompt, model=model, stream=stream, headers=headers, **over) as response:
        if how == "cancelled":
            for _ in range(1 + len(prompt) % 4):
                await response.content.readany()
            response.close()
        else:
            await response.read()
        return str(response.headers["x-weir-decision"])


async def ask_all(weir: Running, providers: Providers, headers: dict[str, str], count: int, at_once: int) -> list[Any]:
    """So many requests, of every kind in turn. Rows of how, prompt and id."""
    turns = asyncio.Semaphore(at_once)

    async def one(n: int) -> tuple[str, str, str]:
        how, prompt = HOW[n % len(HOW)], f"question {n} of the ledger" + " and more" * (n % 5)
        async with turns:
            return how, prompt, await ask(weir, providers, how, prompt, headers)

    rows = await asyncio.gather(*(one(n) for n in range(count)))
    while weir.node.active:
        await asyncio.sleep(0.02)
    return rows


def recorded(record: dict[str, Any]) -> tuple[int, bool]:
    """Picos that a record tells, and whether all of them are known."""
    steps = record["outcome"]["steps"]
    assert picos(record["outcome"]["cost"]) == sum(picos(step["cost"]) for step in steps)
    return picos(record["outcome"]["cost"]), all(step["cost_known"] for step in steps)

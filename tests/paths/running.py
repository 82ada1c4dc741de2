"""What tests of paths share: a path that runs for as long as a block, what it is asked, and what comes of failures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from appliance.egress import Destination, Egress
from appliance.paths.contract import Chunk, ExecutionPath, Job
from appliance.records.departure import departing
from appliance.records.request import Message
from tests.standins.ledger import DEPARTURE, MemoryLedger

P = TypeVar("P", bound=ExecutionPath)
KEY = "sk-very-secret-0123456789"
PROMPT = "Tell me something nobody may see"
HELLO = Job(id="j", kind="chat", messages=(Message("user", PROMPT),))
# The fault that each mode of a stand-in is to be, streamed or not.
FAULTS = {
    "429": "overloaded",
    "500": "unavailable",
    "503": "unavailable",
    "html": "unavailable",
    "redirect": "unavailable",
    "401": "auth",
    "404": "rejected",
    "400": "rejected",
    "too-long": "context_too_long",
    "hang": "timeout",
    "stall": "timeout",
    "cut": "broken_stream",
    "malformed": "broken_stream",
    "wrong-shape": "broken_stream",
    "huge": "broken_stream",
}


def egress_to(*addresses: str, **over: Any) -> Egress:
    """A door that lets out to these addresses alone."""
    return Egress(frozenset(map(Destination.parse, addresses)), MemoryLedger(), **over)


@asynccontextmanager
async def running(path: P, egress: Egress) -> AsyncIterator[P]:
    """The path, started; in the end it is stopped and its door closed. What it sends is sent in a test's name."""
    await path.start()
    try:
        with departing(DEPARTURE):
            yield path
    finally:
        await path.stop()
        await egress.close()


async def collect(path: ExecutionPath, job: Job = HELLO) -> list[Chunk]:
    return [chunk async for chunk in path.stream(job)]

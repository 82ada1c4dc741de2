"""A path to the stand-in, for tests, with keyword overrides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from appliance.paths.contract import Chunk, Job, Text
from appliance.paths.http import HttpPath
from appliance.paths.openai_http import OpenAIDialect
from appliance.records.card import Capabilities, Endpoint, ModelCard
from tests.paths.running import HELLO, KEY, egress_to, running
from tests.standins.openai_server import Behaviour, OpenAIStandIn

SHORT: dict[str, Any] = {"first_byte_timeout_s": 0.5, "gap_timeout_s": 0.5, "connect_timeout_s": 0.5}


def card_for(base_url: str, model: str = "m", capabilities: Capabilities | None = None, **endpoint: Any) -> ModelCard:
    return ModelCard(
        id="up",
        runtime="openai_http",
        tier="frontier",
        modalities=("chat", "completion", "embedding"),
        capabilities=capabilities or Capabilities(tools=True, logprobs=True, multiple=True),
        endpoint=Endpoint(base_url=base_url, model=model, **endpoint),
    )


@asynccontextmanager
async def started(card: ModelCard, secrets: Any = lambda _: KEY, **over: Any) -> AsyncIterator[HttpPath]:
    assert card.endpoint is not None
    egress = egress_to(card.endpoint.base_url)
    async with running(HttpPath(card, egress, OpenAIDialect(), secrets, **over), egress) as path:
        yield path


@asynccontextmanager
async def served(
    model: str = "m",
    behaviour: Behaviour | None = None,
    capabilities: Capabilities | None = None,
    **endpoint: Any,
) -> AsyncIterator[tuple[OpenAIStandIn, HttpPath]]:
    async with (
        OpenAIStandIn(behaviour) as server,
        started(card_for(server.base_url, model, capabilities, **endpoint), max_response_bytes=1_000_000) as path,
    ):
        yield server, path


def text(chunks: list[Chunk], index: int = 0) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text) and chunk.index == index)


def streamed(job: Job = HELLO, **over: Any) -> Job:
    return Job(**{name: getattr(job, name) for name in Job.__slots__} | {"stream": True} | over)

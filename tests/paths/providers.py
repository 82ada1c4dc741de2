"""Paths to stand-ins of providers, for tests: how each is opened, and what its failures are to be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.paths.contract import ExecutionPath
from appliance.paths.registry import PathContext, build_path
from appliance.records.card import ModelCard
from tests.paths.running import KEY, egress_to, running
from tests.standins.anthropic_server import anthropic
from tests.standins.bedrock_server import REGION, bedrock
from tests.standins.cohere_server import cohere
from tests.standins.gemini_server import gemini
from tests.standins.openai_answers import Behaviour
from tests.standins.openai_server import OpenAIStandIn
from tests.standins.provider import ProviderStandIn

AWS = '{"access_key_id": "AKID", "secret_access_key": "aws-very-secret-0123456789"}'


@dataclass(frozen=True)
class Provider:
    """One adapter and its stand-in. `key` is what the stand-in demands, `secret` what the card's reference holds."""

    runtime: str
    stand_in: Callable[[Behaviour], Any]  # a ProviderStandIn, or what is used as one
    key: str = KEY
    secret: str = KEY
    endpoint: dict[str, Any] = field(default_factory=dict)
    modalities: tuple[str, ...] = ("chat",)
    says: frozenset[str] = frozenset()  # what of all that others cannot be told it can
    error_event: str = "unavailable"  # the fault of its error inside of a stream
    capabilities: dict[str, bool] = field(
        default_factory=lambda: {"tools": True, "json_schema": True, "images_in": True}
    )

    def card(self, base_url: str, model: str = "m", over: dict[str, Any] | None = None, **endpoint: Any) -> ModelCard:
        return ModelCard.model_validate(
            {
                "id": "up",
                "runtime": self.runtime,
                "tier": "frontier",
                "modalities": self.modalities,
                "capabilities": self.capabilities,
                "endpoint": {"base_url": base_url, "model": model, "api_key_ref": "env:K", **self.endpoint, **endpoint},
                **(over or {}),
            }
        )


PROVIDERS = {
    "anthropic": Provider(
        "anthropic_http", anthropic, says=frozenset(("parallel_tool_calls",)), error_event="overloaded"
    ),
    "gemini": Provider("gemini_http", gemini, says=frozenset(("n",))),
    "bedrock": Provider("bedrock_http", bedrock, "AKID:aws-very-secret-0123456789", AWS, endpoint={"region": REGION}),
    "cohere": Provider("cohere_http", cohere, modalities=("chat", "embedding")),
}


EVERY = {
    "openai": Provider("openai_http", OpenAIStandIn),
    **PROVIDERS,
}


@asynccontextmanager
async def opened(
    provider: Provider,
    base_url: str,
    model: str = "m",
    *,
    secrets: Callable[[str], str] | None = None,
    **endpoint: Any,
) -> AsyncIterator[ExecutionPath]:
    """A started path to a server that is there; its key is the provider's, or what `secrets` makes of its reference."""
    egress = egress_to(base_url)
    card = provider.card(base_url, model, **endpoint)
    context = PathContext(Path(), egress, secrets or (lambda _: provider.secret))
    async with running(build_path(card, context), egress) as path:
        yield path


@asynccontextmanager
async def served(
    provider: Provider, model: str = "m", behaviour: Behaviour | None = None, **endpoint: Any
) -> AsyncIterator[tuple[ProviderStandIn, ExecutionPath]]:
    """The stand-in, and a started path to it."""
    behaviour = behaviour or Behaviour()
    behaviour.key = provider.key
    async with provider.stand_in(behaviour) as server, opened(provider, server.base_url, model, **endpoint) as path:
        yield server, path

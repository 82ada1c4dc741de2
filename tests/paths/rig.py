"""A path of one provider's dialect over its stand-in, with keyword overrides of its card."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.paths.contract import Chunk, ExecutionPath, Job, PathError, Reasoning, Text, ToolCall
from appliance.paths.registry import PathContext, build_path
from appliance.records.card import ModelCard
from tests.paths.running import HELLO, KEY, PROMPT, collect, egress_to, running
from tests.standins.provider import ProviderStandIn


def card_for(server: ProviderStandIn, runtime: str, model: str = "m", **over: Any) -> ModelCard:
    capabilities = {"tools": True, "json_schema": True, "images_in": True, **over.pop("capabilities", {})}
    endpoint = {"base_url": server.base_url, "model": model, "api_key_ref": "env:K"}
    endpoint |= over.pop("endpoint", {})
    base = {"id": "up", "runtime": runtime, "tier": "frontier", "modalities": ("chat",)}
    return ModelCard.model_validate({**base, "capabilities": capabilities, "endpoint": endpoint, **over})


@asynccontextmanager
async def started(card: ModelCard, secret: str = KEY, *more: str) -> AsyncIterator[ExecutionPath]:
    """The path as the registry builds it. `more` are addresses that it may reach besides."""
    assert card.endpoint is not None
    egress = egress_to(card.endpoint.base_url, *more)
    path = build_path(card, PathContext(Path(), egress, lambda _: secret))
    path.inner._limit = 1_000_000  # type: ignore[attr-defined]  # an answer without an end ends sooner
    async with running(path, egress):
        yield path


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))


def thought(chunks: list[Chunk]) -> tuple[str, list[str]]:
    """The thinking that was shown, and its seals."""
    shown = [chunk for chunk in chunks if isinstance(chunk, Reasoning)]
    return "".join(chunk.text for chunk in shown), [chunk.seal for chunk in shown if chunk.seal]


def calls(chunks: list[Chunk]) -> list[tuple[str, str, str]]:
    """Id, name and arguments of each call."""
    found: dict[int, list[str]] = {}
    for chunk in chunks:
        if isinstance(chunk, ToolCall):
            call = found.setdefault(chunk.delta["index"], ["", "", ""])
            function = chunk.delta["function"]
            call[0] += chunk.delta.get("id", "")
            call[1] += function.get("name", "")
            call[2] += function.get("arguments", "")
    return [(one[0], one[1], one[2]) for one in found.values()]


async def fault(path: ExecutionPath, job: Job = HELLO) -> PathError:
    """The error that this job ends in; it quotes neither prompt nor key."""
    begun = time.monotonic()
    with pytest.raises(PathError) as caught:
        await collect(path, job)
    assert time.monotonic() - begun < 10.0
    error = caught.value
    assert PROMPT not in error.message and KEY not in error.message
    assert error.message and len(error.message) <= 300
    assert path.ready().ok and path.ready().busy == 0
    return error

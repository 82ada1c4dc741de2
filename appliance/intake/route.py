"""The body of any endpoint, read to say where it would go: which endpoint it is for shows in what it states.

Rules kept here:
1. It is read as its endpoint reads it, and refused for the same reasons.
2. What two endpoints read alike is the same request, so it does not matter which. A body of nothing but `model` and
   texts as `input` is one for embeddings; who means a response says so (`for`, which `web.plane` reads).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.errors import BadRequest
from appliance.intake.anthropic import MESSAGES, message_of
from appliance.intake.blocks import HOLDS
from appliance.intake.body import read_object
from appliance.intake.limits import Limits
from appliance.intake.parameters import CHAT, EMBEDDING
from appliance.intake.parse import chat_of, completion_of, embedding_of
from appliance.intake.responses import RESPONSES, response_of
from appliance.records.request import LOCAL, Request

_OF_MESSAGES = MESSAGES.keys() - CHAT.keys()
_OF_RESPONSES = RESPONSES.keys() - EMBEDDING.keys()
_BLOCKS = HOLDS.keys() - {"text"}


def parse_route(
    body: bytes, headers: Mapping[str, str], limits: Limits, *, request_id: str, tenant: str = LOCAL
) -> Request:
    """POST /v1/route. Raises BadRequest naming the field."""
    wire = read_object(body, limits)
    stated = [name for name in ("messages", "prompt", "input") if name in wire]
    if len(stated) != 1:
        raise BadRequest(
            "The body must hold exactly one of 'messages', 'prompt' and 'input'.",
            param=stated[1] if stated else "messages",
            next_step="Send what you would send to the endpoint whose routing you ask about.",
        )
    read = {
        "messages": message_of if _is_message(wire, headers) else chat_of,
        "prompt": completion_of,
        "input": response_of if _is_response(wire) else embedding_of,
    }[stated[0]]
    return read(wire, headers, limits, request_id, tenant)


def _is_message(wire: dict[str, Any], headers: Mapping[str, str]) -> bool:
    """Whether it is Anthropic's: by the header that its SDKs send, by names, tools or blocks that a chat has not."""
    if "anthropic-version" in headers or not _OF_MESSAGES.isdisjoint(wire):
        return True
    if any("input_schema" in tool for tool in _objects(wire.get("tools"))):
        return True
    contents = (message.get("content") for message in _objects(wire.get("messages")))
    kinds = (block.get("type") for content in contents for block in _objects(content))
    return any(isinstance(kind, str) and kind in _BLOCKS for kind in kinds)


def _is_response(wire: dict[str, Any]) -> bool:
    """Whether it is more than texts: items, or what only an answer in words can be asked for."""
    return wire.get("stream") is True or any(_objects(wire.get("input"))) or not _OF_RESPONSES.isdisjoint(wire)


def _objects(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []

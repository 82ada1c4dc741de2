"""Anthropic's own client for a node, and what the tests ask with it."""

from __future__ import annotations

import base64
from typing import Any

from anthropic import AsyncAnthropic

from tests.node.conftest import Running

HELLO: Any = [{"role": "user", "content": "one two three four"}]
TOOL: Any = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "minLength": 3}},
        "required": ["city"],
    },
}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n not much of a picture").decode()


def client_of(weir: Running, **over: Any) -> AsyncAnthropic:
    return AsyncAnthropic(**({"base_url": weir.url, "api_key": "unused", "max_retries": 0} | over))


def ask(client: Any, **over: Any) -> Any:
    return client.messages.create(**({"model": "auto", "max_tokens": 100, "messages": HELLO} | over))


async def kinds_into(got: list[str], stream: Any) -> None:
    async for event in stream:
        got.append(event.type)

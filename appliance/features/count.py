"""How many tokens a chat will be, before it is one: texts as routing estimates them, and what else is sent.

It is no tokenizer's count. Meant to err upwards by some 10 % on prose (`describe.estimated_tokens`).
"""

from __future__ import annotations

import orjson

from appliance.features.describe import OVERHEAD, estimated_tokens
from appliance.records.request import Message, Request

_IMAGE = 1600  # tokens of a large picture, after a provider has made it smaller; small ones are fewer


def counted(request: Request) -> int:
    """Estimated tokens of messages, calls of tools, images, tools and the schema of the answer."""
    tokens = sum(map(_of_message, request.messages))
    if request.tools:
        tokens += estimated_tokens(_written(request.tools))
    if request.format.schema is not None:
        tokens += estimated_tokens(_written(request.format.schema))
    return tokens


def _of_message(message: Message) -> int:
    images = len([part for part in message.parts if part.get("type") == "image_url"])
    tokens = OVERHEAD + estimated_tokens(message.content) + _IMAGE * images
    return tokens + (estimated_tokens(_written(message.tool_calls)) if message.tool_calls else 0)


def _written(value: object) -> str:
    return orjson.dumps(value).decode()

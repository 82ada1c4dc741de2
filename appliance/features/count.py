"""How many tokens a chat will be, before it is one: texts as routing estimates them, and what else is sent.

It is no tokenizer's count. Meant to err upwards by some 10 % on prose (`describe.estimated_tokens`).
"""

from __future__ import annotations

import orjson

from appliance.features.describe import OVERHEAD, estimated_tokens, images_in
from appliance.records.features import Features
from appliance.records.request import Message, Request
from appliance.records.value import changed

_IMAGE = 1600  # tokens of a large picture, after a provider has made it smaller; small ones are fewer
_MOST_OF_IMAGE = 50_000  # some models charge that much for one in high detail
_MOST_AROUND = 64  # tokens that a chat template or a provider may put around one message or tool


def counted(request: Request) -> int:
    """Estimated tokens of messages, calls of tools, images, tools and the schema of the answer."""
    tokens = sum(map(_of_message, request.messages))
    if request.tools:
        tokens += estimated_tokens(_written(request.tools))
    if request.format.schema is not None:
        tokens += estimated_tokens(_written(request.format.schema))
    return tokens


def most(request: Request) -> int:
    """More tokens than any tokenizer makes of the request: no token is less than a byte."""
    content = [request.prompt, *request.inputs, [_sent(message) for message in request.messages]]
    written = len(orjson.dumps([content, request.tools, request.format.schema]))
    around = _MOST_AROUND * (1 + len(request.messages) + len(request.tools) + len(request.inputs))
    return written + around + _MOST_OF_IMAGE * images_in(request.messages)


def _sent(message: Message) -> object:
    return message.role, message.content, message.tool_calls, message.parts


def _of_message(message: Message) -> int:
    images = len([part for part in message.parts if part.get("type") == "image_url"])
    tokens = OVERHEAD + estimated_tokens(message.content) + _IMAGE * images
    return tokens + (estimated_tokens(_written(message.tool_calls)) if message.tool_calls else 0)


def _written(value: object) -> str:
    return orjson.dumps(value).decode()


def bounded(request: Request, features: Features) -> Features:
    """The features with what the request may come to at most."""
    if features.most_prompt_tokens:
        return features
    limit = request.sampling.max_tokens
    return changed(features, most_prompt_tokens=most(request), most_output_tokens=0 if limit is None else max(1, limit))

"""What is said on Anthropic's wire, as the tests of its intake say it: pieces, and bodies with keyword overrides."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from appliance.intake import Limits
from appliance.intake.anthropic import parse_messages
from appliance.records.request import Request
from tests.intake.wire import ABSENT, LIMITS

HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"name": "look", "description": "Look it up", "input_schema": {"type": "object", "title": "x"}}
USE = {"type": "tool_use", "id": "c1", "name": "look", "input": {"q": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "found"}
DATA = base64.b64encode(b"picture").decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
BY_NAME = {"type": "tool", "name": "look"}


def body(start: dict[str, Any] | None = None, **over: Any) -> bytes:
    base = {"model": "auto", "max_tokens": 64, "messages": HELLO} if start is None else start
    return orjson.dumps({name: value for name, value in (base | over).items() if value is not ABSENT})


def said(headers: Mapping[str, str] | None = None, limits: Limits = LIMITS, **over: Any) -> Request:
    return parse_messages(body(**over), headers or {}, limits, request_id="r1")


def of_user(*blocks: Any) -> list[Any]:
    return [{"role": "user", "content": list(blocks)}]


def of_assistant(*blocks: Any) -> list[Any]:
    return [*HELLO, {"role": "assistant", "content": list(blocks)}, *HELLO]

"""Bodies for the tests of intake, with keyword overrides, and the parsers with their defaults."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from appliance.errors import BadRequest, WeirError
from appliance.intake import Limits, parse_chat, parse_completion, parse_embedding
from appliance.records.request import Request

LIMITS = Limits()
ABSENT = object()


def _body(start: dict[str, Any], overrides: dict[str, Any]) -> bytes:
    return orjson.dumps({name: value for name, value in (start | overrides).items() if value is not ABSENT})


def chat(headers: dict[str, str] | None = None, limits: Limits = LIMITS, **overrides: Any) -> Request:
    start = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}
    return parse_chat(_body(start, overrides), headers or {}, limits, request_id="r1")


def completion(**overrides: Any) -> Request:
    body = _body({"model": "auto", "prompt": "Once upon"}, overrides)
    return parse_completion(body, {}, LIMITS, request_id="r1")


def embedding(limits: Limits = LIMITS, **overrides: Any) -> Request:
    return parse_embedding(_body({"model": "auto", "input": "Hello"}, overrides), {}, limits, request_id="r1")


def refusal(parse: Any, *args: Any, **kwargs: Any) -> WeirError:
    """The error that a call must end with; its message says what to do next."""
    with pytest.raises(BadRequest) as caught:
        parse(*args, **kwargs)
    error = caught.value
    assert error.message.endswith((".", "?"))
    assert error.next_step
    assert error.__context__ is None, "another exception, and what it holds, hangs on this one"
    return error

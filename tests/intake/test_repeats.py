"""A body that comes again is the request that it was, under the id and labels it comes with now."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from appliance.intake.labels import read_labels
from appliance.intake.limits import Limits
from appliance.intake.parse import parse_chat, parse_completion
from appliance.intake.repeats import Repeats
from appliance.records.request import Request

LIMITS = Limits()
FULL: dict[str, Any] = {
    "model": "auto:cheap",
    "messages": [{"role": "user", "content": "hello"}],
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "n": 2,
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.5,
    "seed": 7,
    "response_format": {"type": "json_object"},
    "user": "somebody",
    "metadata": {"a": "b"},
}


def body(**over: Any) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}], **over}).encode()


@pytest.mark.parametrize("raw", [body(), body(**FULL)])
@pytest.mark.parametrize("headers", [{}, {"X-Weir-Residency": "site", "Cache-Control": "max-age=5"}])
def test_it_is_what_parsing_would_give(raw: bytes, headers: dict[str, str]) -> None:
    repeats = Repeats()
    assert not repeats.knows("chat", raw)
    repeats.keep("chat", raw, parse_chat(raw, {"X-Weir-Deadline": "3"}, LIMITS, request_id="first"))
    assert repeats.knows("chat", raw)
    again = repeats.again("chat", raw, read_labels(headers, LIMITS), request_id="second")
    parsed = parse_chat(raw, headers, LIMITS, request_id="second")
    assert [getattr(again, f.name) for f in fields(Request)] == [getattr(parsed, f.name) for f in fields(Request)]


def test_one_byte_of_difference_is_another_body_and_one_endpoint_is_not_the_other() -> None:
    repeats = Repeats()
    repeats.keep("chat", body(), parse_chat(body(), {}, LIMITS, request_id="a"))
    assert not repeats.knows("chat", body() + b" ")
    assert not repeats.knows("completion", body())


def test_what_was_not_asked_for_longest_goes_first_and_long_bodies_are_not_kept() -> None:
    raws = [json.dumps({"model": "auto", "prompt": f"question {n}"}).encode() for n in range(4)]
    repeats = Repeats(most_bytes=3 * (2 * len(raws[0]) + 1500), longest=len(raws[0]))
    for raw in raws[:3]:
        repeats.keep("completion", raw, parse_completion(raw, {}, LIMITS, request_id="a"))
    repeats.again("completion", raws[0], read_labels({}, LIMITS), request_id="b")
    repeats.keep("completion", raws[3], parse_completion(raws[3], {}, LIMITS, request_id="c"))
    assert [repeats.knows("completion", raw) for raw in raws] == [True, False, True, True]
    repeats.keep("completion", raws[1] + b" ", parse_completion(raws[1], {}, LIMITS, request_id="d"))
    assert not repeats.knows("completion", raws[1] + b" ")

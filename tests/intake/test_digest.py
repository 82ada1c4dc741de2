"""Digests: equal where the answer must be the same, different wherever it may differ."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from appliance.intake import parse_chat
from tests.intake.wire import LIMITS, chat, completion, embedding

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "title": "x"}}}
TOOL_TURNED = {"function": {"parameters": {"title": "x", "type": "object"}, "name": "f"}, "type": "function"}
PARTS = [{"type": "text", "text": "Hello"}]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({}, {"user": "ann"}),
        ({"user": "ann"}, {"user": "bob", "safety_identifier": "x"}),
        ({}, {"metadata": {"run": "1"}, "service_tier": "auto", "prompt_cache_key": "k"}),
        ({}, {"n": 1, "stop": [], "tools": [], "logprobs": False, "response_format": {"type": "text"}}),
        ({}, {"temperature": None}),
        ({"temperature": 1}, {"temperature": 1.0}),
        ({"temperature": 0}, {"temperature": -0.0}),
        ({"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"logit_bias": {"1": 2, "3": 4}}, {"logit_bias": {"3": 4.0, "1": 2}}),
        ({"tools": [TOOL]}, {"tools": [TOOL_TURNED]}),
        ({}, {"messages": [{"content": "Hello", "role": "user"}]}),
        ({}, {"messages": [{"content": PARTS, "role": "user"}]}),
    ],
)
def test_what_does_not_change_the_answer_does_not_change_the_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert chat(**one).digest == chat(**other).digest


DIFFERENT: list[dict[str, Any]] = [
    {},
    {"model": "auto:cheap"},
    {"model": "auto:best"},
    {"model": "cheap"},
    {"messages": [{"role": "system", "content": "Hello"}]},
    {"messages": [{"role": "user", "content": "Hello "}]},
    {"messages": [{"role": "user", "content": "Hel"}, {"role": "user", "content": "lo"}]},
    {"messages": [{"role": "user", "content": "Hello", "name": "Ann"}]},
    {"messages": [{"role": "tool", "content": "Hello", "tool_call_id": "c"}]},
    {"messages": [{"role": "user", "content": [*PARTS, {"type": "image_url", "image_url": {"url": "http://a/b"}}]}]},
    {"temperature": 0},
    {"temperature": 1},
    {"top_p": 1},
    {"max_tokens": 1},
    {"seed": 1},
    {"top_k": 1},
    {"top_k": 0},
    {"stop": "1"},
    {"stop": "2"},
    {"logprobs": True},
    {"logit_bias": {"1": 1}},
    {"n": 2},
    {"tools": [TOOL]},
    {"tools": [TOOL], "tool_choice": "required"},
    {"tools": [TOOL], "parallel_tool_calls": False},
    {"response_format": {"type": "json_object"}},
    {"guided_json": {"type": "object"}},
    {"guided_json": {"type": "string"}},
    {"regex": "a"},
    {"regex": "b"},
    {"reasoning_effort": "low"},
    {"reasoning_effort": "high"},
    {"verbosity": "low"},
    {"chat_template_kwargs": {"enable_thinking": False}},
]


def test_what_may_change_the_answer_changes_the_digest() -> None:
    digests = [chat(**overrides).digest for overrides in DIFFERENT]
    digests += [completion(prompt="Hello").digest, embedding(input="Hello").digest]
    digests += [embedding(input=["Hello", "Hello"]).digest, embedding(dimensions=8).digest]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 64 for digest in digests)


def test_the_id_tenant_labels_and_encoding_are_not_in_the_digest() -> None:
    body = orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hello"}]})
    headers = {"X-Weir-Residency": "node"}
    assert parse_chat(body, headers, LIMITS, request_id="other", tenant="t").digest == chat().digest
    assert embedding(encoding_format="base64").digest == embedding().digest


def test_the_digest_of_a_known_request_is_the_one_it_has_always_had() -> None:
    """A change here orphans every cached answer: raise `_FORM` in canon.py and say so."""
    assert chat().digest == "a5c5a048ce5e4d379c3fd7a452976cb2d7bdb656eb42691c363c8dc227e5bbdd"

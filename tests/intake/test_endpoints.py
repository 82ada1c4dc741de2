"""Completions, embeddings and /v1/route."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from appliance.errors import Unsupported
from appliance.intake import Limits, parse_route
from appliance.intake.anthropic import parse_messages
from appliance.intake.responses import parse_responses
from appliance.records.request import last_user_text
from tests.intake.wire import ABSENT, LIMITS, completion, embedding, refusal


def test_a_completion_is_read() -> None:
    request = completion(prompt=["Once upon"], logprobs=3, best_of=1, echo=False, suffix=None, max_tokens=4)
    assert (request.kind, request.prompt, last_user_text(request)) == ("completion", "Once upon", "Once upon")
    assert (request.sampling.logprobs, request.sampling.top_logprobs) == (True, 3)
    assert completion(n=2, best_of=2).n == 2
    assert completion(n=None, best_of=1).n == 1


@pytest.mark.parametrize(
    ("overrides", "param", "unsupported"),
    [
        ({"prompt": ABSENT}, "prompt", False),
        ({"prompt": ""}, "prompt", False),
        ({"prompt": 3}, "prompt", False),
        ({"prompt": []}, "prompt", False),
        ({"prompt": ["a", "b"]}, "prompt", False),
        ({"prompt": [1, 2, 3]}, "prompt", True),
        ({"prompt": [[1, 2, 3]]}, "prompt", True),
        ({"echo": True}, "echo", True),
        ({"suffix": "end"}, "suffix", True),
        ({"best_of": 3}, "best_of", True),
        ({"messages": []}, "messages", True),
        ({"logprobs": 6}, "logprobs", False),
        ({"tools": []}, "tools", False),
    ],
)
def test_a_completion_is_refused(overrides: dict[str, Any], param: str, unsupported: bool) -> None:
    error = refusal(completion, **overrides)
    assert error.param == param
    assert isinstance(error, Unsupported) is unsupported


def test_an_embedding_is_read() -> None:
    request = embedding(input=["a", "b"], encoding_format="base64", dimensions=256, user="u")
    assert (request.kind, request.inputs, request.encoding) == ("embedding", ("a", "b"), "base64")
    assert (request.dimensions, request.user) == (256, "u")
    assert embedding(input="a").inputs == ("a",)


@pytest.mark.parametrize(
    ("overrides", "param", "unsupported"),
    [
        ({"input": ABSENT}, "input", False),
        ({"input": ""}, "input", False),
        ({"input": []}, "input", False),
        ({"input": {}}, "input", False),
        ({"input": ["a", 3]}, "input[1]", False),
        ({"input": ["a", ""]}, "input[1]", False),
        ({"input": ["a"] * 2049}, "input", False),
        ({"input": [1, 2]}, "input", True),
        ({"input": [[1, 2]]}, "input", True),
        ({"encoding_format": "hex"}, "encoding_format", False),
        ({"dimensions": 0}, "dimensions", False),
        ({"stream": True}, "stream", True),
        ({"temperature": 1}, "temperature", False),
    ],
)
def test_an_embedding_is_refused(overrides: dict[str, Any], param: str, unsupported: bool) -> None:
    error = refusal(embedding, **overrides)
    assert error.param == param
    assert isinstance(error, Unsupported) is unsupported


def test_all_inputs_together_are_limited() -> None:
    assert refusal(embedding, limits=Limits(text_chars=3), input=["ab", "cd"]).param == "input"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"model": "auto", "messages": [{"role": "user", "content": "x"}]}, "chat"),
        ({"model": "auto", "prompt": "x"}, "completion"),
        ({"model": "auto", "input": "x"}, "embedding"),
    ],
)
def test_route_takes_the_body_of_any_endpoint(body: dict[str, Any], kind: str) -> None:
    assert parse_route(orjson.dumps(body), {}, LIMITS, request_id="r").kind == kind


TOOL = {"name": "look", "input_schema": {"type": "object"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
USE = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
USED = {"type": "tool_result", "tool_use_id": "t", "content": "three"}
SAID = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("stated", "headers"),
    [
        ({"messages": SAID, "system": "Be brief."}, {}),
        ({"messages": SAID, "stop_sequences": ["."]}, {}),
        ({"messages": SAID, "tools": [TOOL]}, {}),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, {}),
        ({"messages": [*SAID, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [USED]}]}, {}),
        ({"messages": SAID, "metadata": {"user_id": "u"}}, {"anthropic-version": "2023-06-01"}),
    ],
)
def test_route_reads_a_body_of_messages_as_its_address_does(stated: dict[str, Any], headers: dict[str, str]) -> None:
    body = orjson.dumps({"model": "auto", "max_tokens": 8, **stated})
    asked = parse_route(body, headers, LIMITS, request_id="r")
    assert asked == parse_messages(body, headers, LIMITS, request_id="r")


@pytest.mark.parametrize(
    "stated",
    [
        {"input": [{"role": "user", "content": "x"}]},
        {"input": "x", "instructions": "Be brief."},
        {"input": "x", "max_output_tokens": 8},
        {"input": "x", "stream": True},
        {"input": "x", "models": ["site/one"]},
    ],
)
def test_route_reads_a_body_of_responses_as_its_address_does(stated: dict[str, Any]) -> None:
    body = orjson.dumps({"model": "auto", **stated})
    asked = parse_route(body, {}, LIMITS, request_id="r")
    assert asked == parse_responses(body, {}, LIMITS, request_id="r")


@pytest.mark.parametrize(
    ("stated", "param"),
    [
        ({"messages": SAID, "system": "x"}, "max_tokens"),  # Anthropic's, who must state it
        ({"messages": [{"role": "user", "content": [{"type": ["image"]}]}]}, "messages[0].content[0].type"),
        ({"messages": {"type": "image"}}, "messages"),
        ({"messages": [None, 1, {"content": None}]}, "messages[0]"),
        ({"input": [["x"], {}]}, "input"),
        ({"input": "x", "previous_response_id": "y"}, "previous_response_id"),
        ({"input": {"type": "message"}}, "input"),
    ],
)
def test_a_body_that_its_endpoint_refuses_is_refused_for_the_same_reason(stated: dict[str, Any], param: str) -> None:
    error = refusal(parse_route, orjson.dumps({"model": "auto", **stated}), {}, LIMITS, request_id="r")
    assert (error.status, error.param) == (400, param)


@pytest.mark.parametrize("body", [{"model": "auto"}, {"prompt": "x", "input": "y"}])
def test_route_refuses_a_body_that_is_none_or_two_of_them(body: dict[str, Any]) -> None:
    assert refusal(parse_route, orjson.dumps(body), {}, LIMITS, request_id="r").status == 400

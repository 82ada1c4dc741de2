"""Whatever comes in: a Request or a WeirError, and never a word of a prompt in an error."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import BadRequest, WeirError
from appliance.intake import parse_chat, parse_completion, parse_embedding, parse_route
from appliance.intake.anthropic import MESSAGES, parse_count, parse_messages
from appliance.intake.labels import read_labels
from appliance.intake.parameters import CHAT, COMPLETION, EMBEDDING
from appliance.intake.responses import RESPONSES, parse_responses
from appliance.records.request import Request
from appliance.respond import anthropic, error_body
from tests.intake.wire import LIMITS

PARSERS = (parse_chat, parse_completion, parse_embedding, parse_route, parse_messages, parse_count, parse_responses)
CANARY = "kanarienvogel-7f3a"
NAMES = sorted({*CHAT, *COMPLETION, *EMBEDDING, *MESSAGES, *RESPONSES})
WORDS = (
    *("role", "content", "type", "text", "function", "name", "arguments", "tool_calls", "id", "image_url"),
    *("url", "json_schema", "schema", "tool_call_id", "refusal", "include_usage", "input_audio", "data"),
    *("input", "source", "media_type", "tool_use_id", "is_error", "input_schema", "budget_tokens", "user_id"),
    *("summary", "encrypted_content", "call_id", "output", "status", "format", "effort", "parameters"),
)
TEXTS = st.one_of(
    st.just(CANARY),
    st.sampled_from(("user", "assistant", "system", "tool", "text", "function", "auto", "image_url")),
    st.sampled_from(("tool_use", "tool_result", "image", "base64", "thinking", "image/png")),
    st.sampled_from(("function_call", "function_call_output", "reasoning", "input_text", "input_image", "output_text")),
    st.text(max_size=8),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.just(CANARY)), inner, max_size=5),
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
    # a body that is right but for one parameter or one message
    st.builds(
        lambda name, value: {
            "model": "auto",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": CANARY}],
            name: value,
        },
        st.sampled_from(NAMES),
        VALUES,
    ),
    st.builds(
        lambda message: {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}, message]},
        st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=4),
    ),
    st.builds(
        lambda role, blocks: {"model": "auto", "max_tokens": 9, "messages": [{"role": role, "content": blocks}]},
        st.sampled_from(("user", "assistant")),
        st.lists(st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=4), max_size=3),
    ),
    st.builds(
        lambda items: {"model": "auto", "input": items},
        st.lists(
            st.builds(
                lambda kind, rest: {"type": kind, **rest},
                st.sampled_from(("message", "function_call", "function_call_output", "reasoning", "item_reference")),
                st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=4),
            ),
            max_size=3,
        ),
    ),
)


def try_all(body: bytes, headers: dict[str, str] | None = None) -> list[WeirError | Request]:
    outcomes: list[WeirError | Request] = []
    for parse in PARSERS:
        try:
            outcomes.append(parse(body, headers or {}, LIMITS, request_id="r"))
        except BadRequest as error:
            outcomes.append(error)
    return outcomes


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_only_an_error(body: bytes) -> None:
    assert all(isinstance(outcome, WeirError) for outcome in try_all(body))


@settings(max_examples=300, deadline=None)
@given(BODIES)
def test_random_objects_are_read_or_refused_without_a_word_of_theirs(body: dict[str, Any]) -> None:
    for outcome in try_all(orjson.dumps(body)):
        if isinstance(outcome, WeirError):
            for wire in (error_body(outcome), anthropic.error_body(outcome)):
                assert CANARY.encode() not in wire
                assert orjson.loads(wire)["error"]["message"]
            assert CANARY not in repr(outcome)
            assert outcome.__context__ is None
        else:
            assert len(outcome.digest) == 64
            hash(outcome.digest)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_a_prompt_in_broken_json_is_not_repeated(noise: bytes) -> None:
    body = b'{"messages":[{"role":"user","content":"' + CANARY.encode() + b'"}' + noise
    for outcome in try_all(body):
        assert isinstance(outcome, WeirError)
        assert CANARY.encode() not in error_body(outcome)
        assert outcome.__context__ is None


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.one_of(
            st.sampled_from(("X-Weir-Residency", "X-Weir-Deadline", "X-Weir-Quality-Floor", "Cache-Control")),
            st.text(max_size=6).map(lambda tail: "X-Weir-" + tail),
        ),
        st.one_of(st.text(max_size=12), st.just(CANARY), st.floats().map(str)),
        max_size=3,
    )
)
def test_random_headers_are_read_or_refused_without_their_values(headers: dict[str, str]) -> None:
    refused: BadRequest | None = None
    try:
        read_labels(headers, LIMITS)
    except BadRequest as error:
        refused = error
    if refused is not None:
        assert CANARY.encode() not in error_body(refused)
        assert refused.param is not None
        assert refused.param.isascii()

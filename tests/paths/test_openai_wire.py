"""Jobs become bodies faithfully; whatever a server sends is read, or is broken, or is an error without its words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from appliance.paths.contract import Chunk, Job, Reasoning, Text, ToolCall, Usage, Vector
from appliance.paths.dialect import BrokenAnswer, ErrorEvent
from appliance.paths.openai_errors import error_of, retry_after
from appliance.paths.openai_http import OpenAIDialect
from appliance.paths.openai_wire import Answered, Embedded, build_body
from appliance.records.request import Format, Message, Sampling
from tests.paths.running import HELLO, KEY, PROMPT
from tests.paths.upstream import card_for, streamed


def test_a_full_chat_job_is_sent_faithfully() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    job = Job(
        id="j",
        kind="chat",
        messages=(
            Message("system", "be brief", name="boss"),
            Message("user", "what is this", parts=(image,)),
            Message("user", "same", parts=({"type": "text", "text": "same"}, image)),
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", "42", tool_call_id="c1"),
        ),
        sampling=Sampling(
            max_tokens=9,
            temperature=0.0,
            top_p=0.9,
            top_k=40,
            min_p=0.1,
            seed=1,
            frequency_penalty=0.1,
            presence_penalty=0.2,
            stop=("a", "b"),
            logit_bias=((7, -100.0),),
            logprobs=True,
            top_logprobs=3,
        ),
        format=Format("json_schema", {"type": "object"}, "thing", strict=True),
        tools=(tool,),
        tool_choice="auto",
        parallel_tool_calls=False,
        n=2,
        forwarded={"user": "u1", "model": "smuggled", "stream": True, "service_tier": "flex"},
    )
    assert json.loads(orjson.dumps(build_body(job, "m"))) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief", "name": "boss"},
            {"role": "user", "content": [{"type": "text", "text": "what is this"}, image]},
            {"role": "user", "content": [{"type": "text", "text": "same"}, image]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "42", "tool_call_id": "c1"},
        ],
        "max_tokens": 9,
        "temperature": 0.0,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.1,
        "seed": 1,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "stop": ["a", "b"],
        "logit_bias": {"7": -100.0},
        "logprobs": True,
        "top_logprobs": 3,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "thing", "schema": {"type": "object"}, "strict": True},
        },
        "tools": [tool],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "n": 2,
        "user": "u1",
        "service_tier": "flex",
    }


def test_what_a_job_does_not_say_is_not_sent() -> None:
    assert set(build_body(HELLO, "m")) == {"model", "messages"}
    assert set(build_body(Job(id="j", kind="completion", prompt="x"), "m")) == {"model", "prompt"}
    assert set(build_body(Job(id="j", kind="embedding", inputs=("x",)), "m")) == {
        "model",
        "input",
        "encoding_format",
    }


def test_a_streamed_job_asks_for_usage_beside_what_was_forwarded() -> None:
    job = streamed(forwarded={"stream_options": {"include_obfuscation": False, "include_usage": False}})
    body = build_body(job, "m", streaming=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_completions_use_their_own_form_of_logprobs_and_limit() -> None:
    job = Job(id="j", kind="completion", prompt="x", sampling=Sampling(max_tokens=3, logprobs=True, top_logprobs=2))
    body = build_body(job, "m", max_key="max_completion_tokens")
    assert (body["max_tokens"], body["logprobs"]) == (3, 2)


def test_base64_embeddings_are_the_same_floats() -> None:
    rows = {"data": [{"index": 0, "embedding": "AACAPwAAAMA="}], "usage": {"prompt_tokens": 2}}
    reading = Embedded(1)
    assert reading.whole(orjson.dumps(rows)) == [Vector((1.0, -2.0), 0)]
    assert reading.usage == Usage(2)
    with pytest.raises(BrokenAnswer):
        Embedded(2).whole(orjson.dumps(rows))


def event(found: Any) -> bytes:
    return b"data: " + orjson.dumps(found) + b"\n\n"


def said(key: str, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, key: fields, "finish_reason": None if key == "delta" else "stop"}]}


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thinking_is_read_under_both_of_its_names_and_never_as_text(name: str) -> None:
    assert Answered(HELLO).feed(event(said("delta", **{name: "hm"}))) == [Reasoning("hm")]
    usage = {"prompt_tokens": 9, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 5},
             "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}}  # fmt: skip
    reading = Answered(HELLO)
    whole = {**said("message", content="Paris", **{name: "A capital"}), "usage": usage}
    assert reading.whole(orjson.dumps(whole)) == [Reasoning("A capital", 0, 5), Text("Paris", 0, 2)]
    assert reading.usage == Usage(9, 7, 4, 5, 2)
    both = Answered(HELLO).feed(event(said("delta", reasoning="hm", reasoning_content="hm", content=None)))
    assert both == [Reasoning("hm")]


def test_the_cache_hits_of_deepseek_are_read() -> None:
    reading = Answered(HELLO)
    reading.feed(event({"choices": [], "usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 6}}))
    assert reading.usage == Usage(9, 0, 6)


def test_earlier_thinking_is_not_sent_to_servers_that_do_not_ask_for_it() -> None:
    thought = {"type": "thinking", "thinking": "A capital", "signature": "c2Vh"}
    job = Job(id="j", kind="chat", messages=(Message("assistant", "Paris", parts=(thought,)), HELLO.messages[0]))
    assert build_body(job, "m")["messages"][0] == {"role": "assistant", "content": "Paris"}


def test_what_seals_a_call_goes_to_servers_that_make_such_seals_only() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    sealed = {**call, "extra_content": {"google": {"thought_signature": "c2Vh"}}}
    job = Job(id="j", kind="chat", messages=(Message("assistant", "", tool_calls=(sealed,)),))
    for base, flavour, sent in (
        ("https://api.openai.com/v1", "openai", call),
        ("http://10.0.0.5:8000", "vllm", call),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "openai", sealed),
        ("https://notgoogleapis.com/v1", "openai", call),
        ("https://weir.example/v1", "weir", sealed),
    ):
        endpoint = card_for(base, flavour=flavour).endpoint
        assert endpoint is not None
        body = orjson.loads(OpenAIDialect().call(job, endpoint, streaming=False).body)
        assert body["messages"][0]["tool_calls"] == [sent]


def test_what_came_before_an_error_in_one_block_goes_out_before_it() -> None:
    block = event(said("delta", content="one ")) + event(said("delta", content="two"))
    for spoiled, kind in ((event({"error": {"code": 500}}), ErrorEvent), (b"data: {\n\n", BrokenAnswer)):
        reading = Answered(HELLO)
        chunks: list[Chunk] = reading.feed(block + spoiled)
        assert chunks == [Text("one "), Text("two")]
        assert isinstance(reading.failed, kind)


def test_tool_calls_keep_their_delta_form() -> None:
    reading = Answered(HELLO)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    whole = {"choices": [{"index": 0, "message": {"tool_calls": [call, call]}, "finish_reason": "tool_calls"}]}
    assert reading.whole(orjson.dumps(whole)) == [
        ToolCall({"index": 0, **call}),
        ToolCall({"index": 1, **call}),
    ]
    assert reading.reasons() == ("tool_calls",)
    delta = {"index": 1, "function": {"arguments": "{"}}
    piece = {"choices": [{"index": 0, "delta": {"tool_calls": [delta]}}]}
    assert Answered(HELLO).feed(event(piece)) == [ToolCall(delta)]


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "index",
                    "usage",
                    "error",
                    "logprobs",
                    "tokens",
                    "tool_calls",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_json, st.booleans())
def test_whatever_json_arrives_it_is_read_or_broken(found: Any, whole: bool) -> None:
    raw = orjson.dumps(found)
    reading = Answered(HELLO)
    try:
        reading.whole(raw) if whole else reading.feed(event(found))
        reading.reasons()
    except (BrokenAnswer, ErrorEvent):
        pass


@given(st.integers(300, 599), st.binary(max_size=200) | _json.map(orjson.dumps))
def test_whatever_error_arrives_it_becomes_a_path_error(status: int, raw: bytes) -> None:
    assert len(error_of(status, CIMultiDict(), raw).message) <= 300


THOUGHT = {"completion_tokens_details": {"reasoning_tokens": 94}}


@pytest.mark.parametrize(
    ("stated", "completion", "reasoning"),
    [
        ({"completion_tokens": 9, "total_tokens": 135, **THOUGHT}, 103, 94),
        ({"completion_tokens": 9, "total_tokens": 135}, 103, 94),
        ({"completion_tokens": 103, "total_tokens": 135, **THOUGHT}, 103, 94),
        ({"completion_tokens": 103, "total_tokens": 0}, 103, 0),
        ({"completion_tokens": 103, "total_tokens": 35}, 103, 0),
    ],
    ids=["xAI", "Google", "OpenAI", "no total", "a wrong total"],
)
def test_thinking_that_is_counted_in_the_total_alone_is_part_of_the_answer_s_tokens(
    stated: dict[str, Any], completion: int, reasoning: int
) -> None:
    reading = Answered(HELLO)
    choice = {"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}
    reading.whole(orjson.dumps({"choices": [choice], "usage": {"prompt_tokens": 32, **stated}}))
    assert reading.usage == Usage(32, completion, 0, reasoning)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            400,
            {"error": {"message": "This model's maximum context length is 9", "code": 400}},
            "context_too_long",
        ),
        (400, {"error": {"type": "exceed_context_size_error", "code": 400}}, "context_too_long"),
        (
            422,
            {"error": "`inputs` must have less than 10 tokens", "error_type": "validation"},
            "context_too_long",
        ),
        (
            400,  # Anthropic's, where the prompt alone would fit
            {"error": {"message": "input length and `max_tokens` exceed context limit: 9 + 1 > 9, decrease"}},
            "context_too_long",
        ),
        (
            400,  # xAI's
            {"error": "This model's maximum prompt length is 9 but the request contains 10 tokens."},
            "context_too_long",
        ),
        (
            400,  # vLLM's, where it is the images
            {"object": "error", "message": "The decoder prompt (length 9) is longer than the maximum model length"},
            "context_too_long",
        ),
        (
            400,  # Google's
            [{"error": {"code": 400, "message": "The input token count (9) exceeds the maximum number of tokens"}}],
            "context_too_long",
        ),
        (424, {"error": "Request failed during generation: out of memory", "error_type": "generation"}, "unavailable"),
        (413, {}, "context_too_long"),
        (408, {}, "timeout"),
        (403, {}, "auth"),
        (409, {}, "rejected"),
        (422, {"detail": [{"msg": "x"}]}, "rejected"),
        (529, {"error": {"type": "overloaded_error"}}, "overloaded"),
        (504, {}, "unavailable"),
        (204, {}, "broken_stream"),
    ],
)
def test_statuses_and_dialects_of_errors(status: int, body: Any, expected: str) -> None:
    assert error_of(status, CIMultiDict(), orjson.dumps(body)).fault == expected


def test_an_error_quotes_neither_prose_nor_key_nor_anything_that_is_no_plain_word() -> None:
    row = {"message": PROMPT, "code": KEY, "type": f"because {PROMPT}", "param": "messages[0].content"}
    error = error_of(400, CIMultiDict(), orjson.dumps({"error": row}), hidden=KEY)
    assert error.message == "The server says that the request is invalid. (HTTP 400)"
    assert error.param == "messages[0].content"


def test_retry_after_is_read_in_seconds_milliseconds_or_as_a_date() -> None:
    assert retry_after(CIMultiDict({"retry-after": "2"})) == 2.0
    assert retry_after(CIMultiDict({"retry-after-ms": "1500"})) == 1.5
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (retry_after(CIMultiDict({"Retry-After": soon})) or 0) <= 30
    for odd, expected in {"-5": 0.0, "1e9": 3600.0, "inf": 3600.0, "nan": None, "soon": None}.items():
        assert retry_after(CIMultiDict({"Retry-After": odd})) == expected
    assert retry_after(CIMultiDict()) is None


@pytest.mark.parametrize(
    ("said", "stops"),
    [
        ({"stop_reason": "END"}, {0: "END"}),
        ({"matched_stop": "END"}, {0: "END"}),
        ({"stop_reason": 151645}, {}),
        ({"stop_reason": "<|im_end|>"}, {}),
        ({}, {}),
    ],
)
def test_a_stop_string_is_told_where_the_server_names_one_of_those_asked_for(
    said: dict[str, Any], stops: dict[int, str]
) -> None:
    reading = Answered(Job("j", "chat", sampling=Sampling(stop=("END",))))
    choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop", **said}
    reading.whole(orjson.dumps({"choices": [choice]}))
    assert reading.stops == stops


def test_an_answer_that_goes_on_is_asked_for_in_the_servers_words() -> None:
    turns = (Message("user", "a"), Message("assistant", "b"))
    body = build_body(Job("j", "chat", messages=turns, continues=True), "m")
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert body["messages"][-1] == {"role": "assistant", "content": "b"}
    assert "continue_final_message" not in build_body(Job("j", "chat", messages=turns), "m")

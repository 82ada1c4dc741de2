"""Cohere's own: how a job is said in v2, and what its events and errors say."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.paths.cohere_http import CohereDialect
from appliance.paths.cohere_wire import ChatReading, EmbedReading, chat_body, embed_body
from appliance.paths.contract import Job, PathError, Reasoning, Text, ToolCall, Usage, Vector
from appliance.paths.dialect import BrokenAnswer, ErrorEvent
from appliance.records.card import Endpoint
from appliance.records.request import Format, Message, Sampling, Thinking

TOOLS = tuple({"type": "function", "function": {"name": name, "strict": True}} for name in ("a", "b"))
CALL = {"id": "c", "type": "function", "function": {"name": "a", "arguments": "{}"}}


def chat(*messages: Message, **over: Any) -> Job:
    return Job(id="j", kind="chat", messages=messages or (Message("user", "hi"),), **over)


def body(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(orjson.dumps(chat_body(job, "m", "budget")))
    return found


def test_messages_tools_and_plans_are_said_in_cohere_s_words() -> None:
    plan = {"type": "thinking", "thinking": "I will look.", "signature": ""}
    sealed = {"type": "thinking", "thinking": "of another provider", "signature": "sig"}
    image = {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}}
    original = {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "original"}}
    said = body(
        chat(
            Message("developer", "Be brief."),
            Message("user", "look", parts=({"type": "text", "text": "look"}, original)),
            Message("assistant", "", tool_calls=(CALL,), parts=(plan, sealed)),
            Message("tool", "sunny", tool_call_id="c"),
            tools=TOOLS,
        )
    )
    assert said["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "look"}, image]},
        {"role": "assistant", "tool_calls": [CALL], "tool_plan": "I will look."},
        {"role": "tool", "tool_call_id": "c", "content": "sunny"},
    ]
    assert said["strict_tools"] is True
    assert "tool_choice" not in said
    assert "strict" not in repr(said["tools"])


@pytest.mark.parametrize(
    ("choice", "stated", "names"),
    [
        ("auto", None, ["a", "b"]),
        ("required", "REQUIRED", ["a", "b"]),
        ("none", "NONE", ["a", "b"]),
        ({"type": "function", "function": {"name": "b"}}, "REQUIRED", ["b"]),
    ],
)
def test_a_choice_of_tools(choice: Any, stated: str | None, names: list[str]) -> None:
    said = body(chat(tools=TOOLS, tool_choice=choice))
    assert said.get("tool_choice") == stated
    assert [tool["function"]["name"] for tool in said["tools"]] == names


def test_sampling_has_cohere_s_names_and_ends() -> None:
    said = body(chat(sampling=Sampling(max_tokens=5, temperature=0.0, top_p=1.0, top_k=7, seed=3, stop=("x",))))
    wanted = {"max_tokens": 5, "temperature": 0.0, "p": 0.99, "k": 7, "seed": 3, "stop_sequences": ["x"]}
    assert {name: said[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("effort", "thinking"),
    [("none", {"type": "disabled"}), ("low", {"type": "enabled", "token_budget": 4096}), ("high", {"type": "enabled"})],
)
def test_effort_is_said_as_thinking(effort: str, thinking: dict[str, Any]) -> None:
    assert body(chat(forwarded={"reasoning_effort": effort}))["thinking"] == thinking


def test_a_budget_is_said_as_it_is() -> None:
    assert body(chat(thinking=Thinking(2000)))["thinking"] == {"type": "enabled", "token_budget": 2000}
    assert body(chat(thinking=Thinking()))["thinking"] == {"type": "enabled"}


def test_a_form_is_a_json_object_with_or_without_a_schema() -> None:
    assert body(chat(format=Format("json_object")))["response_format"] == {"type": "json_object"}
    schema = {"type": "object", "properties": {}}
    said = body(chat(format=Format("json_schema", schema, "n", True)))["response_format"]
    assert said == {"type": "json_object", "json_schema": schema}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (chat(continues=True), "messages"),
        (chat(forwarded={"reasoning_effort": "low"}), "reasoning_effort"),
        (
            chat(Message("tool", "", tool_call_id="c", parts=({"type": "image_url", "image_url": {"url": "x"}},))),
            "messages[0].content",
        ),
        (chat(tools=TOOLS, format=Format("json_object")), "response_format"),
        (chat(tools=TOOLS, tool_choice={"function": {"name": "z"}}), "tool_choice"),
        (chat(forwarded={"service_tier": "auto"}), "service_tier"),
        (Job(id="j", kind="embedding", inputs=("x",) * 97), "input"),
        (Job(id="j", kind="embedding", inputs=("x",), forwarded={"odd": 1}), "odd"),
    ],
)
def test_what_cohere_has_no_word_for_is_refused_by_name(asked: Job, param: str) -> None:
    with pytest.raises(PathError) as caught:
        CohereDialect().call(asked, Endpoint(base_url="https://api.cohere.com", model="m"), streaming=False)
    assert caught.value.param == param


def test_embeddings_say_what_they_are_for_and_how_wide() -> None:
    job = Job(id="j", kind="embedding", inputs=("x",), forwarded={"dimensions": 4})
    said = embed_body(job, "m", "search_query")
    assert (said["input_type"], said["output_dimension"], said["truncate"]) == ("search_query", 4, "NONE")
    raw = orjson.dumps({"embeddings": {"float": [[0.5, 1]]}, "meta": {"billed_units": {"input_tokens": 2.0}}})
    reading = EmbedReading(1)
    assert reading.whole(raw) == [Vector((0.5, 1.0), 0)]
    assert reading.usage == Usage(2)
    with pytest.raises(BrokenAnswer):
        EmbedReading(2).whole(raw)


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("https://api.cohere.com", "https://api.cohere.com/v2/chat"),
        ("https://x/cohere/v2/", "https://x/cohere/v2/chat"),
    ],
)
def test_the_address(base: str, address: str) -> None:
    assert str(CohereDialect().call(chat(), Endpoint(base_url=base, model="m"), streaming=True).url) == address


def events(*found: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (row["type"].encode(), orjson.dumps(row)) for row in found)


def test_events_become_chunks() -> None:
    reading = ChatReading()
    chunks = reading.feed(
        events(
            {"type": "message-start", "id": "x", "delta": {}},
            {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will"}}},
            {"type": "tool-call-start", "index": 0,
             "delta": {"message": {"tool_calls": {"id": "c", "function": {"name": "now", "arguments": ""}}}}},
            {"type": "tool-call-end", "index": 0},
            {"type": "citation-start", "index": 0, "delta": {"message": {"citations": {}}}},
            {"type": "content-delta", "index": 1, "delta": {"message": {"content": {"text": "hi"}}}},
            {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": {
                "billed_units": {"input_tokens": 3.0, "output_tokens": 2.0}, "tokens": {"input_tokens": 203.0},
                "cached_tokens": 1.0}}},
        )
    )  # fmt: skip
    assert chunks == [
        Reasoning("I will"),
        ToolCall({"index": 0, "id": "c", "type": "function", "function": {"name": "now", "arguments": ""}}),
        ToolCall({"index": 0, "function": {"arguments": "{}"}}),
        Text("hi"),
    ]
    assert reading.usage == Usage(3, 2, 1)
    assert reading.reasons() == ("tool_calls",)
    assert reading.ended


@pytest.mark.parametrize(("reason", "fault"), [("ERROR", "unavailable"), ("TIMEOUT", "timeout")])
def test_an_answer_that_was_given_up_is_an_error(reason: str, fault: str) -> None:
    reading = ChatReading()
    raw = events({"type": "message-end", "delta": {"finish_reason": reason, "error": "quoting the prompt"}})
    with pytest.raises(ErrorEvent) as caught:
        reading.feed(raw)
    error = CohereDialect().error(200, {}, caught.value.raw, "")
    assert error.fault == fault
    assert "quoting" not in error.message


@pytest.mark.parametrize(
    ("status", "fault"),
    [(498, "auth"), (499, "unavailable"), (422, "rejected"), (501, "unavailable"), (504, "unavailable")],
)
def test_cohere_s_own_statuses(status: int, fault: str) -> None:
    error = CohereDialect().error(status, {}, b'{"message": "invalid api token sk-1"}', "sk-1")
    assert error.fault == fault
    assert str(status) in error.message


_json = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["delta", "message", "content", "text", "tool_calls", "function", "usage", "finish_reason"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
_types = st.sampled_from(["content-delta", "tool-call-start", "tool-call-delta", "message-end", "tool-call-end", None])


@given(_json, _types)
def test_no_json_makes_the_reading_fail_otherwise(found: Any, kind: str | None) -> None:
    raw = json.dumps({**found, "type": kind} if isinstance(found, dict) else found).encode()
    for read in (ChatReading().whole, lambda raw: ChatReading().feed(b"data: " + raw + b"\n\n"), EmbedReading(1).whole):
        with suppress(BrokenAnswer, ErrorEvent):
            read(raw)

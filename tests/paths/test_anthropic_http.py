"""Anthropic's Messages: what is said arrives, what comes back is read, and what cannot be said is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.paths.anthropic_wire import MAKER, MessageReading, build_body, closed
from appliance.paths.contract import Chunk, Done, Job, PathError, Reasoning, Text, ToolCall, Usage
from appliance.paths.dialect import BrokenAnswer, ErrorEvent
from appliance.records.chunks import REDACTED
from appliance.records.request import Format, Message, Sampling
from tests.paths.rig import HELLO, KEY, PROMPT, calls, card_for, collect, fault, started, text, thought
from tests.standins.anthropic_server import SEAL, THOUGHT, anthropic
from tests.standins.openai_answers import Behaviour

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"id": "c.1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
SEALED = {"type": "thinking", "thinking": "hm", "signature": MAKER + SEAL}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def body_of(job: Job, reasoning: str = "none", **over: Any) -> dict[str, Any]:
    return orjson.loads(orjson.dumps(build_body(job, "m", 4096, reasoning, **over)))


def test_a_full_job_is_said_faithfully() -> None:
    job = Job(
        id="j",
        kind="chat",
        messages=(
            Message("system", "be brief"),
            Message("user", "what is this", parts=(image(PIXEL),)),
            Message("assistant", "a call", tool_calls=(CALL, {**CALL, "id": "c2"}), parts=(SEALED,)),
            Message("tool", "rain", tool_call_id="c.1", name="weather"),
            Message("tool", "", tool_call_id="c2"),
            Message("user", "and?", parts=(image("https://x.example/a.png"),)),
            Message("developer", "be kind"),
        ),
        sampling=Sampling(max_tokens=9, temperature=0.5, top_p=0.9, top_k=40, stop=("a", "b")),
        format=Format("json_schema", {"type": "object", "properties": {"a": {"type": "object"}}}, "thing"),
        tools=(WEATHER,),
        tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False,
        forwarded={"user": "ann", "metadata": {"a": "b"}, "service_tier": "default", "prompt_cache_key": "k"},
    )
    body = body_of(job, streaming=True)
    first = body["messages"][1]["content"][2]["id"]
    assert first != "c.1" and first.startswith("toolu_"), "other providers' ids are put in letters that the API takes"
    assert body == {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "be brief"}, {"type": "text", "text": "be kind"}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is this"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": SEAL},
                    {"type": "text", "text": "a call"},
                    {"type": "tool_use", "id": first, "name": "weather", "input": {"city": "Bern"}},
                    {"type": "tool_use", "id": "c2", "name": "weather", "input": {"city": "Bern"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": first, "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "c2"},
                    {"type": "text", "text": "and?"},
                    {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
                ],
            },
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["a", "b"],
        "tools": [
            {
                "name": "weather",
                "description": "of a city",
                "input_schema": {
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                    "type": "object",
                },
            }
        ],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        "output_config": {
            "format": {
                "type": "json_schema",
                "schema": {
                    "type": "object",
                    "properties": {"a": {"type": "object", "additionalProperties": False}},
                    "additionalProperties": False,
                },
            }
        },
        "service_tier": "standard_only",
        "stream": True,
    }


@pytest.mark.parametrize(
    ("over", "param"),
    [
        ({"sampling": Sampling(seed=1)}, "seed"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"sampling": Sampling(frequency_penalty=1.0)}, "frequency_penalty"),
        ({"sampling": Sampling(logit_bias=((1, 1.0),))}, "logit_bias"),
        ({"sampling": Sampling(temperature=1.5)}, "temperature"),
        ({"n": 2}, "n"),
        ({"format": Format("json_object")}, "response_format"),
        ({"format": Format("regex", pattern="a")}, "response_format"),
        ({"forwarded": {"reasoning_effort": "low"}}, "reasoning_effort"),
        ({"forwarded": {"verbosity": "low"}}, "verbosity"),
        ({"forwarded": {"service_tier": "flex"}}, "service_tier"),
        ({"messages": (Message("user", "a", name="ann"),)}, "messages[0].name"),
        ({"messages": (Message("user", "", parts=({"type": "input_audio"},)),)}, "messages[0].content"),
        (
            {"messages": (Message("user", "", parts=(image("data:image/tiff;base64,A"),)),)},
            "messages[0].content",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_name(over: dict[str, Any], param: str) -> None:
    with pytest.raises(PathError) as caught:
        body_of(replace(HELLO, **over))
    assert (caught.value.fault, caught.value.param) == ("unsupported", param)


def test_bytes_are_known_however_their_address_is_written() -> None:
    job = replace(HELLO, messages=(Message("user", "", parts=(image(PIXEL.replace("data:image", "DATA:Image")),)),))
    (block,) = body_of(job)["messages"][0]["content"]
    assert block["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def test_arguments_that_are_no_object_are_refused() -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": "[1]"}}
    with pytest.raises(PathError) as caught:
        body_of(replace(HELLO, messages=(Message("assistant", "", tool_calls=(call,)),)))
    assert (caught.value.fault, caught.value.param) == ("rejected", "messages[0].tool_calls")


def test_how_much_to_think_is_said_as_the_model_takes_it() -> None:
    def asked(effort: str, reasoning: str, **over: Any) -> dict[str, Any]:
        body = body_of(replace(HELLO, forwarded={"reasoning_effort": effort}, **over), reasoning)
        return {name: body[name] for name in ("thinking", "output_config") if name in body}

    adaptive = {"type": "adaptive", "display": "summarized"}
    assert asked("high", "effort") == {"thinking": adaptive, "output_config": {"effort": "high"}}
    assert asked("minimal", "effort")["output_config"] == {"effort": "low"}
    assert asked("none", "effort") == asked("none", "budget") == {"thinking": {"type": "disabled"}}
    assert asked("none", "none") == {}
    assert asked("low", "budget") == {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    small = asked("xhigh", "budget", sampling=Sampling(max_tokens=3000))
    assert small["thinking"]["budget_tokens"] == 2999
    with pytest.raises(PathError, match="within 1024 tokens"):
        asked("low", "budget", sampling=Sampling(max_tokens=1024))


def test_a_model_that_thinks_by_a_budget_is_not_asked_to_where_the_thread_was_lost() -> None:
    back = (
        Message("user", "q"),
        Message("assistant", "", tool_calls=(CALL,)),
        Message("tool", "r", tool_call_id="c.1"),
    )
    job = replace(HELLO, messages=back, forwarded={"reasoning_effort": "high"}, sampling=Sampling(max_tokens=20_000))
    assert "thinking" not in body_of(job, "budget")
    kept = (back[0], replace(back[1], parts=(SEALED,)), back[2])
    assert body_of(replace(job, messages=kept), "budget")["thinking"]["type"] == "enabled"
    assert body_of(job, "effort")["thinking"]["type"] == "adaptive"


def test_seals_of_other_providers_are_not_sent() -> None:
    parts = (
        {"type": "thinking", "thinking": "hm", "signature": "google:c2Vh"},
        {"type": "thinking", "thinking": "hm", "signature": "c2Vh"},
        {"type": "redacted_thinking", "data": "c2Vh"},
        {"type": "redacted_thinking", "data": f"{MAKER}c2Vh"},
    )
    body = body_of(replace(HELLO, messages=(Message("assistant", "a", parts=parts), Message("user", "b"))))
    assert body["messages"][0]["content"] == [
        {"type": "redacted_thinking", "data": "c2Vh"},
        {"type": "text", "text": "a"},
    ]


def test_a_closed_schema_takes_nothing_that_the_open_one_does_not() -> None:
    open_one = {"type": "object", "additionalProperties": True}
    schema = {
        "properties": {"properties": open_one, "type": {"enum": [{"type": "object"}]}},
        "anyOf": [{"type": ["object", "null"]}],
        "default": {"type": "object"},
    }
    assert closed(schema) == {
        "properties": {
            "properties": {"type": "object", "additionalProperties": True},
            "type": {"enum": [{"type": "object"}]},
        },
        "anyOf": [{"type": ["object", "null"], "additionalProperties": False}],
        "default": {"type": "object"},
        "additionalProperties": False,
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_read_with_its_thinking_and_all_counts(stream: bool) -> None:
    async with anthropic(Behaviour(answers={PROMPT: "there you are"})) as server:
        card = card_for(server, "anthropic_http", "mode:think")
        async with started(card) as path:
            chunks = await collect(path, replace(HELLO, stream=stream))
    assert (text(chunks), thought(chunks)) == ("there you are", (THOUGHT, [MAKER + SEAL]))
    assert chunks[-1] == Done(Usage(6, 6, 0, 3))
    assert [type(chunk) for chunk in chunks].index(Text) > [type(chunk) for chunk in chunks].index(Reasoning)
    headers = server.headers[0]
    assert (headers["x-api-key"], headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert server.bodies[0]["max_tokens"] == 4096


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
async def test_thinking_that_is_hidden_has_a_seal_alone(stream: bool) -> None:
    async with anthropic() as server, started(card_for(server, "anthropic_http", "mode:hidden")) as path:
        assert thought(await collect(path, replace(HELLO, stream=stream))) == ("", [f"{REDACTED}{MAKER}{SEAL}"])


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_called_and_what_they_say_goes_back(stream: bool) -> None:
    nothing = {"type": "function", "function": {"name": "now"}}
    async with anthropic() as server, started(card_for(server, "anthropic_http")) as path:
        job = replace(HELLO, tools=(WEATHER, nothing), tool_choice="required", stream=stream)
        chunks = await collect(path, job)
        assert calls(chunks) == [("toolu_1", "now", "{}")]
        assert chunks[-1] == Done(Usage(6, 1), ("tool_calls",))
        weather = replace(job, tool_choice={"type": "function", "function": {"name": "weather"}})
        (call,) = calls(await collect(path, weather))
        assert call == ("toolu_1", "weather", '{"city":""}' if not stream else '{"city": ""}')
        made = {"id": call[0], "type": "function", "function": {"name": call[1], "arguments": call[2]}}
        back = (
            *HELLO.messages,
            Message("assistant", "", tool_calls=(made,)),
            Message("tool", "rain", tool_call_id=call[0]),
        )
        assert "rain" in text(await collect(path, replace(HELLO, messages=back, tools=(WEATHER,), stream=stream)))


@pytest.mark.asyncio
async def test_a_conversation_with_texts_of_blanks_alone_is_answered() -> None:
    blank = {"type": "text", "text": "\n\n"}
    said = (
        Message("system", " "),
        *HELLO.messages,
        Message("assistant", "\n\n", tool_calls=(CALL,)),  # as models of others begin their calls
        Message("tool", "", tool_call_id=CALL["id"], parts=(blank, image(PIXEL))),
        Message("user", "", parts=(blank, image(PIXEL), {"type": "text", "text": "And now?"})),
    )
    async with anthropic() as server, started(card_for(server, "anthropic_http")) as path:
        assert "now" in text(await collect(path, replace(HELLO, messages=said, tools=(WEATHER,))))
    body = body_of(replace(HELLO, messages=said, tools=(WEATHER,)))
    assert "system" not in body
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
async def test_prompts_that_were_read_from_a_cache_are_counted_as_such(stream: bool) -> None:
    async with anthropic(Behaviour(prefix_cache=True)) as server, started(card_for(server, "anthropic_http")) as path:
        used = [(await collect(path, replace(HELLO, stream=stream)))[-1] for _ in range(2)]
    assert used == [Done(Usage(6, 6)), Done(Usage(6, 6, 5))]


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("mode", "reason"), [("refuse", "content_filter"), ("pause", "length"), ("full", "length")])
async def test_why_an_answer_ended_is_told(mode: str, reason: str, stream: bool) -> None:
    async with anthropic() as server, started(card_for(server, "anthropic_http", f"mode:{mode}")) as path:
        chunks = await collect(path, replace(HELLO, stream=stream))
    assert isinstance(chunks[-1], Done) and chunks[-1].finish_reasons == (reason,)


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
async def test_an_api_that_is_overloaded_says_so(stream: bool) -> None:
    async with anthropic() as server, started(card_for(server, "anthropic_http", "mode:overloaded")) as path:
        error = await fault(path, replace(HELLO, stream=stream))
    assert (error.fault, error.message) == (
        "overloaded",
        "The server takes no more requests for now. (HTTP 529: overloaded_error)",
    )


def test_several_thoughts_and_calls_keep_their_order_and_their_seals() -> None:
    content = [
        {"type": "thinking", "thinking": "", "signature": "one"},
        {"type": "text", "text": "a"},
        {"type": "thinking", "thinking": "b", "signature": "two"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {"a": 1}},
    ]
    message = {"type": "message", "content": content, "stop_reason": "tool_use", "usage": {
        "input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4,
    }}  # fmt: skip
    reading = MessageReading()
    chunks: list[Chunk] = reading.whole(orjson.dumps(message))
    assert chunks[:4] == [
        Reasoning("", 0, 0, "anthropic:one"),
        Text("a"),
        Reasoning("b"),
        Reasoning("", 0, 0, "anthropic:two"),
    ]
    assert calls(chunks) == [("t1", "f", "{}"), ("t2", "g", '{"a":1}')]
    assert reading.usage == Usage(8, 2, 4, 0, 3)
    assert reading.reasons() == ("tool_calls",)
    assert all(isinstance(chunk, ToolCall) for chunk in chunks[4:])


@pytest.mark.parametrize("kind", ["server_tool_use", "image", "container_upload"])
def test_a_block_that_nobody_asked_for_is_no_answer(kind: str) -> None:
    with pytest.raises(BrokenAnswer):
        MessageReading().whole(orjson.dumps({"content": [{"type": kind}], "stop_reason": "end_turn"}))


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.sampled_from(
        ["content_block_delta", "content_block_start", "message_delta", "text_delta", "tool_use", "thinking", "error"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "delta", "message", "content", "index", "usage", "error", "content_block", "text",
                         "input"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(_json, max_size=3), st.booleans())
def test_whatever_json_arrives_it_is_read_or_broken(found: list[Any], whole: bool) -> None:
    reading = MessageReading()
    try:
        for one in found:
            raw = orjson.dumps(one)
            reading.whole(raw) if whole else reading.feed(b"data: " + raw + b"\n\n")
        reading.end()
        reading.reasons()
    except (BrokenAnswer, ErrorEvent):
        pass

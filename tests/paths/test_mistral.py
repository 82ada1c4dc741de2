"""Mistral, which forbids what it does not know: what it is told, what is refused by name, and what it answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from appliance.paths.contract import (
    Chunk,
    Done,
    ExecutionPath,
    Job,
    PathError,
    Reasoning,
    Text,
    ToolCall,
    Usage,
    Vector,
)
from appliance.paths.dialect import BrokenAnswer
from appliance.paths.mistral_wire import GoneOnWith, mistral_body
from appliance.paths.openai_errors import error_event, error_of
from appliance.paths.openai_wire import Answered
from appliance.records.request import Format, Message, Sampling, Thinking
from tests.paths.running import collect
from tests.paths.test_openai_flavours import HELLO, SCHEMA, TOOL, both, fault, job, said
from tests.paths.test_openai_flavours import served as served_by
from tests.standins.mistral_rules import refusal
from tests.standins.openai_server import Behaviour, OpenAIStandIn

LONG_ID = "call_0123456789abcdef"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
BEGUN = (Message("user", "one two three"), Message("assistant", "Well: "))
EVERYTHING = job(
    messages=(
        Message("developer", "Be brief."),
        Message("user", "look", parts=({"type": "text", "text": "look", "cache_control": {}}, IMAGE)),
        Message("assistant", "", tool_calls=({"id": LONG_ID, "type": "function", "extra_content": {},
                                              "function": {"name": "weather", "arguments": '{"city":"Bern"}'}},)),
        Message("tool", "sunny", tool_call_id=LONG_ID, name="weather"),
        Message("assistant", "Sunny.", parts=({"type": "thinking", "thinking": "hm", "signature": "x"},)),
        Message("user", "and now?"),
    ),
    sampling=Sampling(max_tokens=9, temperature=0.5, top_p=0.9, seed=7, frequency_penalty=0.1, presence_penalty=0.2,
                      stop=("a",)),
    tools=(TOOL, {"type": "function", "function": {"name": "now", "description": "It.", "strict": None}}),
    tool_choice={"type": "function", "function": {"name": "weather"}, "strange": 1},
    parallel_tool_calls=False,
    format=Format("json_schema", SCHEMA, "City", True),
    n=2,
    forwarded={"user": "u", "safety_identifier": "u", "prompt_cache_retention": "24h", "prompt_cache_options": {},
               "metadata": {"a": "b"}, "prompt_cache_key": "k", "prediction": {"type": "content", "content": "x"},
               "modalities": ["text"], "reasoning_effort": "medium"},
)  # fmt: skip


def body_of(asked: Job, reasoning: str = "effort", *, streaming: bool = False) -> dict[str, Any]:
    """What is sent, which Mistral takes."""
    body: dict[str, Any] = json.loads(orjson.dumps(mistral_body(asked, "m", reasoning, streaming=streaming)))
    assert refusal("chat/completions", body) is None
    return body


@asynccontextmanager
async def served(
    model: str = "m", behaviour: Behaviour | None = None, **over: Any
) -> AsyncIterator[tuple[OpenAIStandIn, ExecutionPath]]:
    async with served_by("mistral", model, behaviour, **over) as (server, path):
        yield server, path


# -- what it is told ---------------------------------------------------------------------------------------


def test_all_that_mistral_knows_is_said_in_its_words() -> None:
    body = body_of(EVERYTHING, streaming=True)
    messages = body.pop("messages")
    tools = body.pop("tools")
    schema = body.pop("response_format")["json_schema"]
    assert body == {
        "model": "m",
        "stream": True,
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "random_seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "stop": ["a"],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "n": 2,
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "prediction": {"type": "content", "content": "x"},
        "reasoning_effort": "high",
    }
    assert schema == {"name": "City", "schema": SCHEMA, "strict": True}
    assert tools == [
        {"type": "function", "function": {"name": "now", "description": "It.",
                                          "parameters": {"type": "object", "properties": {}}}},
        TOOL,
    ]  # fmt: skip
    id = messages[2]["tool_calls"][0]["id"]
    call = {"id": id, "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    assert messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "look"}, IMAGE]},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": id, "content": "sunny", "name": "weather"},
        {"role": "assistant", "content": "Sunny."},
        {"role": "user", "content": "and now?"},
    ]


@pytest.mark.parametrize("claim", ["cache_salt", "continuous_usage"])
async def test_a_card_that_claims_what_mistral_does_not_know_is_found_out(claim: str) -> None:
    async with served(endpoint={claim: True}) as (server, path):
        assert (await fault(path, job(stream=True))).fault == "rejected"
        assert server.bodies


def test_what_a_job_does_not_say_is_not_sent() -> None:
    assert set(body_of(HELLO)) == {"model", "messages"}
    assert set(body_of(HELLO, streaming=True)) == {"model", "messages", "stream"}


def test_json_without_a_schema_and_a_tool_that_must_be_called() -> None:
    body = body_of(job(format=Format("json_object"), tools=(TOOL,), tool_choice="required"))
    assert body["response_format"] == {"type": "json_object"}
    assert body["tool_choice"] == "required"


@pytest.mark.parametrize(
    ("over", "sent"),
    [
        ({"forwarded": {"reasoning_effort": "none"}}, "none"),
        *(({"forwarded": {"reasoning_effort": effort}}, "high") for effort in ("minimal", "low", "high", "xhigh")),
        ({"thinking": Thinking(2048)}, "high"),
        ({"thinking": Thinking(), "forwarded": {"reasoning_effort": "none"}}, "none"),
        ({}, None),
    ],
)
def test_effort_is_one_of_two(over: dict[str, Any], sent: str | None) -> None:
    assert body_of(job(**over)).get("reasoning_effort") == sent


@pytest.mark.parametrize(
    ("over", "param"),
    [
        ({"forwarded": {"reasoning_effort": "none"}}, None),
        ({"thinking": Thinking()}, None),
        ({"forwarded": {"reasoning_effort": "low"}}, "reasoning_effort"),
        ({"thinking": Thinking(2048)}, "thinking"),
    ],
)
def test_a_model_that_does_not_think_is_told_nothing_of_it(over: dict[str, Any], param: str | None) -> None:
    if param is None:
        assert "reasoning_effort" not in body_of(job(**over), "none")
        return
    with pytest.raises(PathError) as caught:
        mistral_body(job(**over), "m", "none")
    assert (caught.value.fault, caught.value.param) == ("unsupported", param)


async def test_whether_a_model_thinks_is_on_its_card() -> None:
    claims = {"reasoning": "effort"}
    async with served(capabilities=claims) as (server, path):
        await collect(path, job(forwarded={"reasoning_effort": "low"}))
        assert server.bodies[-1]["reasoning_effort"] == "high"


def ids_of(*ids: str) -> list[tuple[str, str]]:
    """What becomes of the ids of calls, and of their results."""
    calls = tuple({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids)
    results = [Message("tool", "x", tool_call_id=id) for id in ids]
    body = body_of(job(messages=(*HELLO.messages, Message("assistant", "", tool_calls=calls), *results)))
    _, asked, *answered = body["messages"]
    return [(call["id"], result["tool_call_id"]) for call, result in zip(asked["tool_calls"], answered, strict=True)]


def test_an_id_that_fits_is_kept_and_any_other_put_into_nine_letters() -> None:
    fits, *others = ids_of("D681PevKs", LONG_ID, LONG_ID + "0", "äöü-12345", "D681PevK", "D681PevKs0", "\ud800")
    assert fits == ("D681PevKs", "D681PevKs")
    assert all(call == result for call, result in others)
    assert len({call for call, _ in others}) == len(others), "each has its own"
    assert ids_of(LONG_ID) == [others[0]], "the same at every turn"


@both
async def test_a_tool_is_called_and_its_result_goes_back_by_the_same_id(stream: bool) -> None:
    async with served() as (server, path):
        chunks = await collect(path, job(stream=stream, tools=(TOOL,), tool_choice="required"))
        deltas = [chunk.delta for chunk in chunks if isinstance(chunk, ToolCall)]
        arguments = "".join(delta["function"].get("arguments", "") for delta in deltas)
        call = {"id": deltas[0]["id"], "type": "function", "function": {"name": "weather", "arguments": arguments}}
        asked = (*HELLO.messages, Message("assistant", "", tool_calls=(call,)))
        result = Message("tool", "sunny", tool_call_id=call["id"])
        assert said(await collect(path, job(stream=stream, tools=(TOOL,), messages=(*asked, result))))
        sent = server.bodies[-1]["messages"]
        assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == deltas[0]["id"]


async def test_a_call_that_another_provider_made_is_understood() -> None:
    async with served() as (server, path):
        assert said(await collect(path, job(messages=EVERYTHING.messages)))
        assert LONG_ID not in repr(server.bodies)


# -- what cannot be said -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "param"),
    [
        ({"sampling": Sampling(top_k=4)}, "top_k"),
        ({"sampling": Sampling(min_p=0.1)}, "min_p"),
        ({"sampling": Sampling(repeat_penalty=1.1)}, "repeat_penalty"),
        ({"sampling": Sampling(logit_bias=((1, 1.0),))}, "logit_bias"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"format": Format("regex", pattern="a+")}, "response_format"),
        ({"forwarded": {"verbosity": "low"}}, "verbosity"),
        ({"forwarded": {"service_tier": "flex"}}, "service_tier"),
        ({"forwarded": {"web_search_options": {}}}, "web_search_options"),
        ({"forwarded": {"chat_template_kwargs": {}}}, "chat_template_kwargs"),
        ({"forwarded": {"modalities": ["audio"]}}, "modalities"),
        ({"messages": (Message("nobody", "x"),)}, "messages[0].role"),
        ({"messages": (Message("user", "x", name="ann"),)}, "messages[0].name"),
        ({"messages": (Message("system", "", parts=(IMAGE,)), *HELLO.messages)}, "messages[0].content"),
        ({"messages": (Message("user", "x", parts=({"type": "file", "file": {}},)),)}, "messages[0].content"),
        ({"messages": (Message("user", "x", parts=({"type": "input_audio"},)),)}, "messages[0].content"),
        ({"messages": (*HELLO.messages, Message("tool", "", tool_call_id="a", parts=(IMAGE,)))}, "messages[1].content"),
        ({"messages": (*HELLO.messages, Message("assistant", "Well"))}, "messages"),
        ({"kind": "completion", "messages": (), "prompt": "x"}, "prompt"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_said_is_refused_by_name_before_anything_leaves(over: dict[str, Any], param: str) -> None:
    async with served(modalities=("chat", "completion")) as (server, path):
        error = await fault(path, job(**over))
        assert (error.fault, error.param) == ("unsupported", param)
        assert not server.seen


def said_by_choice(chunks: list[Chunk]) -> list[str]:
    """The texts of two answers."""
    return [said([one for one in chunks if isinstance(one, Text) and one.index == at]) for at in (0, 1)]


# -- what it answers ---------------------------------------------------------------------------------------


async def test_a_stream_states_its_usage_without_being_asked() -> None:
    async with served() as (server, path):
        assert (await collect(path, job(stream=True)))[-1] == Done(Usage(3, 3))
        assert "stream_options" not in server.bodies[-1]


@both
async def test_several_answers(stream: bool) -> None:
    async with served() as (_, path):
        chunks = await collect(path, job(stream=stream, n=2))
        assert [
            said([chunk for chunk in chunks if isinstance(chunk, Text) and chunk.index == at]) for at in (0, 1)
        ] == ["one two three"] * 2


@both
async def test_an_answer_as_long_as_the_model_can_be_was_cut_off(stream: bool) -> None:
    async with served() as (_, path):
        chunks = await collect(path, job(stream=stream, sampling=Sampling(max_tokens=2)))
        assert isinstance(chunks[-1], Done)
        assert (said(chunks), chunks[-1].finish_reasons) == ("one two", ("length",))


PIECES = [{"type": "text", "text": "Let"}, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": " me"}]
THOUGHT = {"type": "thinking", "thinking": PIECES, "closed": True}
REFERENCE = {"type": "reference", "reference_ids": [3, "a"]}
PARTS = [THOUGHT, {"type": "text", "text": "It is"}, REFERENCE, {"type": "text", "text": " so."}]


def read(content: Any, key: str = "message", **more: Any) -> list[Chunk]:
    usage = {"prompt_tokens": 3, "completion_tokens": 9}
    choice = {"index": 0, key: {"content": content, **more}, "finish_reason": "stop"}
    reading, chunks = Answered(HELLO), list[Chunk]()
    reading.event(b"", orjson.dumps({"choices": [choice], "usage": usage}), chunks, key)
    assert reading.finished == {0: "stop"}
    return chunks


def test_a_content_that_is_a_list_is_read_in_its_order_from_every_server() -> None:
    assert read(PARTS) == [Reasoning("Let me"), Text("It is", tokens=9), Text(" so.")]
    assert read(PARTS, "delta") == [Reasoning("Let me"), Text("It is"), Text(" so.")]
    assert read([{"type": "text", "text": "a"}, THOUGHT], "delta", role="assistant") == [Text("a"), Reasoning("Let me")]
    assert read([{"type": "text", "text": ""}, {"type": "thinking", "thinking": []}, REFERENCE]) == []


def test_a_refusal_beside_a_list_is_text_as_well() -> None:
    assert said(read([{"type": "text", "text": "Oh. "}], refusal="No.")) == "Oh. No."


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "image_url", "image_url": "x"}],
        [{"type": "text"}],
        [{"type": "text", "text": 3}],
        [{"type": "thinking", "thinking": [{"type": "image_url", "text": "x"}]}],
        [{"type": "thinking", "thinking": "x"}],
        [{"text": "x"}],
        ["x"],
        {"type": "text", "text": "x"},
        7,
    ],
)
def test_another_kind_of_content_is_broken(content: Any) -> None:
    with pytest.raises(BrokenAnswer):
        read(content)


@both
async def test_thinking_is_shown_apart_from_the_answer(stream: bool) -> None:
    async with served("mode:think") as (_, path):
        chunks = await collect(path, job(stream=stream))
    assert (said(chunks, Reasoning), said(chunks)) == ("Let me see.", "one two three")
    assert isinstance(chunks[0], Reasoning)


# -- answers that are begun --------------------------------------------------------------------------------


@both
async def test_an_answer_that_is_begun_is_gone_on_with_and_its_beginning_is_not_said_again(stream: bool) -> None:
    async with served() as (server, path):
        chunks = await collect(path, job(stream=stream, messages=BEGUN, continues=True))
        assert said(chunks) == "one two three"
        assert server.bodies[-1]["messages"][-1] == {"role": "assistant", "content": "Well: ", "prefix": True}
        assert "prefix" not in repr(server.bodies[-1]["messages"][:-1])


@pytest.mark.parametrize(
    ("pieces", "left"),
    [
        (["Well:", " it is"], "it is"),
        (["Well: ", "it is"], "it is"),
        (["Well: it is"], "it is"),
        (["Well:it is"], "it is"),
        (["W", "el", "l", ":", "", " ", "Well: it"], "Well: it"),
        (["it is"], "it is"),
        (["We", " are"], "We are"),
        (["We"], "We"),
        (["Well:"], ""),
        ([], ""),
    ],
)
def test_only_the_beginning_itself_is_left_out(pieces: list[str], left: str) -> None:
    reading, chunks = GoneOnWith(job(messages=BEGUN, continues=True, n=2)), list[Chunk]()
    for content, reason in [*((piece, None) for piece in pieces), ("", "stop")]:
        choices = [{"index": at, "delta": {"content": content}, "finish_reason": reason} for at in (0, 1)]
        reading.event(b"", orjson.dumps({"choices": choices}), chunks)
    assert said_by_choice(chunks) == [left] * 2
    assert reading.complete


def test_thinking_before_the_beginning_is_passed_on() -> None:
    reading = GoneOnWith(job(messages=BEGUN, continues=True))
    choice = {"index": 0, "message": {"content": [THOUGHT, {"type": "text", "text": "Well: so"}]}}
    chunks = reading.whole(orjson.dumps({"choices": [{**choice, "finish_reason": "stop"}]}))
    assert chunks == [Reasoning("Let me"), Text("so")]


# -- embeddings --------------------------------------------------------------------------------------------


async def test_embeddings_have_as_many_dimensions_as_were_asked_for() -> None:
    async with served(modalities=("embedding",)) as (server, path):
        asked = Job(id="j", kind="embedding", inputs=("a", "b"), forwarded={"dimensions": 4, "user": "u"})
        chunks = await collect(path, asked)
        assert [len(chunk.values) for chunk in chunks if isinstance(chunk, Vector)] == [4, 4]
        assert server.bodies[-1] == {
            "model": "m",
            "input": ["a", "b"],
            "encoding_format": "float",
            "output_dimension": 4,
        }
        await collect(path, Job(id="j", kind="embedding", inputs=("a",)))
        assert "output_dimension" not in server.bodies[-1]
        odd = Job(id="j", kind="embedding", inputs=("a",), forwarded={"truncate": True})
        assert (await fault(path, odd)).param == "truncate"


# -- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (422, {"message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "No", "input": 1}]},
               "type": "invalid_request_error"}, "rejected"),
        (400, {"message": "Tool call id was x but must", "type": "invalid_request_error", "code": "3280"}, "rejected"),
        (400, {"message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum "
                          "context length", "type": "invalid_request_prompt", "code": "3051"}, "context_too_long"),
        (429, {"message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}, "overloaded"),
        (500, {"message": "Service unavailable.", "type": "internal_server_error", "code": "1000"}, "unavailable"),
    ],
)  # fmt: skip
def test_errors(status: int, body: dict[str, Any], wanted: str) -> None:
    raw = orjson.dumps({"object": "error", "param": None, "code": None, **body})
    error = error_of(status, {}, raw)
    assert error.fault == wanted
    assert body["type"] in error.message
    assert str(body["message"]) not in error.message


def test_a_key_that_is_refused() -> None:
    assert error_of(401, {}, b'{"detail":"Unauthorized"}').fault == "auth"


@pytest.mark.parametrize("kind", ["rate_limited", "service_tier_capacity_exceeded"])
def test_an_error_inside_a_stream_has_no_status_to_tell_it_by(kind: str) -> None:
    raw = orjson.dumps(
        {"object": "error", "message": "Rate limit exceeded", "type": kind, "param": None, "code": "1300"}
    )
    assert error_event(raw).fault == "overloaded"

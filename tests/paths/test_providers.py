"""Every provider's adapter, against a stand-in that speaks its wire format: answers, failures and broken streams."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from appliance.paths.contract import Done, Job, PathError, Reasoning, Text, ToolCall, Usage
from appliance.records.chunks import Chunk
from appliance.records.request import Format, Message, Sampling
from tests.paths import running
from tests.paths.providers import PROVIDERS, Provider, served
from tests.paths.running import HELLO, PROMPT, collect
from tests.standins.openai_answers import Behaviour
from tests.standins.provider import MODES

SHORT: dict[str, Any] = {"first_byte_timeout_s": 0.5, "gap_timeout_s": 0.5}
SCHEMA = {
    "title": "City",
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "minLength": 3}},
            "required": ["city"],
        },
    },
}
FAULTS = running.FAULTS | dict.fromkeys(("cut-after", "bad-utf8", "gzip-bomb", "strange-tool"), "broken_stream")
STREAM_FAULTS = FAULTS | {"no-end": "broken_stream", "error-event": "unavailable"}
each = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def job(**over: Any) -> Job:
    return Job(**{"id": "j", "kind": "chat", "messages": (Message("user", "one two three"),)} | over)


def said(chunks: list[Chunk], kind: type[Text] | type[Reasoning] = Text) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, kind))


def test_every_mode_is_tried() -> None:
    assert set(MODES) == set(STREAM_FAULTS) | {"no-usage", "drip", "think"}


@each
@pytest.mark.parametrize(("mode", "stream"), [*((m, False) for m in FAULTS), *((m, True) for m in STREAM_FAULTS)])
async def test_each_failure_has_its_fault_shows_no_prose_and_leaves_the_path_usable(
    provider: Provider, mode: str, stream: bool
) -> None:
    async with served(provider, f"mode:{mode}", **(SHORT if mode in ("hang", "stall") else {})) as (server, path):
        if mode == "huge":
            path.inner._limit = 1_000_000  # type: ignore[attr-defined]
        with pytest.raises(PathError) as caught:
            await collect(path, job(messages=HELLO.messages, stream=stream))
        error = caught.value
        assert error.fault == (provider.error_event if mode == "error-event" else STREAM_FAULTS[mode])
        assert error.retry_after_s == (7.0 if mode == "429" else None)
        for secret in (PROMPT, "secret-0123", "nobody"):
            assert secret not in error.message
        assert path.ready().ok
        assert path.ready().busy == 0
        assert sum(server.seen.values()) == 1, "one job is one request"


@each
@both
async def test_an_answer_arrives_with_its_usage_and_the_bill_agrees(provider: Provider, stream: bool) -> None:
    async with served(provider, behaviour=Behaviour(answers={"one two three": "naïve 😀 text"})) as (server, path):
        chunks = await collect(path, job(stream=stream))
    assert said(chunks) == "naïve 😀 text"
    assert chunks[-1] == Done(Usage(3, 3))
    bill = server.bills.rows[0]
    assert (bill.prompt_tokens, bill.completion_tokens, bill.ended) == (3, 3, "whole")


@each
async def test_a_stream_that_drips_is_read_byte_by_byte(provider: Provider) -> None:
    async with served(provider, "mode:drip", Behaviour(answers={"one two three": "naïve 😀 text"})) as (_, path):
        assert said(await collect(path, job(stream=True))) == "naïve 😀 text"


@each
@both
async def test_what_came_before_an_error_is_given_out_first(provider: Provider, stream: bool) -> None:
    async with served(provider, "mode:error-event") as (_, path):
        got: list[Chunk] = []
        try:
            async for chunk in path.stream(job(stream=stream)):
                got.append(chunk)
        except PathError:
            assert stream
            assert said(got) == "one two"


@each
@both
async def test_thinking_is_shown_apart_from_the_answer(provider: Provider, stream: bool) -> None:
    async with served(provider, "mode:think") as (_, path):
        chunks = await collect(path, job(stream=stream))
    assert said(chunks, Reasoning) == "Let me see."
    assert said(chunks) == "one two three"


@each
@both
async def test_missing_usage_is_zero_or_a_broken_stream_and_never_a_guess(provider: Provider, stream: bool) -> None:
    async with served(provider, "mode:no-usage") as (_, path):
        try:
            assert (await collect(path, job(stream=stream)))[-1] == Done(Usage())
        except PathError as error:
            assert (stream, error.fault) == (True, "broken_stream")  # noqa: PT017


@each
@both
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_tool_is_called_and_its_result_goes_back(provider: Provider, stream: bool, choice: Any) -> None:
    async with served(provider) as (server, path):
        chunks = await collect(path, job(stream=stream, tools=(TOOL,), tool_choice=choice))
        calls = [chunk.delta for chunk in chunks if isinstance(chunk, ToolCall)]
        assert {call["index"] for call in calls} == {0}
        arguments = "".join(call["function"].get("arguments", "") for call in calls)
        assert (calls[0]["function"]["name"], json.loads(arguments)) == ("weather", {"city": "xxx"})
        assert isinstance(chunks[-1], Done)
        assert chunks[-1].finish_reasons == ("tool_calls",)
        call = {"id": calls[0]["id"], "type": "function", "function": {"name": "weather", "arguments": arguments}}
        asked = job(
            stream=stream,
            tools=(TOOL,),
            messages=(
                Message("system", "Be brief."),
                Message("user", "Weather?"),
                Message("assistant", "", tool_calls=(call,)),
                Message("tool", "sunny", tool_call_id=call["id"]),
            ),
        )
        assert said(await collect(path, asked))
        sent = repr(server.bodies[-1])
        for part in (calls[0]["id"], "sunny", "Be brief.", "weather"):
            assert part in sent


@each
@both
async def test_structured_output_is_asked_for_in_the_providers_words(provider: Provider, stream: bool) -> None:
    behaviour = Behaviour(json_answers={"City": {"name": "Bern"}})
    async with served(provider, behaviour=behaviour) as (_, path):
        form = Format("json_schema", SCHEMA, "City", True)
        assert said(await collect(path, job(stream=stream, format=form))) == '{"name": "Bern"}'


@each
async def test_an_image_is_sent_as_its_bytes(provider: Provider) -> None:
    async with served(provider) as (server, path):
        message = Message("user", "one two", parts=({"type": "text", "text": "one two"}, IMAGE))
        assert said(await collect(path, job(messages=(message,)))) == "one two"
        assert "iVBORw0KGgo=" in repr(server.bodies[-1])


@each
@pytest.mark.parametrize(
    ("over", "param"),
    [
        ({"n": 2}, "n"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"sampling": Sampling(logit_bias=((1, 2.0),))}, "logit_bias"),
        ({"sampling": Sampling(min_p=0.1)}, "min_p"),
        ({"forwarded": {"verbosity": "low"}}, "verbosity"),
        ({"forwarded": {"web_search_options": {}}}, "web_search_options"),
        ({"tools": (TOOL,), "parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"format": Format("regex", pattern="a+")}, "response_format"),
        ({"messages": (Message("nobody", "x"),)}, "messages[0].role"),
        ({"messages": (Message("system", "", parts=(IMAGE,)), Message("user", "x"))}, "messages[0].content"),
        ({"messages": (Message("user", "x"), Message("assistant", "", parts=(IMAGE,)))}, "messages[1].content"),
        ({"messages": (Message("user", "x", parts=({"type": "file", "file": {}},)),)}, "messages[0].content"),
        ({"messages": (Message("user", "x", parts=({"type": "input_audio"},)),)}, "messages[0].content"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_said_is_refused_by_name_before_anything_leaves(
    provider: Provider, over: dict[str, Any], param: str
) -> None:
    if param in provider.says:
        pytest.skip(f"this provider can be told '{param}'")
    async with served(provider) as (server, path):
        with pytest.raises(PathError) as caught:
            await collect(path, job(**over))
        assert caught.value.fault == "unsupported"
        assert caught.value.param == param
        assert not server.seen


@each
async def test_hints_about_the_caller_stay_here(provider: Provider) -> None:
    forwarded = {"user": "ann@corp.example", "metadata": {"ticket": "T-42"}, "prompt_cache_key": "k" * 32}
    async with served(provider) as (server, path):
        await collect(path, job(forwarded=forwarded))
        assert not any(hint in repr(server.bodies) for hint in ("ann@", "T-42", "kkkk"))


@each
@both
async def test_closing_early_hangs_up_and_the_bill_has_what_was_sent(provider: Provider, stream: bool) -> None:
    async with served(provider, behaviour=Behaviour(tokens_per_s=20.0)) as (server, path):
        asked = job(stream=stream, messages=(Message("user", "word " * 100),))
        task = asyncio.create_task(collect(path, asked))
        while not server.open_now:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(200):
            if not server.open_now:
                break
            await asyncio.sleep(0.01)
        assert (server.open_now, server.cancelled, path.ready().busy) == (0, 1, 0)
        bill = server.bills.rows[0]
        assert bill.ended == "left"
        assert (0 < bill.completion_tokens < 100) if stream else bill.completion_tokens == 0


@each
async def test_the_key_is_in_no_repr_and_no_error(provider: Provider) -> None:
    async with served(provider) as (server, path):
        server.behaviour.key = "another:key"
        with pytest.raises(PathError) as caught:
            await collect(path, HELLO)
        assert caught.value.fault == "auth"
        assert "secret-0123" not in caught.value.message + repr(path) + repr(path.card) + repr(caught.value)

"""Servers of OpenAI's dialect, each with what it does in a way of its own: cards, and what comes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.paths.contract import Chunk, Done, ExecutionPath, Job, PathError, Reasoning, Text, ToolCall, Usage
from appliance.paths.openai_http import OpenAIDialect
from appliance.paths.registry import PathContext, build_path
from appliance.paths.sse import EventParser, EventTooLarge
from appliance.records.card import Endpoint, ModelCard
from appliance.records.request import Format, Message
from tests.paths.running import collect, egress_to, running
from tests.standins.openai_flavours import FLAVOURS
from tests.standins.openai_server import FLAVOUR_MODES, Behaviour, OpenAIStandIn

HELLO = Job(id="j", kind="chat", messages=(Message("user", "one two three"),))
SCHEMA = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
each = pytest.mark.parametrize("flavour", FLAVOURS)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def card(base_url: str, flavour: str, model: str = "m", **over: Any) -> ModelCard:
    """As an operator would write it for such a server."""
    endpoint = {"base_url": base_url, "model": model, "flavour": flavour, **over.pop("endpoint", {})}
    if flavour == "azure" and "api_version" not in endpoint:
        endpoint["base_url"] = base_url.replace("/v1", "/openai/v1")
    claims = {"tools": True, "json_schema": True, "regex": True}
    base = {"id": "up", "runtime": "openai_http", "tier": "frontier", "modalities": ("chat",), "capabilities": claims}
    return ModelCard.model_validate({**base, "endpoint": endpoint, **over})


@asynccontextmanager
async def served(
    flavour: str, model: str = "m", behaviour: Behaviour | None = None, **over: Any
) -> AsyncIterator[tuple[OpenAIStandIn, ExecutionPath]]:
    behaviour = behaviour or Behaviour()
    behaviour.flavour = flavour
    async with OpenAIStandIn(behaviour) as server:
        made = card(server.base_url, flavour, model, **over)
        egress = egress_to(server.base_url)
        context = PathContext(Path(), egress, lambda _: "sk-1", node="0123456789abcdef")
        async with running(build_path(made, context), egress) as path:
            yield server, path


def job(**over: Any) -> Job:
    return Job(**{"id": "j", "kind": "chat", "messages": HELLO.messages} | over)


async def fault(path: ExecutionPath, asked: Job) -> PathError:
    with pytest.raises(PathError) as caught:
        await collect(path, asked)
    assert "one two" not in caught.value.message
    return caught.value


def said(chunks: list[Chunk], kind: type[Text] | type[Reasoning] = Text) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, kind))


@each
@both
async def test_an_answer_is_the_same_from_every_server(flavour: str, stream: bool) -> None:
    async with served(flavour) as (_, path):
        chunks = await collect(path, job(stream=stream))
    assert said(chunks) == "one two three"
    assert chunks[-1] == Done(Usage(3, 3))


@each
@both
async def test_a_tool_s_arguments_are_text_whatever_the_server_makes_of_them(flavour: str, stream: bool) -> None:
    async with served(flavour) as (_, path):
        chunks = await collect(path, job(stream=stream, tools=(TOOL,), tool_choice="required"))
    calls = [chunk.delta["function"] for chunk in chunks if isinstance(chunk, ToolCall)]
    assert "".join(call.get("arguments", "") for call in calls).replace(" ", "") == '{"city":""}'
    assert isinstance(chunks[-1], Done)
    assert chunks[-1].finish_reasons == ("tool_calls",)


@each
@both
async def test_thinking_is_read_by_either_name(flavour: str, stream: bool) -> None:
    async with served(flavour, "mode:think") as (_, path):
        chunks = await collect(path, job(stream=stream))
    assert (said(chunks, Reasoning), said(chunks)) == ("Let me see.", "one two three")


@each
async def test_an_error_inside_of_a_stream_is_an_error_after_what_was_said(flavour: str) -> None:
    async with served(flavour, "mode:error-event") as (_, path):
        got: list[Chunk] = []

        async def read() -> None:
            async for chunk in path.stream(job(stream=True)):
                got.append(chunk)

        with pytest.raises(PathError) as caught:
            await read()
    assert (caught.value.fault, said(got)) == ("unavailable", "one")
    assert "one two" not in caught.value.message


@each
@both
async def test_who_gave_up_is_not_taken_for_one_that_ended(flavour: str, stream: bool) -> None:
    async with served(flavour, "mode:abort") as (_, path):
        assert (await fault(path, job(stream=stream))).fault == "unavailable"


@pytest.mark.parametrize(
    ("flavour", "mode", "wanted"),
    [
        ("azure", "filtered", "rejected"),
        ("openrouter", "filtered", "rejected"),
        ("openrouter", "no-credit", "auth"),
        ("llama_server", "loading", "unavailable"),
        ("huggingface", "loading", "unavailable"),
        ("llama_server", "too-long", "context_too_long"),
        ("tgi", "too-long", "context_too_long"),
        ("vllm", "too-long", "context_too_long"),
        ("mistral", "too-long", "context_too_long"),
        ("mistral", "429", "overloaded"),
        ("mistral", "401", "auth"),
    ],
)
@both
async def test_errors_of_their_own(flavour: str, mode: str, wanted: str, stream: bool) -> None:
    async with served(flavour, f"mode:{mode}") as (_, path):
        error = await fault(path, job(stream=stream))
    assert error.fault == wanted
    assert error.retry_after_s == (20.0 if flavour == "huggingface" else None)


def test_every_mode_of_a_flavour_is_tried() -> None:
    assert set(FLAVOUR_MODES) == {"think", "abort", "filtered", "loading", "no-credit"}


@each
async def test_a_form_is_said_in_the_server_s_words(flavour: str) -> None:
    async with served(flavour, behaviour=Behaviour(json_answers={"City": {"name": "Bern"}})) as (server, path):
        form = Format("json_schema", SCHEMA, "City", True)
        assert said(await collect(path, job(format=form))) == '{"name": "Bern"}'
        sent = server.bodies[-1]["response_format"]
        assert sent["type"] == ("json" if flavour == "tgi" else "json_schema")
        if flavour in ("llama_server", "mistral"):
            assert (await fault(path, job(format=Format("regex", pattern="a+")))).param == "response_format"
            return
        await collect(path, job(format=Format("regex", pattern="a+")))
        sent = server.bodies[-1]
        if flavour == "tgi":
            assert sent["response_format"] == {"type": "regex", "value": "a+"}
            assert "guided_regex" not in sent
            assert (await fault(path, job(format=Format("json_object")))).param == "response_format"
        else:
            assert sent["structured_outputs"] == {"regex": "a+"}


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [
        ({}, {"require_parameters": True}),
        ({"trains_on_input": "no"}, {"require_parameters": True, "data_collection": "deny"}),
        ({"retention": "none"}, {"require_parameters": True, "data_collection": "deny", "zdr": True}),
    ],
)
async def test_openrouter_is_held_to_what_the_card_says_of_it(terms: dict[str, str], wanted: dict[str, Any]) -> None:
    async with served("openrouter", **terms) as (server, path):
        await collect(path, job(forwarded={"provider": {"zdr": False}}))
    assert server.bodies[0]["provider"] == wanted


@pytest.mark.parametrize(
    ("endpoint", "address", "limit"),
    [
        ({"base_url": "https://r.openai.azure.com", "api_version": "2024-10-21"},
         "https://r.openai.azure.com/openai/deployments/m/chat/completions?api-version=2024-10-21",
         "max_completion_tokens"),
        ({"base_url": "https://r.openai.azure.com", "api_version": "2024-02-01"},
         "https://r.openai.azure.com/openai/deployments/m/chat/completions?api-version=2024-02-01", "max_tokens"),
        ({"base_url": "https://r.openai.azure.com/openai/v1/"},
         "https://r.openai.azure.com/openai/v1/chat/completions", "max_completion_tokens"),
        ({"base_url": "https://r.openai.azure.com/openai/v1", "api_version": "preview"},
         "https://r.openai.azure.com/openai/v1/chat/completions?api-version=preview", "max_completion_tokens"),
    ],
)  # fmt: skip
def test_azure_s_addresses(endpoint: dict[str, str], address: str, limit: str) -> None:
    from appliance.records.request import Sampling

    stated = Endpoint.model_validate({"model": "m", "flavour": "azure", **endpoint})
    call = OpenAIDialect().call(job(sampling=Sampling(max_tokens=3)), stated, streaming=False)
    assert str(call.url) == address
    assert limit.encode() in call.body
    assert OpenAIDialect().headers(stated, "k") == {"api-key": "k"}


def test_llama_server_s_field_for_errors_is_an_event_of_that_name() -> None:
    assert EventParser().feed(b'error: {"code":500}\n\ndata: 1\n\n') == [(b"error", b'{"code":500}'), (b"", b"1")]


def test_an_event_of_endless_empty_lines_is_too_large_as_well() -> None:
    for line in (b"data\n", b"data:\n", b"error:\n"):
        parser = EventParser(1000)
        for _ in range(100):
            parser.feed(line)
        with pytest.raises(EventTooLarge):
            parser.feed(line * 1000)


@pytest.mark.parametrize(
    ("version", "asked"),
    [("2024-02-01", False), ("2024-06-01", False), ("2024-10-21", True), ("2024-12-01-preview", True)],
)
def test_azure_is_asked_for_the_usage_of_a_stream_where_it_knows_that_word(version: str, asked: bool) -> None:
    stated = {"base_url": "https://r.openai.azure.com", "model": "m", "flavour": "azure", "api_version": version}
    body = orjson.loads(OpenAIDialect().call(job(stream=True), Endpoint.model_validate(stated), streaming=True).body)
    assert body["stream"] is True
    assert body.get("stream_options") == ({"include_usage": True} if asked else None)

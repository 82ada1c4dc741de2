"""Official clients, unchanged, against a node whose only path is one provider's adapter over its stand-in."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from appliance.records.card import ModelCard
from tests import factories
from tests.node.conftest import Running, Start, upstream_card
from tests.paths.providers import PROVIDERS
from tests.standins.openai_answers import Behaviour
from tests.standins.openai_server import OpenAIStandIn
from tests.standins.provider import ProviderStandIn

WORDS = "one two three four"
HELLO: Any = [{"role": "user", "content": WORDS}]
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n not much of a picture").decode()
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 3}},
    "required": ["city"],
}
TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "Of a city", "parameters": PARAMETERS}}
BOOK = {"City": {"name": "Bern", "people": 3}}


class City(BaseModel):
    """A city."""

    name: str
    people: int


@pytest.fixture(params=["openai", *PROVIDERS])
async def node(
    request: pytest.FixtureRequest, start: Start, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Running, Any]]:
    """A node, and the stand-in that is all it can ask."""
    behaviour = Behaviour(json_answers=BOOK)
    if request.param == "openai":
        server = OpenAIStandIn(behaviour)
        async with server, start(upstream_card(server.base_url, capabilities=CAN)) as weir:
            yield weir, server
        return
    provider = PROVIDERS[request.param]
    monkeypatch.setenv("K", provider.secret)
    behaviour.key = provider.key
    async with provider.stand_in(behaviour) as server, start(card_of(provider.card(server.base_url))) as weir:
        yield weir, server


CAN = {"tools": True, "json_schema": True, "images_in": True}


def card_of(made: ModelCard) -> ModelCard:
    """The same on the site, and good."""
    over = {"runtime": made.runtime, "endpoint": made.endpoint, "capabilities": made.capabilities}
    return factories.card(
        "site/one", tier="site", modalities=("chat",), accuracy_default=0.99, accuracy_default_n=1000, **over
    )


def image(words: str) -> Any:
    parts = [
        {"type": "text", "text": words},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    return [{"role": "user", "content": parts}]


async def test_openais_client(node: tuple[Running, Any]) -> None:
    weir, server = node
    async with weir.client() as client:
        whole = await client.chat.completions.create(model="auto", messages=HELLO)
        assert whole.choices[0].message.content == WORDS
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (4, 4)

        stream = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "five six"}], stream=True,
            stream_options={"include_usage": True},
        )  # fmt: skip
        events = [event async for event in stream]
        assert "".join(e.choices[0].delta.content or "" for e in events if e.choices) == "five six"
        assert events[-1].usage is not None and events[-1].usage.completion_tokens == 2

        asked: Any = [{"role": "user", "content": "Weather?"}]
        called = await client.chat.completions.create(
            model="auto", messages=asked, tools=[TOOL], tool_choice="required"
        )
        message = called.choices[0].message
        assert called.choices[0].finish_reason == "tool_calls" and message.tool_calls
        call: Any = message.tool_calls[0]
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "xxx"})
        back = [
            *asked,
            message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ]
        after = await client.chat.completions.create(model="auto", messages=back, tools=[TOOL])
        assert after.choices[0].message.content
        assert "sunny" in repr(server.bodies[-1])

        pieces = await client.chat.completions.create(
            model="auto", messages=asked, tools=[TOOL], tool_choice="required", stream=True
        )
        deltas = [e.choices[0].delta.tool_calls async for e in pieces if e.choices and e.choices[0].delta.tool_calls]
        said = "".join(delta[0].function.arguments or "" for delta in deltas if delta and delta[0].function)
        assert json.loads(said) == {"city": "xxx"}

        parsed = await client.chat.completions.parse(model="auto", messages=asked, response_format=City)
        assert parsed.choices[0].message.parsed == City(name="Bern", people=3)

        seen = await client.chat.completions.create(model="auto", messages=image("what is this"))
        assert seen.choices[0].message.content
        assert PIXEL in repr(server.bodies[-1])
    rows = [row["outcome"] for row in await weir.records()]
    assert [row["path"] for row in rows] == ["site/one"] * 7
    if isinstance(server, ProviderStandIn):  # what was recorded is what would be billed
        for what in ("prompt_tokens", "completion_tokens"):
            assert sum(step[what] for row in rows for step in row["steps"]) == server.bills.total(what)


async def test_anthropics_client(node: tuple[Running, Any]) -> None:
    weir, server = node
    tool: Any = {"name": "weather", "description": "Of a city", "input_schema": PARAMETERS}
    async with anthropic.AsyncAnthropic(base_url=weir.url, api_key="unused", max_retries=0) as client:
        whole = await client.messages.create(model="auto", max_tokens=100, messages=HELLO)
        assert [block.type for block in whole.content] == ["text"]
        assert (whole.stop_reason, whole.usage.input_tokens, whole.usage.output_tokens) == ("end_turn", 4, 4)
        async with client.messages.stream(
            model="auto", max_tokens=100, messages=[{"role": "user", "content": "five six"}]
        ) as stream:
            assert "".join([text async for text in stream.text_stream]) == "five six"
            assert (await stream.get_final_message()).usage.output_tokens == 2
        asked: Any = [{"role": "user", "content": "Weather?"}]
        forced: Any = {"tools": [tool], "tool_choice": {"type": "any"}}
        called = await client.messages.create(model="auto", max_tokens=100, messages=asked, **forced)
        assert called.stop_reason == "tool_use"
        use: Any = called.content[-1]
        assert (use.name, use.input) == ("weather", {"city": "xxx"})
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}]}
        back = [*asked, {"role": "assistant", "content": called.content}, result]
        assert (await client.messages.create(model="auto", max_tokens=100, messages=back, tools=[tool])).content
        assert "sunny" in repr(server.bodies[-1])
        async with client.messages.stream(model="auto", max_tokens=100, messages=asked, **forced) as stream:
            assert (await stream.get_final_message()).content[-1].input == {"city": "xxx"}  # type: ignore[union-attr]
        parsed = await client.messages.parse(model="auto", max_tokens=100, messages=asked, output_format=City)
        assert parsed.parsed_output is not None and set(parsed.parsed_output.model_dump()) == {"name", "people"}
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        content = [{"type": "text", "text": "what is this"}, {"type": "image", "source": source}]
        seen: Any = [{"role": "user", "content": content}]
        assert (await client.messages.create(model="auto", max_tokens=100, messages=seen)).content
        assert PIXEL in repr(server.bodies[-1])


async def test_langchains_client(node: tuple[Running, Any]) -> None:
    weir, server = node
    model = ChatOpenAI(base_url=f"{weir.url}/v1", api_key=SecretStr("unused"), model="auto", max_retries=0)
    assert (await model.ainvoke(WORDS)).content == WORDS
    assert "".join([str(piece.content) async for piece in model.astream("five six")]) == "five six"
    asked = HumanMessage("Weather?")
    called = await model.bind_tools([TOOL], tool_choice="any").ainvoke([asked])
    assert isinstance(called, AIMessage)
    (call,) = called.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "xxx"})
    result = ToolMessage("sunny", tool_call_id=call["id"])
    assert (await model.bind_tools([TOOL]).ainvoke([asked, called, result])).content
    assert "sunny" in repr(server.bodies[-1])
    assert await model.with_structured_output(City, method="json_schema").ainvoke([asked]) == City(
        name="Bern", people=3
    )
    assert (await model.ainvoke([HumanMessage(image("what is this")[0]["content"])])).content
    assert PIXEL in repr(server.bodies[-1])


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
async def test_thinking_is_shown_on_openais_wire(name: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = PROVIDERS[name]
    monkeypatch.setenv("K", provider.secret)
    async with provider.stand_in(Behaviour(key=provider.key)) as server:
        card = card_of(provider.card(server.base_url, thinking="effort"))
        async with start(card) as weir, weir.client() as client:
            answer = await client.chat.completions.create(model="auto", messages=HELLO, reasoning_effort="low")
            message = answer.choices[0].message.model_dump()
            assert (message["content"], message["reasoning_content"]) == (WORDS, "Let me see.")
            assert answer.usage is not None and answer.usage.completion_tokens_details is not None
            assert answer.usage.completion_tokens_details.reasoning_tokens == 3
            stream = await client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "five"}], reasoning_effort="low", stream=True
            )
            deltas = [event.choices[0].delta.model_dump() async for event in stream if event.choices]
            assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == "Let me see."
            assert "".join(delta["content"] or "" for delta in deltas) == "five"


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
async def test_what_a_provider_cannot_be_told_is_refused_by_name(
    name: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = PROVIDERS[name]
    monkeypatch.setenv("K", provider.secret)
    async with provider.stand_in(Behaviour(key=provider.key)) as server:
        async with start(card_of(provider.card(server.base_url))) as weir, weir.client() as client:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.chat.completions.create(model="auto", messages=HELLO, verbosity="low")
        assert "site/one: unsupported" in json.dumps(caught.value.body)
        assert not server.bodies

"""OpenAI's and Anthropic's own clients, unchanged, against a node whose only path is one adapter over its stand-in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from pydantic import BaseModel

from appliance.records.card import ModelCard
from tests.node.conftest import Running, Start
from tests.paths.providers import EVERY, Provider
from tests.standins.openai_answers import Behaviour

HELLO: Any = [{"role": "user", "content": "one two three four"}]
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "minLength": 3}}, "required": ["city"]}
STATED = {
    "tier": "site",
    "operator": "our own",
    "retention": "none",
    "trains_on_input": "no",
    "place": {"site": "s1", "country": "CH", "region": "EU"},
    "accuracy_default": 0.99,
    "accuracy_default_n": 1000,
    "price": {"input_per_million": 1.0, "output_per_million": 2.0},
}


class City(BaseModel):
    name: str
    people: int


@dataclass
class Served:
    """A node, and the only server behind it."""

    node: Running
    server: Any
    provider: Provider
    card: ModelCard

    def anthropic(self) -> AsyncAnthropic:
        return AsyncAnthropic(base_url=self.node.url, api_key="unused", max_retries=0)


@pytest.fixture(params=EVERY, ids=str)
async def served(
    request: pytest.FixtureRequest, start: Start, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    provider = EVERY[request.param]
    bern = {"name": "Bern", "people": 134_000}
    answers: Any = {"City": bern, None: bern}  # not every provider's form has a name
    behaviour = Behaviour(key=provider.key, json_answers=answers)
    monkeypatch.setenv("K", provider.secret)
    async with provider.stand_in(behaviour) as server:
        card = provider.card(server.base_url, over=STATED)
        async with start(card) as node:
            yield Served(node, server, provider, card)


async def test_openai_s_client_gets_answers_streams_forms_and_shows_images(served: Served) -> None:
    await a_chat_and_what_it_cost(served)
    await a_stream(served)
    await structured_output(served)
    await an_image_in(served)


async def test_openai_s_client_has_tools_called(served: Served) -> None:
    for stream in (False, True):
        await a_tool_is_called_and_its_result_goes_back(served, stream)


async def test_anthropic_s_client(served: Served) -> None:
    for stream in (False, True):
        await anthropic_s_client(served, stream)
    await anthropic_s_client_sends_an_image(served)


async def a_chat_and_what_it_cost(served: Served) -> None:
    async with served.node.client() as client:
        answer = await client.chat.completions.create(model="auto", messages=HELLO)
    assert answer.choices[0].message.content == "one two three four"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 4)
    (record,) = await served.node.records()
    assert record["outcome"]["cost"] == pytest.approx((4 * 1.0 + 4 * 2.0) / 1e6)


async def a_stream(served: Served) -> None:
    async with served.node.client() as client:
        stream = await client.chat.completions.create(
            model="auto", messages=HELLO, temperature=0.5, stream=True, stream_options={"include_usage": True}
        )
        events = [event async for event in stream]
    pieces = [event.choices[0].delta.content for event in events if event.choices and event.choices[0].delta.content]
    assert pieces == ["one", " two", " three", " four"]
    assert events[-1].usage is not None
    assert events[-1].usage.completion_tokens == 4


async def a_tool_is_called_and_its_result_goes_back(served: Served, stream: bool) -> None:
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    async with served.node.client() as client:
        if stream:
            async with client.chat.completions.stream(
                model="auto", messages=HELLO, tools=[tool], tool_choice="required"
            ) as events:
                answer: Any = await events.get_final_completion()
        else:
            answer = await client.chat.completions.create(
                model="auto", messages=HELLO, tools=[tool], tool_choice="required"
            )
        said = answer.choices[0].message
        assert answer.choices[0].finish_reason == "tool_calls"
        assert json.loads(said.tool_calls[0].function.arguments) == {"city": "xxx"}
        result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "sunny"}
        call = {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": said.tool_calls[0].id,
                    "type": "function",
                    "function": {"name": "weather", "arguments": said.tool_calls[0].function.arguments},
                }
            ],
        }
        messages: Any = [*HELLO, call, result]
        again = await client.chat.completions.create(model="auto", messages=messages, tools=[tool])
    assert again.choices[0].message.content
    assert "sunny" in repr(served.server.bodies[-1])


async def structured_output(served: Served) -> None:
    async with served.node.client() as client:
        answer = await client.chat.completions.parse(model="auto", messages=HELLO, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Bern", people=134_000)


async def an_image_in(served: Served) -> None:
    parts = [
        {"type": "text", "text": "one two"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    messages: Any = [{"role": "user", "content": parts}]
    async with served.node.client() as client:
        answer = await client.chat.completions.create(model="auto", messages=messages)
    assert answer.choices[0].message.content == "one two"
    assert PNG in repr(served.server.bodies[-1])


async def anthropic_s_client(served: Served, stream: bool) -> None:
    tool: Any = {"name": "weather", "input_schema": SCHEMA}
    asked: Any = {"model": "auto", "max_tokens": 50, "messages": HELLO}
    forced = {**asked, "tools": [tool], "tool_choice": {"type": "any"}}
    async with served.anthropic() as client:
        if stream:
            async with client.messages.stream(**asked) as events:
                answer = await events.get_final_message()
            async with client.messages.stream(**forced) as events:
                called = await events.get_final_message()
        else:
            answer = await client.messages.create(**asked)
            called = await client.messages.create(**forced)
    assert "".join(block.text for block in answer.content if block.type == "text") == "one two three four"
    assert (answer.stop_reason, answer.usage.output_tokens) == ("end_turn", 4)
    (use,) = [block for block in called.content if block.type == "tool_use"]
    assert (use.name, use.input) == ("weather", {"city": "xxx"})
    assert called.stop_reason == "tool_use"


async def anthropic_s_client_sends_an_image(served: Served) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    messages: Any = [{"role": "user", "content": [image, {"type": "text", "text": "one two"}]}]
    async with served.anthropic() as client:
        answer = await client.messages.create(model="auto", max_tokens=50, messages=messages)
    assert answer.content[-1].type == "text"
    assert answer.content[-1].text == "one two"
    assert PNG in repr(served.server.bodies[-1])

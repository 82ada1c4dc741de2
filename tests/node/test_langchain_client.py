"""A node whose only path is one provider's adapter over its stand-in: langchain's client, unchanged, on each of them;
thinking, and what is refused by name.
"""

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
from tests.node.conftest import Running, Start
from tests.paths.providers import EVERY, PROVIDERS
from tests.standins.anthropic_server import SEAL as ANTHROPICS_SEAL
from tests.standins.anthropic_server import VERTEX as CLAUDE
from tests.standins.gemini_server import SIGNATURE as GOOGLES_SEAL
from tests.standins.gemini_server import VERTEX, gemini
from tests.standins.google_accounts import account
from tests.standins.openai_answers import Behaviour

WORDS = "one two three four"
HELLO: Any = [{"role": "user", "content": WORDS}]
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n not much of a picture").decode()
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 3}},
    "required": ["city"],
}
TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "Of a city", "parameters": PARAMETERS}}
BERN = {"name": "Bern", "people": 3}


class City(BaseModel):
    """A city."""

    name: str
    people: int


@pytest.fixture(params=EVERY)
async def node(
    request: pytest.FixtureRequest, start: Start, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Running, Any]]:
    """A node, and the stand-in that is all it can ask."""
    provider = EVERY[request.param]
    monkeypatch.setenv("K", provider.secret)
    answers: Any = {"City": BERN, None: BERN}  # not every provider's form has a name
    server = provider.stand_in(Behaviour(json_answers=answers, key=provider.key))
    async with server, start(card_of(provider.card(server.base_url))) as weir:
        yield weir, server


def card_of(made: ModelCard, reasoning: str = "none") -> ModelCard:
    """The same on the site, and good."""
    able = made.capabilities.model_copy(update={"reasoning": reasoning})
    over = {"runtime": made.runtime, "endpoint": made.endpoint, "capabilities": able}
    return factories.card(
        "site/one", tier="site", modalities=("chat",), accuracy_default=0.99, accuracy_default_n=1000, **over
    )


def image(words: str) -> Any:
    parts = [
        {"type": "text", "text": words},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    return [{"role": "user", "content": parts}]


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
    await model.root_async_client.close()
    model.root_client.close()


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
async def test_thinking_is_shown_on_openais_wire(name: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = PROVIDERS[name]
    monkeypatch.setenv("K", provider.secret)
    async with provider.stand_in(Behaviour(key=provider.key)) as server:
        card = card_of(provider.card(server.base_url), reasoning="effort")
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
            steps = [step for row in await weir.records() for step in row["outcome"]["steps"]]
            assert sum(step["completion_tokens"] for step in steps) == server.bills.total("completion_tokens") == 11
            assert sum(step["prompt_tokens"] for step in steps) == server.bills.total("prompt_tokens")


@pytest.mark.parametrize(("name", "words"), [("anthropic", "budget"), ("anthropic", "effort"), ("gemini", "budget")])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_thinking_goes_back_under_its_seal_on_anthropics_wire(
    name: str, words: str, stream: bool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = PROVIDERS[name]
    monkeypatch.setenv("K", provider.secret)
    tool: Any = {"name": "weather", "input_schema": PARAMETERS}
    asked: Any = [{"role": "user", "content": "Weather?"}]
    forced: Any = {"tools": [tool], "tool_choice": {"type": "any"}} if name == "anthropic" else {}
    async with (
        provider.stand_in(Behaviour(key=provider.key)) as server,
        start(card_of(provider.card(server.base_url), reasoning=words)) as weir,
        anthropic.AsyncAnthropic(base_url=weir.url, api_key="unused", max_retries=0) as client,
    ):
        ask: Any = {
            "model": "auto",
            "max_tokens": 4096,
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "tools": [tool],
        }
        if stream:
            async with client.messages.stream(messages=asked, **{**ask, **forced}) as events:
                first = await events.get_final_message()
        else:
            first = await client.messages.create(messages=asked, **{**ask, **forced})
        thoughts = [block for block in first.content if block.type == "thinking"]
        assert "".join(block.thinking for block in thoughts) == "Let me see."
        assert next(s for block in thoughts if (s := block.signature)).startswith(("anthropic:", "google:"))
        uses = [block for block in first.content if block.type == "tool_use"]
        result: Any = [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"} for use in uses]
        back: Any = [*asked, {"role": "assistant", "content": first.content}]
        back.append({"role": "user", "content": result or "And?"})
        second = await client.messages.create(messages=back, **ask)
        assert [block.type for block in second.content][:1] == ["thinking"]
        sent = json.dumps(server.bodies[-1])
        assert (ANTHROPICS_SEAL if name == "anthropic" else GOOGLES_SEAL) in sent
        assert "anthropic:" not in sent and "google:" not in sent


@pytest.mark.parametrize(("name", "publisher"), [("gemini", VERTEX), ("anthropic", CLAUDE)])
async def test_vertex_gets_its_tokens_from_where_the_card_says(
    name: str, publisher: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K", account())
    async with PROVIDERS[name].stand_in(Behaviour(key="unused")) as server, gemini() as elsewhere:
        elsewhere.wire.tokens = server.wire.tokens  # another server, of the same provider
        where = {"base_url": server.base_url + publisher, "token_url": elsewhere.token_url}
        card = card_of(PROVIDERS[name].card(**where))
        async with start(card) as weir, weir.client() as client:
            for words in ("one", "two"):
                asked: Any = [{"role": "user", "content": words}]
                answer = await client.chat.completions.create(model="auto", messages=asked)
                assert answer.choices[0].message.content == words
            async with (
                anthropic.AsyncAnthropic(base_url=weir.url, api_key="unused", max_retries=0) as own,
                own.messages.stream(
                    model="auto", max_tokens=9, messages=[{"role": "user", "content": "three"}]
                ) as said,
            ):
                assert await said.get_final_text() == "three"
        assert server.wire.tokens == ["ya29.stand-in-0"]


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

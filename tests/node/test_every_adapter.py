"""Every official SDK, unchanged, on every adapter through its stand-in, for all that they are asked for.

The table of docs/wire.md ("What was tried") is that of `SDKS` and `ADAPTERS`; every cell of it is a test here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic import BaseModel

from appliance.records.card import ModelCard
from tests.node.conftest import Running, running_node, upstream_card
from tests.paths.providers import PROVIDERS
from tests.standins.openai_answers import Behaviour
from tests.standins.openai_server import OpenAIStandIn
from tests.standins.provider import ProviderStandIn

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPENAI = {"openai_http": "openai", "mistral": "mistral"}  # its dialect, and the flavour that has words of its own
ADAPTERS = (*OPENAI, *(provider.runtime for provider in PROVIDERS.values()))
FEATURES = ("chat", "streaming", "tools", "structured output", "images in")
SAID = "one two three four"
DATA = base64.b64encode(b"\x89PNG\r\n\x1a\n not much of a picture").decode()
PIXEL = f"data:image/png;base64,{DATA}"
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 3}},
    "required": ["city"],
    "additionalProperties": False,
}
CALLED = ("weather", {"city": "xxx"})


class City(BaseModel):
    """A city."""

    name: str
    people: int


@dataclass
class Upstream:
    """A node with one path of an adapter, and the stand-in behind it."""

    weir: Running
    server: OpenAIStandIn | ProviderStandIn
    made: dict[type[Any], Any] = field(default_factory=dict)

    def sdk(self, kind: type[Any]) -> Any:
        """A client of the node, the same for all tests."""
        if kind not in self.made:
            self.made[kind] = kind(self.weir.url)
        return self.made[kind]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ADAPTERS)
async def upstream(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Upstream]:
    """Nothing is kept, so that every question reaches the stand-in."""
    patch = pytest.MonkeyPatch()
    async with AsyncExitStack() as stack:
        server, card = await _started(request.param, stack, patch)
        folder = tmp_path_factory.mktemp("node")
        weir = await stack.enter_async_context(running_node(folder, card, cache={"enabled": False}))
        upstream = Upstream(weir, server)
        yield upstream
        for sdk in upstream.made.values():
            await sdk.close()
    patch.undo()


async def _started(
    runtime: str, stack: AsyncExitStack, patch: pytest.MonkeyPatch
) -> tuple[OpenAIStandIn | ProviderStandIn, ModelCard]:
    capabilities = {"tools": True, "json_schema": True, "images_in": True}
    if runtime in OPENAI:
        plain = await stack.enter_async_context(OpenAIStandIn(Behaviour(flavour=OPENAI[runtime])))
        endpoint = {"flavour": OPENAI[runtime]}
        return plain, upstream_card(plain.base_url, capabilities=capabilities, endpoint=endpoint)
    provider = next(one for one in PROVIDERS.values() if one.runtime == runtime)
    server = await stack.enter_async_context(provider.stand_in(Behaviour(key=provider.key)))
    patch.setenv("WEIR_TEST_KEY", provider.secret)
    stated = {"api_key_ref": "env:WEIR_TEST_KEY", **provider.endpoint}
    over = {"runtime": runtime, "modalities": ("chat",), "capabilities": capabilities, "endpoint": stated}
    return server, upstream_card(server.base_url, **over)


# -- the SDKs: each feature gives what the application gets ------------------------------------------------


class OpenAIChat:
    """openai, chat.completions."""

    name = "openai, chat completions"

    def __init__(self, url: str) -> None:
        self.client = AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
        self.tool: Any = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}

    async def ask(self, content: Any = SAID, **over: Any) -> Any:
        messages: Any = [{"role": "user", "content": content}]
        return await self.client.chat.completions.create(model="auto", messages=messages, **over)

    async def chat(self) -> str:
        return str((await self.ask()).choices[0].message.content)

    async def stream(self) -> str:
        events = [event async for event in await self.ask(stream=True, stream_options={"include_usage": True})]
        assert events[-1].usage.total_tokens > 0
        return "".join(event.choices[0].delta.content or "" for event in events if event.choices)

    async def tools(self) -> tuple[str, Any]:
        (call,) = (await self.ask(tools=[self.tool], tool_choice="required")).choices[0].message.tool_calls
        turns: Any = [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ]
        await self.client.chat.completions.create(model="auto", messages=turns, tools=[self.tool])
        return call.function.name, json.loads(call.function.arguments)

    async def structured(self) -> Any:
        messages: Any = [{"role": "user", "content": SAID}]
        answer = await self.client.chat.completions.parse(model="auto", messages=messages, response_format=City)
        return answer.choices[0].message.parsed

    async def image(self) -> str:
        content = [{"type": "text", "text": SAID}, {"type": "image_url", "image_url": {"url": PIXEL}}]
        return str((await self.ask(content)).choices[0].message.content)

    async def close(self) -> None:
        await self.client.close()


class OpenAIResponses:
    """openai, responses."""

    name = "openai, responses"

    def __init__(self, url: str) -> None:
        self.client = AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
        self.tool: Any = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": True}

    async def chat(self) -> str:
        return (await self.client.responses.create(model="auto", input=SAID)).output_text

    async def stream(self) -> str:
        async with self.client.responses.stream(model="auto", input=SAID) as stream:
            pieces = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            final = await stream.get_final_response()
        assert final.usage is not None
        assert final.output_text == "".join(pieces)
        return final.output_text

    async def tools(self) -> tuple[str, Any]:
        ask: Any = {"role": "user", "content": "Weather?"}
        first = await self.client.responses.create(model="auto", input=[ask], tools=[self.tool], tool_choice="required")
        (call,) = [item for item in first.output if item.type == "function_call"]  # a plan may stand before it
        items: Any = [ask, *first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
        await self.client.responses.create(model="auto", input=items, tools=[self.tool])
        return call.name, json.loads(call.arguments)

    async def structured(self) -> Any:
        return (await self.client.responses.parse(model="auto", input=SAID, text_format=City)).output_parsed

    async def image(self) -> str:
        content = [
            {"type": "input_text", "text": SAID},
            {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
        ]
        items: Any = [{"role": "user", "content": content}]
        return (await self.client.responses.create(model="auto", input=items)).output_text

    async def close(self) -> None:
        await self.client.close()


class Anthropic:
    """anthropic, messages."""

    name = "anthropic, messages"

    def __init__(self, url: str) -> None:
        self.client = AsyncAnthropic(base_url=url, api_key="unused", max_retries=0)
        self.tool: Any = {"name": "weather", "input_schema": PARAMETERS}

    async def ask(self, content: Any = SAID, **over: Any) -> Any:
        messages: Any = over.pop("messages", [{"role": "user", "content": content}])
        return await self.client.messages.create(model="auto", max_tokens=100, messages=messages, **over)

    async def chat(self) -> str:
        return str((await self.ask()).content[0].text)

    async def stream(self) -> str:
        messages: Any = [{"role": "user", "content": SAID}]
        async with self.client.messages.stream(model="auto", max_tokens=100, messages=messages) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            final = await stream.get_final_message()
        assert final.stop_reason == "end_turn"
        assert final.usage.output_tokens > 0
        return text

    async def tools(self) -> tuple[str, Any]:
        first = await self.ask("Weather?", tools=[self.tool], tool_choice={"type": "any"})
        (use,) = first.content
        assert first.stop_reason == "tool_use"
        result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
        turns = [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ]
        await self.ask(messages=turns, tools=[self.tool])
        return use.name, use.input

    async def structured(self) -> Any:
        messages: Any = [{"role": "user", "content": SAID}]
        answer = await self.client.messages.parse(model="auto", max_tokens=100, messages=messages, output_format=City)
        return answer.parsed_output

    async def image(self) -> str:
        source = {"type": "base64", "media_type": "image/png", "data": DATA}
        return str(
            (await self.ask([{"type": "text", "text": SAID}, {"type": "image", "source": source}])).content[0].text
        )

    async def close(self) -> None:
        await self.client.close()


class LangChain:
    """langchain-openai, ChatOpenAI."""

    name = "langchain-openai, chat completions"
    over: ClassVar[dict[str, Any]] = {}

    def __init__(self, url: str) -> None:
        module = pytest.importorskip("langchain_openai")
        self.model = module.ChatOpenAI(
            base_url=f"{url}/v1", api_key="unused", model="auto", max_retries=0, stream_usage=True, **self.over
        )
        self.tool: Any = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}

    async def chat(self) -> str:
        return str((await self.model.ainvoke(SAID)).text)

    async def stream(self) -> str:
        pieces = [piece async for piece in self.model.astream(SAID)]
        assert sum(piece.usage_metadata["total_tokens"] for piece in pieces if piece.usage_metadata) > 0
        return "".join(str(piece.text) for piece in pieces)

    async def tools(self) -> tuple[str, Any]:
        from langchain_core.messages import HumanMessage, ToolMessage

        bound = self.model.bind_tools([self.tool], tool_choice="any")
        first = await bound.ainvoke([HumanMessage("Weather?")])
        (call,) = first.tool_calls
        turns = [HumanMessage("Weather?"), first, ToolMessage("sunny", tool_call_id=call["id"])]
        await self.model.bind_tools([self.tool]).ainvoke(turns)
        return call["name"], call["args"]

    async def structured(self) -> Any:
        return await self.model.with_structured_output(City).ainvoke(SAID)

    async def image(self) -> str:
        from langchain_core.messages import HumanMessage

        content = [{"type": "text", "text": SAID}, {"type": "image_url", "image_url": {"url": PIXEL}}]
        return str((await self.model.ainvoke([HumanMessage(content)])).text)

    async def close(self) -> None:
        await self.model.root_async_client.close()
        self.model.root_client.close()


class LangChainResponses(LangChain):
    """langchain-openai, ChatOpenAI over responses."""

    name = "langchain-openai, responses"
    over: ClassVar[dict[str, Any]] = {"use_responses_api": True}


SDKS = (OpenAIChat, OpenAIResponses, Anthropic, LangChain, LangChainResponses)
Sdk = OpenAIChat | OpenAIResponses | Anthropic | LangChain


sdk_of = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name.replace(", ", "-").replace(" ", "-"))


@sdk_of
async def test_chat(upstream: Upstream, sdk: type[Sdk]) -> None:
    assert await upstream.sdk(sdk).chat() == SAID


@sdk_of
async def test_streaming(upstream: Upstream, sdk: type[Sdk]) -> None:
    assert await upstream.sdk(sdk).stream() == SAID


@sdk_of
async def test_tools(upstream: Upstream, sdk: type[Sdk]) -> None:
    before = len(upstream.server.bodies)
    assert await upstream.sdk(sdk).tools() == CALLED
    called, answered = upstream.server.bodies[before:]
    assert "weather" in str(called)
    assert "sunny" in str(answered)


@sdk_of
async def test_structured_output(upstream: Upstream, sdk: type[Sdk]) -> None:
    assert await upstream.sdk(sdk).structured() == City(name="", people=0)


@sdk_of
async def test_images_in(upstream: Upstream, sdk: type[Sdk]) -> None:
    assert await upstream.sdk(sdk).image() == SAID
    assert DATA in str(upstream.server.bodies[-1])

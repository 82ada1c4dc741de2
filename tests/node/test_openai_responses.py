"""OpenAI's own client on /v1/responses, unchanged, against a node."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import openai
import orjson
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from appliance.paths.contract import Done, PathError, Reasoning, Text, Usage
from tests.node.conftest import Running, Start, fake_card, upstream_card
from tests.node.doubles import FakePath
from tests.node.test_openai_client import in_a_thread
from tests.standins.openai_server import OpenAIStandIn

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "minLength": 3}}, "required": ["city"]},
}
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n not much of a picture").decode()
HELLO = "one two three four"


async def kinds_into(seen: list[str], stream: Any) -> None:
    async for event in stream:
        seen.append(event.type)


class City(BaseModel):
    name: str
    people: int


async def test_the_async_client_gets_a_response(weir: Running) -> None:
    async with weir.client() as client:
        response = await client.responses.create(model="auto", input=HELLO, instructions="Be brief.")
    assert response.output_text == HELLO
    assert (response.object, response.status, response.model) == ("response", "completed", "site/one")
    assert response.instructions == "Be brief."
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (6, 4, 10)
    assert response.model_extra == {"store": False}


async def test_the_sync_client_gets_a_response_and_a_stream(weir: Running) -> None:
    def work() -> tuple[str, str, Response]:
        with in_a_thread(weir) as client:
            whole = client.responses.create(model="auto", input=HELLO)
            with client.responses.stream(model="auto", input="five six") as stream:
                pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
                return whole.output_text, "".join(pieces), stream.get_final_response()

    said, streamed, final = await asyncio.to_thread(work)
    assert (said, streamed, final.output_text) == (HELLO, "five six", "five six")
    assert final.usage is not None
    assert (final.usage.input_tokens, final.usage.output_tokens) == (2, 2)


async def test_a_stream_has_its_events_in_order(weir: Running) -> None:
    async with weir.client() as client:
        events = [event async for event in await client.responses.create(model="auto", input=HELLO, stream=True)]
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert set(kinds[4:-4]) == {"output_text.delta"}
    assert kinds[-4:] == ["output_text.done", "content_part.done", "output_item.done", "completed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))


async def test_what_is_stated_reaches_the_upstream(weir: Running, upstream: OpenAIStandIn) -> None:
    async with weir.client() as client:
        await client.responses.create(
            model="auto",
            input=[
                {"role": "developer", "content": "Rhyme."},
                {"role": "user", "content": [
                    {"type": "input_text", "text": "What?"},
                ]},
            ],
            max_output_tokens=5, temperature=0.3, reasoning={"effort": "low"}, text={"verbosity": "low"}, user="ann",
        )  # fmt: skip
    body = upstream.bodies[-1]
    assert body["messages"] == [{"role": "developer", "content": "Rhyme."}, {"role": "user", "content": "What?"}]
    assert 5 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert (body["temperature"], body["reasoning_effort"], body["verbosity"]) == (0.3, "low", "low")
    assert "store" not in body


async def test_an_answer_has_the_shape_that_the_client_parses(weir: Running, upstream: OpenAIStandIn) -> None:
    upstream.behaviour.json_answers["City"] = {"name": "Bern", "people": 134_000}
    async with weir.client() as client:
        response = await client.responses.parse(model="auto", input="Which city?", text_format=City)
        async with client.responses.stream(model="auto", input="Which city now?", text_format=City) as stream:
            final = await stream.get_final_response()
    assert response.output_parsed == final.output_parsed == City(name="Bern", people=134_000)


async def test_a_tool_is_called_and_its_output_goes_back(weir: Running, upstream: OpenAIStandIn) -> None:
    async with weir.client() as client:
        ask: Any = {"role": "user", "content": "Weather?"}
        first = await client.responses.create(model="auto", input=[ask], tools=[TOOL], tool_choice="required")
        (call,) = first.output
        assert call.type == "function_call"
        assert (call.name, orjson.loads(call.arguments)) == ("weather", {"city": "xxx"})
        items: Any = [ask, *first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
        second = await client.responses.create(model="auto", input=items, tools=[TOOL])
        async with client.responses.stream(
            model="auto", input="Weather now?", tools=[TOOL], tool_choice="required"
        ) as stream:
            streamed = await stream.get_final_response()
    sent = upstream.bodies[-2]["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == call.call_id
    assert second.output_text == "Weather?"
    assert streamed.output[0].type == "function_call"


async def test_images_reach_a_path_that_sees(start: Start, upstream: OpenAIStandIn) -> None:
    content: Any = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
    ]
    async with (
        start(upstream_card(upstream.base_url, capabilities={"images_in": True})) as weir,
        weir.client() as client,
    ):
        await client.responses.create(model="auto", input=[{"role": "user", "content": content}])
    parts = upstream.bodies[-1]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[1]["image_url"]["url"] == PIXEL


async def test_an_answer_to_a_chat_answers_a_response_and_the_other_way_round(weir: Running) -> None:
    ask = [{"role": "user", "content": HELLO}]
    async with weir.client() as client:
        await client.chat.completions.create(model="auto", messages=ask)  # type: ignore[arg-type]
        hit = await client.responses.with_raw_response.create(model="auto", input=HELLO)
        again = await client.responses.with_raw_response.create(model="auto", input=HELLO, metadata={"k": "v"})
        third = await client.responses.with_raw_response.create(model="auto", input=HELLO, metadata={"k": "v"})
        stream = await client.responses.create(model="auto", input=HELLO, stream=True)
        events = [event async for event in stream]
        await client.responses.create(model="auto", input="another")
        back = await client.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": "another"}]
        )
    for raw in (hit, again, third, back):
        assert raw.headers["x-weir-cache"].startswith("hit")
    assert hit.parse().output_text == HELLO
    assert hit.parse().metadata == {}
    assert again.parse().metadata == third.parse().metadata == {"k": "v"}
    assert again.parse().id != third.parse().id
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == HELLO


async def test_errors_have_openais_form_and_name_the_parameter(weir: Running) -> None:
    async with weir.client() as client:
        with pytest.raises(openai.BadRequestError) as kept:
            await client.responses.create(model="auto", input=HELLO, store=True)
        with pytest.raises(openai.BadRequestError) as chained:
            await client.responses.create(model="auto", input=HELLO, previous_response_id="resp_1")
        with pytest.raises(openai.BadRequestError) as tool:
            await client.responses.create(model="auto", input=HELLO, tools=[{"type": "web_search"}])
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve("resp_1")
    assert [error.value.param for error in (kept, chained, tool)] == ["store", "previous_response_id", "tools[0].type"]
    assert "all earlier items" in chained.value.message


async def test_labels_hold_on_this_wire_too(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url, tier="frontier")) as weir, weir.client() as client:
        with pytest.raises(openai.PermissionDeniedError):
            await client.responses.create(model="auto", input=HELLO, extra_headers={"X-Weir-Residency": "node"})
        with pytest.raises(openai.PermissionDeniedError):
            await client.responses.create(model="auto", input=HELLO, metadata={"weir_residency": "node"})
    assert upstream.bodies == []


async def test_a_stream_that_breaks_off_cannot_be_missed(start: Start) -> None:
    script = [Text("one"), Text(" two"), PathError("broken_stream", "cut")]
    seen: list[str] = []
    async with start(fakes=(FakePath(fake_card("device/a"), script),)) as weir, weir.client() as client:
        stream = await client.responses.create(model="auto", input=HELLO, stream=True)
        with pytest.raises(openai.APIError, match="broke off"):
            await kinds_into(seen, stream)
    assert seen[-1] == "response.failed"
    assert seen.count("response.output_text.delta") == 2


async def test_thinking_is_shown_and_its_seal_carried(start: Start) -> None:
    script = [Reasoning("Let me"), Reasoning(" think.", seal="SEAL"), Text("Four."), Done(Usage(3, 9, 0, 7))]
    path = FakePath(fake_card("device/a"), script)
    include: Any = ["reasoning.encrypted_content"]
    async with start(fakes=(path,)) as weir, weir.client() as client:
        first = await client.responses.create(
            model="auto", input="2+2?", reasoning={"summary": "auto"}, include=include
        )
        items: Any = [{"role": "user", "content": "2+2?"}, *first.output, {"role": "user", "content": "Sure?"}]
        await client.responses.create(model="auto", input=items)
    thought = first.output[0]
    assert thought.type == "reasoning"
    assert (thought.summary[0].text, thought.encrypted_content) == ("Let me think.", "SEAL")
    assert first.output_text == "Four."
    assert first.usage is not None
    assert first.usage.output_tokens_details.reasoning_tokens == 7
    sent = path.jobs[-1].messages[1]
    assert sent.parts == ({"type": "thinking", "thinking": "Let me think.", "signature": "SEAL"},)
    assert sent.content == "Four."

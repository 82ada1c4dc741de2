"""Anthropic's own client, unchanged, against a node."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import orjson
import pytest
from anthropic import Anthropic
from pydantic import BaseModel

from appliance.paths.contract import Done, ToolCall, Usage
from tests.node.anthropic_rig import HELLO, PIXEL, TOOL, ask, client_of
from tests.node.conftest import Running, Start, fake_card, upstream_card
from tests.node.doubles import FakePath, answer
from tests.standins.openai_server import OpenAIStandIn


class City(BaseModel):
    name: str
    people: int


async def test_the_async_client_gets_an_answer(weir: Running) -> None:
    async with client_of(weir) as client:
        answer = await ask(client)
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", "site/one")
    assert str(answer._request_id).startswith("wr_")
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].text == "one two three four"
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (4, 4)
    assert answer.usage.cache_read_input_tokens == 0


async def test_the_sync_client_gets_an_answer_and_a_stream(weir: Running) -> None:
    def work() -> tuple[str, str, Any]:
        with Anthropic(base_url=weir.url, api_key="unused", max_retries=0) as client:
            whole = ask(client)
            with client.messages.stream(
                model="auto", max_tokens=100, messages=[{"role": "user", "content": "five six"}]
            ) as stream:
                text = "".join(stream.text_stream)
                return whole.content[0].text, text, stream.get_final_message()

    said, streamed, final = await asyncio.to_thread(work)
    assert (said, streamed) == ("one two three four", "five six")
    assert (final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == ("end_turn", 2, 2)


async def test_a_stream_has_its_events_in_order(weir: Running) -> None:
    async with client_of(weir) as client:
        events = [event async for event in await ask(client, stream=True)]
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert events[0].message.content == []
    assert events[0].message.stop_reason is None
    assert "".join(event.delta.text for event in events[2:-3]) == "one two three four"
    assert events[-2].delta.stop_reason == "end_turn"
    assert (events[-2].usage.input_tokens, events[-2].usage.output_tokens) == (4, 4)


async def test_what_the_system_says_and_every_parameter_reach_the_upstream(
    weir: Running, upstream: OpenAIStandIn
) -> None:
    async with client_of(weir) as client:
        answer = await ask(
            client,
            max_tokens=5,
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            stop_sequences=["four"],
            metadata={"user_id": "ann"},
            thinking={"type": "disabled"},
            output_config={"effort": "low"},
            service_tier="standard_only",
            extra_body={"temperature": 0.3, "top_p": 0.9},
        )
    body = upstream.bodies[-1]
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, *HELLO]
    assert (body["temperature"], body["top_p"], body["stop"]) == (0.3, 0.9, ["four"])
    assert 5 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert (body["user"], body["reasoning_effort"], body["service_tier"]) == ("ann", "low", "default")
    assert "cache_control" not in str(body)
    assert answer.stop_reason == "end_turn"


async def test_an_answer_that_is_cut_off_says_so(weir: Running) -> None:
    async with client_of(weir) as client:
        answer = await ask(client, max_tokens=2)
        events = [event async for event in await ask(client, max_tokens=2, stream=True)]
    assert (answer.content[0].text, answer.stop_reason) == ("one two", "max_tokens")
    assert events[-2].delta.stop_reason == "max_tokens"


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "weather"}])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_is_called(weir: Running, upstream: OpenAIStandIn, stream: bool, choice: Any) -> None:
    async with client_of(weir) as client:
        asked = {"tools": [TOOL], "tool_choice": {**choice, "disable_parallel_tool_use": True}}
        if stream:
            async with client.messages.stream(model="auto", max_tokens=100, messages=HELLO, **asked) as events:
                pieces = [event.partial_json async for event in events if event.type == "input_json"]
                answer = await events.get_final_message()
            assert "".join(pieces) == '{"city": "xxx"}'
        else:
            answer = await ask(client, **asked)
    assert answer.stop_reason == "tool_use"
    (block,) = answer.content
    assert (block.type, block.id, block.name, block.input) == ("tool_use", "call_1", "weather", {"city": "xxx"})
    body = upstream.bodies[-1]
    assert body["tools"][0]["function"] == {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": TOOL["input_schema"],
    }
    wanted = "required" if choice["type"] == "any" else {"type": "function", "function": {"name": "weather"}}
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (wanted, False)


async def test_a_tools_result_goes_back_with_what_the_client_was_given(weir: Running, upstream: OpenAIStandIn) -> None:
    async with client_of(weir) as client:
        called = await ask(client, tools=[TOOL], tool_choice={"type": "any"})
        result: Any = {
            "type": "tool_result",
            "tool_use_id": called.content[0].id,
            "content": "no signal",
            "is_error": True,
        }
        follow: Any = {"role": "user", "content": [result, {"type": "text", "text": "well?"}]}
        answer = await ask(client, tools=[TOOL], messages=[*HELLO, called.to_param(), follow])
    sent = upstream.bodies[-1]["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "user"]
    assert sent[1]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"xxx"}'}}
    ]
    assert (sent[2]["tool_call_id"], sent[2]["content"]) == ("call_1", "Error: no signal")
    assert answer.content[0].text == "well?"


async def test_an_image_reaches_a_path_that_takes_images(start: Start, upstream: OpenAIStandIn) -> None:
    image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    messages: Any = [{"role": "user", "content": [image, {"type": "text", "text": "what is it"}]}]
    card = upstream_card(upstream.base_url, capabilities={"images_in": True, "system": True, "streaming": True})
    async with start(card) as weir, client_of(weir) as client:
        answer = await ask(client, messages=messages)
    assert answer.content[0].text == "what is it"
    assert upstream.bodies[-1]["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "text", "text": "what is it"},
    ]


async def test_structured_output_is_parsed_into_the_callers_class(weir: Running, upstream: OpenAIStandIn) -> None:
    upstream.behaviour.json_answers["answer"] = {"name": "Bern", "people": 134_000}
    async with client_of(weir) as client:
        answer = await client.messages.parse(model="auto", max_tokens=100, messages=HELLO, output_format=City)
    assert answer.parsed_output == City(name="Bern", people=134_000)
    assert upstream.bodies[-1]["response_format"]["json_schema"]["strict"] is True


async def test_tokens_are_counted_and_nothing_runs(weir: Running, upstream: OpenAIStandIn) -> None:
    async with client_of(weir) as client:
        few = await client.messages.count_tokens(model="auto", messages=HELLO)
        more = await client.messages.count_tokens(model="auto", messages=HELLO, system="Be brief.", tools=[TOOL])
    assert 4 <= few.input_tokens <= 12
    assert few.input_tokens + 20 < more.input_tokens < 200
    assert not upstream.bodies
    assert await weir.records() == []


async def test_models_are_listed_and_retrieved_in_the_callers_dialect(weir: Running) -> None:
    async with client_of(weir) as client, weir.client() as other:
        ids = [model.id async for model in client.models.list()]
        assert ids[0] == "auto"
        assert "site/one" in ids
        assert "cache/exact" not in ids
        one = await client.models.retrieve("site/one")
        assert (one.id, one.type, one.lifecycle) == ("site/one", "model", "active")
        assert one.created_at.year > 2000
        with pytest.raises(anthropic.NotFoundError) as caught:
            await client.models.retrieve("nobody")
        assert caught.value.type == "not_found_error"
        assert (await other.models.retrieve("site/one")).object == "model"


async def test_models_come_in_pages_which_the_sdk_turns(start: Start, upstream: OpenAIStandIn) -> None:
    cards = [upstream_card(upstream.base_url, f"site/{at:02}") for at in range(30)]
    async with start(*cards) as weir, client_of(weir) as client, weir.client() as other:
        every = [model.id for model in (await other.models.list(extra_query={"limit": 3})).data]
        assert len(every) == 34, "OpenAI's list has no pages"
        first = await client.models.list()
        assert ([model.id for model in first.data], first.has_more) == (every[:20], True)
        assert [model.id async for model in client.models.list()] == every
        assert [model.id async for model in client.models.list(limit=7)] == every
        before = client.models.list(limit=4, before_id=every[-1])
        pages = [[model.id for model in page.data] async for page in (await before).iter_pages()]
        assert [id for page in reversed(pages) for id in page] == every[:-1]
        assert (await client.models.retrieve("site/29")).id == "site/29"
        for wrong, param in (
            ({"limit": 0}, "limit"),
            ({"limit": 1001}, "limit"),
            ({"after_id": "nobody"}, "after_id"),
            ({"before_id": "nobody"}, "before_id"),
            ({"after_id": "auto", "before_id": "site/29"}, "before_id"),
        ):
            with pytest.raises(anthropic.BadRequestError) as caught:
                await client.models.list(**wrong)
            assert caught.value.body["error"]["param"] == param


async def test_hits_are_said_in_the_dialect_that_asks(weir: Running, upstream: OpenAIStandIn) -> None:
    """The same question on either wire is one entry; whole and streamed, said again and again."""
    async with client_of(weir) as ours, weir.client() as theirs:
        for turn in range(3):
            raw = await ours.messages.with_raw_response.create(model="auto", max_tokens=100, messages=HELLO)
            answer = await raw.parse()
            assert raw.headers["x-weir-cache"].partition(";")[0] == ("hit" if turn else "miss")
            assert (answer.type, answer.content[0].text) == ("message", "one two three four")
            assert answer.id == raw.headers["x-weir-decision"]
            other = await theirs.chat.completions.with_raw_response.create(model="auto", max_tokens=100, messages=HELLO)
            assert other.headers["x-weir-cache"].startswith("hit")
            chat = other.parse()
            assert (chat.object, chat.choices[0].message.content) == ("chat.completion", "one two three four")
            async with ours.messages.stream(model="auto", max_tokens=100, messages=HELLO) as stream:
                text = "".join([piece async for piece in stream.text_stream])
                assert stream.response.headers["x-weir-cache"].startswith("hit")
                assert (text, (await stream.get_final_message()).stop_reason) == ("one two three four", "end_turn")
    assert len(upstream.bodies) == 1
    assert len(weir.node.hits) == 2  # a mould for each wire
    assert len({row["id"] for row in await weir.records()}) == 9


async def test_the_same_at_the_same_time_on_both_wires_runs_once(weir: Running, upstream: OpenAIStandIn) -> None:
    upstream.behaviour.delay_first_s = 0.3
    async with client_of(weir) as ours, weir.client() as theirs:
        one, other = await asyncio.gather(
            ask(ours), theirs.chat.completions.create(model="auto", max_tokens=100, messages=HELLO)
        )
    assert one.content[0].text == other.choices[0].message.content == "one two three four"
    assert len(upstream.bodies) == 1


async def test_a_body_that_both_wires_know_is_read_anew_on_each(weir: Running) -> None:
    """Byte for byte the same, a limit of tokens included: what was read of one is not taken for the other."""
    body = orjson.dumps({"model": "auto", "max_tokens": 9, "temperature": 1.5, "messages": HELLO})
    for _ in range(3):
        async with weir.session.post(f"{weir.url}/v1/chat/completions", data=body) as response:
            assert response.status == 200
            assert (await response.json())["object"] == "chat.completion"
        async with weir.session.post(f"{weir.url}/v1/messages", data=body) as response:
            assert response.status == 400
            assert (await response.json())["error"]["param"] == "temperature"


async def test_labels_come_from_headers_and_metadata(start: Start, upstream: OpenAIStandIn) -> None:
    frontier = upstream_card(upstream.base_url, "frontier/far", tier="frontier", place={"country": "US"})
    async with start(frontier) as weir, client_of(weir) as client:
        for over in (
            {"extra_headers": {"X-Weir-Classification": "restricted"}},
            {"metadata": {"user_id": "ann", "weir_classification": "restricted"}},
        ):
            with pytest.raises(anthropic.PermissionDeniedError):
                await ask(client, **over)
        for row in await weir.records():
            assert row["asked"]["labels"]["classification"] == "restricted"
    assert not upstream.bodies


async def test_what_detectors_find_raises_the_label_here_too(weir: Running) -> None:
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "Write to ann.lee@example.com"}]}]
    async with client_of(weir) as client:
        raw = await client.messages.with_raw_response.create(model="auto", max_tokens=9, messages=messages)
    assert raw.headers["x-weir-cache"] == "bypass"
    assert "given=internal" in raw.headers["x-weir-classification"]


async def test_counting_says_that_it_estimates(weir: Running) -> None:
    async with client_of(weir) as client:
        count = await client.messages.count_tokens(model="auto", messages=HELLO)
    assert count.model_extra == {"weir": {"estimate": True}}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_clients_tool_runner_sends_all_messages_where_it_is_told_that_no_thread_is_held(
    start: Start, stream: bool
) -> None:
    @anthropic.beta_async_tool
    async def weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    call = {"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    called = [ToolCall(call), Done(Usage(1, 1), ("tool_calls",))]
    far = FakePath(
        fake_card("fake/one", capabilities={"tools": True}),
        lambda job: answer("sunny") if job.messages[-1].role == "tool" else called,
    )
    async with start(fakes=(far,)) as weir, client_of(weir) as client:
        runner: Any = client.beta.messages.tool_runner(
            model="auto", max_tokens=100, messages=HELLO, tools=[weather], stream=stream
        )
        message = await runner.until_done()
        with pytest.raises(anthropic.BadRequestError) as caught:
            await client.beta.messages.create(model="auto", max_tokens=9, messages=HELLO, thread={"type": "create"})
    assert message.content[0].text == "sunny"
    assert [[one.role for one in job.messages] for job in far.jobs] == [["user"], ["user", "assistant", "tool"]]
    assert far.jobs[-1].messages[-1].content == "sunny in Bern"
    assert caught.value.body["error"]["param"] == "thread"

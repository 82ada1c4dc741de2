"""Anthropic's own client, unchanged, against a node."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import anthropic
import orjson
import pytest
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel

from appliance.paths.contract import Done, Reasoning, Text, Usage
from appliance.records.request import Thinking
from tests.node.conftest import Running, Start, fake_card, until, upstream_card
from tests.node.doubles import FakePath
from tests.standins.openai_server import OpenAIStandIn

HELLO: Any = [{"role": "user", "content": "one two three four"}]
TOOL: Any = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "minLength": 3}},
        "required": ["city"],
    },
}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n not much of a picture").decode()


class City(BaseModel):
    name: str
    people: int


def client_of(weir: Running, **over: Any) -> AsyncAnthropic:
    return AsyncAnthropic(**({"base_url": weir.url, "api_key": "unused", "max_retries": 0} | over))


def ask(client: Any, **over: Any) -> Any:
    return client.messages.create(**({"model": "auto", "max_tokens": 100, "messages": HELLO} | over))


async def kinds_into(got: list[str], stream: Any) -> None:
    async for event in stream:
        got.append(event.type)


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


ERRORS: list[tuple[dict[str, Any], type[Exception], str, str]] = [
    ({"model": "claude-9"}, anthropic.NotFoundError, "not_found_error", "model_not_found"),
    ({"max_tokens": 0}, anthropic.BadRequestError, "invalid_request_error", "invalid_request"),
    ({"extra_body": {"tempratur": 1}}, anthropic.BadRequestError, "invalid_request_error", "invalid_request"),
    ({"extra_body": {"container": "x"}}, anthropic.BadRequestError, "invalid_request_error", "unsupported_parameter"),
    (
        {"extra_headers": {"X-Weir-Residency": "country:CH"}, "model": "auto"},
        anthropic.PermissionDeniedError,
        "permission_error",
        "policy_refused",
    ),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("over", "error", "kind", "code"), ERRORS)
async def test_errors_have_anthropics_shape_and_our_code(
    start: Start, upstream: OpenAIStandIn, over: Any, error: Any, kind: str, code: str, stream: bool
) -> None:
    frontier = upstream_card(upstream.base_url, "frontier/far", tier="frontier", place={"country": "US"})
    async with start(frontier) as weir, client_of(weir) as client:
        with pytest.raises(error) as caught:
            await ask(client, **over, stream=stream)
    body = caught.value.body
    assert set(body) == {"type", "error"}
    assert (body["type"], body["error"]["type"], body["error"]["code"]) == ("error", kind, code)
    assert caught.value.type == kind
    assert not upstream.bodies


async def test_a_busy_and_a_broken_upstream_are_told_apart(start: Start, upstream: OpenAIStandIn) -> None:
    cards = [upstream_card(upstream.base_url, f"site/{mode}", model=f"mode:{mode}") for mode in ("429", "500")]
    async with start(*cards) as weir, client_of(weir) as client:
        for name, status, kind in (("site/429", 503, "overloaded_error"), ("site/500", 502, "api_error")):
            with pytest.raises(anthropic.APIStatusError) as caught:
                await ask(client, model=name)
            assert (caught.value.status_code, caught.value.type) == (status, kind)
            headers = caught.value.response.headers
            assert "x-weir-decision" in headers
            assert headers.get("retry-after") == ("7" if name == "site/429" else None)  # as its server said


async def test_a_stream_that_breaks_ends_in_an_error_event(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url, model="mode:cut")) as weir, client_of(weir) as client:
        stream, got = await ask(client, stream=True), list[str]()
        with pytest.raises(anthropic.APIStatusError) as caught:
            await kinds_into(got, stream)
        assert caught.value.body["error"]["type"] == "api_error"
        assert "broke off" in str(caught.value)
        assert got[0] == "message_start"
        assert got[-1] == "content_block_delta"
        (record,) = await weir.records()
    assert record["outcome"]["status"] == "failed"


async def test_a_client_that_goes_away_cancels_its_request(weir: Running, upstream: OpenAIStandIn) -> None:
    upstream.behaviour.tokens_per_s = 20
    async with client_of(weir) as client:
        stream = await ask(client, messages=[{"role": "user", "content": "word " * 400}], stream=True)
        async for event in stream:
            if event.type == "content_block_delta":
                break
        await stream.close()
    await until(lambda: upstream.cancelled == 1 and upstream.open_now == 0)
    await until(lambda: weir.node.active == 0)
    (record,) = await weir.records()
    assert record["outcome"]["status"] == "cancelled"


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


THINKER = {"capabilities": {"reasoning": "budget", "prefill": True, "images_in": True, "tools": True}}
THOUGHT = [Reasoning("Let me"), Reasoning(" see.", seal="SEAL"), Text("Four."), Done(Usage(3, 9, 0, 7))]


async def test_thinking_is_asked_for_shown_and_goes_back_sealed(start: Start) -> None:
    path = FakePath(fake_card("device/a", **THINKER), THOUGHT)
    budget: Any = {"type": "enabled", "budget_tokens": 2048}
    async with start(fakes=(path,)) as weir, client_of(weir) as client:
        first = await ask(client, max_tokens=4096, thinking=budget)
        async with client.messages.stream(
            model="auto", max_tokens=4096, thinking=budget, messages=[{"role": "user", "content": "again"}]
        ) as stream:
            final = await stream.get_final_message()
        turns = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": "Sure?"}]
        await ask(client, max_tokens=4096, thinking=budget, messages=turns)
        plain = await ask(client, max_tokens=4096)
    for message in (first, final):
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert (message.content[0].thinking, message.content[0].signature) == ("Let me see.", "SEAL")
        assert message.usage.output_tokens_details.thinking_tokens == 7
    assert [block.type for block in plain.content] == ["text"]
    assert path.jobs[0].thinking == Thinking(2048)
    sent = path.jobs[2].messages[1]
    assert sent.parts == ({"type": "thinking", "thinking": "Let me see.", "signature": "SEAL"},)


async def test_a_budget_of_thinking_is_for_paths_that_think_and_adaptive_for_all(weir: Running) -> None:
    async with client_of(weir) as client:
        with pytest.raises(anthropic.BadRequestError, match="No path can serve") as caught:
            await ask(client, max_tokens=4096, thinking={"type": "enabled", "budget_tokens": 2048})
        answer = await ask(client, thinking={"type": "adaptive"})
    assert "cannot do: thinks" in str(caught.value.body)
    assert [block.type for block in answer.content] == ["text"]


async def test_an_answer_is_begun_only_where_a_path_can_go_on(weir: Running) -> None:
    turns = [*HELLO, {"role": "assistant", "content": "The answer is"}]
    async with client_of(weir) as client:
        with pytest.raises(anthropic.BadRequestError) as caught:
            await ask(client, messages=turns)
    assert "cannot do: prefill" in str(caught.value.body)


async def test_an_answer_that_is_begun_goes_on(start: Start) -> None:
    path = FakePath(fake_card("device/a", **THINKER), [Text(" four."), Done(Usage(3, 2))])
    async with start(fakes=(path,)) as weir, client_of(weir) as client:
        answer = await ask(client, messages=[*HELLO, {"role": "assistant", "content": "The answer is"}])
    assert answer.content[0].text == " four."
    assert path.jobs[0].continues
    assert path.jobs[0].messages[-1].content == "The answer is"


async def test_the_stop_sequence_that_was_met_is_told(start: Start) -> None:
    path = FakePath(fake_card("device/a"), [Text("one"), Done(Usage(3, 2), ("stop",), "", ("END",))])
    async with start(fakes=(path,)) as weir, client_of(weir) as client:
        for _ in range(2):  # from the path, and from the cache
            answer = await ask(client, stop_sequences=["END"])
            assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "END")
            events = [event async for event in await ask(client, stop_sequences=["END"], stream=True)]
            assert (events[-2].delta.stop_reason, events[-2].delta.stop_sequence) == ("stop_sequence", "END")


async def test_what_a_tool_gives_back_may_be_an_image(start: Start) -> None:
    path = FakePath(fake_card("device/a", **THINKER), [Text("A dot."), Done(Usage(3, 2))])
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    use = {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Bern"}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "seen"}, image]}
    turns = [*HELLO, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    async with start(fakes=(path,)) as weir, client_of(weir) as client:
        await ask(client, messages=turns, tools=[TOOL])
    sent = path.jobs[0].messages[-1]
    assert (sent.role, sent.content, [part["type"] for part in sent.parts]) == ("tool", "seen", ["text", "image_url"])


async def test_documents_are_text_and_pdfs_for_paths_that_take_them(weir: Running, upstream: OpenAIStandIn) -> None:
    text: Any = {"type": "text", "media_type": "text/plain", "data": "Cows moo."}
    pdf: Any = {"type": "base64", "media_type": "application/pdf", "data": PIXEL}
    async with client_of(weir) as client:
        answer = await ask(
            client, messages=[{"role": "user", "content": [{"type": "document", "source": text, "title": "Farms"}]}]
        )
        with pytest.raises(anthropic.BadRequestError) as caught:
            await ask(client, messages=[{"role": "user", "content": [{"type": "document", "source": pdf}]}])
    assert answer.content[0].text == "Farms\nCows moo."
    assert "cannot do: files_in" in str(caught.value.body)


async def test_batches_are_refused_by_name(weir: Running) -> None:
    params: Any = {"model": "auto", "max_tokens": 9, "messages": HELLO}
    async with client_of(weir) as client:
        with pytest.raises(anthropic.NotFoundError, match="one by one") as caught:
            await client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
        with pytest.raises(anthropic.NotFoundError, match="one by one"):
            await client.messages.batches.retrieve("batch_1")
    assert caught.value.type == "not_found_error"


async def test_counting_says_that_it_estimates(weir: Running) -> None:
    async with client_of(weir) as client:
        count = await client.messages.count_tokens(model="auto", messages=HELLO)
    assert count.model_extra == {"weir": {"estimate": True}}

"""OpenAI's own client, unchanged, against a node."""

from __future__ import annotations

import base64
import struct
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests import factories
from tests.node.conftest import Running, Start, upstream_card
from tests.standins.openai_server import OpenAIStandIn

HELLO: Any = [{"role": "user", "content": "one two three four"}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "minLength": 3}},
            "required": ["city"],
        },
    },
}


class City(BaseModel):
    name: str
    people: int


def in_a_thread(weir: Running) -> OpenAI:
    return OpenAI(base_url=f"{weir.url}/v1", api_key="unused", max_retries=0)


async def test_the_async_client_gets_an_answer(weir: Running) -> None:
    async with weir.client() as client:
        answer = await client.chat.completions.create(model="auto", messages=HELLO)
    assert answer.object == "chat.completion"
    assert str(answer._request_id).startswith("wr_")
    assert answer.choices[0].message.content == "one two three four"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "site/one"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 4)


async def test_the_sync_client_gets_an_answer_and_a_stream(weir: Running) -> None:
    import asyncio

    def work() -> tuple[str | None, str]:
        with in_a_thread(weir) as client:
            whole = client.chat.completions.create(model="auto", messages=HELLO)
            stream = client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "five six"}], stream=True
            )
            pieces = [event.choices[0].delta.content or "" for event in stream if event.choices]
            return whole.choices[0].message.content, "".join(pieces)

    assert await asyncio.to_thread(work) == ("one two three four", "five six")


async def test_a_stream_has_role_pieces_finish_and_usage_where_it_was_asked_for(weir: Running) -> None:
    async with weir.client() as client:
        stream = await client.chat.completions.create(
            model="auto", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        events = [event async for event in stream]
    assert events[0].choices[0].delta.role == "assistant"
    assert "".join(e.choices[0].delta.content or "" for e in events if e.choices) == "one two three four"
    assert [e.choices[0].finish_reason for e in events if e.choices][-1] == "stop"
    assert events[-1].choices == []
    assert events[-1].usage is not None
    assert events[-1].usage.total_tokens == 8
    assert all(event.usage is None for event in events[:-1])
    assert len({event.id for event in events}) == 1


async def test_a_stream_says_no_usage_where_it_was_not_asked_for(weir: Running) -> None:
    async with weir.client() as client:
        stream = await client.chat.completions.create(model="auto", messages=HELLO, stream=True)
        events = [event async for event in stream]
    assert all(event.usage is None and event.choices for event in events)


async def test_the_clients_own_stream_helper_folds_a_stream(weir: Running) -> None:
    async with weir.client() as client, client.chat.completions.stream(model="auto", messages=HELLO) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == "one two three four"


async def test_structured_output_is_parsed_into_the_callers_class(weir: Running, upstream: OpenAIStandIn) -> None:
    upstream.behaviour.json_answers["City"] = {"name": "Bern", "people": 134_000}
    async with weir.client() as client:
        answer = await client.chat.completions.parse(model="auto", messages=HELLO, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Bern", people=134_000)
    assert upstream.bodies[-1]["response_format"]["json_schema"]["strict"] is True


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # the client's own, about what it parsed itself
@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_clients_helpers_made_of_an_answer_may_be_sent_back(
    weir: Running, upstream: OpenAIStandIn, stream: bool
) -> None:
    """They add what they parsed to the message, null where it is nothing; no path is told of it."""
    upstream.behaviour.json_answers["City"] = {"name": "Bern", "people": 134_000}
    called: Any = {"tools": [openai.pydantic_function_tool(City)], "tool_choice": "required"}
    async with weir.client() as client:
        for asked in (called, {"response_format": City}):
            if stream:
                async with client.chat.completions.stream(model="auto", messages=HELLO, **asked) as events:
                    answer = await events.get_final_completion()
            else:
                answer = await client.chat.completions.parse(model="auto", messages=HELLO, **asked)
            message = answer.choices[0].message
            results = [{"role": "tool", "tool_call_id": call.id, "content": "1"} for call in message.tool_calls or ()]
            further: Any = [*HELLO, message, *results, {"role": "user", "content": "and now?"}]
            again = await client.chat.completions.create(model="auto", messages=further)
            assert again.choices[0].message.content == "and now?"
            assert "parsed" not in str(upstream.bodies[-1]["messages"])


async def test_a_json_object_is_passed_through(weir: Running, upstream: OpenAIStandIn) -> None:
    async with weir.client() as client:
        answer = await client.chat.completions.create(
            model="auto", messages=HELLO, response_format={"type": "json_object"}
        )
    assert answer.choices[0].message.content == '{"echo": "one two three four"}'
    assert upstream.bodies[-1]["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_passed_through_and_called(weir: Running, upstream: OpenAIStandIn, stream: bool) -> None:
    async with weir.client() as client:
        got = await client.chat.completions.create(
            model="auto", messages=HELLO, tools=[TOOL], tool_choice="required", stream=stream
        )
        if stream:
            name, arguments, finish = "", "", None
            async for event in got:
                for call in event.choices[0].delta.tool_calls or []:
                    name += (call.function and call.function.name) or ""
                    arguments += (call.function and call.function.arguments) or ""
                finish = event.choices[0].finish_reason or finish
        else:
            call = got.choices[0].message.tool_calls[0]
            name, arguments, finish = call.function.name, call.function.arguments, got.choices[0].finish_reason
    assert (name, arguments, finish) == ("weather", '{"city": "xxx"}', "tool_calls")
    assert upstream.bodies[-1]["tools"] == [TOOL]


async def test_a_conversation_with_a_tools_result_reaches_the_upstream_whole(
    weir: Running, upstream: OpenAIStandIn
) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages: Any = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    async with weir.client() as client:
        await client.chat.completions.create(model="auto", messages=messages, tools=[TOOL])
    sent = upstream.bodies[-1]["messages"]
    assert sent[1]["tool_calls"] == [call]
    assert sent[2]["tool_call_id"] == "call_1"
    assert sent[2]["content"] == "sunny"


async def test_parameters_reach_the_upstream_as_they_were_said(weir: Running, upstream: OpenAIStandIn) -> None:
    async with weir.client() as client:
        await client.chat.completions.create(
            model="auto", messages=HELLO, temperature=0.3, top_p=0.9, max_tokens=3, seed=7, stop=["four"], n=2
        )
    body = upstream.bodies[-1]
    assert (body["temperature"], body["top_p"], body["seed"], body["n"]) == (0.3, 0.9, 7, 2)
    assert body["stop"] in ("four", ["four"])
    assert 3 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert body["model"] == "m"


async def test_an_unknown_parameter_is_refused_by_name(weir: Running) -> None:
    async with weir.client() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="auto", messages=HELLO, extra_body={"tempratur": 1})
    assert caught.value.param == "tempratur"


async def test_several_choices_come_in_order(weir: Running) -> None:
    async with weir.client() as client:
        answer = await client.chat.completions.create(model="auto", messages=HELLO, n=3)
        stream = await client.chat.completions.create(model="auto", messages=HELLO, n=2, stream=True)
        texts = {0: "", 1: ""}
        async for event in stream:
            for choice in event.choices:
                texts[choice.index] += choice.delta.content or ""
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert texts == {0: "one two three four", 1: "one two three four"}


async def test_log_probabilities_come_through(weir: Running) -> None:
    async with weir.client() as client:
        answer = await client.chat.completions.create(model="auto", messages=HELLO, logprobs=True, top_logprobs=2)
    content = answer.choices[0].logprobs
    assert content is not None
    assert content.content is not None
    assert [token.token for token in content.content] == ["one", " two", " three", " four"]
    assert len(content.content[0].top_logprobs) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_completion(weir: Running, stream: bool) -> None:
    async with weir.client() as client:
        got = await client.completions.create(model="auto", prompt="one two", stream=stream)
        text = "".join([e.choices[0].text async for e in got if e.choices]) if stream else got.choices[0].text
    assert text == "one two"


async def test_embeddings_as_floats_and_as_base64_are_the_same(weir: Running) -> None:
    async with weir.client() as client:
        floats = await client.embeddings.create(model="auto", input=["a", "bc"], encoding_format="float")
        packed = await client.embeddings.create(model="auto", input=["a", "bc"])  # the client asks for base64
        raw = await client.embeddings.with_raw_response.create(
            model="auto", input="a", encoding_format="base64", dimensions=4
        )
    assert [row.index for row in floats.data] == [0, 1]
    assert [row.embedding for row in floats.data] == [row.embedding for row in packed.data]
    text = raw.http_response.json()["data"][0]["embedding"]
    assert len(struct.unpack("<4f", base64.b64decode(text))) == 4
    assert raw.headers["x-weir-path"] == "site/one"
    assert floats.usage.prompt_tokens > 0


async def test_models_are_listed_and_retrieved(weir: Running) -> None:
    async with weir.client() as client:
        ids = [model.id async for model in client.models.list()]
        assert ids[0] == "auto"
        assert "site/one" in ids
        assert "cache/exact" not in ids
        assert (await client.models.retrieve("site/one")).id == "site/one"
        assert (await client.models.retrieve("auto:cheap")).id == "auto:cheap"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("nobody")


async def test_the_name_of_a_model_takes_it(start: Start, upstream: OpenAIStandIn) -> None:
    other = upstream_card(upstream.base_url, "frontier/two", tier="frontier", model="other", accuracy_default=0.999)
    async with start(upstream_card(upstream.base_url), other) as weir, weir.client() as client:
        for name, served in (("site/one", "m"), ("frontier/two", "other")):
            answer = await client.chat.completions.create(model=name, messages=HELLO, temperature=0.1)
            assert answer.model == name
            assert upstream.bodies[-1]["model"] == served


async def test_an_unknown_model_is_not_found(weir: Running, upstream: OpenAIStandIn) -> None:
    async with weir.client() as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="gpt-9", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert not upstream.bodies


async def test_a_bad_value_is_a_bad_request_with_its_place(weir: Running) -> None:
    async with weir.client() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="auto", messages=HELLO, temperature=9)
    assert caught.value.param == "temperature"
    assert caught.value.type == "invalid_request_error"


async def test_what_policy_refuses_is_permission_denied_and_names_the_rule(
    start: Start, upstream: OpenAIStandIn
) -> None:
    frontier = upstream_card(upstream.base_url, "frontier/far", tier="frontier", place={"country": "US"})
    async with start(frontier) as weir, weir.client() as client:
        for header in ({"X-Weir-Classification": "restricted"}, {"X-Weir-Residency": "country:CH"}):
            for model in ("auto", "frontier/far"):
                for stream in (False, True):
                    with pytest.raises(openai.PermissionDeniedError) as caught:
                        await client.chat.completions.create(
                            model=model, messages=HELLO, extra_headers=header, stream=stream
                        )
                    assert caught.value.code == "policy_refused"
                    assert caught.value.response.headers["x-weir-decision"]
    assert not upstream.bodies


async def test_a_busy_upstream_is_a_503_that_says_when_to_come_again(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url, model="mode:429")) as weir, weir.client() as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="auto", messages=HELLO)
    assert isinstance(caught.value, openai.APIStatusError)
    assert caught.value.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) >= 1


async def test_a_broken_upstream_is_a_502(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url, model="mode:500")) as weir, weir.client() as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="auto", messages=HELLO)
    assert caught.value.status_code == 502
    assert caught.value.code == "all_paths_failed"


async def test_the_clients_timeout_is_its_own(weir: Running, upstream: OpenAIStandIn) -> None:
    upstream.behaviour.delay_first_s = 5
    async with weir.client(timeout=0.2) as client:
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(model="auto", messages=HELLO)


async def test_an_error_in_the_middle_of_a_stream_is_raised_by_the_client(
    start: Start, upstream: OpenAIStandIn
) -> None:
    async with start(upstream_card(upstream.base_url, model="mode:cut")) as weir, weir.client() as client:
        stream = await client.chat.completions.create(model="auto", messages=HELLO, stream=True)
        with pytest.raises(openai.APIError) as caught:
            [event async for event in stream]
    assert "broke off" in str(caught.value)


async def test_retries_of_the_client_are_honoured_by_retry_after(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url), limits={"concurrent_requests": 1}) as weir:
        weir.node.accounts.active = 1  # as if one were in work
        async with weir.client(max_retries=1) as client:
            import asyncio

            asyncio.get_running_loop().call_later(0.3, setattr, weir.node.accounts, "active", 0)
            answer = await client.chat.completions.create(model="auto", messages=HELLO)
    assert answer.choices[0].message.content


async def test_two_nodes_chain(tmp_path: Any, start: Start, weir: Running) -> None:
    """A node is an OpenAI server like any other, so one can be another's upstream."""
    from tests.node.conftest import running_node

    directory = tmp_path / "second"
    directory.mkdir()
    card = upstream_card(f"{weir.url}/v1", "site/weir", model="auto")
    async with running_node(directory, card) as second, AsyncOpenAI(base_url=f"{second.url}/v1", api_key="x") as client:
        answer = await client.chat.completions.create(model="auto", messages=HELLO)
        stream = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "seven eight"}], stream=True
        )
        text = "".join([event.choices[0].delta.content or "" async for event in stream if event.choices])
    assert answer.choices[0].message.content == "one two three four"
    assert text == "seven eight"
    assert factories.HOME.node == "n1"

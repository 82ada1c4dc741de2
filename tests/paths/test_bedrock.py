"""Bedrock's own: bodies that AWS's service model accepts, signatures, frames, and what its events say."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import botocore.session
import orjson
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from appliance.paths.bedrock_errors import fault_of
from appliance.paths.bedrock_http import BedrockDialect, BedrockReading, Frames, credentials_of, sign
from appliance.paths.bedrock_wire import build_body
from appliance.paths.contract import Done, Job, PathError, Reasoning, Text, ToolCall, Usage
from appliance.paths.dialect import BrokenAnswer
from appliance.records.card import Endpoint, ModelCard, Price
from appliance.records.chunks import REDACTED
from appliance.records.request import Format, Message, Sampling, Thinking
from tests.paths.providers import PROVIDERS, served
from tests.paths.rig import calls, collect
from tests.standins.bedrock_server import frame
from tests.standins.openai_answers import Behaviour

ENDPOINT = Endpoint(base_url="https://bedrock-runtime.eu-central-1.amazonaws.com", model="m", region="eu-central-1")
CARD = ModelCard(id="b", runtime="bedrock_http", tier="frontier", modalities=("chat",), endpoint=ENDPOINT)
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "strict": True}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,iVBORw0KGgo="}}
SEEN = {"type": "thinking", "thinking": "hm", "signature": "bedrock:sig"}
OTHERS = {"type": "thinking", "thinking": "hm", "signature": "anthropic:sig"}
HIDDEN = {"type": "redacted_thinking", "data": "bedrock:aGlkZGVu"}


@lru_cache
def shape() -> Any:
    return botocore.session.Session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape


def accepted(body: dict[str, Any]) -> None:
    """AWS's own client would send this."""
    wire = orjson.loads(orjson.dumps(body))
    report = ParamValidator().validate({"modelId": "m", **wire}, shape())
    assert not report.has_errors(), report.generate_report()


def chat(*messages: Message, **over: Any) -> Job:
    return Job(id="j", kind="chat", messages=messages or (Message("user", "hi"),), **over)


WHOLE = chat(
    Message("system", "Be brief."),
    Message("developer", "In English."),
    Message("user", "look", parts=({"type": "text", "text": "look"}, IMAGE)),
    Message("assistant", "", tool_calls=(CALL,), parts=(SEEN, OTHERS, HIDDEN)),
    Message("tool", "sunny", tool_call_id="call_1"),
    Message("tool", "", tool_call_id="weird id/2"),
    Message("tool", "", tool_call_id="seen", parts=(IMAGE,)),
    Message("user", "and?"),
    tools=(TOOL,),
    tool_choice={"type": "function", "function": {"name": "weather"}},
    sampling=Sampling(max_tokens=5, temperature=0.1, top_p=0.9, top_k=3, stop=("x",)),
    format=Format("json_schema", {"type": "object"}, "answer", True, description="d"),
    forwarded={"service_tier": "auto", "modalities": ["text"]},
)


def test_a_body_is_what_awss_service_model_describes() -> None:
    body = build_body(WHOLE)
    accepted(body)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    thought, hidden, use = body["messages"][1]["content"]
    assert thought["reasoningContent"]["reasoningText"] == {"text": "hm", "signature": "sig"}
    assert hidden["reasoningContent"] == {"redactedContent": "aGlkZGVu"}
    assert use["toolUse"] == {"toolUseId": "call_1", "name": "weather", "input": {"city": "Bern"}}
    results = [block["toolResult"]["toolUseId"] for block in body["messages"][2]["content"][:2]]
    assert results[0] == "call_1"
    assert results[1].startswith("call_")
    assert body["messages"][2]["content"][2]["toolResult"]["content"][0]["image"]["format"] == "jpeg"
    assert body["system"] == [{"text": "Be brief."}, {"text": "In English."}]
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "weather"}}
    assert body["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
    assert body["serviceTier"] == {"type": "default"}
    assert body["messages"][0]["content"][1]["image"] == {"format": "jpeg", "source": {"bytes": "iVBORw0KGgo="}}


def test_texts_of_blanks_alone_which_converse_refuses_are_not_said() -> None:
    blank = {"type": "text", "text": "\n"}
    said = (
        Message("system", " "),
        Message("user", "q"),
        Message("assistant", "\n\n", tool_calls=(CALL,)),
        Message("tool", "", tool_call_id="call_1", parts=(blank, IMAGE)),
        Message("tool", "\n", tool_call_id="call_2"),
    )
    body = build_body(replace(WHOLE, messages=said))
    assert "system" not in body
    assert [list(block) for block in body["messages"][1]["content"]] == [["toolUse"]]
    seen, empty = [block["toolResult"]["content"] for block in body["messages"][2]["content"]]
    assert ([list(block) for block in seen], empty) == ([["image"]], [{"text": "(empty)"}])


def test_a_budget_is_no_use_to_a_model_that_lost_its_thread() -> None:
    result = Message("tool", "sunny", tool_call_id="call_1")
    for parts, thinks in (((), False), ((OTHERS,), False), ((SEEN,), True)):
        called = Message("assistant", "", tool_calls=(CALL,), parts=parts)
        said = chat(Message("user", "a"), called, result, tools=(TOOL,), thinking=Thinking(2000))
        wanted = {"thinking": {"type": "enabled", "budget_tokens": 2000}} if thinks else None
        assert build_body(said, "budget").get("additionalModelRequestFields") == wanted


KEPT = {"cached_input_per_million": 0.3, "cache_write_per_million": 3.75}
FIVE, HOUR = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}
MARKED = chat(
    Message("system", "Be brief.\nBe kind.", marks=((9, "1h"),)),
    Message("user", "A long text.\nAsk?", marks=((12, "5m"), (17, "5m"), (17, "5m"))),
    Message("assistant", "", tool_calls=(CALL,), parts=(SEEN,), marks=((0, "5m"),)),
    Message("tool", "sunny", tool_call_id="call_1", marks=((5, "5m"),)),
    Message("user", "look", parts=({"type": "text", "text": "look"}, IMAGE)),
    tools=(TOOL,),
)


def test_points_up_to_which_a_prompt_is_kept_stand_where_the_caller_s_marks_stood() -> None:
    body = build_body(MARKED, keeps=True)
    accepted(body)
    assert body["system"] == [{"text": "Be brief."}, HOUR, {"text": "\nBe kind."}]
    first, call, result = [message["content"] for message in body["messages"]]
    assert first == [{"text": "A long text."}, FIVE, {"text": "\nAsk?"}, FIVE]
    assert [next(iter(block)) for block in call] == ["reasoningContent", "toolUse", "cachePoint"]
    assert [next(iter(block)) for block in result] == ["toolResult", "cachePoint", "text", "image"]
    thought = replace(
        MARKED, messages=(*MARKED.messages[:2], Message("assistant", "", parts=(SEEN,), marks=((0, "5m"),)))
    )
    assert "cachePoint" not in build_body(thought, keeps=True)["messages"][-1]["content"][-1]
    assert "cachePoint" not in repr(build_body(MARKED))


@pytest.mark.parametrize(
    ("price", "points"),
    [
        ({"input_per_million": 3.0}, 0),  # models that keep nothing refuse the mark
        ({"input_per_million": 3.0, "cached_input_per_million": 0.3}, 0),  # or writing would cost what reading does
        ({"input_per_million": 3.0, **KEPT, "cache_write_1h_per_million": 6.0}, 5),
        ({"cached_input_per_million": 0.0, "cache_write_per_million": 0.0}, 5),
        ({"input_per_million": 3.0, **KEPT}, None),
    ],
)
def test_a_prompt_is_kept_where_the_card_has_a_price_for_that(price: dict[str, float], points: int | None) -> None:
    dialect = BedrockDialect(CARD.model_copy(update={"price": Price(**price)}))
    if points is not None:
        assert dialect.call(MARKED, ENDPOINT, streaming=False).body.count(b"cachePoint") == points
        return
    with pytest.raises(PathError) as caught:
        dialect.call(MARKED, ENDPOINT, streaming=False)
    assert (caught.value.fault, caught.value.param) == ("unsupported", "cache_control")


@pytest.mark.parametrize("name", ["mcp__a-server-with-a-long-name__" + "a_tool_" * 12, "weather.of"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_whose_name_converse_does_not_take_is_called_by_it_all_the_same(name: str, stream: bool) -> None:
    tool = {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    other = {"type": "function", "function": {**tool["function"], "name": f"{name}2"}}
    earlier = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
    said = (Message("assistant", "", tool_calls=(earlier,)), Message("tool", "x", tool_call_id="c"))
    async with served(PROVIDERS["bedrock"]) as (_, path):
        for one, choice in ((name, tool), (f"{name}2", other)):
            chosen = {"type": "function", "function": {"name": choice["function"]["name"]}}
            job = chat(Message("user", "q"), *said, tools=(tool, other), tool_choice=chosen, stream=stream)
            assert [called for _, called, _ in calls(await collect(path, job))] == [one]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_kept_and_read_again_is_counted_apart(stream: bool) -> None:
    price = {"input_per_million": 3.0, **KEPT, "cache_write_1h_per_million": 6.0}
    provider = PROVIDERS["bedrock"]
    asked = chat(Message("user", "one two three", marks=((13, "1h"),)), stream=stream)
    async with served(provider, behaviour=Behaviour(prefix_cache=True), over={"price": price}) as (_, path):
        used = [[chunk async for chunk in path.stream(asked)][-1] for _ in range(2)]
    assert [one.usage for one in used if isinstance(one, Done)] == [Usage(3, 3, 0, 0, 2, 2), Usage(3, 3, 2)]


def test_the_one_stop_string_that_there_was_is_told() -> None:
    for strings, told in ((("x",), {0: "x"}), (("x", "y"), {})):
        reading = BedrockReading(strings)
        reading.feed(frame("messageStop", b'{"stopReason": "stop_sequence"}'))
        assert reading.stops == told


@pytest.mark.parametrize(
    ("reasoning", "effort", "said"),
    [
        ("budget", "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("budget", "none", {"thinking": {"type": "disabled"}}),
        ("effort", "minimal", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    ],
)
def test_how_much_to_think_is_said_in_the_maker_s_words(reasoning: str, effort: str, said: dict[str, Any]) -> None:
    body = build_body(chat(forwarded={"reasoning_effort": effort}), reasoning)
    accepted(body)
    assert body["additionalModelRequestFields"] == said


_roles = st.sampled_from(["system", "user", "assistant", "tool", "developer"])
_messages = st.lists(
    st.builds(Message, role=_roles, content=st.text(max_size=8), tool_call_id=st.text(max_size=70)), max_size=6
)


@given(_messages, st.booleans(), st.sampled_from([None, "auto", "required", "none"]))
def test_whatever_is_said_is_accepted_by_awss_model_or_refused_with_a_parameter(
    messages: list[Message], tools: bool, choice: str | None
) -> None:
    try:
        body = build_body(chat(*messages, tools=(TOOL,) if tools else (), tool_choice=choice))
    except PathError as error:
        assert (error.fault in ("unsupported", "rejected"), bool(error.param)) == (True, True)  # noqa: PT017
        return
    accepted(body)
    roles = [message["role"] for message in body["messages"]]
    assert roles[0] == "user"
    assert all(one != other for one, other in pairwise(roles))


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (chat(Message("user", "a", name="ann")), "messages[0].name"),
        (chat(forwarded={"reasoning_effort": "low"}), "reasoning_effort"),
        (chat(Message("assistant", "a"), Message("user", "b")), "messages"),
        (chat(Message("user", "a"), Message("tool", "x", tool_call_id="c")), "tools"),
        (chat(Message("user", "a"), Message("tool", "x"), tools=(TOOL,), tool_choice="none"), "tool_choice"),
        (chat(format=Format("json_object")), "response_format"),
        (chat(sampling=Sampling(seed=1)), "seed"),
        (chat(forwarded={"service_tier": "gold"}), "service_tier"),
        (chat(Message("user", "a", parts=({"type": "image_url", "image_url": {"url": "https://x/y.png"}},))),
         "messages[0].content"),
        (chat(Message("user", "a", parts=({"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AA=="}},))),
         "messages[0].content"),
        (chat(Message("user", "a"), Message("assistant", "", tool_calls=({**CALL, "function": {"name": "f",
              "arguments": "[1]"}},)), tools=(TOOL,)), "messages[1].tool_calls"),
    ],
)  # fmt: skip
def test_what_converse_has_no_word_for_is_refused_by_name(asked: Job, param: str) -> None:
    with pytest.raises(PathError) as caught:
        build_body(asked)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("messages", "param", "words"),
    [
        ((Message("user", ""),), "messages[0].content", "messages[0] is empty"),
        ((Message("system", "Be brief."), Message("user", "")), "messages[1].content", "messages[1] is empty"),
        ((Message("user", ""), Message("assistant", "hi")), "messages[0].content", "messages[0] is empty"),
        ((Message("assistant", ""), Message("user", "")), "messages[1].content", "messages[1] is empty"),
        ((Message("user", "", parts=({"type": "text", "text": ""},)),), "messages[0].content", "messages[0] is empty"),
        ((Message("assistant", "hi"), Message("user", "")), "messages", "the user begins"),
        ((Message("system", "Be brief."),), "messages", "the user begins"),
    ],
)
def test_a_text_that_is_empty_is_told_from_a_conversation_that_the_user_does_not_begin(
    messages: tuple[Message, ...], param: str, words: str
) -> None:
    with pytest.raises(PathError) as caught:
        build_body(chat(*messages))
    assert (caught.value.fault, caught.value.param) == ("rejected", param)
    assert words in caught.value.message and (": write " in caught.value.message or ": put " in caught.value.message)


def test_a_signature_is_aws_published_one() -> None:
    """The example of AWS's documentation for Signature Version 4 says how keys are derived; the stand-in computes every
    other signature by the published steps. Here: it is the same for the same moment, and another for another."""
    call = BedrockDialect(CARD).call(chat(), ENDPOINT, streaming=True)
    assert str(call.url) == "https://bedrock-runtime.eu-central-1.amazonaws.com/model/m/converse-stream"
    held = credentials_of('{"AccessKeyId": "AKID", "SecretAccessKey": "s", "SessionToken": "t"}')
    one, same, later = (sign(call, held, "eu-central-1", now) for now in (1_750_000_000.2, 1_750_000_000.9, 1.75e9 + 1))
    assert one == same != later
    assert one["X-Amz-Date"] == "20250615T150640Z"
    assert one["X-Amz-Security-Token"] == "t"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in one["Authorization"]
    assert "'s'" not in repr(held)


def test_a_model_s_arn_is_one_segment_of_the_address() -> None:
    endpoint = Endpoint(
        base_url="https://x.example/", model="arn:aws:bedrock:eu:1:inference-profile/eu.m:0", region="r"
    )
    url = BedrockDialect(CARD).call(chat(), endpoint, streaming=False).url
    assert url.raw_path == "/model/arn%3Aaws%3Abedrock%3Aeu%3A1%3Ainference-profile%2Feu.m%3A0/converse"


async def test_a_large_request_is_signed_as_it_is_sent() -> None:
    """What is sent in pieces, and a model whose name is no plain segment."""
    behaviour = Behaviour(context_tokens=10**6)
    model = "arn:aws:bedrock:eu-central-1:1:inference-profile/eu.m-v1:0"
    async with served(PROVIDERS["bedrock"], model, behaviour) as (server, path):
        for size in (10, 700_000):
            said = [chunk async for chunk in path.stream(chat(Message("user", "a" * size)))]
            assert isinstance(said[-1], Done)
        assert server.bills.ends() == {"whole": 2}
        assert server.bills.rows[0].model == model


@pytest.mark.parametrize(
    "secret", ["{", "{}", '{"access_key_id": 1, "secret_access_key": "s"}', '{"access_key_id": "a"}']
)
def test_a_secret_that_holds_no_credentials_is_an_auth_fault(secret: str) -> None:
    call = BedrockDialect(CARD).call(chat(), ENDPOINT, streaming=False)
    with pytest.raises(PathError) as caught:
        BedrockDialect(CARD).authorize(call, secret, 0.0)
    assert caught.value.fault == "auth"


def test_an_api_key_goes_as_a_bearer() -> None:
    call = BedrockDialect(CARD).call(chat(), ENDPOINT, streaming=False)
    assert BedrockDialect(CARD).authorize(call, "ABSK-key", 0.0) == {"Authorization": "Bearer ABSK-key"}


PAYLOADS = st.lists(st.tuples(st.sampled_from(["a", "metadata"]), st.binary(max_size=200)), max_size=8)


@given(PAYLOADS, st.lists(st.integers(1, 40), min_size=1, max_size=50))
def test_frames_are_the_same_however_they_are_cut(payloads: list[tuple[str, bytes]], cuts: list[int]) -> None:
    raw = b"".join(frame(kind, payload) for kind, payload in payloads)
    frames, got, at = Frames(), [], 0
    for size in cuts:
        got += list(frames.feed(raw[at : at + size]))
        at += size
    got += list(frames.feed(raw[at:]))
    assert [(headers[":event-type"], payload) for headers, payload in got] == payloads
    assert frames.empty


GOOD = frame("contentBlockDelta", b'{"contentBlockIndex": 0, "delta": {"text": "hi"}}')


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_frame_with_one_wrong_byte_is_broken_or_waits_for_more(at: int, wrong: int) -> None:
    spoiled = GOOD[:at] + bytes((GOOD[at] ^ wrong,)) + GOOD[at + 1 :]
    with pytest.raises(BrokenAnswer):
        list(Frames().feed(spoiled))


def test_a_huge_frame_is_refused_by_its_first_bytes() -> None:
    from zlib import crc32

    for total, headers in ((0x7FFFFFFF, 10), (9 << 20, 10), (40, 0x7FFFFFFF), (3, 0), (0, 0)):
        prelude = total.to_bytes(4, "big") + headers.to_bytes(4, "big")
        with pytest.raises(BrokenAnswer):
            list(Frames().feed(prelude + crc32(prelude).to_bytes(4, "big")))


def test_events_become_chunks_and_usage_counts_the_cache() -> None:
    reading = BedrockReading()
    events: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "sig"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "QQ=="}}}),
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"text": "hi"}}),
        ("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t", "name": "now"}}}),
        ("contentBlockStop", {"contentBlockIndex": 3}),
        ("somethingNew", {"x": 1}),
        ("messageStop", {"stopReason": "guardrail_intervened"}),
        ("metadata", {"usage": {"inputTokens": 3, "outputTokens": 5, "cacheReadInputTokens": 7,
                                "cacheWriteInputTokens": 11}}),
    ]  # fmt: skip
    chunks = reading.feed(b"".join(frame(kind, orjson.dumps(found)) for kind, found in events))
    assert chunks == [
        Reasoning("hm"),
        Reasoning("", 0, 0, "bedrock:sig"),
        Reasoning("", 0, 0, f"{REDACTED}bedrock:QQ=="),
        Text("hi"),
        ToolCall({"index": 0, "id": "t", "type": "function", "function": {"name": "now", "arguments": ""}}),
        ToolCall({"index": 0, "function": {"arguments": "{}"}}),
    ]
    assert reading.ended
    assert reading.usage == Usage(21, 5, 7, cache_write_tokens=11)
    assert reading.reasons() == ("content_filter",)


@pytest.mark.parametrize(
    ("kind", "message", "fault"),
    [
        ("throttlingException", "exception", "overloaded"),
        ("modelStreamErrorException", "exception", "unavailable"),
        ("validationException", "exception", "rejected"),
        ("neverHeardOf", "exception", "unavailable"),
    ],
)
def test_an_exception_in_a_stream_comes_after_what_was_said(kind: str, message: str, fault: str) -> None:
    reading = BedrockReading()
    chunks = reading.feed(GOOD + frame(kind, b'{"message": "quoting the prompt"}', message))
    assert chunks == [Text("hi")]
    assert isinstance(reading.failed, PathError)
    assert reading.failed.fault == fault
    assert "quoting" not in reading.failed.message


@pytest.mark.parametrize(
    ("kind", "prose", "fault"),
    [
        ("ThrottlingException:http://x", "Too many tokens, please wait", "overloaded"),
        ("ValidationException", "Input is too long for requested model.", "context_too_long"),
        ("com.amazon.coral.service#ValidationException", "prompt is too long: 9 tokens > 8", "context_too_long"),
        ("ValidationException", "temperature must be at most 1", "rejected"),
        ("ExpiredTokenException", "", "auth"),
        ("ServiceQuotaExceededException", "", "overloaded"),
    ],
)
def test_exceptions_by_name(kind: str, prose: str, fault: str) -> None:
    error = fault_of(kind, prose, "HTTP 400")
    assert error is not None
    assert error.fault == fault


def test_an_unknown_exception_is_read_by_its_status() -> None:
    error = BedrockDialect(CARD).error(424, {}, b'{"message": "secret prompt", "__type": "Odd<Exception"}', "")
    assert (error.fault, "secret" in error.message) == ("unavailable", False)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reading_fail_otherwise(raw: bytes) -> None:
    for read in (BedrockReading().whole, BedrockReading().feed):
        with suppress(BrokenAnswer, PathError):
            read(raw)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["delta", "text", "toolUse", "input", "start", "contentBlockIndex", "usage", "stopReason", "inputTokens",
             "reasoningContent", "signature", "output", "message", "content", "reasoningText"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@given(
    _json, st.sampled_from(["contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStop", "metadata"])
)
def test_no_json_makes_the_reading_fail_otherwise(found: Any, kind: str) -> None:
    raw = json.dumps(found).encode()
    for read in (BedrockReading().whole, lambda raw: BedrockReading().feed(frame(kind, raw))):
        with suppress(BrokenAnswer, PathError):
            read(raw)

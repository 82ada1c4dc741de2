"""Google's generateContent: what is said arrives, what comes back is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from appliance.paths.contract import Done, Job, PathError, Reasoning, Text, ToolCall, Usage
from appliance.paths.dialect import BrokenAnswer, ErrorEvent
from appliance.paths.gemini_http import GeminiDialect
from appliance.paths.gemini_wire import MAKER, NO_SIGNATURE, ContentReading, build_body
from appliance.records.request import Format, Message, Sampling
from tests.paths.gemini_rig import any_json, both
from tests.paths.rig import HELLO, KEY, PROMPT, calls, card_for, collect, fault, started, text, thought
from tests.standins.gemini_server import SIGNATURE, THOUGHT, gemini
from tests.standins.openai_answers import Behaviour

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def body_of(job: Job, reasoning: str = "none", **over: Any) -> dict[str, Any]:
    return orjson.loads(orjson.dumps(build_body(job, reasoning, **over)))


def picture(url: str) -> Message:
    return Message("user", "", parts=({"type": "image_url", "image_url": {"url": url}},))


def test_a_full_job_is_said_faithfully() -> None:
    sealed = {**CALL, "id": "c2", "extra_content": {"google": {"thought_signature": SIGNATURE}}}
    thinking = {"type": "thinking", "thinking": "hm", "signature": MAKER + SIGNATURE}
    job = Job(
        id="j",
        kind="chat",
        messages=(
            Message("system", "be brief"),
            Message("user", "what is this", parts=(IMAGE,)),
            Message("assistant", "calls", tool_calls=(CALL, sealed), parts=(thinking,)),
            Message("tool", "rain", tool_call_id="c1"),
            Message("tool", '{"sky": "grey"}', tool_call_id="c2", name="other"),
            Message("developer", "be kind"),
        ),
        sampling=Sampling(
            max_tokens=9, temperature=1.5, top_p=0.9, top_k=40, seed=7, stop=("a",), frequency_penalty=0.5,
            presence_penalty=-0.5,
        ),
        format=Format("json_schema", {"type": "object", "properties": {"a": {"type": "string"}}}, "thing"),
        tools=(WEATHER, {"type": "function", "function": {"name": "now"}}),
        tool_choice={"type": "function", "function": {"name": "weather"}},
        n=2,
        forwarded={"user": "ann", "reasoning_effort": "low"},
    )  # fmt: skip
    assert body_of(job, "effort") == {
        "systemInstruction": {"parts": [{"text": "be brief"}, {"text": "be kind"}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "what is this"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "calls"},
                    {"text": "", "thoughtSignature": SIGNATURE},
                    {
                        "functionCall": {"id": "c1", "name": "weather", "args": {"city": "Bern"}},
                        "thoughtSignature": NO_SIGNATURE,
                    },
                    {
                        "functionCall": {"id": "c2", "name": "weather", "args": {"city": "Bern"}},
                        "thoughtSignature": SIGNATURE,
                    },
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "c1", "name": "weather", "response": {"output": "rain"}}},
                    {"functionResponse": {"id": "c2", "name": "weather", "response": {"sky": "grey"}}},
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "now", "description": ""},
                    {
                        "name": "weather",
                        "description": "of a city",
                        "parametersJsonSchema": {
                            "properties": {"city": {"type": "string"}},
                            "required": ["city"],
                            "type": "object",
                        },
                    },
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
        "generationConfig": {
            "maxOutputTokens": 9,
            "temperature": 1.5,
            "topP": 0.9,
            "topK": 40,
            "seed": 7,
            "stopSequences": ["a"],
            "frequencyPenalty": 0.5,
            "presencePenalty": -0.5,
            "candidateCount": 2,
            "responseMimeType": "application/json",
            "responseJsonSchema": {"properties": {"a": {"type": "string"}}, "type": "object"},
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
        },
    }


@pytest.mark.parametrize(
    ("over", "param"),
    [
        ({"sampling": Sampling(repeat_penalty=1.1)}, "repeat_penalty"),
        ({"messages": (Message("user", "a", name="ann"),)}, "messages[0].name"),
        ({"messages": (Message("system", "", parts=(IMAGE,)),)}, "messages[0].content"),
        ({"messages": (picture("https://x.example/a"),)}, "messages[0].content"),
        ({"messages": (picture("https://x.png"),)}, "messages[0].content"),
        ({"messages": (picture("https://x.example/a.pdf?b=.png"),)}, "messages[0].content"),
        ({"messages": (picture("https://x.example/a .png"),)}, "messages[0].content"),
        ({"messages": (picture("http://x.example/a.png"),)}, "messages[0].content"),
        ({"messages": (picture("file:///etc/a.png"),)}, "messages[0].content"),
        ({"messages": (picture("gs://bucket/a.png"),)}, "messages[0].content"),
        ({"messages": (*HELLO.messages, Message("assistant", "It is"))}, "messages"),
        ({"messages": (*HELLO.messages, Message("assistant", "It is")), "continues": True}, "messages"),
        ({"messages": (*HELLO.messages, Message("assistant", "", tool_calls=(CALL,)))}, "messages"),
        ({"forwarded": {"reasoning_effort": "low"}}, "reasoning_effort"),
        ({"forwarded": {"service_tier": "flex"}}, "service_tier"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_name(over: dict[str, Any], param: str) -> None:
    with pytest.raises(PathError) as caught:
        body_of(replace(HELLO, **over))
    assert (caught.value.fault, caught.value.param) == ("unsupported", param)


def test_a_result_that_belongs_to_no_call_is_refused() -> None:
    with pytest.raises(PathError) as caught:
        body_of(replace(HELLO, messages=(Message("tool", "rain", tool_call_id="c9"),)))
    assert (caught.value.fault, caught.value.param) == ("rejected", "messages[0].tool_call_id")


@pytest.mark.parametrize(
    ("url", "media"),
    [
        ("https://x.example/a.png", "image/png"),
        ("HTTPS://x.example/b/a.JPG?sig=1.gif#x", "image/jpeg"),
        ("https://x.example/deep/a.webp", "image/webp"),
    ],
)
def test_an_image_by_address_is_fetched_by_google_which_is_told_its_type(url: str, media: str) -> None:
    (content,) = body_of(replace(HELLO, messages=(picture(url),)))["contents"]
    assert content["parts"] == [{"fileData": {"mimeType": media, "fileUri": url}}]


def test_an_answer_that_is_begun_is_the_last_turn_where_the_model_goes_on_with_it() -> None:
    begun = (*HELLO.messages, Message("assistant", "It is"))
    for continues in (True, False):  # a wire that knows no such word may say it all the same
        contents = body_of(replace(HELLO, messages=begun, continues=continues), prefill=True)["contents"]
        assert contents[-1] == {"role": "model", "parts": [{"text": "It is"}]}


@pytest.mark.asyncio
@both
async def test_addresses_and_begun_answers_go_as_the_card_says(stream: bool) -> None:
    begun = (picture("https://x.example/a.png"), Message("user", PROMPT), Message("assistant", "Tell me"))
    job = replace(HELLO, messages=begun, continues=True, stream=stream)
    async with gemini(Behaviour(key=KEY)) as server:
        for model, prefill, expected in (
            ("gemini-2.5-pro", True, ""),
            ("m", True, "rejected"),
            ("m", False, "unsupported"),
        ):
            async with started(card_for(server, "gemini_http", model, capabilities={"prefill": prefill})) as path:
                if expected:
                    assert (await fault(path, job)).fault == expected
                else:
                    assert text(await collect(path, job)) == PROMPT
        assert len(server.bodies) == 2, "what the card does not claim is not even sent"
        assert server.bodies[0]["contents"][0]["parts"][0]["fileData"]["fileUri"] == "https://x.example/a.png"


def test_how_much_to_think_is_said_as_the_model_takes_it() -> None:
    def asked(effort: str, reasoning: str) -> Any:
        body = body_of(replace(HELLO, forwarded={"reasoning_effort": effort}), reasoning)
        return body.get("generationConfig", {}).get("thinkingConfig")

    assert asked("high", "effort") == {"thinkingLevel": "HIGH", "includeThoughts": True}
    assert asked("low", "budget") == {"thinkingBudget": 1024, "includeThoughts": True}
    assert asked("none", "budget") == {"thinkingBudget": 0, "includeThoughts": False}
    assert asked("none", "none") is None
    with pytest.raises(PathError, match="not to think"):
        asked("none", "effort")


def test_signatures_of_other_providers_are_not_sent() -> None:
    parts = ({"type": "thinking", "thinking": "hm", "signature": "anthropic:c2Vh"},)
    content = body_of(replace(HELLO, messages=(Message("assistant", "a", parts=parts), *HELLO.messages)))["contents"][0]
    assert content["parts"] == [{"text": "a"}]


@pytest.mark.asyncio
@both
async def test_an_answer_is_read_with_its_thinking_and_all_counts(stream: bool) -> None:
    async with gemini(Behaviour(answers={PROMPT: "there you are"}, key=KEY)) as server:
        async with started(card_for(server, "gemini_http", "mode:think")) as path:
            chunks = await collect(path, replace(HELLO, stream=stream))
        assert (text(chunks), thought(chunks)) == ("there you are", (THOUGHT, [MAKER + SIGNATURE]))
        assert chunks[-1] == Done(Usage(6, 6, 0, 3))
        (address,) = server.seen
        assert address == f"/v1beta/models/mode:think:{'streamGenerateContent' if stream else 'generateContent'}"
        assert "Authorization" not in server.headers[0]


@pytest.mark.asyncio
@both
async def test_a_call_comes_with_its_signature_and_goes_back_with_it(stream: bool) -> None:
    async with gemini() as server:
        card = card_for(server, "gemini_http", capabilities={"reasoning": "effort"})
        async with started(card) as path:
            job = replace(HELLO, tools=(WEATHER,), tool_choice="required", stream=stream)
            chunks = await collect(path, job)
            assert calls(chunks) == [("call-7", "weather", '{"city":""}')]
            assert isinstance(chunks[-1], Done) and chunks[-1].finish_reasons == ("tool_calls",)
            (delta,) = [chunk.delta for chunk in chunks if isinstance(chunk, ToolCall)]
            assert delta["extra_content"] == {"google": {"thought_signature": SIGNATURE}}
            call = {name: value for name, value in delta.items() if name != "index"}
            for one in (call, {**call, "extra_content": None}):  # of other wires it comes back without
                back = (
                    *HELLO.messages,
                    Message("assistant", "", tool_calls=(one,)),
                    Message("tool", "rain", tool_call_id="call-7"),
                )
                asked = replace(HELLO, messages=back, forwarded={"reasoning_effort": "low"}, stream=stream)
                assert "rain" in text(await collect(path, asked))


@pytest.mark.asyncio
@both
async def test_prompts_that_were_read_from_a_cache_are_counted_as_such(stream: bool) -> None:
    async with gemini(Behaviour(prefix_cache=True)) as server, started(card_for(server, "gemini_http")) as path:
        used = [(await collect(path, replace(HELLO, stream=stream)))[-1] for _ in range(2)]
    assert used == [Done(Usage(6, 6)), Done(Usage(6, 6, 5))]


@pytest.mark.asyncio
@both
async def test_several_candidates_are_several_choices(stream: bool) -> None:
    async with gemini() as server, started(card_for(server, "gemini_http")) as path:
        chunks = await collect(path, replace(HELLO, n=2, stream=stream))
    texts = ["".join(c.text for c in chunks if isinstance(c, Text) and c.index == index) for index in range(2)]
    assert texts == [PROMPT, PROMPT]
    assert isinstance(chunks[-1], Done) and chunks[-1].finish_reasons == ("stop", "stop")


@pytest.mark.asyncio
@both
async def test_what_google_would_not_say_was_filtered_and_what_it_could_not_make_is_no_answer(stream: bool) -> None:
    async with gemini() as server:
        for mode in ("blocked", "filtered"):
            async with started(card_for(server, "gemini_http", f"mode:{mode}")) as path:
                chunks = await collect(path, replace(HELLO, stream=stream))
                assert isinstance(chunks[-1], Done) and chunks[-1].finish_reasons == ("content_filter",)
                assert chunks[-1].usage.prompt_tokens == 6
        async with started(card_for(server, "gemini_http", "mode:unmade")) as path:
            assert (await fault(path, replace(HELLO, stream=stream))).fault == "broken_stream"


ERRORS: list[tuple[int, Any, str]] = [
    (400, {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}, "auth"),
    (400, {"status": "FAILED_PRECONDITION", "message": "User location is not supported"}, "rejected"),
    (403, {"status": "PERMISSION_DENIED"}, "auth"),
    (400, {"message": "the input token count is 20001 but the model supports up to 20000."}, "context_too_long"),
    (504, {"status": "DEADLINE_EXCEEDED"}, "unavailable"),
    (200, {"status": "DEADLINE_EXCEEDED", "code": 504}, "timeout"),
    (200, {"status": "RESOURCE_EXHAUSTED", "code": 429}, "overloaded"),
    (200, {"code": 503}, "unavailable"),
    (200, 3, "unavailable"),
    (500, [], "unavailable"),
]


@pytest.mark.parametrize(("status", "error", "expected"), ERRORS)
@pytest.mark.parametrize("listed", [False, True])
def test_errors_are_known_by_status_and_reason(status: int, error: Any, expected: str, listed: bool) -> None:
    raw = orjson.dumps([{"error": error}] if listed else {"error": error})
    path_error = _dialect().error(status, CIMultiDict(), raw, KEY)
    assert path_error.fault == expected
    assert "location" not in path_error.message


@given(st.integers(200, 599), st.binary(max_size=100))
def test_whatever_error_arrives_it_becomes_a_path_error(status: int, raw: bytes) -> None:
    assert len(_dialect().error(status, CIMultiDict(), raw, KEY).message) <= 300


def _dialect(**endpoint: Any) -> GeminiDialect:
    return GeminiDialect(card_for(gemini(port=1), "gemini_http", endpoint=endpoint))


@given(any_json, st.booleans())
def test_whatever_json_arrives_it_is_read_or_broken(found: Any, whole: bool) -> None:
    raw = orjson.dumps(found)
    reading = ContentReading(1)
    try:
        reading.whole(raw) if whole else reading.feed(b"data: " + raw + b"\n\n")
        reading.end()
        reading.reasons()
    except (BrokenAnswer, ErrorEvent):
        pass


@pytest.mark.parametrize("empty", [{"text": ""}, {}], ids=["an empty text", "no text"])
def test_a_signature_at_the_end_of_a_stream_comes_with_nothing_else(empty: dict[str, Any]) -> None:
    reading = ContentReading(1)
    last = {"content": {"parts": [{**empty, "thoughtSignature": SIGNATURE}]}, "finishReason": "STOP"}
    said, sealed = [
        reading.feed(b"data: " + orjson.dumps({"candidates": [candidate]}) + b"\n\n")
        for candidate in ({"content": {"parts": [{"text": "hi"}]}}, last)
    ]
    assert (said, sealed) == ([Text("hi")], [Reasoning("", 0, 0, MAKER + SIGNATURE)])
    assert reading.reasons() == ("stop",)


def test_tokens_are_those_that_the_answer_grew_by() -> None:
    def event(said: str, count: int, **part: Any) -> bytes:
        part = {"text": said, **part}
        counts = {"promptTokenCount": 4, "candidatesTokenCount": count, "thoughtsTokenCount": 2}
        found = {"candidates": [{"content": {"parts": [part]}}], "usageMetadata": counts}
        return b"data: " + orjson.dumps(found) + b"\n\n"

    reading = ContentReading(1)
    chunks = reading.feed(event("hm", 0, thought=True)) + reading.feed(event("a b c", 3)) + reading.feed(event("d", 4))
    assert chunks == [Reasoning("hm", 0, 2), Text("a b c", 0, 3), Text("d", 0, 1)]

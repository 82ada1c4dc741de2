"""Streams: every event is one that OpenAI's SDK reads, in the order that clients rely on."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk

from appliance.errors import UpstreamFailed
from appliance.records.chunks import Chunk, Done, Reasoning, Signals, Text, TokenLogprob, ToolCall, Usage, Vector
from appliance.respond import ChatStream, CompletionStream

SIGNALS = Signals(0, 1, -0.1, -0.1, -0.1, (-0.1, -0.1, -0.1), 0.0, 1.0)
DONE = "[DONE]"
# Texts as runtimes may give them, lone surrogates included.
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("\ud800\udbff\udc00\udfff")), max_size=20)


def chat_stream(**over: Any) -> ChatStream:
    start: dict[str, Any] = {"id": "id1", "model": "site/m", "created": 7}
    return ChatStream(**(start | over))


def completion_stream(**over: Any) -> CompletionStream:
    start: dict[str, Any] = {"id": "id1", "model": "site/m", "created": 7}
    return CompletionStream(**(start | over))


def events(stream: ChatStream | CompletionStream, *chunks: Chunk) -> list[Any]:
    """The data of all events; '[DONE]' stays a string. Every event is one line and an empty one."""
    wire = b"".join(stream.feed(chunk) for chunk in chunks)
    pieces = wire.split(b"\n\n")
    assert pieces.pop() == b""
    assert all(piece.startswith(b"data: ") and piece.count(b"\n") == 0 for piece in pieces)
    return [DONE if piece == b"data: [DONE]" else orjson.loads(piece[6:]) for piece in pieces]


def deltas(found: list[Any]) -> list[dict[str, Any]]:
    read = [ChatCompletionChunk.model_validate(event, strict=False) for event in found if event != DONE]
    assert all((chunk.id, chunk.model, chunk.created) == ("id1", "site/m", 7) for chunk in read)
    return [choice.delta.model_dump(exclude_none=True) for chunk in read for choice in chunk.choices]


def test_a_chat_streams_role_first_then_content_then_the_reason_then_done() -> None:
    found = events(chat_stream(), Text("Pa"), Text(""), Text("ris"), SIGNALS, Done(Usage(1, 2), ("length",)))
    assert deltas(found) == [{"role": "assistant", "content": ""}, {"content": "Pa"}, {"content": "ris"}, {}]
    assert [event["choices"][0]["finish_reason"] for event in found[:-1]] == [None, None, None, "length"]
    assert found[-1] == DONE
    assert all("usage" not in event for event in found[:-1])


def test_usage_comes_last_and_only_where_it_was_asked_for() -> None:
    found = events(chat_stream(include_usage=True), Text("x"), Done(Usage(1, 2, 1)))
    assert [event["usage"] for event in found[:-2]] == [None] * 3
    assert found[-2]["choices"] == []
    assert found[-2]["usage"]["total_tokens"] == 3
    assert found[-1] == DONE
    deltas(found)


def test_an_answer_without_a_word_has_a_role_and_an_end() -> None:
    assert deltas(events(chat_stream(), Done(Usage()))) == [{"role": "assistant", "content": ""}, {}]


def test_choices_are_kept_apart() -> None:
    found = events(chat_stream(), Text("a", 1), Text("b", 0), Done(Usage(), ("stop", "length")))
    parts = [(event["choices"][0]["index"], event["choices"][0]["delta"]) for event in found[:-1]]
    assert [(index, delta.get("content")) for index, delta in parts] == [
        (1, ""),
        (1, "a"),
        (0, ""),
        (0, "b"),
        (0, None),
        (1, None),
    ]


def test_tool_calls_stream_in_their_deltas() -> None:
    first = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    found = events(
        chat_stream(),
        ToolCall(first),
        ToolCall({"index": 0, "function": {"arguments": "{}"}}),
        Done(Usage(), ("tool_calls",)),
    )
    read = deltas(found)
    assert read[1]["tool_calls"] == [first]
    assert read[2]["tool_calls"] == [{"index": 0, "function": {"arguments": "{}"}}]
    assert found[-2]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("id", [{}, {"id": ""}, {"id": None}, {"id": "c", "type": "function"}])
def test_a_call_has_its_id_once_and_in_its_first_piece_whatever_its_server_says(id: dict[str, Any]) -> None:
    """Clients join what comes in pieces, and cannot tell a tool's result where there is no id."""
    pieces = [{"index": place, **id, "function": {"name": "f", "arguments": ""}} for place in (0, 1)]
    pieces += [{"index": place, **id, "function": {"arguments": "{}"}} for place in (0, 1)]
    read = deltas(events(chat_stream(), *map(ToolCall, pieces), Done(Usage(), ("tool_calls",))))[1:-1]
    calls = [call for delta in read for call in delta["tool_calls"]]
    named = ["c", "c"] if id.get("id") else ["call_0", "call_1"]
    assert [(call.get("id"), call.get("type")) for call in calls] == [
        *((one, "function") for one in named),
        (None, None),
        (None, None),
    ]


def test_log_probabilities_stream_with_their_text() -> None:
    chunk = Text("x", logprobs=(TokenLogprob("x", -0.5, (("y", -1.0),)),))
    read = ChatCompletionChunk.model_validate(events(chat_stream(), chunk)[1])
    assert read.choices[0].logprobs is not None
    assert read.choices[0].logprobs.content is not None
    assert read.choices[0].logprobs.content[0].top_logprobs[0].token == "y"


def test_a_completion_streams_text_then_the_reason_then_done() -> None:
    tokens = (TokenLogprob("b", -1.0),)
    found = events(
        completion_stream(include_usage=True), Text("aa", logprobs=tokens), Text("b", logprobs=tokens), SIGNALS
    )
    read = [Completion.model_validate(event | {"choices": [c | {"finish_reason": "stop"}]}) for event in found
            for c in event["choices"]]  # fmt: skip
    assert [chunk.choices[0].text for chunk in read] == ["aa", "b"]
    assert [chunk.choices[0].logprobs.text_offset for chunk in read if chunk.choices[0].logprobs] == [[0], [2]]
    stream = completion_stream()
    found = events(stream, Text("a"), Text(""), Done(Usage(), ("tool_calls",)))
    assert [event["choices"][0]["text"] for event in found[:-1]] == ["a", ""]
    assert found[-2]["choices"][0]["finish_reason"] == "stop"
    assert found[-1] == DONE
    assert stream.finished


@pytest.mark.parametrize("make", [chat_stream, completion_stream])
def test_an_error_after_the_first_byte_is_the_last_event(make: Any) -> None:
    stream = make()
    stream.feed(Text("x"))
    wire = stream.fail(UpstreamFailed("All paths failed.", details=("m: timeout",)))
    assert wire.startswith(b'data: {"error":')
    assert wire.endswith(b"}\n\n")
    assert b"[DONE]" not in wire
    assert orjson.loads(wire[6:])["error"]["code"] == "all_paths_failed"
    with pytest.raises(AssertionError):
        stream.feed(Text("y"))


def test_what_cannot_be_in_a_stream_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        chat_stream().feed(Vector((1.0,)))
    with pytest.raises(AssertionError):
        completion_stream().feed(ToolCall({}))


@given(TEXTS, st.text(max_size=10), st.text(max_size=10))
def test_any_text_stays_in_one_event(text: str, id: str, model: str) -> None:
    found = events(chat_stream(id=id, model=model), Text(text), Done(Usage()))
    sent = "".join(event["choices"][0]["delta"].get("content", "") for event in found[:-1])
    assert (found[0]["id"], found[0]["model"]) == (id, model)
    assert len(sent.replace("\ufffd", "")) <= len(text)
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert sent == text
    spoken = events(completion_stream(), Text(text), Done(Usage()))
    assert "".join(event["choices"][0]["text"] for event in spoken[:-1]) == sent


def test_thinking_comes_before_the_text_and_seals_stay_here() -> None:
    chunks = [Reasoning("A capital"), Reasoning("", seal="c2Vh"), Text("Paris"), Done(Usage(3, 9, 0, 7))]
    got = [ChatCompletionChunk.model_validate(event) for event in events(chat_stream(include_usage=True), *chunks)[:-1]]
    deltas = [event.choices[0].delta.model_dump(exclude_none=True) for event in got if event.choices]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "A capital"},
        {"content": "Paris"},
        {},
    ]
    assert got[-1].usage is not None and got[-1].usage.completion_tokens_details is not None
    assert got[-1].usage.completion_tokens_details.reasoning_tokens == 7


def test_a_completion_has_no_place_for_thinking() -> None:
    assert completion_stream().feed(Reasoning("hm")) == b""

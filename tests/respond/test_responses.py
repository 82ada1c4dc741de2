"""/v1/responses outwards: every object and event is one that OpenAI's own types accept, and they add up."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import ConfigDict, TypeAdapter

from appliance.errors import NoCapacity, UpstreamFailed, WeirError
from appliance.intake.responses import parse_responses
from appliance.records.chunks import Chunk, Done, Reasoning, Text, TokenLogprob, ToolCall, Usage
from appliance.records.request import Echo
from appliance.respond.collect import collect, replay
from appliance.respond.responses import ResponseStream, response_body
from tests.intake.wire import LIMITS

EVENT: TypeAdapter[Any] = TypeAdapter(get_args(ResponseStreamEvent)[0], config=ConfigDict())
USAGE = Usage(11, 7, 3, 2, 1)


def echo_of(**over: Any) -> Echo:
    body = orjson.dumps({"model": "auto", "input": "Hello", **over})
    echo = parse_responses(body, {}, LIMITS, request_id="r").echo
    assert echo is not None
    return echo


PLAIN = echo_of()
SUMMARY = echo_of(reasoning={"summary": "auto"})
SEALED = echo_of(include=["reasoning.encrypted_content"])


def call(arguments: str, place: int = 0, *, id: str | None = None, name: str | None = None) -> ToolCall:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return ToolCall({"index": place, "function": function} | ({"id": id} if id else {}))


def events_of(raw: bytes) -> list[Any]:
    """What the SDK would parse, each event checked by its type; names and numbers as they must be."""
    events = []
    for number, block in enumerate(raw.decode().split("\n\n")[:-1]):
        name, data = block.split("\n")
        value = orjson.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        assert value["sequence_number"] == number
        EVENT.validate_python(value)
        events.append(value)
    return events


def streamed(chunks: list[Chunk], echo: Echo = PLAIN) -> list[Any]:
    stream = ResponseStream(id="wr_1", model="site/one", created=7, echo=echo)
    events = events_of(b"".join(map(stream.feed, chunks)))
    assert stream.finished
    return events


def whole(chunks: list[Chunk], echo: Echo = PLAIN) -> dict[str, Any]:
    answer = collect(chunks, id="wr_1", model="site/one", created=7)
    value: dict[str, Any] = orjson.loads(response_body(answer, echo, id="wr_1", created=7))
    Response.model_validate(value)
    return value


def kinds(events: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


TEXT: list[Chunk] = [Text("Hello"), Text(" you"), Done(USAGE)]
TALK: list[Chunk] = [
    Reasoning("Hm"),
    Reasoning(", so.", seal="SEAL"),
    Text("Let me"),
    Text(" see."),
    call("", id="c1", name="weather"),
    call('{"city":'),
    call('"Bern"}'),
    call("{}", 1, id="c2", name="time"),
    Done(USAGE, ("tool_calls",)),
]


def test_a_text_has_its_events_in_order() -> None:
    events = streamed(TEXT)
    assert kinds(events) == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done", "content_part.done"),
        *("output_item.done", "completed"),
    ]
    assert "".join(event["delta"] for event in events if "delta" in event) == "Hello you"
    last = events[-1]["response"]
    assert last["usage"] == {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 1},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 18,
    }
    assert (last["status"], last["store"], last["error"], last["tools"]) == ("completed", False, None, [])
    assert events[0]["response"]["output"] == []
    assert events[0]["response"]["status"] == "in_progress"


def test_calls_have_their_events_and_their_ids() -> None:
    events = streamed(TALK)
    added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    assert [item["type"] for item in added] == ["reasoning", "message", "function_call", "function_call"]
    assert len({item["id"] for item in added}) == 4
    pieces = [e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta"]
    assert pieces == ['{"city":', '"Bern"}', "{}"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in done[2:]] == [
        ("c1", "weather", '{"city":"Bern"}'),
        ("c2", "time", "{}"),
    ]


def test_thinking_is_content_or_summary_as_it_was_asked_for_and_sealed_only_then() -> None:
    plain, summed, sealed = streamed(TALK), streamed(TALK, SUMMARY), streamed(TALK, SEALED)
    assert [k for k in kinds(plain) if "reasoning" in k] == ["reasoning_text.delta"] * 2 + ["reasoning_text.done"]
    assert [k for k in kinds(summed) if "reasoning" in k] == [
        *("reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done"),
    ]
    first = [events[-1]["response"]["output"][0] for events in (plain, summed, sealed)]
    assert first[0]["content"] == [{"type": "reasoning_text", "text": "Hm, so."}]
    assert first[1]["summary"] == [{"type": "summary_text", "text": "Hm, so."}]
    assert ["encrypted_content" in item for item in first] == [False, False, True]
    assert first[2]["encrypted_content"] == "SEAL"


def test_thinking_that_only_its_provider_can_read_is_an_item_where_seals_are_wanted_and_nothing_else() -> None:
    chunks: list[Chunk] = [Reasoning("", seal="redacted:abc"), *TEXT]
    assert [item["type"] for item in streamed(chunks)[-1]["response"]["output"]] == ["message"]
    item = streamed(chunks, SEALED)[-1]["response"]["output"][0]
    assert (item["type"], item["summary"], item["encrypted_content"]) == ("reasoning", [], "redacted:abc")


@pytest.mark.parametrize(("finish", "why"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_what_was_cut_off_is_incomplete_and_says_why(finish: Any, why: str) -> None:
    chunks: list[Chunk] = [Text("Hel"), Done(USAGE, (finish,))]
    events = streamed(chunks)
    for body in (events[-1]["response"], whole(chunks)):
        assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": why})
        assert body["output"][0]["status"] == "incomplete"
    assert events[-1]["type"] == "response.incomplete"


def test_log_probabilities_stand_where_they_belong() -> None:
    token = TokenLogprob("Hi", -0.5, (("Hi", -0.5), ("Ho", -1.0)))
    events = streamed([Text("Hi", logprobs=(token,)), Done(USAGE)])
    delta = next(event for event in events if event["type"] == "response.output_text.delta")
    assert [row["token"] for row in delta["logprobs"]] == ["Hi"]
    part = events[-1]["response"]["output"][0]["content"][0]
    assert part["logprobs"][0]["top_logprobs"][1]["token"] == "Ho"


def test_an_answer_without_a_word_is_a_message_without_one() -> None:
    for body in (streamed([Done(USAGE)])[-1]["response"], whole([Done(USAGE)])):
        assert [item["type"] for item in body["output"]] == ["message"]
        assert body["output"][0]["content"][0]["text"] == ""


def test_a_stream_that_breaks_off_fails_and_says_so_last() -> None:
    stream = ResponseStream(id="wr_1", model="m", created=7, echo=PLAIN)
    sent = stream.feed(Text("Hel"))
    error = UpstreamFailed("It broke off.", next_step="Send it again.", details=("site/one: broken_stream: x",))
    events = events_of(sent + stream.fail(error))
    assert kinds(events)[-2:] == ["failed", "error"]
    assert events[-2]["response"]["error"]["code"] == "server_error"
    assert (events[-1]["message"], events[-1]["code"]) == ("It broke off. Send it again.", "all_paths_failed")
    assert events[-1]["error"]["weir"]["reasons"] == ["site/one: broken_stream: x"]


def test_a_stream_that_never_began_begins_before_it_fails() -> None:
    stream = ResponseStream(id="wr_1", model="", created=7, echo=PLAIN)
    assert kinds(events_of(stream.fail(NoCapacity("Busy.")))) == ["created", "in_progress", "failed", "error"]


def test_pieces_of_a_call_without_a_name_are_no_call() -> None:
    stream = ResponseStream(id="wr_1", model="m", created=7, echo=PLAIN)
    assert b"function_call" not in stream.feed(call("{}", id="c1"))
    with pytest.raises(WeirError):
        stream.feed(Done(USAGE))


CHUNKS = st.lists(
    st.one_of(
        st.text(max_size=6).map(Text),
        st.text(min_size=1, max_size=6).map(Reasoning),
        st.builds(lambda piece, place: call(piece, place, id=f"c{place}", name="t"), st.text(max_size=4), st.just(0)),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(CHUNKS, st.sampled_from(("stop", "length", "tool_calls")), st.sampled_from((PLAIN, SUMMARY, SEALED)))
def test_pieces_add_up_to_what_is_done_and_to_what_came(chunks: list[Chunk], finish: Any, echo: Echo) -> None:
    events = streamed([*chunks, Done(USAGE, (finish,))], echo)
    output = events[-1]["response"]["output"]
    for place, item in enumerate(output):
        pieces = "".join(e["delta"] for e in events if "delta" in e and e["output_index"] == place)
        assert pieces == said_by(item)
    wanted = "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))
    assert "".join(said_by(item) for item in output if item["type"] == "message") == wanted


def said_by(item: dict[str, Any]) -> str:
    if item["type"] == "function_call":
        return str(item["arguments"])
    return "".join(part["text"] for part in (item.get("content") or item.get("summary") or ()))


@pytest.mark.parametrize("echo", [PLAIN, SUMMARY, SEALED])
def test_a_stored_answer_says_the_same_whole_and_streamed(echo: Echo) -> None:
    answer = collect(TALK, id="wr_1", model="site/one", created=7)
    body = orjson.loads(response_body(answer, echo, id="wr_1", created=7))
    assert streamed(list(replay(answer)), echo)[-1]["response"] == body

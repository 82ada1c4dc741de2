"""Anthropic's dialect outwards: what its SDK reads, in the order that clients rely on."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic.types import Message, ModelInfo, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from appliance import errors
from appliance.errors import UpstreamFailed, WeirError
from appliance.records.answer import Answer, Choice
from appliance.records.chunks import Chunk, Done, Reasoning, Signals, Text, ToolCall, Usage
from appliance.records.request import Thinking
from appliance.respond.anthropic import MessageStream, error_body, message_body, models_body
from appliance.respond.collect import replay
from tests import factories

SIGNALS = Signals(0, 1, -0.1, -0.1, -0.1, (-0.1, -0.1, -0.1), 0.0, 1.0)
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("\ud800\udbff\udc00\udfff")), max_size=20)


def call(arguments: str = "{}", id: str = "c1", name: str = "look") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def body(thinking: Thinking | None = None, usage: Usage = Usage(10, 3, 4), **over: Any) -> dict[str, Any]:
    choice = Choice(**({"text": "Paris"} | over))
    read = orjson.loads(message_body(Answer("a", "site/m", 1, (choice,), usage), thinking, id="id1"))
    Message.model_validate(read, strict=False)
    assert (read["id"], read["model"], read["type"], read["role"]) == ("id1", "site/m", "message", "assistant")
    return read


def events(*chunks: Chunk, thinking: Thinking | None = None) -> list[dict[str, Any]]:
    """The data of all events, each under its own name, as the SDK validates them."""
    stream = MessageStream(id="id1", model="site/m", thinking=thinking)
    pieces = b"".join(stream.feed(chunk) for chunk in chunks).split(b"\n\n")
    assert pieces.pop() == b""
    found = []
    for piece in pieces:
        name, data = piece.split(b"\n")
        event = orjson.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        if event["type"] != "ping":
            EVENT.validate_python(event)
            found.append(event)
    return found


def folded(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What a client makes of events, as Anthropic documents it: one block after the other, each begun and ended."""
    message, arguments = found[0]["message"], ""
    assert found[0]["type"] == "message_start"
    assert [event["type"] for event in found[-2:]] == ["message_delta", "message_stop"]
    is_open = False
    for event in found[1:-2]:
        kind = event["type"].removeprefix("content_block_")
        assert is_open == (kind != "start")
        if kind == "start":
            assert event["index"] == len(message["content"])
            message["content"].append(event["content_block"])
            is_open, arguments = True, ""
            continue
        assert event["index"] == len(message["content"]) - 1
        block = message["content"][-1]
        if kind == "stop":
            is_open = False
            if block["type"] == "tool_use":
                block["input"] = orjson.loads(arguments or "{}")
        elif (name := event["delta"]["type"].removesuffix("_delta")) in ("text", "thinking", "signature"):
            block[name] += event["delta"][name]
        else:
            arguments += event["delta"]["partial_json"]
    assert not is_open
    return {**message, **found[-2]["delta"], "usage": found[-2]["usage"]}


def test_a_message_counts_what_was_cached_apart() -> None:
    read = body()
    assert read["content"] == [{"type": "text", "text": "Paris"}]
    assert read["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 4,
        "output_tokens": 3,
    }


def test_a_message_counts_what_a_cache_wrote_and_what_was_thought() -> None:
    usage = body(usage=Usage(10, 9, 4, 7, 3))["usage"]
    assert (usage["input_tokens"], usage["cache_creation_input_tokens"], usage["cache_read_input_tokens"]) == (3, 3, 4)
    assert usage["output_tokens_details"] == {"thinking_tokens": 7}


def test_the_stop_sequence_that_was_met_is_told() -> None:
    said = {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert said.items() <= body(stop="END").items()
    assert events(Text("x"), Done(Usage(), ("stop",), "", ("END",)))[-2]["delta"] == said
    assert body(finish_reason="length", stop="END")["stop_sequence"] is None


THOUGHT: tuple[Chunk, ...] = (Reasoning("Hm"), Reasoning(", so.", seal="SEAL"), Text("Four"), Done(Usage()))
SHOWN = {"type": "thinking", "thinking": "Hm, so.", "signature": "SEAL"}


@pytest.mark.parametrize(
    ("thinking", "block"),
    [(None, None), (Thinking(), SHOWN), (Thinking(show=False), SHOWN | {"thinking": ""})],
)
def test_thinking_is_shown_to_whoever_asked_for_it(thinking: Thinking | None, block: Any) -> None:
    made = [{"type": "text", "text": "Four"}]
    wanted = made if block is None else [block, *made]
    assert folded(events(*THOUGHT, thinking=thinking))["content"] == wanted
    assert body(thinking, text="Four", reasoning="Hm, so.", seal="SEAL")["content"] == wanted


def test_thinking_that_only_its_provider_can_read_is_a_block_of_its_own() -> None:
    chunks = (Reasoning("", seal="redacted:abc"), *THOUGHT)
    kinds = [block["type"] for block in folded(events(*chunks, thinking=Thinking()))["content"]]
    assert kinds == ["redacted_thinking", "thinking", "text"]
    assert body(Thinking(), seal="redacted:abc")["content"][0] == {"type": "redacted_thinking", "data": "abc"}


def test_thinking_without_a_seal_has_a_block_too() -> None:
    found = folded(events(Reasoning("Hm"), Text("x"), Done(Usage()), thinking=Thinking()))
    assert found["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": ""}


@pytest.mark.parametrize(
    ("reason", "said"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("tool_calls", "tool_use")],
)
def test_every_reason_has_its_word(reason: Any, said: str) -> None:
    assert body(finish_reason=reason)["stop_reason"] == said
    assert events(Text("x"), Done(Usage(), (reason,)))[-2]["delta"]["stop_reason"] == said


def test_a_call_is_one_also_where_its_server_says_that_it_just_stopped() -> None:
    read = body(text="", tool_calls=(call('{"a": [1]}'), call("", "")))
    assert [block["input"] for block in read["content"]] == [{"a": [1]}, {}]
    assert [block["id"] for block in read["content"]] == ["c1", "call_1"]
    assert read["stop_reason"] == "tool_use"


@pytest.mark.parametrize("arguments", ["{", "[1]", "null", "5", '"x"'])
def test_arguments_that_are_no_object_are_an_error_unless_the_limit_cut_them_off(arguments: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        body(tool_calls=(call(arguments),))
    assert caught.value.__cause__ is None
    cut = body(tool_calls=(call('{"a":1}'), call(arguments)), finish_reason="length")
    assert (len(cut["content"]), cut["stop_reason"]) == (2, "max_tokens")


CALLS = st.builds(
    lambda held, made, name: call(orjson.dumps(held).decode(), made, name),
    st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=3),
    st.text("abc", min_size=1, max_size=3),
    st.text("xyz", min_size=1, max_size=5),
)


@given(TEXTS, st.lists(CALLS, max_size=3), st.sampled_from(("stop", "length", "content_filter", "tool_calls")))
def test_an_answer_says_the_same_whole_and_streamed(text: str, calls: list[dict[str, Any]], reason: Any) -> None:
    answer = Answer("a", "site/m", 7, (Choice(text, tuple(calls), reason),), Usage(10, 3, 4))
    whole = orjson.loads(message_body(answer, id="id1"))
    streamed = folded(events(*replay(answer)))
    if text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") == text:  # else it is mended in pieces
        assert streamed == whole


def test_pieces_of_calls_are_put_in_blocks_as_they_come() -> None:
    def piece(**over: Any) -> ToolCall:
        return ToolCall(over)

    found = events(
        Text("Let me "),
        Text(""),
        SIGNALS,
        Text("look."),
        piece(index=0, id="a"),
        piece(index=0, function={"arguments": '{"q"'}),
        piece(index=0, function={"name": "one", "arguments": ":1"}),
        piece(index=0, function={"arguments": "}"}),
        piece(index=1, id="b", function={"name": "two"}),
        piece(index=1, function={"arguments": "{}"}),
        Text("Done."),
        Done(Usage(1, 2), ("tool_calls",)),
    )
    assert folded(found)["content"] == [
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "a", "name": "one", "input": {"q": 1}},
        {"type": "tool_use", "id": "b", "name": "two", "input": {}},
        {"type": "text", "text": "Done."},
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        [call() | {"index": 0}, call(id="c2") | {"index": 1}, {"index": 0, "function": {"arguments": "}"}}],
        [{"index": 0, "id": "c1", "function": {"arguments": "{}"}}],
    ],
)
def test_pieces_that_make_no_calls_are_an_error_not_a_guess(pieces: list[dict[str, Any]]) -> None:
    with pytest.raises(UpstreamFailed):
        events(*[ToolCall(piece) for piece in pieces], Done(Usage()))


def test_an_empty_answer_is_a_message_without_blocks() -> None:
    assert body(text="")["content"] == []
    assert folded(events(Done(Usage(3, 0))))["content"] == []


def test_a_ping_comes_early_and_an_error_last() -> None:
    stream = MessageStream(id="id1", model="site/m")
    assert b"event: ping\n" in stream.feed(Text("x"))
    last = stream.fail(UpstreamFailed("It broke off.", next_step="Ask again."))
    assert last.startswith(b"event: error\ndata: {")
    assert last.endswith(b"}\n\n")
    assert last.count(b"\n") == 3
    with pytest.raises(AssertionError):
        stream.feed(Text("y"))


def kinds() -> list[type[WeirError]]:
    found, left = [], [WeirError]
    while left:
        found.append(left.pop())
        left += found[-1].__subclasses__()
    return [kind for kind in found if kind.__module__ == errors.__name__]


KNOWN = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    508: "api_error",
}


@pytest.mark.parametrize("kind", kinds())
def test_every_error_has_a_type_of_anthropics_and_our_code_and_next_step(kind: type[WeirError]) -> None:
    read = orjson.loads(error_body(kind("It went wrong.", param="field", next_step="Do this.", details=("why",))))
    assert set(read) == {"type", "error"}
    said = read["error"]
    assert (read["type"], said["message"]) == ("error", "It went wrong. Do this.")
    assert (said["code"], said["param"], said["weir"]["reasons"]) == (kind.code, "field", ["why"])
    expected = KNOWN.get(kind.status, "invalid_request_error")
    if kind.status == 503:
        expected = "overloaded_error" if kind.kind == "capacity" else "api_error"
    assert said["type"] == expected


def test_the_list_of_models_is_whole_where_no_page_is_asked_for() -> None:
    read = orjson.loads(models_body([factories.card("site/m", context_tokens=4096)], created=1_700_000_000))
    assert (read["has_more"], read["first_id"], read["last_id"]) == (False, "auto", "site/m")
    models = [ModelInfo.model_validate(entry, strict=False) for entry in read["data"]]
    assert [model.id for model in models] == ["auto", "auto:cheap", "auto:fast", "auto:best", "site/m"]
    assert (models[-1].max_input_tokens, models[0].max_input_tokens) == (4096, None)
    assert read["data"][0]["created_at"] == "2023-11-14T22:13:20Z"


def page(**asked: Any) -> tuple[list[str], bool, str | None, str | None]:
    cards = [factories.card(f"site/{at}") for at in range(6)]
    read = orjson.loads(models_body(cards, created=1_700_000_000, **asked))
    return [entry["id"] for entry in read["data"]], read["has_more"], read["first_id"], read["last_id"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"limit": 10}, (0, 10, False)),
        ({"limit": 9}, (0, 9, True)),
        ({"limit": 3, "after_id": "auto:best"}, (4, 7, True)),
        ({"limit": 3, "after_id": "site/2"}, (7, 10, False)),
        ({"limit": 3, "before_id": "site/0"}, (1, 4, True)),
        ({"limit": 3, "before_id": "auto:best"}, (0, 3, False)),
        ({"limit": 9, "before_id": "auto:fast"}, (0, 2, False)),
    ],
)
def test_a_page_of_models_is_what_stands_after_or_before_one(
    asked: dict[str, Any], expected: tuple[int, int, bool]
) -> None:
    every = page()[0]
    start, end, more = expected
    assert page(**asked) == (every[start:end], more, every[start], every[end - 1])


def test_an_empty_page_names_no_model() -> None:
    assert page(limit=3, after_id="site/5") == page(limit=3, before_id="auto") == ([], False, None, None)

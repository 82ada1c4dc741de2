"""Chunks add up to an answer, and an answer falls apart into chunks that add up to it."""

from __future__ import annotations

import time
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from appliance.records.answer import Answer, Choice
from appliance.records.chunks import Chunk, Done, Reasoning, Signals, Text, TokenLogprob, ToolCall, Usage, Vector
from appliance.respond import ChatStream, Collector, chat_body, collect, replay

SIGNALS = Signals(0, 1, -0.1, -0.1, -0.1, (-0.1, -0.1, -0.1), 0.0, 1.0)
NAMED: dict[str, Any] = {"id": "i", "model": "m", "created": 1}
TEXTS = st.text(st.one_of(st.sampled_from(" \n\t.ab"), st.characters()), max_size=80)
TOKENS = st.builds(TokenLogprob, st.text(max_size=3), st.floats(-20, 0), st.just((("a", -1.0),)))
CALLS = st.builds(
    lambda call_id, name, arguments: {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    st.text(min_size=1, max_size=4),
    st.text(min_size=1, max_size=4),
    st.text(max_size=8),
)
CHOICES = st.builds(
    Choice,
    TEXTS,
    st.lists(CALLS, max_size=3).map(tuple),
    st.sampled_from(("stop", "length", "tool_calls")),
    st.lists(TOKENS, max_size=3).map(tuple),
    TEXTS,
    st.text(max_size=4),
    st.text(max_size=4),
)


def test_chunks_add_up() -> None:
    answer = collect(
        [
            Text("Pa"),
            Text("b", 1),
            Text("ris", logprobs=(TokenLogprob("ris", -1.0),)),
            SIGNALS,
            Done(Usage(3, 4), ("stop", "length"), "cpu"),
        ],
        **NAMED,
    )
    assert answer == Answer(
        "i",
        "m",
        1,
        (Choice("Paris", (), "stop", (TokenLogprob("ris", -1.0),)), Choice("b", (), "length")),
        Usage(3, 4),
        (),
        "cpu",
        (SIGNALS,),
    )


def test_thinking_is_joined_beside_the_answer_under_its_one_seal() -> None:
    thought = [Reasoning("It is "), Reasoning("Paris"), Reasoning("", seal="s1"), Text("Paris")]
    first = collect([*thought, Done(Usage(3, 6, 0, 3))], **NAMED).choices[0]
    assert (first.reasoning, first.seal, first.text) == ("It is Paris", "s1", "Paris")
    second = collect([*thought, Reasoning(" again", seal="s2"), Done(Usage())], **NAMED).choices[0]
    assert (second.reasoning, second.seal) == ("It is Paris again", "")


def test_what_a_provider_wants_back_with_a_tool_call_stays_with_it() -> None:
    sealed = {"google": {"thought_signature": "c2Vhb"}}
    chunks = [ToolCall({"index": 0, "id": "c0", "function": {"name": "f", "arguments": "{}"}, "extra_content": sealed})]
    assert collect(chunks, **NAMED).choices[0].tool_calls[0]["extra_content"] == sealed


def test_deltas_of_tool_calls_are_joined_by_index() -> None:
    chunks: list[Chunk] = [
        ToolCall({"index": 0, "id": "c0", "type": "function", "function": {"name": "f", "arguments": ""}}),
        ToolCall({"index": 1, "id": "c1", "function": {"name": "g"}}),
        ToolCall({"index": 0, "function": {"arguments": '{"a"'}}),
        ToolCall({"index": 0, "function": {"arguments": ":1}"}}),
        Done(Usage(), ("tool_calls",)),
    ]
    first, second = collect(chunks, **NAMED).choices[0].tool_calls
    assert first == {"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert second == {"id": "c1", "type": "function", "function": {"name": "g", "arguments": ""}}


def test_vectors_are_put_in_order_and_have_no_choices() -> None:
    answer = collect([Vector((2.0,), 1), Vector((1.0,), 0), Done(Usage(2))], **NAMED)
    assert (answer.vectors, answer.choices) == (((1.0,), (2.0,)), ())


def test_an_unfinished_stream_can_be_looked_at() -> None:
    collector = Collector()
    collector.feed(Text("Pa"))
    assert not collector.finished
    assert collector.answer(**NAMED).choices == (Choice("Pa"),)
    collector.feed(Done(Usage()))
    assert collector.finished


@given(st.lists(CHOICES, min_size=1, max_size=3).map(tuple), st.booleans())
def test_an_answer_replayed_and_collected_is_that_answer(choices: tuple[Choice, ...], signals: bool) -> None:
    answer = Answer("i", "m", 1, choices, Usage(1, 2, 3), (), "cpu", (SIGNALS,) if signals else ())
    assert collect(replay(answer), **NAMED) == answer


def test_vectors_replayed_and_collected_are_those_vectors() -> None:
    answer = Answer("i", "m", 1, (), Usage(1), ((0.5, 1.0), (2.0, 3.0)), "cpu")
    assert collect(replay(answer), **NAMED) == answer


def pieces(text: str) -> list[str]:
    chunks = list(replay(Answer("i", "m", 1, (Choice(text),))))
    assert isinstance(chunks.pop(), Done)
    assert all(isinstance(chunk, Text) and chunk.tokens == 0 for chunk in chunks)
    return [chunk.text for chunk in chunks if isinstance(chunk, Text)]


def test_a_replay_comes_word_by_word() -> None:
    assert pieces(" One two\n three") == [" ", "One ", "two\n ", "three"]
    assert len(pieces("語" * 100)) > 3


def test_a_replay_of_any_text_takes_linear_time() -> None:
    start = time.process_time()
    for text in (" " * 300_000, "x" * 300_000, "x " * 150_000):
        assert sum(1 for _ in replay(Answer("i", "m", 1, (Choice(text),))))
    assert time.process_time() - start < 3.0


def test_a_replay_streams_what_the_body_says() -> None:
    answer = Answer("i", "m", 1, (Choice("Paris is a city.\n\n- really"),), Usage(1, 2))
    stream = ChatStream(id="i", model="m", created=1)
    wire = b"".join(map(stream.feed, replay(answer)))
    events = [orjson.loads(event[6:]) for event in wire.split(b"\n\n")[:-2]]
    sent = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    assert sent == orjson.loads(chat_body(answer))["choices"][0]["message"]["content"]

"""Streams with placeholders cut anywhere come back whole: no text is lost, none comes twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.records.chunks import Chunk, Done, Reasoning, Signals, Text, TokenLogprob, ToolCall, Usage
from appliance.redact import Restorer
from appliance.respond.collect import collect

BACK = {
    "[EMAIL_1]": "ann@corp.example",
    "[EMAIL_11]": "bob@corp.example",
    "[EMAIL_2]": "[EMAIL_1]",  # what was put in is not looked at again
    "[PASSWORD_1]": 'pa"ss\\wörd\n',
}
pieces = st.one_of(
    st.sampled_from([*BACK, "[", "]", "[EMAIL_", "[EMAIL_99]", "[email_1]", "[EMAIL_1", "_1]", "[[EMAIL_1]]", "[PASS"]),
    st.text(max_size=5),
)
said = st.lists(pieces, max_size=10).map("".join)
many = settings(max_examples=400, deadline=None)


def expected(text: str, back: dict[str, str] = BACK) -> str:
    """Slow and plain: at each place, a whole placeholder or one character."""
    made, at = "", 0
    while at < len(text):
        name = next((name for name in back if text.startswith(name, at)), None)
        made += text[at] if name is None else back[name]
        at += 1 if name is None else len(name)
    return made


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(edges)]


def fed(chunks: list[Chunk], *, in_json: bool = False, back: dict[str, str] = BACK) -> Iterator[Chunk]:
    restorer = Restorer(back, in_json=in_json)
    for chunk in chunks:
        yield from restorer.feed(chunk)


def text_of(chunks: list[Chunk], index: int = 0) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text) and chunk.index == index)


@many
@given(said, st.lists(st.integers(0, 500)))
def test_any_text_in_any_pieces(text: str, places: list[int]) -> None:
    made = list(fed([*(Text(piece) for piece in cut(text, places)), Done(Usage())]))
    assert text_of(made) == expected(text)
    assert isinstance(made[-1], Done) and sum(isinstance(chunk, Done) for chunk in made) == 1


@pytest.mark.parametrize("text", ["to [EMAIL_1] and [EMAIL_11].", "[[EMAIL_1]", "[EMAIL_1", "[EMAIL_2][EMAIL_1]"])
def test_cut_at_every_place_and_held_no_longer_than_a_placeholder(text: str) -> None:
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            chunks: list[Chunk] = [Text(text[:first]), Text(text[first:second]), Text(text[second:])]
            assert text_of(list(fed([*chunks, Done(Usage())]))) == expected(text)
    restorer = Restorer(BACK)
    given_ = ""
    for char in text:
        given_ += char
        got = text_of(list(restorer.feed(Text(char))))
        rest = given_[given_.rfind("[") :] if "[" in given_ else ""
        if not any(name.startswith(rest) and name != rest for name in BACK) or not rest:
            assert got  # nothing is held without need


@many
@given(st.lists(st.tuples(st.integers(0, 2), st.text("[EMAIL_12]x ", max_size=9)), max_size=12))
def test_choices_do_not_mix(parts: list[tuple[int, str]]) -> None:
    chunks: list[Chunk] = [Text(text, index) for index, text in parts]
    made = list(fed([*chunks, Done(Usage(), ("stop",) * 3)]))
    for index in range(3):
        assert text_of(made, index) == expected("".join(text for at, text in parts if at == index))


@many
@given(said, said, st.lists(st.integers(0, 500)))
def test_arguments_of_tool_calls_stay_json(one: str, two: str, places: list[int]) -> None:
    chunks: list[Chunk] = [Text("[EMAIL_1")]
    for number, value in enumerate((one, two)):
        arguments = json.dumps({"to": value}, ensure_ascii=False)
        begin = {"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": ""}}
        chunks.append(ToolCall({"index": number, **begin}))
        chunks += [ToolCall({"index": number, "function": {"arguments": piece}}) for piece in cut(arguments, places)]
    answer = collect(fed([*chunks, Done(Usage(), ("tool_calls",))]), id="a", model="m", created=0)
    (choice,) = answer.choices
    assert choice.text == "[EMAIL_1"
    got = [json.loads(call["function"]["arguments"])["to"] for call in choice.tool_calls]
    for value, back in zip((one, two), got, strict=True):
        escaped = json.dumps(value, ensure_ascii=False)
        inside = {name: json.dumps(kept, ensure_ascii=False)[1:-1] for name, kept in BACK.items()}
        assert back == json.loads(expected(escaped, inside))
    assert [call["id"] for call in choice.tool_calls] == ["c0", "c1"]


def test_what_is_held_of_a_call_goes_out_before_the_next_one_begins() -> None:
    chunks = [
        ToolCall({"index": 0, "id": "a", "function": {"name": "f", "arguments": "[EMA"}}),
        ToolCall({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}),
        Done(Usage()),
    ]
    made = [chunk.delta for chunk in fed(chunks) if isinstance(chunk, ToolCall)]
    assert [delta["index"] for delta in made] == [0, 0, 1]
    assert made[1]["function"]["arguments"] == "[EMA"


def test_an_answer_in_json_has_its_values_escaped_and_one_in_prose_has_not() -> None:
    text = '{"a": "[PASSWORD_1]"}'
    (chunk, *_) = fed([Text(text)], in_json=True)
    assert isinstance(chunk, Text) and json.loads(chunk.text) == {"a": BACK["[PASSWORD_1]"]}
    assert text_of(list(fed([Text("it is [PASSWORD_1]!")]))) == f"it is {BACK['[PASSWORD_1]']}!"


def test_tokens_and_log_probabilities_stay_those_that_were_sampled() -> None:
    token = TokenLogprob("[EMAIL", -0.5)
    signals = Signals(0, 2, -1.0, -0.5, -0.5, (-0.5, -0.5, -0.5), 0.1, 0.2)
    made = list(fed([Text("[EMAIL", 0, 3, (token,)), Text("_1] x", 0, 2), signals, Done(Usage(1, 5))]))
    assert [chunk.tokens for chunk in made if isinstance(chunk, Text)] == [3, 2]
    assert made[0] == Text("", 0, 3, (token,))
    assert made[-2:] == [signals, Done(Usage(1, 5))]


def test_the_stop_string_that_ended_an_answer_is_told_as_it_was_asked_for() -> None:
    *_, done = fed([Text("a"), Done(Usage(), ("stop", "stop", "stop"), "", ("", "END", "to [EMAIL_1]"))])
    assert isinstance(done, Done)
    assert done.stops == ("", "END", "to ann@corp.example")


def thought_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Reasoning))


@many
@given(said, st.lists(st.integers(0, 500)), said, st.booleans())
def test_thinking_is_restored_apart_from_the_text_behind_it(
    text: str, places: list[int], after: str, sealed: bool
) -> None:
    thought: list[Chunk] = [Reasoning(piece) for piece in cut(text, places)]
    if sealed:
        thought.append(Reasoning("", seal="s"))
    made = list(fed([*thought, Text(after), Done(Usage())], in_json=True))
    assert thought_of(made) == expected(text)
    assert text_of(made) == expected(after, {name: json.dumps(v, ensure_ascii=False)[1:-1] for name, v in BACK.items()})
    kinds = [type(chunk) for chunk in made]
    assert Reasoning not in kinds[kinds.index(Text) :]  # what was held back comes before the answer
    seals = [chunk.seal for chunk in made if isinstance(chunk, Reasoning) and chunk.seal]
    assert seals == (["s"] if sealed and expected(text) == text else [])


def test_thinking_that_ends_in_the_middle_of_a_placeholder_is_not_lost() -> None:
    assert thought_of(list(fed([Reasoning("to [EMAIL_"), Done(Usage())]))) == "to [EMAIL_"
    called = ToolCall({"index": 0, "function": {"arguments": "{}"}})
    made = list(fed([Reasoning("to [EMAIL_"), called, Done(Usage())]))
    assert [type(chunk) for chunk in made] == [Reasoning, Reasoning, ToolCall, Done]

"""The pieces that need no process: text, forms, slots, numbers."""

from __future__ import annotations

import re
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.paths.contract import PathError
from appliance.paths.llama_cpp import grammar, regex, sampling
from appliance.paths.llama_cpp.automaton import Effort
from appliance.paths.llama_cpp.protocol import FrameError, Unpacker, job_from_wire, job_to_wire, pack
from appliance.paths.llama_cpp.slots import Slots
from appliance.paths.llama_cpp.text import Tail
from appliance.records.request import Format, Sampling
from tests.paths.llama_cpp.rig import make_job


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=4), max_size=3), st.integers(1, 5))
def test_text_is_cut_before_the_first_stop_however_it_arrives(text: str, stops: list[str], size: int) -> None:
    tail, out = Tail(tuple(stops)), ""
    raw = text.encode()
    for at in range(0, len(raw), size):
        out += tail.add(raw[at : at + size])
        if tail.stopped:
            break
    out += tail.end()
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    if tail.stopped:
        assert tail.stop in stops
        assert text.startswith(out + tail.stop)
    else:
        assert not found
        assert not tail.stop
        assert out == text
    assert text.startswith(out)


def test_bytes_of_half_a_character_are_held_and_then_dropped() -> None:
    tail = Tail(())
    assert tail.add(b"a\xe2\x82") == "a"
    assert tail.add(b"\xac") == "€"
    assert tail.add(b"\xe2") == "" == tail.end()


@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(1, 7))
def test_frames_survive_any_cut(parts: list[bytes], size: int) -> None:
    frames = [["x", part.hex(), i] for i, part in enumerate(parts)]
    raw = b"".join(pack(frame) for frame in frames)
    unpacker = Unpacker()
    got = [frame for at in range(0, len(raw), size) for frame in unpacker.feed(raw[at : at + size])]
    assert got == frames


def test_a_frame_of_nonsense_is_an_error() -> None:
    with pytest.raises(FrameError):
        Unpacker().feed(b"\xff\xff\xff\xff")
    with pytest.raises(FrameError):
        Unpacker().feed(b"\x02\0\0\0{]")


def test_a_job_survives_the_wire() -> None:
    job = make_job(stop=("a", "b"), logit_bias=((3, 1.5),), seed=4, n=2, format=Format("json_object"), continues=True)
    (frame,) = Unpacker().feed(pack(["run", job_to_wire(job)]))
    assert job_from_wire(frame[1]) == job


@settings(max_examples=200)
@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000))
def test_integer_ranges_are_exact(low: int, high: int, number: int) -> None:
    low, high = min(low, high), max(low, high)
    alternatives = grammar._span(low, high)
    pattern = "|".join("(?:" + re.sub(r'["\s]', "", one) + ")" for one in alternatives)
    assert bool(re.fullmatch(pattern, str(number))) == (low <= number <= high)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (r"(?=a)b", "look-ahead"),
        (r"(a)\1", "back-reference"),
        (r"a\bb", "boundary"),
        (r"(?i)a", "inline flag"),
        (r"(a{100}){100}", "multiply"),
        (r"a++", "possessive"),
        (r"(?>ab)", "atomic"),
    ],
)
def test_constructs_that_no_grammar_has_are_named(pattern: str, name: str) -> None:
    with pytest.raises(PathError, match=name) as caught:
        regex.to_gbnf(pattern, "s", Effort(), whole=True)
    assert caught.value.fault == "unsupported"


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ({"type": "string", "format": "email"}, "email"),
        ({"type": "number", "minimum": 0}, "minimum"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "allOf"),
        ({"$ref": "https://example.org/x"}, "leaves the schema"),
        ({"$ref": "#/$defs/none"}, "nowhere"),
        ({"$ref": "#"}, "itself"),
        ({"type": "object", "patternProperties": {}}, "patternProperties"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "object", "required": ["a"]}, "required property"),
        ({"type": "fish"}, "fish"),
        ({"type": "string", "maxLength": 10**6}, "maxLength"),
        ({"type": "string", "minLength": True}, "minLength"),
        ({"type": "string", "format": ["date"]}, "format"),
        ({"type": "string", "pattern": 5}, "pattern"),
        ({"type": "object", "properties": ["a"]}, "properties"),
        ({"type": "object", "properties": {"a": {}}, "required": 5}, "required"),
        ({"type": "object", "properties": {"a": {}}, "required": [["a"]]}, "required"),
        ({"type": "object", "properties": {"a": {}}, "required": "a"}, "required"),
    ],
)
def test_schema_keywords_that_cannot_be_held_are_named(schema: dict[str, object], name: str) -> None:
    with pytest.raises(PathError, match=name) as caught:
        grammar.of(Format("json_schema", schema=schema))
    assert caught.value.fault == "unsupported"


KEYWORDS = sorted(
    {"type", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems", "format"}
    | {"pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "enum", "const", "$ref", "anyOf"}
    | {"oneOf", "allOf", "title", "$defs"}
)
leaf = st.sampled_from([None, True, 0, 5, -1.5, "", "a", "#", "#/$defs/a", "date", "(", *grammar._TYPES])
anything = st.recursive(
    leaf,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=12,
)


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(KEYWORDS), anything, max_size=5))
def test_whatever_a_schema_holds_there_is_a_grammar_or_a_refusal(schema: dict[str, object]) -> None:
    """Anything else would end the worker, with all that it does for others."""
    with suppress(PathError):
        assert "root ::= " in str(grammar.of(Format("json_schema", schema=schema)))


def test_a_deep_schema_is_refused() -> None:
    schema: dict[str, object] = {"type": "null"}
    for _ in range(200):
        schema = {"type": "array", "items": schema}
    with pytest.raises(PathError, match="deep"):
        grammar.of(Format("json_schema", schema=schema))


def tokens(*values: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(values, np.int32)


def test_a_prefix_goes_to_the_slot_that_holds_most_of_it() -> None:
    slots = Slots(3, 200)
    for start in (0, 100):
        place = slots.place(np.arange(start, start + 50, dtype=np.int32), "")
        assert place is not None
        place.slot.tokens[:50] = np.arange(start, start + 50)
        place.slot.length = 50
    for slot in slots.all:
        slots.free(slot)
    place = slots.place(np.arange(100, 140, dtype=np.int32), "")
    assert place is not None
    assert (place.slot.id, place.kept, place.source) == (1, 39, None)


def test_a_busy_slot_is_copied_and_a_short_prefix_is_not_worth_it() -> None:
    slots = Slots(2, 200)
    first = slots.place(np.arange(50, dtype=np.int32), "s")
    assert first is not None
    first.slot.tokens[:50], first.slot.length = np.arange(50), 50
    again = slots.place(np.arange(50, dtype=np.int32), "s")
    assert again is not None
    assert again.source is first.slot
    assert again.kept == 49
    assert slots.place(tokens(1), "s") is None
    slots.free(again.slot)
    again.slot.length = 0
    short = slots.place(np.arange(10, dtype=np.int32), "s")
    assert short is not None
    assert short.kept == 0


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(2, 300))
def test_statistics_agree_with_the_long_way(seed: int, width: int) -> None:
    rows = np.random.default_rng(seed).normal(0, 5, (3, width)).astype(np.float32)
    got = sampling.statistics(rows)
    wide = rows.astype(np.float64)
    logp = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    ordered = np.sort(wide, axis=1)
    assert np.allclose(got.log_sum, (wide - logp)[:, 0], atol=1e-3)
    assert np.allclose(got.entropy, -(np.exp(logp) * logp).sum(axis=1), atol=1e-3)
    assert np.allclose(got.margin, ordered[:, -1] - ordered[:, -2], atol=1e-3)


def test_draws_follow_the_softmax() -> None:
    row = np.random.default_rng(0).normal(0, 2, 200).astype(np.float32)
    row[5] = -np.inf
    points = ((np.arange(20_000) + 0.5) / 20_000).tolist()
    for heat in (1.0, 0.5):
        tokens = sampling.draws(np.tile(row, (20_000, 1)), [heat] * 20_000, points)
        seen = np.bincount(tokens, minlength=200)
        wanted = np.exp((row - row.max()) / heat)
        wanted /= wanted.sum()
        assert np.abs(seen / len(points) - wanted).max() < 1e-3
        assert seen[5] == 0
    assert sampling.draws(row[None], [1.0], [0.0]) == [0]
    assert sampling.draws(row[None], [1.0], [1.0 - 2**-53]) == [199]


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(2, 300), st.floats(0.1, 2.0))
def test_draws_together_are_draws_alone(seed: int, width: int, heat: float) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 3, (5, width)).astype(np.float32)
    rows[rng.random((5, width)) < 0.2] = -np.inf
    rows[:, 0] = 0.0
    points = rng.random(5).tolist()
    alone = [sampling.draw(row, float(row.max()), heat, point) for row, point in zip(rows, points, strict=True)]
    assert sampling.draws(rows, [heat] * 5, points) == alone
    rows[2] = np.nan
    assert sampling.draws(rows, [heat] * 5, points) == [*alone[:2], -1, *alone[3:]]


def test_defaults_are_openais() -> None:
    plan = sampling.Plan.of(Sampling(), 0)
    assert (plan.temperature, plan.top_p, plan.top_k, plan.repeat) == (1.0, 1.0, 0, 1.0)
    assert plan.plain
    assert not plan.greedy
    assert sampling.Plan.of(Sampling(seed=4), 2).seed == 6

"""JSON from a mould is what writing it anew gives, whatever the values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.decide import decide
from appliance.records.answer import Answer, Choice
from appliance.records.chunks import Usage
from appliance.records.decision import CacheHit, Outcome, StepOutcome
from appliance.records.mould import Mould, hole
from appliance.records.record import Alike, Likeness, Record, from_json, to_json
from appliance.respond.bodies import chat_body, completion_body
from tests import factories

TEXTS = st.text() | st.sampled_from(["\x00id\x00", "%s %(id)s {id}", '"\\"', "\ud800", "\u2028\U0001f9c0"])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.floats(0, 1e10)  # policy sees its own age in them
CACHE = factories.card("cache/exact", tier="cache", runtime="cache")


@given(TEXTS, TEXTS, st.integers(0, 1 << 53), st.sampled_from([chat_body, completion_body]))
def test_a_body_is_poured_as_it_would_be_written(text: str, id: str, created: int, write: Any) -> None:
    id = id.encode("utf-8", "replace").decode()  # ids are the node's own
    answer = Answer("first", "m/\x00id\x00", 1, (Choice(text), Choice("2")), Usage(1, 2, 3))
    mould = Mould(write(answer, id=hole("id"), created=hole("created")))
    assert mould.pour({"id": id, "created": created}) == write(answer, id=id, created=created)


def test_a_hole_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        Mould(orjson.dumps([hole("a"), hole("b")])).pour({"a": 1})


def hit_record(id: str, now: float, draw: float, age_s: float, seconds: float) -> Record:
    asked, generation = factories.asked(id=id), factories.generation(CACHE, factories.card("m"))
    hit = CacheHit("cache/exact", "k" * 64, age_s, "m", 0.97)
    snapshot, features = replace(factories.snapshot(), now=now, draw=draw, cache=hit), factories.features()
    step = StepOutcome(hit.path, "answered", first_token_s=seconds, seconds=seconds)
    outcome = Outcome("answered", hit.path, "cache", (step,), seconds, frontier_cost=0.25)
    decision = decide(asked, features, generation, snapshot)
    return Record(id, now, asked, features, snapshot, decision, outcome)


@given(st.text(st.characters(codec="utf-8")), MOMENTS, NUMBERS, NUMBERS, NUMBERS)
def test_a_record_is_poured_as_it_would_be_written(
    id: str, now: float, draw: float, age_s: float, seconds: float
) -> None:
    like = Likeness(hit_record("first", 1.0, 0.5, 2.0, 3.0))
    whole = hit_record(id, now, draw, age_s, seconds)
    assert whole.decision.chosen == "cache-hit"
    assert to_json(Alike(like, id, now, draw, age_s, seconds)) == to_json(whole)
    assert from_json(to_json(Alike(like, id, now, draw, age_s, seconds))) == whole


def test_a_record_with_an_embedding_is_no_pattern() -> None:
    record = hit_record("first", 1.0, 0.5, 2.0, 3.0)
    with pytest.raises(ValueError, match="embedding"):
        Likeness(replace(record, features=replace(record.features, embedding=(1.0,))))

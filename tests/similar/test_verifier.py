"""The score rises with the cosine, and what does not fit or is no number is refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.decide.similar import Unit, Verifier
from appliance.similar.measures import NAMES, measures
from appliance.similar.reading import read
from appliance.similar.verifier import Comparison, compare, fits
from tests.similar.made import EMBEDDER, verifier

STARTER = Path(__file__).resolve().parents[2] / "bundles" / "starter" / "similar" / "verifier.json"
WIDTH = len(NAMES)
COSINE = NAMES.index("cosine")
RISING = [at for at, name in enumerate(NAMES) if name.startswith("cosine")]
TEXTS = st.sampled_from(
    [
        "How do I lose weight quickly?", "What is the fastest way to slim down?", "capital of Norway", "",
        "Wie kündige ich meine Wohnung?", "12 km", "\u0000", "How can I open a bank account?", "open an account",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def starter() -> Verifier:
    return Verifier.model_validate_json(STARTER.read_bytes())


@given(TEXTS, TEXTS, st.sampled_from(["en", "de"]), st.floats(-1, 1), st.floats(0, 2))
@settings(max_examples=80, deadline=None)
def test_the_score_never_falls_as_the_cosine_rises(
    starter: Verifier, a: str, b: str, language: str, cosine: float, more: float
) -> None:
    one, other = read(a, language), read(b, language)
    low = starter.score(measures(one, other, cosine))
    high = starter.score(measures(one, other, min(1.0, cosine + more)))
    assert 0.0 <= low <= high + 1e-12 <= 1.0 + 1e-12


@given(st.lists(st.floats(-3, 3), min_size=WIDTH, max_size=WIDTH), st.floats(0, 2))
def test_the_score_is_a_probability_and_rises_with_each_measure_of_the_cosine(x: list[float], more: float) -> None:
    unit = Unit(weight=3.0, bias=0.1, weights=tuple(1.0 if at in RISING else -2.0 for at in range(WIDTH)))
    made = verifier(units=(unit,))
    higher = tuple(value + more if at in RISING else value for at, value in enumerate(x))
    assert 0.0 <= made.score(tuple(x)) <= made.score(higher) <= 1.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("at", [0, WIDTH - 1])
def test_a_measure_that_is_no_number_is_refused(bad: float, at: int) -> None:
    x = [0.5] * WIDTH
    x[at] = bad
    with pytest.raises(ValueError, match="not a number"):
        verifier().score(tuple(x))


@pytest.mark.parametrize("width", [0, 1, WIDTH - 1, WIDTH + 1])
def test_another_number_of_measures_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        verifier().score((0.5,) * width)


def test_what_training_never_saw_is_not_extrapolated() -> None:
    made = verifier(high=(0.8,) * WIDTH)
    assert made.score((0.8,) * WIDTH) == made.score((1e9,) * WIDTH)


def changed(**over: Any) -> str:
    facts = json.loads(verifier().model_dump_json()) | over
    return json.dumps(facts)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed(weights=[1.0]), "one length"),
        (changed(low=[9.0] * WIDTH), "low is above its high"),
        (changed(names=["cosine", *("x" for _ in NAMES[1:])]), "stands twice"),
        (changed(names=[f"m{at}" for at in range(WIDTH)]), "'cosine' is missing"),
        (changed(weights=[-1.0] * WIDTH), "fall as texts grow alike"),
        (changed(units=[{"weight": 1.0, "bias": 0.0, "weights": [-0.1] * WIDTH}]), "fall as texts grow alike"),
        (changed(units=[{"weight": -1.0, "bias": 0.0, "weights": [0.1] * WIDTH}]), "greater than or equal to 0"),
        (changed(units=[{"weight": 1.0, "bias": 0.0, "weights": [0.1]}]), "one length"),
        (changed(units=[{"weight": 0.0, "bias": 0.0, "weights": [0.0] * WIDTH}] * 65), "at most 64"),
        (changed(embedder_sha256="e" * 63), "pattern"),
        (changed(embedder_sha256="../../etc"), "pattern"),
        (changed(extra=1), "Extra inputs"),
        (changed(bias="NaN"), "finite number"),
        (changed().replace("-5.0", "NaN"), "finite number"),
        (changed().replace("-5.0", "1e999"), "finite number"),
        ("[]", "valid dictionary|object"),
        ("{", "JSON"),
        ("", "JSON"),
    ],
)
def test_hostile_content_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Verifier.model_validate_json(text)


def test_a_verifier_for_another_embedder_or_other_measures_does_not_fit() -> None:
    assert fits(verifier(), EMBEDDER) == ""
    assert "another embedder" in fits(verifier(), "f" * 64)
    assert "other measures" in fits(verifier(names=tuple(reversed(NAMES))), EMBEDDER)


def test_the_digest_covers_the_values_and_not_the_words_about_them() -> None:
    assert verifier().digest == verifier(source="elsewhere").digest
    assert verifier().digest != verifier(bias=-5.00001).digest


def test_a_pair_that_a_guard_objects_to_is_not_scored(starter: Verifier) -> None:
    one, other = read("How do I boil 3 eggs?", "en"), read("How do I boil 4 eggs?", "en")
    found = compare(starter, one, other, 1.0)
    assert found.objections
    assert found.score == 0.0
    assert compare(starter, one, one, 1.0).score > 0.9


def test_what_errs_is_an_objection() -> None:
    one = read("How do I boil an egg?", "en")
    broken = verifier().model_copy(update={"weights": None})
    assert compare(broken, one, one, 1.0) == Comparison(("error",), 0.0)
    assert compare(verifier(), one, None, 1.0) == Comparison(("error",), 0.0)  # type: ignore[arg-type]

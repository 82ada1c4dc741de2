"""The quality floor in the decision: who may lower it (nobody), and what `refuse` leaves of a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from appliance.decide import decide
from appliance.records.decision import CacheHit, Decision, PathState, Snapshot
from appliance.records.request import Labels
from tests import factories as make
from tests.decide.test_properties import Situation

REFUSE = Labels(below_floor="refuse")
GOOD = make.card("good", accuracy_default=0.99, accuracy_default_n=1000)
POOR = make.card("poor", accuracy_default=0.3, accuracy_default_n=1000)
GATED = make.card("gated", accuracy_default=0.5, accuracy_default_n=1000, gate="g")
GATE = make.gate("g", "gated", floor=0.9)


def decided(*cards: Any, labels: Labels | None = None, model: str = "auto", gates: Any = (), **over: Any) -> Decision:
    moment = Snapshot(1000.0, 0.5, tuple(PathState(card.id, True) for card in cards), over.pop("cache", None))
    content = make.generation(*cards, gates=gates, **({"quality_floor": 0.9} | over))
    return decide(make.asked(labels=labels or Labels(), model=model), make.features(), content, moment)


def test_with_refuse_no_fallback_is_below_the_floor() -> None:
    assert [step.path for step in decided(GOOD, POOR).fallbacks] == ["poor"]
    strict = decided(GOOD, POOR, labels=REFUSE)
    assert [step.path for step in strict.steps] == ["good"]
    assert strict.fallbacks == ()


def test_with_refuse_a_fallback_that_meets_the_floor_by_card_or_by_gate_stays() -> None:
    other = make.card("other", accuracy_default=0.98, accuracy_default_n=1000)
    strict = decided(GOOD, other, GATED, POOR, labels=REFUSE, gates=(GATE,))
    left = {step.path: step.threshold for step in (*strict.steps, *strict.fallbacks)}
    assert left == {"good": None, "other": None, "gated": 0.8}


def test_with_refuse_a_node_without_upstream_still_tries_what_is_certified() -> None:
    strict = decided(GATED, labels=REFUSE, gates=(GATE,))
    assert strict.refusal == ""
    assert [(step.path, step.gate, step.threshold) for step in strict.steps] == [("gated", "g", 0.8)]


def test_with_refuse_a_gate_that_is_not_certified_for_the_floor_does_not_help() -> None:
    assert decided(GATED, labels=Labels(below_floor="refuse", quality_floor=0.97), gates=(GATE,)).refusal == "quality"


@pytest.mark.parametrize(("stated", "floor"), [(None, 0.9), (0.0, 0.9), (0.5, 0.9), (0.95, 0.95), (1.0, 1.0)])
def test_a_caller_may_raise_the_floor_and_never_lower_it(stated: float | None, floor: float) -> None:
    assert decided(GOOD, POOR, labels=Labels(quality_floor=stated)).floor == floor
    lowered = decided(POOR, labels=Labels(quality_floor=stated))
    assert lowered.below_floor
    assert decided(POOR, labels=Labels(quality_floor=stated, below_floor="refuse")).refusal == "quality"


def test_a_higher_stated_floor_holds() -> None:
    fair = make.card("fair", accuracy_default=0.93, accuracy_default_n=1000)
    assert not decided(fair).below_floor
    assert decided(fair, labels=Labels(quality_floor=0.95)).below_floor
    assert decided(fair, labels=Labels(quality_floor=0.95, below_floor="refuse")).refusal == "quality"


def test_a_named_model_keeps_refuse_and_the_floor() -> None:
    assert decided(GOOD, POOR, model="poor").steps[0].path == "poor"
    refused = decided(GOOD, POOR, model="poor", labels=REFUSE)
    assert (refused.refusal, refused.steps, refused.floor) == ("quality", (), 0.9)
    kept = decided(GOOD, POOR, model="good", labels=Labels(below_floor="refuse", quality_floor=0.95))
    assert (kept.chosen, kept.floor, kept.fallbacks) == ("named", 0.95, ())
    assert (
        decided(GOOD, POOR, model="good", labels=Labels(below_floor="refuse", quality_floor=1.0)).refusal == "quality"
    )


def test_a_stored_answer_that_is_worse_than_the_stated_floor_is_not_taken() -> None:
    stored = make.card("cache/exact", runtime="exact_cache", tier="cache")
    hit = CacheHit("cache/exact", "k", 1.0, "good", 0.92)
    assert decided(GOOD, stored, cache=hit).chosen == "cache-hit"
    assert decided(GOOD, stored, cache=hit, labels=Labels(quality_floor=0.95)).chosen != "cache-hit"


def test_a_stored_answer_that_was_drawn_to_be_made_anew_is_not_taken() -> None:
    stored = make.card("cache/semantic", runtime="semantic_cache", tier="cache")
    hit = CacheHit("cache/semantic", "k", 1.0, "good", 0.98, 0.97)
    assert decided(GOOD, stored, cache=hit).chosen == "cache-hit"
    anew = decided(GOOD, stored, cache=replace(hit, anew=True))
    assert (anew.chosen, anew.steps[0].path) == ("only-path", "good")


@settings(max_examples=150, deadline=None)
@given(make.situations())
def test_refuse_leaves_only_plans_whose_end_is_certified_or_good_enough(situation: Situation) -> None:
    asked, features, content, moment = situation
    decision = decide(asked, features, content, moment)
    assert decision.floor >= max(content.weights.quality_floor, asked.labels.quality_floor or 0.0)
    if asked.labels.below_floor == "serve" or decision.chosen == "cache-hit" or not decision.steps:
        return
    estimates = {candidate.path: candidate.estimate for candidate in decision.candidates}
    for step in (decision.steps[-1], *decision.fallbacks):
        estimate = estimates[step.path]
        assert estimate is not None
        assert step.gate or estimate.p_good_low >= decision.floor

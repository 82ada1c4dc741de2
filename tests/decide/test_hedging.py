"""Claims about hedges and about paths that lag: neither brings in a path that would not have been asked otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.decide import decide, next_step
from appliance.decide.failing import Failing, Hedging
from appliance.records.card import Endpoint
from appliance.records.decision import Asked, PathState, Snapshot, StepOutcome
from appliance.records.request import Labels
from tests import factories as make

ENDPOINT = Endpoint(base_url="http://127.0.0.1:9/v1", model="m")
HEDGED = Failing(hedging=Hedging(on=True))


def hedged(situation: tuple[Any, ...]) -> tuple[Any, ...]:
    who, what, content, moment = situation
    cards = tuple(card.model_copy(update={"endpoint": ENDPOINT}) for card in content.cards)
    weights = content.weights.model_copy(update={"failing": HEDGED})
    return who, what, replace(content, cards=cards, weights=weights), moment


@settings(max_examples=60, deadline=None)
@given(make.situations())
def test_a_hedge_is_the_first_fallback_of_a_plan_of_one_step_and_both_are_paid_for(situation: tuple[Any, ...]) -> None:
    who, what, content, moment = hedged(situation)
    decision = decide(who, what, content, moment)
    if decision.hedge is None:
        return
    assert len(decision.steps) == 1
    assert decision.hedge.step == decision.fallbacks[0]
    assert decision.hedge.after_s > 0
    costs = {one.path: one.estimate.cost for one in decision.candidates if one.eligible and one.estimate is not None}
    assert {decision.steps[0].path, decision.hedge.step.path} <= set(costs)
    if moment.budget_left is not None:
        assert costs[decision.steps[0].path] + costs[decision.hedge.step.path] <= moment.budget_left


def test_a_hedge_waits_as_long_as_the_path_lately_needed_and_else_as_its_card_says() -> None:
    speed = {"first_token_s": 0.1, "first_token_p95_s": 0.7}
    cards = [make.card(name, speed=speed, endpoint=ENDPOINT.model_dump()) for name in ("a", "b")]
    content = replace(make.generation(*cards), weights=make.generation().weights.model_copy(update={"failing": HEDGED}))
    told = decide(make.asked(), make.features(), content, make.snapshot("a", "b"))
    assert told.hedge is not None
    assert told.hedge.after_s == 0.7
    lately = tuple(PathState(name, True, first_token_s=0.1, first_token_p95_s=0.3) for name in ("a", "b"))
    told = decide(make.asked(), make.features(), content, Snapshot(1000.0, 0.5, lately))
    assert told.hedge is not None
    assert told.hedge.after_s == 0.3
    off = replace(content, weights=make.generation().weights)
    assert decide(make.asked(), make.features(), off, make.snapshot("a", "b")).hedge is None


@settings(max_examples=60, deadline=None)
@given(make.situations(), st.lists(st.sampled_from(["failed", "cancelled", "rejected"]), max_size=8))
def test_whatever_came_of_a_race_only_permitted_paths_follow_and_each_once(
    situation: tuple[Any, ...], ends: list[Any]
) -> None:
    who, what, content, moment = hedged(situation)
    decision = decide(who, what, content, moment)
    outcomes: tuple[StepOutcome, ...] = ()
    permitted = {step.path for step in (*decision.steps, *decision.fallbacks)}
    if decision.hedge is not None:  # the other was stopped, and then the one that was heard broke
        outcomes = (StepOutcome(decision.hedge.step.path, "cancelled"), StepOutcome(decision.steps[0].path, "failed"))
    for end in ends:
        step = next_step(decision, outcomes)
        if step is None:
            break
        assert step.path in permitted - {outcome.path for outcome in outcomes}
        outcomes += (StepOutcome(step.path, end),)
    if decision.hedge is not None and len(decision.fallbacks) > 1:
        stopped = (StepOutcome(decision.steps[0].path, "cancelled"), StepOutcome(decision.hedge.step.path, "failed"))
        assert next_step(decision, stopped) == decision.fallbacks[1], "the third stands in for both"


@settings(max_examples=60, deadline=None)
@given(make.situations(), st.data())
def test_a_path_that_lags_stays_eligible_and_is_asked_last_of_what_meets_the_floor_equally(
    situation: tuple[Asked, Any, Any, Snapshot], data: st.DataObject
) -> None:
    who, what, content, moment = situation
    before = decide(who, what, content, moment)
    if before.chosen == "cache-hit":
        return
    slow = {state.path for state in moment.paths if data.draw(st.booleans())}
    states = tuple(replace(s, lagging="slow lately") if s.path in slow else s for s in moment.paths)
    after = decide(who, what, content, replace(moment, paths=states))
    assert [one.eligible for one in after.candidates] == [one.eligible for one in before.candidates]
    assert (after.refusal, bool(after.steps)) == (before.refusal, bool(before.steps))
    if before.steps:
        assert (after.chosen == "below-floor") == (before.chosen == "below-floor")
        if not {step.path for step in before.steps} & slow:
            assert after.steps == before.steps
    late = [step.path in slow for step in after.fallbacks]
    assert late == sorted(late), "who lags stands last"


def lagging(*paths: str) -> Snapshot:
    moment = make.snapshot("good", "weak", "also")
    return replace(moment, paths=tuple(replace(s, lagging="slow lately" * (s.path in paths)) for s in moment.paths))


def test_a_good_path_that_is_slow_is_asked_before_a_quick_one_that_is_below_the_floor() -> None:
    good = make.card("good", accuracy_default=0.97, accuracy_default_n=5000, price={"per_request": 0.001})
    weak = make.card("weak", accuracy_default=0.3, accuracy_default_n=5000)
    also = make.card("also", accuracy_default=0.97, accuracy_default_n=5000, price={"per_request": 0.1})
    content = make.generation(good, weak, quality_floor=0.8)
    for below in ("serve", "refuse"):
        asked = make.asked(labels=Labels(below_floor=below))
        told = decide(asked, make.features(), content, lagging("good"))
        assert (told.refusal, [step.path for step in told.steps]) == ("", ["good"])
    content = make.generation(good, weak, also, quality_floor=0.8)
    told = decide(make.asked(), make.features(), content, lagging("good"))
    assert [step.path for step in told.steps] == ["also"]
    assert [step.path for step in told.fallbacks] == ["weak", "good"]
    (slow,) = [one for one in told.candidates if one.path == "good"]
    assert (slow.eligible, [reason.text for reason in slow.reasons]) == (True, ["slow lately"])

"""Promises of the decision, for any request, content and moment."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.decide import decide, next_step
from appliance.decide.estimate import latency
from appliance.decide.generation import Generation
from appliance.records.decision import Asked, Outcome, Snapshot, StepOutcome
from appliance.records.features import Features
from appliance.records.record import Record, from_json, to_json
from appliance.replay import replay
from tests import factories as make

Situation = tuple[Asked, Features, Generation, Snapshot]
many = settings(max_examples=150, deadline=None)


@many
@given(make.situations(), st.randoms(use_true_random=False))
def test_a_decision_is_one_value_whatever_the_order_of_the_looks(situation: Situation, rng: object) -> None:
    asked, features, content, moment = situation
    shuffled = list(moment.paths)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    again = decide(asked, features, content, replace(moment, paths=tuple(shuffled)))
    assert again == decide(asked, features, content, moment)


@many
@given(make.situations())
def test_no_step_and_no_fallback_is_a_path_that_policy_refuses(situation: Situation) -> None:
    asked, features, content, moment = situation
    decision = decide(asked, features, content, moment)
    for step in (*decision.steps, *decision.fallbacks):
        assert content.policy.refusal(content.card_by_id[step.path], asked.labels) is None


@many
@given(make.situations())
def test_no_step_is_a_path_whose_card_cannot_serve_or_that_is_down_or_too_late(situation: Situation) -> None:
    asked, features, content, moment = situation
    decision = decide(asked, features, content, moment)
    states = {state.path: state for state in moment.paths}
    deadline = asked.labels.deadline_s
    total = 0.0
    for step in (*decision.steps, *decision.fallbacks):
        card = content.card_by_id[step.path]
        if card.tier == "cache":
            continue
        assert asked.kind in card.modalities
        assert asked.model in ("auto", card.id)
        assert all(getattr(card.capabilities, need) for need in features.needs)
        assert (
            not card.context_tokens
            or asked.kind == "embedding"
            or (features.estimated_prompt_tokens <= card.context_tokens)
        )
        assert states[step.path].ok
        _, late = latency(card, states[step.path], features)
        assert deadline is None or late <= deadline
        total += late if step in decision.steps else 0.0
    assert deadline is None or total <= deadline + 1e-9


@many
@given(make.situations())
def test_only_certified_gates_stand_before_another_step(situation: Situation) -> None:
    asked, features, content, moment = situation
    decision = decide(asked, features, content, moment)
    assert len(decision.steps) <= content.weights.max_steps
    assert len({step.path for step in decision.steps}) == len(decision.steps)
    for step in decision.steps[:-1]:
        level = content.gate_by_id[step.gate].level_for(decision.floor)
        assert level is not None and level.floor >= decision.floor - 1e-9 and step.threshold == level.threshold


@many
@given(make.situations(), st.data())
def test_next_step_never_leaves_the_decision_and_always_ends(situation: Situation, data: st.DataObject) -> None:
    asked, features, content, moment = situation
    decision = decide(asked, features, content, moment)
    outcomes: tuple[StepOutcome, ...] = ()
    allowed = {step.path for step in (*decision.steps, *decision.fallbacks)}
    while (step := next_step(decision, outcomes)) is not None:
        assert step.path in allowed
        status = data.draw(st.sampled_from(["rejected", "failed", "answered"]))
        outcomes += (StepOutcome(step.path, status),)
        assert len(outcomes) <= len(allowed)
    if outcomes and all(outcome.status == "failed" for outcome in outcomes):
        assert {outcome.path for outcome in outcomes} == allowed


@many
@given(make.situations())
def test_a_refusal_has_no_steps_and_gives_every_path_a_reason(situation: Situation) -> None:
    asked, features, content, moment = situation
    decision = decide(asked, features, content, moment)
    assert bool(decision.refusal) == (not decision.steps) == (decision.chosen == "refused")
    if decision.refusal and decision.refusal != "quality":
        assert all(candidate.reasons for candidate in decision.candidates)


@many
@given(make.situations())
def test_a_record_round_trips_and_replays_to_the_same_decision(situation: Situation) -> None:
    asked, features, content, moment = situation
    decision = decide(asked, features, content, moment)
    record = Record("r1", 1000.0, asked, features, moment, decision, Outcome("answered"))
    again = from_json(to_json(record))
    assert again == record
    assert replay(again, content) == ()

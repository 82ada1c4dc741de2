"""Named strategies: golden decisions for each, and what none of them may do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.decide import decide
from appliance.decide.generation import Generation
from appliance.decide.strategies import Strategies
from appliance.errors import BudgetSpent, StrategyUnmet
from appliance.failures import refuse
from appliance.recorded import asked_of
from appliance.records.decision import Asked, CacheHit, ComposedCall, Decision, Outcome, PathState, Snapshot, Step
from appliance.records.features import Features
from appliance.records.record import Record, from_json, to_json
from appliance.records.request import Labels, Providers
from appliance.records.tenant import Scope
from appliance.replay import replay
from tests import factories as make
from tests.intake.wire import chat

many = settings(max_examples=60, deadline=None)
OPEN = Labels(classification="public")
CARDS = (
    make.card("desk", context_tokens=2000, speed={"first_token_s": 0.2}),
    make.card("lab", tier="site", price={"output_per_million": 1.0}, context_tokens=2500, speed={"first_token_s": 0.1}),
    make.card("cloud", tier="frontier", price={"output_per_million": 9.0}, speed={"first_token_s": 0.9}),
)
IDS = tuple(card.id for card in CARDS)
STRATEGIES: dict[str, Any] = {
    "first": {"kind": "fallback", "paths": ["cloud", "desk"]},
    "then-any": {"kind": "fallback", "paths": ["lab", "auto"]},
    "cheap": {"kind": "gradient"},
    "quick": {"kind": "latency"},
    "table": {"kind": "tasks", "cells": {"topic": ["lab"], "code/hard": ["cloud", "lab"]}, "otherwise": ["desk"]},
    "split": {"kind": "split", "shares": {"desk": 9, "lab": 1}},
    "sticky": {"kind": "sticky"},
    "vote": {"kind": "ensemble", "members": ["desk", "lab", "cloud"], "quorum": 2},
    "judge": {"kind": "ensemble", "members": ["desk", "lab"], "quorum": 1, "by": "arbiter", "arbiter": ["cloud"]},
    "chain": {"kind": "chain", "draft": ["desk"], "critique": ["lab", "cloud"], "polish": ["cloud", "desk"]},
    "long": {"kind": "partition", "part_tokens": 1000, "overlap_tokens": 100, "note_tokens": 100},
}


def content(default: str = "", floor: float = 0.5, *, cards: Any = CARDS, gates: Any = (), **more: Any) -> Generation:
    made = make.generation(*cards, gates=gates, quality_floor=floor)
    stated = Strategies.model_validate({"default": default, "strategies": STRATEGIES | more})
    return replace(made, strategies=stated)


def run(name: str = "", *, made: Generation | None = None, features: Features | None = None, **over: Any) -> Decision:
    moment = over.pop("moment", make.snapshot(*IDS))
    asked = make.asked(**({"labels": OPEN, "strategy": name} | over))
    return decide(asked, features or make.features(), made or content(), moment)


def order(decision: Decision) -> list[str]:
    return [step.path for step in (*decision.steps, *decision.fallbacks)]


def members_of(step: Step) -> tuple[ComposedCall, ...]:
    return step.composition.members if step.composition is not None else ()


# ---- golden ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("first", [("cloud", "number 1 of 2"), ("desk", "number 2 of 2")]),
        ("then-any", [("lab", "number 1 of 2"), ("desk", "number 2 of 2"), ("cloud", "number 2 of 2")]),
        ("cheap", [("desk", "number 1 in price"), ("lab", "number 2 in price"), ("cloud", "number 3 in price")]),
        ("quick", [("lab", "p50 0.55 s"), ("desk", "p50 0.65 s"), ("cloud", "p50 1.35 s")]),
        ("table", [("lab", "topic: number 1 of 1")]),
        ("split", [("desk", "drawn: share 0.9"), ("lab", "stands in: share 0.1")]),
    ],
)
def test_golden_orders(name: str, steps: list[tuple[str, str]]) -> None:
    decision = run(name)
    assert [(step.path, step.why) for step in (*decision.steps, *decision.fallbacks)] == steps
    assert (decision.chosen, decision.strategy) == ("strategy", name)


@pytest.mark.parametrize(
    ("name", "path", "members"),
    [
        ("vote", "desk", [("desk", "member 1 of 3"), ("lab", "member 2 of 3"), ("cloud", "member 3 of 3")]),
        ("judge", "cloud", [("desk", "member 1 of 2"), ("lab", "member 2 of 2"), ("cloud", "arbiter")]),
        ("chain", "cloud", [("desk", "draft"), ("lab", "critique"), ("cloud", "polish")]),
    ],
)
def test_golden_compositions(name: str, path: str, members: list[tuple[str, str]]) -> None:
    decision = run(name)
    (step,) = decision.steps
    assert (step.path, [(one.path, one.why) for one in members_of(step)]) == (path, members)
    assert (decision.chosen, decision.strategy, decision.fallbacks) == ("strategy", name, ())


def test_what_fits_is_read_whole_and_what_does_not_in_parts() -> None:
    short = run("long")
    assert (short.steps[0].composition, short.chosen, short.strategy) == (None, "best-utility", "long")
    small = content(cards=CARDS[:2])
    long = run("long", made=small, features=make.features(estimated_prompt_tokens=5000))
    (step,) = long.steps
    assert step.composition and (step.composition.kind, step.why) == ("partition", "in about 6 parts")
    assert [one.why for one in members_of(step)] == ["reads about 6 parts", "synthesis"]
    always = content(long={**STRATEGIES["long"], "always": True})
    assert run("long", made=always).steps[0].composition is not None
    huge = run("long", made=small, features=make.features(estimated_prompt_tokens=50_000))
    assert huge.refusal == "unsupported" and "parts, more than 16" in huge.unmet


# ---- who chooses ----------------------------------------------------------------------------------------------


def test_the_request_goes_before_the_tenant_and_the_tenant_before_the_content() -> None:
    made = content(default="cheap")
    tenant = Scope(strategy="first")
    assert run(made=made).strategy == "cheap"
    assert run(made=made, scope=tenant).strategy == "first"
    assert run("quick", made=made, scope=tenant).strategy == "quick"
    assert run(made=made, scope=Scope(strategy="gone")).strategy == "cheap"


def test_a_tenant_names_only_strategies_that_it_may() -> None:
    tenant = Scope(strategies=("quick",))
    assert run("quick", scope=tenant).strategy == "quick"
    refused = run("first", scope=tenant)
    assert refused.refusal == "strategy" and refused.unmet.endswith("there are: quick")


@pytest.mark.parametrize(
    "over",
    [
        {"model": "desk"},
        {"model": "desk", "models": ("desk", "lab")},
        {"providers": Providers(sort="price")},
        {"kind": "embedding"},
    ],
)
def test_who_says_which_path_gets_no_strategy_unless_he_names_one_which_is_refused(over: dict[str, Any]) -> None:
    assert run(made=content(default="first"), **over).strategy == ""
    refused = run("first", **over)
    assert refused.refusal == "strategy" and refused.unmet
    with pytest.raises(StrategyUnmet) as caught:
        refuse(refused)
    assert caught.value.param == "x-weir-strategy" and "first" in caught.value.message


def test_who_states_no_price_is_behind_all_who_do() -> None:
    unstated, gate = make.card("far", tier="frontier", gate="g"), make.gate("g", "far", floor=0.5, accept=1.0)
    made = content(cards=(unstated, *CARDS), gates=(gate,))
    decision = run("cheap", made=made, moment=make.snapshot("far", *IDS))
    assert order(decision) == ["desk", "lab", "cloud", "far"]
    assert decision.fallbacks[-1].why == "its price is not stated"


@pytest.mark.parametrize(
    ("model", "headers", "param"),
    [
        ("strategy:nope", {}, "model"),
        ("auto", {"X-Weir-Strategy": "nope"}, "x-weir-strategy"),
        ("strategy:first", {"X-Weir-Strategy": "nope"}, "x-weir-strategy"),  # which goes before
    ],
)
def test_an_unknown_strategy_is_blamed_on_what_stated_it(model: str, headers: dict[str, str], param: str) -> None:
    asked = asked_of(chat(headers, model=model))
    decision = decide(asked, make.features(), content(), make.snapshot(*IDS))
    with pytest.raises(StrategyUnmet, match="'nope'") as caught:
        refuse(decision, asked)
    assert caught.value.param == param


@pytest.mark.parametrize("name", ["nobody", "first "])
def test_a_strategy_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    refused = run(name)
    assert refused.refusal == "strategy" and "chain, cheap, first" in refused.unmet


def test_without_strategies_in_the_content_there_is_none_to_name() -> None:
    refused = run("first", made=make.generation(*CARDS))
    assert refused.refusal == "strategy" and refused.unmet.endswith("there are: none")


# ---- orders ---------------------------------------------------------------------------------------------------


def test_who_meets_the_floor_comes_first_whatever_the_strategy_says() -> None:
    poor = make.card("cloud", tier="frontier", accuracy_default=0.3)
    made = content(cards=(*CARDS[:2], poor))
    for name in ("first", "cheap", "quick", "split", "sticky"):
        assert run(name, made=made).steps[0].path != "cloud"
    assert order(run("first", made=made)) == ["desk", "cloud"]
    listed = content(cards=(*CARDS[:2], poor), all={"kind": "fallback", "paths": ["cloud", "lab", "desk"]})
    assert order(run("all", made=listed)) == ["lab", "desk", "cloud"]


def test_what_the_gate_of_the_cheapest_sends_back_goes_to_the_next_in_price() -> None:
    cards = (CARDS[0].model_copy(update={"gate": "g"}), *CARDS[1:])
    made = content(cards=cards, gates=(make.gate("g", "desk", floor=0.9),))
    decision = run("cheap", made=made)
    assert [(step.path, step.gate) for step in decision.steps] == [("desk", "g"), ("lab", "")]
    assert [step.path for step in decision.fallbacks] == ["cloud"]


def test_live_figures_decide_who_is_quick() -> None:
    states = [PathState(id, True) for id in IDS]
    states[1] = replace(states[1], queued=50)
    moment = Snapshot(1000.0, 0.5, tuple(states))
    assert order(run("quick", moment=moment)) == ["desk", "cloud", "lab"]


@pytest.mark.parametrize(
    ("cells", "path"),
    [
        ((("code/hard", 0.9),), "cloud"),
        ((("code/easy", 0.9),), "desk"),
        ((("topic/hard", 0.6), ("code/hard", 0.4)), "lab"),
        ((("topic/hard", 0.4), ("code/hard", 0.3)), "desk"),
        ((), "desk"),
    ],
)
def test_the_task_table_goes_by_the_most_probable_cell(cells: Any, path: str) -> None:
    assert run("table", features=make.features(cells=cells)).steps[0].path == path


def test_a_split_keeps_its_shares_and_gives_those_of_who_is_away_to_the_others() -> None:
    counts = Counter(run("split", moment=make.snapshot(*IDS, draw=at / 1000)).steps[0].path for at in range(1000))
    assert counts == {"desk": 900, "lab": 100}
    alone = Counter(run("split", moment=make.snapshot("lab", draw=at / 10)).steps[0].path for at in range(10))
    assert alone == {"lab": 10}


def test_a_conversation_stays_and_a_path_that_goes_moves_only_its_own() -> None:
    threads = [f"{n:016x}" for n in range(300)]
    before = {thread: run("sticky", thread=thread).steps[0].path for thread in threads}
    assert min(Counter(before.values()).values()) > 60
    after = {t: run("sticky", thread=t, moment=make.snapshot("desk", "cloud")).steps[0].path for t in threads}
    assert all(after[t] == before[t] for t in threads if before[t] != "lab")
    assert {after[t] for t in threads if before[t] == "lab"} == {"desk", "cloud"}


def test_without_a_conversation_the_draw_decides() -> None:
    assert {run("sticky", moment=make.snapshot(*IDS, draw=at / 50)).steps[0].path for at in range(50)} == set(IDS)


# ---- compositions ---------------------------------------------------------------------------------------------


def test_too_few_members_are_no_vote() -> None:
    one = run("vote", moment=make.snapshot("desk"))
    assert one.refusal == "capacity" and "1 of its 3 members can answer, and its quorum is 2" in one.unmet
    two = run("vote", moment=make.snapshot("desk", "lab"))
    assert [one.path for one in members_of(two.steps[0])] == ["desk", "lab"]


def test_what_policy_refuses_is_said_to_be_policys() -> None:
    kept = run("judge", labels=Labels(residency="node", classification="secret"))
    assert kept.refusal == "policy" and not kept.steps


def test_all_calls_together_must_be_paid_for_and_in_time() -> None:
    free = run("vote", moment=make.snapshot(*IDS, budget_left=1.0))
    cost = sum(one.estimate.most for one in free.candidates if one.estimate)
    assert free.expected is not None and cost == pytest.approx(free.expected.most) and cost > 0
    assert run("vote", moment=make.snapshot(*IDS, budget_left=cost * 1.001)).steps
    poor = run("vote", moment=make.snapshot(*IDS, budget_left=cost - 0.001))
    assert poor.refusal == "budget" and "budget" in poor.unmet
    late = run("chain", labels=replace(OPEN, deadline_s=4.0))
    assert late.refusal == "capacity" and "deadline" in late.unmet


def test_a_composed_answer_that_only_the_budget_stands_against_is_refused_as_a_simple_one_is() -> None:
    empty = make.snapshot(*IDS, budget_left=0.0)
    for strategy in ("vote", "chain", "judge"):
        decision = run(strategy, moment=empty)
        assert decision.refusal == "budget", strategy
        with pytest.raises(BudgetSpent):
            refuse(decision)


def test_where_more_money_would_not_help_it_is_not_said_to_be_the_budget() -> None:
    away = run("vote", moment=make.snapshot("desk", budget_left=0.0))
    assert away.refusal == "capacity"
    late = run("chain", labels=replace(OPEN, deadline_s=4.0), moment=make.snapshot(*IDS, budget_left=0.0))
    assert late.refusal == "capacity"


@pytest.mark.parametrize(
    "over", [{"n": 2}, {"kind": "completion"}, {"features": make.features(has_tools=True)}], ids=["n", "kind", "tools"]
)
def test_what_is_not_composed_is_refused_where_it_was_asked_for(over: dict[str, Any]) -> None:
    cards = tuple(card.model_copy(update={"modalities": ("chat", "completion")}) for card in CARDS)
    assert run("vote", made=content(cards=cards), **over).refusal == "strategy"
    assert run(made=content(default="vote", cards=cards), **over).strategy == ""


@pytest.mark.parametrize(
    ("over", "word"),
    [
        ({"images": 1, "has_images": True, "needs": frozenset({"images_in"})}, "images"),
        ({"needs": frozenset({"files_in"})}, "files"),
        ({"has_sound": True}, "sound"),
        ({"earlier": 2}, "earlier turns"),
    ],
    ids=["images", "files", "sound", "turns"],
)
def test_what_a_reading_in_parts_would_leave_out_is_not_read_in_parts(over: dict[str, Any], word: str) -> None:
    able = {"images_in": True, "files_in": True}
    cards = tuple(
        card.model_copy(update={"capabilities": make.card("x", capabilities=able).capabilities}) for card in CARDS
    )
    always = {"long": {**STRATEGIES["long"], "always": True}}
    what = make.features(**over)
    asked_for = run("long", made=content(cards=cards, **always), features=what)
    assert asked_for.refusal == "strategy" and word in asked_for.unmet
    plain = run(made=content(default="long", cards=cards, **always), features=what)
    assert plain.steps and plain.steps[0].composition is None and plain.strategy == ""
    assert run("vote", made=content(cards=cards), features=what).steps, "others show it all"


def test_nothing_below_the_floor_is_composed_where_that_is_forbidden() -> None:
    strict = replace(OPEN, below_floor="refuse", quality_floor=0.99)
    for name in ("vote", "judge", "chain"):
        assert run(name, labels=strict).refusal == "quality"
        assert run(name, labels=replace(strict, below_floor="serve")).chosen == "below-floor"


def test_a_similar_answer_does_not_stand_for_a_strategy_that_was_asked_for() -> None:
    cache = make.card("cache/semantic", runtime="cache", tier="cache", retention="logged")
    made = content(cards=(*CARDS, cache))
    moment = replace(make.snapshot(*IDS), cache=CacheHit("cache/semantic", "k", 1.0, "desk", 0.99, 0.98))
    assert run(made=made, moment=moment).chosen == "cache-hit"
    assert run("vote", made=made, moment=moment).chosen == "strategy"


# ---- content --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stated",
    [
        {"kind": "magic"},
        {"kind": "fallback", "paths": []},
        {"kind": "fallback", "paths": ["a"], "path": "b"},
        {"kind": "split", "shares": {"a": 0}},
        {"kind": "ensemble", "members": ["a"]},
        {"kind": "ensemble", "members": ["a", "b"], "quorum": 3},
        {"kind": "ensemble", "members": ["a", "b"], "quorum": 1},
        {"kind": "ensemble", "members": ["a", "auto"]},
        {"kind": "ensemble", "members": ["a", "b"], "by": "arbiter"},
        {"kind": "partition", "part_tokens": 100, "overlap_tokens": 60},
    ],
)
def test_a_strategy_that_makes_no_sense_is_no_content(stated: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Strategies.model_validate({"strategies": {"x": stated}})


def test_a_default_and_paths_must_be_there() -> None:
    with pytest.raises(ValidationError):
        Strategies.model_validate({"default": "x"})
    stated = Strategies.model_validate({"strategies": STRATEGIES})
    assert stated.strangers({"desk", "lab"})[0] == "strategy 'first' names 'cloud', which is no path"
    assert stated.strangers(set(IDS)) == []


# ---- promises -------------------------------------------------------------------------------------------------

Situation = tuple[Asked, Features, Generation, Snapshot]


@st.composite
def strategic(draw: st.DrawFn) -> Situation:
    asked, features, made, moment = draw(make.situations())
    ids = st.sampled_from([card.id for card in made.cards if card.tier != "cache"])
    paths = st.lists(ids | st.just("auto"), min_size=1, max_size=4)
    one = draw(
        st.one_of(
            st.fixed_dictionaries(
                {"kind": st.sampled_from(["fallback", "gradient", "latency", "sticky"]), "paths": paths}
            ),
            st.fixed_dictionaries({"kind": st.just("tasks"), "cells": st.fixed_dictionaries({"topic": paths})}),
            st.fixed_dictionaries(
                {"kind": st.just("split"), "shares": st.dictionaries(ids, st.floats(0.1, 9), min_size=1)}
            ),
            st.fixed_dictionaries(
                {
                    "kind": st.just("ensemble"),
                    "members": st.lists(ids, min_size=2, max_size=4),
                    "arbiter": paths,
                    "by": st.sampled_from(["vote", "arbiter"]),
                }
            ),
            st.fixed_dictionaries({"kind": st.just("chain"), "draft": paths, "critique": paths, "polish": paths}),
            st.fixed_dictionaries(
                {"kind": st.just("partition"), "paths": paths, "synthesis": paths, "always": st.booleans()}
            ),
        )
    )
    made = replace(made, strategies=Strategies.model_validate({"default": "s", "strategies": {"s": one}}))
    asked = replace(
        asked, model="auto", strategy=draw(st.sampled_from(["", "s"])), thread=draw(st.sampled_from(["", "t"]))
    )
    return asked, features, made, replace(moment, cache=None)


def calls(decision: Decision) -> set[str]:
    steps = (*decision.steps, *decision.fallbacks)
    return {one.path for one in (*steps, *(member for step in steps for member in members_of(step)))}


@many
@given(strategic())
def test_no_strategy_leads_where_policy_does_not(situation: Situation) -> None:
    asked, features, made, moment = situation
    decision = decide(asked, features, made, moment)
    for path in calls(decision):
        assert made.policy.refusal(made.card_by_id[path], asked.labels, moment.now) is None
    assert bool(decision.refusal) == (not decision.steps)


@many
@given(strategic())
def test_a_strategy_only_chooses_among_what_is_eligible_without_it(situation: Situation) -> None:
    asked, features, made, moment = situation
    plain = decide(replace(asked, strategy=""), features, replace(made, strategies=None), moment)
    eligible = {one.path for one in plain.candidates if one.eligible}
    decision = decide(asked, features, made, moment)
    kinds = {step.composition.kind for step in decision.steps if step.composition is not None}
    if kinds != {"partition"}:  # parts fit where the whole does not
        assert calls(decision) <= eligible


@many
@given(strategic())
def test_a_decision_of_a_strategy_is_recorded_and_made_again(situation: Situation) -> None:
    asked, features, made, moment = situation
    decision = decide(asked, features, made, moment)
    record = from_json(to_json(Record("r1", 1000.0, asked, features, moment, decision, Outcome("answered"))))
    assert record.decision == decision
    assert replay(record, made) == ()

"""What a caller prefers narrows and orders what policy permits, and widens nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.decide import decide
from appliance.decide.generation import Generation
from appliance.decide.preferences import bears
from appliance.errors import PolicyRefused, PreferenceUnmet, UnknownModel
from appliance.failures import refuse
from appliance.records.decision import Asked, CacheHit, Decision, Outcome, PathState, Snapshot
from appliance.records.features import Features
from appliance.records.record import Record, from_json, to_json
from appliance.records.request import Labels, Providers
from appliance.replay import replay
from tests import factories as make

many = settings(max_examples=60, deadline=None)
CHEAP = {"price": {"input_per_million": 0.1, "output_per_million": 0.2}}
DEAR = {"price": {"input_per_million": 5.0, "output_per_million": 10.0, "per_request": 0.01}}
CARDS = (
    make.card("desk", operator="Weir", quantisation="Q4_K_M", **CHEAP, speed={"decode_tokens_per_s": 20.0}),
    make.card(
        "lab/large", operator="Lab One", tier="site", **DEAR, speed={"first_token_s": 0.1, "decode_tokens_per_s": 90.0}
    ),
    make.card("lab/small", operator="Lab One", retention="transient", tier="site", quantisation="F16"),
    make.card("cloud/big", operator="Cloud & Co", retention="logged", trains_on_input="yes", tier="frontier", **DEAR),
)
IDS = tuple(card.id for card in CARDS)


def run(over: dict[str, Any] | None = None, *, cards: Any = CARDS, floor: float = 0.5, **asked: Any) -> Decision:
    asked.setdefault("labels", Labels(classification="public"))
    return decide(
        make.asked(**asked, providers=Providers(**over) if over is not None else None),
        make.features(),
        make.generation(*cards, quality_floor=floor),
        make.snapshot(*(card.id for card in cards)),
    )


def order(decision: Decision) -> list[str]:
    return [step.path for step in (*decision.steps, *decision.fallbacks)]


def reasons(decision: Decision) -> dict[str, set[str]]:
    return {
        one.path: {reason.rule for reason in one.reasons if reason.code == "preference"}
        for one in decision.candidates
        if any(reason.code == "preference" for reason in one.reasons)
    }


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("lab-one", {"lab/large", "lab/small"}),
        ("Lab One", {"lab/large", "lab/small"}),
        ("LAB", {"lab/large", "lab/small"}),
        ("lab/small", {"lab/small"}),
        ("cloud-co", {"cloud/big"}),
        ("la", set()),
        ("weir", {"desk"}),
    ],
)
def test_a_provider_is_known_by_its_operator_or_by_how_ids_begin(name: str, found: set[str]) -> None:
    assert {card.id for card in CARDS if bears(card.id, card.operator, name)} == found


@pytest.mark.parametrize(
    ("over", "out"),
    [
        ({"only": ("lab-one",)}, {"desk": {"provider.only"}, "cloud/big": {"provider.only"}}),
        ({"ignore": ("lab",)}, {"lab/large": {"provider.ignore"}, "lab/small": {"provider.ignore"}}),
        ({"data_collection": "deny"}, {"cloud/big": {"provider.data_collection"}}),
        ({"zdr": True}, {"cloud/big": {"provider.zdr"}, "lab/small": {"provider.zdr"}}),
        ({"max_price": (("prompt", 1.0),)}, {"cloud/big": {"provider.max_price"}, "lab/large": {"provider.max_price"}}),
        ({"max_price": (("request", 0.0),)}, {id: {"provider.max_price"} for id in ("cloud/big", "lab/large")}),
        ({"quantisations": ("int4", "fp16")}, {id: {"provider.quantizations"} for id in ("cloud/big", "lab/large")}),
        ({"order": ("weir",), "allow_fallbacks": False}, {id: {"provider.order"} for id in IDS if id != "desk"}),
    ],
)  # fmt: skip
def test_what_does_not_meet_a_preference_is_out_and_says_which(over: dict[str, Any], out: dict[str, set[str]]) -> None:
    decision = run(over)
    assert reasons(decision) == out
    assert set(order(decision)) == set(IDS) - out.keys()


def test_what_a_card_does_not_state_meets_no_demand() -> None:
    bare = make.card("bare", retention="unknown", trains_on_input="unknown")
    for over in ({"zdr": True}, {"data_collection": "deny"}, {"quantisations": ("int8",)}):
        assert run(over, cards=(bare,)).refusal == "preference"


def test_parameters_that_nobody_may_drop_need_a_path_that_takes_them() -> None:
    local = make.card("local", runtime="llama_cpp")
    decision = run({"require_parameters": True}, cards=(local, CARDS[0]), passed_on=("reasoning_effort",))
    assert reasons(decision) == {"local": {"provider.require_parameters"}}


@pytest.mark.parametrize(
    ("over", "first"),
    [
        ({"sort": "price"}, "lab/small"),
        ({"sort": "latency"}, "lab/large"),
        ({"sort": "throughput"}, "lab/large"),
        ({"order": ("cloud", "desk")}, "cloud/big"),
        ({"order": ("desk", "cloud")}, "desk"),
    ],
)
def test_order_and_sort_say_who_is_tried_first(over: dict[str, Any], first: str) -> None:
    decision = run(over)
    assert order(decision)[0] == first and set(order(decision)) == set(IDS)
    assert decision.chosen == "preference" and decision.steps[0].why


@pytest.mark.parametrize("tier", ["sovereign", "frontier"])
def test_who_states_no_price_is_not_the_cheapest(tier: str) -> None:
    unstated = make.card("far", tier=tier)
    free = make.card("free", tier=tier, price={"as_of": "2026-11-21"})
    by_price = run({"sort": "price"}, cards=(unstated, *CARDS))
    assert (order(by_price)[0], order(by_price)[-1]) == ("lab/small", "far")  # the site's own costs nothing
    assert [step.why for step in by_price.fallbacks if step.path == "far"] == ["sorted by price: not stated"]
    assert order(run({"sort": "price"}, cards=(unstated, free)))[0] == "free"
    dearest = run({"max_price": (("completion", 1e9), ("request", 1e9))}, cards=(unstated, free, *CARDS))
    assert reasons(dearest) == {"far": {"provider.max_price"}}
    assert order(run({"sort": "latency"}, cards=(unstated, CARDS[3])))[0] == "far"  # of which it states something


def test_who_meets_the_floor_comes_first_unless_models_are_named() -> None:
    poor = make.card("poor", accuracy_default=0.4)
    assert order(run({"sort": "price"}, cards=(poor, *CARDS)))[-1] == "poor"
    assert order(run({"order": ("poor",)}, cards=(poor, *CARDS)))[-1] == "poor"
    named = run(model="poor", models=("poor", "desk"), cards=(poor, *CARDS))
    assert order(named) == ["poor", "desk"]
    strict = Labels(classification="public", below_floor="refuse")
    assert order(run(model="poor", models=("poor", "desk"), cards=(poor, *CARDS), labels=strict)) == ["desk"]


def test_live_figures_sort() -> None:
    content, states = make.generation(*CARDS, quality_floor=0.5), [PathState(id, True) for id in IDS]
    states[3] = replace(states[3], decode_tokens_per_s=900.0)
    asked = make.asked(providers=Providers(sort="throughput"), labels=Labels(classification="public"))
    decision = decide(asked, make.features(), content, Snapshot(1000.0, 0.5, tuple(states)))
    assert decision.steps[0].path == "cloud/big"


def test_who_wants_no_fallback_gets_none() -> None:
    decision = run({"allow_fallbacks": False})
    assert len(decision.steps) == 1 and not decision.fallbacks
    decision = run({"allow_fallbacks": False, "order": ("lab",)})
    assert order(decision) == ["lab/small", "lab/large"] or order(decision) == ["lab/large", "lab/small"]


def test_models_are_tried_in_the_callers_order_whatever_they_are_worth() -> None:
    decision = run(model="cloud/big", models=("cloud/big", "desk", "lab/small"))
    assert order(decision) == ["cloud/big", "desk", "lab/small"]
    assert decision.chosen == "named"
    assert [step.why for step in decision.steps] == ["number 1 of 'models'"]


def test_auto_among_the_models_stands_for_all_others() -> None:
    decision = run(model="cloud/big", models=("cloud/big", "auto"))
    assert order(decision)[0] == "cloud/big" and set(order(decision)) == set(IDS)
    last = run(model="auto", models=("auto", "lab/small"))
    assert order(last)[-1] == "lab/small"


def test_models_are_sorted_only_where_that_is_said() -> None:
    names = ("cloud/big", "lab/small", "desk")
    assert order(run({"sort": "price"}, model=names[0], models=names)) == list(names)
    assert order(run({"sort": "price", "partition": "none"}, model=names[0], models=names))[0] == "lab/small"


def test_a_model_of_the_list_that_policy_refuses_is_left_out() -> None:
    decision = run(model="cloud/big", models=("cloud/big", "desk"), labels=Labels(residency="node"))
    assert order(decision) == ["desk"]
    alone = run(
        model="cloud/big", models=("cloud/big", "lab/large"), labels=Labels(classification="secret", residency="node")
    )
    assert alone.refusal == "policy"


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"only": ("Nobody",)}, "provider.only' names 'Nobody'"),
        ({"ignore": ("clowd",)}, "provider.ignore' names 'clowd'"),
        ({"order": ("x",)}, "provider.order' names 'x'"),
        ({"quantisations": ("q9",)}, "provider.quantizations' names 'q9'"),
    ],
)
def test_a_name_that_nothing_bears_is_refused_by_name_with_what_there_is(over: dict[str, Any], words: str) -> None:
    decision = run(over)
    assert decision.refusal == "preference" and words in decision.unmet and "there are: " in decision.unmet
    with pytest.raises(PreferenceUnmet) as caught:
        refuse(decision)
    assert words in caught.value.message and caught.value.status == 404


def test_a_model_of_the_list_that_is_not_here_is_refused_by_name() -> None:
    decision = run(model="desk", models=("desk", "gpt-9"))
    assert decision.refusal == "unknown-model"
    with pytest.raises(UnknownModel, match="'gpt-9'"):
        refuse(decision)


def test_a_preference_that_no_path_meets_is_refused_with_every_reason() -> None:
    decision = run({"max_price": (("prompt", 0.0),), "only": ("cloud", "desk")})
    assert decision.refusal == "preference"
    with pytest.raises(PreferenceUnmet) as caught:
        refuse(decision)
    assert "provider.max_price" in caught.value.message and "provider.only" in caught.value.message
    assert len(caught.value.details) == 5


SECRET = Labels(classification="secret", residency="node")


@pytest.mark.parametrize("there", [IDS, IDS[:1], ()], ids=["all", "one", "none"])
@pytest.mark.parametrize("over", [{"only": ("cloud/big",)}, {"order": ("cloud/big",), "allow_fallbacks": False}])
def test_who_wants_only_a_path_that_policy_forbids_is_told_so_whoever_else_is_there(
    over: dict[str, Any], there: tuple[str, ...]
) -> None:
    wanted = make.asked(providers=Providers(**over), labels=SECRET)
    named = make.asked(model="cloud/big", labels=SECRET)
    moment = make.snapshot("cloud/big", *there)
    for asked in (wanted, named):
        decision = decide(asked, make.features(), make.generation(*CARDS), moment)
        assert decision.refusal == "policy"
        with pytest.raises(PolicyRefused) as caught:
            refuse(decision)
        out = next(candidate for candidate in decision.candidates if candidate.path == "cloud/big")
        why = next(reason.text for reason in out.reasons if reason.code == "policy")
        assert caught.value.details[0] == f"cloud/big: {why}"
        assert caught.value.message.endswith(f"Against cloud/big stands: {why}.")


def test_what_stands_against_a_path_that_is_wanted_is_said_first_whatever_it_is() -> None:
    vectors = make.card("aa/vectors", operator="Cloud & Co", modalities=("embedding",))
    for cards in ((vectors, *CARDS), (*CARDS, vectors)):
        with pytest.raises(PreferenceUnmet) as caught:
            refuse(run({"only": ("aa/vectors",)}, cards=cards))
        assert caught.value.details[0] == "aa/vectors: does not serve chat"
        assert caught.value.message.endswith("Against aa/vectors stands: does not serve chat.")
        with pytest.raises(PreferenceUnmet) as caught:
            refuse(run({"only": ("cloud/big",), "zdr": True}, cards=cards))
        assert caught.value.details[0].startswith("cloud/big: it may keep what it is sent")
    everybody = run({"ignore": ("lab",), "zdr": True}, cards=CARDS[1:])
    with pytest.raises(PreferenceUnmet) as caught:
        refuse(everybody)
    assert "Against" not in caught.value.message  # nobody is named


def test_what_stands_against_the_paths_that_are_wanted_is_what_is_said() -> None:
    def kind(moment: Snapshot, **over: Any) -> str:
        asked = make.asked(providers=Providers(only=("desk",)), labels=Labels(classification="public"))
        return decide(asked, make.features(**over), make.generation(*CARDS), moment).refusal

    assert kind(make.snapshot(*IDS[1:])) == "capacity"  # it is away
    assert kind(make.snapshot(*IDS), needs=frozenset({"images"})) == "unsupported"
    asked = make.asked(providers=Providers(max_price=(("prompt", 0.0),), only=("cloud/big",)), labels=Labels())
    for there in (IDS, ()):  # nobody meets it, here or away
        assert decide(asked, make.features(), make.generation(*CARDS), make.snapshot(*there)).refusal == "preference"


def test_a_cached_answer_of_a_path_that_the_caller_does_not_want_is_not_used() -> None:
    cache = make.card("cache/exact", runtime="exact_cache", tier="cache", retention="logged")
    content = make.generation(*CARDS, cache)
    moment = replace(make.snapshot(*IDS), cache=CacheHit("cache/exact", "k", 1.0, "cloud/big", 0.99))
    for over, kept in (({"zdr": True}, False), ({"only": ("cloud",)}, True)):
        asked = make.asked(providers=Providers(**over), labels=Labels(classification="public"))
        assert (decide(asked, make.features(), content, moment).chosen == "cache-hit") is kept
    asked = make.asked(model="desk", models=("desk", "lab/small"), labels=Labels(classification="public"))
    assert decide(asked, make.features(), content, moment).chosen == "named"


# ---- promises -------------------------------------------------------------------------------------------------

Situation = tuple[Asked, Features, Generation, Snapshot]
NAMES = st.lists(st.sampled_from(["m0", "m1", "m2", "Ann & Co", "ann-co", "Bob"]), max_size=3, unique=True).map(tuple)


@st.composite
def wishing(draw: st.DrawFn) -> tuple[Situation, Asked]:
    """A situation whose cards have operators, and the same request with preferences."""
    asked, features, content, moment = draw(make.situations())
    people = st.sampled_from(["", "Ann & Co", "Bob"])
    words = st.sampled_from(["", "Q4_K_M", "fp16"])
    cards = tuple(
        card.model_copy(update={"operator": draw(people), "quantisation": draw(words)}) for card in content.cards
    )
    content = replace(content, cards=cards)
    ids = [card.id for card in cards if card.tier != "cache"]
    listed = draw(st.lists(st.sampled_from(["auto", *ids]), unique=True, max_size=4))
    providers = Providers(
        order=draw(NAMES),
        only=draw(st.just(()) | NAMES),
        ignore=draw(st.just(()) | NAMES),
        quantisations=draw(st.just(()) | st.just(("int4", "unknown"))),
        allow_fallbacks=draw(st.booleans()),
        data_collection=draw(st.sampled_from(["allow", "deny"])),
        zdr=draw(st.booleans()),
        max_price=draw(st.just(()) | make.amounts.map(lambda x: (("prompt", x),))),
        sort=draw(st.sampled_from(["", "price", "throughput", "latency"])),
        partition=draw(st.sampled_from(["model", "none"])),
    )
    wants = replace(asked, providers=draw(st.none() | st.just(providers)))
    if len(listed) > 1:
        wants = replace(wants, model=listed[0], models=tuple(listed))
    return (asked, features, content, moment), wants


@many
@given(wishing())
def test_preferences_only_narrow(wish: tuple[Situation, Asked]) -> None:
    (asked, features, content, moment), wants = wish
    bare = replace(wants, model="auto", models=(), providers=None)
    free = {one.path: one for one in decide(bare, features, content, replace(moment, cache=None)).candidates}
    decision = decide(wants, features, content, moment)
    for one in decision.candidates:
        if one.eligible:  # the language of a request rules out nobody who is named
            assert free[one.path].eligible or {r.code for r in free[one.path].reasons} == {"language"}
        if any(reason.code == "policy" for reason in free[one.path].reasons) and not one.eligible:
            assert {reason.code for reason in one.reasons} & {"policy", "not-named"}
    for step in (*decision.steps, *decision.fallbacks):
        assert content.policy.refusal(content.card_by_id[step.path], asked.labels) is None


@many
@given(wishing())
def test_order_and_sort_only_permute(wish: tuple[Situation, Asked]) -> None:
    (_, features, content, moment), wants = wish
    moment = replace(moment, cache=None)
    wants = replace(wants, models=(), model="auto", labels=replace(wants.labels, below_floor="serve"))
    if wants.providers is None:
        return
    kept = replace(wants.providers, allow_fallbacks=True)
    one = decide(replace(wants, providers=kept), features, content, moment)
    other = decide(replace(wants, providers=replace(kept, order=(), sort="")), features, content, moment)
    if not one.unmet:
        assert {step.path for step in (*one.steps, *one.fallbacks)} == {
            step.path for step in (*other.steps, *other.fallbacks)
        }


@many
@given(wishing())
def test_a_decision_with_preferences_is_recorded_and_made_again(wish: tuple[Situation, Asked]) -> None:
    (_, features, content, moment), wants = wish
    decision = decide(wants, features, content, moment)
    record = from_json(to_json(Record("r1", 1000.0, wants, features, moment, decision, Outcome("answered"))))
    assert record.asked == wants and record.decision == decision
    assert replay(record, content) == ()

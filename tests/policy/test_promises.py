"""Promises of the policy, over random labels, cards and situations."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import cedarpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.decide import decide, next_step
from appliance.decide.generation import Generation
from appliance.policy import Policy, Store, Use
from appliance.policy.engine import RULE_ERROR, Compiled, Rule
from appliance.records.card import ModelCard
from appliance.records.decision import Asked, Snapshot, StepOutcome
from appliance.records.features import Features
from appliance.records.file_fault import Mark
from appliance.records.request import CLASSIFICATIONS, RIGHTS, Labels
from tests import factories as make
from tests import policies

slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
LOCALES = ["", "de", "de-CH", "fr-FR", "en"]
STARTER = policies.starter()

_PARTED = policies.policy(policies.NOT_ACME).compiled  # rules that part tenants

labels = st.builds(
    Labels,
    classification=st.sampled_from(CLASSIFICATIONS),
    residency=st.sampled_from(["", "node", "site", "country:CH", "country:DE", "region:EU", "region:EEA", "region:NA"]),
    purpose=st.sampled_from(["", "commercial", "research", "high-risk"]),
    rights=st.sampled_from(RIGHTS),
    locale=st.sampled_from(LOCALES),
)


@st.composite
def cards(draw: st.DrawFn, id: str = "m") -> ModelCard:
    return make.card(
        id,
        tier=draw(st.sampled_from(["cache", "reuse", "device", "site", "sovereign", "frontier"])),
        place=draw(make.places),
        retention=draw(st.sampled_from(["none", "transient", "logged", "unknown"])),
        trains_on_input=draw(st.sampled_from(["no", "yes", "unknown"])),
        licence=draw(st.sampled_from(["", "MIT", "cc-by-nc-4.0", "Research only", "unknown"])),
        provenance=draw(st.sampled_from(["", "trained here"])),
        operator=draw(st.sampled_from(["", "somebody"])),
        jurisdiction=draw(st.sampled_from(["", "CH"])),
        languages=draw(st.sampled_from([{}, {"de": 0.9}, {"en": 1.0}, {"de-CH": 0.7}])),
        known_failures=draw(st.sampled_from([(), ("locale:de-CH",), ("locale:en", "slow")])),
    )


@st.composite
def narrowed(draw: st.DrawFn) -> tuple[Labels, Labels]:
    """Labels, and the same with one of them tighter."""
    before = draw(labels)
    ways: list[dict[str, Any]] = [{"classification": c} for c in CLASSIFICATIONS if _after(c, before.classification)]
    ways += [{"rights": r} for r in RIGHTS if RIGHTS.index(r) > RIGHTS.index(before.rights)]
    ways += [{"residency": r} for r in ("node", "country:DE", "region:EU") if not before.residency]
    ways += [{"residency": "country:DE"}] if before.residency in ("region:EU", "region:EEA") else []
    ways += [{"purpose": p} for p in ("commercial", "research", "high-risk") if not before.purpose]
    ways += [{"locale": locale} for locale in LOCALES[1:] if not before.locale]
    return before, replace(before, **draw(st.sampled_from(ways or [{}])))


def _after(one: str, other: str) -> bool:
    order: tuple[str, ...] = CLASSIFICATIONS
    return order.index(one) > order.index(other)


@slow
@given(narrowed(), cards(), st.sampled_from([None, 0.0, 800 * 86_400.0]))
def test_a_tighter_label_never_permits_what_the_wider_one_did_not(
    pair: tuple[Labels, Labels], card: ModelCard, age: float | None
) -> None:
    before, after = pair
    now = None if age is None else STARTER.issued + age
    if STARTER.refusal(card, after, now) is None:
        assert STARTER.refusal(card, before, now) is None
    for scope in ("tenant", "site"):
        if STARTER.permits(Store(card, after, scope), now):
            assert STARTER.permits(Store(card, before, scope), now)


@slow
@given(make.situations(), labels, st.sampled_from(["", ":cheap", "named"]), st.booleans())
def test_no_path_is_used_that_the_rules_refuse_whatever_is_asked_cached_or_failing(
    situation: tuple[Asked, Features, Generation, Snapshot], stated: Labels, how: str, fails: bool
) -> None:
    asked, features, content, moment = situation
    content = replace(content, policy=policies.starter())
    asked = replace(asked, labels=replace(stated, below_floor=asked.labels.below_floor))
    if how == "named":
        asked = replace(asked, model=content.cards[0].id)
    decision = decide(asked, features, content, moment)
    outcomes: tuple[StepOutcome, ...] = ()
    while (step := next_step(decision, outcomes)) is not None:
        card = content.card_by_id[step.path]
        assert policies.starter().verdict(Use(card, asked.labels, asked.tenant), moment.now).permitted
        outcomes += (StepOutcome(step.path, "failed" if fails else "rejected"),)
    for step in (*decision.steps, *decision.fallbacks):
        assert (
            policies.starter()
            .verdict(Use(content.card_by_id[step.path], asked.labels, asked.tenant), moment.now)
            .permitted
        )


@slow
@given(st.tuples(cards("a"), cards("b"), cards("b")), st.lists(st.tuples(narrowed(), st.integers(0, 2)), max_size=8))
def test_what_is_remembered_is_what_would_be_said_anew(
    shelf: tuple[ModelCard, ...], asked: list[tuple[tuple[Labels, Labels], int]]
) -> None:
    small = Policy("t", issued=0.0, home=policies.HOME, compiled=_PARTED, digest=STARTER.digest, remembered=6)
    for pair, which in asked:
        for stated, now in product(pair, (None, 1.0, 9e8)):
            card = shelf[which]
            for tenant in ("local", "acme"):
                asking = Use(card, stated, tenant)
                assert small.refusal(card, stated, now, tenant) == small.verdict(asking, now).reason
                for scope in ("tenant", "site"):
                    keeping = Store(card, stated, scope, tenant)
                    assert small.permits(keeping, now) == small.verdict(keeping, now).permitted


def test_a_rule_may_name_a_tenant() -> None:
    policy, card = policies.policy(policies.NOT_ACME), make.card("m", tier="frontier")
    for _ in range(2):  # asked, then remembered
        assert policy.refusal(card, Labels("public"), tenant="local") is None
        refused = policy.refusal(card, Labels("public"), tenant="acme")
        assert refused is not None and refused.rule == "not-acme"
        assert policy.permitting(card, Labels("public"), tenant="acme") == ()
        assert not policy.permits(Store(card, Labels("public"), "tenant", "acme"))
        assert policy.permits(Store(card, Labels("public"), "tenant", "local"))


@pytest.mark.parametrize(
    ("narrower", "rule"),
    [
        (Labels("secret"), "class/secret/tiers"),
        (Labels(residency="node"), "residency"),
        (Labels(purpose="commercial"), "purpose/commercial/licence"),
        (Labels(rights="reserved"), "rights/reserved/retention"),
        (Labels(locale="fr"), "locale/language"),
    ],
)
def test_no_label_is_lost_between_what_is_remembered_and_what_is_asked(narrower: Labels, rule: str) -> None:
    policy, card = policies.starter(), make.card("m", tier="site", place={"site": "s2"}, retention="transient")
    for _ in range(2):
        assert policy.refusal(card, Labels(), policy.issued) is None
        reason = policy.refusal(card, narrower, policy.issued)
        assert reason is not None and reason.rule == rule
        old = policy.refusal(card, Labels(), policy.issued + 800 * 86_400)
        assert old is not None and old.rule == "policy/age"


def test_what_is_remembered_is_bounded() -> None:
    policy = policies.starter()
    card = make.card("m", tier="site")
    for number in range(2000):
        policy.refusal(card, Labels(residency=f"region:r{number}"))
    assert len(policy._known["m"].said) <= 512


def test_a_rule_that_errs_forbids_even_where_the_engine_says_allow() -> None:
    text = """@id("all") @why("w") permit (principal, action, resource);
    @id("old") @why("w") forbid (principal, action == Action::"use", resource)
    when { context has age_days && context.age_days + 9223372036854775807 > 0 };"""
    whole = STARTER.compiled
    rules = tuple(Rule(id, "w", effect, "x", Mark()) for id, effect in (("all", "permit"), ("old", "forbid")))
    compiled = Compiled(whole.schema, cedarpy.PolicySet.from_str(text), whole.within, rules)
    policy = Policy("t", issued=0.0, home=policies.HOME, compiled=compiled, digest="")
    card = make.card("m")
    assert policy.refusal(card, Labels()) is None
    reason = policy.refusal(card, Labels(), 3 * 86_400.0)
    assert reason is not None and reason.rule == RULE_ERROR
    assert "rule 'old'" in reason.text

"""Redaction makes a path possible only where policy says so, and for what is left; it hides nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.decide import decide
from appliance.decide.candidates import kinds_of
from appliance.decide.labels import Detectors, raised, to_carry, without_redactable
from appliance.records.card import ModelCard
from appliance.records.decision import Asked, Carried, Decision, Outcome
from appliance.records.features import FindingKind
from appliance.records.record import Record, from_json, to_json
from appliance.records.request import CLASSIFICATIONS, Classification, Labels
from appliance.replay import replay
from tests import factories as make
from tests import policies
from tests.node.conftest import DETECTORS

KINDS: tuple[FindingKind, ...] = get_args(FindingKind)
kinds = st.sampled_from(KINDS)
classes = st.sampled_from(CLASSIFICATIONS)
found = st.lists(st.tuples(kinds, st.integers(1, 9)), unique_by=lambda pair: pair[0], max_size=4).map(tuple)
contents = st.builds(
    Detectors,
    raises=st.dictionaries(kinds, classes),
    redacts=st.lists(st.sampled_from([kind for kind in KINDS if kind not in ("attachment", "unscanned")])).map(tuple),
)
carrieds = st.none() | st.tuples(classes, classes).map(
    lambda pair: Carried(*sorted(pair, key=CLASSIFICATIONS.index, reverse=True))
)
many = settings(max_examples=150, deadline=None)


def level(label: Classification) -> int:
    return CLASSIFICATIONS.index(label)


def asked_of(given_: Classification, findings: Any, detectors: Detectors, carried: Carried | None = None) -> Asked:
    labels, change = raised(Labels(given_), findings, detectors, carried)
    return make.asked(labels=labels, raised=change)


def decided(
    card: ModelCard, findings: Any, given_: Classification = "internal", *, policy: Any = None, **over: Any
) -> Decision:
    detectors = over.pop("detectors", DETECTORS)
    content = replace(make.generation(card, policy=policy or policies.starter()), detectors=detectors)
    asked = asked_of(given_, findings, detectors, over.pop("carried", None))
    return decide(asked, make.features(findings=findings), content, make.snapshot(card.id))


FAR = make.card("far", tier="frontier", retention="none", trains_on_input="no")
MAIL = (("email", 1),)


@pytest.mark.parametrize(
    ("over", "rule"),
    [
        ({}, ""),
        ({"retention": "transient"}, "class/restricted/tiers"),
        ({"retention": "logged"}, "class/restricted/tiers"),
        ({"trains_on_input": "unknown"}, "class/restricted/tiers"),
        ({"trains_on_input": "yes"}, "class/restricted/tiers"),
    ],
)
def test_the_starter_redacts_for_who_keeps_nothing_and_does_not_train(over: dict[str, Any], rule: str) -> None:
    decision = decided(
        make.card("far", tier="frontier", **({"retention": "none", "trains_on_input": "no"} | over)), MAIL
    )
    (candidate,) = decision.candidates
    if rule:
        assert decision.refusal == "policy"
        assert [reason.rule for reason in candidate.reasons] == [rule]
        assert candidate.redacting is None
    else:
        assert decision.steps[0].redacted
        assert candidate.redacting is not None
        assert candidate.redacting.rules == ("use/redacted",)
        assert candidate.redacting.refused.rule == "class/restricted/tiers"


@pytest.mark.parametrize("given_", ["restricted", "secret"])
def test_the_starter_redacts_nothing_that_was_given_as_restricted_or_secret(given_: Classification) -> None:
    for tier in ("site", "sovereign", "frontier"):
        decision = decided(make.card("far", tier=tier, retention="none", trains_on_input="no"), MAIL, given_)
        assert not any(step.redacted for step in decision.steps)
        assert (decision.refusal == "policy") == (given_ == "secret" or tier == "frontier")


@pytest.mark.parametrize("kind", ["api-key", "private-key", "password", "attachment", "unscanned"])
def test_the_starter_never_redacts_where_a_secret_or_what_nobody_read_is_with_it(kind: FindingKind) -> None:
    assert decided(FAR, ((kind, 1), *MAIL)).refusal == "policy"


def test_what_may_go_as_it_is_is_not_redacted() -> None:
    near = make.card("near", tier="site", retention="none", trains_on_input="no")
    assert [step.redacted for step in decided(near, MAIL).steps] == [False]
    assert decided(FAR, ()).steps[0].redacted is False


def test_what_was_said_of_it_as_it_is_is_not_what_is_said_of_it_redacted() -> None:
    """Verdicts are remembered; labels, findings and redaction are all part of what they are remembered by."""
    policy = policies.policy(policies.RULES.replace("{ context has redacted }", "{ context has findings }"))
    labels = Labels()
    for _ in range(2):
        assert policy.permitting(FAR, labels) == ("use",)
        assert policy.permitting(FAR, labels, findings=("email",)) == ()
        assert policies.policy().permitting(FAR, labels, findings=("email",)) == ("use",)
    policy = policies.policy()
    for _ in range(2):
        assert policy.permitting(FAR, labels, findings=("email",)) == ("use",)
        assert policy.permitting(FAR, labels, findings=("email",), redacted=True) == ()
        assert policy.permitting(FAR, labels, redacted=True) == ()


def test_naming_the_path_changes_nothing() -> None:
    logged = make.card("far", tier="frontier", retention="logged", trains_on_input="no")
    content = replace(make.generation(logged, policy=policies.starter()), detectors=DETECTORS)
    asked = replace(asked_of("internal", MAIL, DETECTORS), model="far")
    assert decide(asked, make.features(findings=MAIL), content, make.snapshot("far")).refusal == "policy"


def test_a_conversation_goes_on_redacted_where_its_request_would() -> None:
    carried = to_carry(MAIL, DETECTORS, None)
    assert carried == Carried("restricted", "public")
    for findings in ((), MAIL):  # the address may be in it still, or no longer
        decision = decided(FAR, findings, carried=carried)
        assert decision.steps[0].redacted
        assert decided(make.card("x", tier="frontier", retention="logged"), findings, carried=carried).refusal
    worse = to_carry((("api-key", 1), *MAIL), DETECTORS, carried)
    assert worse == Carried("secret", "secret")
    assert decided(FAR, MAIL, carried=worse).refusal == "policy"
    assert to_carry((), DETECTORS, worse) == worse
    assert to_carry((), DETECTORS, None) is None


@many
@given(classes, found, contents, carrieds)
def test_what_is_left_is_at_least_what_was_given_and_what_cannot_be_replaced(
    given_: Classification, findings: Any, content: Detectors, carried: Carried | None
) -> None:
    asked = asked_of(given_, findings, content, carried)
    left = without_redactable(asked, findings, content)
    names = [kind for kind, _ in findings]
    if "attachment" in names or "unscanned" in names:
        assert left is None
    if left is None:
        return
    assert level(given_) <= level(left.classification) <= level(asked.labels.classification)
    assert all(level(left.classification) >= level(content.least(k)) for k in names if k not in content.redacts)
    change = asked.raised
    if change is not None and change.carried is not None:
        assert level(left.classification) >= level(change.carried.redacted)


@many
@given(make.situations(), classes, found, contents, carrieds)
def test_no_step_is_more_than_policy_permits_as_it_is_or_redacted(
    situation: Any, given_: Classification, findings: Any, detectors: Detectors, carried: Carried | None
) -> None:
    asked, features, content, moment = situation
    content = replace(content, detectors=detectors, policy=policies.policy(policies.REDACTED))
    labels, change = raised(replace(asked.labels, classification=given_), findings, detectors, carried)
    asked, features = replace(asked, labels=labels, raised=change), replace(features, findings=findings)
    decision = decide(asked, features, content, moment)
    left = without_redactable(asked, findings, detectors)
    for step in (*decision.steps, *decision.fallbacks):
        card = content.card_by_id[step.path]
        if card.tier == "cache":
            continue
        whole = content.policy.refusal(card, labels, moment.now, findings=kinds_of(features))
        assert step.redacted == (whole is not None)
        if step.redacted:
            assert left is not None
            assert content.policy.permitting(card, left, moment.now, findings=kinds_of(features), redacted=True)
            assert content.policy.refusal(card, left, moment.now) is None or card.tier == "cache"
    record = Record("r1", 1000.0, asked, features, moment, decision, Outcome("answered"))
    assert from_json(to_json(record)) == record
    assert replay(record, content) == ()


@pytest.mark.parametrize("kind", ["attachment", "unscanned"])
def test_what_has_no_place_in_a_text_cannot_be_redactable(kind: str) -> None:
    with pytest.raises(ValueError, match="has no place in a text"):
        Detectors.model_validate({"redacts": ["email", kind]})


def test_the_starter_redacts_personal_data_and_no_secret() -> None:
    assert set(DETECTORS.redacts) == {kind for kind in KINDS if DETECTORS.least(kind) == "restricted"} - {"attachment"}

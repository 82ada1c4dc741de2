"""Keys and labels of tenants."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import LabelConflict, Unauthorized
from appliance.records.request import CLASSIFICATIONS, RIGHTS, Labels
from appliance.records.tenant import Tenant
from appliance.store.audit.prove import parse_label
from appliance.tenancy.keys import Key, Roll, digest, make_key, presented
from appliance.tenancy.labels import tightened
from tests import factories as make
from tests import policies

OPERATOR = make_key()[1]
RESIDENCIES = ["", "node", "site", "country:CH", "country:DE", "region:EU", "region:EEA", "region:NA"]


def roll(**over: object) -> tuple[Roll, str]:
    id, text = make_key()
    key = replace(Key(id, digest(text), "a", 0.0), **over)  # type: ignore[arg-type]
    return Roll({"a": Tenant(name="a")}, {key.digest: key}, digest(OPERATOR)), text


def test_a_key_opens_for_its_tenant_and_the_operators_for_this_host() -> None:
    known, text = roll()
    assert known.whose(text, 1.0) == "a"
    assert known.whose(OPERATOR, 1.0) == "local"
    assert text.startswith("weir_") and text not in repr(known)


def test_every_other_key_meets_the_same_words() -> None:
    known, text = roll()
    expired, old = roll(expires=5.0)
    revoked, gone = roll(revoked=5.0)
    foreign, astray = roll(tenant="b")
    said = set()
    for of, shown in [
        (known, ""), (known, text[:-1]), (known, text + "x"), (known, text.upper()), (known, "weir_" + "0" * 52),
        (known, "?"), (known, "\udcff"), (known, "x" * 100_000), (expired, old), (revoked, gone), (foreign, astray),
    ]:  # fmt: skip
        with pytest.raises(Unauthorized) as refused:
            of.whose(shown, 5.0)
        said.add((refused.value.message, refused.value.next_step, refused.value.code, refused.value.status))
    assert len(said) == 1


def test_a_roll_without_an_operators_key_takes_none_for_it() -> None:
    with pytest.raises(Unauthorized):
        Roll({"a": Tenant(name="a")}).whose("", 1.0)


def test_a_key_ends_when_it_was_said_to() -> None:
    known, text = roll(expires=100.0)
    assert known.whose(text, 99.9) == "a"
    with pytest.raises(Unauthorized):
        known.whose(text, 100.0)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"Authorization": "Bearer k"}, "k"),
        ({"Authorization": "bearer  k "}, "k"),
        ({"x-api-key": "k"}, "k"),
        ({"Authorization": "Basic k"}, ""),
        ({"Authorization": "k"}, ""),
        ({}, ""),
    ],
)
def test_where_a_key_is_looked_for(headers: dict[str, str], key: str) -> None:
    assert presented(headers) == key


tenants = st.builds(
    Tenant,
    name=st.just("t"),
    classification=st.sampled_from(CLASSIFICATIONS),
    residency=st.sampled_from(RESIDENCIES),
    purpose=st.sampled_from(["", "commercial", "research"]),
    rights=st.sampled_from(RIGHTS),
    locale=st.sampled_from(["", "de", "de-CH"]),
    quality_floor=st.sampled_from([None, 0.5, 0.95]),
)
stated = st.builds(
    Labels,
    classification=st.sampled_from(CLASSIFICATIONS),
    residency=st.sampled_from(RESIDENCIES),
    purpose=st.sampled_from(["", "commercial", "research"]),
    rights=st.sampled_from(RIGHTS),
    locale=st.sampled_from(["", "de", "de-CH"]),
    quality_floor=st.sampled_from([None, 0.0, 0.7, 1.0]),
)
POLICY = policies.starter()
SHELF = [
    make.card(f"{tier}-{number}", tier=tier, place=place, retention="none")
    for number, place in enumerate(
        [
            {"node": "n1", "site": "s1", "country": "CH", "region": "EU"},
            {"site": "s1", "country": "CH"},
            {"country": "DE"},
            {"country": "FR", "region": "EU"},
            {"country": "US", "region": "NA"},
            {},
        ]
    )
    for tier in ("device", "site", "sovereign", "frontier")
]


@given(tenants, stated)
def test_what_policy_permits_under_both_labels_it_permits_under_each(tenant: Tenant, labels: Labels) -> None:
    """The tenant's labels are never got round by what a caller states, nor the caller's by the tenant's."""
    try:
        both = tightened(tenant, labels, POLICY)
    except LabelConflict:
        return
    own = Labels(
        classification=tenant.classification,
        residency=tenant.residency,
        purpose=tenant.purpose,
        rights=tenant.rights,
        locale=tenant.locale,
    )
    for card in SHELF:
        if POLICY.refusal(card, both) is None:
            assert POLICY.refusal(card, labels) is None
            assert POLICY.refusal(card, own) is None
    assert (both.quality_floor or 0.0) >= (tenant.quality_floor or 0.0)
    assert (both.quality_floor or 0.0) >= (labels.quality_floor or 0.0)


@pytest.mark.parametrize(
    ("held", "wanted", "both"),
    [
        ("region:EU", "country:DE", "country:DE"),
        ("country:DE", "region:EU", "country:DE"),
        ("region:EEA", "country:DE", "country:DE"),
        ("country:DE", "country:DE", "country:DE"),
        ("region:EU", "node", "region:EU & node"),
        ("country:DE", "country:FR", "country:DE & country:FR"),
        ("", "site", "site"),
        ("site", "", "site"),
    ],
)
def test_of_two_places_the_inner_one_holds_or_both(held: str, wanted: str, both: str) -> None:
    assert tightened(Tenant(name="t", residency=held), Labels(residency=wanted), POLICY).residency == both


def test_who_asks_the_audit_about_one_of_two_residencies_finds_both() -> None:
    both = {"classification": "internal", "residency": "country:CH & site", "tenant": "t"}
    for asked, fits in (
        ("country:CH", True),
        ("site", True),
        ("residency=country:CH & site", True),
        ("country:FR", False),
    ):
        assert parse_label(asked).fits(both) is fits


def test_a_purpose_other_than_the_tenants_is_refused() -> None:
    with pytest.raises(LabelConflict) as refused:
        tightened(Tenant(name="t", purpose="research"), Labels(purpose="commercial"), POLICY)
    assert (refused.value.status, refused.value.param) == (403, "x-weir-purpose")


@pytest.mark.parametrize("name", ["", "Upper", "a b", "-a", "a-", "local", "any", "a" * 65, "ä", "a\n", "../x"])
def test_names_that_no_tenant_has(name: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        Tenant(name=name)

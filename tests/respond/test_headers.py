"""The x-weir-* headers: what they say, and that no value can break out of its line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.respond import HeaderFacts, weir_headers

FIELDS = ("decision", "path", "tier", "place", "reason", "currency", "device", "policy")


def test_all_that_was_decided_is_told() -> None:
    facts = HeaderFacts(
        decision="d1",
        path="site/m",
        tier="site",
        place="n1/s1/CH",
        reason="best-utility",
        cache="hit",
        cache_age_s=12.9,
        cache_score=0.9714,
        cost=0.00012,
        currency="EUR",
        device="cuda:0",
        policy="g7",
    )
    assert weir_headers(facts) == {
        "x-weir-version": "1",
        "x-weir-decision": "d1",
        "x-request-id": "d1",
        "request-id": "d1",
        "x-weir-path": "site/m",
        "x-weir-tier": "site",
        "x-weir-place": "n1/s1/CH",
        "x-weir-reason": "best-utility",
        "x-weir-cache": "hit; age=12; score=0.971",
        "x-weir-cost": "0.00012000 EUR",
        "x-weir-device": "cuda:0",
        "x-weir-policy": "g7",
    }


def test_what_is_not_known_has_no_header() -> None:
    assert weir_headers(HeaderFacts("d1")) == {
        "x-weir-version": "1",
        "x-weir-decision": "d1",
        "x-request-id": "d1",
        "request-id": "d1",
        "x-weir-cache": "miss",
    }


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("evil", ["a\r\nset-cookie: x=1", "\n\n<script>", "a\x00b", "a\u2028b", "\x7f", "é\ud800"])
def test_no_value_begins_another_header(field: str, evil: str) -> None:
    over: dict[str, Any] = {"decision": "d", "cost": 1.0, field: evil}
    for value in weir_headers(HeaderFacts(**over)).values():
        assert all(" " <= char <= "~" for char in value)


@given(st.text(st.one_of(st.characters(), st.sampled_from("\ud800\udbff\udc00\udfff")), max_size=400))
def test_any_value_is_printable_and_short(value: str) -> None:
    written = weir_headers(HeaderFacts(value, path=value))["x-weir-decision"]
    assert len(written) <= 256
    assert all(" " <= char <= "~" for char in written)
    assert written == written.strip()

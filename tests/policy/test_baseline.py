"""The starter's rules: what they said as a table they say as Cedar, and each of them is tested by its bundle."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from appliance.policy import Use, read_tests, run_tests, untested
from appliance.records.card import Place
from appliance.records.request import Labels
from tests import factories, policies

TABLE: dict[str, Any] = json.loads((Path(__file__).parent / "table_before_cedar.json").read_text())
# What a verdict of the table was about, by the letter that stands for it, and the rules that say so now.
ABOUT = {"t": ("tiers",), "r": ("retention",), "n": ("training",), "p": ("residency",)}


@pytest.mark.parametrize("classification", ["public", "internal", "restricted", "secret"])
def test_the_rules_say_what_the_table_said_and_for_the_same_reason(classification: str) -> None:
    policy = policies.starter()
    asked = tuple(product(TABLE["residencies"], (Place(**place) for place in TABLE["places"])))
    for terms, verdicts in TABLE["verdicts"].items():
        of, tier, retention, trains = terms.split()
        if of != classification:
            continue
        cards = {
            place: factories.card("m", tier=tier, retention=retention, trains_on_input=trains, place=place)
            for _, place in asked
        }
        for place, card in cards.items():
            for (residency, where), verdict in zip(asked, verdicts, strict=True):
                if where == place:
                    reason = policy.refusal(card, Labels(classification=of, residency=residency))  # type: ignore[arg-type]
                    came = "" if reason is None else reason.rule.split("/")[-1]
                    assert came in ABOUT.get(verdict, ("",)), (terms, residency, place)


def test_every_rule_of_the_baseline_decides_a_test_that_travels_with_it() -> None:
    files = policies.starter_files()
    tests = read_tests(files)
    assert all(not result.problem for result in run_tests(policies.starter(), tests))
    assert untested(policies.starter(), tests) == ()


def test_a_refusal_names_the_first_rule_that_forbids_and_the_verdict_all_of_them() -> None:
    policy = policies.starter()
    card = factories.card("m", tier="frontier", retention="unknown", trains_on_input="yes", place=Place())
    labels = Labels("restricted", "node", rights="reserved")
    verdict = policy.verdict(Use(card, labels))
    assert [rule.id for rule in verdict.rules] == [
        "class/restricted/tiers", "class/restricted/retention", "training", "residency", "rights/reserved/retention"
    ]  # fmt: skip
    reason = policy.refusal(card, labels)
    assert reason is not None
    assert (reason.rule, reason.text) == (verdict.rules[0].id, verdict.rules[0].why)


def test_a_host_without_a_site_is_on_no_site() -> None:
    card = factories.card("m", tier="site", place=Place(country="CH"))
    policy = policies.starter(Place(country="CH"))
    for residency in ("node", "site"):
        reason = policy.refusal(card, Labels(residency=residency))
        assert reason is not None and reason.rule == "residency"

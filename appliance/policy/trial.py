"""The tests that travel with a policy, and what they come to.

Rules kept here:
1. A test states labels, findings, the facts of a card, what is expected and the rule that decides; all must hold.
2. Tests have a home and a moment of their own: the host that runs them changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from appliance.policy.engine import DEFAULT_DENY, Policy
from appliance.policy.facts import Action, Administer, Asking, Export, Reuse, Scope, Store, Use
from appliance.records.card import Frozen, ModelCard, Place
from appliance.records.features import FindingKind
from appliance.records.request import LOCAL, Classification, Labels, Purpose, Rights

_DAY_S = 86_400


class StatedLabels(Frozen):
    """Labels as a test states them; what is left out is as a request without them has it."""

    classification: Classification = "internal"
    residency: Annotated[
        str, Field(pattern=r"^(|node|site|country:[A-Z]{2}|region:[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")
    ] = ""
    purpose: Purpose = ""
    rights: Rights = ""
    locale: str = ""


class Test(Frozen):
    """One claim. `card` holds facts of a card; `rule` is the rule that decides, the first of several."""

    __test__ = False

    name: str
    action: Action = "use"
    labels: StatedLabels = StatedLabels()
    findings: tuple[FindingKind, ...] = ()
    redacted: bool = False  # the labels are then those that are left
    card: dict[str, Any] = Field(default_factory=dict)
    age_days: Annotated[int, Field(ge=0)] = 0
    scope: Scope = "tenant"
    tenant: str = LOCAL
    owner: str = LOCAL
    role: Literal["admin", "viewer"] = "admin"
    act: Literal["read", "change"] = "read"
    expect: Literal["permit", "refuse"]
    rule: str

    @field_validator("card")
    @classmethod
    def _is_a_card(cls, stated: dict[str, Any]) -> dict[str, Any]:
        card_of(stated)
        return stated

    @property
    def asking(self) -> Asking:
        """The question that the test puts."""
        labels, findings = Labels(**self.labels.model_dump()), tuple(sorted(self.findings))
        if self.action == "use":
            return Use(card_of(self.card), labels, self.tenant, findings, self.redacted)
        if self.action == "store":
            return Store(card_of(self.card), labels, self.scope, self.tenant, findings)
        if self.action == "reuse":
            return Reuse(self.tenant, self.owner, self.scope, labels.classification, labels.rights)
        if self.action == "export":
            return Export(self.tenant, labels.classification, labels.rights)
        return Administer(self.role, self.act)


class Tests(Frozen):
    """What tests.json holds."""

    __test__ = False

    home: Place
    tests: Annotated[tuple[Test, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Result:
    """What one test came to; `problem` is '' where its claim holds."""

    name: str
    expected: str
    rule: str
    problem: str = ""


def card_of(facts: dict[str, Any]) -> ModelCard:
    """A card with these facts. Raises pydantic's ValidationError."""
    base = {"id": "tested", "runtime": "tested", "tier": "device", "modalities": ("chat",)}
    return ModelCard.model_validate(base | facts)


def run_tests(policy: Policy, tests: Tests) -> tuple[Result, ...]:
    """Every test against these rules, at the tests' home, in their order."""
    at_home = policy.at_home(tests.home)
    return tuple(_run(at_home, test) for test in tests.tests)


def untested(policy: Policy, tests: Tests) -> tuple[str, ...]:
    """Ids of the rules that no test expects to decide."""
    claimed = {test.rule for test in tests.tests}
    return tuple(rule.id for rule in policy.rules if rule.id not in claimed)


def _run(policy: Policy, test: Test) -> Result:
    verdict = policy.verdict(test.asking, policy.issued + test.age_days * _DAY_S)
    came = "permit" if verdict.permitted else "refuse"
    decided = verdict.rules[0].id if verdict.rules else DEFAULT_DENY
    problem = ""
    if verdict.error:
        problem = f"the rules could not be evaluated: {verdict.error}"
    elif came != test.expect:
        problem = f"expected {test.expect} by {test.rule}, came {came} by {_names(r.id for r in verdict.rules)}"
    elif decided != test.rule:
        problem = f"expected the rule {test.rule}, came {_names(r.id for r in verdict.rules)}"
    return Result(test.name, test.expect, test.rule, problem)


def _names(ids: Iterable[str]) -> str:
    return ", ".join(ids) or DEFAULT_DENY

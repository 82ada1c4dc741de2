"""One generation's policy: rules that are parsed once, asked by value, and remembered.

Rules kept here:
1. Permitted means that Cedar says Allow and reports no error. Anything else, an exception included, refuses.
2. The schema takes part in every question, so that a question that it does not fit is no permission.
3. A remembered verdict depends on every fact that the rules are told: tenant, card, labels, scope and the policy's age
   in days. What is remembered is bounded, and the oldest goes first.
4. A verdict names the rules that made it, in the order of the text; a refusal gives the first one's sentence.

Nothing in here reads prices, quality or load.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import cedarpy

from appliance.policy.facts import (
    Action,
    Asking,
    Export,
    Json,
    Reuse,
    Store,
    Use,
    entity,
    label_facts,
    path_entities,
    places,
    uid,
)
from appliance.records.card import ModelCard, Place
from appliance.records.decision import Reason
from appliance.records.features import FindingKind
from appliance.records.file_fault import Mark
from appliance.records.request import AND, LOCAL, Labels

DEFAULT_DENY = "default-deny"
RULE_ERROR = "rule-error"
_DAY_S = 86_400
_POSITION = re.compile(r"`policy(\d+)`")
_PATHS_KNOWN = 1024


@dataclass(frozen=True)
class Rule:
    """One rule of the text: its id, the sentence that says why, what it does and where it stands."""

    id: str
    why: str
    effect: str  # permit or forbid
    file: str
    mark: Mark


@dataclass(frozen=True)
class Verdict:
    """What the rules say to one question. `rules` made it: the forbids that hold, else the permits."""

    permitted: bool
    rules: tuple[Rule, ...] = ()
    error: str = ""

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids of the rules."""
        return tuple(rule.id for rule in self.rules)

    @cached_property
    def reason(self) -> Reason | None:
        """None where it is permitted, else the first rule that forbids, and its sentence."""
        if self.permitted:
            return None
        if self.error:
            return Reason("policy", f"the rules could not be evaluated: {self.error}", RULE_ERROR)
        if not self.rules:
            return Reason("policy", "no rule permits it", DEFAULT_DENY)
        return Reason("policy", self.rules[0].why, self.rules[0].id)


@dataclass(frozen=True)
class Compiled:
    """The parsed text of a policy. `within` names for each place those that it lies in; `rules` in the order in which
    the engine counts them.
    """

    schema: cedarpy.Schema
    policies: cedarpy.PolicySet
    within: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]


class _Known:
    """One path as the engine is told of it, and what was said of it."""

    __slots__ = ("card", "entities", "said")

    def __init__(self, card: ModelCard, entities: cedarpy.Entities) -> None:
        self.card = card
        self.entities = entities
        self.said: dict[tuple[object, ...], Verdict] = {}


class Policy:
    """The rules of one generation. `home` is where this node stands; cards state where their paths stand.

    `issued` in Unix seconds; `digest` is SHA-256 over the policy's files. `remembered` verdicts are kept for each
    path; 0 keeps none.
    """

    def __init__(
        self, id: str, *, issued: float, home: Place, compiled: Compiled, digest: str, remembered: int = 512
    ) -> None:
        self.id = id
        self.issued = issued
        self.home = home
        self.compiled = compiled
        self.digest = digest
        self._places = cedarpy.Entities.from_json_str(places(compiled.within), compiled.schema)
        self._remembered = remembered
        self._by_id = {rule.id: (number, rule) for number, rule in enumerate(compiled.rules)}
        self._known: dict[str, _Known] = {}
        self._labels: tuple[tuple[object, ...], str] | None = None  # the last ones, as the engine takes them

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.compiled.rules

    def at_home(self, home: Place) -> Policy:
        """The same rules on a host that stands elsewhere."""
        return Policy(
            self.id,
            issued=self.issued,
            home=home,
            compiled=self.compiled,
            digest=self.digest,
            remembered=self._remembered,
        )

    def together(self, one: str, other: str) -> str:
        """The residency label that demands both: the inner place where the policy's places say that one lies in the
        other, else both of them.
        """
        if one == other or not other or other in self._around(one):
            return one
        if not one or one in self._around(other):
            return other
        return f"{one}{AND}{other}"

    def _around(self, residency: str) -> set[str]:
        """Every residency label that what stays in `residency` also keeps, by the policy alone."""
        ring, found = [residency], set[str]()
        while ring:
            place = ring.pop()
            if place not in found:
                found.add(place)
                ring += self.compiled.within.get(place, ())
        return found

    def prepare(self, cards: Iterable[ModelCard]) -> None:
        """Tell the engine of these paths ahead of the first request that asks about them."""
        for card in cards:
            self._introduced(card)

    def refusal(
        self,
        card: ModelCard,
        labels: Labels,
        now: float | None = None,
        tenant: str = LOCAL,
        findings: tuple[FindingKind, ...] = (),
    ) -> Reason | None:
        """None where this path may answer a request with these labels, else the rule that forbids and its sentence.

        `now` in Unix seconds lets rules see the policy's age; `findings` as in `Use`.
        """
        return self._recalled(Use(card, labels, tenant, findings), "", now).reason

    def permitting(
        self,
        card: ModelCard,
        labels: Labels,
        now: float | None = None,
        tenant: str = LOCAL,
        findings: tuple[FindingKind, ...] = (),
        *,
        redacted: bool = False,
    ) -> tuple[str, ...]:
        """The ids of the rules by which this path may answer; empty where it may not."""
        verdict = self._recalled(Use(card, labels, tenant, findings, redacted), "", now)
        return verdict.ids if verdict.permitted else ()

    def permits(self, asking: Asking, now: float | None = None) -> bool:
        """Whether the rules permit it."""
        if isinstance(asking, Use):
            return self._recalled(asking, "", now).permitted
        if isinstance(asking, Store):
            return self._recalled(asking, asking.scope, now).permitted
        return self.verdict(asking, now).permitted

    def _recalled(self, asking: Use | Store, scope: str, now: float | None) -> Verdict:
        card, labels = asking.card, asking.labels
        try:
            known = self._introduced(card)
        except (ValueError, TypeError) as error:
            return Verdict(False, error=_said(error))
        age = None if now is None else int((now - self.issued) // _DAY_S)
        key = (
            asking.tenant,
            scope,
            labels.classification,
            labels.residency,
            labels.purpose,
            labels.rights,
            labels.locale,
            age,
            asking.findings,
            isinstance(asking, Use) and asking.redacted,
        )
        said = known.said
        if key in said:
            return said[key]
        verdict = self.verdict(asking, now)
        if self._remembered:
            if len(said) >= self._remembered:
                del said[next(iter(said))]
            said[key] = verdict
        return verdict

    def verdict(self, asking: Asking, now: float | None = None) -> Verdict:
        """What the rules say, evaluated anew, with every rule that made it."""
        if isinstance(asking, Use | Store) and AND in asking.labels.residency:
            verdict = Verdict(False)
            for place in asking.labels.residency.split(AND):
                verdict = self.verdict(replace(asking, labels=replace(asking.labels, residency=place)), now)
                if not verdict.permitted:
                    break
            return verdict
        age = None if now is None else int((now - self.issued) // _DAY_S)
        try:
            question, entities = self._question(asking, age)
            answer = cedarpy.is_authorized(question, self.compiled.policies, entities, self.compiled.schema)
            errors, reasons = answer.diagnostics.errors, answer.diagnostics.reasons
        except Exception as error:  # noqa: BLE001  whatever goes wrong in the engine permits nothing
            return Verdict(False, error=_said(error))
        if errors:
            return Verdict(False, error=_POSITION.sub(self._named, errors[0]))
        try:
            made = sorted(
                {self._by_id[answer.diagnostics.id_annotations_by_reason[name]] for name in reasons},
                key=lambda pair: pair[0],
            )
        except KeyError as error:
            return Verdict(False, error=_said(error))
        return Verdict(answer.allowed and bool(made), tuple(rule for _, rule in made))

    def _question(self, asking: Asking, age_days: int | None) -> tuple[Json, cedarpy.Entities]:
        """The question as the engine takes it, with the entities that it is about."""
        if isinstance(asking, Use):
            known = self._introduced(asking.card)
            context = self._stated(asking, age_days)
            return _asked("Tenant", asking.tenant, "use", "Path", asking.card.id, context), known.entities
        if isinstance(asking, Store):
            known = self._introduced(asking.card)
            kept = {"labels": label_facts(asking, self.home, age_days), "scope": asking.scope}
            return _asked("Tenant", asking.tenant, "store", "Path", asking.card.id, kept), known.entities
        if isinstance(asking, Reuse):
            owner = {"__entity": uid("Tenant", asking.owner)}
            asset = {
                "owner": owner,
                "scope": asking.scope,
                "classification": asking.classification,
                "rights": asking.rights,
            }
            question = _asked("Tenant", asking.tenant, "reuse", "Asset", "it", {})
            return question, self._with(entity("Asset", "it", asset))
        if isinstance(asking, Export):
            record = {"classification": asking.classification, "rights": asking.rights}
            question = _asked("Tenant", asking.tenant, "export", "Record", "it", {})
            return question, self._with(entity("Record", "it", record))
        person = entity("Person", "it", {"role": asking.role})
        question = _asked("Person", "it", "administer", "Node", "this", {"act": asking.act})
        return question, self._with(person)

    def _stated(self, asking: Use, age_days: int | None) -> str:
        """The labels as JSON; the candidates of one request share it."""
        of = (asking.labels, age_days, asking.findings, asking.redacted)
        if self._labels is None or self._labels[0] != of:
            self._labels = (of, json.dumps(label_facts(asking, self.home, age_days)))
        return self._labels[1]

    def _with(self, one: Json) -> cedarpy.Entities:
        return self._places.with_added_json_str(json.dumps([one]), self.compiled.schema)

    def _introduced(self, card: ModelCard) -> _Known:
        """The path as the engine knows it. Raises ValueError where the schema does not take what the card states."""
        known = self._known.get(card.id)
        if known is None or known.card is not card:
            added = self._places.with_added_json_str(path_entities(card), self.compiled.schema)
            if len(self._known) >= _PATHS_KNOWN:
                del self._known[next(iter(self._known))]
            known = self._known[card.id] = _Known(card, added)
        return known

    def _named(self, match: re.Match[str]) -> str:
        number = int(match[1])
        return f"rule '{self.rules[number].id}'" if number < len(self.rules) else match[0]


def _asked(principal: str, who: str, action: Action, resource: str, what: str, context: Json | str) -> Json:
    return {
        "principal": uid(principal, who),
        "action": uid("Action", action),
        "resource": uid(resource, what),
        "context": context,
    }


def _said(error: Exception) -> str:
    """The engine's sentence, cut: it may quote a label that a caller stated."""
    return f"{type(error).__name__}: {error}"[:300]

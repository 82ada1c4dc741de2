"""What policy says of a request as it came over the wire, worked out from the files alone.

Independent of what it judges: labels are read here from headers, metadata and what the texts are known to hold; the
entities are built here from the cards as JSON; Cedar is asked directly. Nothing of `appliance.policy`,
`appliance.intake` or `appliance.decide` takes part.

Whoever adds a fact to the rules adds it to `Question` and in `_labels` (the context), and nowhere else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cedarpy

from tests.property.rules import CLASSIFICATIONS, RIGHTS, Written

_DAY_S = 86_400
_ORDERS: dict[str, tuple[str, ...]] = {"classification": CLASSIFICATIONS, "rights": ("", *RIGHTS)}
Json = dict[str, Any]
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Stated:
    """The labels of one request that policy sees, after everything that tightens and raises them."""

    classification: str = "internal"
    residency: str = ""
    purpose: str = ""
    rights: str = ""
    locale: str = ""


@dataclass(frozen=True)
class Question:
    """What policy is asked of a path: for whom, and which kinds were found. `redacted`: without what can be redacted,
    under the labels that are left."""

    labels: Stated
    tenant: str = "local"
    kinds: frozenset[str] = frozenset()
    redacted: bool = False


@dataclass(frozen=True)
class Kept:
    """What a conversation keeps: the classification as things were said, and apart from what can be redacted."""

    label: str = "public"
    redacted: str = "public"


class Contradiction(Exception):
    """Header and metadata, or tenant and caller, demand two things at once: nobody may be sent anything."""


@lru_cache(maxsize=4096)
def stated(headers: Pairs, metadata: Pairs) -> Stated:
    """What well-formed headers and metadata say. Raises Contradiction."""
    held = {"classification": "internal"}
    for source, entries in (("header", headers), ("metadata", metadata)):
        for name, value in entries:
            label = _label_of(name)
            if not label:
                continue
            wanted, before = _plain(label, value), held.get(label, "")
            if source == "metadata" and label in _ORDERS:
                wanted = max(wanted, before, key=_ORDERS[label].index)
            elif source == "metadata" and before not in ("", wanted):
                raise Contradiction
            held[label] = wanted
    return Stated(**held)


def highest(*classifications: str) -> str:
    return max(classifications, key=CLASSIFICATIONS.index)


def _at_least(labels: Stated, classification: str) -> Stated:
    return replace(labels, classification=highest(labels.classification, classification))


@lru_cache(maxsize=4096)
def _label_of(name: str) -> str:
    """The label that a header or an entry of the metadata states, '' where it states none that policy sees."""
    plain = name.lower().replace("_", "-")
    label = re.sub(r"^(x-)?weir-", "", plain)
    return label if label != plain and label in Stated.__dataclass_fields__ else ""


@lru_cache(maxsize=4096)
def _plain(label: str, value: str) -> str:
    """One spelling for what may be written in several."""
    value = value.strip()
    if label == "residency":
        kind, colon, name = value.partition(":")
        return f"country:{name.upper()}" if kind == "country" else kind + colon + name
    if label == "locale":
        language, _, rest = value.partition("-")
        return language.lower() + (f"-{rest.upper()}" if rest else "")
    return value.lower()


@dataclass(frozen=True)
class Verdict:
    permitted: bool
    erred: bool


class Oracle:
    """One policy, one home, some cards, some tenants; `detectors` as detectors.json states it."""

    def __init__(
        self, policy: Written, cards: dict[str, Json], home: dict[str, str], detectors: Json, tenants: dict[str, Json]
    ) -> None:
        self.raises: Json = detectors["raises"]
        self.redacts = frozenset(detectors["redacts"])
        self.tenants = tenants
        self._places = policy.places
        self._home = home
        self.issued = policy.issued
        self._schema = cedarpy.Schema.from_str(policy.files["schema.cedarschema"].decode())
        self._rules = cedarpy.PolicySet.from_str(f"{policy.text}\n{policy.erring}")
        self._cards = cards
        self._entities = cedarpy.Entities.from_json_str(json.dumps(self._world(policy)), self._schema)
        self._said: dict[tuple[str, str, Question, int], Verdict] = {}

    def age_days(self, now: float) -> int:
        """The policy's age, by Unix seconds."""
        return int((now - self.issued) // _DAY_S)

    # ---- before policy --------------------------------------------------------------------------------------

    def held_to(self, tenant: str, labels: Stated) -> Stated:
        """The labels with those that the tenant's requests carry at least. Raises Contradiction."""
        held = self.tenants.get(tenant, {})
        for label in ("purpose", "locale"):
            if len({held.get(label, ""), getattr(labels, label)} - {""}) > 1:
                raise Contradiction
        return Stated(
            highest(labels.classification, held.get("classification", "public")),
            self._both(held.get("residency", ""), labels.residency),
            labels.purpose or held.get("purpose", ""),
            max(labels.rights, held.get("rights", ""), key=_ORDERS["rights"].index),
            labels.locale or held.get("locale", ""),
        )

    def _both(self, held: str, wanted: str) -> str:
        if not held or not wanted or held == wanted:
            return held or wanted
        for inner, outer in ((held, wanted), (wanted, held)):
            if outer in self._over(inner):
                return inner
        return f"{held} & {wanted}"

    def _over(self, place: str) -> set[str]:
        above = set(self._places.get(place, ()))
        return above.union(*(self._over(one) for one in above))

    def covers(self, tenant: str, path: str, kind: str) -> bool:
        """Whether the tenant's keys are for this path and this kind of request."""
        held = self.tenants.get(tenant, {})
        asked = (("models", path), ("tiers", self._cards[path]["tier"]), ("modalities", kind))
        return all(not held.get(what) or value in held[what] for what, value in asked)

    def affords(self, tenant: str, path: str) -> bool:
        """Whether there is money for it: a budget here is of nothing at all, or there is none."""
        return self.tenants.get(tenant, {}).get("budget_day") is None or not self._cards[path]["price"]["per_request"]

    def raised(self, given: Stated, kinds: frozenset[str], before: Kept) -> Stated:
        """With findings of these kinds in the texts, in a conversation that kept this."""
        return _at_least(given, highest(before.label, *map(self._raises_to, kinds)))

    def without(self, given: Stated, kinds: frozenset[str], before: Kept) -> Stated:
        """The same once what can be redacted is."""
        return _at_least(given, highest(before.redacted, *map(self._raises_to, kinds - self.redacts)))

    def keeps(self, kinds: frozenset[str], before: Kept) -> Kept:
        """What a conversation keeps after a request with findings of these kinds."""
        label = highest(before.label, *map(self._raises_to, kinds))
        return Kept(label, highest(before.redacted, *map(self._raises_to, kinds - self.redacts)))

    def _raises_to(self, kind: str) -> str:
        strictest = CLASSIFICATIONS[-1]
        return strictest if kind == "unscanned" else str(self.raises.get(kind, strictest))

    # ---- policy ---------------------------------------------------------------------------------------------

    def use(self, path: str, question: Question, age_days: int) -> Verdict:
        """May this path be told of such a request while the policy is so old?"""
        return self._recalled("use", path, question, age_days)

    def store(self, path: str, question: Question, age_days: int) -> Verdict:
        """May what it answered be kept for whoever asked?"""
        return self._recalled("store", path, question, age_days)

    def _labels(self, question: Question, age_days: int) -> Json:
        labels = question.labels
        facts: Json = {"classification": labels.classification, "age_days": age_days}
        if question.kinds:
            facts["findings"] = sorted(question.kinds)
        if question.redacted:
            facts["redacted"] = True
        if labels.residency:
            facts["residency"] = _place(self._demanded(labels.residency))
        if labels.purpose:
            facts["purpose"] = labels.purpose
        if labels.rights:
            facts["rights"] = labels.rights
        if labels.locale:
            facts |= {"locale": labels.locale, "language": labels.locale.split("-")[0]}
        return facts

    def _demanded(self, residency: str) -> str:
        if residency not in ("node", "site"):
            return residency
        name = self._home.get(residency, "")
        return f"{residency}:{name}" if name else "site:nowhere-at-all"

    def _recalled(self, action: str, path: str, question: Question, age_days: int) -> Verdict:
        key = (action, path, question, age_days)
        if key not in self._said:
            permitted, erred = True, False
            for place in question.labels.residency.split(" & "):
                one = replace(question, labels=replace(question.labels, residency=place))
                context = self._labels(one, age_days)
                if action == "store":
                    context = {"labels": context, "scope": "tenant"}
                verdict = self._asked(question.tenant, action, path, context)
                permitted, erred = permitted and verdict.permitted, erred or verdict.erred
            self._said[key] = Verdict(permitted, erred)
        return self._said[key]

    def _asked(self, tenant: str, action: str, path: str, context: Json) -> Verdict:
        question = {
            "principal": {"type": "Tenant", "id": tenant},
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Path", "id": path},
            "context": context,
        }
        answer = cedarpy.is_authorized(question, self._rules, self._entities, self._schema)
        erred = bool(answer.diagnostics.errors)
        return Verdict(answer.allowed and not erred and bool(answer.diagnostics.reasons), erred)

    def _world(self, policy: Written) -> list[Json]:
        entities = [
            {
                "uid": {"type": "Place", "id": name},
                "attrs": {},
                "parents": [{"type": "Place", "id": at} for at in within],
            }
            for name, within in policy.places.items()
        ]
        for id, card in self._cards.items():
            own = card["tier"] in ("cache", "reuse", "device")
            place = self._home if own else card["place"]
            within = [
                {"type": "Place", "id": f"{kind}:{place[kind]}"}
                for kind in ("node", "site", "country", "region")
                if place.get(kind)
            ]
            failures = [word.strip() for word in card["known_failures"]]
            facts = {
                "tier": card["tier"],
                "own": own,
                "place": _place(f"spot of {id}"),
                "operator": card["operator"],
                "jurisdiction": card["jurisdiction"],
                "retention": card["retention"],
                "training": card["trains_on_input"],
                "licence": card["licence"].strip().lower(),
                "provenance": card["provenance"].strip() != "",
                "languages": list(card["languages"]),
                "unfit": [word[len("locale:") :] for word in failures if word.startswith("locale:")],
            }
            entities.append({"uid": {"type": "Place", "id": f"spot of {id}"}, "attrs": {}, "parents": within})
            entities.append({"uid": {"type": "Path", "id": id}, "attrs": facts, "parents": []})
        return entities


def _place(name: str) -> Json:
    return {"__entity": {"type": "Place", "id": name}}

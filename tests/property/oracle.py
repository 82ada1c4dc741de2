"""What policy says of a request as it came over the wire, worked out from the files alone.

Independent of what it judges: labels are read here from headers, metadata and what the texts are known to hold; the
entities are built here from the cards as JSON; Cedar is asked directly. Nothing of `appliance.policy`,
`appliance.intake` or `appliance.decide` takes part.

Whoever adds a fact to the rules adds it in `_principal` (who asks) and in `_labels` (the context), and nowhere else.
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


class Contradiction(Exception):
    """Header and metadata demand two things at once: nobody may be sent anything."""


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


def raised(given: Stated, kinds: frozenset[str], raises: Json) -> Stated:
    """With findings of these kinds in the texts; `raises` as detectors.json states it."""
    found = [CLASSIFICATIONS[-1] if kind == "unscanned" else raises.get(kind, CLASSIFICATIONS[-1]) for kind in kinds]
    highest = max((given.classification, *found), key=CLASSIFICATIONS.index)
    return given if highest == given.classification else replace(given, classification=highest)


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
    """One policy, one home, some cards; `raises` as detectors.json states it."""

    def __init__(self, policy: Written, cards: dict[str, Json], home: dict[str, str], raises: Json) -> None:
        self.raises = raises
        self._home = home
        self.issued = policy.issued
        self._schema = cedarpy.Schema.from_str(policy.files["schema.cedarschema"].decode())
        self._rules = cedarpy.PolicySet.from_str(f"{policy.text}\n{policy.erring}")
        self._cards = cards
        self._entities = cedarpy.Entities.from_json_str(json.dumps(self._world(policy)), self._schema)
        self._said: dict[tuple[str, str, Stated, int], Verdict] = {}

    def age_days(self, now: float) -> int:
        """The policy's age, by Unix seconds."""
        return int((now - self.issued) // _DAY_S)

    def use(self, path: str, labels: Stated, age_days: int) -> Verdict:
        """May this path be told of a request with these labels while the policy is so old?"""
        return self._recalled("use", path, labels, age_days)

    def store(self, path: str, labels: Stated, age_days: int) -> Verdict:
        """May what it answered be kept for whoever asked?"""
        return self._recalled("store", path, labels, age_days)

    def _principal(self) -> Json:
        return {"type": "Tenant", "id": "local"}

    def _labels(self, labels: Stated, age_days: int) -> Json:
        facts: Json = {"classification": labels.classification, "age_days": age_days}
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

    def _recalled(self, action: str, path: str, labels: Stated, age_days: int) -> Verdict:
        question = (action, path, labels, age_days)
        if question not in self._said:
            context = self._labels(labels, age_days)
            if action == "store":
                context = {"labels": context, "scope": "tenant"}
            self._said[question] = self._asked(action, path, context)
        return self._said[question]

    def _asked(self, action: str, path: str, context: Json) -> Verdict:
        question = {
            "principal": self._principal(),
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

"""What the rules are told: typed requests, and paths and places as Cedar entities.

Rules kept here:
1. A fact is what a card or a label states. What is not stated is absent or empty, never guessed.
2. A place is in what its card states of it, and in what the policy's places say that those lie in.
3. Every request names what it needs to be decided; none takes a free dictionary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from appliance.records.card import ModelCard, Place
from appliance.records.features import FindingKind
from appliance.records.request import LOCAL, Classification, Labels, Rights
from appliance.records.value import value

Scope = Literal["tenant", "site"]
Action = Literal["use", "store", "reuse", "export", "administer"]
PLACE_KINDS = ("node", "site", "country", "region")  # each lies in the next
_NOWHERE = "node:"  # where nothing stands: a demand for 'this node' that has no name is met by nobody
_LOCALE_FAILURE = "locale:"


@value(slots=True)
class Use:
    """May this tenant's request with these labels be answered by this path?

    `findings` are the kinds that detectors found in it, sorted. `redacted`: what of them can be redacted would be
    replaced first, and the labels are those that it then has.
    """

    card: ModelCard
    labels: Labels
    tenant: str = LOCAL
    findings: tuple[FindingKind, ...] = ()
    redacted: bool = False


@value(slots=True)
class Store:
    """May this path's answer to this tenant's request with these labels and findings be kept at this scope?"""

    card: ModelCard
    labels: Labels
    scope: Scope
    tenant: str = LOCAL
    findings: tuple[FindingKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Reuse:
    """May an asset that was kept at this scope for `owner` be shown to `tenant`?"""

    tenant: str
    owner: str
    scope: Scope
    classification: Classification
    rights: Rights = ""


@dataclass(frozen=True, slots=True)
class Export:
    """May what is known of a request with these labels leave in a training bundle?"""

    tenant: str
    classification: Classification
    rights: Rights = ""


@dataclass(frozen=True, slots=True)
class Administer:
    """May somebody with this role read, or change, what the node is set to?"""

    role: Literal["admin", "viewer"]
    act: Literal["read", "change"]


Asking = Use | Store | Reuse | Export | Administer
Json = dict[str, Any]


def uid(kind: str, name: str) -> Json:
    return {"type": kind, "id": name}


def entity(kind: str, name: str, attributes: Json | None = None, parents: tuple[Json, ...] = ()) -> Json:
    return {"uid": uid(kind, name), "attrs": attributes or {}, "parents": list(parents)}


def _reference(kind: str, name: str) -> Json:
    return {"__entity": uid(kind, name)}


def places(hierarchy: Mapping[str, tuple[str, ...]]) -> str:
    """The policy's places as an entities document."""
    return json.dumps(
        [entity("Place", name, parents=tuple(uid("Place", at) for at in within)) for name, within in hierarchy.items()]
    )


def path_entities(card: ModelCard) -> str:
    """One path and the spot where it stands, as an entities document."""
    spot = f"path:{card.id}"
    stated = tuple(uid("Place", f"{kind}:{name}") for kind in PLACE_KINDS if (name := getattr(card.place, kind)))
    failures = [word.strip() for word in card.known_failures]
    attributes = {
        "tier": card.tier,
        "own": card.tier in ("cache", "reuse", "device"),  # no operator, no terms, no journey
        "place": _reference("Place", spot),
        "operator": card.operator,
        "jurisdiction": card.jurisdiction,
        "retention": card.retention,
        "training": card.trains_on_input,
        "licence": card.licence.strip().lower(),
        "provenance": bool(card.provenance.strip()),
        "languages": sorted(card.languages),
        "unfit": sorted(f.removeprefix(_LOCALE_FAILURE) for f in failures if f.startswith(_LOCALE_FAILURE)),
    }
    return json.dumps([entity("Place", spot, parents=stated), entity("Path", card.id, attributes)])


def label_facts(asking: Use | Store, home: Place, age_days: int | None) -> Json:
    """The labels as the schema's `Labels`; what is not stated is absent, which also costs nothing to decide."""
    labels = asking.labels
    facts: Json = {"classification": labels.classification}
    if labels.residency:
        facts["residency"] = _reference("Place", _demanded(labels.residency, home))
    if labels.purpose:
        facts["purpose"] = labels.purpose
    if labels.rights:
        facts["rights"] = labels.rights
    if labels.locale:
        facts["locale"] = labels.locale
        facts["language"] = labels.locale.partition("-")[0]
    if age_days is not None:
        facts["age_days"] = age_days
    if asking.findings:
        facts["findings"] = list(asking.findings)
    if isinstance(asking, Use) and asking.redacted:
        facts["redacted"] = True
    return facts


def _demanded(residency: str, home: Place) -> str:
    """The place that a residency label means on this host."""
    if residency in ("node", "site"):
        name = getattr(home, residency)
        return f"{residency}:{name}" if name else _NOWHERE
    return residency

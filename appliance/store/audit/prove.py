"""'No request labelled X left for Y between two dates': answered from the log, with the evidence.

Rules kept here:
1. Only a log that verifies proves anything.
2. What an entry does not state speaks against the claim: a place that is not stated may be the one asked about.
3. The whole log is read: with a clock that was set back, order and time are two things.
4. The answer names the time that the log speaks for. Before its first and after its last entry it says nothing.
5. What no request can carry and what is no place is refused: a claim about a misspelt word would always be proved.
   Capitals make no difference. Of a tenant that the log does not know, which may be misspelt too, the answer says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.errors import StateInvalid
from appliance.records.card import TIERS
from appliance.records.request import AND, CLASSIFICATIONS, LOCAL
from appliance.store.audit.chain import Entry
from appliance.store.audit.export import Range
from appliance.store.audit.verify import Verdict, verify

LABELS = ("classification", "residency", "tenant")
PLACES = ("node", "site", "country", "region")
KEPT = 100  # counter-examples that are listed; the count goes on
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_RESIDENCY = re.compile(r"node|site|country:[a-z]{2}|region:[a-z0-9._-]+", re.IGNORECASE)


@dataclass(frozen=True)
class Label:
    """Whose requests the claim is about: `name` is one of LABELS, '' for any of its first two.

    Without name, 'any' is every request.
    """

    name: str
    value: str

    def fits(self, facts: dict[str, Any]) -> bool:
        if (self.name, self.value) == ("", "any"):
            return True
        names = (self.name,) if self.name else LABELS[:2]
        said = [facts[name].casefold() for name in names]
        return any(self.value.casefold() in (one, *one.split(AND)) for one in said)


@dataclass(frozen=True)
class Target:
    """Where they did not go: a tier, a place, or anywhere. With `outside`, anywhere but there."""

    kind: Literal["any", "tier", "node", "site", "country", "region"]
    value: str = ""
    outside: bool = False

    def reached(self, facts: dict[str, Any]) -> str:
        """In words how this request went there; '' where it did not."""
        if self.kind == "any":
            return "it left"
        if self.kind == "tier":
            there = facts["tier"] == self.value
            return f"its path is of tier {facts['tier']}" if there != self.outside else ""
        stated = facts["place"][self.kind]
        if not stated:
            return f"the card of its path does not state the {self.kind}"
        there = stated.casefold() == self.value.casefold()
        return f"its path stands in {self.kind} {stated}" if there != self.outside else ""


@dataclass(frozen=True)
class CounterExample:
    """A request that did go there."""

    entry: Entry
    facts: dict[str, Any]
    why: str


@dataclass(frozen=True)
class Proof:
    """The answer. `holds` where the log verifies and nothing speaks against the claim. `known`: whether the tenant that
    it is about, if any, is named in the log at all.
    """

    holds: bool
    verdict: Verdict
    range: Range
    left: int  # entries of requests that left in that time
    labelled: int  # of those, with the label
    against: int
    examples: tuple[CounterExample, ...]
    known: bool

    @property
    def covering(self) -> int:
        """The sequence of the first signature at or after the last entry of that time; 0 where there is none."""
        return next((seq for seq in self.verdict.signed if seq >= self.range.last), 0) if self.range.last else 0


@dataclass
class _Search:
    label: Label
    target: Target
    range: Range
    left: int = 0
    labelled: int = 0
    against: int = 0
    examples: list[CounterExample] = field(default_factory=list)
    known: bool = False

    def visit(self, entry: Entry) -> None:
        self.range.visit(entry)
        if not self.known and self.label.name == "tenant":
            self.known = str(orjson.loads(entry.payload).get("tenant")).casefold() == self.label.value.casefold()
        if entry.kind != "egress" or not self.range.begin <= entry.time < self.range.end:
            return
        self.left += 1
        facts = orjson.loads(entry.payload)
        if not self.label.fits(facts):
            return
        self.labelled += 1
        why = self.target.reached(facts)
        if why:
            if "redacted" in facts:  # still a request with that label, and who asks decides what that is worth
                why += ", redacted"
            self.against += 1
            if len(self.examples) < KEPT:
                self.examples.append(CounterExample(entry, facts, why))


def parse_label(text: str) -> Label:
    """'secret', 'country:CH', 'tenant=acme', 'any'. Raises ValueError."""
    name, equals, value = text.partition("=")
    if not equals:
        name, value = "", text
    elif name not in LABELS:
        raise ValueError(f"a label is VALUE, or NAME=VALUE with NAME one of {', '.join(LABELS)}")
    if not value:
        raise ValueError("a label has a value")
    known = value.lower() in CLASSIFICATIONS and name != "residency"
    placed = name != "classification" and all(map(_RESIDENCY.fullmatch, value.split(AND)))
    if not (known or placed or name == "tenant" or text == "any"):
        raise ValueError(
            f"'{value}' is no label: those are {', '.join(CLASSIFICATIONS)}; node, site, country:XX, region:NAME; any"
        )
    return Label(name, value)


def parse_target(text: str, *, outside: bool) -> Target:
    """'frontier', 'country:US', 'any'. Raises ValueError."""
    kind, colon, value = text.partition(":")
    if not colon and text in TIERS:
        return Target("tier", text, outside)
    if text == "any" and not outside:
        return Target("any")
    for place in PLACES:
        if kind == place and value and (kind != "country" or _COUNTRY.fullmatch(value)):
            return Target(place, value, outside)  # type: ignore[arg-type]  # one of PLACES
    tiers = ", ".join(TIERS[3:])
    raise ValueError(f"it is a tier ({tiers}) or a place: country:XX, region:NAME, site:NAME or node:NAME")


def prove(state_dir: Path, key: Ed25519PublicKey, label: Label, target: Target, begin: int, end: int) -> Proof:
    """Whether no request with `label` left for `target` from `begin` until before `end` (microseconds since 1970).

    Raises StateInvalid where there is no log.
    """
    search = _Search(label, target, Range(begin, end))
    try:
        verdict = verify(state_dir, key, visit=search.visit)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise StateInvalid("An entry lacks what it should state.", next_step="Use the version that wrote it.") from None
    holds = verdict.finding is None and not search.against
    known = search.known or label.name != "tenant" or label.value.casefold() == LOCAL
    examples = tuple(search.examples)
    return Proof(holds, verdict, search.range, search.left, search.labelled, search.against, examples, known)

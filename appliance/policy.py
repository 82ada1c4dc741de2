"""Policy: which path may answer which request. The first and the last word.

Rules kept here:
1. Denied unless a rule permits; any rule that forbids wins; an error in a rule forbids.
2. A caller's labels can only narrow. Nothing in here reads prices, quality or load.
3. Every verdict names the rules that made it.

The rules are content of a bundle. This version knows tiers, residency, retention and training terms.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.records.card import Frozen, ModelCard, Place, Tier
from appliance.records.decision import Reason
from appliance.records.request import Classification, Labels


class ClassRule(Frozen):
    """What one classification may use."""

    tiers: tuple[Tier, ...]
    retention: tuple[Literal["none", "transient", "logged", "unknown"], ...] = ("none", "transient", "logged")
    allow_training: bool = False


class Policy(Frozen):
    """One generation of rules. `home` is where this node stands; cards state where their paths stand."""

    id: str
    home: Place = Place()
    classes: dict[Classification, ClassRule] = Field(default_factory=dict)

    def refusal(self, card: ModelCard, labels: Labels) -> Reason | None:
        """None where this path may answer a request with these labels, else the reason and its rule."""
        rule = self.classes.get(labels.classification)
        if rule is None:
            return Reason("policy", f"no rule permits classification {labels.classification}", "default-deny")
        if card.tier not in rule.tiers:
            return Reason(
                "policy",
                f"{labels.classification} requests may not use tier {card.tier}",
                f"class/{labels.classification}/tiers",
            )
        if card.tier in ("cache", "reuse", "device"):
            return None  # computed by this program on this host: no operator, no terms, no journey
        if card.retention not in rule.retention:
            return Reason(
                "policy",
                f"retention '{card.retention}' is not accepted for {labels.classification}",
                f"class/{labels.classification}/retention",
            )
        if card.trains_on_input != "no" and not rule.allow_training:
            return Reason(
                "policy",
                "its operator may train on what it is sent, or does not say",
                f"class/{labels.classification}/training",
            )
        return self._residency(card, labels)

    def _residency(self, card: ModelCard, labels: Labels) -> Reason | None:
        demand = labels.residency
        if not demand:
            return None
        kind, _, name = demand.partition(":")
        place, home = card.place, self.home
        inside = {
            "node": bool(place.node) and place.node == home.node,
            "site": bool(place.site) and place.site == home.site,
            "country": bool(place.country) and place.country == name,
            "region": bool(place.region) and place.region == name,
        }.get(kind, False)
        if inside:
            return None
        return Reason("policy", f"residency demands {demand}; the card does not place the path there", "residency")

"""Who asks: the owner of API keys, and what those keys cover.

Rules kept here:
1. A tenant's settings narrow what policy permits and what the node offers; none of them widens anything.
2. What is not stated does not narrow: no path named means every path, no limit stated means none.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, field_validator

from appliance.records.card import Frozen, NonNegative, Probability, Tier
from appliance.records.request import LOCAL, Classification, Kind, Purpose, Rights
from appliance.records.value import value

Priority = Literal["low", "normal", "high"]
# Jobs of a tenant that a busy path takes for one of a tenant of low priority.
WEIGHTS: dict[Priority, int] = {"low": 1, "normal": 2, "high": 4}
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_RESERVED = (LOCAL, "any")

Name = Annotated[str, Field(min_length=1, max_length=128)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Money = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


@value
class Scope:
    """What a tenant's keys cover, as far as it decides. Empty: all. `business_value`: of a good answer; None: the
    content's. `strategy` is what its requests follow that name none; `strategies` are those that they may name.
    """

    models: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] = ()
    modalities: tuple[Kind, ...] = ()
    business_value: float | None = None
    strategy: str = ""
    strategies: tuple[str, ...] = ()


class Tenant(Frozen):
    """One tenant. Money in the currency of the content, limits per minute; budgets by UTC day and month.

    Labels are the least that each of its requests carries. `budget_alert` is the share of a budget at which operators
    are told; the whole of it is the hard stop.
    """

    name: str
    models: tuple[Name, ...] = ()  # ids of paths
    tiers: tuple[Tier, ...] = ()
    modalities: tuple[Kind, ...] = ()
    strategy: Annotated[str, Field(max_length=64)] = ""  # of the content; '' is the content's default
    strategies: tuple[Name, ...] = ()  # that its requests may name
    classification: Classification = "public"
    residency: Annotated[
        str, Field(pattern=r"^(|node|site|country:[A-Z]{2}|region:[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")
    ] = ""
    purpose: Purpose = ""
    rights: Rights = ""
    locale: Annotated[str, Field(max_length=32)] = ""
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrent: Count | None = None
    budget_day: Money | None = None
    budget_month: Money | None = None
    budget_alert: Probability = 0.8
    priority: Priority = "normal"
    business_value: NonNegative | None = None
    quality_floor: Probability | None = None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise ValueError(
                "must be 1 to 64 lower-case letters, digits, dots, dashes or underscores, begin and end with a letter "
                f"or digit, and not be {' or '.join(_RESERVED)}"
            )
        return name

    @cached_property
    def scope(self) -> Scope | None:
        """What its keys cover; None where nothing is stated."""
        scope = Scope(self.models, self.tiers, self.modalities, self.business_value, self.strategy, self.strategies)
        return None if scope == Scope() else scope

    @property
    def weight(self) -> int:
        """Its share of what is contended, against the weights of others."""
        return WEIGHTS[self.priority]

"""A rank: what orders plans in utility's place, because the caller or the content says so.

Rules kept here:
1. A rank orders plans that were found possible without it. It adds none.
2. What is named is taken in its order, whatever the floor says; where any path will do, those that meet the floor come
   first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.decide.generation import Generation
from appliance.decide.plans import Plan
from appliance.decide.preferences import ordered, orders
from appliance.records.decision import Asked, Candidate, Chosen, Snapshot

Key = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rank:
    """The least key comes first. `whys` says by path why it stands where it does.

    `alone`: plans of one path only. `floored`: where any meets the floor, none that does not is taken.
    """

    plan: Callable[[Plan], Key]
    path: Callable[[Candidate], Key]
    chosen: Chosen
    whys: dict[str, str] = field(default_factory=dict)
    alone: bool = True
    floored: bool = True


def by_preference(
    asked: Asked, generation: Generation, snapshot: Snapshot, eligible: tuple[Candidate, ...], floor: float
) -> Rank | None:
    """By `models`, and `order` or `sort` of `provider`; None where nothing of it is stated."""
    providers = asked.providers
    if not asked.models and not orders(providers):
        return None
    names = asked.models or (asked.model,)
    named = [(c, f"number {at + 1} of 'models'") for at, name in enumerate(names) for c in eligible if c.path == name]
    rest = sorted((c for c in eligible if c.path not in names), key=worth)
    if providers is not None and orders(providers):
        states = {state.path: state for state in snapshot.paths}
        tail = ordered(rest, providers, generation, states)
        if providers.partition == "none":
            named = ordered([c for c, _ in named], providers, generation, states)
    else:
        tail = [(candidate, "") for candidate in rest]
    tail.sort(key=lambda pair: not meets(pair[0], floor))
    # 'auto' among the names: who stands behind it comes behind all.
    at = names.index("auto") if "auto" in names else len(names)
    before = set(names[:at])
    together = [p for p in named if p[0].path in before] + tail + [p for p in named if p[0].path not in before]
    return listed(together, "named" if "auto" not in names else "preference", floored=False)


def listed(together: list[tuple[Candidate, str]], chosen: Chosen, *, floored: bool) -> Rank:
    """In this order, each path alone."""
    places = {candidate.path: float(at) for at, (candidate, _) in enumerate(together)}

    def plan(one: Plan) -> Key:
        return (places.get(one.steps[0].path, math.inf),)

    def path(one: Candidate) -> Key:
        return (places.get(one.path, math.inf),)

    whys = {candidate.path: why for candidate, why in together if why}
    return Rank(plan, path, chosen, whys, floored=floored)


def worth(candidate: Candidate) -> float:
    """The less, the better: the path's utility, negative."""
    return -candidate.estimate.utility if candidate.estimate is not None else 0.0


def meets(candidate: Candidate, floor: float) -> bool:
    """Whether the path alone reaches the floor."""
    return candidate.estimate is not None and candidate.estimate.p_good_low >= floor

"""Plans: single paths and cascades of up to `max_steps`, enumerated and weighed, never written by hand.

Rules kept here:
1. Only a step with a certified gate may stand before another: its answer can be sent back.
2. A gated step contributes P(accept) and P(right | accepted) as calibrated per cell; the rest of the probability
   falls through to the next step.
3. A plan meets the floor when what it accepts is certified for it and its last step's lower bound reaches it.
4. A cascade whose p95 is over the deadline is no plan.
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import NamedTuple

from appliance.decide.estimate import preferred
from appliance.decide.generation import GateLevel, Generation
from appliance.records.decision import Asked, Candidate, Estimate, Step
from appliance.records.features import Features
from appliance.records.value import value


class Plan(NamedTuple):
    """Steps with what is expected of them together, as `Estimate` has it. Many are weighed for the one that is taken,
    so the value of its figures is made when it is asked for.
    """

    steps: tuple[Step, ...]
    meets_floor: bool
    p_good: float
    p_good_low: float
    cost: float
    latency_s: float
    latency_p95_s: float
    utility: float
    most: float

    @property
    def expected(self) -> Estimate:
        return Estimate(*self[2:])


@value(slots=True)
class _Gated:
    """A candidate that may stand before others, with what its gate does for this request."""

    step: Step
    expected: Estimate
    accept: float
    right: float
    floor: float


def enumerate_plans(
    asked: Asked, features: Features, generation: Generation, eligible: tuple[Candidate, ...], floor: float
) -> list[Plan]:
    """Every plan within the deadline, in a fixed order."""
    ends = []
    for candidate in eligible:
        step, final = last_step(candidate, generation, floor), candidate.estimate
        assert final is not None  # eligible candidates have one
        end = Plan(
            (step,),
            final.p_good_low >= floor,
            final.p_good,
            final.p_good_low,
            final.cost,
            final.latency_s,
            final.latency_p95_s,
            final.utility,
            final.most,
        )
        ends.append(end)
    plans = [*ends]
    fronts = [gated for c in eligible if (gated := _gated(c, features, generation, floor)) is not None]
    for length in range(1, generation.weights.max_steps if fronts else 1):
        for front in permutations(fronts, length):
            plans += _cascades(asked, generation, front, ends)
    return plans


def _gated(candidate: Candidate, features: Features, generation: Generation, floor: float) -> _Gated | None:
    found, expected = gate_of(candidate.path, generation, floor), candidate.estimate
    if found is None or expected is None:
        return None
    id, level = found
    accept, right = acceptance(level, features)
    step = Step(candidate.path, id, level.threshold, candidate.redacting is not None)
    return _Gated(step, expected, accept, right, level.floor)


def gate_of(path: str, generation: Generation, floor: float) -> tuple[str, GateLevel] | None:
    """The gate of a path and its level that keeps `floor`; None where it has none or none is certified."""
    gate = generation.gate_by_id.get(generation.card_by_id[path].gate)
    if gate is None:
        return None
    level = gate.level_for(floor)
    return None if level is None else (gate.id, level)


def last_step(candidate: Candidate, generation: Generation, floor: float) -> Step:
    """A step after which nothing comes. It is judged where it can be, so that below-floor answers are known."""
    path, redacted = candidate.path, candidate.redacting is not None
    found = gate_of(path, generation, floor)
    return Step(path, redacted=redacted) if found is None else Step(path, found[0], found[1].threshold, redacted)


def _cascades(asked: Asked, generation: Generation, front: tuple[_Gated, ...], ends: list[Plan]) -> list[Plan]:
    """The plans that begin with `front`: what stands before is summed up once."""
    reach, mean, low, money, middle, high, most = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for gated in front:
        expected = gated.expected
        mean += reach * gated.accept * gated.right
        low += reach * gated.accept * min(gated.right, gated.floor)
        money += reach * expected.cost
        middle += reach * expected.latency_s
        high += expected.latency_p95_s
        most += expected.most
        reach *= 1.0 - gated.accept
    steps = tuple([gated.step for gated in front])
    used = {step.path for step in steps}
    latest = math.inf if asked.labels.deadline_s is None else asked.labels.deadline_s - high
    value, delay = preferred(asked, generation.weights)
    plans = []
    for last, meets_floor, final_mean, final_low, final_money, final_middle, final_high, _, final_most in ends:
        if last[0].path in used or final_high > latest:
            continue
        right, spent = mean + reach * final_mean, money + reach * final_money
        waited = middle + reach * final_middle
        utility = value * right - spent - delay * waited
        figures = (right, low + reach * final_low, spent, waited, high + final_high, utility, most + final_most)
        plans.append(Plan(steps + last, meets_floor, *figures))
    return plans


def acceptance(level: GateLevel, features: Features) -> tuple[float, float]:
    """P(accept) and P(right | accepted) of a gate level over the request's cells, shrunk to the level's own."""
    accept = right = covered = 0.0
    for cell, share in features.cells:
        row = level.cells.get(cell)
        a, r = (level.accept, level.right) if row is None else (row.accept, row.right)
        accept += share * a
        right += share * a * r
        covered += share
    if covered < 1.0:
        accept += (1.0 - covered) * level.accept
        right += (1.0 - covered) * level.accept * level.right
    return accept, (right / accept if accept > 0 else 0.0)

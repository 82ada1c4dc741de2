"""Plans: single paths and cascades of up to `max_steps`, enumerated and weighed, never written by hand.

Rules kept here:
1. Only a step with a certified gate may stand before another: its answer can be sent back.
2. A gated step contributes P(accept) and P(right | accepted) as calibrated per cell; the rest of the probability
   falls through to the next step.
3. A plan meets the floor when what it accepts is certified for it and its last step's lower bound reaches it.
4. A cascade whose p95 is over the deadline is no plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from appliance.decide.estimate import preferred
from appliance.decide.generation import GateLevel, Generation
from appliance.records.decision import Asked, Candidate, Estimate, Step
from appliance.records.features import Features
from appliance.records.value import value


@value(slots=True)
class Plan:
    """Steps with what is expected of them together."""

    steps: tuple[Step, ...]
    expected: Estimate
    meets_floor: bool


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
) -> Iterator[Plan]:
    """Every plan within the deadline, in a fixed order."""
    ends = [(candidate, last_step(candidate, generation, floor)) for candidate in eligible]
    for candidate, step in ends:
        expected = candidate.estimate
        assert expected is not None  # eligible candidates have one
        yield Plan((step,), expected, expected.p_good_low >= floor)
    fronts = [gated for c in eligible if (gated := _gated(c, features, generation, floor)) is not None]
    for length in range(1, generation.weights.max_steps if fronts else 1):
        for front in permutations(fronts, length):
            yield from _cascades(asked, generation, front, ends, floor)


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


def _cascades(
    asked: Asked, generation: Generation, front: tuple[_Gated, ...], ends: list[tuple[Candidate, Step]], floor: float
) -> Iterator[Plan]:
    """The plans that begin with `front`: what stands before is summed up once."""
    reach, mean, low, money, middle, high, most = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for gated in front:
        mean += reach * gated.accept * gated.right
        low += reach * gated.accept * min(gated.right, gated.floor)
        money += reach * gated.expected.cost
        middle += reach * gated.expected.latency_s
        high += gated.expected.latency_p95_s
        most += gated.expected.most
        reach *= 1.0 - gated.accept
    steps = tuple(gated.step for gated in front)
    used = {step.path for step in steps}
    deadline = asked.labels.deadline_s
    value, delay = preferred(asked, generation.weights)
    for last, step in ends:
        final = last.estimate
        if last.path in used or final is None:
            continue
        latest = high + final.latency_p95_s
        if deadline is not None and latest > deadline:
            continue
        right, spent = mean + reach * final.p_good, money + reach * final.cost
        waited = middle + reach * final.latency_s
        utility = value * right - spent - delay * waited
        expected = Estimate(right, low + reach * final.p_good_low, spent, waited, latest, utility, most + final.most)
        yield Plan((*steps, step), expected, final.p_good_low >= floor)


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

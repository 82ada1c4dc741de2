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
from dataclasses import dataclass
from itertools import permutations

from appliance.decide.estimate import valued
from appliance.decide.generation import GateLevel, Generation
from appliance.records.decision import Asked, Candidate, Estimate, Step
from appliance.records.features import Features


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps with what is expected of them together."""

    steps: tuple[Step, ...]
    expected: Estimate
    meets_floor: bool


def enumerate_plans(
    asked: Asked, features: Features, generation: Generation, eligible: tuple[Candidate, ...], floor: float
) -> Iterator[Plan]:
    """Every plan within the deadline, in a fixed order."""
    for candidate in eligible:
        yield _single(generation, candidate, floor)
    gates = {c.path: gate_of(c.path, generation, floor) for c in eligible}
    fronts = [c for c in eligible if gates[c.path] is not None]
    for length in range(1, max(1, generation.weights.max_steps)):
        for front in permutations(fronts, length):
            used = {c.path for c in front}
            for last in eligible:
                if last.path in used:
                    continue
                plan = _cascade(asked, features, generation, front, last, gates, floor)
                if plan is not None:
                    yield plan


def gate_of(path: str, generation: Generation, floor: float) -> tuple[str, GateLevel] | None:
    """The gate of a path and its level that keeps `floor`; None where it has none or none is certified."""
    gate = generation.gate_by_id.get(generation.card_by_id[path].gate)
    if gate is None:
        return None
    level = gate.level_for(floor)
    return None if level is None else (gate.id, level)


def last_step(path: str, generation: Generation, floor: float) -> Step:
    """A step after which nothing comes. It is judged where it can be, so that below-floor answers are known."""
    found = gate_of(path, generation, floor)
    return Step(path) if found is None else Step(path, found[0], found[1].threshold)


def _single(generation: Generation, candidate: Candidate, floor: float) -> Plan:
    expected = candidate.estimate
    assert expected is not None  # eligible candidates have one
    step = last_step(candidate.path, generation, floor)
    return Plan((step,), expected, expected.p_good_low >= floor)


def _cascade(
    asked: Asked,
    features: Features,
    generation: Generation,
    front: tuple[Candidate, ...],
    last: Candidate,
    gates: dict[str, tuple[str, GateLevel] | None],
    floor: float,
) -> Plan | None:
    reach, mean, low, money, middle, high = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    steps: list[Step] = []
    for candidate in front:
        found, expected = gates[candidate.path], candidate.estimate
        assert found is not None
        assert expected is not None
        gate_id, level = found
        accept, right = acceptance(level, features)
        mean += reach * accept * right
        low += reach * accept * min(right, level.floor)
        money += reach * expected.cost
        middle += reach * expected.latency_s
        high += expected.latency_p95_s
        reach *= 1.0 - accept
        steps.append(Step(candidate.path, gate_id, level.threshold))
    final = last.estimate
    assert final is not None
    mean += reach * final.p_good
    low += reach * final.p_good_low
    money += reach * final.cost
    middle += reach * final.latency_s
    high += final.latency_p95_s
    if asked.labels.deadline_s is not None and high > asked.labels.deadline_s:
        return None
    steps.append(last_step(last.path, generation, floor))
    expected_all = valued(asked, generation.weights, mean, low, money, middle, high)
    return Plan(tuple(steps), expected_all, final.p_good_low >= floor)


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

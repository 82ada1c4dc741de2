"""Certifies thresholds: which share of all look-ups may be answered wrongly, with a stated confidence.

Rules kept here:
1. What is certified is 'wrong answers are at most delta of all look-ups'. Wrong of hits is shown, and not promised: a
   finite sample of hard traffic cannot bear it out.
2. Fixed-sequence testing: the thresholds are fixed before any look-up is seen, and are tried from the strictest down
   until the first whose bound is above delta. Nothing below it is tried, so that all that passed hold together at the
   stated confidence (learn then test, Angelopoulos et al., arXiv 2110.01052).
3. The bound is Clopper and Pearson's, one-sided, over look-ups that are drawn one by one: of each intent one.
4. Fewer than `FEWEST` look-ups certify nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from appliance.decide.similar import CellPromise, Evidence, Promise, Rung
from appliance.similar.bounds import clopper_pearson_upper

__all__ = ["DELTAS", "FEWEST", "GRID", "CellPromise", "Evidence", "LookUp", "Promise", "Rung", "certify", "ladder"]

FEWEST = 500
DELTAS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
GRID = (
    *(0.9998, 0.9995, 0.999, 0.998, 0.997, 0.995, 0.9925),
    *(round(0.99 - step / 200, 3) for step in range(99)),  # down to 0.5
)


@dataclass(frozen=True, slots=True)
class LookUp:
    """One asked text against a store: the best score of what no guard objected to (0 where there was nothing), and
    whether the answer stored there belongs to another intent.
    """

    score: float
    wrong: bool


def certify(
    look_ups: Sequence[LookUp],
    delta: float,
    *,
    grid: Sequence[float] = GRID,
    confidence: float = 0.95,
    fewest: int = FEWEST,
) -> Rung | None:
    """The loosest threshold of `grid` (strictest first) that passes the sequence; None where none does.

    Raises ValueError where the grid does not fall.
    """
    if any(stricter <= looser for stricter, looser in pairwise(grid)):
        raise ValueError("the grid must go from the strictest threshold down")
    if len(look_ups) < fewest:
        return None
    best: Rung | None = None
    for threshold in grid:
        hits = [look_up for look_up in look_ups if look_up.score >= threshold]
        wrong = sum(look_up.wrong for look_up in hits)
        upper = clopper_pearson_upper(wrong, len(look_ups), confidence)
        if upper > delta:
            break
        evidence = Evidence(look_ups=len(look_ups), hits=len(hits), wrong=wrong, upper=upper, confidence=confidence)
        best = Rung(delta=delta, threshold=threshold, evidence=evidence)
    return best


def ladder(
    look_ups: Sequence[LookUp], *, deltas: Sequence[float] = DELTAS, grid: Sequence[float] = GRID
) -> tuple[Rung, ...]:
    """What can be certified of these look-ups, strictest budget first; each rung holds by itself at 95 %.

    Left out is a rung at which nothing would be served, or which serves no more than the one before.
    """
    found: list[Rung] = []
    for delta in sorted(deltas):
        rung = certify(look_ups, delta, grid=grid)
        if rung is not None and rung.evidence.hits and (not found or rung.threshold < found[-1].threshold):
            found.append(rung)
    return tuple(found)


def claims(cell: CellPromise) -> str:
    """In words what a cell's evidence does not bear out, '' where it bears out all."""
    for rung in cell.ladder:
        evidence = rung.evidence
        if evidence.confidence < 0.95:
            return f"the rung of {rung.delta:g} is certified at less than 95 %"
        if evidence.look_ups < FEWEST:
            return f"the rung of {rung.delta:g} rests on {evidence.look_ups} look-ups, of at least {FEWEST}"
        if clopper_pearson_upper(evidence.wrong, evidence.look_ups, evidence.confidence) > rung.delta:
            return f"{evidence.wrong} wrong of {evidence.look_ups} look-ups do not certify {rung.delta:g}"
    return ""

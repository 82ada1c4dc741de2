"""Watches a cell while it serves: labels of drawn hits tighten its threshold, or close it.

A share of the would-be hits (score at or above the stated threshold, whether or not it was tightened since) is drawn by
lot, answered anew and compared. Of each look-up, Y = 1 where it was drawn and found wrong. With W the rate of look-ups
whose stored answer is wrong at a threshold, P(Y = 1) = share * judged * W, `judged` being the share of comparisons that
say yes or no. Against 'W is at most delta', each threshold of the ladder has an e-process over all look-ups:

    E = mean over r in `RATIOS` of the product over look-ups of  r where Y = 1,  (1 - r q) / (1 - q) where Y = 0,

with q = share * judged * delta. While W <= delta it is a supermartingale that starts at 1, whatever the hit rate is and
however it changes, so that it ever reaches 1 / alpha with probability at most alpha (Ville's inequality; a mixture of
bets as in Waudby-Smith and Ramdas, arXiv 2010.09686, section 4).

Rules kept here:
1. In force is the loosest threshold of the ladder within the stated budget that is not refuted; where all of them are,
   the cell is closed. What has once been refuted stays so as long as its labels count.
2. Guaranteed: a threshold that keeps its budget is refuted with probability at most `ALPHA` in a run of labels, at
   whatever moment one looks. Not guaranteed: how soon a broken promise is found out; at three times the budget it takes
   about a dozen wrong labels. Until then the certificate of the content is what stands for the cell.
3. 'Unsure' is neither: it is never taken as agreed, `judged` is lower for it, and it is reported. The bounds hold as
   far as what could not be judged is wrong no oftener than what could. Where most labels are unsure, the watch is
   blind, and the strictest rung that stands is in force: there the content's certificate has to stand alone. A drawn
   look-up whose new answer failed is unsure too.
4. Labels age out: a run begins with each `RUN_DAYS` days and counts for twice as long, so that two runs are on at any
   time. A closed or tightened cell opens again in two ways only: its runs have ended and the newer ones refute nothing,
   or an operator opened it, whereupon runs begin anew at that look-up.
5. The state is a pure function of labels and daily counts. A label knows which look-up of its day it was drawn at. Lost
   counts (a crash) make the look-ups fewer than they were, which errs towards closing.
6. Labels and counts belong to one verifier; those of another are not to be given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from appliance.decide.similar import CellPromise, Rung

Outcome = Literal["agreed", "wrong", "unsure"]
Array = npt.NDArray[Any]
State = Literal["open", "tightened", "closed", "blind", "abstains"]
ALPHA = 0.05
RUN_DAYS = 14
RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
BLIND_AFTER = 30  # labels
_ENOUGH = math.log(1.0 / ALPHA)
_MOST = 0.999
_HALVINGS = 30


@dataclass(frozen=True, slots=True)
class Label:
    """One drawn look-up of a cell, which is a task of the taxonomy. `day` counts from 1970 in UTC, `nth` is the look-up
    of its cell on that day (from 1), `share` the probability it was drawn with, `draw` the number that was drawn (below
    the share), `how` what the comparison went by.
    """

    cell: str
    day: int
    nth: int
    score: float
    share: float
    draw: float
    outcome: Outcome
    how: str


@dataclass(frozen=True, slots=True)
class Count:
    """What one cell saw on one day."""

    look_ups: int = 0
    would_be_hits: int = 0

    def more(self, look_ups: int, would_be_hits: int) -> Count:
        return Count(self.look_ups + look_ups, self.would_be_hits + would_be_hits)


@dataclass(frozen=True, slots=True)
class Opened:
    """The look-up at which an operator opened a cell again."""

    day: int
    nth: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A cell at one moment. `threshold` is what is in force, None where nothing similar is served."""

    state: State
    threshold: float | None
    look_ups: int = 0
    would_be_hits: int = 0
    agreed: int = 0
    wrong: int = 0
    unsure: int = 0


def first_day(today: int) -> int:
    """The first day whose labels and counts still count."""
    return today - today % RUN_DAYS - RUN_DAYS


def draws(share: float, draw: float, score: float, stated: Rung | None) -> bool:
    """Whether a look-up is to be answered anew: a would-be hit of the stated budget, and the lot fell on it."""
    return stated is not None and score >= stated.threshold and draw < share


def watch(
    cell: CellPromise,
    labels: Sequence[Label],
    counts: Mapping[int, Count],
    *,
    today: int,
    delta: float | None = None,
    opened: Opened | None = None,
) -> Watched:
    """The state of one cell on the day `today`, from its own labels (in any order) and counts by day."""
    stated = cell.at(delta)
    if stated is None:
        return Watched("abstains", None)
    budget = cell.delta if delta is None else delta
    runs = _runs(labels, counts, today, opened)
    rungs = [rung for rung in cell.ladder if rung.delta <= stated.delta]
    standing = [rung for rung in rungs if not any(run.refutes(rung.threshold, budget) for run in runs)]
    older = runs[0]
    seen = (older.look_ups, older.would_be_hits, *(older.outcomes[name] for name in ("agreed", "wrong", "unsure")))
    if not standing:
        return Watched("closed", None, *seen)
    if older.blind:
        return Watched("blind", standing[0].threshold, *seen)
    return Watched("open" if standing[-1] is stated else "tightened", standing[-1].threshold, *seen)


def bounds(
    labels: Sequence[Label],
    counts: Mapping[int, Count],
    threshold: float,
    *,
    today: int,
    opened: Opened | None = None,
) -> tuple[float, float]:
    """Lower and upper bound of the wrong of all look-ups at a threshold, over the older run; each at 95 % and at
    whatever moment one looks. 0 and 1 where there are no labels.
    """
    run = _runs(labels, counts, today, opened)[0]
    return run.lower(threshold), run.upper(threshold)


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch is the look-ups after one label up to and with the next; the last one holds what came after the last
    label. Arrays have one row a stretch: how many look-ups, the share they were drawn with, how many labels there were
    before, how many of these said yes or no, and the score of the label that ends it and whether that was wrong.
    """

    look_ups: int
    would_be_hits: int
    outcomes: Mapping[str, int]
    lengths: Array
    shares: Array
    labels: Array
    said: Array
    scores: Array
    wrong: Array

    @property
    def blind(self) -> bool:
        labels = sum(self.outcomes.values())
        return labels >= BLIND_AFTER and self.outcomes["unsure"] > labels / 2

    def refutes(self, threshold: float, rate: float) -> bool:
        """Whether 'at most `rate` wrong' was refuted at any moment."""
        return float(self._evidence(threshold, rate, RATIOS).max()) >= _ENOUGH

    def lower(self, threshold: float) -> float:
        """The largest rate that is refuted as too low, by bisection."""
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.refutes(threshold, middle) else (low, middle)
        return low

    def upper(self, threshold: float) -> float:
        """The smallest rate that is refuted as too high, by bisection."""
        low, high = 0.0, 1.0
        ratios = tuple(1.0 / ratio for ratio in RATIOS)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            refuted = float(self._evidence(threshold, middle, ratios)[-1]) >= _ENOUGH
            low, high = (low, middle) if refuted else (middle, high)
        return high

    def _evidence(self, threshold: float, rate: float, ratios: Sequence[float]) -> Array:
        """log E after each stretch. The share that is judged is taken from the labels before, and on the side that errs
        towards not refuting; a bet is never so high that one right look-up could lose all.
        """
        rising = ratios[0] > 1.0
        wrong = self.wrong & (self.scores >= threshold)
        q = np.minimum(self.shares * (self.said + rising) / (self.labels + 1) * rate, _MOST)
        total = np.empty((len(ratios), len(q)))
        for at, ratio in enumerate(ratios):
            bet = (
                np.maximum(1.0, np.minimum(ratio, _MOST / np.maximum(q, 1e-300))) if rising else np.full(len(q), ratio)
            )
            right = (self.lengths - wrong) * (np.log1p(-bet * q) - np.log1p(-q))
            total[at] = np.cumsum(wrong * np.log(bet) + right)
        top = total.max(0)
        found: Array = top + np.log(np.exp(total - top).mean(0))
        return found


def _runs(labels: Sequence[Label], counts: Mapping[int, Count], today: int, opened: Opened | None) -> tuple[_Run, _Run]:
    """The older run and the newer one, which is a part of it."""
    begin = first_day(today)
    older, newer = (_run(labels, counts, day, opened) for day in (begin, begin + RUN_DAYS))
    return older, newer


def _run(labels: Sequence[Label], counts: Mapping[int, Count], begin: int, opened: Opened | None) -> _Run:
    start = (begin, 0)
    if opened is not None:
        start = max(start, (opened.day, opened.nth))
    days = sorted(day for day in counts if day >= start[0])
    before, total = {}, 0  # look-ups of the run before each day
    for day in days:
        before[day] = total
        total += counts[day].look_ups
    at = skipped = start[1]
    outcomes = {"agreed": 0, "wrong": 0, "unsure": 0}
    rows, share = [], 0.0
    for label in sorted(labels, key=lambda each: (each.day, each.nth)):
        if (label.day, label.nth) <= start:
            continue
        here, share = before.get(label.day, total) + label.nth, label.share
        known = sum(outcomes.values())
        wrong = label.outcome == "wrong"
        rows.append((max(1, here - at), share, known, known - outcomes["unsure"], label.score, wrong))
        at = max(at, here)
        outcomes[label.outcome] += 1
    known = sum(outcomes.values())
    rows.append((max(0, total - at), share, known, known - outcomes["unsure"], 0.0, False))
    lengths, shares, sofar, said, scores, wrongs = (np.array(column, float) for column in zip(*rows, strict=True))
    hits = sum(counts[day].would_be_hits for day in days)
    found = max(0, total - skipped)
    return _Run(found, hits, outcomes, lengths, shares, sofar, said, scores, wrongs.astype(bool))

"""What a bundle says of similar answers: the verifier that scores a pair, and what was certified of its scores.

Rules kept here:
1. Values only, checked when they are read: finite numbers, lengths that agree, a score that never falls as the cosine
   rises, a ladder whose thresholds loosen with its budgets. Whether the evidence bears out the bounds it claims is
   checked where content is read (`bundle.content`).
2. A cell that is not named abstains, and so does one whose ladder is empty.
3. A stricter budget than the stated one takes a stricter rung; a budget below every rung abstains. A budget between two
   rungs takes the stricter of them.
"""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from itertools import pairwise
from operator import mul
from typing import Annotated, Self

from pydantic import Field, FiniteFloat, model_validator

from appliance.records.card import Frozen, Probability

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Weight = Annotated[FiniteFloat, Field(ge=0.0)]
COSINE = "cosine"


class Unit(Frozen):
    """One hidden unit: adds weight * tanh(bias + sum(weights[i] * x[i]))."""

    weight: Weight
    bias: FiniteFloat
    weights: tuple[FiniteFloat, ...]


class Verifier(Frozen):
    """P(one answer serves both) from the measures of a pair, for one embedder file and one list of measures.

    score = sigmoid(bias + sum(weights[i] * x[i]) + units), where x[i] is the measure clipped to low[i]..high[i]: what
    training never saw is not extrapolated. Measures whose names begin with 'cosine' rise with it; their weights are not
    negative, which keeps the score monotone in the cosine.
    """

    embedder_sha256: Sha256
    names: tuple[str, ...] = Field(min_length=1)
    low: tuple[FiniteFloat, ...]
    high: tuple[FiniteFloat, ...]
    bias: FiniteFloat
    weights: tuple[FiniteFloat, ...]
    units: tuple[Unit, ...] = Field(default=(), max_length=64)
    source: str = ""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        lengths = {len(v) for v in (self.names, self.low, self.high, self.weights, *(u.weights for u in self.units))}
        if len(lengths) != 1:
            raise ValueError("names, low, high and weights must be of one length")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a measure stands twice")
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("a measure's low is above its high")
        if COSINE not in self.names:
            raise ValueError(f"the measure '{COSINE}' is missing")
        rising = [at for at, name in enumerate(self.names) if name.startswith(COSINE)]
        if any(weights[at] < 0.0 for weights in (self.weights, *(u.weights for u in self.units)) for at in rising):
            raise ValueError(f"a weight of '{COSINE}' is below 0: the score would fall as texts grow alike")
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the values: what thresholds and labels belong to."""
        return hashlib.sha256(self.model_dump_json(exclude={"source"}).encode()).hexdigest()

    def score(self, measured: tuple[float, ...]) -> float:
        """P(one answer serves both), 0 to 1; a few microseconds. Raises ValueError for what is not finite or of another
        length.
        """
        if not all(map(math.isfinite, measured)):
            raise ValueError("a measure is not a number")
        x = [min(max(value, low), high) for value, low, high in zip(measured, self.low, self.high, strict=True)]
        total = self.bias + sum(map(mul, self.weights, x))
        for unit in self.units:
            total += unit.weight * math.tanh(unit.bias + sum(map(mul, unit.weights, x)))
        return 1.0 / (1.0 + math.exp(-min(max(total, -700.0), 700.0)))


class Evidence(Frozen):
    """What a threshold did on look-ups that trained and chose nothing. `upper` bounds the wrong of all look-ups."""

    look_ups: Count
    hits: Count
    wrong: Count
    upper: Probability
    confidence: Probability = 0.95

    @property
    def wrong_per_hit(self) -> float | None:
        """As it was seen, and nothing that is promised; None without hits."""
        return self.wrong / self.hits if self.hits else None

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        if not self.wrong <= self.hits <= self.look_ups:
            raise ValueError("there are more wrong than hits, or more hits than look-ups")
        if self.look_ups and self.upper < self.wrong / self.look_ups:
            raise ValueError("the bound is below what was seen")
        return self


class Rung(Frozen):
    """One certified budget: serving at `threshold` keeps wrong answers within `delta` of all look-ups."""

    delta: Probability
    threshold: Probability
    evidence: Evidence

    @model_validator(mode="after")
    def _kept(self) -> Self:
        if self.evidence.upper > self.delta:
            raise ValueError("the bound of the evidence is above the budget it is to certify")
        return self


class CellPromise(Frozen):
    """One cell: the budget stated for it, and the ladder of what is certified, strictest first. Empty: it abstains."""

    delta: Probability
    ladder: tuple[Rung, ...] = ()
    reason: str = ""  # why it abstains
    source: str = ""

    @model_validator(mode="after")
    def _ladder_loosens(self) -> Self:
        for stricter, looser in pairwise(self.ladder):
            if not stricter.delta < looser.delta or stricter.threshold < looser.threshold:
                raise ValueError("the ladder must loosen from rung to rung")
        if not self.ladder and not self.reason:
            raise ValueError("a cell that abstains says why")
        return self

    def at(self, delta: float | None = None) -> Rung | None:
        """The loosest rung within this budget (None: the stated one); None where nothing is certified for it."""
        budget = self.delta if delta is None else delta
        within = [rung for rung in self.ladder if rung.delta <= budget]
        return within[-1] if within else None

    @property
    def threshold(self) -> float | None:
        """Of the stated budget; None where the cell abstains."""
        rung = self.at()
        return rung.threshold if rung else None

    @property
    def evidence(self) -> Evidence | None:
        """Of the stated budget."""
        rung = self.at()
        return rung.evidence if rung else None


class Promise(Frozen):
    """What is certified, by task of the taxonomy, for one verifier over one embedder file."""

    verifier: Sha256
    embedder: Sha256
    cells: dict[str, CellPromise]

    def cell(self, cell: str) -> CellPromise | None:
        """Of a cell's id ('task/difficulty') or a task's; None where it is not named, which abstains."""
        return self.cells.get(cell.partition("/")[0])

    def budgets(self, most: float | None) -> dict[str, float]:
        """The budget of each task where an operator allows `most` wrong of all look-ups (None: he says nothing, and
        nothing is returned). He may only tighten.
        """
        return {} if most is None else {task: min(cell.delta, most) for task, cell in self.cells.items()}


class Similar(Frozen):
    """Both, as a generation carries them."""

    verifier: Verifier
    promise: Promise

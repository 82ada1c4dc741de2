"""A generation: the signed content that decides, as one frozen value.

Rules kept here:
1. `decide` reads nothing else of the bundle: cards, policy, detectors, gates, weights, strategies and what was
   certified of similar answers stand here.
2. The id is the digest of the content, so that a record names exactly what it was decided under.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pydantic import Field

from appliance.decide.failing import Failing
from appliance.decide.labels import Detectors
from appliance.decide.similar import Similar
from appliance.decide.strategies import Strategies
from appliance.policy import Policy
from appliance.records.card import Frozen, ModelCard, NonNegative, Price, Probability


class GateCell(Frozen):
    """What a threshold does in one cell: P(accept), P(right | accepted), over n answers of the calibration set."""

    accept: Probability
    right: Probability
    n: int


class GateLevel(Frozen):
    """One certified floor: accepting at `threshold` keeps errors among accepted answers at most 1 - floor.

    Certified marginally over the calibration mix by fixed-sequence Clopper-Pearson at 95 % (learn-then-test,
    Angelopoulos et al., arXiv 2110.01052).
    """

    floor: Probability
    threshold: Probability
    accept: Probability
    right: Probability
    cells: dict[str, GateCell] = Field(default_factory=dict)


class Gate(Frozen):
    """A confidence gate: a logistic rule over token statistics, with certified thresholds.

    P(right) = sigmoid(bias + task_bias[task] + sum(weights[i] * (x[i] - mean[i]) / scale[i])); `features` names x
    in order (see `judge.signal_vector`).
    """

    id: str
    model: str
    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    task_bias: dict[str, float] = Field(default_factory=dict)
    levels: tuple[GateLevel, ...] = ()  # strictest floor first
    rows: int = 0
    source: str = ""

    def level_for(self, floor: float) -> GateLevel | None:
        """The loosest certified level that still keeps `floor`, or None where nothing is certified for it."""
        fitting = [level for level in self.levels if level.floor >= floor - 1e-9]
        return min(fitting, key=lambda level: level.floor) if fitting else None


class Reference(Frozen):
    """The named frontier model that the counterfactual sends everything to. Fixed by content, there or not."""

    name: str = ""
    price: Price = Price()


class Weights(Frozen):
    """How outcomes are weighed. Money in `currency`; `latency_weight` is money per second of waiting."""

    currency: str = "USD"
    business_value: NonNegative = 0.01
    latency_weight: NonNegative = 0.0002
    quality_floor: Probability = 0.9
    default_claim_n: int = 20  # how many examples an unproven default accuracy counts as
    prior_n: float = 4.0  # strength of the card's default against its cell figures
    max_steps: int = 3
    frontier: Reference = Reference()
    failing: Failing = Failing()


@dataclass(frozen=True)
class Generation:
    """Everything that `decide` may know besides the request and the moment."""

    id: str
    policy: Policy
    cards: tuple[ModelCard, ...]
    gates: tuple[Gate, ...] = ()
    weights: Weights = Weights()
    detectors: Detectors = Detectors()
    similar: Similar | None = None  # None: only what is asked in the very same words is answered from the cache
    strategies: Strategies | None = None  # None: none has a name

    @cached_property
    def card_by_id(self) -> dict[str, ModelCard]:
        return {card.id: card for card in self.cards}

    @cached_property
    def frontier(self) -> frozenset[str]:
        """Ids of the paths of that tier."""
        return frozenset(card.id for card in self.cards if card.tier == "frontier")

    @cached_property
    def gate_by_id(self) -> dict[str, Gate]:
        return {gate.id: gate for gate in self.gates}

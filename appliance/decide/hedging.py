"""Which second path a decision lets be asked, and after how long, where the first is slow to speak.

Rules kept here:
1. Off, unless the weights say otherwise. A hedge is one of the decision's own fallbacks, so policy permits it.
2. Only a plan of one step is hedged: a cascade asks a second path anyway, and for better reasons.
3. Where the budget does not pay for both, there is no hedge.
"""

from __future__ import annotations

from appliance.decide.generation import Generation
from appliance.records.decision import Candidate, Hedge, Snapshot, Step


def hedge_of(
    steps: tuple[Step, ...],
    fallbacks: tuple[Step, ...],
    eligible: tuple[Candidate, ...],
    generation: Generation,
    snapshot: Snapshot,
) -> Hedge | None:
    """The hedge of a plan with these fallbacks; None where there is none."""
    hedging = generation.weights.failing.hedging
    if not hedging.on or len(steps) != 1 or not fallbacks:
        return None
    (step,), other = steps, fallbacks[0]
    card = generation.card_by_id[step.path]
    if card.endpoint is None:
        return None
    if snapshot.budget_left is not None:
        costs = {one.path: one.estimate.cost for one in eligible if one.estimate is not None}
        if costs[step.path] + costs[other.path] > snapshot.budget_left:
            return None
    lately = next((state.first_token_p95_s for state in snapshot.paths if state.path == step.path), None)
    return Hedge(other, hedging.after_s or lately or card.speed.first_token_p95_s)

"""Which paths can and may answer: card, policy, health, budget, deadline, each removal with its reason.

Rules kept here:
1. Order: what the card can serve, then policy, then what is up and affordable in time.
2. A path that policy removed never comes back, whatever is asked further down.
3. Naming a concrete path removes the others, which are looked at no further, and lifts nothing.
"""

from __future__ import annotations

from functools import lru_cache

from appliance.decide.estimate import estimate
from appliance.decide.generation import Generation
from appliance.records.card import ModelCard, Tier
from appliance.records.decision import Asked, Candidate, PathState, Reason, Snapshot
from appliance.records.features import Features

_LANGUAGE_CERTAIN = 0.8  # below this the detected language removes nothing


def candidates(asked: Asked, features: Features, generation: Generation, snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every path of the generation, eligible or with its reasons, in the order of the cards."""
    states = {state.path: state for state in snapshot.paths}
    named = asked.model
    return tuple(
        [
            _candidate(card, states.get(card.id), asked, features, generation, snapshot)
            if named in ("auto", card.id)
            else _not_named(card.id, card.tier)
            for card in generation.cards
            if card.tier not in ("cache", "reuse")
        ]
    )


@lru_cache(maxsize=1024)
def _not_named(path: str, tier: Tier) -> Candidate:
    return Candidate(path, tier, False, (Reason("not-named", "the caller named another model"),))


def _candidate(
    card: ModelCard,
    state: PathState | None,
    asked: Asked,
    features: Features,
    generation: Generation,
    snapshot: Snapshot,
) -> Candidate:
    reasons = list(_cannot(card, asked, features))
    refused = generation.policy.refusal(card, asked.labels, snapshot.now)
    if refused is not None:
        reasons.append(refused)
    if state is None:
        reasons.append(Reason("health", "the path is not running"))
        return Candidate(card.id, card.tier, False, tuple(reasons))
    if not state.ok:
        reasons.append(Reason("health", state.reason or "not ready"))
    if reasons:
        return Candidate(card.id, card.tier, False, tuple(reasons))
    expected = estimate(card, state, asked, features, generation.weights)
    if snapshot.budget_left is not None and expected.cost > snapshot.budget_left:
        reasons.append(Reason("budget", "its expected cost is more than the budget that is left"))
    deadline = asked.labels.deadline_s
    if deadline is not None and expected.latency_p95_s > deadline:
        reasons.append(Reason("deadline", f"p95 {expected.latency_p95_s:.2f} s is over the deadline of {deadline:g} s"))
    return Candidate(card.id, card.tier, not reasons, tuple(reasons), expected)


def _cannot(card: ModelCard, asked: Asked, features: Features) -> list[Reason]:
    reasons: list[Reason] = []
    if asked.kind not in card.modalities:
        reasons.append(Reason("modality", f"does not serve {asked.kind}"))
        return reasons
    missing = sorted(need for need in features.needs if not getattr(card.capabilities, need, False))
    if missing:
        reasons.append(Reason("capability", "cannot do: " + ", ".join(missing)))
    needed = features.estimated_prompt_tokens
    if card.context_tokens and asked.kind != "embedding" and needed > card.context_tokens:
        reasons.append(Reason("context", f"about {needed} tokens do not fit into {card.context_tokens}"))
    known = card.languages
    unnamed = asked.model == "auto"
    certain = features.language and features.language_p >= _LANGUAGE_CERTAIN
    if unnamed and known and certain and features.language not in known:
        reasons.append(Reason("language", f"does not know the language '{features.language}'"))
    return reasons

"""Which paths can and may answer: card, policy, health, budget, deadline, each removal with its reason.

Rules kept here:
1. Order: what the card can serve, then policy and the tenant's scope, then what the caller prefers, then what is up and
   affordable in time.
2. A path that policy removed never comes back, whatever is asked further down.
3. Naming a concrete path removes the others, which are looked at no further, and lifts nothing.
4. A path that policy refuses as things are stays where policy permits it the request with its findings replaced; the
   obligation to replace them goes with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from appliance.decide.estimate import estimate
from appliance.decide.generation import Generation
from appliance.decide.labels import without_redactable
from appliance.decide.preferences import named, unfit
from appliance.decide.price import most_of
from appliance.records.card import ModelCard, Tier
from appliance.records.decision import Asked, Candidate, PathState, Reason, Redacting, Snapshot
from appliance.records.features import Features, FindingKind
from appliance.records.request import Labels
from appliance.records.value import changed

_LANGUAGE_CERTAIN = 0.8  # below this the detected language removes nothing


def candidates(
    asked: Asked,
    features: Features,
    generation: Generation,
    snapshot: Snapshot,
    within: tuple[frozenset[str], str] | None = None,
) -> tuple[Candidate, ...]:
    """Every path of the generation, eligible or with its reasons, in the order of the cards.

    `within`: no others than these, and what is said to the others.
    """
    states = {state.path: state for state in snapshot.paths}
    among, seen = named(asked), _NOTHING
    words = "the caller named another model"
    if within is not None and among is None:
        among, words = within
    if features.findings or asked.raised is not None:
        redacted = without_redactable(asked, features.findings, generation.detectors)
        seen = _Seen(kinds_of(features), redacted)
    return tuple(
        [
            _candidate(card, states.get(card.id), asked, features, seen, generation, snapshot)
            if among is None or card.id in among
            else _not_named(card.id, card.tier, words)
            for card in generation.cards
            if card.tier not in ("cache", "reuse")
        ]
    )


def kinds_of(features: Features) -> tuple[FindingKind, ...]:
    """What was found, as policy is told of it."""
    return tuple(sorted(kind for kind, _ in features.findings)) if features.findings else ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What detectors found, and the labels that are left without what can be redacted; None where that is nothing."""

    kinds: tuple[FindingKind, ...] = ()
    redacted: Labels | None = None


_NOTHING = _Seen()


@lru_cache(maxsize=1024)
def _not_named(path: str, tier: Tier, words: str) -> Candidate:
    return Candidate(path, tier, False, (Reason("not-named", words),))


def _candidate(
    card: ModelCard,
    state: PathState | None,
    asked: Asked,
    features: Features,
    seen: _Seen,
    generation: Generation,
    snapshot: Snapshot,
) -> Candidate:
    reasons = list(_cannot(card, asked, features))
    redacting: Redacting | None = None
    refused = generation.policy.refusal(card, asked.labels, snapshot.now, asked.tenant, seen.kinds)
    if refused is not None:
        redacting = _redacting(card, refused, asked, seen, generation, snapshot)
        if redacting is None:
            reasons.append(refused)
    reasons += outside(card, asked)
    if asked.providers is not None:
        reasons += unfit(card, asked, asked.providers)
    if state is None:
        reasons.append(Reason("health", "the path is not running"))
        return Candidate(card.id, card.tier, False, tuple(reasons))
    if not state.ok:
        reasons.append(Reason("health", state.reason or "not ready"))
    if reasons:
        return Candidate(card.id, card.tier, False, tuple(reasons))
    expected = estimate(card, state, asked, features, generation.weights)
    if snapshot.budget_left is not None and not card.price.free:
        expected = changed(expected, most=most_of(card, asked, features))
        if expected.most > snapshot.budget_left:
            reasons.append(Reason("budget", "what it may cost at most is more than the budget that is left"))
    deadline = asked.labels.deadline_s
    if deadline is not None and expected.latency_p95_s > deadline:
        reasons.append(Reason("deadline", f"p95 {expected.latency_p95_s:.2f} s is over the deadline of {deadline:g} s"))
    eligible = not reasons
    if state.lagging:  # it removes nothing: the others are asked first
        reasons.append(Reason("health", state.lagging))
    return Candidate(card.id, card.tier, eligible, tuple(reasons), expected, redacting)


def _redacting(
    card: ModelCard, refused: Reason, asked: Asked, seen: _Seen, generation: Generation, snapshot: Snapshot
) -> Redacting | None:
    """That the path may have the request redacted, and by which rules; None where it may not."""
    if seen.redacted is None:
        return None
    policy = generation.policy
    rules = policy.permitting(card, seen.redacted, snapshot.now, asked.tenant, seen.kinds, redacted=True)
    return Redacting(refused, rules) if rules else None


def outside(card: ModelCard, asked: Asked) -> list[Reason]:
    """Why the keys of the tenant do not cover this path; empty where they do."""
    scope = asked.scope
    if scope is None:
        return []
    reasons = []
    if scope.models and card.id not in scope.models:
        reasons.append(Reason("scope", "the key does not cover this path"))
    if scope.tiers and card.tier not in scope.tiers:
        reasons.append(Reason("scope", f"the key does not cover the tier '{card.tier}'"))
    if scope.modalities and asked.kind not in scope.modalities:
        reasons.append(Reason("scope", f"the key does not cover {asked.kind} requests"))
    return reasons


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
    unnamed = card.id != asked.model and card.id not in asked.models
    certain = features.language and features.language_p >= _LANGUAGE_CERTAIN
    if unnamed and known and certain and features.language not in known:
        reasons.append(Reason("language", f"does not know the language '{features.language}'"))
    return reasons

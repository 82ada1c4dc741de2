"""The decision: `decide` chooses a plan, `next_step` follows it. Both pure: no I/O, clock, randomness or logging.

Rules kept here:
1. A cached answer is looked at first and used only if policy says so.
2. Policy, the tenant's scope, health, budget and deadline come before utility; utility never brings a path back.
3. Every refusal names every reason.
4. `next_step` yields only paths that `decide` found eligible.
5. A path that lags is asked after the others, but a slow answer is better than one that is below the floor, or none.
"""

from __future__ import annotations

from appliance.decide.candidates import candidates, outside
from appliance.decide.composing import beyond, composable, composed, within
from appliance.decide.courses import Course, by_strategy, course
from appliance.decide.generation import Generation
from appliance.decide.hedging import hedge_of
from appliance.decide.plans import Plan, enumerate_plans, last_step
from appliance.decide.preferences import named, unfit, unmet
from appliance.decide.ranks import Rank, by_preference
from appliance.decide.strategies import Composed, Partition
from appliance.records.decision import (
    Asked,
    Candidate,
    Chosen,
    Decision,
    Estimate,
    Refusal,
    Snapshot,
    Step,
    StepOutcome,
)
from appliance.records.features import Features
from appliance.records.value import changed

__all__ = ["decide", "next_step"]


def decide(asked: Asked, features: Features, generation: Generation, snapshot: Snapshot) -> Decision:
    """The plan for one request, or the refusal with every reason."""
    stated = asked.labels.quality_floor
    floor = max(generation.weights.quality_floor, stated or 0.0)  # a caller may only tighten
    hit = _cached(asked, generation, snapshot, floor)
    if hit is not None:
        return hit
    if asked.models or asked.providers is not None:
        field, words = unmet(asked, generation)
        if words:
            return _refused(asked, generation, floor, refusal=_UNMET[field], unmet=words)
    way: Course | None = None
    if asked.strategy or generation.strategies is not None:
        way, words = course(asked, generation)
        if words:
            return _refused(asked, generation, floor, refusal="strategy", unmet=words)
        if way is not None and isinstance(way.strategy, Composed):
            whole = composable(way.strategy, asked, features)
            if whole and way.asked_for:
                return _refused(asked, generation, floor, refusal="strategy", unmet=f"Strategy '{way.name}': {whole}")
            made = None if whole else _composed(way, asked, features, generation, snapshot, floor)
            if made is not None:
                return made
            way = None if whole else way  # what fits whole is read whole, by whom the strategy names
    found = candidates(asked, features, generation, snapshot, within(way, features) if way is not None else None)
    eligible = tuple([c for c in found if c.eligible])
    if not eligible:
        return _refused(asked, generation, floor, found)
    rank: Rank | None = None
    spare = True
    if asked.models or asked.providers is not None:
        rank = by_preference(asked, generation, snapshot, eligible, floor)
        spare = bool(asked.models) or asked.providers is None or asked.providers.stands_in
    if way is not None and not isinstance(way.strategy, Composed):
        rank = by_strategy(way.strategy, asked, features, generation, snapshot, eligible, floor)
    plans = enumerate_plans(asked, features, generation, eligible, floor)
    if not spare or (rank is not None and rank.alone):
        plans = plans[: len(eligible)]
    if snapshot.budget_left is not None:
        affordable = [plan for plan in plans if plan.most <= snapshot.budget_left]
        plans = affordable or plans[: len(eligible)]
    good = [plan for plan in plans if plan.meets_floor]
    strict = asked.labels.below_floor == "refuse"
    if not good and strict:
        plans = [plan for plan in plans if plan.steps[-1].gate]  # what such a plan serves is certified
        if not plans:
            return _refused(asked, generation, floor, found, refusal="quality")
    chosen: Chosen
    if rank is not None:
        weighed, first = good or plans if strict or rank.floored else plans, rank.plan
        chosen = rank.chosen
    else:
        weighed, first = good or plans, _by_utility
        chosen = "only-path" if len(plans) == 1 else "best-utility"
    best = min(weighed, key=first)
    lagging = frozenset([state.path for state in snapshot.paths if state.lagging])
    if lagging and _lags(best, lagging):
        quick = [plan for plan in weighed if plan.meets_floor >= best.meets_floor and not _lags(plan, lagging)]
        best = min(quick, key=first, default=best)
    if asked.model != "auto" and not asked.models:
        chosen = "named"
    elif not best.meets_floor and chosen != "named":
        chosen = "below-floor"
    steps = best.steps if rank is None else _told(best.steps, rank)
    fallbacks = _fallbacks(best, eligible, generation, floor, rank, lagging, strict=strict) if spare else ()
    return Decision(
        id=asked.id,
        generation=generation.id,
        chosen=chosen,
        steps=steps,
        fallbacks=fallbacks,
        floor=floor,
        expected=best.expected,
        candidates=found,
        plans_weighed=len(plans),
        hedge=hedge_of(steps, fallbacks, eligible, generation, snapshot),
        strategy=way.name if way is not None else "",
    )


def _composed(
    way: Course, asked: Asked, features: Features, generation: Generation, snapshot: Snapshot, floor: float
) -> Decision | None:
    """The decision to make the answer of several calls; None where the strategy would rather have one."""
    strategy = way.strategy
    if isinstance(strategy, Partition) and not strategy.always:
        found = candidates(asked, features, generation, snapshot, within(way, features))
        if any(candidate.eligible for candidate in found):
            return None
        if not any(all(reason.code == "context" for reason in c.reasons) for c in found):
            return None  # it is not its length that is in the way
    made = composed(way, asked, features, generation, snapshot, floor)
    words = made.words or beyond(made, asked, snapshot)
    if words:
        kept = all(candidate.eligible for candidate in made.found)
        kind: Refusal = "capacity" if kept or not made.words else _refusal_kind(asked, made.found)
        if not made.found:
            kind = "unsupported"  # it is the request's size that is in the way
        elif kind in ("capacity", "budget"):
            paid = changed(snapshot, budget_left=None)
            again = composed(way, asked, features, generation, paid, floor)
            kind = "capacity" if again.words or beyond(again, asked, paid) else "budget"
        return _refused(asked, generation, floor, made.found, refusal=kind, unmet=f"Strategy '{way.name}': {words}")
    if not made.meets_floor and asked.labels.below_floor == "refuse":
        return _refused(asked, generation, floor, made.found, refusal="quality")
    assert made.step is not None
    return Decision(
        id=asked.id,
        generation=generation.id,
        chosen="strategy" if made.meets_floor else "below-floor",
        steps=(made.step,),
        floor=floor,
        expected=made.expected,
        candidates=made.found,
        plans_weighed=1,
        strategy=way.name,
    )


def next_step(decision: Decision, outcomes: tuple[StepOutcome, ...]) -> Step | None:
    """What to run after these outcomes: the plan's next step; after failures, the fallbacks in their order.

    An answered step ends it. A rejected answer goes on within the plan only: a fallback stands in for a path that
    failed, it is no third opinion. None means that nothing is left.
    """
    if outcomes and outcomes[-1].status in ("answered", "cancelled"):
        return None
    tried = {outcome.path for outcome in outcomes}
    for step in decision.steps:
        if step.path not in tried:
            return step
    # One that was stopped because another spoke first stands for nothing any more, like one that failed.
    failed = sum(outcome.status in ("failed", "cancelled") for outcome in outcomes)
    if not failed:
        return None
    spare = [step for step in decision.fallbacks if step.path not in tried]
    stood_in = sum(1 for step in decision.fallbacks if step.path in tried)
    return spare[0] if spare and stood_in < failed else None


def _cached(asked: Asked, generation: Generation, snapshot: Snapshot, floor: float) -> Decision | None:
    hit = snapshot.cache
    if hit is None or hit.anew:
        return None
    card = generation.card_by_id.get(hit.path)
    if card is None or generation.policy.refusal(card, asked.labels, snapshot.now, asked.tenant) is not None:
        return None
    origin = generation.card_by_id.get(hit.origin)
    if asked.scope is not None and (origin is None or outside(origin, asked)):
        return None  # the answer is of a path that the key does not cover, or no longer
    if asked.strategy and hit.path != _EXACT:
        return None  # which knows the strategy; what is similar does not
    among = named(asked)
    if (among is not None and hit.origin not in among) or (asked.labels.quality_floor or 0.0) > hit.p_good:
        return None
    if asked.providers is not None and (origin is None or unfit(origin, asked, asked.providers)):
        return None
    middle = card.speed.first_token_s
    expected = Estimate(hit.p_good, hit.p_good, 0.0, middle, card.speed.first_token_p95_s)
    return Decision(
        id=asked.id,
        generation=generation.id,
        chosen="cache-hit",
        steps=(Step(hit.path),),
        floor=floor,
        expected=expected,
        plans_weighed=1,
    )


def _fallbacks(
    best: Plan,
    eligible: tuple[Candidate, ...],
    generation: Generation,
    floor: float,
    rank: Rank | None,
    lagging: frozenset[str],
    *,
    strict: bool,
) -> tuple[Step, ...]:
    used = {step.path for step in best.steps}
    rest = [c for c in eligible if c.path not in used and c.estimate is not None]
    if not rest:
        return ()
    if rank is None:
        rest.sort(key=lambda c: -(c.estimate.utility if c.estimate else 0.0))
    else:
        rest.sort(key=rank.path)
    if lagging:
        rest.sort(key=lambda c: c.path in lagging)
    steps = [(last_step(c, generation, floor), c.estimate) for c in rest]
    kept = tuple(s for s, e in steps if not strict or s.gate or (e is not None and e.p_good_low >= floor))
    return kept if rank is None else _told(kept, rank)


def _by_utility(plan: Plan) -> tuple[float, int]:
    """Utility first; the shorter plan on a tie, then the order of the cards, so that the choice is one value."""
    return -plan.utility, len(plan.steps)


def _lags(plan: Plan, lagging: frozenset[str]) -> bool:
    return any(step.path in lagging for step in plan.steps)


def _told(steps: tuple[Step, ...], rank: Rank) -> tuple[Step, ...]:
    """The steps with why each stands where it does."""
    return tuple(changed(step, why=why) if (why := rank.whys.get(step.path)) else step for step in steps)


_EXACT = "cache/exact"
_UNMET: dict[str, Refusal] = {"models": "unknown-model", "provider": "preference"}
# Which reasons make a refusal of which kind, the first that holds for a path that otherwise could serve.
_KINDS: tuple[tuple[Refusal, frozenset[str]], ...] = (
    ("unsupported", frozenset({"modality", "capability", "context", "language"})),
    ("policy", frozenset({"policy", "scope"})),
    ("preference", frozenset({"preference"})),
    ("capacity", frozenset({"health", "budget", "deadline"})),
)


def _refused(
    asked: Asked,
    generation: Generation,
    floor: float,
    found: tuple[Candidate, ...] = (),
    *,
    refusal: Refusal = "",
    unmet: str = "",
) -> Decision:
    return Decision(
        id=asked.id,
        generation=generation.id,
        chosen="refused",
        floor=floor,
        candidates=found,
        refusal=refusal or _refusal_kind(asked, found),
        unmet=unmet,
    )


def _refusal_kind(asked: Asked, found: tuple[Candidate, ...]) -> Refusal:
    if asked.model != "auto" and asked.model not in {candidate.path for candidate in found}:
        return "unknown-model"
    looked_at = [c for c in found if not any(reason.code == "not-named" for reason in c.reasons)]
    in_question = [c for c in looked_at if not _has(c, "modality")]
    if any(_has(c, "preference") for c in in_question) and not all(_has(c, "policy", "scope") for c in in_question):
        # What the caller prefers is what he asks for, as a model that he names is: the others tell nothing.
        looked_at = [c for c in in_question if not _has(c, "preference")]
        if not looked_at:
            return "preference"
    # The path that came nearest to being eligible tells the caller what to change.
    for kind, codes in reversed(_KINDS):
        for candidate in looked_at:
            if candidate.reasons and all(reason.code in codes for reason in candidate.reasons):
                return "budget" if kind == "capacity" and _unpaid(looked_at) else kind
    for kind, codes in _KINDS:
        if any(reason.code in codes for c in looked_at for reason in c.reasons):
            return kind
    return "capacity"


def _has(candidate: Candidate, *codes: str) -> bool:
    return any(reason.code in codes for reason in candidate.reasons)


def _unpaid(looked_at: list[Candidate]) -> bool:
    """Whether of all that nothing but the moment stands against, none can be paid for."""
    moment = dict(_KINDS)["capacity"]
    now = [c for c in looked_at if all(reason.code in moment for reason in c.reasons)]
    return all(_has(c, "budget") for c in now)

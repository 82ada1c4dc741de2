"""Which answers are stored, for how long, and by what they are found again.

Rules kept here:
1. Only a complete answer that was accepted and meets the floor is stored.
2. What a path answered too weakly once, and a gate let through later, is not.
3. Policy has its say of every path that had a part in the answer.
4. A later caller may count on the floor that was met, not on the hope that was higher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from appliance.cache.partition import MOST_CHARACTERS, last_turn
from appliance.cache.staticity import Staticity, staticity, ttl_s
from appliance.decide.generation import Generation
from appliance.flight import Executing
from appliance.policy import Store
from appliance.records.answer import Answer
from appliance.records.decision import Decision
from appliance.records.features import Features
from appliance.records.request import Request
from appliance.semantic import Question

if TYPE_CHECKING:
    from appliance.node import Node

_UNSAID_S = 86_400.0  # how long an answer lives whose question is no plain one


class Made(NamedTuple):
    """An answer, what made it, and for whom. `key` is the exact cache's, `now` in Unix seconds, when it ended."""

    answer: Answer
    execution: Executing
    request: Request
    features: Features
    decision: Decision | None
    question: Question | None  # where it may be found by what means the same
    key: str
    now: float


def store(made: Made, node: Node, generation: Generation) -> None:
    """Keep the answer where it may be given again."""
    answer, execution, request = made.answer, made.execution, made.request
    judged = execution.judgement
    if judged is not None and judged.threshold is not None and not judged.accepted and not judged.form:
        node.cache.doubt(made.key, execution.path)
    complete = all(choice.finish_reason == "stop" and choice.text for choice in answer.choices)
    if not complete or execution.below_floor or judged is None or not judged.accepted:
        return
    if node.cache.doubts(made.key, execution.path) or not _permitted(made, generation):
        return
    most, question = node.config.cache.ttl_s, made.question
    of = question.staticity if question is not None else _staticity_of(request)
    lives = min(most, _UNSAID_S) if of is None else ttl_s(of if of != "never" else "fast", most)
    node.cache.store(
        made.key,
        request.tenant,
        answer,
        origin=execution.path,
        p_good=judged.p_good if made.decision is None else min(judged.p_good, made.decision.floor),
        now=made.now,
        ttl_s=lives,
        labels=request.labels,
        generation=generation.id,
        staticity=of or "",
        saved=sum(step.cost + step.seconds * generation.weights.latency_weight for step in execution.outcomes),
        cells=made.features.cells,
    )
    if question is not None:
        node.semantic.keep(question, made.key, request.tenant, made.now, made.now + lives)


def _permitted(made: Made, generation: Generation) -> bool:
    """Whether the answer may be given again: policy permits it of all that had a part in it, and nothing was found in
    the request. A hit is not looked at, so neither the rules nor its conversation would hear of what is in it.
    """
    if made.features.findings:
        return False
    paths = {made.execution.path}
    if made.decision is not None and any(step.composition is not None for step in made.decision.steps):
        paths |= {step.path for step in made.execution.outcomes}
    request = made.request
    asked = [Store(generation.card_by_id[path], request.labels, "tenant", request.tenant) for path in paths]
    return all(generation.policy.permits(one, made.now) for one in asked)


def _staticity_of(request: Request) -> Staticity | None:
    """Of a question in plain words; None where it is a longer text, whose words of time may be anybody's."""
    text = last_turn(request)
    return staticity(text, "") if 0 < len(text) <= MOST_CHARACTERS else None

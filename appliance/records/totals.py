"""What one record adds to the daily totals of requests, tokens and money. Pure.

Rules kept here:
1. A request counts where it was answered; tokens and money count at the path that used them, also where it failed, was
   tried again, was hedged or was abandoned.
2. Nothing is counted twice: what another request ran and tells of is left to its record.
"""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, NamedTuple

from appliance.records.money import picos

if TYPE_CHECKING:
    from appliance.records.decision import Outcome, StepOutcome

DAY_S = 86_400


class Where(NamedTuple):
    """What is added up together. `path` is '' for requests that nobody answered, `task` where none was recognised."""

    tenant: str
    path: str
    task: str
    currency: str


class Sums(NamedTuple):
    """What is added up. Money in picos; `estimated_tokens` and `estimated_picos` are the part that no provider stated.

    `calls` counts attempts; `off_frontier` answered requests that no path of that tier had a part in.
    """

    requests: int = 0
    answered: int = 0
    off_frontier: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    estimated_tokens: int = 0
    picos: int = 0
    estimated_picos: int = 0
    frontier_picos: int = 0

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums._make(map(add, self, other))


Part = tuple[Where, Sums]


def parts_of(tenant: str, cell: str, outcome: Outcome, frontier: frozenset[str]) -> tuple[Part, ...]:
    """What one request adds; `frontier` names the paths of that tier."""
    steps, answered = outcome.steps, outcome.status == "answered"
    whose = (tenant, cell.partition("/")[0], outcome.currency)
    off = answered and outcome.tier != "frontier"
    if off and frontier:
        off = not any(step.path in frontier for step in steps)
    cost = picos(outcome.frontier_cost) if outcome.frontier_cost else 0
    if len(steps) == 1 and steps[0].path == outcome.path and not steps[0].shared:  # nearly all
        return ((_where(whose, outcome.path), _used(steps[0], 1, int(answered), int(off), cost)),)
    parts = {outcome.path: Sums(1, int(answered), int(off), frontier_picos=cost)}
    for step in steps:
        if not step.shared:
            used = _used(step)
            parts[step.path] = parts[step.path].plus(used) if step.path in parts else used
    return tuple([(_where(whose, path), sums) for path, sums in parts.items()])


def _where(of: tuple[str, str, str], path: str) -> Where:
    tenant, task, currency = of
    return Where(tenant, path, task, currency)


def _used(step: StepOutcome, requests: int = 0, answered: int = 0, off: int = 0, frontier: int = 0) -> Sums:
    cost = picos(step.cost) if step.cost else 0
    prompt, completion = step.prompt_tokens, step.completion_tokens
    known = step.cost_known
    return Sums(
        requests,
        answered,
        off,
        1 + len(step.attempts),
        prompt,
        step.cached_tokens,
        step.cache_write_tokens,
        completion,
        step.reasoning_tokens,
        0 if known else prompt + completion,
        cost,
        0 if known else cost,
        frontier,
    )

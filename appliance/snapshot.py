"""Snapshot: what changes between two requests, looked at once.

Rules kept here:
1. Reading is cheap and does no I/O; `decide` sees one moment, not several.
2. Live figures replace the card's only after `_ENOUGH` answers, and only while the newest is `_FRESH_S` old at most.
3. What paths hold of a prompt is looked at only where there is a choice between them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.paths.contract import ExecutionPath, Readiness
from appliance.paths.guard import Guarded
from appliance.paths.prefixes import links_of_prompt, salt_of
from appliance.records.decision import PathState, Snapshot, StepOutcome
from appliance.records.request import Request
from appliance.records.value import changed
from appliance.turns import Turns
from appliance.upstreams import Upstream

_WINDOW = 64
_ENOUGH = 8
_REFRESH = 4  # answers between two recomputations
_FRESH_S = 60.0  # older figures say nothing of now: who was priced out by one slow spell must be tried again


@dataclass
class LiveFigures:
    """Recent first-token times (seconds) and decode rates (tokens per second) of one path."""

    first: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    rate: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    seen: int = 0
    at: float = 0.0  # Unix time of the newest figure, set by whoever notes it
    first_p50: float | None = None
    first_p95: float | None = None
    rate_p50: float | None = None

    def note(self, outcome: StepOutcome, usual_p95_s: float = math.inf) -> None:
        """Take in one finished step; failures say nothing of speed. Who lost a race without a word is at least so slow,
        which is news where it is slower than usual: than lately, or than `usual_p95_s`, as the card has it.
        """
        if outcome.attempts:
            return  # with what was tried before, its times are not the path's
        if outcome.status == "cancelled" and outcome.hedged and outcome.first_token_s is None:
            usual = usual_p95_s if self.first_p95 is None else self.first_p95
            if outcome.seconds >= usual:
                self._took(outcome.seconds)
            return
        if outcome.status not in ("answered", "rejected") or outcome.first_token_s is None:
            return
        spent = outcome.seconds - outcome.first_token_s
        if outcome.completion_tokens > 4 and spent <= 1e-3:
            return  # it came in one piece: its first token is its last
        if outcome.completion_tokens > 4:
            self.rate.append((outcome.completion_tokens - 1) / spent)
        self._took(outcome.first_token_s)

    def _took(self, first_token_s: float) -> None:
        self.first.append(first_token_s)
        self.seen += 1
        if len(self.first) >= _ENOUGH and self.seen % _REFRESH == 0:
            ordered = sorted(self.first)
            self.first_p50 = ordered[len(ordered) // 2]
            self.first_p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
            if len(self.rate) >= _ENOUGH:
                self.rate_p50 = sorted(self.rate)[len(self.rate) // 2]


def take_snapshot(
    paths: Mapping[str, ExecutionPath],
    figures: Mapping[str, LiveFigures],
    *,
    now: float,
    draw: float,
    turns: Mapping[str, Turns] | None = None,
    upstreams: Mapping[str, Upstream] | None = None,
    budget_left: float | None = None,
    request: Request | None = None,
) -> Snapshot:
    """One look at every path, at who waits for a turn there, and at what it holds of the prompt of `request`."""
    waiting, servers = turns or {}, upstreams or {}
    cached = _cached(paths, request) if request is not None and len(paths) > 1 else {}
    states = tuple(
        _state(name, readiness(path, servers.get(name)), figures.get(name), waiting.get(name), now, cached.get(name, 0))
        for name, path in paths.items()
    )
    if servers and any(upstream.lagging for upstream in servers.values()):
        states = tuple(_with_lag(state, servers.get(state.path)) for state in states)
    return Snapshot(now, draw, states, budget_left=budget_left)


def _cached(paths: Mapping[str, ExecutionPath], request: Request) -> dict[str, int]:
    """How many tokens of the prompt each path should not have to compute; empty where there is no choice."""
    rivals = {
        name: path.prefixes
        for name, path in paths.items()
        if isinstance(path, Guarded) and request.kind in path.card.modalities
    }
    if len(rivals) < 2:
        return {}
    links = links_of_prompt(request, salt_of(request))
    return {name: held.expected(links) for name, held in rivals.items()} if links else {}


def readiness(path: ExecutionPath, upstream: Upstream | None) -> Readiness:
    """Whether a path takes jobs now, its upstream's breakers among what may stand against it."""
    found = path.ready()
    if upstream is None:
        return found
    why, waiting = upstream.refuses() if found.ok else "", upstream.waiting()
    if not why and not waiting:
        return found
    if why and found.trouble:
        why = f"{why}; {found.trouble}"
    return Readiness(
        found.ok and not why, why or found.reason, found.busy, found.queued + waiting, found.slots, found.trouble
    )


def _with_lag(state: PathState, upstream: Upstream | None) -> PathState:
    why = upstream.lags() if upstream is not None else ""
    return changed(state, lagging=why) if why else state


def _state(
    name: str, found: Readiness, figures: LiveFigures | None, turns: Turns | None, now: float, cached: int
) -> PathState:
    queued = found.queued + (turns.waiting if turns is not None else 0)
    state = PathState(name, found.ok, found.reason, found.busy, queued, found.slots, cached_prompt_tokens=cached)
    if figures is None or now - figures.at > _FRESH_S:
        return state
    return changed(
        state,
        first_token_s=figures.first_p50,
        first_token_p95_s=figures.first_p95,
        decode_tokens_per_s=figures.rate_p50,
    )

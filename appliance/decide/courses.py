"""What a strategy makes of the paths that are left: the order in which they are tried.

Rules kept here:
1. Paths that meet the floor come before those that do not, whatever the strategy says of them.
2. A draw is the snapshot's and a conversation's mark is the request's, so that a recorded decision is made again.
3. A strategy that nobody named gives way to a caller who says himself which path he wants.

Sticky: rendezvous hashing (Thaler and Ravishankar, IEEE/ACM Transactions on Networking 6(1), 1998): the path with the
highest hash of conversation and path together. A path that comes or goes moves only what is its own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.decide.generation import Generation
from appliance.decide.preferences import orders
from appliance.decide.ranks import Key, Rank, listed, meets, worth
from appliance.decide.strategies import Gradient, Latency, Ordering, Split, Sticky, Strategy, Tasks
from appliance.records.decision import Asked, Candidate, Snapshot
from appliance.records.features import Features


@dataclass(frozen=True, slots=True)
class Course:
    """A strategy with its name; `asked_for`: the request named it."""

    name: str
    strategy: Strategy
    asked_for: bool


def course(asked: Asked, generation: Generation) -> tuple[Course | None, str]:
    """The strategy that holds for a request, None where none does; and in words what is wrong with the one it names."""
    content, scope = generation.strategies, asked.scope
    known = {} if content is None else content.strategies
    free = asked.model == "auto" and not asked.models and not orders(asked.providers)
    if asked.strategy:
        mine = [name for name in known if scope is None or not scope.strategies or name in scope.strategies]
        if asked.strategy not in mine:
            there = ", ".join(sorted(mine)) or "none"
            return None, f"There is no strategy '{asked.strategy}' for this caller; there are: {there}"
        if not free:
            return None, f"Strategy '{asked.strategy}' says which path is taken, and the request does so itself"
        if asked.kind == "embedding":
            return None, f"Strategy '{asked.strategy}' is for chats and completions"
        return Course(asked.strategy, known[asked.strategy], True), ""
    if content is None or not free or asked.kind == "embedding":
        return None, ""
    name = scope.strategy if scope is not None and scope.strategy in known else content.default
    return (Course(name, known[name], False) if name else None), ""


def by_strategy(
    strategy: Ordering,
    asked: Asked,
    features: Features,
    generation: Generation,
    snapshot: Snapshot,
    eligible: tuple[Candidate, ...],
    floor: float,
) -> Rank:
    """How it orders what is left."""
    kept = sorted(eligible, key=worth)
    if isinstance(strategy, Gradient):
        return _gradient(kept, generation)
    if isinstance(strategy, Latency):
        return _latency(strategy, kept)
    good = [one for one in kept if meets(one, floor)]
    poor = [one for one in kept if not meets(one, floor)]
    together = [pair for some in (good, poor) for pair in _order(strategy, asked, features, snapshot, some)]
    return listed(together, "strategy", floored=True)


def _order(
    strategy: Ordering,
    asked: Asked,
    features: Features,
    snapshot: Snapshot,
    some: list[Candidate],
) -> list[tuple[Candidate, str]]:
    """These in their order, with why each stands where it does."""
    if isinstance(strategy, Split):
        return _split(strategy, snapshot.draw, some)
    if isinstance(strategy, Sticky):
        mark = asked.thread or repr(snapshot.draw)
        ordered = sorted(some, key=lambda one: _hash(mark, one.path), reverse=True)
        return [(one, "by its conversation" if asked.thread else "by a draw") for one in ordered]
    if isinstance(strategy, Tasks):
        cell = strategy.cell(features)
        return in_order(strategy.row(features), some, f"{cell or 'otherwise'}: number")
    return in_order(getattr(strategy, "paths", ()), some, "number")


def in_order(names: Sequence[str], some: Sequence[Candidate], word: str) -> list[tuple[Candidate, str]]:
    """Candidates as they are listed; where 'auto' stands, all that are not, best utility first."""
    rest = [one for one in some if one.path not in names]
    found: list[tuple[Candidate, str]] = []
    for at, name in enumerate(names):
        here = rest if name == "auto" else [one for one in some if one.path == name]
        found += [(one, f"{word} {at + 1} of {len(names)}") for one in here]
    return found


def _gradient(kept: list[Candidate], generation: Generation) -> Rank:
    """By expected cost, then by P(good); who states no price comes last."""
    priced = {one.path for one in kept if generation.card_by_id[one.path].priced}
    costs = {
        one.path: (one.estimate.cost if one.path in priced else math.inf, -one.estimate.p_good)
        for one in kept
        if one.estimate is not None
    }
    last = (math.inf, 0.0)

    def whole(paths: Sequence[str]) -> Key:
        return tuple(part for path in paths for part in costs.get(path, last)) + last  # the longer before its beginning

    order = sorted(costs, key=lambda path: costs[path])
    whys = {
        path: f"number {at + 1} in price" if path in priced else "its price is not stated"
        for at, path in enumerate(order)
    }
    return Rank(
        lambda plan: whole([step.path for step in plan.steps]),
        lambda one: whole([one.path]),
        "strategy",
        whys,
        alone=False,
    )


def _latency(strategy: Latency, kept: list[Candidate]) -> Rank:
    def seconds(one: Candidate) -> float:
        assert one.estimate is not None  # eligible candidates have one
        return one.estimate.latency_s if strategy.by == "p50" else one.estimate.latency_p95_s

    whys = {one.path: f"{strategy.by} {seconds(one):.3g} s" for one in kept}
    return Rank(
        lambda plan: (
            plan.expected.latency_s if strategy.by == "p50" else plan.expected.latency_p95_s,
            -plan.expected.utility,
        ),
        lambda one: (seconds(one), worth(one)),
        "strategy",
        whys,
        alone=False,
    )


def _split(strategy: Split, draw: float, some: list[Candidate]) -> list[tuple[Candidate, str]]:
    """The drawn one, then the others by share."""
    rest = {one.path: one for one in some if one.path in strategy.shares}
    shares = {path: share for path, share in strategy.shares.items() if path in rest}
    left = draw * sum(shares.values())
    drawn = next(iter(shares), "")
    for path, share in shares.items():
        drawn = path
        if left < share:
            break
        left -= share
    order = sorted(shares, key=lambda path: (path != drawn, -shares[path]))
    total = sum(shares.values())
    return [
        (rest[path], f"{'drawn' if path == drawn else 'stands in'}: share {shares[path] / total:.3g}") for path in order
    ]


def _hash(mark: str, path: str) -> bytes:
    return hashlib.blake2b(f"{mark}\x1f{path}".encode(), digest_size=8).digest()

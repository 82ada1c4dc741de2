"""What is promised of similar answers and what was seen of it, by cell, as plain values for `weir cache report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.decide.similar import Promise
from appliance.similar.watch import Count, Label, Opened, State, bounds, watch


@dataclass(frozen=True, slots=True)
class Seen:
    """What is on record of one cell: its labels, its counts by day, and where an operator opened it."""

    labels: Sequence[Label] = ()
    counts: Mapping[int, Count] | None = None
    opened: Opened | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One cell. The rates are of all look-ups, except `certified_per_hit`; None where there is nothing to state.

    `certified_*`: of the content's calibration at the stated threshold. The rest: of this node, in the run of labels
    that counts; `lower` and `upper` at 95 % at the threshold in force, at whatever moment one looks.
    """

    cell: str
    state: State
    delta: float
    stated_threshold: float | None
    threshold: float | None
    reason: str
    certified_look_ups: int | None
    certified_hits: int | None
    certified_wrong: int | None
    certified_upper: float | None
    certified_per_hit: float | None
    look_ups: int
    would_be_hits: int
    agreed: int
    wrong: int
    unsure: int
    lower: float | None
    upper: float | None


def report(
    promise: Promise,
    seen: Mapping[str, Seen],
    *,
    today: int,
    deltas: Mapping[str, float] | None = None,
) -> tuple[Row, ...]:
    """The rows, by cell. `seen` and `deltas` (an operator's budgets) by task; takes tens of milliseconds a cell."""
    return tuple(
        _row(promise, cell, seen.get(cell, Seen()), today, (deltas or {}).get(cell)) for cell in sorted(promise.cells)
    )


def _row(promise: Promise, name: str, seen: Seen, today: int, delta: float | None) -> Row:
    cell, counts = promise.cells[name], seen.counts or {}
    stated = cell.at(delta)
    now = watch(cell, seen.labels, counts, today=today, delta=delta, opened=seen.opened)
    shown = now.threshold if now.threshold is not None else (cell.ladder[0].threshold if stated else None)
    lower = upper = None
    if shown is not None:
        lower, upper = bounds(seen.labels, counts, shown, today=today, opened=seen.opened)
    evidence = stated.evidence if stated else None
    reason = "" if stated else cell.reason or "nothing is certified for so small a budget"
    return Row(
        cell=name,
        state=now.state,
        delta=cell.delta if delta is None else delta,
        stated_threshold=stated.threshold if stated else None,
        threshold=now.threshold,
        reason=reason,
        certified_look_ups=evidence.look_ups if evidence else None,
        certified_hits=evidence.hits if evidence else None,
        certified_wrong=evidence.wrong if evidence else None,
        certified_upper=evidence.upper if evidence else None,
        certified_per_hit=evidence.wrong_per_hit if evidence else None,
        look_ups=now.look_ups,
        would_be_hits=now.would_be_hits,
        agreed=now.agreed,
        wrong=now.wrong,
        unsure=now.unsure,
        lower=lower,
        upper=upper,
    )

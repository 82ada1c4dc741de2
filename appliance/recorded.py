"""What is recorded of a request besides its decision: what it asked, how it ended, and what is told of one that died.

Rules kept here:
1. No text of a request, and nothing that names its caller's conversation or the nodes that it came through.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from appliance.decide.generation import Generation
from appliance.errors import PolicyRefused, WeirError
from appliance.intake.canon import WITHOUT_INFLUENCE
from appliance.records.decision import Asked, Decision, Outcome, Raised, Snapshot, StepOutcome
from appliance.records.features import Features
from appliance.records.money import amount_of
from appliance.records.record import Record
from appliance.records.request import Labels, Request
from appliance.records.tenant import Scope
from appliance.store.holds import Kept
from appliance.tenancy.hold import Hold

Status = Literal["answered", "refused", "failed", "cancelled"]


def asked_of(request: Request, raised_by: Raised | None = None, scope: Scope | None = None) -> Asked:
    """The part of a request that decides and may be recorded; what its caller calls the conversation may not be, nor
    which nodes it came through.
    """
    labels, providers = request.labels, request.providers
    whole = providers is not None and providers.require_parameters
    return Asked(
        request.id,
        request.kind,
        request.model,
        request.preference,
        replace(labels, conversation="", via=()) if labels.conversation or labels.via else labels,
        request.tenant,
        request.n,
        raised_by,
        scope,
        request.models,
        providers,
        tuple(sorted(request.forwarded.keys() - WITHOUT_INFLUENCE)) if whole else (),
        labels.strategy or request.strategy,
    )


def ended(error: BaseException) -> tuple[Status, str, int]:
    """Status, code and HTTP status of a request that this error ended."""
    if isinstance(error, WeirError):
        return ("refused" if isinstance(error, PolicyRefused) else "failed"), error.code, error.status
    if isinstance(error, Exception) and not isinstance(error, ConnectionError):
        return "failed", WeirError.code, WeirError.status
    return "cancelled", "client_closed_request", 499


def row_of(
    request: Request,
    cells: tuple[tuple[str, float], ...],
    generation: Generation,
    now: float,
    decision: Decision | None,
    hold: Hold,
) -> Kept:
    """What is on disk of a hold: enough for the record of a request that died."""
    path = decision.steps[0].path if decision is not None else ""
    cell = cells[0][0] if cells else ""
    return Kept(hold.id, request.tenant, now, hold.amount, path, cell, generation.weights.currency, generation.id)


def record_of_dead(row: Kept) -> Record:
    """The record of a request that died with its node: all that was set aside for it counts as its cost. What it asked
    for, nobody knows any more.
    """
    cost = amount_of(row.amount)
    step = StepOutcome(row.path, "cancelled", "internal", "the node died", cost=cost, cost_known=False)
    outcome = Outcome(
        "failed", steps=(step,), cost=cost, error_code="node_died", http_status=500, currency=row.currency
    )
    return Record(
        row.id,
        row.time,
        Asked(row.id, "chat", "", "balanced", Labels(), row.tenant),
        Features("chat", cells=((row.cell, 1.0),) if row.cell else ()),
        Snapshot(row.time, 0.0, ()),
        Decision(row.id, row.generation, "undecided"),
        outcome,
    )

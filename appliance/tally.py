"""What is counted of finished requests, for this node, its paths and its tenants; and their records, to the store.

Rules kept here:
1. Every request is counted once, with its one record, also when its client goes away or its body was malformed.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.book import Book
from appliance.enrolment import Enrolment
from appliance.errors import NoCapacity, PolicyRefused
from appliance.fleet import Fleet
from appliance.fleets import Fleets
from appliance.recorded import ended
from appliance.records.decision import Asked, Decision, Outcome, Snapshot, StepOutcome, UsageNote
from appliance.records.features import Features
from appliance.records.money import picos
from appliance.records.record import Alike, Record
from appliance.refusals import RefusalNotes
from appliance.store import Store
from appliance.tenancy.budget import Spent


@dataclass
class Counters:
    """Since the node started. `off_frontier` counts answered requests that no frontier path had a part in."""

    requests: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0
    bad_requests: int = 0
    unauthorized: int = 0
    limited: int = 0
    off_frontier: int = 0
    cost: int = 0  # picos, as the next
    frontier_cost: int = 0


class Tally:
    """For the event loop."""

    def __init__(self, store: Store, book: Book, fleets: Fleets, enrolment: Enrolment, refusals: RefusalNotes) -> None:
        self._store = store
        self._book = book
        self._fleets = fleets
        self._enrolment = enrolment
        self._refusals = refusals
        self.counters = Counters()
        self.by_path: dict[str, int] = {}
        self.usage_notes: Counter[tuple[str, UsageNote]] = Counter()  # what providers stated of tokens and cannot be
        self.devices: dict[str, str] = {}  # where each path's last answer was computed, as it said itself
        self.news = asyncio.Event()  # set whenever a record was handed to the store

    def note(self, record: Record | Alike, settled: Sequence[str] = ()) -> None:
        """Count a finished request and hand its record to the store; `settled` as in `Accounts.used`."""
        counters, outcome = self.counters, record.outcome
        counters.requests += 1
        if outcome.cost:
            counters.cost += picos(outcome.cost)
        if outcome.frontier_cost:
            counters.frontier_cost += picos(outcome.frontier_cost)
        if outcome.status == "answered":
            counters.answered += 1
            self.by_path[outcome.path] = self.by_path.get(outcome.path, 0) + 1
            frontier = self._fleets.current.generation.frontier
            counters.off_frontier += not frontier.intersection([step.path for step in outcome.steps])
        elif outcome.status == "refused":
            counters.refused += 1
        elif outcome.status == "cancelled":
            counters.cancelled += 1
        else:
            counters.failed += 1
        self._note_use(record, settled)
        if isinstance(record, Record) and (
            record.decision.refusal == "policy" or outcome.error_code == PolicyRefused.code
        ):  # a hit that comes again is no refusal
            self._refusals.note(record)
        self._store.add(record)
        self.news.set()

    def note_unserved(self, asked: Asked, began: float, error: BaseException) -> None:
        """Record a request that nothing was decided about: malformed, cut off, or one too many."""
        generation = self._fleets.current.generation
        status, code, http_status = ended(error)
        full = isinstance(error, NoCapacity)
        outcome = Outcome(
            "refused" if full else status,
            seconds=time.time() - began,
            error_code=code,
            http_status=http_status,
            currency=generation.weights.currency,
        )
        decision = Decision(asked.id, generation.id, "undecided", refusal="capacity" if full else "")
        self.note(Record(asked.id, began, asked, Features(asked.kind), Snapshot(began, 0.0, ()), decision, outcome))

    def note_step(self, outcome: StepOutcome, fleet: Fleet) -> None:
        """Remember of the path what a call of it said and took."""
        if outcome.device:
            self.devices[outcome.path] = outcome.device
        if outcome.usage_note:
            self.usage_notes[outcome.path, outcome.usage_note] += 1
        figures = fleet.figures.get(outcome.path)
        if figures is not None:
            figures.note(outcome, fleet.paths[outcome.path].card.speed.first_token_p95_s)
            figures.at = time.time()

    def _note_use(self, record: Record | Alike, settled: Sequence[str]) -> None:
        """Count a request for its tenant."""
        if not self._enrolment.roll.needed:
            return
        like = record.like.record if isinstance(record, Alike) else record
        tokens = sum([step.prompt_tokens + step.completion_tokens for step in record.outcome.steps])
        self._book.used(like.asked.tenant, record.time, Spent(picos(record.outcome.cost), 1, tokens), settled)

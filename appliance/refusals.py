"""What the audit learns of refusals: of requests that policy refused, and of attempts that the door did.

Which of them are one entry is `appliance.store.audit.refusals`; this is where they come from, and its clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from appliance.egress import Egress
from appliance.records.record import Record
from appliance.store.audit.log import Audit
from appliance.store.audit.refusals import WINDOW_S, Refusals


class RefusalNotes:
    """For the event loop. `generation` says the id of the one that new requests are decided by."""

    def __init__(self, audit: Audit, egress: Egress, generation: Callable[[], str]) -> None:
        self._audit = audit
        self._egress = egress
        self._generation = generation
        self._refusals = Refusals(partial(audit.note, "refusal"))
        self._due: asyncio.TimerHandle | None = None
        self._attempts = 0  # that the door refused and the audit knows of

    def note(self, record: Record) -> None:
        """A request that policy refused."""
        self._count(_refused(record))

    def note_attempts(self) -> None:
        """What the door refused since this was last asked: attempts of a path, or of whatever runs in this process."""
        door = self._egress.door
        new, self._attempts = door.refused - self._attempts, door.refused
        if new <= 0:
            return
        known = list(door.refusals)[-new:]
        base = {"decision": "", "generation": self._generation()}
        for refusal in known:
            self._count({**base, "attempt": refusal.what, "where": refusal.where})
        if new > len(known):  # so many in a moment that the door did not keep them all
            self._audit.note("refusal", {**base, "attempt": "not kept", "where": "", "count": new - len(known)})

    def close(self) -> None:
        """Note what is not noted yet."""
        if self._due is not None:
            self._due.cancel()
        self.note_attempts()
        self._refusals.flush()

    def _count(self, facts: dict[str, object]) -> None:
        if self._refusals.add(facts):
            self._due = asyncio.get_running_loop().call_later(WINDOW_S, self._refusals.flush)


def _refused(record: Record) -> dict[str, object]:
    """What the audit holds of a request that policy refused."""
    asked, decision = record.asked, record.decision
    reasons = [reason for candidate in decision.candidates for reason in candidate.reasons]
    reasons += [candidate.redacting.refused for candidate in decision.candidates if candidate.redacting is not None]
    return {
        "decision": asked.id,
        "tenant": asked.tenant,
        "classification": asked.labels.classification,
        "residency": asked.labels.residency,
        "rules": sorted({reason.rule or reason.code for reason in reasons if reason.code in ("policy", "scope")}),
        "generation": decision.generation,
    }

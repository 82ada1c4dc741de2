"""Replay: decide a recorded request again, under the same content or another.

Rules kept here:
1. Under the generation of the record the decision must come out equal; anything else is a defect.
2. Where nothing was decided there is nothing to decide again.
3. What the caller gave is raised anew by what was found, and by what its conversation carried: another generation may
   raise it to something else.
4. Under another generation the difference is the result, printed field by field, never just 'differs'.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from appliance.decide import decide
from appliance.decide.generation import Generation
from appliance.decide.labels import raised
from appliance.records.decision import Asked, Decision
from appliance.records.record import Record


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of the decision that came out otherwise."""

    field: str
    recorded: str
    replayed: str


def replay(record: Record, generation: Generation) -> tuple[Difference, ...]:
    """What would have been decided otherwise; empty means the same value. The id of the generation is not compared."""
    again = decided_anew(record, generation)
    if again is None:
        return ()
    return tuple(
        Difference(f.name, repr(getattr(record.decision, f.name)), repr(getattr(again, f.name)))
        for f in fields(again)
        if f.name != "generation" and getattr(again, f.name) != getattr(record.decision, f.name)
    )


def decided_anew(record: Record, generation: Generation) -> Decision | None:
    """What would be decided under this generation; None where nothing was decided."""
    if record.decision.chosen == "undecided":
        return None
    return decide(_asked(record, generation), record.features, generation, record.snapshot)


def _asked(record: Record, generation: Generation) -> Asked:
    """What was asked, as this generation labels it (rule 3)."""
    asked = record.asked
    before = asked.raised
    given = asked.labels if before is None else replace(asked.labels, classification=before.given)
    carried = None if before is None else before.carried
    labels, by = raised(given, record.features.findings, generation.detectors, carried)
    return replace(asked, labels=labels, raised=by)

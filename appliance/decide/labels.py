"""What detectors found raises a request's classification, and never lowers it; what they found before in its
conversation does, too.

Rules kept here:
1. Which kind raises to what is content of the bundle (`detectors.json`), part of the generation and its digest.
2. A kind that the content does not name raises to the strictest: a newer program under older content is closed.
3. A detector that failed or was late raises to the strictest, whatever the content says.
4. Without its redactable findings a request has at least what was given, what all else in it raises to, and what its
   conversation carries apart from redactable findings. Attachments and what was not read cannot be redacted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import Field, field_validator

from appliance.records.card import Frozen
from appliance.records.decision import Asked, Carried, Raised, Raising
from appliance.records.features import FindingKind
from appliance.records.request import CLASSIFICATIONS, Classification, Labels

STRICTEST = CLASSIFICATIONS[-1]
Findings = tuple[tuple[FindingKind, int], ...]
_WHOLE: tuple[FindingKind, ...] = ("attachment", "unscanned")  # nothing of them can be replaced


class Detectors(Frozen):
    """`raises` names for each kind the classification that a request with it has at least; 'public' raises nothing.

    `redacts` are the kinds that may be replaced by placeholders where policy asks for it. `timeout_s`: seconds that
    looking at one request may take, waiting for its turn included. `sticky_s`: seconds that a conversation keeps its
    label after its last request; 0 keeps none.
    """

    raises: dict[FindingKind, Classification] = Field(default_factory=dict)
    redacts: tuple[FindingKind, ...] = ()
    timeout_s: float = Field(default=10.0, gt=0, le=600)
    sticky_s: float = Field(default=604_800.0, ge=0, le=31_536_000)

    @field_validator("redacts")
    @classmethod
    def _has_a_place(cls, stated: tuple[FindingKind, ...]) -> tuple[FindingKind, ...]:
        for kind in stated:
            if kind in _WHOLE:
                raise ValueError(f"'{kind}' has no place in a text that could be replaced")
        return tuple(sorted(set(stated)))

    def least(self, kind: FindingKind) -> Classification:
        """The classification that a request with a finding of this kind has at least."""
        return STRICTEST if kind == "unscanned" else self.raises.get(kind, STRICTEST)


def raised(
    labels: Labels, findings: Findings, detectors: Detectors, carried: Carried | None = None
) -> tuple[Labels, Raised | None]:
    """The labels that policy is asked about, and what raised them; None where nothing did."""
    given = CLASSIFICATIONS.index(labels.classification)
    by: dict[Raising, int] = {
        kind: level for kind, _ in findings if (level := CLASSIFICATIONS.index(detectors.least(kind))) > given
    }
    if carried is not None and (level := CLASSIFICATIONS.index(carried.label)) > given:
        by["conversation"] = level
    if not by:
        return labels, None
    change = Raised(labels.classification, tuple(by), carried)
    return replace(labels, classification=CLASSIFICATIONS[max(by.values())]), change


def without_redactable(asked: Asked, findings: Findings, detectors: Detectors) -> Labels | None:
    """The labels that the request has once its redactable findings are replaced; None where that changes nothing."""
    change = asked.raised
    carried = change.carried if change is not None else None
    kinds = [kind for kind, _ in findings]
    if any(kind in _WHOLE for kind in kinds):
        return None
    left = [kind for kind in kinds if kind not in detectors.redacts]
    if len(left) == len(kinds) and (carried is None or carried.redacted == carried.label):
        return None
    given = asked.labels.classification if change is None else change.given
    levels = [given, *map(detectors.least, left)]
    if carried is not None:
        levels.append(carried.redacted)
    return replace(asked.labels, classification=strictest(levels))


def to_carry(findings: Findings, detectors: Detectors, carried: Carried | None) -> Carried | None:
    """What the conversation of a request with these findings carries on; None where that is nothing."""
    before = carried or Carried("public", "public")
    label = strictest([before.label, *(detectors.least(kind) for kind, _ in findings)])
    if label == "public":
        return None
    left = (detectors.least(kind) for kind, _ in findings if kind not in detectors.redacts)
    return Carried(label, strictest([before.redacted, *left]))


def strictest(levels: Iterable[Classification]) -> Classification:
    """The strictest of several classifications; 'public' of none."""
    return CLASSIFICATIONS[max(map(CLASSIFICATIONS.index, levels), default=0)]

"""What detectors found raises a request's classification, and never lowers it.

Rules kept here:
1. Which kind raises to what is content of the bundle (`detectors.json`), part of the generation and its digest.
2. A kind that the content does not name raises to the strictest: a newer program under older content is closed.
3. A detector that failed or was late raises to the strictest, whatever the content says.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from appliance.records.card import Frozen
from appliance.records.decision import Raised
from appliance.records.features import FindingKind
from appliance.records.request import CLASSIFICATIONS, Classification, Labels

STRICTEST = CLASSIFICATIONS[-1]


class Detectors(Frozen):
    """`raises` names for each kind the classification that a request with it has at least; 'public' raises nothing.

    `timeout_s`: seconds that looking at one request may take, waiting for its turn included.
    """

    raises: dict[FindingKind, Classification] = Field(default_factory=dict)
    timeout_s: float = Field(default=10.0, gt=0, le=600)

    def least(self, kind: FindingKind) -> Classification:
        """The classification that a request with a finding of this kind has at least."""
        return STRICTEST if kind == "unscanned" else self.raises.get(kind, STRICTEST)


def raised(
    labels: Labels, findings: tuple[tuple[FindingKind, int], ...], detectors: Detectors
) -> tuple[Labels, Raised | None]:
    """The labels that policy is asked about, and what raised them; None where nothing did."""
    given = CLASSIFICATIONS.index(labels.classification)
    by = {kind: level for kind, _ in findings if (level := CLASSIFICATIONS.index(detectors.least(kind))) > given}
    if not by:
        return labels, None
    return replace(labels, classification=CLASSIFICATIONS[max(by.values())]), Raised(labels.classification, tuple(by))

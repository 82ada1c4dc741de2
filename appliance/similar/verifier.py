"""Compares two texts: what the guards object to, and the verifier's score.

Rules kept here:
1. What errs is an objection: a pair that cannot be compared is not alike.
2. A pair that a guard objects to is not scored: no score outweighs an objection.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.decide.similar import Unit, Verifier
from appliance.similar.guards import objections
from appliance.similar.measures import NAMES, measures
from appliance.similar.reading import Reading

__all__ = ["Comparison", "Unit", "Verifier", "compare", "fits"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The names of the guards that object, and P(one answer serves both), 0 where one does."""

    objections: tuple[str, ...]
    score: float


def compare(verifier: Verifier, stored: Reading, asked: Reading, cosine: float) -> Comparison:
    """Whether what was answered to `stored` may be said to `asked`. Never raises."""
    try:
        found = objections(stored, asked)
        return Comparison(found, 0.0 if found else verifier.score(measures(stored, asked, cosine)))
    except Exception:  # noqa: BLE001 - rule 1
        return Comparison(("error",), 0.0)


def fits(verifier: Verifier, embedder_sha256: str) -> str:
    """In words why this verifier may not be used with this program and this embedder file, '' where it may."""
    if verifier.names != NAMES:
        return "it was trained on other measures than this program computes"
    if verifier.embedder_sha256 != embedder_sha256:
        return "it was trained with another embedder file"
    return ""

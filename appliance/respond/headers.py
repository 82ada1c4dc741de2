"""The x-weir-* response headers: what was decided, in values that are safe in any header.

Rules kept here:
1. Printable ASCII only, 256 characters at most: no value can end a header line or begin another.
2. A fact that is not known has no header.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VERSION = "1"
_MOST = 256


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What the headers say. `cost` in `currency`, `cache_age_s` in seconds, `cache_score` in [0, 1]."""

    decision: str
    path: str = ""
    tier: str = ""
    place: str = ""
    reason: str = ""
    cache: Literal["hit", "miss", "bypass"] = "miss"
    cache_age_s: float | None = None
    cache_score: float | None = None
    cost: float | None = None
    currency: str = "USD"
    device: str = ""
    policy: str = ""  # generation
    classification: str = ""  # that policy was asked about
    given: str = ""  # that the caller gave, where detectors raised it
    raised_by: tuple[str, ...] = ()


def weir_headers(facts: HeaderFacts) -> dict[str, str]:
    """The headers of one response."""
    cache: str = facts.cache
    if facts.cache_age_s is not None:
        cache += f"; age={max(0, int(facts.cache_age_s))}"
    if facts.cache_score is not None:
        cache += f"; score={facts.cache_score:.3f}"
    headers = {"x-weir-version": VERSION, "x-weir-decision": safe(facts.decision), "x-weir-cache": cache}
    if facts.path:
        headers["x-weir-path"] = safe(facts.path)
    if facts.tier:
        headers["x-weir-tier"] = safe(facts.tier)
    if facts.place:
        headers["x-weir-place"] = safe(facts.place)
    if facts.reason:
        headers["x-weir-reason"] = safe(facts.reason)
    if facts.cost is not None:
        headers["x-weir-cost"] = safe(f"{facts.cost:.8f} {facts.currency}")
    if facts.device:
        headers["x-weir-device"] = safe(facts.device)
    if facts.classification:
        shown = facts.classification
        if facts.given:
            shown += f"; given={facts.given}; by={','.join(facts.raised_by)}"
        headers["x-weir-classification"] = safe(shown)
    if facts.policy:
        headers["x-weir-policy"] = safe(facts.policy)
    return headers


def safe(value: str) -> str:
    """The value with everything outside printable ASCII replaced by '?', cut, and without outer blanks."""
    if len(value) > _MOST or not (value.isascii() and value.isprintable()):
        value = "".join(char if " " <= char <= "~" else "?" for char in value[:_MOST])
    return value.strip()

"""The x-weir-* response headers: what was decided, in values that are safe in any header.

Rules kept here:
1. Printable ASCII only, 256 characters at most: no value can end a header line or begin another.
2. A fact that is not known has no header.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from appliance.records.value import value

VERSION = "1"
_MOST = 256


@value
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
    redacted: tuple[tuple[str, int], ...] = ()  # kinds that were replaced in what the path was sent, and how often


def weir_headers(facts: HeaderFacts) -> dict[str, str]:
    """The headers of one response."""
    cache: str = facts.cache
    if facts.cache_age_s is not None:
        cache += f"; age={max(0, int(facts.cache_age_s))}"
    if facts.cache_score is not None:
        cache += f"; score={facts.cache_score:.3f}"
    headers = {"x-weir-decision": safe(facts.decision), "x-weir-cache": cache, "x-weir-version": VERSION}
    headers |= _of_path(facts.path, facts.tier, facts.place, facts.reason, facts.device, facts.policy)
    if facts.cost is not None:
        headers["x-weir-cost"] = _money(facts.cost, facts.currency)
    if facts.classification:
        headers["x-weir-classification"] = _labelled(facts.classification, facts.given, facts.raised_by)
    if facts.redacted:
        headers["x-weir-redacted"] = safe(", ".join(f"{kind}={count}" for kind, count in facts.redacted))
    return headers


def lines(headers: Mapping[str, str]) -> str:
    """The headers as they go over the wire, each with the end of its line."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def lines_of_hits(facts: HeaderFacts) -> str:
    """What a hit has in common with those that repeat it."""
    headers = weir_headers(facts)
    del headers["x-weir-decision"], headers["x-weir-cache"]
    return lines(headers)


def lines_of_hit(decision: str, age_s: float, common: str) -> str:
    """The lines of one hit; `common` from `lines_of_hits`, `age_s` is not negative."""
    return f"x-weir-decision: {safe(decision)}\r\nx-weir-cache: hit; age={int(age_s)}\r\n{common}"


# What many answers say alike.
@lru_cache(maxsize=1024)
def _of_path(path: str, tier: str, place: str, reason: str, device: str, policy: str) -> dict[str, str]:
    stated = {"path": path, "tier": tier, "place": place, "reason": reason, "device": device, "policy": policy}
    return {f"x-weir-{name}": safe(value) for name, value in stated.items() if value}


@lru_cache(maxsize=1024)
def _money(amount: float, currency: str) -> str:
    return safe(f"{amount:.8f} {currency}")


@lru_cache(maxsize=1024)
def _labelled(classification: str, given: str, raised_by: tuple[str, ...]) -> str:
    return safe(f"{classification}; given={given}; by={','.join(raised_by)}" if given else classification)


def safe(value: str) -> str:
    """The value with everything outside printable ASCII replaced by '?', cut, and without outer blanks."""
    if len(value) > _MOST or not (value.isascii() and value.isprintable()):
        value = "".join(char if " " <= char <= "~" else "?" for char in value[:_MOST])
    return value.strip()

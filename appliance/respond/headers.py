"""The x-weir-* response headers: what was decided, in values that are safe in any header.

Rules kept here:
1. Printable ASCII only, 256 characters at most: no value can end a header line or begin another.
2. A fact that is not known has no header.
3. The decision's id is the request's as well, by the names that OpenAI's and Anthropic's SDKs read (`_request_id`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from appliance.records.card import Place
from appliance.records.decision import Decision
from appliance.records.value import value

VERSION = "1"
_MOST = 256
_IDS = ("x-weir-decision", "x-request-id", "request-id")


@value
class HeaderFacts:
    """What the headers say. `cost` in `currency`, `cache_age_s` in seconds, `cache_score` in [0, 1]."""

    decision: str
    path: str = ""
    tier: str = ""
    place: str = ""
    reason: str = ""
    cache: Literal["hit", "shared", "miss", "bypass"] = "miss"
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
    id = safe(facts.decision)
    headers = {**dict.fromkeys(_IDS, id), "x-weir-cache": _cache(facts), **_alike(facts)[0]}
    if facts.cost is not None:
        headers["x-weir-cost"] = _money(facts.cost, facts.currency)
    if facts.redacted:
        headers["x-weir-redacted"] = _redacted(facts)
    return headers


def weir_lines(facts: HeaderFacts) -> str:
    """The same as they go over the wire, each with the end of its line."""
    more = "" if facts.cost is None else f"x-weir-cost: {_money(facts.cost, facts.currency)}\r\n"
    if facts.redacted:
        more += f"x-weir-redacted: {_redacted(facts)}\r\n"
    return f"{_id_lines(facts.decision)}x-weir-cache: {_cache(facts)}\r\n{_alike(facts)[1]}{more}"


def _redacted(facts: HeaderFacts) -> str:
    return safe(", ".join(f"{kind}={count}" for kind, count in facts.redacted))


def _cache(facts: HeaderFacts) -> str:
    cache: str = facts.cache
    if facts.cache_age_s is not None:
        cache += f"; age={max(0, int(facts.cache_age_s))}"
    if facts.cache_score is not None:
        cache += f"; score={facts.cache_score:.3f}"
    return cache


def _alike(facts: HeaderFacts) -> tuple[dict[str, str], str]:
    """The headers that many answers have in common, and the same as lines."""
    return _said(
        facts.path,
        facts.tier,
        facts.place,
        facts.reason,
        facts.device,
        facts.policy,
        facts.classification,
        facts.given,
        facts.raised_by,
    )


def lines(headers: Mapping[str, str]) -> str:
    """The headers as they go over the wire, each with the end of its line."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def lines_of_hits(facts: HeaderFacts) -> str:
    """What a hit has in common with those that repeat it."""
    headers = weir_headers(facts)
    return lines({name: value for name, value in headers.items() if name not in (*_IDS, "x-weir-cache")})


def lines_of_hit(decision: str, age_s: float, common: str) -> str:
    """The lines of one hit; `common` from `lines_of_hits`, `age_s` is not negative."""
    return f"{_id_lines(decision)}x-weir-cache: hit; age={int(age_s)}\r\n{common}"


def _id_lines(decision: str) -> str:
    id = safe(decision)
    return f"x-weir-decision: {id}\r\nx-request-id: {id}\r\nrequest-id: {id}\r\n"


@lru_cache(maxsize=1024)
def _said(
    path: str,
    tier: str,
    place: str,
    reason: str,
    device: str,
    policy: str,
    classification: str,
    given: str,
    raised_by: tuple[str, ...],
) -> tuple[dict[str, str], str]:
    stated = {"path": path, "tier": tier, "place": place, "reason": reason, "device": device, "policy": policy}
    said = {"x-weir-version": VERSION}
    said |= {f"x-weir-{name}": safe(value) for name, value in stated.items() if value}
    if classification:
        label = f"{classification}; given={given}; by={','.join(raised_by)}" if given else classification
        said["x-weir-classification"] = safe(label)
    return said, lines(said)


@lru_cache(maxsize=1024)
def _money(amount: float, currency: str) -> str:
    return safe(f"{amount:.8f} {currency}")


def safe(value: str) -> str:
    """The value with everything outside printable ASCII replaced by '?', cut, and without outer blanks."""
    if len(value) > _MOST or not (value.isascii() and value.isprintable()):
        value = "".join(char if " " <= char <= "~" else "?" for char in value[:_MOST])
    return value.strip()


def why_of(decision: Decision, path: str) -> str:
    """What is said of the step that answers besides the reason of the plan."""
    said = f"; strategy={decision.strategy}" if decision.strategy else ""
    for step in (*decision.steps, *decision.fallbacks):
        if step.why and (step.path == path or step.composition is not None):
            return f"{said}; {step.why}"
    return said


def place_of(place: Place) -> str:
    """As the header names it."""
    return "/".join(name for name in (place.region, place.country, place.site, place.node) if name)

"""On whose behalf something leaves this host, and what permitted it: what the audit writes of an outgoing request.

Rules kept here:
1. No text of a request, so that every one of these may be recorded.
2. A path of the tiers cache, reuse and device that speaks to loopback does not leave. All else does: a card that calls
   itself a device but names another host is believed by its address.
"""

from __future__ import annotations

from contextvars import ContextVar

from appliance.records.card import Place, Tier
from appliance.records.value import value

STAYING_TIERS: tuple[Tier, ...] = ("cache", "reuse", "device")


@value
class Departure:
    """One step of one decision, as far as it concerns who may know. `rules` are those that permitted it.

    `classification` is the request's own, also where it leaves redacted; `redacted` then counts by kind what was
    replaced, and is None where it leaves as it is.
    """

    decision: str
    tenant: str
    classification: str
    residency: str
    path: str
    tier: Tier
    place: Place
    rules: tuple[str, ...]
    generation: str
    redacted: tuple[tuple[str, int], ...] | None = None


_current: ContextVar[Departure | None] = ContextVar("weir-departure", default=None)


class departing:  # noqa: N801 - used as a statement is
    """What is sent inside this block, by this task, is sent on behalf of `departure`; None: nothing may be."""

    __slots__ = ("_before", "_departure")

    def __init__(self, departure: Departure | None) -> None:
        self._departure = departure

    def __enter__(self) -> None:
        self._before = _current.get()
        _current.set(self._departure)

    def __exit__(self, *_: object) -> None:
        _current.set(self._before)


def current_departure() -> Departure | None:
    """On whose behalf this task sends; None outside of `departing`."""
    return _current.get()

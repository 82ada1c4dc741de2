"""On whose behalf something leaves this host, and what permitted it: what the audit writes of an outgoing request.

Rules kept here:
1. No text of a request, so that every one of these may be recorded.
2. A path of the tiers cache, reuse and device that speaks to loopback does not leave. All else does: a card that calls
   itself a device but names another host is believed by its address.
3. What has to be on disk before anything is sent may be written beside the audit's entry: whoever sends waits for both.
"""

from __future__ import annotations

import asyncio
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


class departing:  # noqa: N801 - used as a statement is
    """What is sent inside this block, by this task, is sent on behalf of `departure`, and not before `after` is done;
    None: nothing may be sent.
    """

    __slots__ = ("_before", "after", "departure")

    def __init__(self, departure: Departure | None, after: asyncio.Future[None] | None = None) -> None:
        self.departure = departure
        self.after = after

    def __enter__(self) -> None:
        self._before = _current.get()
        _current.set(self)

    def __exit__(self, *_: object) -> None:
        _current.set(self._before)


_current: ContextVar[departing | None] = ContextVar("weir-departure", default=None)


def current_departure() -> Departure | None:
    """On whose behalf this task sends; None outside of `departing`."""
    current = _current.get()
    return None if current is None else current.departure


async def cleared() -> None:
    """Returns when what had to be done before this task sends is."""
    current = _current.get()
    if current is not None and current.after is not None:
        await settled(current.after)


async def settled(done: asyncio.Future[None]) -> None:
    """Returns when it is done. Who stops waiting does not take it from others that wait."""
    if not done.done():
        await asyncio.shield(done)

"""Looks at what servers say of their own load, under /metrics, where a card says that it is there.

Rules kept here:
1. Asked through the door, each look in the audit first, and only where policy lets a public request go there. A look
   carries nothing of a request, and no key.
2. Asked only while the path is being used: a node that nobody asks asks nobody.
3. Whatever errs leaves what was known to age.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp
import structlog
from yarl import URL

from appliance.egress import Egress
from appliance.errors import WeirError
from appliance.fleet import Fleet
from appliance.load import Load, read_load
from appliance.outbound import Session
from appliance.records.card import Endpoint, ModelCard
from appliance.records.departure import Departure, departing
from appliance.records.request import LOCAL, Labels

log = structlog.get_logger("weir.loads")
EVERY_S = 5.0
USED_S = 60.0  # after the last call of a path its server is not asked any more
WITHIN_S = 2.0
MAX_BYTES = 1024 * 1024
_PUBLIC = Labels(classification="public")


class Loads:
    """Looks at the servers of a fleet. Its connections are the door's to close."""

    def __init__(self, egress: Egress, clock: Callable[[], float] = time.monotonic) -> None:
        self._egress = egress
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    async def follow(self, fleet: Callable[[], Fleet]) -> None:
        """Look again and again. Does not return."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.look(fleet())
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do better
                log.error("load-not-read", kind=type(error).__name__)

    async def look(self, fleet: Fleet) -> None:
        """One look at each server whose figures are wanted now."""
        generation, now = fleet.generation, time.time()
        wanted = []
        for name, upstream in fleet.upstreams.items():
            card = generation.card_by_id.get(name)
            if card is None or card.endpoint is None or not card.endpoint.metrics:
                continue
            if upstream.used_at + USED_S < self._clock():
                continue
            rules = generation.policy.permitting(card, _PUBLIC, now)
            if rules:
                stated = tuple(f"{generation.policy.id}:{rule}" for rule in rules)
                departure = _departure(card, stated, generation.id)
                for index, endpoint in enumerate(card.endpoint.pool):
                    wanted.append((upstream.members[index], endpoint, departure))
        found = await asyncio.gather(*(self._one(endpoint, departure) for _, endpoint, departure in wanted))
        for (member, _, _), load in zip(wanted, found, strict=True):
            member.note_load(load, self._clock())

    async def _one(self, endpoint: Endpoint, departure: Departure) -> Load | None:
        try:
            async with asyncio.timeout(WITHIN_S):
                session = self._sessions.get(endpoint.base_url)
                if session is None or session.closed:
                    session = self._egress.session_for(endpoint.base_url, limit=1, connect_timeout_s=WITHIN_S)
                    self._sessions[endpoint.base_url] = session
                with departing(departure):
                    response = await session.get(metrics_of(endpoint.base_url), allow_redirects=False)
                try:
                    if response.status != 200:
                        return None
                    raw = b""
                    async for block in response.content.iter_any():
                        raw += block
                        if len(raw) > MAX_BYTES:
                            return None
                finally:
                    response.close()
                return read_load(endpoint.metrics, raw)
        except (aiohttp.ClientError, TimeoutError, OSError, WeirError):
            return None


def metrics_of(base_url: str) -> URL:
    """Where a server shows its metrics: beside its /v1."""
    url = URL(base_url)
    return url.with_path(url.path.rstrip("/").removesuffix("/v1") + "/metrics")


def _departure(card: ModelCard, rules: tuple[str, ...], generation: str) -> Departure:
    return Departure("load", LOCAL, _PUBLIC.classification, "", card.id, card.tier, card.place, rules, generation)

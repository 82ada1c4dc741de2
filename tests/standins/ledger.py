"""A stand-in for the audit: keeps what is about to leave in memory, or refuses to."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.errors import AuditUnavailable
from appliance.records.card import Place
from appliance.records.departure import Departure

DEPARTURE = Departure("d", "local", "internal", "", "up", "frontier", Place(), ("t:class/internal",), "g")


class MemoryLedger:
    """`left` has what was said to be leaving: departure, destination, body."""

    def __init__(self) -> None:
        self.full = False
        self.left: list[tuple[Departure, dict[str, object], bytes]] = []

    async def leaving(self, departure: Departure, destination: Mapping[str, object], body: bytes) -> None:
        if self.full:
            raise AuditUnavailable("The ledger is full.")
        self.left.append((departure, dict(destination), body))

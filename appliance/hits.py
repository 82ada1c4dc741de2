"""Exact hits that come again: what they say is made once, but for the moment.

A hit differs from the one before it in its id, its times, the age of the answer and the draw. Deciding, describing and
writing all the rest anew was a quarter of its cost.

Rules kept here:
1. Nothing is decided or worded here: the first hit was served like any request, and what it said is kept.
2. It is said again to a request under equal labels and scope only, and while the very same entry lives in the cache.
   Content, tenant and generation are in the entry's key; the wire is in ours, because each words an answer its own way.
3. Policy has its say each time: its rules may look at more than the key holds, such as their own age.
4. Not to a conversation that carries a label, which a hit's own content does not show.
5. Whole answers only. A node that is full, or full for this tenant, serves nothing here either.
6. Held in memory only, within `most_bytes` of bodies and records; what was not asked for longest goes first.
7. What goes wrong here costs a request its short way, and neither its answer nor its record: it is served in full.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from appliance.cache.exact import Entry, key_of
from appliance.records.card import ModelCard
from appliance.records.mould import Mould, hole
from appliance.records.record import Alike, Likeness
from appliance.records.request import Labels, Request
from appliance.respond.headers import lines_of_hit, lines_of_hits
from appliance.serve import Serving
from appliance.tenancy.accounts import Account

if TYPE_CHECKING:
    from appliance.node import Node

log = structlog.get_logger("weir.hits")
Write = Callable[..., bytes]


@dataclass(frozen=True, slots=True)
class Said:
    """One hit, without its moment."""

    entry: Entry
    labels: Labels
    card: ModelCard  # of the cache, as a path
    body: Mould
    lines: str
    record: Likeness
    size: int  # bytes of body and record


class Hits:
    """What was said of the newest hits."""

    def __init__(self, node: Node, *, most_bytes: int = 8 << 20, longest: int = 64 << 10) -> None:
        self._node = node
        self._most_bytes = most_bytes
        self._longest = longest
        self._held = 0
        self._said: OrderedDict[tuple[str, str], Said] = OrderedDict()  # by wire and key of the entry

    def __len__(self) -> int:
        return len(self._said)

    def again(self, request: Request, account: Account, wire: str) -> tuple[bytes, str] | None:
        """Body and header lines of a hit that came before on this wire, its record written; None where it has to be
        served.
        """
        if request.labels.cache != "default":
            return None
        began = time.perf_counter()
        key = (wire, key_of(request, self._node.generation.id))
        said = self._said.get(key)
        if said is None:
            return None
        try:
            made = self._poured(key, said, request, account, began)
        except Exception as error:  # noqa: BLE001 - rule 7
            log.error("hit-not-said-again", kind=type(error).__name__)
            self._drop(key)
            return None
        if made is None:
            return None
        body, lines, record = made
        self._node.tally.note(record)
        return body, lines

    def _poured(
        self, key: tuple[str, str], said: Said, request: Request, account: Account, began: float
    ) -> tuple[bytes, str, Alike] | None:
        """What `said` says to this request at this moment; None where it may not be said."""
        node = self._node
        if not (request.labels is said.labels or request.labels == said.labels):
            return None
        if said.record.record.asked.scope != account.scope or node.accounts.full_for(account) is not None:
            return None
        now = time.time()
        if node.cache.look_up(key[1], now, request.labels.cache_max_age_s) is not said.entry:
            self._drop(key)
            return None
        if node.conversations.carried(request, now, node.generation.detectors.sticky_s) is not None:
            return None
        if node.generation.policy.refusal(said.card, request.labels, now, request.tenant) is not None:
            return None
        self._said.move_to_end(key)
        age_s = now - said.entry.created
        body = said.body.pour({"id": request.id, "created": int(now)})
        lines = lines_of_hit(request.id, age_s, said.lines)
        record = Alike(said.record, request.id, now, node.draw(), age_s, time.perf_counter() - began)
        return body, lines, record

    def keep(self, request: Request, serving: Serving, wire: str, write: Write) -> None:
        """Remember what `serving` says of this request on this wire, where it is a hit; `write` makes its body."""
        entry = serving.entry
        if entry is None or entry.bytes > self._longest or request.labels.conversation:
            return  # a stated conversation's requests are equal to no others
        key = (wire, entry.key)
        old = self._said.get(key)
        if old is not None:
            if old.entry is entry:
                return  # under other labels
            self._drop(key)
        body = Mould(write(entry.answer, request, id=hole("id"), created=hole("created")))
        card = self._node.generation.card_by_id[serving.path]
        lines, record = lines_of_hits(serving.facts()), Likeness(serving.record())
        said = Said(entry, request.labels, card, body, lines, record, body.size + record.json.size)
        self._said[key] = said
        self._held += said.size
        while self._held > self._most_bytes:
            self._drop(next(iter(self._said)))

    def let_go(self) -> None:
        """Forget all of it."""
        self._said.clear()
        self._held = 0

    def sweep(self, now: float) -> None:
        """Let go of what has expired."""
        for key in [key for key, said in self._said.items() if now >= said.entry.expires]:
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        self._held -= self._said.pop(key).size

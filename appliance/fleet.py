"""The paths of one generation: built, started, handed on and stopped together.

Rules kept here:
1. A request keeps the fleet that it began with. One that was replaced stops its paths when its last request has ended.
2. A path whose card the next generation has unchanged is handed on as it runs, with what is known of its speed and who
   waits for it: a card states the digests of its files, so an equal card means the same model.
3. A path that does not come up costs the fleet that path.
4. In safe mode there is no path: policy and cache are all that runs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import structlog

from appliance.bundle import generations
from appliance.bundle.content import damaged
from appliance.decide.generation import Generation
from appliance.egress import Destination
from appliance.errors import WeirError
from appliance.features.classify import Classifier
from appliance.paths.contract import ExecutionPath, PathError, Readiness
from appliance.paths.guard import Guarded
from appliance.paths.onnx import OnnxPath
from appliance.paths.registry import PathContext, build_path, moved
from appliance.records.card import ModelCard
from appliance.snapshot import LiveFigures, readiness
from appliance.turns import Turns
from appliance.upstreams import Upstream

log = structlog.get_logger("weir.fleet")
PATIENCE_S = 600.0  # for the requests of a fleet that was replaced
QUEUE_PER_PLACE = 16  # answers that may wait at a path for each that it makes at once
_NOT_A_PATH = ("cache", "reuse")


class Fleet:
    """What one generation runs on. `start`, then requests between `enter` and `leave`, then `left` and `stop`."""

    def __init__(self, generation: Generation, content: Path, *, safe: bool = False) -> None:
        """`content` is the generation's folder, which stays on the disk until `stop`. Raises OSError."""
        self._hold: int | None = generations.hold(content)
        self.generation = generation
        self.safe = safe
        self.paths: dict[str, ExecutionPath] = {}
        self.figures: dict[str, LiveFigures] = {}
        self.turns: dict[str, Turns] = {}
        self.upstreams: dict[str, Upstream] = {}
        self.classifier: Classifier | None = None
        self.problems: list[str] = []
        self._ran: frozenset[str] = frozenset()  # models of this host that were seen to run
        self._inside = 0
        self._empty: asyncio.Event | None = None  # there while somebody waits for it

    def destinations(self, *, deny_all: bool) -> frozenset[Destination]:
        """What may be connected to: the endpoints of the cards, loopback alone while the host denies all else."""
        cards = () if self.safe else self.generation.cards
        endpoints = [card.endpoint for card in cards if card.endpoint is not None]
        wanted = {Destination.parse(address) for endpoint in endpoints for address in endpoint.addresses}
        if deny_all:
            wanted = {d for d in wanted if d.host in ("127.0.0.1", "::1", "localhost")}
        return frozenset(wanted)

    async def start(self, context: PathContext, *, threads: int = 0, before: Fleet | None = None) -> None:
        """Take over from `before` what stays as it is, and start the rest. `threads`: for cards that leave it open."""
        new = []
        stated = [card for card in self.generation.cards if card.tier not in _NOT_A_PATH and not self.safe]
        for card in (_with_threads(card, threads) for card in stated):
            if not self._take_over(card, before) and self._build(card, context):
                new.append(card.id)
        await asyncio.gather(*(self._start(name, context.content_dir) for name in new))
        self._share_classifier()
        self.never_ran()

    def _take_over(self, card: ModelCard, before: Fleet | None) -> bool:
        name = card.id
        path = before.paths.get(name) if before is not None else None
        if before is None or path is None or path.card != card or not path.ready().ok:
            return False
        self.paths[name], self.figures[name] = path, before.figures[name]
        if name in before.turns:
            self.turns[name] = before.turns[name]
        if name in before.upstreams:
            same = before.generation.weights.failing.breaking == self.generation.weights.failing.breaking
            self.upstreams[name] = before.upstreams[name] if same else self._upstream(card)
            self._share_room(name)
        return True

    def _upstream(self, card: ModelCard) -> Upstream:
        return Upstream(card, self.generation.weights.failing.breaking)

    def ready(self, name: str) -> Readiness:
        """Whether a path takes jobs now, its upstream's breakers among what may stand against it."""
        return readiness(self.paths[name], self.upstreams.get(name))

    def _build(self, card: ModelCard, context: PathContext) -> bool:
        name = card.id
        try:
            self.paths[name] = build_path(card, context)
        except (WeirError, ImportError) as error:
            self.problems.append(f"{name}: {error}")
            return False
        self.figures[name] = LiveFigures()
        if card.endpoint is not None:
            self.upstreams[name] = self._upstream(card)
        room = _room(card)
        if room:
            self.turns[name] = Turns(room, QUEUE_PER_PLACE * room)
            self._share_room(name)
        return True

    def _share_room(self, name: str) -> None:
        """Where a path has several members, turns go by the room of those that take calls."""
        upstream = self.upstreams.get(name)
        if upstream is not None and len(upstream.members) > 1:
            self.turns[name].room_now = upstream.room

    async def _start(self, name: str, folder: Path) -> None:
        path = self.paths[name]
        fault = await asyncio.to_thread(damaged, path.card, folder)
        if fault:
            self.problems.append(f"{name}: {fault}")
            log.error("path-not-started", path=name, fault="damaged")
            return
        try:
            await path.start()
        except PathError as error:
            self.problems.append(f"{name}: {error.message}")
            log.error("path-not-started", path=name, fault=error.fault)

    def down(self) -> frozenset[str]:
        """The models of this host, by id, that the generation has and that do not run now."""
        stated = (card.id for card in self.generation.cards if card.files and not self.safe)
        return frozenset(name for name in stated if name not in self.paths or not self.paths[name].ready().ok)

    def never_ran(self) -> frozenset[str]:
        """Those of them that were not seen to run at any of the times that this was asked; the first is its start. A
        model whose process was killed a moment ago is not one that the generation does without.
        """
        down = self.down()
        self._ran |= self.paths.keys() - down
        return down - self._ran

    def _share_classifier(self) -> None:
        """Share the classifier of the path that serves it; without one every text is of the unknown cell."""
        for path in self.paths.values():
            runtime = path.inner if isinstance(path, Guarded) else path
            if isinstance(runtime, OnnxPath) and "classification" in path.card.modalities and path.ready().ok:
                self.classifier = runtime.classifier
                return
        if not self.safe:
            self.problems.append("no task classifier: every text counts as of an unknown task")

    def settle(self, content_dir: Path) -> None:
        """The generation is in use: what was handed on finds its files there from now on."""
        for path in self.paths.values():
            moved(path, content_dir)

    def enter(self) -> None:
        """A request begins."""
        self._inside += 1

    def leave(self) -> None:
        """A request that began with this fleet has ended."""
        self._inside -= 1
        if self._empty is not None and not self._inside:
            self._empty.set()

    async def left(self) -> None:
        """Returns when no request is left, or when patience is."""
        self._empty = asyncio.Event()
        if not self._inside:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._empty.wait()
        except TimeoutError:
            log.warning("requests-cut-off", generation=self.generation.id, count=self._inside)

    async def stop(self, others: Iterable[Fleet] = ()) -> None:
        """Stop the paths that no other fleet runs on."""
        shared = {id(path) for other in others for path in other.paths.values()}
        await asyncio.gather(*(path.stop() for path in self.paths.values() if id(path) not in shared))
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None


def _with_threads(card: ModelCard, threads: int) -> ModelCard:
    """The card with the host's say on threads, where the card leaves it open."""
    if not threads or card.llama.threads:
        return card
    return card.model_copy(update={"llama": card.llama.model_copy(update={"threads": threads})})


def _room(card: ModelCard) -> int:
    """How many answers a path makes at once before fairness matters; 0 where it has no queue to speak of.

    A local model gets two more than it has slots, so that none stands empty between two jobs.
    """
    if card.runtime == "llama_cpp":
        return card.llama.sequences + 2
    return card.endpoint.max_concurrent * len(card.endpoint.pool) if card.endpoint is not None else 0

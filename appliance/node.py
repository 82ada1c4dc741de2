"""The node: wires content, paths, cache and store together, and keeps them alive. It decides and parses nothing.

Rules kept here:
1. A request keeps the generation it started with.
2. The cache is looked at before anything is classified.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import structlog

from appliance import __version__
from appliance.announce import announce
from appliance.book import Book
from appliance.bundle.discover import Watch
from appliance.bundle.in_force import InForce
from appliance.cache.exact import ExactCache
from appliance.compare import Comparisons
from appliance.config import Config
from appliance.config_places import HOST, url_of
from appliance.conversations import Conversations
from appliance.decide.generation import Generation
from appliance.egress import Egress
from appliance.enrolment import Enrolment
from appliance.errors import InACircle, WeirError
from appliance.examine import Examiner
from appliance.fleet import Fleet
from appliance.fleets import Fleets
from appliance.flight import Flights
from appliance.hits import Hits
from appliance.loads import Loads
from appliance.paths.contract import ExecutionPath
from appliance.recorded import record_of_dead
from appliance.records.request import Request
from appliance.refusals import RefusalNotes
from appliance.semantic import Semantic
from appliance.serve import Serving
from appliance.store import Reader, Store
from appliance.store.audit.log import Audit
from appliance.tally import Tally
from appliance.tenancy.accounts import Accounts
from appliance.tenancy.keys import Roll

log = structlog.get_logger("weir.node")
_SWEEP_S = 300.0
_COUNTED_S = 5.0  # before what was counted of hits and similar questions is written
_WATCH_S = 0.25  # between two looks at what commands change beside the node, and at what the door refused


class Node:
    """One appliance. `start` before use, `stop` to drain and flush."""

    def __init__(self, config: Config, found: InForce, media: Watch | None = None) -> None:
        """`found` is what is in force, read once, so that what runs and what is said of it agree; `media` looks for
        bundles on what is plugged in.
        """
        self.media = media
        self.config = config
        self.fleets = Fleets(config, found)
        self.began = time.time()
        self.state = "starting"
        self.warnings: list[str] = []
        self.accounts: Accounts = Accounts(config.limits.concurrent_requests)
        self.enrolment = Enrolment(config.state_dir, self.accounts, self.warnings.append)
        self.store = Store(config.state_dir)
        self.reader = Reader(self.store.telemetry_path)
        self.cache = ExactCache(self.store, ttl_s=config.cache.ttl_s, max_bytes=config.cache.max_bytes)
        self.conversations = Conversations(self.store)
        self.hits = Hits(self)
        stated = config.cache
        self.semantic = Semantic(
            self.store, self.cache, share=stated.answered_anew, max_wrong=stated.max_wrong, clock=time.time
        )
        self.cache.erasures.tell(self.hits.let_go)
        self.flights: Flights = Flights()
        self.cache.erasures.tell(self.flights.let_go)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="weir-features")
        self.reading = ThreadPoolExecutor(1, thread_name_prefix="weir-reading")  # of long bodies, and long texts
        self._random = random.Random()  # noqa: S311 - a draw for exploration, no secret
        self.examiner = Examiner(
            self.fleets,
            self.semantic,
            similar=stated.similar,
            features=self._threads,
            reading=self.reading,
            draw=self.draw,
        )
        self.comparisons = Comparisons(self.semantic, self._threads, stated.judge or "")
        self.audit = Audit(config.state_dir)
        self.egress = Egress(self.fleets.destinations(), self.audit)
        self._refusals = RefusalNotes(self.audit, self.egress, lambda: self.generation.id)
        self._housekeeping: tuple[asyncio.Task[None], ...] = ()
        self.book = Book(self.accounts, self.store)
        self.tally = Tally(self.store, self.book, self.fleets, self.enrolment, self._refusals)
        for died in self.book.settle_left_over(self.reader):
            self.store.add(record_of_dead(died))
        self.enrolment.take_over()
        self.listen_host = config.listen.host
        if not config.listen.loopback and not self.roll.needed:
            self.listen_host = "::1" if ":" in config.listen.host else HOST
            self.warnings.append(
                f"there is no tenant, so only this host is served ({self.listen_host}) and not {config.listen.host}: "
                "make one with 'weir tenant add NAME', then start the node again"
            )

    @property
    def fleet(self) -> Fleet:
        """What new requests run on."""
        return self.fleets.current

    @property
    def generation(self) -> Generation:
        """What new requests are decided by."""
        return self.fleet.generation

    @property
    def roll(self) -> Roll:
        """Whose keys are known."""
        return self.enrolment.roll

    @property
    def paths(self) -> dict[str, ExecutionPath]:
        """What new requests may run on, by id."""
        return self.fleet.paths

    async def start(self) -> None:
        """Start every path; one that does not come up costs the node that path, not its life."""
        self._note_start()
        await self.fleets.start(self.egress)
        await self.examiner.start()
        jobs = [self._keep_house(), self._watch(), self.fleets.follow(self.egress, self.audit)]
        jobs.append(Loads(self.egress).follow(lambda: self.fleet))
        if self.media is not None:
            jobs.append(announce(self.media, self.audit))
        self._housekeeping = tuple(map(asyncio.create_task, jobs))
        self.state = "ready"

    def _note_start(self) -> None:
        """The audit learns under what the node runs, and that it changed where it did."""
        generation, config = self.generation, self.config
        before = self.audit.generation
        if before not in ("", generation.id):
            self.audit.note("admin", {"act": "generation", "from": before, "to": generation.id})
        facts = {
            "version": __version__,
            "generation": generation.id,
            "policy": generation.policy.id,
            "listen": url_of(self.listen_host, config.listen.port),
            "deny_all": config.egress.deny_all,
            "destinations": sorted(map(str, self.egress.door.allowed)),
        }
        self.audit.note("start", facts)

    async def stop(self) -> None:
        """Stop the paths and write all that is queued."""
        self.state = "stopping"
        await self.comparisons.stop()
        for task in self._housekeeping:
            task.cancel()
        await self.fleets.stop()
        await self.egress.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.reading.shutdown(wait=False, cancel_futures=True)
        self.examiner.close()
        self.semantic.close()
        self.cache.write_hits(time.time())
        self.cache.close()
        self._refusals.close()
        self.audit.note("stop", {"requests": self.tally.counters.requests})
        await asyncio.to_thread(self.audit.close)
        self.book.ask()
        await asyncio.to_thread(self.store.close)

    async def _keep_house(self) -> None:
        while True:
            now = time.time()
            self.cache.sweep(now, self.generation.id)
            await self._sweep_similar(now)
            self.hits.sweep(now)
            self.conversations.sweep(now, self.generation.detectors.sticky_s)
            kept = self.config.records
            self.store.prune(before=now - 86_400 * kept.keep_days if kept.keep_days else 0.0, max_bytes=kept.max_bytes)
            await asyncio.sleep(_SWEEP_S)

    async def _sweep_similar(self, now: float) -> None:
        classifier = self.fleet.classifier
        self.semantic.sweep(now, classifier.embedder.digest if classifier is not None else "")
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self.semantic.refresh)
        except sqlite3.Error as error:
            log.error("labels-not-read", kind=type(error).__name__)

    async def _watch(self) -> None:
        """Take over what the commands change; let the audit know what the door refused."""
        looked: object = None
        counted = time.monotonic()
        while True:
            await asyncio.sleep(_WATCH_S)
            self._refusals.note_attempts()
            if time.monotonic() > counted + _COUNTED_S:
                counted = time.monotonic()
                self.semantic.write()
                self.cache.write_hits(time.time())
            self.book.ask()
            self.cache.erasures.follow()
            try:
                if (seen := self.fleets.look.seen()) == looked:
                    continue
                await self.enrolment.follow()
                looked = seen
            except (sqlite3.Error, WeirError) as error:  # what is known stays in force
                log.error("tenants-not-read", kind=type(error).__name__)

    # ---- requests -------------------------------------------------------------------------------------------

    @property
    def active(self) -> int:
        """Requests in work."""
        return self.accounts.active

    def serving(self, request: Request) -> Serving:
        """Take a request in. Raises NoCapacity when the node, or the tenant's part of it, is full."""
        account = self.accounts.of(request.tenant)
        return Serving(self, self._narrowed(request), self.fleet, account, now=time.time(), draw=self.draw())

    def draw(self) -> float:
        """What chance has in a decision: uniform in [0, 1)."""
        return self._random.random()

    def _narrowed(self, request: Request) -> Request:
        """The request as the host's configuration narrows it: its meaning of 'auto', and no answer below the floor.

        Raises InACircle for one that came through this node before.
        """
        if self.fleets.node in request.labels.via:
            raise InACircle(
                "This request was at this node before.",
                next_step="The nodes' operators find a card on each that leads to the other; one of them must go.",
            )
        routing = self.config.routing
        if request.preference == "balanced" != routing.preference:
            request = replace(request, preference=routing.preference)
        if routing.below_floor == "refuse" != request.labels.below_floor:
            request = replace(request, labels=replace(request.labels, below_floor="refuse"))
        return request

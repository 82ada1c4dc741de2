"""The node: wires content, paths, cache and store together. It decides nothing and parses nothing.

Rules kept here:
1. A request keeps the generation it started with.
2. Every request leaves exactly one record, also when its client goes away or its body was malformed.
3. The cache is looked at before anything is classified; what nobody needs is not computed.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
import structlog

from appliance import __version__
from appliance.announce import announce
from appliance.book import Book
from appliance.bundle.discover import Watch
from appliance.bundle.in_force import InForce
from appliance.cache.exact import ExactCache
from appliance.config import Config
from appliance.config_places import HOST, url_of
from appliance.conversations import Conversations
from appliance.decide.generation import Generation
from appliance.decide.labels import Detectors
from appliance.egress import Egress
from appliance.errors import InACircle, NoCapacity, PolicyRefused, WeirError
from appliance.features import detect, language
from appliance.features.classify import Classifier
from appliance.features.describe import describe
from appliance.features.detect.texts import attachments, meanings, written
from appliance.fleet import Fleet
from appliance.fleets import Fleets
from appliance.flight import Flights
from appliance.hits import Hits
from appliance.loads import Loads
from appliance.paths.contract import ExecutionPath
from appliance.recorded import ended, record_of_dead
from appliance.records.card import ModelCard
from appliance.records.decision import Asked, Decision, Outcome, Snapshot, StepOutcome, UsageNote
from appliance.records.features import Features, FindingKind
from appliance.records.money import picos
from appliance.records.record import Alike, Record
from appliance.records.request import Request, last_user_text
from appliance.redact import NotRedactable, Redaction, redact
from appliance.same import say_the_same
from appliance.semantic import Match, Semantic
from appliance.serve import Described, Serving
from appliance.similar.agree import Agreement
from appliance.store import Reader, Store
from appliance.store.audit.log import Audit
from appliance.store.audit.refusals import WINDOW_S, Refusals
from appliance.store.tenants import Tenants, make_operator_key, roll_of
from appliance.tenancy.accounts import Accounts
from appliance.tenancy.budget import Spent
from appliance.tenancy.keys import Roll

log = structlog.get_logger("weir.node")
_SWEEP_S = 300.0
_LONG_CHARS = 50_000  # of one request
_LABELLED_S = 5.0  # for comparisons that are at work when the node stops
_COUNTED_S = 5.0  # before what was counted of similar questions is written
_WATCH_S = 0.25  # between two looks at what commands change beside the node, and at what the door refused


@dataclass
class Counters:
    """Since the node started. `off_frontier` counts answered requests that no frontier path had a part in."""

    requests: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0
    bad_requests: int = 0
    unauthorized: int = 0
    limited: int = 0
    off_frontier: int = 0
    cost: int = 0  # picos, as the next
    frontier_cost: int = 0


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
        self.tenants = Tenants(config.state_dir)
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
        self.accounts: Accounts = Accounts(config.limits.concurrent_requests)
        self.roll = Roll(needed=False)
        self._tenants_lost = False
        self.operator_key = make_operator_key(config.state_dir)
        self.counters = Counters()
        self.by_path: dict[str, int] = {}
        self.usage_notes: Counter[tuple[str, UsageNote]] = Counter()  # what providers stated of tokens and cannot be
        self.devices: dict[str, str] = {}  # where each path's last answer was computed, as it said itself
        self.news = asyncio.Event()  # set whenever a record was handed to the store
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="weir-features")
        # Long texts hold up no classifying, and longer ones nobody with a short one.
        self._detecting = ThreadPoolExecutor(1, thread_name_prefix="weir-detect")
        self._detecting_long = ThreadPoolExecutor(1, thread_name_prefix="weir-detect-long")
        self.reading = ThreadPoolExecutor(1, thread_name_prefix="weir-reading")  # of long bodies, and long texts
        self._random = random.Random()  # noqa: S311 - a draw for exploration, no secret
        self.audit = Audit(config.state_dir, meanwhile=self.store.hurry)
        self._refusals = Refusals(partial(self.audit.note, "refusal"))
        self._refusals_due: asyncio.TimerHandle | None = None
        self._attempts = 0  # that the door refused and the audit knows of
        self.egress = Egress(self.fleets.destinations(), self.audit)
        self._labelling: set[asyncio.Task[None]] = set()
        self._housekeeping: tuple[asyncio.Task[None], ...] = ()
        self.book = Book(self.accounts, self.store)
        for died in self.book.settle_left_over(self.reader):
            self.store.add(record_of_dead(died))
        self._tenants_seen = self._take_over_tenants()
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
    def paths(self) -> dict[str, ExecutionPath]:
        """What new requests may run on, by id."""
        return self.fleet.paths

    async def start(self) -> None:
        """Start every path; one that does not come up costs the node that path, not its life."""
        self._note_start()
        await self.fleets.start(self.egress)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, language.load)
        await loop.run_in_executor(self._detecting, detect.load)
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
        if self._labelling:
            await asyncio.wait(self._labelling, timeout=_LABELLED_S)
        for task in (*self._housekeeping, *self._labelling):
            task.cancel()
        await self.fleets.stop()
        await self.egress.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.reading.shutdown(wait=False, cancel_futures=True)
        self._detecting.shutdown(wait=False, cancel_futures=True)
        self._detecting_long.shutdown(wait=False, cancel_futures=True)
        self.semantic.close()
        self.cache.close()
        if self._refusals_due is not None:
            self._refusals_due.cancel()
        self._note_attempts()
        self._refusals.flush()
        self.audit.note("stop", {"requests": self.counters.requests})
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

    async def describe(self, request: Request, fleet: Fleet, *, similar: bool, watched: bool) -> Described:
        """What is known of the request. Its task is classified, off the loop, only where there is something to choose,
        or where `similar` questions are to be looked for; one that is not `watched` counts for nothing.
        """
        named = fleet.generation.card_by_id.get(request.model)
        needless = "auto" not in (request.model, *request.models) and not (
            named is not None and named.gate
        )  # a gate reads the task too
        similar = similar and self.config.cache.similar and self.semantic.asks(request, fleet.generation)
        classifier = fleet.classifier
        loop = asyncio.get_running_loop()
        if (needless and not similar) or request.kind == "embedding" or classifier is None:
            contents = [message.content for message in request.messages] or [request.prompt, *request.inputs]
            if sum(map(len, contents)) > _LONG_CHARS:
                return Described(await loop.run_in_executor(self.reading, describe, request))
            return Described(describe(request))
        work = partial(
            self._describe, request, classifier, fleet.generation if similar else None, self.draw() if watched else None
        )
        return await loop.run_in_executor(self._threads, work)

    def _describe(
        self, request: Request, classifier: Classifier, generation: Generation | None, draw: float | None
    ) -> Described:
        """On the thread for features. With a generation similar questions are looked for."""
        features = describe(request, classifier)
        vector, features = features.embedding, replace(features, embedding=None)
        if generation is None or vector is None:
            return Described(features)
        task = features.cells[0][0].partition("/")[0]
        found = self.semantic.look(request, task, np.asarray(vector, np.float32), generation, classifier, draw)
        return Described(features, *found)

    def compare(self, match: Match, fresh: str, request: Request, fleet: Fleet) -> None:
        """Label a stored answer by a fresh one, '' where there is none; nobody waits for it."""
        self._labelling.add(task := asyncio.create_task(self._compare(match, fresh, request, fleet)))
        task.add_done_callback(self._labelling.discard)

    async def _compare(self, match: Match, fresh: str, request: Request, fleet: Fleet) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self.semantic.compare, match, fresh, fleet.classifier)
        judge = fleet.paths.get(self.config.cache.judge or "")
        if found.outcome == "unsure" and fresh and judge is not None and self._may_judge(judge.card, request, fleet):
            question = last_user_text(request)
            said = await say_the_same(judge, request.id, request.tenant, question, match.stored, fresh)
            if said is not None:
                found = Agreement("agreed" if said else "wrong", "judge")
        await loop.run_in_executor(self._threads, self.semantic.label, match, found)

    def _may_judge(self, card: ModelCard, request: Request, fleet: Fleet) -> bool:
        refusal = fleet.generation.policy.refusal(card, request.labels, time.time(), request.tenant)
        return card.tier == "device" and card.endpoint is None and refusal is None

    async def detect(self, request: Request) -> tuple[tuple[FindingKind, int], ...]:
        """What detectors find in all texts of the request, by kind. Where they fail or are late: 'unscanned'."""
        try:
            read = tuple(written(request))
            if detect.quick(read) and detect.quick(hidden := tuple(meanings(read))):
                found = detect.counts((*read, *hidden))
            else:
                found = await self._detect_aside(read)
            media = attachments(request)
        except Exception as error:  # noqa: BLE001 - whatever failed, the text was not read, and the label says so
            log.error("not-scanned", kind=type(error).__name__)
            return (("unscanned", 1),)
        return (("attachment", media), *found) if media else found

    async def _detect_aside(self, read: tuple[str, ...]) -> tuple[tuple[FindingKind, int], ...]:
        """What is found in these, and in what their escapes hide, on a thread of its own. Raises TimeoutError."""
        given_up = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.generation.detectors.timeout_s):
                thread = self._detecting if sum(map(len, read)) <= _LONG_CHARS else self._detecting_long
                work = partial(detect.counts, chain(read, meanings(read)), given_up.is_set)
                return await loop.run_in_executor(thread, work)
        finally:
            given_up.set()  # also where the client went away: the thread stops at its next piece

    async def redact(self, request: Request, known: tuple[FindingKind, ...], detectors: Detectors) -> Redaction:
        """The request without what can be redacted. Raises NotRedactable, also where it takes too long or fails."""
        given_up = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(detectors.timeout_s):
                work = partial(redact, request, detectors.redacts, known, given_up.is_set)
                thread = self._detecting if sum(map(len, written(request))) <= _LONG_CHARS else self._detecting_long
                return await loop.run_in_executor(thread, work)
        except NotRedactable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever failed, it is not redacted, so it does not leave
            log.error("not-redacted", kind=type(error).__name__)
            raise NotRedactable("looking at it failed or took too long") from None
        finally:
            given_up.set()

    def note_unserved(self, asked: Asked, began: float, error: BaseException) -> None:
        """Record a request that nothing was decided about: malformed, cut off, or one too many."""
        status, code, http_status = ended(error)
        full = isinstance(error, NoCapacity)
        outcome = Outcome(
            "refused" if full else status,
            seconds=time.time() - began,
            error_code=code,
            http_status=http_status,
            currency=self.generation.weights.currency,
        )
        decision = Decision(asked.id, self.generation.id, "undecided", refusal="capacity" if full else "")
        self.note(Record(asked.id, began, asked, Features(asked.kind), Snapshot(began, 0.0, ()), decision, outcome))

    def note_step(self, outcome: StepOutcome, fleet: Fleet) -> None:
        if outcome.device:
            self.devices[outcome.path] = outcome.device
        if outcome.usage_note:
            self.usage_notes[outcome.path, outcome.usage_note] += 1
        figures = fleet.figures.get(outcome.path)
        if figures is not None:
            figures.note(outcome, fleet.paths[outcome.path].card.speed.first_token_p95_s)
            figures.at = time.time()

    def note(self, record: Record | Alike, settled: Sequence[str] = ()) -> None:
        """Count a finished request and hand its record to the store; `settled` as in `Accounts.used`."""
        counters, outcome = self.counters, record.outcome
        counters.requests += 1
        if outcome.cost:
            counters.cost += picos(outcome.cost)
        if outcome.frontier_cost:
            counters.frontier_cost += picos(outcome.frontier_cost)
        if outcome.status == "answered":
            counters.answered += 1
            self.by_path[outcome.path] = self.by_path.get(outcome.path, 0) + 1
            counters.off_frontier += not self.generation.frontier.intersection([step.path for step in outcome.steps])
        elif outcome.status == "refused":
            counters.refused += 1
        elif outcome.status == "cancelled":
            counters.cancelled += 1
        else:
            counters.failed += 1
        self._note_use(record, settled)
        if isinstance(record, Record) and (
            record.decision.refusal == "policy" or outcome.error_code == PolicyRefused.code
        ):  # a hit that comes again is no refusal
            self._note_refusal(record)
        self.store.add(record)
        self.news.set()

    def _note_refusal(self, record: Record) -> None:
        self._count_refusal(_refused(record))

    def _note_attempts(self) -> None:
        """What the door refused since this was last asked: attempts of a path, or of whatever runs in this process."""
        door = self.egress.door
        new, self._attempts = door.refused - self._attempts, door.refused
        if new <= 0:
            return
        known = list(door.refusals)[-new:]
        base = {"decision": "", "generation": self.generation.id}
        for refusal in known:
            self._count_refusal({**base, "attempt": refusal.what, "where": refusal.where})
        if new > len(known):  # so many in a moment that the door did not keep them all
            self.audit.note("refusal", {**base, "attempt": "not kept", "where": "", "count": new - len(known)})

    def _count_refusal(self, facts: dict[str, object]) -> None:
        if self._refusals.add(facts):
            self._refusals_due = asyncio.get_running_loop().call_later(WINDOW_S, self._refusals.flush)

    def _note_use(self, record: Record | Alike, settled: Sequence[str]) -> None:
        """Count a request for its tenant."""
        if not self.roll.needed:
            return
        like = record.like.record if isinstance(record, Alike) else record
        tokens = sum([step.prompt_tokens + step.completion_tokens for step in record.outcome.steps])
        self.book.used(like.asked.tenant, record.time, Spent(picos(record.outcome.cost), 1, tokens), settled)

    # ---- tenants --------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Take over what the commands change; let the audit know what the door refused."""
        looked: object = None
        counted = time.monotonic()
        while True:
            await asyncio.sleep(_WATCH_S)
            self._note_attempts()
            if time.monotonic() > counted + _COUNTED_S:
                counted = time.monotonic()
                self.semantic.write()
            self.book.ask()
            self.cache.erasures.follow()
            try:
                if (seen := self.fleets.look.seen()) == looked:
                    continue
                if await asyncio.to_thread(self.tenants.changes) != self._tenants_seen:
                    self._tenants_seen = self._take_over_tenants()
                looked = seen
            except (sqlite3.Error, WeirError) as error:  # what is known stays in force
                log.error("tenants-not-read", kind=type(error).__name__)

    def _take_over_tenants(self) -> int:
        seen = self.tenants.changes()
        held = self.tenants.all()
        spent = {one.tenant.name: dict(one.spending) for one in held}
        self.accounts.take_over({one.tenant.name: one.tenant for one in held}, spent)
        needed = self.roll.needed or self.tenants.needed
        self.roll = roll_of(held, self.operator_key, needed=needed)
        if needed and not held and not self._tenants_lost:
            self._tenants_lost = True
            self.warnings.append(
                "node.db names no tenant although this node had some: nobody has a key. Restore the file, or make "
                "tenants anew; who wants the node open to this host again removes keys-needed from the state directory"
            )
        return seen


def _refused(record: Record) -> dict[str, object]:
    """What the audit holds of a request that policy refused."""
    asked, decision = record.asked, record.decision
    reasons = [reason for candidate in decision.candidates for reason in candidate.reasons]
    reasons += [candidate.redacting.refused for candidate in decision.candidates if candidate.redacting is not None]
    return {
        "decision": asked.id,
        "tenant": asked.tenant,
        "classification": asked.labels.classification,
        "residency": asked.labels.residency,
        "rules": sorted({reason.rule or reason.code for reason in reasons if reason.code in ("policy", "scope")}),
        "generation": decision.generation,
    }

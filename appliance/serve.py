"""One request from intake to record: look, decide, run, answer.

Rules kept here:
1. `decide` gets everything by value; nothing here second-guesses it.
2. The answer of a stream is handed to `storing` only when it was sent whole.
3. What detectors find, or found before in its conversation, raises the labels before anything is decided; only a cached
   answer, which was stored because nothing was found in its content, is taken without detectors, and by no conversation
   that carries a label.
4. The most that a request may cost its tenant is set aside when it is decided, is on disk before a path is asked, and
   is settled by `close`; of an execution that several share, by the one who tells what it cost.
5. `close` is called exactly once, and writes the record, also for a request whose client went away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal

from appliance.begun import Begun, executing
from appliance.cache.exact import PATH_ID as EXACT
from appliance.cache.exact import Entry, cacheable, key_of
from appliance.decide import decide
from appliance.decide.labels import raised, to_carry
from appliance.decide.price import price_of
from appliance.errors import BudgetSpent
from appliance.failures import refuse
from appliance.features.count import bounded
from appliance.flight import Executing, Flight, Settlement
from appliance.handing_on import most_beside
from appliance.paths.contract import Counting, Job, PathError
from appliance.recorded import Status, asked_of, ended, row_of
from appliance.records.answer import Answer, Counted
from appliance.records.chunks import Chunk, Done, Usage
from appliance.records.decision import CacheHit, Carried, Decision, Outcome, Snapshot, StepOutcome
from appliance.records.features import Cells, Features
from appliance.records.money import total
from appliance.records.record import Record
from appliance.records.request import Kind, Request
from appliance.records.value import changed
from appliance.respond.collect import Collector, replay
from appliance.respond.headers import HeaderFacts, place_of, weir_headers, why_of
from appliance.semantic import Match, Question
from appliance.snapshot import take_snapshot
from appliance.storing import Made, store
from appliance.tenancy.accounts import Account
from appliance.tenancy.hold import Hold, held

if TYPE_CHECKING:
    from appliance.fleet import Fleet
    from appliance.node import Node

_NOTHING = Features(modality="chat")
_COUNT_S = 5.0  # for a tokenizer that other work may come before


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of a request: its features; where it is a question that may be compared, how it is found later; and
    what stored answer means the same.
    """

    features: Features
    question: Question | None = None
    match: Match | None = None


class Serving:
    """The life of one request. `decided`, then `chunks` or `answer`, then `close`."""

    def __init__(
        self, node: Node, request: Request, fleet: Fleet, account: Account, *, now: float, draw: float
    ) -> None:
        self.request = request
        self.asked = asked_of(request, scope=account.scope)
        self.decision: Decision | None = None
        self.features = _NOTHING
        self.snapshot = Snapshot(now, draw, ())
        self._node = node
        self._account = account
        self._fleet = fleet
        self._generation = fleet.generation
        self._now = now
        self._draw = draw
        self._began = time.perf_counter()
        self._execution: Executing | None = None
        self._flight: Flight | None = None  # where the execution may be shared
        self._settlement = Settlement(())
        self._joined = False  # one that another began
        self._question: Question | None = None
        self._match: Match | None = None
        self._fresh = ""  # the answer that a match is compared with
        self._entry: Entry | None = None
        self._looked = False
        self._erasures = node.cache.erasures.number
        self._carried: Carried | None = None
        self._key = ""
        self._done: Done | None = None
        self._closed = False
        self._running = False
        self._hold: Hold | None = None  # of the tenant's budget
        self._told: Hold | None = None  # that of the flight whose cost this request tells
        self._tokens = 0  # that were counted ahead
        node.accounts.enter(account)
        fleet.enter()

    async def decided(self, *, watched: bool = True) -> Decision:
        """Look at the cache, describe, raise the labels, take the snapshot, decide. Idempotent.

        Not `watched`: it is only to be explained, and counts for nothing.
        """
        self.stored()
        if self.decision is None:
            await self._look_into(watched=watched)
            self._weigh_anew()
        match = self._match
        if self.decision is None and match is not None and match.serve and match.drawn is None:
            self._weigh(match.entry, match.hit(self._now))
        if self.decision is None:
            fleet = self._fleet
            named = fleet.paths.get(self.request.model) if not self.request.models else None
            seen = fleet.paths if named is None else {self.request.model: named}  # the others are out whatever they do
            left = self._account.left(self._now)
            strategies = self._generation.strategies
            if left is not None:
                self.features = bounded(self.request, self.features)
                if strategies is not None and strategies.in_parts and self.request.kind == "chat":
                    self.features = changed(self.features, most_beside_tokens=most_beside(self.request))
            self.snapshot = take_snapshot(
                seen,
                fleet.figures,
                now=self._now,
                draw=self._draw,
                turns=fleet.turns,
                upstreams=fleet.upstreams,
                budget_left=left,
                request=self.request,
            )
            if match is not None and match.drawn is not None:
                self.snapshot = replace(self.snapshot, cache=match.hit(self._now))
            if strategies is not None and strategies.sticky:
                self.asked = changed(self.asked, thread=self._node.conversations.thread(self.request))
            self.decision = decide(self.asked, self.features, self._generation, self.snapshot)
            if self.decision.refusal and match is not None and match.serve:
                self._weigh(match.entry, replace(match.hit(self._now), anew=False))  # nobody can make it anew
            if self._entry is None:
                self._count_ahead(self.decision)
        return self.decision

    async def counted(self) -> Counted | None:
        """How long the prompt is, where the path that would be asked first can say so here, in time. Raises a WeirError
        where the model, or the strategy in its place, is none of this node's.
        """
        decision, request = await self.decided(watched=False), self.request
        if decision.refusal in ("unknown-model", "strategy"):
            self._refuse(decision)
        step = decision.steps[0] if decision.steps else None
        if step is None or step.redacted or step.composition is not None:
            return None  # what it would be shown is made first
        path = self._fleet.paths.get(step.path)
        job = Job(request.id, request.kind, request.messages, tools=request.tools, continues=request.continues)
        try:
            async with asyncio.timeout(_COUNT_S):
                tokens = await path.count(job) if isinstance(path, Counting) else None
        except (PathError, TimeoutError):
            return None
        return None if tokens is None else Counted(tokens, step.path)

    async def _look_into(self, *, watched: bool) -> None:
        """Raise the labels by what detectors find, and describe the request."""
        node = self._node
        findings = await node.examiner.detect(self.request)
        labels, found = raised(self.request.labels, findings, self._generation.detectors, self._carried)
        if found is not None:
            self._key = ""  # neither stored nor said to be a miss
            self.request = replace(self.request, labels=labels)
            self.asked = asked_of(self.request, found, self._account.scope)
        similar = self._key != "" and not findings
        described = await node.examiner.describe(self.request, self._fleet, similar=similar, watched=watched)
        features, self._question, self._match = described.features, described.question, described.match
        self.features = changed(features, findings=findings) if findings else features

    def _count_ahead(self, decision: Decision) -> None:
        """Set aside what the plan may cost at most, all its steps run, and the tokens that it is expected to take."""
        account, features = self._account, self.features
        if decision.steps:
            if self.snapshot.budget_left is not None:
                dear = {c.path: c.estimate.most for c in decision.candidates if c.estimate is not None}
                plan = sum(dear.get(path, 0.0) * times for path, times in decision.calls)
                if decision.steps[0].composition is not None and decision.expected is not None:
                    plan = decision.expected.most
                if any(dear.values()):
                    self._hold = held(account, self.request.id, plan, self._now)
            self._tokens = features.estimated_prompt_tokens + features.estimated_output_tokens
            account.use_tokens(self._tokens)

    def _keep(self) -> None:
        """Have what is set aside written; no call is made before it is."""
        hold, book = self._hold, self._node.book
        if hold is not None:
            row = partial(row_of, self.request, self.features.cells, self._generation, self._now, self.decision)
            hold.grown = lambda grown: book.keep_soon(row(grown))
            hold.written = book.keep(row(hold))

    def _refuse(self, decision: Decision) -> None:
        """Raise the error that a refusal stands for."""
        try:
            refuse(decision, self.asked)
        except BudgetSpent as error:
            self._date(error)
            raise

    def _date(self, error: BudgetSpent) -> None:
        """Say when the budget begins anew."""
        error.retry_after_s = self._account.resets_in(self._now)

    def stored(self) -> Answer | None:
        """The answer from the cache, where there is one and the decision takes it. Looks once."""
        request, node = self.request, self._node
        if not self._looked:
            self._looked = True
            detectors = self._generation.detectors
            self._carried = node.conversations.carried(request, self._now, detectors.sticky_s)
            if self._carried is not None and raised(request.labels, (), detectors, self._carried)[1] is not None:
                return None
            if node.config.cache.enabled and cacheable(request):
                self._key = key_of(request, self._generation.id)
                if request.labels.cache == "default":
                    found = node.cache.look_up(self._key, self._now, request.labels.cache_max_age_s)
                    if found is not None:
                        self._weigh(
                            found, found.hit(self._now), _of_hit(self.request.kind, self.request.stream, found.cells)
                        )
        return self._entry.answer if self._entry is not None else None

    def _weigh_anew(self) -> None:
        """Take an answer that was stored since it was looked for: the request did wait meanwhile."""
        if self._key and self.request.labels.cache == "default":
            now = self._now + (time.perf_counter() - self._began)
            found = self._node.cache.held(self._key, now, self.request.labels.cache_max_age_s)
            if found is not None:
                self._weigh(found, found.hit(now))

    def _weigh(self, entry: Entry, hit: CacheHit, features: Features | None = None) -> None:
        """Decide about a stored answer. Only where it is taken is what was looked at kept."""
        features = self.features if features is None else features
        snapshot = Snapshot(self._now, self._draw, (), hit)
        decision = decide(self.asked, features, self._generation, snapshot)
        if decision.chosen == "cache-hit":
            self.features, self.snapshot, self.decision = features, snapshot, decision
            self._entry, self._done = entry, Done(entry.answer.usage)
            if hit.path != EXACT:
                self._node.cache.used(entry.key)

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The answer as it comes. Raises a WeirError."""
        decision = await self.decided()
        self._carry_on()
        self._refuse(decision)
        if self._entry is not None:
            for chunk in replay(self._entry.answer):
                yield self._seen(chunk)
            return
        self._running = True  # what it costs is not known when the headers of a stream go out
        self._keep()
        try:
            execution, flight = self._begin(decision)
            collector = Collector() if self._key else None
            async with aclosing(execution.chunks() if flight is None else flight.chunks()) as chunks:
                async for chunk in chunks:
                    if collector is not None:
                        collector.feed(chunk)
                    yield self._seen(chunk)
            if collector is not None:
                answer = collector.answer(id=self.request.id, model=execution.path, created=int(self._now))
                self._fresh = answer.choices[0].text if answer.choices else ""
                self._store(answer)
        except BudgetSpent as error:
            self._date(error)
            raise
        finally:
            await self._end()

    async def answer(self) -> Answer:
        """The whole answer. Raises a WeirError."""
        stored = self.stored()
        if stored is not None:
            return stored
        decision = await self.decided()
        self._carry_on()
        self._refuse(decision)
        if self._entry is not None:
            return self._entry.answer
        self._keep()
        try:
            execution, flight = self._begin(decision)
            collector = Collector()
            for chunk in await (execution if flight is None else flight).whole():
                collector.feed(chunk)
                self._seen(chunk)
            answer = collector.answer(id=self.request.id, model=execution.path, created=int(self._now))
            if self._key:
                self._fresh = answer.choices[0].text if answer.choices else ""
                self._store(answer)
            return answer
        except BudgetSpent as error:
            self._date(error)
            raise
        finally:
            await self._end()

    def _carry_on(self) -> None:
        """What was found is remembered of the conversation, whether this request is refused or not."""
        findings, detectors = self.features.findings, self._generation.detectors
        if findings or self._carried is not None:
            carried = to_carry(findings, detectors, self._carried)
            if carried is not None and detectors.sticky_s:
                self._node.conversations.note(self.request, carried, self._now)

    def _begin(self, decision: Decision) -> tuple[Executing, Flight | None]:
        """What runs the decision; and where others may share it, or this request may share that of another, its flight.

        `_end` must follow.
        """
        flights, request = self._node.flights, self.request
        labels = request.labels
        # Who has a deadline would fail with one that began earlier; who wants a young answer, old at the end.
        alone = labels.cache != "default" or labels.deadline_s is not None or labels.cache_max_age_s is not None
        if not self._key or alone:
            self._execution = self._executing(decision)
            return self._execution, None
        key = (self._key, labels, request.preference, request.stream, self.asked.scope)
        flight = flights.find(key)
        if flight is None:
            flight = flights.begin(key, self._executing(decision), whole=not request.stream)
            flight.hold, self._hold = self._hold, None  # whoever tells what it cost settles that
        flight.join()
        self._flight, self._execution, self._joined = flight, flight.execution, flight.joined > 1
        return flight.execution, flight

    async def _end(self) -> None:
        """Learn what it came to."""
        if self._flight is not None:
            self._settlement = await self._flight.leave()
            if not self._settlement.shared:
                self._told, self._flight.hold = self._flight.hold, None

    @property
    def _steps(self) -> tuple[StepOutcome, ...]:
        if self._flight is not None:
            return self._settlement.steps
        return self._execution.outcomes if self._execution is not None else ()

    def _executing(self, decision: Decision) -> Executing:
        begun = Begun(self._node, self._fleet, self._began, self._now, self._account.weight, self._hold)
        return executing(begun, self.request, self.asked, self.features, decision, self.snapshot, self._carried)

    def _seen(self, chunk: Chunk) -> Chunk:
        if isinstance(chunk, Done):
            self._done = chunk
        return chunk

    def _store(self, answer: Answer) -> None:
        """Keep the answer, where it may be given again and nobody who shares it was here first."""
        assert self._execution is not None
        if self._flight is not None and not self._flight.take_storing():
            return
        if self._node.cache.erasures.number != self._erasures:
            return  # something was erased meanwhile, and it may be of that
        now = self._now + (time.perf_counter() - self._began)
        made = Made(answer, self._execution, self.request, self.features, self.decision, self._question, self._key, now)
        store(made, self._node, self._generation)

    # ---- the end --------------------------------------------------------------------------------------------

    @property
    def entry(self) -> Entry | None:
        """The entry of the exact cache whose answer is being served, if one is."""
        return self._entry if self.path == EXACT else None

    @property
    def _hit(self) -> CacheHit | None:
        return self.snapshot.cache if self._entry is not None else None

    @property
    def path(self) -> str:
        """The path whose answer is being served; '' until there is one."""
        if self._hit is not None:
            return self._hit.path
        return self._execution.path if self._execution is not None else ""

    @property
    def model(self) -> str:
        """What the body names as its model: the path that made the answer, also where it came from the cache."""
        return self._entry.answer.model if self._entry is not None else self.path

    def headers(self) -> dict[str, str]:
        """What the response headers say, as far as it is known when they are sent."""
        return weir_headers(self.facts())

    def early_headers(self) -> dict[str, str]:
        """Those of an answer of which nobody knows yet who gives it."""
        facts = self.facts()
        known = HeaderFacts(facts.decision, cache=facts.cache, policy=facts.policy)
        return weir_headers(known)

    def facts(self) -> HeaderFacts:
        """What the response headers say, as far as it is known when they are sent."""
        path = self.path
        card = self._generation.card_by_id.get(path)
        steps = self._steps
        decision, hit, raised_by = self.decision, self._hit, self.asked.raised
        reason: str = decision.chosen if decision is not None else ""
        execution = self._execution
        if execution is not None and execution.below_floor:
            reason = "below-floor"
        elif self._little_expected and execution is not None and path:
            if execution.judgement is None and self.request.stream:  # whose gate may yet accept it
                reason = "pending"
            elif reason == "below-floor":
                reason = "strategy" if decision is not None and decision.strategy else "best-utility"
        if decision is not None and hit is None:
            reason += why_of(decision, path)
        return HeaderFacts(
            decision=self.request.id,
            path=path,
            tier=card.tier if card else "",
            place=place_of(card.place) if card and hit is None else ("local" if hit else ""),
            reason=reason,
            cache=self._cache_word(),
            cache_age_s=hit.age_s if hit else None,
            cache_score=hit.score if hit and hit.path != EXACT else None,
            cost=total(step.cost for step in steps) if hit or (steps and not self._running) else None,
            currency=self._generation.weights.currency,
            device=self._done.device if self._done else "",
            policy=self._generation.id,
            classification=self.request.labels.classification,
            given=raised_by.given if raised_by is not None else "",
            raised_by=raised_by.by if raised_by is not None else (),
            redacted=execution.redacted if execution is not None else (),
        )

    @property
    def _little_expected(self) -> bool:
        """Whether only a gate can say that what the plan, or the path that was named, answers is good enough."""
        decision = self.decision
        if decision is None or decision.expected is None or decision.chosen not in ("below-floor", "named"):
            return False
        return decision.below_floor or decision.expected.p_good_low < decision.floor

    def _cache_word(self) -> Literal["hit", "shared", "miss", "bypass"]:
        if self._hit is not None:
            return "hit"
        if self._joined:
            return "shared"
        return "miss" if self._key and self.request.labels.cache == "default" else "bypass"

    def explained(self, decision: Decision) -> dict[str, object]:
        """The decision with what it was made from, in the form of a record without outcome."""
        return {
            "decision_id": self.request.id,
            "asked": self.asked,
            "features": self.features,
            "snapshot": self.snapshot,
            "decision": decision,
        }

    def drop(self) -> None:
        """End a request that was only to be explained: no record."""
        if not self._closed:
            self._closed = True
            self._leave(0)

    def close(self, error: BaseException | None = None, http_status: int = 200) -> None:
        """Write the record. `error` is what ended the request early, if anything."""
        if self._closed:
            return
        self._closed = True
        tokens = 0
        try:
            record = self.record(error, http_status)
            tokens = sum(step.prompt_tokens + step.completion_tokens for step in record.outcome.steps)
            for step in record.outcome.steps:
                if not step.shared:
                    self._node.tally.note_step(step, self._fleet)
            self._node.tally.note(record, [hold.id for hold in self._holds() if hold.written is not None])
        finally:
            self._leave(tokens)  # after what was set aside was counted as spent: nobody may see it as neither
        if self._match is not None and self._match.drawn is not None:
            self._node.comparisons.begin(self._match, self._fresh, self.request, self._fleet)

    def _leave(self, tokens: int) -> None:
        """Give the place free; from now on what was used counts, not what was expected."""
        account = self._account
        self._node.accounts.leave(account)
        self._fleet.leave()
        for hold in self._holds():
            hold.release()
        account.use_tokens(tokens - self._tokens)

    def _holds(self) -> list[Hold]:
        """What this request has to settle: what it set aside, and that of the flight whose cost it tells."""
        return [hold for hold in (self._hold, self._told) if hold is not None]

    def record(self, error: BaseException | None = None, http_status: int = 200) -> Record:
        """What there is to record, were it to end now."""
        decision = self.decision
        if decision is None:
            decision = Decision(self.request.id, self._generation.id, "undecided")
        outcome = self._outcome(error, http_status)
        return Record(self.request.id, self._now, self.asked, self.features, self.snapshot, decision, outcome)

    def _outcome(self, error: BaseException | None, http_status: int) -> Outcome:
        execution, hit = self._execution, self._hit
        seconds = time.perf_counter() - self._began
        steps: tuple[StepOutcome, ...] = ()
        below, cost = False, 0.0
        if hit is not None:
            steps = (StepOutcome(hit.path, "answered", first_token_s=seconds, seconds=seconds),)
        elif execution is not None:
            steps, below = self._steps, execution.below_floor
            cost = total(step.cost for step in steps)
        status: Status = "answered"
        code = ""
        if error is not None:
            status, code, http_status = ended(error)
            if status == "failed" and self.decision is not None and self.decision.refusal != "":
                status = "refused"
        path = self.path if status == "answered" else ""
        card = self._generation.card_by_id.get(path)
        return Outcome(
            status=status,
            path=path,
            tier=card.tier if card else "",
            steps=steps,
            seconds=seconds,
            cost=cost,
            frontier_cost=self._frontier_cost() if status == "answered" else 0.0,
            below_floor=below,
            error_code=code,
            http_status=http_status,
            currency=self._generation.weights.currency,
        )

    def _frontier_cost(self) -> float:
        """What the same tokens cost at the named frontier model, nothing of them cached there."""
        used = self._done.usage if self._done is not None else Usage()
        alike = Usage(used.prompt_tokens, used.completion_tokens)
        return price_of(self._generation.weights.frontier.price, alike)


@lru_cache(maxsize=256)
def _of_hit(kind: Kind, stream: bool, cells: Cells) -> Features:
    """A stored answer is served without a look at the text: what it is about is known of who asked first."""
    return Features(modality=kind, stream=stream, cells=cells)

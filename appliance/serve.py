"""One request from intake to record: look, decide, run, answer.

Rules kept here:
1. `decide` gets everything by value; nothing here second-guesses it.
2. The answer of a stream is stored only when it is complete, accepted and was sent whole.
3. What detectors find raises the labels before anything is decided; only a cached answer, which was stored because
   its content raised nothing, is taken without them.
4. `close` is called exactly once, and writes the record, also for a request whose client went away.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from appliance.cache.exact import cacheable, key_of
from appliance.decide import decide
from appliance.decide.estimate import price_of
from appliance.decide.generation import Generation
from appliance.decide.labels import raised
from appliance.errors import PolicyRefused, WeirError
from appliance.execute import Execution, refuse
from appliance.records.answer import Answer
from appliance.records.card import Place
from appliance.records.chunks import Chunk, Done, Usage
from appliance.records.decision import Asked, CacheHit, Decision, Outcome, Raised, Snapshot, StepOutcome
from appliance.records.features import Features
from appliance.records.record import Record
from appliance.records.request import Request
from appliance.respond.collect import Collector, replay
from appliance.respond.headers import HeaderFacts
from appliance.snapshot import take_snapshot

if TYPE_CHECKING:
    from appliance.node import Node

Status = Literal["answered", "refused", "failed", "cancelled"]
_NOTHING = Features(modality="chat")


class Serving:
    """The life of one request. `decided`, then `chunks` or `answer`, then `close`."""

    def __init__(self, node: Node, request: Request, generation: Generation, *, now: float, draw: float) -> None:
        self.request = request
        self.decision: Decision | None = None
        self.features = _NOTHING
        self.snapshot = Snapshot(now, draw, ())
        self._node = node
        self._generation = generation
        self._now = now
        self._draw = draw
        self._began = time.perf_counter()
        self._execution: Execution | None = None
        self._cached: Answer | None = None
        self._hit: CacheHit | None = None
        self._key = ""
        self._raised: Raised | None = None
        self._done: Done | None = None
        self._closed = False
        self._running = False
        node.active += 1

    async def decided(self) -> Decision:
        """Look at the cache, describe, raise the labels, take the snapshot, decide. Idempotent."""
        if self.decision is not None:
            return self.decision
        request, node = self.request, self._node
        asked = asked_of(self.request)
        if node.config.cache.enabled and cacheable(request):
            self._key = key_of(request, self._generation.id)
            if request.labels.cache == "default":
                found = node.cache.look_up(self._key, self._now, request.labels.cache_max_age_s)
                taken = None if found is None else self._from_cache(asked, *found)
                if taken is not None:
                    return taken
        findings = await node.detect(request)
        labels, self._raised = raised(request.labels, findings, self._generation.detectors)
        if self._raised is not None:
            self._key = ""  # neither stored nor said to be a miss
            request = self.request = replace(request, labels=labels)
            asked = asked_of(request, self._raised)
        self.features = replace(await node.describe(request), findings=findings)
        self.snapshot = take_snapshot(node.paths, node.figures, now=self._now, draw=self._draw)
        self.decision = decide(asked, self.features, self._generation, self.snapshot)
        return self.decision

    def _from_cache(self, asked: Asked, hit: CacheHit, answer: Answer) -> Decision | None:
        """The decision where it takes the stored answer. Only then is what was looked at kept."""
        features = Features(modality=self.request.kind, stream=self.request.stream)
        snapshot = Snapshot(self._now, self._draw, (), hit)
        decision = decide(asked, features, self._generation, snapshot)
        if decision.chosen != "cache-hit":
            return None
        self.features, self.snapshot, self.decision = features, snapshot, decision
        self._hit, self._cached = hit, answer
        return decision

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The answer as it comes. Raises a WeirError."""
        decision = await self.decided()
        refuse(decision)
        if self._cached is not None:
            for chunk in replay(self._cached):
                yield self._seen(chunk)
            return
        self._running = True  # what it costs is not known when the headers of a stream go out
        execution = Execution(
            self.request, self.features, decision, self._generation, self._node.paths, began=self._began
        )
        self._execution = execution
        collector = Collector() if self._key else None
        async with aclosing(execution.chunks()) as chunks:
            async for chunk in chunks:
                if collector is not None:
                    collector.feed(chunk)
                yield self._seen(chunk)
        if collector is not None:
            self._store(collector.answer(id=self.request.id, model=execution.path, created=int(self._now)))

    async def answer(self) -> Answer:
        """The whole answer. Raises a WeirError."""
        decision = await self.decided()
        refuse(decision)
        if self._cached is not None:
            self._done = Done(self._cached.usage)
            return self._cached
        execution = Execution(
            self.request, self.features, decision, self._generation, self._node.paths, began=self._began
        )
        self._execution = execution
        collector = Collector()
        async with aclosing(execution.chunks()) as chunks:
            async for chunk in chunks:
                collector.feed(chunk)
                self._seen(chunk)
        answer = collector.answer(id=self.request.id, model=execution.path, created=int(self._now))
        if self._key:
            self._store(answer)
        return answer

    def _seen(self, chunk: Chunk) -> Chunk:
        if isinstance(chunk, Done):
            self._done = chunk
        return chunk

    def _store(self, answer: Answer) -> None:
        execution = self._execution
        assert execution is not None
        judged = execution.judgement
        complete = all(choice.finish_reason == "stop" and choice.text for choice in answer.choices)
        if not complete or execution.below_floor or judged is None or not judged.accepted:
            return
        now = self._now + (time.perf_counter() - self._began)
        self._node.cache.store(
            self._key, self.request.tenant, answer, origin=execution.path, p_good=self._proven(judged.p_good), now=now
        )

    def _proven(self, judged: float) -> float:
        """What a later caller may count on: the floor that was met, not the hope that was higher."""
        return judged if self.decision is None else min(judged, self.decision.floor)

    # ---- the end --------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The path whose answer is being served; '' until there is one."""
        if self._hit is not None:
            return self._hit.path
        return self._execution.path if self._execution is not None else ""

    @property
    def model(self) -> str:
        """What the body names as its model: the path that made the answer, also where it came from the cache."""
        return self._cached.model if self._cached is not None else self.path

    def facts(self) -> HeaderFacts:
        """What the response headers say, as far as it is known when they are sent."""
        path = self.path
        card = self._generation.card_by_id.get(path)
        steps = self._execution.outcomes if self._execution is not None else ()
        decision, hit = self.decision, self._hit
        reason: str = decision.chosen if decision is not None else ""
        execution = self._execution
        if execution is not None and execution.below_floor:
            reason = "below-floor"
        elif reason == "below-floor" and execution is not None and execution.judgement is not None:
            reason = "best-utility"  # less was expected of the plan than its gate then accepted
        return HeaderFacts(
            decision=self.request.id,
            path=path,
            tier=card.tier if card else "",
            place=_place(card.place) if card and hit is None else ("local" if hit else ""),
            reason=reason,
            cache="hit" if hit else ("miss" if self._key and self.request.labels.cache == "default" else "bypass"),
            cache_age_s=hit.age_s if hit else None,
            cost=sum(step.cost for step in steps) if hit or (steps and not self._running) else None,
            currency=self._generation.weights.currency,
            device=self._done.device if self._done else "",
            policy=self._generation.id,
            classification=self.request.labels.classification,
            given=self._raised.given if self._raised is not None else "",
            raised_by=self._raised.by if self._raised is not None else (),
        )

    def explained(self, decision: Decision) -> dict[str, object]:
        """The decision with what it was made from, in the form of a record without outcome."""
        return {
            "decision_id": self.request.id,
            "asked": asked_of(self.request, self._raised),
            "features": self.features,
            "snapshot": self.snapshot,
            "decision": decision,
        }

    def drop(self) -> None:
        """End a request that was only to be explained: no record."""
        if not self._closed:
            self._closed = True
            self._node.active -= 1

    def close(self, error: BaseException | None = None, http_status: int = 200) -> None:
        """Write the record. `error` is what ended the request early, if anything."""
        if self._closed:
            return
        self._closed = True
        self._node.active -= 1
        decision = self.decision
        if decision is None:
            decision = Decision(self.request.id, self._generation.id, "undecided")
        outcome = self._outcome(error, http_status)
        for step in outcome.steps:
            self._node.note_step(step)
        self._node.note(
            Record(
                self.request.id,
                self._now,
                asked_of(self.request, self._raised),
                self.features,
                self.snapshot,
                decision,
                outcome,
            )
        )

    def _outcome(self, error: BaseException | None, http_status: int) -> Outcome:
        execution, hit = self._execution, self._hit
        seconds = time.perf_counter() - self._began
        steps = execution.outcomes if execution is not None else ()
        if hit is not None:
            steps = (StepOutcome(hit.path, "answered", first_token_s=seconds, seconds=seconds),)
        status: Status = "answered"
        code = ""
        if error is not None:
            status, code, http_status = ended(error)
            if status == "failed" and self.decision is not None and self.decision.refusal != "":
                status = "refused"
        usage = self._done.usage if self._done is not None else Usage()
        path = self.path if status == "answered" else ""
        card = self._generation.card_by_id.get(path)
        return Outcome(
            status=status,
            path=path,
            tier=card.tier if card else "",
            steps=steps,
            seconds=seconds,
            cost=sum(step.cost for step in steps),
            frontier_cost=price_of(
                self._generation.weights.frontier.price, usage.prompt_tokens, 0, usage.completion_tokens
            )
            if status == "answered"
            else 0.0,
            below_floor=execution.below_floor if execution is not None else False,
            error_code=code,
            http_status=http_status,
        )


def asked_of(request: Request, raised_by: Raised | None = None) -> Asked:
    """The part of a request that decides and may be recorded."""
    return Asked(
        request.id,
        request.kind,
        request.model,
        request.preference,
        request.labels,
        request.tenant,
        request.n,
        raised_by,
    )


def ended(error: BaseException) -> tuple[Status, str, int]:
    """Status, code and HTTP status of a request that this error ended."""
    if isinstance(error, WeirError):
        return ("refused" if isinstance(error, PolicyRefused) else "failed"), error.code, error.status
    if isinstance(error, Exception) and not isinstance(error, ConnectionError):
        return "failed", WeirError.code, WeirError.status
    return "cancelled", "client_closed_request", 499


def _place(place: Place) -> str:
    return "/".join(name for name in (place.region, place.country, place.site, place.node) if name)

"""Run a decision: the only caller of paths.

Rules kept here:
1. Only steps that `next_step` yields are run, so nothing runs that `decide` did not find eligible.
2. A step whose answer may still be sent back is buffered until judged; a step that cannot be followed streams at once.
   A caller who wants no stream gets nothing before the end, so nothing is ever lost by buffering there.
3. After the first byte went out a failing path ends in an honest error; never a silent restart.
4. Where every step failed or was judged too weak, the best weak answer is served and marked, unless the caller
   forbade it.
5. Whatever happens, `outcomes` tells it, cancelled clients included.
6. A step waits for its turn at the path, fairly between tenants, and on this host before that until what it may cost is
   on disk; both count against the deadline.
7. Whatever a step sends, it sends on behalf of its decision; the door writes that down before it lets it out.
8. A step that may have the request redacted only is never sent anything else. What cannot be redacted is not sent.
   What is judged, served and stored is the answer with its placeholders put back.
9. Where the decision has a hedge, its path is asked as well if the first says nothing in time; one of them is heard.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import lru_cache, partial
from typing import Any

from appliance.decide import next_step
from appliance.decide.candidates import kinds_of
from appliance.decide.generation import Generation
from appliance.errors import NotGoodEnough
from appliance.failures import broken_off, failed, refuse
from appliance.paths.contract import Chunk, ExecutionPath, Job, Meter, PathError
from appliance.paths.prefixes import salt_of
from appliance.race import Race
from appliance.records.decision import Decision, Judgement, Step, StepOutcome
from appliance.records.departure import Departure, settled
from appliance.records.features import Features, FindingKind
from appliance.records.request import Request, text_field
from appliance.redact import NotRedactable, Redaction
from appliance.run import Run
from appliance.tenancy.hold import Hold
from appliance.turns import Turns
from appliance.upstreams import Upstream

Clock = Callable[[], float]
Redact = Callable[[Request, Features], Awaitable[Redaction]]


class Execution:
    """One run of one decision. Iterate `chunks` to its end, then read the rest."""

    def __init__(
        self,
        request: Request,
        features: Features,
        decision: Decision,
        generation: Generation,
        paths: Mapping[str, ExecutionPath],
        clock: Clock = time.perf_counter,
        *,
        began: float | None = None,  # by `clock`, where the deadline counts from; None: now
        now: float | None = None,  # Unix seconds at which policy was asked
        turns: Mapping[str, Turns] | None = None,  # by path; who is not in it takes what comes
        upstreams: Mapping[str, Upstream] | None = None,  # by path; who is not in it is asked once, and always
        draw: Callable[[], float] = random.random,  # uniform in [0, 1)
        weight: int = 1,  # of the tenant where a path is contended
        redact: Redact | None = None,  # None: nothing can be redacted
        purse: Hold | None = None,  # what pays for its calls; None: they need not be paid for
    ) -> None:
        self.request = request
        self.features = features
        self.decision = decision
        self.generation = generation
        self.paths = paths
        self.clock = clock
        self._now = now
        self.turns = turns or {}
        self.upstreams = upstreams or {}
        self.draw = draw
        self._weight = weight
        self._redact = redact
        self.purse = purse
        self._redaction: Redaction | PathError | None = None
        self._began = clock() if began is None else began
        self._may_serve_below = request.labels.below_floor == "serve"
        self.outcomes: tuple[StepOutcome, ...] = ()
        self.path = ""  # the path whose answer is being served
        self.redacted: tuple[tuple[FindingKind, int], ...] = ()  # what was replaced in what that path was sent
        self.below_floor = decision.below_floor
        self.judgement: Judgement | None = None
        self._weak: list[tuple[float, str, list[Chunk]]] = []

    def left_s(self) -> float | None:
        """Seconds until the caller's deadline; None where there is none."""
        deadline = self.request.labels.deadline_s
        return None if deadline is None else deadline - (self.clock() - self._began)

    def _late(self) -> bool:
        left = self.left_s()
        return left is not None and left <= 0

    async def whole(self) -> list[Chunk]:
        """The served answer, for a caller who wants no stream. Raises a WeirError where there is none."""
        refuse(self.decision)
        while (runner := self._next_run()) is not None:
            try:
                chunks = [chunk async for chunk in runner.chunks()]
            finally:
                run = self._ended(runner)
            if self._served_by(run):
                return chunks
        return self._best_of_the_weak()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The same chunk by chunk, as it comes. Raises a WeirError also where it breaks off."""
        refuse(self.decision)
        while (runner := self._next_run()) is not None:
            try:
                async with aclosing(runner.chunks()) as chunks:
                    async for chunk in chunks:
                        yield chunk
            finally:
                run = self._ended(runner)
            if self._served_by(run):
                return
        for chunk in self._best_of_the_weak():
            yield chunk

    def _next_run(self) -> Run | Race | None:
        """What is tried next; None where nothing is left, or no time."""
        step = next_step(self.decision, self.outcomes)
        if step is None or self._late():
            return None
        run, hedge = self._run(step), self.decision.hedge
        if hedge is None or self.outcomes:
            return run
        return Race(run, hedge.after_s, partial(self._hedge, hedge.step))

    def _run(self, step: Step) -> Run:
        return Run(self, step, hold=self._must_hold(step))

    def _hedge(self, step: Step) -> Run | None:
        """The run of a second path, where that can take it now."""
        upstream = self.upstreams.get(step.path)
        refused = step.path not in self.paths or (upstream is not None and upstream.refuses())
        return None if refused or self._late() else self._run(step)

    def _ended(self, runner: Run | Race) -> Run:
        """The run that counts, after what it came to was told, and the other's of a race."""
        if isinstance(runner, Run):
            run = runner
        else:
            run = runner.heard
            if runner.stopped is not None:
                self.outcomes += (runner.stopped.outcome(),)
        self.outcomes += (run.outcome(),)
        return run

    def serves(self, path: str, redacted: tuple[tuple[FindingKind, int], ...]) -> None:
        """It is the answer of this path that is given out, and this was replaced in what it was sent."""
        self.path, self.redacted = path, redacted

    def _served_by(self, run: Run) -> bool:
        """Whether this run answered. Raises where it broke off after something of it was sent."""
        if run.status == "rejected":
            self._weak.append((run.judgement.p_good if run.judgement else 0.0, run.step.path, run.held))
        elif run.status != "answered" and run.given:
            raise broken_off(self.outcomes)
        return run.status == "answered"

    def _best_of_the_weak(self) -> list[Chunk]:
        """What is served where no run answered. Raises a WeirError where nothing is."""
        weak = self._weak
        if not weak:
            raise failed(self.outcomes, text_field(self.request))
        if not self._may_serve_below:
            raise NotGoodEnough(
                "No permitted path gave an answer that meets the quality floor.",
                next_step="Without X-Weir-Below-Floor: refuse the node may answer and mark it, if allowed to.",
                details=tuple(f"{path}: judged {p:.2f}" for p, path, _ in weak),
            )
        _, self.path, held = max(weak, key=lambda item: item[0])
        self.below_floor = True
        served = next(outcome for outcome in self.outcomes if outcome.path == self.path)
        self.judgement, self.redacted = served.judgement, served.redacted
        return held

    def _must_hold(self, step: Step) -> bool:
        """Whether the answer may still be sent back after it was judged."""
        if step.gate == "":  # it can be wrong in form only; no stream is delayed for that
            return not self.request.stream and (not self._may_serve_below or bool(self._weak))
        # The last of several weak answers competes with those before it, where that delays no stream.
        rivals = not self.request.stream and any(outcome.status == "rejected" for outcome in self.outcomes)
        return not self._may_serve_below or rivals or self._follows(step)

    def _follows(self, step: Step) -> bool:
        imagined = StepOutcome(step.path, "rejected")
        return next_step(self.decision, (*self.outcomes, imagined)) is not None

    def has_another(self, step: Step) -> bool:
        """Whether another path could answer if this step's fails."""
        outcomes = (*self.outcomes, StepOutcome(step.path, "failed"))
        while (other := next_step(self.decision, outcomes)) is not None:
            upstream = self.upstreams.get(other.path)
            if other.path in self.paths and (upstream is None or not upstream.refuses()):
                return True
            outcomes += (StepOutcome(other.path, "failed"),)
        return False

    async def take_turn(self, turns: Turns) -> None:
        """Wait until the path takes this request. Raises PathError."""
        request = self.request
        try:
            async with asyncio.timeout(self.left_s()):
                await turns.take(request.tenant, self._weight, request.n)
        except TimeoutError:
            raise PathError("timeout", "The job's time ran out before its turn came.", sent=False) from None

    async def wait(self, written: asyncio.Future[None]) -> None:
        """Wait until what it may cost is on disk. Raises PathError."""
        try:
            async with asyncio.timeout(self.left_s()):
                await settled(written)
        except TimeoutError:
            raise PathError("timeout", "The job's time ran out before its cost was set aside.", sent=False) from None

    async def redaction(self) -> Redaction:
        """What is sent in the request's place where a step may have it redacted only. Raises PathError."""
        if self._redaction is None:
            try:
                if self._redact is None:
                    raise NotRedactable("nobody here redacts")
                async with asyncio.timeout(self.left_s()):
                    self._redaction = await self._redact(self.request, self.features)
            except TimeoutError:
                raise PathError("timeout", "The job's time ran out while it was redacted.", sent=False) from None
            except NotRedactable as error:
                self._redaction = PathError("redaction", f"It may be sent redacted only, and cannot be: {error}.")
        if isinstance(self._redaction, PathError):
            raise self._redaction
        return self._redaction

    def departure(self, step: Step, redaction: Redaction | None) -> Departure:
        """What the audit is told of whatever this step sends."""
        request, generation = self.request, self.generation
        card, labels = generation.card_by_id[step.path], request.labels
        if redaction is None:
            made = generation.policy.permitting(card, labels, self._now, request.tenant, kinds_of(self.features))
        else:
            why = next(candidate.redacting for candidate in self.decision.candidates if candidate.path == step.path)
            made = why.rules if why is not None else ()
        rules = _stated(generation.policy.id, made)
        return Departure(
            decision=request.id,
            tenant=request.tenant,
            classification=labels.classification,
            residency=labels.residency,
            path=step.path,
            tier=card.tier,
            place=card.place,
            rules=rules,
            generation=generation.id,
            redacted=None if redaction is None else redaction.found,
        )

    def job(self, step: Step, hold: bool, redaction: Redaction | None, meter: Meter, member: int) -> Job:
        """What the path of this step is asked to do."""
        request = self.request if redaction is None else redaction.request
        card, left = self.generation.card_by_id[step.path], self.left_s()
        # What is told piece by piece can be counted, and compared with another's, before it is whole.
        piecewise = self.decision.hedge is not None or (card.endpoint is not None and card.endpoint.continuous_usage)
        return Job(
            id=request.id,
            kind=request.kind,
            messages=request.messages,
            prompt=request.prompt,
            inputs=request.inputs,
            sampling=request.sampling,
            format=request.format,
            tools=request.tools,
            tool_choice=request.tool_choice,
            parallel_tool_calls=request.parallel_tool_calls,
            thinking=request.thinking,
            continues=request.continues,
            n=request.n,
            signals=step.gate != "" and card.capabilities.signals,
            stream=piecewise or (request.stream and not hold),
            deadline_s=None if left is None else max(0.0, left),
            tenant_salt=salt_of(self.request),
            tenant=self.request.tenant,
            labels=self.request.labels,
            forwarded=_passed_on(request),
            meter=meter,
            member=member,
        )


@lru_cache(maxsize=1024)
def _stated(policy: str, rules: tuple[str, ...]) -> tuple[str, ...]:
    """Rules as the audit names them."""
    return tuple(f"{policy}:{rule}" for rule in rules)


def _passed_on(request: Request) -> dict[str, Any]:
    """What is passed on; the length of a vector is asked for by the name that the wire has for it, and a tenant's key
    for reuse is made into one that no other tenant can name.
    """
    out = request.forwarded
    if "prompt_cache_key" in out:
        out = {**out, "prompt_cache_key": salt_of(request)}
    return out if request.dimensions is None else {**out, "dimensions": request.dimensions}

"""Run a decision: the only caller of paths.

Rules kept here:
1. Only steps that `next_step` yields are run, so nothing runs that `decide` did not find eligible.
2. A step whose answer may still be sent back is buffered until judged; a step that cannot be followed streams at once.
   A caller who wants no stream gets nothing before the end, so nothing is ever lost by buffering there.
3. After the first byte went out a failing path ends in an honest error; never a silent restart.
4. Where every step failed or was judged too weak, the best weak answer is served and marked, unless the caller
   forbade it.
5. Whatever happens, `outcomes` tells it, cancelled clients included.
6. A step waits for its turn at the path, fairly between tenants; the wait counts against the deadline.
7. Whatever a step sends, it sends on behalf of its decision; the door writes that down before it lets it out.
8. A step that may have the request redacted only is never sent anything else. What cannot be redacted is not sent.
   What is judged, served and stored is the answer with its placeholders put back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from typing import Any

from appliance.decide import next_step
from appliance.decide.candidates import kinds_of
from appliance.decide.estimate import p_good, price_of
from appliance.decide.generation import Generation
from appliance.errors import (
    AuditUnavailable,
    BadRequest,
    BudgetSpent,
    ContextTooLong,
    NoCapacity,
    NotGoodEnough,
    PolicyRefused,
    PreferenceUnmet,
    UnknownModel,
    Unsupported,
    UpstreamFailed,
    WeirError,
)
from appliance.judge import judge
from appliance.paths.contract import (
    Chunk,
    Done,
    ExecutionPath,
    Job,
    PathError,
    Signals,
    Text,
    ToolCall,
    Usage,
    Vector,
)
from appliance.paths.prefixes import salt_of
from appliance.records.decision import Candidate, Decision, Judgement, Step, StepOutcome
from appliance.records.departure import Departure, departing
from appliance.records.features import Features, FindingKind
from appliance.records.request import Request
from appliance.redact import NotRedactable, Redaction, Restorer, restored
from appliance.turns import Turns

Clock = Callable[[], float]
# Faults of a path that may have computed something before it failed.
_MAY_HAVE_WORKED = frozenset({"timeout", "broken_stream", "internal"})
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
        weight: int = 1,  # of the tenant where a path is contended
        redact: Redact | None = None,  # None: nothing can be redacted
    ) -> None:
        self._request = request
        self._features = features
        self._decision = decision
        self._generation = generation
        self._paths = paths
        self._clock = clock
        self._now = now
        self._turns = turns or {}
        self._weight = weight
        self._redact = redact
        self._redaction: Redaction | PathError | None = None
        self._began = clock() if began is None else began
        self._may_serve_below = request.labels.below_floor == "serve"
        self.outcomes: tuple[StepOutcome, ...] = ()
        self.path = ""  # the path whose answer is being served
        self.redacted: tuple[tuple[FindingKind, int], ...] = ()  # what was replaced in what that path was sent
        self.below_floor = decision.below_floor
        self.judgement: Judgement | None = None
        self._weak: list[tuple[float, str, list[Chunk]]] = []

    def _late(self) -> bool:
        deadline = self._request.labels.deadline_s
        return deadline is not None and self._clock() - self._began >= deadline

    async def whole(self) -> list[Chunk]:
        """The served answer, for a caller who wants no stream. Raises a WeirError where there is none."""
        refuse(self._decision)
        while (run := self._next_run()) is not None:
            try:
                chunks = await run.kept()
            finally:
                self.outcomes += (run.outcome(),)
            if self._served_by(run):
                return chunks
        return self._best_of_the_weak()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The same chunk by chunk, as it comes. Raises a WeirError also where it breaks off."""
        refuse(self._decision)
        while (run := self._next_run()) is not None:
            try:
                if run.keep:
                    for chunk in await run.kept():
                        yield chunk
                else:
                    async with aclosing(run.chunks()) as chunks:
                        async for chunk in chunks:
                            yield chunk
            finally:
                self.outcomes += (run.outcome(),)
            if self._served_by(run):
                return
        for chunk in self._best_of_the_weak():
            yield chunk

    def _next_run(self) -> _Run | None:
        """What is tried next; None where nothing is left, or no time."""
        step = next_step(self._decision, self.outcomes)
        return None if step is None or self._late() else _Run(self, step, hold=self._must_hold(step))

    def _served_by(self, run: _Run) -> bool:
        """Whether this run answered. Raises where it broke off after something of it was sent."""
        if run.status == "rejected":
            self._weak.append((run.judgement.p_good if run.judgement else 0.0, run.step.path, run.held))
        elif run.status != "answered" and run.sent:
            raise _broken(self.outcomes)
        return run.status == "answered"

    def _best_of_the_weak(self) -> list[Chunk]:
        """What is served where no run answered. Raises a WeirError where nothing is."""
        weak = self._weak
        if not weak:
            raise failed(self.outcomes)
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
            return not self._request.stream and (not self._may_serve_below or bool(self._weak))
        # The last of several weak answers competes with those before it, where that delays no stream.
        rivals = not self._request.stream and any(outcome.status == "rejected" for outcome in self.outcomes)
        return not self._may_serve_below or rivals or self._follows(step)

    def _follows(self, step: Step) -> bool:
        imagined = StepOutcome(step.path, "rejected")
        return next_step(self._decision, (*self.outcomes, imagined)) is not None

    async def take_turn(self, turns: Turns) -> None:
        """Wait until the path takes this request. Raises PathError."""
        request = self._request
        deadline = request.labels.deadline_s
        left = None if deadline is None else deadline - (self._clock() - self._began)
        try:
            async with asyncio.timeout(left):
                await turns.take(request.tenant, self._weight, request.n)
        except TimeoutError:
            raise PathError("timeout", "The job's time ran out before its turn came.") from None

    async def redaction(self) -> Redaction:
        """What is sent in the request's place where a step may have it redacted only. Raises PathError."""
        if self._redaction is None:
            try:
                if self._redact is None:
                    raise NotRedactable("nobody here redacts")
                self._redaction = await self._redact(self._request, self._features)
            except NotRedactable as error:
                self._redaction = PathError("redaction", f"It may be sent redacted only, and cannot be: {error}.")
        if isinstance(self._redaction, PathError):
            raise self._redaction
        return self._redaction

    def departure(self, step: Step, redaction: Redaction | None) -> Departure:
        """What the audit is told of whatever this step sends."""
        request, generation = self._request, self._generation
        card, labels = generation.card_by_id[step.path], request.labels
        if redaction is None:
            made = generation.policy.permitting(card, labels, self._now, request.tenant, kinds_of(self._features))
        else:
            why = next(candidate.redacting for candidate in self._decision.candidates if candidate.path == step.path)
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

    def job(self, step: Step, hold: bool, redaction: Redaction | None) -> Job:
        request = self._request if redaction is None else redaction.request
        deadline = request.labels.deadline_s
        left = None if deadline is None else max(0.0, deadline - (self._clock() - self._began))
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
            n=request.n,
            signals=step.gate != "" and self._generation.card_by_id[step.path].capabilities.signals,
            stream=request.stream and not hold,
            deadline_s=left,
            tenant_salt=salt_of(self._request),
            forwarded=_passed_on(request),
        )


class _Run:
    """One step: what it said, how long it took, how it was judged."""

    def __init__(self, execution: Execution, step: Step, *, hold: bool) -> None:
        self._execution = execution
        self.step = step
        self._hold = hold
        self.keep = hold or not execution._request.stream  # and give it out at its end alone
        self._began = execution._clock()
        self._first: float | None = None
        self._fault: PathError | None = None
        self._done: Done | None = None
        self._signals: Signals | None = None
        self._text: dict[int, list[str]] = {}
        self._called_tools: set[int] = set()
        self._tokens = 0
        self._turns: Turns | None = None  # where this run has its turn
        self._handed = False  # whether the path was asked
        self.redacted: tuple[tuple[FindingKind, int], ...] = ()
        self.status: str = "cancelled"  # until it comes to an end of its own
        self.held: list[Chunk] = []
        self.sent = False
        self.judgement: Judgement | None = None

    async def kept(self) -> list[Chunk]:
        """The whole answer, where it is one that is served."""
        path = self._path()
        if path is None:
            return []
        try:
            stream, departure = await self._opened(path)
            with departing(departure):
                try:
                    async for chunk in stream:
                        self._note(chunk)
                        self.held.append(chunk)
                finally:
                    await _close(stream)
        except PathError as error:
            self._fail(error)
            return []
        finally:
            self._leave()
        if not self._has_ended():
            return []
        self._settle()
        if self.status != "answered":
            return []
        self._execution.path, self._execution.redacted = self.step.path, self.redacted
        return [chunk for chunk in self.held if not isinstance(chunk, Signals)]

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The answer as it comes."""
        path = self._path()
        if path is None:
            return
        self._execution.path, self._execution.redacted = self.step.path, ()
        try:
            stream, departure = await self._opened(path)
            self._execution.redacted = self.redacted
            with departing(departure):
                try:
                    async for chunk in stream:
                        self._note(chunk)
                        if not isinstance(chunk, Signals):
                            self.sent = self.sent or not isinstance(chunk, Done)
                            if isinstance(chunk, Done):
                                self._settle()
                            yield chunk
                finally:
                    await _close(stream)
        except PathError as error:
            self._fail(error)
            return
        finally:
            self._leave()
        self._has_ended()

    def _path(self) -> ExecutionPath | None:
        path = self._execution._paths.get(self.step.path)
        if path is None:
            self._fail(PathError("unavailable", "the path is not running"))
        return path

    async def _opened(self, path: ExecutionPath) -> tuple[AsyncIterator[Chunk], Departure]:
        """The path's stream, and on whose behalf it sends: what is to be redacted is, and the path's turn has come.

        `_leave` must follow. Raises PathError.
        """
        execution, step = self._execution, self.step
        redaction: Redaction | None = None
        if step.redacted:
            redaction = await execution.redaction()
            self.redacted = redaction.found
        turns = execution._turns.get(step.path)
        if turns is not None:
            if not turns.free(execution._request.n):
                await execution.take_turn(turns)
            self._turns = turns
        stream = path.stream(execution.job(step, self._hold, redaction))
        if redaction is not None:
            in_json = execution._request.format.kind in ("json_object", "json_schema")
            stream = restored(stream, Restorer(redaction.back, in_json=in_json))
        departure = execution.departure(step, redaction)
        self._handed = True
        return stream, departure

    def _leave(self) -> None:
        """Let others have their turn."""
        if self._turns is not None:
            self._turns.done(self._execution._request.n)
            self._turns = None

    def _has_ended(self) -> bool:
        if self._done is None:
            self._fail(PathError("broken_stream", "the path ended without saying so"))
        return self._done is not None

    def _note(self, chunk: Chunk) -> None:
        if self._first is None and not isinstance(chunk, Done):
            self._first = self._execution._clock() - self._began
        if isinstance(chunk, Text):
            self._text.setdefault(chunk.index, []).append(chunk.text)
            self._tokens += chunk.tokens
        elif isinstance(chunk, Signals):
            # Of several choices the weakest speaks for all.
            if self._signals is None or chunk.mean_logprob < self._signals.mean_logprob:
                self._signals = chunk
        elif isinstance(chunk, ToolCall):
            self._called_tools.add(chunk.index)
        elif isinstance(chunk, Vector):
            wanted = self._execution._request.dimensions
            if wanted is not None and len(chunk.values) != wanted:
                raise PathError("unsupported", f"its vectors have {len(chunk.values)} dimensions, not {wanted}")
        elif isinstance(chunk, Done):
            self._done = chunk

    def _fail(self, error: PathError) -> None:
        self._fault = error.with_traceback(None)  # that knows a frame which knows this run
        self.status = "failed"

    def _settle(self) -> None:
        """Judge the complete answer and say whether it is the one that is served."""
        execution, step = self._execution, self.step
        card = execution._generation.card_by_id[step.path]
        if execution._request.kind == "embedding":
            self.status = "answered"
            return
        prior, low = p_good(card, execution._features, execution._generation.weights)
        assert self._done is not None
        reasons = self._done.finish_reasons
        judged = [
            judge(
                "".join(self._text.get(index, ())),
                reasons[index] if index < len(reasons) else "",
                execution._request.format,
                execution._features,
                self._signals,
                execution._generation.gate_by_id.get(step.gate) if step.gate else None,
                step.threshold,
                prior,
                called_tools=index in self._called_tools,
            )
            for index in range(execution._request.n)
        ]
        # Of several choices the worst speaks for all.
        self.judgement = min(judged, key=lambda one: (one.accepted, one.p_good))
        self.status = "answered" if self.judgement.accepted or not self._hold else "rejected"
        if self.status == "answered":
            execution.judgement = self.judgement
            proven = step.threshold is not None or low >= execution._decision.floor
            execution.below_floor = not (self.judgement.accepted and proven)

    def outcome(self) -> StepOutcome:
        execution = self._execution
        card = execution._generation.card_by_id[self.step.path]
        begun = self._first is not None
        usage = Usage(execution._features.estimated_prompt_tokens, self._tokens) if begun else Usage()
        if self._done is not None:
            begun, usage = True, self._done.usage
        elif not begun and self._handed and (self._fault is None or self._fault.fault in _MAY_HAVE_WORKED):
            begun = True  # nobody knows how far it got: as much as was expected of it
            usage = Usage(execution._features.estimated_prompt_tokens, execution._features.estimated_output_tokens)
        outcome = StepOutcome(
            path=self.step.path,
            status=self.status,  # type: ignore[arg-type]  # one of the four literals by construction
            fault=self._fault.fault if self._fault else "",
            message=self._fault.message if self._fault else "",
            first_token_s=self._first,
            seconds=execution._clock() - self._began,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            # What broke off, or was abandoned, is charged by estimate; what never reached its path costs nothing.
            cost=price_of(card.price, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
            if begun
            else 0.0,
            finish_reason=self._done.finish_reasons[0] if self._done and self._done.finish_reasons else "",
            device=self._done.device if self._done else "",
            judgement=self.judgement,
            redacted=self.redacted,
        )
        if self._signals is None:
            return outcome
        return replace(outcome, mean_logprob=self._signals.mean_logprob, min_logprob=self._signals.min_logprob)


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


async def _close(stream: AsyncIterator[Chunk]) -> None:
    """Reaches the path. The contract asks for an iterator only, so there may be nothing to close."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


def refuse(decision: Decision) -> None:
    """Raise the error that a refusal stands for, with every reason."""
    if decision.refusal:
        raise _refusal(decision)  # that no local name here holds: it knows this frame


def _refusal(decision: Decision) -> WeirError:
    asked = [c for c in decision.candidates if all(r.code not in ("not-named", "modality") for r in c.reasons)]
    nearest = asked or decision.candidates
    details = tuple(f"{c.path}: {reason.text}" for c in nearest for reason in c.reasons)
    if decision.refusal == "unknown-model":
        words = decision.unmet or "No model of that name is on this node"
        field = "models" if decision.unmet else "model"
        return UnknownModel(f"{words}.", param=field, next_step="GET /v1/models lists them.")
    if decision.refusal == "preference":
        return _unmet(decision, details)
    if decision.refusal == "unsupported":
        too_long = any(all(reason.code == "context" for reason in c.reasons) for c in asked)
        kind = ContextTooLong if too_long else Unsupported
        return kind("No path can serve this request as it is.", details=details, next_step="See error.weir.reasons.")
    if decision.refusal == "policy":
        return PolicyRefused(
            "Policy permits no path for this request.", details=details, next_step="See error.weir.reasons."
        )
    if decision.refusal == "quality":
        return NotGoodEnough(
            "No permitted path meets the quality floor.",
            details=tuple(
                f"{c.path}: P(good) may be as low as {c.estimate.p_good_low:.2f}; the floor is {decision.floor:.2f}"
                for c in asked
                if c.estimate is not None
            ),
            next_step="Without X-Weir-Below-Floor: refuse the node may answer and mark it, if allowed to.",
        )
    if all(any(reason.code == "budget" for reason in c.reasons) for c in asked if _is_permitted(c)):
        return BudgetSpent(
            "What is left of the tenant's budget pays for no permitted path.",
            details=details,
            next_step="The node's operator can raise the budget; it begins anew with the next day or month (UTC).",
        )
    return NoCapacity(
        "No permitted path can take this request now.",
        details=details,
        next_step="Try again shortly.",
        retry_after_s=2,
    )


def _unmet(decision: Decision, details: tuple[str, ...]) -> WeirError:
    reasons = [reason for candidate in decision.candidates for reason in candidate.reasons]
    names = list(dict.fromkeys(reason.rule for reason in reasons if reason.code == "preference"))
    words = decision.unmet or f"No path that policy permits meets {' and '.join(names)}"
    return PreferenceUnmet(
        f"{words}.",
        param=names[0] if names else "provider",
        details=details,
        next_step="Leave the preference out, or name what is there." if decision.unmet else "See error.weir.reasons.",
    )


def _is_permitted(candidate: Candidate) -> bool:
    """Whether nothing but the moment stands against it."""
    return all(reason.code in ("health", "budget", "deadline") for reason in candidate.reasons)


def failed(outcomes: tuple[StepOutcome, ...]) -> WeirError:
    """The error of a request whose every step failed, with each path's reason."""
    details = tuple(f"{outcome.path}: {outcome.fault}: {outcome.message}" for outcome in outcomes)
    faults = {outcome.fault for outcome in outcomes}
    if faults == {"context_too_long"}:
        return ContextTooLong("The prompt does not fit into the model's context.", param="messages", details=details)
    if faults == {"unsupported"}:
        return Unsupported("No path can serve this request as it is.", details=details)
    if faults == {"rejected"}:
        return BadRequest("The model's runtime refused the request as invalid.", details=details)
    if faults == {"redaction"}:
        return PolicyRefused(
            "Policy permits this request redacted only, and it cannot be redacted.",
            details=details,
            next_step="See error.weir.reasons; docs/redaction.md says what can be replaced.",
        )
    if faults == {"audit"}:
        return AuditUnavailable(
            "What would leave this node cannot be written down first, so it does not leave.",
            details=details,
            next_step="The node's operator finds the reason with 'weir doctor' and in /readyz.",
        )
    if faults == {"overloaded"}:
        return NoCapacity("Every permitted path is busy.", details=details, retry_after_s=2)
    return UpstreamFailed("Every path that was tried failed.", details=details, next_step="Try again shortly.")


def _broken(outcomes: tuple[StepOutcome, ...]) -> WeirError:
    last = outcomes[-1]
    return UpstreamFailed(
        "The path that was answering broke off; what was sent so far is not complete.",
        details=(f"{last.path}: {last.fault}: {last.message}",),
        next_step="Send the request again.",
    )

"""One step of a plan: its attempts at one path, what they said, how long they took, how the answer was judged.

Rules kept here:
1. What is kept is given out only when it was judged and is the answer that is served.
2. An answer is given out from one attempt alone: another begins only while nothing was. Leading blanks are held back
   until something stands behind them, so that an attempt that said nothing else left no trace.
3. A path is asked again only where it is an upstream, and as `retries` says.
4. However a run ends, its path is closed, its turn is given back, and `outcome` tells all that it cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.attempt import Charge, Try
from appliance.decide.estimate import p_good
from appliance.decide.price import most_picos_of
from appliance.judge import judge
from appliance.paths.contract import Chunk, Done, ExecutionPath, PathError, Signals, Text
from appliance.records.decision import Attempt, Judgement, Step, StepOutcome
from appliance.records.departure import STAYING_TIERS, Departure, departing
from appliance.records.money import total
from appliance.redact import Redaction, Restorer, restored
from appliance.retries import again_in
from appliance.turns import Turns
from appliance.upstreams import Call

if TYPE_CHECKING:
    from appliance.execute import Execution
    from appliance.records.features import FindingKind

MOST_BLANKS = 64  # chunks that are held back
ONE_PIECE_S = 0.001
GRAIN_S = 0.005  # by which a loop may wake too early: uvloop counts whole milliseconds
LATE_S = 0.02  # before the caller's deadline: what fails then failed for that


class Run:
    """One step. Iterate `chunks` to its end or close it; then `outcome` says what it came to."""

    def __init__(self, execution: Execution, step: Step, *, hold: bool) -> None:
        self._execution = execution
        self.step = step
        self._hold = hold
        self._keep = hold or not execution.request.stream  # and give it out at its end alone
        self._began = execution.clock()
        self._try = Try(self._began)
        self._before: tuple[Attempt, ...] = ()
        self._turns: Turns | None = None  # where this run has its turn
        self._left_at: float | None = None  # when the newest attempt ended
        self._whole = False  # whether its answer was to come in one piece
        self._paid = 0  # picos, ahead for the newest attempt
        self._call: Call | None = None  # at its upstream
        self._asked: tuple[int, ...] = ()  # members of it
        self._redacted: tuple[tuple[FindingKind, int], ...] = ()
        self.status: str = "cancelled"  # until it comes to an end of its own
        self.held: list[Chunk] = []
        self.given = False  # whether anything was given out, so that nobody else can begin anew
        self.judgement: Judgement | None = None
        self.hedged = False  # whether another path was asked as well
        self.overtaken = False  # whether the other spoke first
        self.when_speaking: Callable[[], object] | None = None  # is called at its first token

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The answer as it comes; or at its end, where it is kept and is one that is served."""
        path = self._path()
        if path is None:
            return
        while True:
            attempt = self._try
            try:
                stream, departure, written = await self._opened(path)
                with departing(departure, written):
                    try:
                        async for chunk in stream:
                            attempt.note(chunk)
                            if self.when_speaking is not None and attempt.first is not None:
                                self.when_speaking()
                                self.when_speaking = None
                            if self._keep or not (self.given or self._begins(chunk)):
                                self.held.append(chunk)
                            elif not isinstance(chunk, Signals):
                                if self.held:
                                    for blank in self._let_go():
                                        yield blank
                                if isinstance(chunk, Done):
                                    self._settle()
                                yield chunk
                    finally:
                        await _close(stream)
                if attempt.done is None:
                    raise PathError("broken_stream", "the path ended without saying so")
                self._answered()
            except PathError as error:
                self._fail(error)
            finally:
                self._leave()
            if attempt.fault is None:
                break
            wait = self._again_in(attempt.fault)
            if wait is None:
                return
            self._begin_anew(wait)
            if wait:
                await asyncio.sleep(wait + GRAIN_S)
        if self._keep:
            self._settle()
            if self.status == "answered":
                self._execution.serves(self.step.path, self._redacted)
                for chunk in self.held:
                    if not isinstance(chunk, Signals):
                        yield chunk

    def _path(self) -> ExecutionPath | None:
        path = self._execution.paths.get(self.step.path)
        if path is None:
            self._fail(PathError("unavailable", "the path is not running", sent=False))
        return path

    async def _opened(self, path: ExecutionPath) -> tuple[AsyncIterator[Chunk], Departure, asyncio.Future[None] | None]:
        """The path's stream, on whose behalf it sends, and what has to be done before it does. What is to be redacted
        is, and the path's turn has come.

        `_leave` must follow. Raises PathError.
        """
        execution, step, attempt = self._execution, self.step, self._try
        redaction: Redaction | None = None
        if step.redacted:
            redaction = await execution.redaction()
            self._redacted = redaction.found
        card = execution.generation.card_by_id[step.path]
        written = None if execution.purse is None else execution.purse.written
        if written is not None and (card.endpoint is None or card.tier in STAYING_TIERS):
            await execution.wait(written)  # what leaves waits for the audit too: the door sees to both
        turns, upstream = execution.turns.get(step.path), execution.upstreams.get(step.path)
        if turns is not None:
            if not turns.free(execution.request.n):
                await execution.take_turn(turns)
            if upstream is not None and upstream.full():  # a member went down since it was let on
                turns.done(execution.request.n)
                await execution.take_turn(turns)
            self._turns = turns
        if upstream is not None:
            self._call = upstream.enter(self._asked)
            self._asked += (self._call.index,)
        if execution.purse is not None:
            most = most_picos_of(card, execution.request, execution.features)
            if not execution.purse.begins(most):
                raise PathError("budget", "What it may cost at most is more than the budget that is left.", sent=False)
            self._paid = most
        job = execution.job(step, self._hold, redaction, attempt.meter, self._member)
        self._whole = not job.stream
        stream = path.stream(job)
        if redaction is not None:
            in_json = execution.request.format.kind in ("json_object", "json_schema")
            stream = restored(stream, Restorer(redaction.back, in_json=in_json))
        attempt.begin(execution.clock, execution.request.dimensions)
        return stream, execution.departure(step, redaction), written

    @property
    def _member(self) -> int:
        return self._asked[-1] if self._asked else 0

    def _leave(self) -> None:
        """Let others have their turn, and what it did not cost be spent on something else."""
        execution = self._execution
        self._left_at = execution.clock()
        if execution.purse is not None and self._paid:
            execution.purse.ends(self._paid, self._charge().cost)
            self._paid = 0
        if self._call is not None:
            asked, first = self._try.asked, self._try.first
            if self.overtaken and asked is not None and first is None:
                self._call.outlasted(self._left_at - asked, execution.features.estimated_prompt_tokens)
            else:
                self._call.given_up()
            self._call = None
        if self._turns is not None:
            self._turns.done(self._execution.request.n)
            self._turns = None

    def _begins(self, chunk: Chunk) -> bool:
        """Whether this is given out, as the first that is. Blanks wait for something to stand before."""
        blank = isinstance(chunk, Signals) or (isinstance(chunk, Text) and not chunk.text.strip())
        if blank and len(self.held) < MOST_BLANKS:
            return False
        self.given = True
        execution = self._execution
        execution.serves(self.step.path, self._redacted)
        if execution.request.stream:  # its head goes out now, and says what no judgement can change
            card = execution.generation.card_by_id[self.step.path]
            _, low = p_good(card, execution.features, execution.generation.weights)
            execution.below_floor = not self._proven(low)
        if self._try.meter.below_floor:
            execution.below_floor = True
        return True

    def _proven(self, low: float) -> bool:
        """Whether an answer that is accepted meets the floor: a gate vouches for it, or what is known of its path."""
        return self.step.threshold is not None or low >= self._execution.decision.floor

    def _let_go(self) -> list[Chunk]:
        """The blanks that waited."""
        waited, self.held = self.held, []
        return [chunk for chunk in waited if not isinstance(chunk, Signals)]

    def _answered(self) -> None:
        """The server did what it should, whatever its answer is worth."""
        call, attempt = self._call, self._try
        if call is not None:
            assert attempt.asked is not None
            first = None if attempt.first is None else attempt.first - attempt.asked
            if first is not None and self._execution.clock() - attempt.asked - first <= ONE_PIECE_S:
                first = None  # it came in one piece: its first token is its last
            call.answered(first, self._execution.features.estimated_prompt_tokens)
            self._call = None

    def _fail(self, error: PathError) -> None:
        self._try.fault = error.with_traceback(None)  # that knows a frame which knows this run
        self.status = "failed"
        if self._call is not None:
            left = self._execution.left_s()
            self._call.failed(error, late=left is not None and left < LATE_S)

    def _again_in(self, error: PathError) -> float | None:
        """Seconds until the next attempt; None where this was the last."""
        execution = self._execution
        if self.given or not self._asked or self._try.asked is None:
            return None
        upstream = execution.upstreams[self.step.path]
        return again_in(
            error,
            execution.generation.weights.failing.retries,
            tried=len(self._before) + 1,
            others=execution.has_another(self.step),
            spare=upstream.another(self._asked),
            whole=self._whole,
            left_s=execution.left_s(),
            draw=execution.draw(),
        )

    def _begin_anew(self, wait: float) -> None:
        """Another attempt, after so long."""
        attempt, charge, now = self._try, self._charge(), self._execution.clock()
        assert attempt.fault is not None
        self._before += (
            Attempt(
                attempt.fault.fault,
                attempt.fault.message,
                now - attempt.began,
                wait,
                charge.usage.prompt_tokens,
                charge.usage.completion_tokens,
                charge.usage.cached_tokens,
                charge.cost,
                charge.known,
                self._name(self._asked[-1]),
                charge.usage.reasoning_tokens,
                charge.usage.cache_write_tokens,
            ),
        )
        self.held.clear()
        self._try, self._left_at = Try(now), None
        self.status = "cancelled"

    def _name(self, member: int) -> str:
        return self._execution.upstreams[self.step.path].members[member].name

    def _settle(self) -> None:
        """Judge the complete answer and say whether it is the one that is served."""
        execution, step, attempt = self._execution, self.step, self._try
        card = execution.generation.card_by_id[step.path]
        if execution.request.kind == "embedding":
            self.status = "answered"
            return
        prior, low = p_good(card, execution.features, execution.generation.weights)
        assert attempt.done is not None
        reasons = attempt.done.finish_reasons
        judged = [
            judge(
                "".join(attempt.text.get(index, ())),
                reasons[index] if index < len(reasons) else "",
                execution.request.format,
                execution.features,
                attempt.signals,
                execution.generation.gate_by_id.get(step.gate) if step.gate else None,
                step.threshold,
                prior,
                called_tools=index in attempt.called_tools,
            )
            for index in range(execution.request.n)
        ]
        # Of several choices the worst speaks for all.
        self.judgement = min(judged, key=lambda one: (one.accepted, one.p_good))
        self.status = "answered" if self.judgement.accepted or not self._hold else "rejected"
        if self.status == "answered":
            execution.judgement = self.judgement
            met = self.judgement.accepted and self._proven(low)
            execution.below_floor = attempt.meter.below_floor or not met

    def _charge(self) -> Charge:
        """What the newest attempt is charged; were it to end now, where it did not yet."""
        execution = self._execution
        card = execution.generation.card_by_id[self.step.path]
        return self._try.charged(card, execution.features, self._end)

    @property
    def _end(self) -> float:
        return self._execution.clock() if self._left_at is None else self._left_at

    def outcome(self) -> StepOutcome:
        """What it came to; were it to end now, where it did not yet."""
        attempt = self._try
        last, done, fault = self._charge(), attempt.done, attempt.fault
        outcome = StepOutcome(
            path=self.step.path,
            status=self.status,  # type: ignore[arg-type]  # one of the four literals by construction
            fault=fault.fault if fault else "",
            message=fault.message if fault else "",
            retry_after_s=fault.retry_after_s if fault else None,
            first_token_s=None if attempt.first is None else attempt.first - self._began,
            seconds=self._end - self._began,
            prompt_tokens=last.usage.prompt_tokens,
            completion_tokens=last.usage.completion_tokens,
            cached_tokens=last.usage.cached_tokens,
            reasoning_tokens=last.usage.reasoning_tokens,
            cache_write_tokens=last.usage.cache_write_tokens,
            usage_note=last.note,
            cost=last.cost,
            cost_known=last.known,
            finish_reason=done.finish_reasons[0] if done and done.finish_reasons else "",
            device=done.device if done else "",
            judgement=self.judgement,
            redacted=self._redacted,
            member=self._name(self._asked[-1]) if self._asked else "",
            hedged=self.hedged,
        )
        if self._before:
            outcome = _with(outcome, self._before)
        if attempt.signals is None:
            return outcome
        return replace(outcome, mean_logprob=attempt.signals.mean_logprob, min_logprob=attempt.signals.min_logprob)


def _with(outcome: StepOutcome, before: tuple[Attempt, ...]) -> StepOutcome:
    """The outcome with what the attempts before the last one used."""
    return replace(
        outcome,
        attempts=before,
        prompt_tokens=outcome.prompt_tokens + sum(one.prompt_tokens for one in before),
        completion_tokens=outcome.completion_tokens + sum(one.completion_tokens for one in before),
        cached_tokens=outcome.cached_tokens + sum(one.cached_tokens for one in before),
        reasoning_tokens=outcome.reasoning_tokens + sum(one.reasoning_tokens for one in before),
        cache_write_tokens=outcome.cache_write_tokens + sum(one.cache_write_tokens for one in before),
        cost=total((outcome.cost, *(one.cost for one in before))),
        cost_known=outcome.cost_known and all(one.cost_known for one in before),
    )


async def _close(stream: AsyncIterator[Chunk]) -> None:
    """Reaches the path. The contract asks for an iterator only, so there may be nothing to close."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()

"""One step of a plan: its attempts at one path, what they said, how long they took, how the answer was judged.

Rules kept here:
1. What is kept is given out only when it was judged and is the answer that is served.
2. An answer is given out from one attempt alone.
3. However a run ends, its path is closed, its turn is given back, and `outcome` tells all that it cost.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.attempt import Try
from appliance.decide.estimate import p_good
from appliance.judge import judge
from appliance.paths.contract import Chunk, Done, ExecutionPath, PathError, Signals
from appliance.records.decision import Attempt, Judgement, Step, StepOutcome
from appliance.records.departure import Departure, departing
from appliance.redact import Redaction, Restorer, restored
from appliance.turns import Turns

if TYPE_CHECKING:
    from appliance.execute import Execution
    from appliance.records.features import FindingKind


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
        self._redacted: tuple[tuple[FindingKind, int], ...] = ()
        self.status: str = "cancelled"  # until it comes to an end of its own
        self.held: list[Chunk] = []
        self.sent = False
        self.judgement: Judgement | None = None

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The answer as it comes; or at its end, where it is kept and is one that is served."""
        path = self._path()
        if path is None:
            return
        attempt = self._try
        try:
            stream, departure = await self._opened(path)
            with departing(departure):
                try:
                    async for chunk in stream:
                        attempt.note(chunk)
                        if self._keep:
                            self.held.append(chunk)
                        elif not isinstance(chunk, Signals):
                            self._give(chunk)
                            yield chunk
                finally:
                    await _close(stream)
        except PathError as error:
            self._fail(error)
            return
        finally:
            self._leave()
        if attempt.done is None:
            self._fail(PathError("broken_stream", "the path ended without saying so"))
        elif self._keep:
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

    async def _opened(self, path: ExecutionPath) -> tuple[AsyncIterator[Chunk], Departure]:
        """The path's stream, and on whose behalf it sends: what is to be redacted is, and the path's turn has come.

        `_leave` must follow. Raises PathError.
        """
        execution, step, attempt = self._execution, self.step, self._try
        redaction: Redaction | None = None
        if step.redacted:
            redaction = await execution.redaction()
            self._redacted = redaction.found
        turns = execution.turns.get(step.path)
        if turns is not None:
            if not turns.free(execution.request.n):
                await execution.take_turn(turns)
            self._turns = turns
        stream = path.stream(execution.job(step, self._hold, redaction, attempt.meter))
        if redaction is not None:
            in_json = execution.request.format.kind in ("json_object", "json_schema")
            stream = restored(stream, Restorer(redaction.back, in_json=in_json))
        departure = execution.departure(step, redaction)
        attempt.begin(execution.clock, execution.request.dimensions)
        return stream, departure

    def _leave(self) -> None:
        """Let others have their turn."""
        if self._turns is not None:
            self._turns.done(self._execution.request.n)
            self._turns = None

    def _give(self, chunk: Chunk) -> None:
        """Before a chunk is given out that cannot be taken back."""
        if isinstance(chunk, Done):
            self._settle()
            if not self.sent:
                self._execution.serves(self.step.path, self._redacted)
        elif not self.sent:
            self.sent = True
            self._execution.serves(self.step.path, self._redacted)

    def _fail(self, error: PathError) -> None:
        self._try.fault = error.with_traceback(None)  # that knows a frame which knows this run
        self.status = "failed"

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
            proven = step.threshold is not None or low >= execution.decision.floor
            execution.below_floor = not (self.judgement.accepted and proven)

    def outcome(self) -> StepOutcome:
        """What it came to, were it to end now."""
        execution, attempt = self._execution, self._try
        card = execution.generation.card_by_id[self.step.path]
        last, done, fault = attempt.charged(card.price, execution.features), attempt.done, attempt.fault
        outcome = StepOutcome(
            path=self.step.path,
            status=self.status,  # type: ignore[arg-type]  # one of the four literals by construction
            fault=fault.fault if fault else "",
            message=fault.message if fault else "",
            first_token_s=None if attempt.first is None else attempt.first - self._began,
            seconds=execution.clock() - self._began,
            prompt_tokens=last.usage.prompt_tokens,
            completion_tokens=last.usage.completion_tokens,
            cached_tokens=last.usage.cached_tokens,
            cost=last.cost,
            cost_known=last.known,
            finish_reason=done.finish_reasons[0] if done and done.finish_reasons else "",
            device=done.device if done else "",
            judgement=self.judgement,
            redacted=self._redacted,
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
        cost=outcome.cost + sum(one.cost for one in before),
        cost_known=outcome.cost_known and all(one.cost_known for one in before),
    )


async def _close(stream: AsyncIterator[Chunk]) -> None:
    """Reaches the path. The contract asks for an iterator only, so there may be nothing to close."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()

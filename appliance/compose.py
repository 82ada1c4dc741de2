"""One answer of several calls: an ensemble that votes or has an arbiter, a chain, or a long text read in parts.

Rules kept here:
1. Each call is a request of its own: detectors look at it, it is decided, audited, run, charged and told as any other.
   What a model said may raise what the next call is; policy is asked again.
2. Only the last call streams. Whatever is handed on before it was said to its end, or is said to be cut off.
3. What models said is handed on as data (`handing_on`).
4. A member that fails is left out while enough others answer; a part that is not read ends the whole.
5. Where the last call fails before it said anything, what was there before it is served, and marked below the floor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace

from appliance.decide import decide
from appliance.decide.generation import Generation
from appliance.decide.strategies import Chain, Ensemble, Partition
from appliance.errors import ContextTooLong, NotGoodEnough, WeirError
from appliance.execute import Execution
from appliance.failures import NOT_PERMITTED, failed
from appliance.handing_on import CUT, arbitrate, critique, join, part, parts_of, polish, shortened
from appliance.paths.contract import Chunk, Done, Signals, Text
from appliance.records.decision import Asked, ComposedCall, Decision, Judgement, Snapshot, StepOutcome
from appliance.records.features import Features, FindingKind
from appliance.records.request import Format, Request, text_field
from appliance.records.value import changed
from appliance.votes import Votes

# A call's request as it is labelled by what detectors find in it, what is decided of, and its features.
Inspect = Callable[[Request], Awaitable[tuple[Request, Asked, Features]]]
Begin = Callable[[Request, Features, Decision], Execution]
_AT_ONCE = 4  # parts that are read at a time


@dataclass(slots=True)
class _Call:
    """One call: who is asked as what, and the run of it; `refused` in place of a run."""

    role: str
    execution: Execution | None = None
    refused: StepOutcome | None = None

    @property
    def outcomes(self) -> tuple[StepOutcome, ...]:
        told = [self.refused] if self.refused is not None else []
        if self.execution is not None:
            told += self.execution.outcomes
        return tuple(changed(outcome, role=self.role) for outcome in told)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a call answered, complete."""

    call: _Call
    chunks: list[Chunk]

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks if isinstance(chunk, Text))

    @property
    def cut(self) -> bool:
        """Whether it ends because it was at its longest."""
        return any(isinstance(chunk, Done) and "length" in chunk.finish_reasons for chunk in self.chunks)

    @property
    def handed(self) -> str:
        """What the next call is shown of it."""
        return f"{self.text}\n{CUT}" if self.cut else self.text


class Composing:
    """One run of a composed decision. Iterate `chunks` to its end, then read the rest, as of an `Execution`."""

    def __init__(
        self,
        request: Request,
        decision: Decision,
        generation: Generation,
        snapshot: Snapshot,
        *,
        inspect: Inspect,
        begin: Begin,  # what runs a decision
    ) -> None:
        self._request = request
        self._decision = decision
        self._generation = generation
        self._snapshot = changed(snapshot, cache=None)
        self._inspect = inspect
        self._begin = begin
        self._calls: list[_Call] = []
        self._served: Execution | None = None
        self._below = False

    # ---- as of an execution ---------------------------------------------------------------------------------

    @property
    def outcomes(self) -> tuple[StepOutcome, ...]:
        """Of all calls, in the order in which they began."""
        return tuple(outcome for call in self._calls for outcome in call.outcomes)

    @property
    def path(self) -> str:
        """The path whose answer is being served; '' until there is one."""
        return self._served.path if self._served is not None else ""

    @property
    def redacted(self) -> tuple[tuple[FindingKind, int], ...]:
        """What was replaced in what that path was sent."""
        return self._served.redacted if self._served is not None else ()

    @property
    def below_floor(self) -> bool:
        """Whether what is served is below the floor, or may be."""
        if self._served is None:
            return self._decision.below_floor
        return self._below or self._served.below_floor

    @property
    def judgement(self) -> Judgement | None:
        """Of what is served."""
        return self._served.judgement if self._served is not None else None

    async def whole(self) -> list[Chunk]:
        """The served answer. Raises a WeirError where there is none."""
        async with aclosing(self.chunks()) as chunks:
            return [chunk async for chunk in chunks]

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The served answer as it comes. Raises a WeirError where there is none, or where it breaks off."""
        strategies, composition = self._generation.strategies, self._decision.steps[0].composition
        assert strategies is not None, "a composed decision is a strategy's"
        assert composition is not None, "it is of several calls"
        members = composition.members
        one = strategies.strategies[self._decision.strategy]
        if isinstance(one, Ensemble):
            made = self._ensemble(one, members)
        elif isinstance(one, Chain):
            made = self._chain(members)
        else:
            assert isinstance(one, Partition)
            made = self._partition(one, members)
        async with aclosing(made) as chunks:
            async for chunk in chunks:
                yield chunk

    # ---- ensembles ------------------------------------------------------------------------------------------

    async def _ensemble(self, one: Ensemble, calls: tuple[ComposedCall, ...]) -> AsyncGenerator[Chunk, None]:
        arbiter = calls[-1] if calls[-1].role == "arbiter" else None
        members = calls if arbiter is None else calls[:-1]
        votes = Votes()
        answers = await self._members(one, members, votes)
        if len(answers) < one.quorum:
            raise failed(self.outcomes, text_field(self._request))
        groups = await votes.groups([answer.text for answer in answers])
        most = max(groups, key=len)  # the first of several
        best = answers[most[0]]
        if one.by == "vote" and len(most) >= one.quorum:
            for chunk in self._serve(best):
                yield chunk
            return
        if arbiter is None:
            for chunk in self._serve(best, below="They did not agree."):
                yield chunk
            return
        asked = arbitrate(self._request, [answer.handed for answer in answers])
        async with aclosing(self._last(arbiter, asked, "arbiter", best)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _members(self, one: Ensemble, members: tuple[ComposedCall, ...], votes: Votes) -> list[_Answer]:
        """The answers, in the order of the members; where a vote is decided, those that came so far."""
        asking = [
            asyncio.create_task(self._say(member, self._request, f"member {at + 1} of {len(members)}"))
            for at, member in enumerate(members)
        ]
        came: dict[int, _Answer] = {}
        try:
            waiting = set(asking)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if (answer := task.result()) is not None:
                        came[asking.index(task)] = answer
                if one.by == "vote" and len(came) >= one.quorum:
                    texts = [came[at].text for at in sorted(came)]
                    if max(map(len, await votes.groups(texts))) >= one.quorum:
                        break
        finally:
            await _ended(asking)
        return [came[at] for at in sorted(came)]

    # ---- chains and parts -----------------------------------------------------------------------------------

    async def _chain(self, members: tuple[ComposedCall, ...]) -> AsyncGenerator[Chunk, None]:
        first, second, third = members
        draft = await self._say(first, self._request, first.role)
        if draft is None:
            raise failed(self.outcomes, text_field(self._request))
        review = await self._say(second, _aside(critique(self._request, draft.handed)), second.role)
        if review is None:
            for chunk in self._serve(draft, below="Nobody reviewed the draft."):
                yield chunk
            return
        asked = polish(self._request, draft.handed, review.handed)
        async with aclosing(self._last(third, asked, third.role, draft)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _partition(self, one: Partition, members: tuple[ComposedCall, ...]) -> AsyncGenerator[Chunk, None]:
        reader, writer = members
        parts = await asyncio.to_thread(parts_of, self._request, one.part_tokens, one.overlap_tokens)
        if len(parts) > one.most_parts:
            raise ContextTooLong(
                f"The text makes {len(parts)} parts, and {one.most_parts} are read at most.",
                param=text_field(self._request),
                next_step="Send less text.",
            )
        room = asyncio.Semaphore(_AT_ONCE)

        async def read(at: int) -> _Answer | None:
            async with room:
                asked = _aside(part(self._request, parts, at), one.note_tokens)
                return await self._say(reader, asked, f"part {at + 1} of {len(parts)}")

        reading = [asyncio.create_task(read(at)) for at in range(len(parts))]
        notes: list[_Answer] = []
        try:
            for task in reading:
                note = await task
                if note is None:
                    raise failed(self.outcomes, text_field(self._request))
                notes.append(note)
        finally:
            await _ended(reading)
        told = [shortened(note.text, one.note_tokens) for note in notes]
        whole = [text == note.text and not note.cut for text, note in zip(told, notes, strict=True)]
        if cut := whole.count(False):
            self._falls_below(f"The notes on {cut} of {len(notes)} parts are cut off.")
        asked = join(self._request, [t if w else f"{t}\n{CUT}" for t, w in zip(told, whole, strict=True)])
        async with aclosing(self._last(writer, asked, writer.role, None)) as chunks:
            async for chunk in chunks:
                yield chunk

    # ---- one call -------------------------------------------------------------------------------------------

    async def _say(self, member: ComposedCall, request: Request, role: str) -> _Answer | None:
        """A call's whole answer; None where it has none, which its outcome tells."""
        call = await self._prepared(member, replace(request, stream=False), role)
        if call.execution is None:
            return None
        try:
            return _Answer(call, await call.execution.whole())
        except WeirError:
            return None

    async def _last(
        self, member: ComposedCall, request: Request, role: str, otherwise: _Answer | None
    ) -> AsyncGenerator[Chunk, None]:
        """The last call's answer as it comes; where it has none, what was there before it."""
        call = await self._prepared(member, request, role)
        if call.execution is not None:
            self._served, begun = call.execution, False
            try:
                async with aclosing(call.execution.chunks()) as chunks:
                    async for chunk in chunks:
                        begun = True
                        yield chunk
                return
            except WeirError:
                if begun or otherwise is None:
                    raise
        if otherwise is None:
            raise failed(self.outcomes, text_field(self._request))
        for chunk in self._serve(otherwise, below="The last call failed."):
            yield chunk

    async def _prepared(self, member: ComposedCall, request: Request, role: str) -> _Call:
        """A call that may be run, decided as any request that names this path; or why it may not."""
        call = _Call(role)
        self._calls.append(call)
        labels = replace(request.labels, strategy="")
        asked_for = replace(request, model=member.path, models=(), strategy="", labels=labels)
        inspected, asked, features = await self._inspect(asked_for)
        spent = sum(outcome.cost for outcome in self.outcomes)
        left = self._snapshot.budget_left
        moment = self._snapshot if left is None else changed(self._snapshot, budget_left=left - spent)
        decision = decide(asked, features, self._generation, moment)
        if decision.refusal:
            reasons = [one.text for each in decision.candidates if each.path == member.path for one in each.reasons]
            words = "; ".join(reasons) or decision.unmet
            fault = NOT_PERMITTED if decision.refusal == "policy" else decision.refusal
            call.refused = StepOutcome(member.path, "failed", fault, words)
        else:
            call.execution = self._begin(inspected, features, decision)
        return call

    def _serve(self, said: _Answer, below: str = "") -> Iterable[Chunk]:
        """What a call said is the answer. Raises NotGoodEnough where it is `below` the floor and that is forbidden."""
        self._served = said.call.execution
        if below:
            self._falls_below(below)
        return [chunk for chunk in said.chunks if not isinstance(chunk, Signals)]

    def _falls_below(self, why: str) -> None:
        """Mark what is served. Raises NotGoodEnough where that is forbidden."""
        self._below = True
        if self._request.labels.below_floor == "refuse":
            raise NotGoodEnough(
                f"The calls of strategy '{self._decision.strategy}' came to no answer that may be served. {why}",
                next_step="Without X-Weir-Below-Floor: refuse the node may answer and mark it, if allowed to.",
                details=tuple(f"{one.path}: {one.role}: {one.fault or one.status}" for one in self.outcomes),
            )


async def _ended(tasks: list[asyncio.Task[_Answer | None]]) -> None:
    """Nobody waits for these any more; returns when they have let go of their paths."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _aside(request: Request, most: int | None = None) -> Request:
    """A call whose answer nobody is served: in plain words, whatever the caller's form and floor."""
    sampling = replace(request.sampling, max_tokens=most, stop=(), logprobs=False, top_logprobs=0)
    labels = replace(request.labels, quality_floor=None, below_floor="serve")
    return replace(request, format=Format(), sampling=sampling, labels=labels)

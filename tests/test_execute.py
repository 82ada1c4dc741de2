"""Deadlines while a plan is carried out, by a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from appliance.decide import decide
from appliance.decide.failing import Failing, Hedging
from appliance.errors import NoCapacity, PolicyRefused, WeirError
from appliance.execute import Execution
from appliance.failures import NOT_PERMITTED, failed
from appliance.paths.contract import Job, PathError
from appliance.recorded import asked_of
from appliance.records.card import ModelCard
from appliance.records.decision import PathState, Snapshot, StepOutcome
from appliance.records.request import Labels, Message, Request
from tests import factories as make
from tests.node.conftest import fake_card
from tests.node.doubles import FakePath, answer


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def slow(card: ModelCard, clock: Clock, seconds: float, then: Sequence[Any]) -> FakePath:
    def play(_: Job) -> Sequence[Any]:
        clock.now += seconds
        return then

    return FakePath(card, play)


async def carry_out(
    clock: Clock, *paths: FakePath, deadline_s: float = 1.0, began: float | None = None, gates: Any = ()
) -> str:
    """The text that was served. Raises the WeirError of the request."""
    request = Request("r1", "chat", "auto", messages=(Message("user", "q"),), labels=Labels(deadline_s=deadline_s))
    content = make.generation(*(path.card for path in paths), gates=gates, quality_floor=0.9)
    moment = Snapshot(1000.0, 0.5, tuple(PathState(path.card.id, True) for path in paths))
    decision = decide(asked_of(request), make.features(), content, moment)
    execution = Execution(
        request, make.features(), decision, content, {p.card.id: p for p in paths}, clock, began=began
    )
    return "".join([getattr(chunk, "text", "") async for chunk in execution.chunks()])


A = fake_card("device/a")
B = fake_card("device/b", price={"per_request": 0.001})
GONE = [PathError("unavailable", "gone")]


async def test_no_path_is_asked_after_the_deadline_has_passed() -> None:
    clock = Clock()
    first, second = slow(A, clock, 1.5, GONE), FakePath(B, answer("too late"))
    with pytest.raises(WeirError) as raised:
        await carry_out(clock, first, second)
    assert first.jobs
    assert not second.jobs
    assert any("device/a" in detail for detail in raised.value.details)


async def test_a_weak_answer_is_served_where_the_deadline_leaves_no_time_for_a_better_one() -> None:
    clock = Clock()
    gate = make.gate("small", "device/small", floor=0.9, weights=(3.0,) + (0.0,) * 8, bias=2.0)
    weak = fake_card("device/small", gate="small", accuracy_default=0.8)
    better = FakePath(fake_card("frontier/big", "frontier", price={"per_request": 0.002}), answer("too late"))
    first = slow(weak, clock, 1.5, answer("a poor guess", sure=False))
    assert await carry_out(clock, first, better, gates=(gate,)) == "a poor guess"
    assert not better.jobs


async def test_what_is_left_of_the_deadline_counts_from_where_the_request_began() -> None:
    clock = Clock()
    first, second = slow(A, clock, 0.25, GONE), FakePath(B, answer("in time"))
    assert await carry_out(clock, first, second, began=clock.now - 0.5) == "in time"
    assert first.jobs[0].deadline_s == pytest.approx(0.5)
    assert second.jobs[0].deadline_s == pytest.approx(0.25)


async def test_no_path_is_sent_more_time_than_is_left() -> None:
    clock = Clock()
    first, second = slow(A, clock, 0.998, GONE), FakePath(B, answer("hardly"))
    with suppress(WeirError):
        await carry_out(clock, first, second)
    assert all(job.deadline_s is not None and job.deadline_s <= 0.0021 for job in second.jobs)


async def test_where_the_deadline_passed_before_anything_was_asked_nothing_is() -> None:
    clock = Clock()
    only = FakePath(A, answer("too late"))
    with pytest.raises(NoCapacity, match="deadline passed before any path was asked") as raised:
        await carry_out(clock, only, began=clock.now - 2.0)
    assert not only.jobs and "X-Weir-Deadline" in raised.value.next_step


def test_only_what_failed_is_told_and_in_words() -> None:
    answered, cut = StepOutcome("a", "answered"), StepOutcome("b", "failed", "broken_stream", "cut")
    weak, stopped = StepOutcome("c", "rejected"), StepOutcome("d", "cancelled")
    told = failed((answered, cut, weak, stopped), "messages")
    assert told.details == ("b: broken_stream: cut", "c: its answer was judged too weak", "d: it was stopped")
    assert told.message.startswith("Too few of the calls")
    assert failed((stopped, cut), "messages").message == "Every path that was tried failed."
    assert "before all" in failed((answered,), "messages").message


def test_what_our_own_policy_refuses_is_not_laid_to_another_node() -> None:
    ours = failed((StepOutcome("a", "answered"), StepOutcome("b", "failed", NOT_PERMITTED, "rule x")), "messages")
    theirs = failed((StepOutcome("b", "failed", "policy", "rule y"),), "messages")
    assert isinstance(ours, PolicyRefused) and "node that was asked" not in ours.message and ours.details
    assert isinstance(theirs, PolicyRefused) and "node that was asked" in theirs.message


@pytest.mark.parametrize("first", [[30.0, *answer("x")], [0.05, *GONE]], ids=["both run", "the first failed"])
async def test_a_client_that_leaves_a_race_starts_no_further_step(first: list[Any]) -> None:
    endpoint = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
    scripts = {"device/a": first, "device/b": [30.0, *answer("x")], "device/c": answer("never")}
    prices = {name: {"per_request": 0.001 * at} for at, name in enumerate(scripts)}
    paths = {
        name: FakePath(fake_card(name, price=prices[name], endpoint=endpoint), script)
        for name, script in scripts.items()
    }
    hedged = Failing(hedging=Hedging(on=True, after_s=0.01)).model_dump()
    content = make.generation(*(path.card for path in paths.values()), failing=hedged)
    request = Request("r1", "chat", "auto", messages=(Message("user", "q"),), labels=Labels())
    decision = decide(asked_of(request), make.features(), content, make.snapshot(*paths))
    assert decision.hedge is not None and len(decision.fallbacks) == 2
    execution = Execution(request, make.features(), decision, content, paths)
    asking = asyncio.create_task(execution.whole())
    async with asyncio.timeout(10):
        while not (paths["device/b"].running and paths["device/a"].jobs):
            await asyncio.sleep(0.01)
        if first[0] < 1:
            while paths["device/a"].running:
                await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert not paths["device/c"].jobs and not any(path.running for path in paths.values())
    assert "cancelled" in {outcome.status for outcome in execution.outcomes} and len(execution.outcomes) == 2

"""Claims about one step's attempts at an upstream, and about a race of two, by paths that the tests play."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from appliance.decide import decide
from appliance.decide.failing import Breaking, Failing
from appliance.execute import Execution
from appliance.paths.contract import Chunk, Done, Job, PathError, Readiness, Text, Usage
from appliance.records.card import Endpoint, ModelCard
from appliance.records.request import Message, Request
from appliance.snapshot import LiveFigures
from appliance.turns import Turns
from appliance.upstreams import Upstream
from tests import factories as make

ENDPOINT = Endpoint(base_url="http://127.0.0.1:9/v1", model="m").model_dump()
SPEED = {"first_token_s": 0.005, "first_token_p95_s": 0.03, "prefill_tokens_per_s": 1e6}


class Played:
    """A path that answers as `play` says."""

    def __init__(self, card: ModelCard, play: Callable[[Job], AsyncIterator[Chunk]]) -> None:
        self.card = card
        self.play = play
        self.jobs: list[Job] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def ready(self) -> Readiness:
        return Readiness(True, "", 0, 0, 4)

    def stream(self, job: Job) -> AsyncIterator[Chunk]:
        self.jobs.append(job)
        return self.play(job)


def execution_of(*paths: Played, clock: Callable[[], float] = time.perf_counter, **failing: Any) -> Execution:
    """Of one request for a stream."""
    content = make.generation(*(path.card for path in paths))
    weights = content.weights.model_copy(update={"failing": Failing.model_validate(failing)})
    content = replace(content, weights=weights)
    decision = decide(make.asked(), make.features(), content, make.snapshot(*(path.card.id for path in paths)))
    return Execution(
        Request("r1", "chat", "auto", messages=(Message("user", "q"),), stream=True),
        make.features(),
        decision,
        content,
        {path.card.id: path for path in paths},
        clock,
        now=1000.0,
        upstreams={path.card.id: Upstream(path.card, weights.failing.breaking) for path in paths},
    )


async def text_of(execution: Execution) -> str:
    return "".join([getattr(chunk, "text", "") async for chunk in execution.chunks()])


def done() -> Done:
    return Done(Usage(1, 1), ("stop",), "", ())


def test_a_server_that_asked_to_wait_is_asked_again_under_a_loop_that_wakes_early() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def one() -> str:
        async def play(_: Job) -> AsyncIterator[Chunk]:
            if len(path.jobs) == 1:
                raise PathError("overloaded", "busy", retry_after_s=0.25, sent=False)
            yield Text("well", 0, 1)
            yield done()

        path = Played(make.card("a", endpoint=ENDPOINT), play)
        return await text_of(execution_of(path))

    async def all_of_them() -> list[str]:
        async def later(k: int) -> str:
            await asyncio.sleep(k * 0.0037)
            return await one()

        return await asyncio.gather(*(later(k) for k in range(60)))

    assert uvloop.run(all_of_them()) == ["well"] * 60


async def test_a_refused_key_costs_nobody_an_answer_where_another_member_has_a_good_one() -> None:
    async def play(job: Job) -> AsyncIterator[Chunk]:
        if job.member == 0:
            raise PathError("auth", "no such key")
        yield Text("well", 0, 1)
        yield done()

    members = [{"name": "dead"}, {"name": "alive"}]
    path = Played(make.card("a", endpoint={**ENDPOINT, "members": members}), play)
    execution = execution_of(path)
    assert await text_of(execution) == "well"
    (outcome,) = execution.outcomes
    assert [one.fault for one in outcome.attempts] == ["auth"]
    assert outcome.member == "alive"


async def test_with_a_member_down_requests_queue_for_the_others_and_it_counts_again_once_it_is_up() -> None:
    async def play(job: Job) -> AsyncIterator[Chunk]:
        at_work[job.member] += 1
        most[job.member] = max(most[job.member], at_work[job.member])
        try:
            await asyncio.sleep(0.03)
            if job.member == 0 and down:
                raise PathError("unavailable", "gone", sent=False)
            yield Text("well", 0, 1)
            yield done()
        finally:
            at_work[job.member] -= 1

    at_work, most, down = [0, 0], [0, 0], True
    members = [{"name": "down"}, {"name": "up"}]
    path = Played(make.card("a", endpoint={**ENDPOINT, "members": members, "max_concurrent": 2}), play)
    breaking = Breaking(connect_failures=2, pause_s=0.4, longest_pause_s=0.4, probes=1)
    upstream, turns = Upstream(path.card, breaking), Turns(4, 64)
    turns.room_now = upstream.room

    async def one() -> str:
        execution = execution_of(path)
        execution.upstreams, execution.turns = {"a": upstream}, {"a": turns}
        return await text_of(execution)

    assert await asyncio.gather(*(one() for _ in range(12))) == ["well"] * 12
    assert upstream.members[0].breaker.state == "open"
    down, most[0] = False, 0
    await asyncio.sleep(0.45)
    assert await asyncio.gather(*(one() for _ in range(12))) == ["well"] * 12
    assert upstream.members[0].breaker.state == "closed"
    assert most == [2, 2]
    assert not turns.waiting


async def test_what_lost_a_race_is_timed_and_charged_until_it_was_stopped() -> None:
    async def silent(_: Job) -> AsyncIterator[Chunk]:
        await asyncio.sleep(30)
        yield done()

    async def talks(_: Job) -> AsyncIterator[Chunk]:
        for _ in range(10):
            yield Text("a", 0, 1)
            await asyncio.sleep(0.05)
        yield done()

    price = {"per_second": 1.0}
    first = Played(make.card("a", endpoint=ENDPOINT, price=price), silent)
    second = Played(make.card("b", endpoint=ENDPOINT, price={"per_request": 9.0}), talks)
    execution = execution_of(first, second, hedging={"on": True, "after_s": 0.05})
    assert await text_of(execution) == "a" * 10
    stopped, heard = execution.outcomes
    assert (stopped.path, heard.path) == ("a", "b")
    assert heard.seconds > 0.5
    assert stopped.seconds < 0.3
    assert stopped.cost == pytest.approx(stopped.seconds, abs=0.05)


async def test_who_loses_a_race_is_known_to_be_slow_and_half_open_it_is_no_probe_for_ever() -> None:
    async def silent(_: Job) -> AsyncIterator[Chunk]:
        await asyncio.sleep(30)
        yield done()

    async def talks(_: Job) -> AsyncIterator[Chunk]:
        yield Text("well", 0, 1)
        yield done()

    first = Played(make.card("a", endpoint=ENDPOINT, speed=SPEED), silent)
    second = Played(make.card("b", endpoint=ENDPOINT, price={"per_request": 0.01}), talks)
    now = 0.0
    upstream = Upstream(first.card, Breaking(least_answers=4, slow_factor=1.0, connect_failures=1), lambda: now)
    figures, breaker = LiveFigures(), upstream.members[0].breaker

    async def race() -> None:
        execution = execution_of(first, second, hedging={"on": True, "after_s": 0.05})
        execution.upstreams = {**execution.upstreams, "a": upstream}
        assert await text_of(execution) == "well"
        figures.note(execution.outcomes[0], 0.03)

    for _ in range(4):
        await race()
    assert breaker.lagging
    for _ in range(4):
        await race()
    assert figures.first_p50 is not None
    assert figures.first_p50 >= 0.05
    breaker.failed(breaker.enter(), connecting=True)
    now += 100.0
    assert not breaker.refuses()
    for _ in range(3):
        assert breaker.state == "half-open"
        await race()
    assert (breaker.state, breaker.lagging) == ("open", True)


async def test_where_both_speak_at_once_the_one_that_is_not_heard_is_closed_at_once() -> None:
    async def play(job: Job) -> AsyncIterator[Chunk]:
        try:
            await together.wait()
            for _ in range(20):
                yield Text("a", 0, 1)
                await asyncio.sleep(0.02)
            yield done()
        finally:
            closed.append(time.perf_counter())

    together, closed = asyncio.Event(), []
    first = Played(make.card("a", endpoint=ENDPOINT), play)
    second = Played(make.card("b", endpoint=ENDPOINT, price={"per_request": 0.01}), play)
    asyncio.get_running_loop().call_later(0.1, together.set)
    assert await text_of(execution_of(first, second, hedging={"on": True, "after_s": 0.02})) == "a" * 20
    assert closed[1] - closed[0] > 0.3


async def test_who_leaves_a_race_and_is_cancelled_a_moment_later_has_closed_the_one_that_was_heard() -> None:
    async def silent(_: Job) -> AsyncIterator[Chunk]:
        try:
            await asyncio.sleep(30)
            yield done()
        finally:
            await asyncio.sleep(0.3)

    async def talks(_: Job) -> AsyncIterator[Chunk]:
        while True:
            yield Text("a", 0, 1)
            await asyncio.sleep(0.01)

    first = Played(make.card("a", endpoint=ENDPOINT), silent)
    second = Played(make.card("b", endpoint=ENDPOINT, price={"per_request": 0.01}), talks)
    execution = execution_of(first, second, hedging={"on": True, "after_s": 0.02})
    left = asyncio.Event()

    async def listen() -> None:
        chunks = execution.chunks()
        async for _ in chunks:
            break
        left.set()
        await chunks.aclose()

    listening = asyncio.create_task(listen())
    await left.wait()
    await asyncio.sleep(0.05)
    listening.cancel()
    await asyncio.wait((listening,))
    assert {outcome.path: outcome.status for outcome in execution.outcomes} == {"a": "cancelled", "b": "cancelled"}
    assert [upstream.members[0].busy for upstream in execution.upstreams.values()] == [0, 0]

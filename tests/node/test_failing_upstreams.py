"""Claims about upstreams that fail: what is tried again, what another path answers, what is charged and given out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.node.conftest import Running, Start, said, sse, until
from tests.node.failing import FAST, IN, OUT, card_of, due, whose
from tests.standins.numbered import NumberedStandIn

NO_CACHE = {"Cache-Control": "no-store"}


@asynccontextmanager
async def servers(*made: NumberedStandIn) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for one in made:
            await stack.enter_async_context(one)
        yield


async def ask(weir: Running, *, stream: bool, **over: Any) -> tuple[int, str, dict[str, str], list[Any]]:
    """Status, text, headers and events of one request that no cache answers."""
    headers = {**NO_CACHE, **over.pop("headers", {})}
    async with weir.chat("one two three", stream=stream, headers=headers, **over) as response:
        head = {name.lower(): value for name, value in response.headers.items()}
        if not stream or response.status != 200:
            body = await response.json()
            text = body["choices"][0]["message"]["content"] if response.status == 200 else ""
            return response.status, text, head, [body]
        events = sse(await response.read())
        return response.status, said(events), head, events


async def steps_of(weir: Running, id: str) -> list[dict[str, Any]]:
    return list((await weir.record(id))["outcome"]["steps"])


async def cost_of(weir: Running) -> float:
    return float(sum(row["outcome"]["cost"] for row in await weir.records()))


@pytest.mark.parametrize("stream", [False, True])
async def test_where_nothing_else_is_left_a_path_is_asked_again_and_every_attempt_is_recorded(
    start: Start, stream: bool
) -> None:
    a = NumberedStandIn("a", next_troubles=["503", "503"])
    async with servers(a), start(card_of(a), failing=FAST) as weir:
        status, text, headers, _ = await ask(weir, stream=stream)
        assert (status, whose(text)) == (200, ("a", 20))
        (step,) = await steps_of(weir, headers["x-weir-decision"])
        assert [one["fault"] for one in step["attempts"]] == ["unavailable", "unavailable"]
        assert all(one["waited_s"] > 0 and one["cost"] == 0.0 for one in step["attempts"])
        assert step["cost"] == pytest.approx(due(a))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("trouble", ["429", "500", "mute", "hang", "cut", "end"])
async def test_what_a_path_fails_at_before_anything_was_given_out_another_answers(
    start: Start, trouble: str, stream: bool
) -> None:
    a, b = NumberedStandIn("a", trouble, after=0), NumberedStandIn("b")
    async with servers(a, b), start(card_of(a), card_of(b, cost=0.001), failing=FAST) as weir:
        status, text, headers, _ = await ask(weir, stream=stream)
        assert (status, whose(text)) == (200, ("b", 20))
        first, second = await steps_of(weir, headers["x-weir-decision"])
        assert (first["status"], first["path"]) == ("failed", "site/a")
        assert len(a.calls) == 1, "what may have done work, or asked to wait for long, is not asked again"
        assert second["cost"] == pytest.approx(due(b, 0.001))
        if trouble != "mute":  # nobody knows what it did
            assert first["cost"] == pytest.approx(due(a))
            assert first["cost_known"] or trouble == "cut"


@pytest.mark.parametrize("trouble", ["hang", "cut", "end"])
async def test_after_the_first_token_a_stream_ends_in_an_error_and_what_was_sent_is_paid_to_the_token(
    start: Start, trouble: str
) -> None:
    a, b = NumberedStandIn("a", trouble, after=7), NumberedStandIn("b")
    async with servers(a, b), start(card_of(a), card_of(b, cost=0.001), failing=FAST) as weir:
        status, text, headers, events = await ask(weir, stream=True)
        assert (status, whose(text)) == (200, ("a", 7))
        assert events[-1]["error"]["code"] == "all_paths_failed"
        (step,) = await steps_of(weir, headers["x-weir-decision"])
        assert step["cost"] == pytest.approx(due(a), abs=1e-12)
        assert step["completion_tokens"] == a.billed[1]
        assert not b.calls
        # Whole, nothing was given out, so another path answers from the beginning.
        _, text, _, _ = await ask(weir, stream=False)
        assert whose(text) == ("b", 20)
        assert await cost_of(weir) == pytest.approx(due(a) + due(b, 0.001), abs=1e-12)


async def test_what_was_given_out_is_never_begun_anew_not_even_where_nobody_else_is_left(start: Start) -> None:
    a = NumberedStandIn("a", "cut", after=7)
    async with servers(a), start(card_of(a), failing=FAST) as weir:
        _, text, _, events = await ask(weir, stream=True)
        assert whose(text) == ("a", 7)
        assert "error" in events[-1]
        assert len(a.calls) == 1
        status, _, headers, _ = await ask(weir, stream=False)  # nothing was given out: asked as often as may be
        assert status == 502
        assert len(a.calls) == 4
        (step,) = await steps_of(weir, headers["x-weir-decision"])
        assert len(step["attempts"]) == 2
        assert step["cost"] == pytest.approx(3 * (3 * IN + 8 * OUT) / 1e6, abs=1e-12)


async def test_a_client_that_leaves_stops_the_call_and_pays_for_what_was_sent(start: Start) -> None:
    a = NumberedStandIn("a", tokens=500, pause_s=0.005)
    async with servers(a), start(card_of(a)) as weir:
        async with weir.chat("one two three", stream=True, headers=NO_CACHE) as response:
            await response.content.readany()
            assert a.open_now == 1
            left = time.monotonic()
            response.close()
            await until(lambda: a.open_now == 0, 1.0)
            assert time.monotonic() - left < 0.5  # 0.1 s is shown by benchmarks/streams.py, on a quiet host
        await until(lambda: weir.node.active == 0)
        (row,) = await weir.records()
        assert row["outcome"]["status"] == "cancelled"
        (step,) = row["outcome"]["steps"]
        assert step["completion_tokens"] == a.billed[1]
        assert step["cost_known"]
        assert row["outcome"]["cost"] == pytest.approx(due(a), abs=1e-12)


async def test_a_path_that_answers_429_is_left_alone_until_then_and_no_error_is_held_against_it(start: Start) -> None:
    a, b = NumberedStandIn("a", "429", retry_after="30"), NumberedStandIn("b")
    async with servers(a, b), start(card_of(a), card_of(b, cost=0.001)) as weir:
        for _ in range(3):
            assert whose((await ask(weir, stream=False))[1]) == ("b", 20)
        assert len(a.calls) == 1
        (member,) = weir.node.fleet.upstreams["site/a"].members
        assert (member.breaker.state, member.breaker.openings) == ("closed", 0)
        _, body = await weir.get("/weir/v1/status")
        assert "asked to wait" in next(path["reason"] for path in body["paths"] if path["id"] == "site/a")
        assert any("asked to wait" in reason for reason in body["reasons"])


async def test_a_breaker_opens_is_named_to_all_who_ask_lets_probes_through_and_closes(start: Start) -> None:
    a, b = NumberedStandIn("a", "500"), NumberedStandIn("b")
    breaking = {"least_calls": 4, "pause_s": 0.2, "probes": 2}
    async with servers(a, b), start(card_of(a), card_of(b, cost=0.001), failing={"breaking": breaking}) as weir:
        for _ in range(6):
            assert whose((await ask(weir, stream=True))[1]) == ("b", 20)
        assert len(a.calls) == 4
        (member,) = weir.node.fleet.upstreams["site/a"].members
        assert member.breaker.state == "open"
        assert (await weir.get("/readyz"))[1]["state"] == "degraded"
        async with weir.session.post(f"{weir.url}/v1/route", json={"text": "one"}) as response:
            explained = await response.text() if response.status == 200 else ""
        assert not explained or "4 of 4 calls failed" in explained
        a.trouble = ""
        await asyncio.sleep(0.25)
        assert [whose((await ask(weir, stream=True))[1])[0] for _ in range(3)] == ["a", "a", "a"]
        assert (member.breaker.state, member.breaker.openings, member.breaker.closings) == ("closed", 1, 1)


async def test_a_path_that_became_slow_is_asked_after_others_and_where_it_is_alone_all_the_same(start: Start) -> None:
    a, b = NumberedStandIn("a", pause_s=0.001), NumberedStandIn("b")  # in one piece it would say nothing of its speed
    breaking = {"least_answers": 3, "slow_factor": 1.0, "pause_s": 60.0}
    speed = {"first_token_s": 0.005, "first_token_p95_s": 0.03, "prefill_tokens_per_s": 1e6}
    async with servers(a, b):
        cards = card_of(a, speed=speed), card_of(b, cost=0.00001, speed={"first_token_p95_s": 5.0})
        async with start(*cards, failing={"breaking": breaking}) as weir:
            a.first_s = 0.06
            for _ in range(3):
                assert whose((await ask(weir, stream=True, model="site/a"))[1]) == ("a", 20)
            assert weir.node.fleet.upstreams["site/a"].members[0].breaker.lagging
            _, text, headers, _ = await ask(weir, stream=True)
            assert whose(text) == ("b", 20)
            decision = (await weir.record(headers["x-weir-decision"]))["decision"]
            (slow,) = [one for one in decision["candidates"] if one["path"] == "site/a"]
            assert "came too late" in slow["reasons"][0]["text"]
            assert whose((await ask(weir, stream=True, model="site/a"))[1]) == ("a", 20)


async def test_comments_and_roles_are_no_token_and_the_first_ones_clock_goes_on(start: Start) -> None:
    a, b = NumberedStandIn("a", "ping"), NumberedStandIn("b")
    async with servers(a, b), start(card_of(a), card_of(b, cost=0.001), failing=FAST) as weir:
        _, text, headers, _ = await ask(weir, stream=True)
        assert whose(text) == ("b", 20)
        first, _ = await steps_of(weir, headers["x-weir-decision"])
        assert first["fault"] == "timeout"
        a.trouble = "role"
        _, text, _, _ = await ask(weir, stream=True)
        assert whose(text) == ("b", 20)


@pytest.mark.parametrize("trouble", ["429-bare", "503", "mute", "ping", "hang"])
async def test_no_attempt_and_no_wait_outlasts_the_deadline(start: Start, trouble: str) -> None:
    a = NumberedStandIn("a", trouble, after=0)
    slow = {"retries": {"first_wait_s": 5.0, "longest_wait_s": 30.0, "alone": 10}}
    async with servers(a), start(card_of(a, endpoint={"first_byte_timeout_s": 30.0}), failing=slow) as weir:
        began = time.monotonic()
        status, _, _, _ = await ask(weir, stream=True, headers={"X-Weir-Deadline": "0.4"})
        assert time.monotonic() - began < 1.5
        assert status >= 500
        (member,) = weir.node.fleet.upstreams["site/a"].members
        assert member.breaker.openings == 0


async def test_the_callers_own_deadline_is_not_held_against_a_server(start: Start) -> None:
    a = NumberedStandIn("a", "role")
    breaking = {"least_calls": 2, "error_share": 0.1}
    async with servers(a), start(card_of(a), failing={"breaking": breaking}) as weir:
        for _ in range(4):
            await ask(weir, stream=True, headers={"X-Weir-Deadline": "0.06"})
        assert weir.node.fleet.upstreams["site/a"].members[0].breaker.openings == 0


async def test_of_several_members_one_that_is_in_trouble_costs_nobody_an_answer(start: Start) -> None:
    one, two = NumberedStandIn("a", "503"), NumberedStandIn("b")
    members = [{"base_url": one.base_url, "name": "one"}, {"base_url": two.base_url, "name": "two"}]
    async with servers(one, two):
        members = [{"base_url": one.base_url, "name": "one"}, {"base_url": two.base_url, "name": "two"}]
        card = card_of(one, endpoint={"members": members})
        async with start(card, failing={"breaking": {"least_calls": 3}}) as weir:
            answers = [await ask(weir, stream=k % 2 == 0) for k in range(10)]
            assert {whose(text) for _, text, _, _ in answers} == {("b", 20)}
            steps = await steps_of(weir, answers[0][2]["x-weir-decision"])
            assert [(attempt["member"], attempt["waited_s"]) for attempt in steps[0]["attempts"]] == [("one", 0.0)]
            assert steps[0]["member"] == "two"
            assert len(one.calls) == 3, "its breaker opened, and the other's did not"
            states = [member.breaker.state for member in weir.node.fleet.upstreams["site/a"].members]
            assert states == ["open", "closed"]


async def test_the_least_loaded_member_is_asked_by_weight(start: Start) -> None:
    one, two = NumberedStandIn("a", first_s=0.3), NumberedStandIn("b", first_s=0.3)
    async with servers(one, two):
        members = [{"base_url": one.base_url, "weight": 3}, {"base_url": two.base_url}]
        async with start(card_of(one, endpoint={"members": members})) as weir:
            await asyncio.gather(*(ask(weir, stream=True, user=str(k)) for k in range(8)))
        assert (len(one.calls), len(two.calls)) == (6, 2)


HEDGED = {"hedging": {"on": True, "after_s": 0.1}}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_second_path_is_heard_where_the_first_is_slow_and_both_are_paid(start: Start, stream: bool) -> None:
    a, b = NumberedStandIn("a", first_s=2.0), NumberedStandIn("b")
    async with servers(a, b), start(card_of(a), card_of(b, cost=0.001), failing=HEDGED) as weir:
        _, text, headers, _ = await ask(weir, stream=stream)
        assert whose(text) == ("b", 20)
        assert headers["x-weir-path"] == "site/b"
        stopped, heard = await steps_of(weir, headers["x-weir-decision"])
        assert [(one["path"], one["status"], one["hedged"]) for one in (stopped, heard)] == [
            ("site/a", "cancelled", True),
            ("site/b", "answered", True),
        ]
        assert a.open_now == 0
        assert a.calls[0].ended == "cancelled"
        assert await cost_of(weir) == pytest.approx(due(a) + due(b, 0.001), abs=1e-12)
        a.first_s = 0.0  # quick again: nobody else is asked
        _, text, _, _ = await ask(weir, stream=stream)
        assert whose(text) == ("a", 20)
        assert len(b.calls) == 1


async def test_a_hedge_whose_first_path_speaks_first_after_all_gives_out_that_one_alone(start: Start) -> None:
    a, b = NumberedStandIn("a", first_s=0.3), NumberedStandIn("b", first_s=5.0)
    async with servers(a, b), start(card_of(a), card_of(b, cost=0.001), failing=HEDGED) as weir:
        _, text, headers, _ = await ask(weir, stream=True)
        assert whose(text) == ("a", 20)
        assert [step["path"] for step in await steps_of(weir, headers["x-weir-decision"])] == ["site/b", "site/a"]
        assert b.calls[0].ended == "cancelled"
        assert await cost_of(weir) == pytest.approx(due(a) + due(b, 0.001), abs=1e-12)


async def test_a_client_that_leaves_during_a_race_stops_both(start: Start) -> None:
    a, b = NumberedStandIn("a", first_s=5.0), NumberedStandIn("b", first_s=5.0)
    async with servers(a, b), start(card_of(a), card_of(b, cost=0.001), failing=HEDGED) as weir:
        asked = asyncio.create_task(ask(weir, stream=True))
        await until(lambda: a.open_now == b.open_now == 1)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await until(lambda: a.open_now == b.open_now == 0, 1.0)
        await until(lambda: weir.node.active == 0)
        (row,) = await weir.records()
        assert [step["status"] for step in row["outcome"]["steps"]] == ["cancelled", "cancelled"]
        assert row["outcome"]["cost"] == pytest.approx(due(a) + due(b, 0.001), abs=1e-12)

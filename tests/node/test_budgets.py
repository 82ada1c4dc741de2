"""Hard budgets at a running node: bursts, calls beyond the plan, shared executions, and a node that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.view import explanation
from appliance.paths.contract import PathError
from appliance.records.money import PICOS
from appliance.turns import Turns
from tests.node.conftest import fake_card, process_node, running_node, until, upstream_card, write_content
from tests.node.doubles import FakePath, answer
from tests.node.test_tenants import bearer, key, tenants
from tests.standins.openai_server import Behaviour, OpenAIStandIn

DEAR = {"output_per_million": 10_000.0}  # 0.01 a token


def holds(state: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(state / "node.db")) as connection:
        return connection.execute("SELECT id, tenant, amount, path FROM holds").fetchall()


def left(weir: Any) -> float:
    found = weir.node.accounts.of("acme").left(time.time())
    assert found is not None
    return float(found)


async def test_fifty_at_once_on_a_budget_for_ten_are_ten(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=10.0)
    async with OpenAIStandIn(Behaviour(delay_first_s=0.5)) as upstream:
        far = upstream_card(upstream.base_url, "frontier/one", tier="frontier", price=DEAR)
        async with running_node(tmp_path, far) as weir:
            calls = [weir.ask(f"q{n}", max_tokens=100, headers=bearer(acme)) for n in range(50)]
            asking = [asyncio.create_task(call) for call in calls]
            await until(lambda: upstream.open_now == 10)
            assert left(weir) == 0.0
            assert len(holds(weir.state)) == 10
            got = sorted(row[0] for row in await asyncio.gather(*asking))
            assert got == [200] * 10 + [429] * 40
            assert left(weir) == 10.0 - 10 * 0.01  # one token each
            status, _, _ = await weir.ask("again", max_tokens=100, headers=bearer(acme))
            assert status == 200
            await until(lambda: not holds(weir.state))
    (spent,) = tenants(tmp_path).one("acme").spending.values()
    assert (spent.picos, spent.requests) == (11 * PICOS // 100, 51)
    assert upstream.seen["chat/completions"] == 11


async def test_without_a_stated_limit_the_cards_counts(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=10.0)
    async with OpenAIStandIn(Behaviour()) as upstream:
        far = upstream_card(upstream.base_url, "far", tier="frontier", price=DEAR, max_output_tokens=1001)
        async with running_node(tmp_path, far) as weir:
            status, body, _ = await weir.ask("q", headers=bearer(acme))
            assert (status, body["error"]["code"]) == (429, "budget_exceeded")
            told = explanation((await weir.records())[0])
            assert "budget   10 was left" in told
            assert "more than the budget that is left (10.01 at most)" in told
            assert (await weir.ask("q", max_tokens=1000, headers=bearer(acme)))[0] == 200
            assert (await weir.ask("q", max_tokens=500, n=2, headers=bearer(acme)))[0] == 429
    assert upstream.seen["chat/completions"] == 1


async def test_a_call_beyond_the_plan_is_paid_for_ahead_or_not_made(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=0.003)
    price, spare_price = {"per_request": 0.001}, {"per_request": 0.0025}
    breaks = FakePath(fake_card("device/a", price=price), [PathError("timeout", "no answer")])
    spare = FakePath(fake_card("device/b", price=spare_price), answer("from b"))
    async with running_node(tmp_path, fakes=(breaks, spare)) as weir:
        status, body, _ = await weir.ask("q", headers=bearer(acme))
        assert status == 502
        assert any("device/b: budget" in reason for reason in body["error"]["weir"]["reasons"])
        assert (len(breaks.jobs), len(spare.jobs)) == (1, 0)
        assert left(weir) == 0.002
        tenants(tmp_path).set("acme", lambda before: before.model_copy(update={"budget_day": 0.0046}))
        await until(lambda: left(weir) == 0.0036)
        assert (await weir.ask("q", headers=bearer(acme)))[0] == 200  # 0.001, and 0.0025 more
        assert left(weir) == 0.0001


async def test_what_is_shared_is_paid_for_once_whoever_leaves_first(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=9.0)
    slow = FakePath(fake_card("device/slow", price={"per_request": 1.0}), answer("it is so", pause=0.1))
    async with running_node(tmp_path, fakes=(slow,)) as weir:
        first = asyncio.create_task(weir.ask("q", headers=bearer(acme)))
        await until(lambda: slow.running)
        second = asyncio.create_task(weir.ask("q", headers=bearer(acme)))
        await until(lambda: weir.node.active == 2)
        first.cancel()
        await until(lambda: weir.node.active == 1)
        assert left(weir) <= 8.0  # what the other waits for stays paid for
        assert (await second)[0] == 200
        await until(lambda: not weir.node.active)
        assert left(weir) == 8.0
        await until(lambda: not holds(weir.state))
    assert len(slow.jobs) == 1


@pytest.mark.parametrize("tier", ["frontier", "device"])
async def test_no_call_begins_before_what_it_may_cost_is_on_disk(tmp_path: Path, tier: str) -> None:
    acme = key(tmp_path, budget_day=5.0)
    async with OpenAIStandIn(Behaviour()) as upstream:
        card = upstream_card(upstream.base_url, "one", tier=tier, price={"per_request": 1.0})
        async with running_node(tmp_path, card) as weir:
            assert (await weir.ask("first", headers=bearer(acme)))[0] == 200  # connected
            await until(lambda: not holds(weir.state))
            with closing(sqlite3.connect(weir.state / "node.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                asking = asyncio.create_task(weir.ask("second", headers=bearer(acme)))
                leaving = await asyncio.to_thread(entries, weir.state, 2 if tier == "frontier" else 0)
                assert not asking.done()
                assert upstream.seen["chat/completions"] == 1
                other.execute("ROLLBACK")
            assert (await asking)[0] == 200
            assert upstream.seen["chat/completions"] == 2
    assert leaving == (2 if tier == "frontier" else 0)  # the audit does not wait for it


async def test_no_runtime_of_this_host_is_asked_before_either(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=5.0)
    path = FakePath(fake_card("device/a", price={"per_request": 1.0}), answer("here"))
    async with running_node(tmp_path, fakes=(path,)) as weir:
        with closing(sqlite3.connect(weir.state / "node.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asking = asyncio.create_task(weir.ask("q", headers=bearer(acme)))
            await asyncio.sleep(0.5)
            assert (path.jobs, asking.done()) == ([], False)
            other.execute("ROLLBACK")
        assert (await asking)[0] == 200
    assert len(path.jobs) == 1


async def test_the_wait_for_the_disk_counts_against_the_deadline_and_takes_no_turn(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=5.0)
    path = FakePath(fake_card("device/a", price={"per_request": 1.0}), answer("here"))
    async with running_node(tmp_path, fakes=(path,)) as weir:
        turns = weir.node.fleet.turns["device/a"] = Turns(1, 8)
        with closing(sqlite3.connect(weir.state / "node.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            late = asyncio.create_task(weir.ask("late", headers={**bearer(acme), "X-Weir-Deadline": "0.3"}))
            in_time = asyncio.create_task(weir.ask("in time", headers={**bearer(acme), "X-Weir-Deadline": "20"}))
            status, body, _ = await asyncio.wait_for(late, 5)
            assert status == 502, body
            assert any("device/a: timeout" in reason for reason in body["error"]["weir"]["reasons"])
            assert (path.jobs, in_time.done(), turns.free()) == ([], False, True)
            turns.done()
            other.execute("ROLLBACK")
        assert (await in_time)[0] == 200
        await until(lambda: not holds(weir.state))
    (job,) = path.jobs
    assert job.deadline_s is not None
    assert job.deadline_s < 19.8  # what was waited is gone


async def test_nor_does_a_composed_answer_ask_anybody_before(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=5.0)
    content = tmp_path / "content" / "router"
    content.mkdir(parents=True)
    vote = {"kind": "ensemble", "members": ["device/a", "device/b"], "quorum": 2}
    (content / "strategies.json").write_text(json.dumps({"strategies": {"vote": vote}}))
    fakes = tuple(FakePath(fake_card(f"device/{one}", price={"per_request": 1.0}), answer("42")) for one in "ab")
    async with running_node(tmp_path, fakes=fakes, cache={"enabled": False}) as weir:
        with closing(sqlite3.connect(weir.state / "node.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asking = asyncio.create_task(weir.ask("q", model="strategy:vote", headers=bearer(acme)))
            leaves = asyncio.create_task(weir.ask("r", model="strategy:vote", headers=bearer(acme)))
            await until(lambda: weir.node.active == 2)
            await asyncio.sleep(0.3)
            leaves.cancel()
            await until(lambda: weir.node.active == 1)
            assert [fake.jobs for fake in fakes] == [[], []]
            other.execute("ROLLBACK")
        assert (await asking)[0] == 200
        await until(lambda: not holds(weir.state))
        assert left(weir) == 3.0
    assert [len(fake.jobs) for fake in fakes] == [1, 1]


async def test_no_server_is_blamed_for_this_hosts_disk(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=50.0)
    patience = {"connect_timeout_s": 0.1, "first_byte_timeout_s": 0.2}
    async with OpenAIStandIn(Behaviour()) as upstream:
        card = upstream_card(upstream.base_url, "one", tier="frontier", price={"per_request": 1.0}, endpoint=patience)
        async with running_node(tmp_path, card) as weir:
            with closing(sqlite3.connect(weir.state / "node.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                for n in range(6):
                    status, body, _ = await weir.ask(f"q{n}", headers=bearer(acme))
                    assert (status, body["error"]["code"]) == (503, "audit_unavailable")
                other.execute("ROLLBACK")
            assert (await weir.ask("again", headers=bearer(acme)))[0] == 200  # no breaker is open
            await until(lambda: not holds(weir.state))
            assert left(weir) == 49.0


@pytest.mark.parametrize("tier", ["frontier", "device"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shared", [False, True])
async def test_who_leaves_meanwhile_pays_nothing_and_leaves_nothing_behind(
    tmp_path: Path, tier: str, stream: bool, shared: bool
) -> None:
    acme = key(tmp_path, budget_day=5.0)
    headers = {**bearer(acme), **({} if shared else {"Cache-Control": "no-store"})}
    async with OpenAIStandIn(Behaviour()) as upstream:
        card = upstream_card(upstream.base_url, "one", tier=tier, price={"per_request": 1.0})
        async with running_node(tmp_path, card) as weir:
            with closing(sqlite3.connect(weir.state / "node.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                asking = [asyncio.create_task(weir.ask("q", headers=headers, stream=stream)) for _ in range(3)]
                await until(lambda: weir.node.active == 3)
                await asyncio.sleep(0.2)
                for one in asking:
                    one.cancel()
                await until(lambda: not weir.node.active)
                assert left(weir) == 5.0
                other.execute("ROLLBACK")
            await until(weir.node.store.writer._queue.empty)
            await until(lambda: not holds(weir.state))
            assert [row["outcome"]["status"] for row in await weir.records()] == ["cancelled"] * 3
            assert (await weir.ask("r", headers=headers))[0] == 200  # nothing is clogged
            await until(lambda: not holds(weir.state))
    assert upstream.seen["chat/completions"] == 1
    (spent,) = tenants(tmp_path).one("acme").spending.values()
    assert (spent.picos, spent.requests) == (PICOS, 4)


def entries(state: Path, awaited: int) -> int:
    """How often the audit says that something leaves: after half a second, or when it is so many."""
    began, found = time.monotonic(), 0
    with closing(sqlite3.connect(state / "audit.db")) as connection:
        while (taken := time.monotonic() - began) < 0.5 or (found < awaited and taken < 30):
            (found,) = connection.execute("SELECT count(*) FROM entries WHERE kind = 'egress'").fetchone()
            time.sleep(0.01)
    return found


async def test_what_a_killed_node_had_set_aside_is_spent_by_the_next_one(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=5.0)
    async with OpenAIStandIn(Behaviour(delay_first_s=30.0)) as upstream:
        far = upstream_card(upstream.base_url, "far", tier="device", price={"per_request": 2.0})
        content = write_content(tmp_path / "pressed", far)
        with process_node(tmp_path, content) as process:

            def ask() -> None:
                with pytest.raises(OSError):
                    process.ask("q", headers=bearer(acme))

            thread = threading.Thread(target=ask)
            thread.start()
            await until(lambda: upstream.open_now, 30)
            ((id, tenant, amount, path),) = holds(process.state)
            assert (tenant, amount, path) == ("acme", 2 * PICOS, "far")
            os.kill(process.child.pid, signal.SIGKILL)
            process.child.wait()
            await asyncio.to_thread(thread.join)
        upstream.behaviour.delay_first_s = 0.0
        async with running_node(tmp_path, far) as weir:
            assert left(weir) == 3.0
            assert weir.node.accounts.of("acme").set_aside == 0
            assert holds(weir.state) == []
            record = await weir.record(id)
            assert record["outcome"]["error_code"] == "node_died"
            assert (record["outcome"]["cost"], record["outcome"]["steps"][0]["cost_known"]) == (2.0, False)
            told = explanation(record).splitlines()
            assert told[0].endswith("  asked by acme")  # for what, nobody knows any more
            assert told[1] == "because  undecided"
            assert (await weir.ask("q1", headers=bearer(acme)))[0] == 200
            assert (await weir.ask("q2", headers=bearer(acme)))[0] == 429
    async with running_node(tmp_path, far) as weir:  # it counts once
        assert left(weir) == 1.0


async def test_a_composed_answer_that_cannot_be_paid_for_is_refused_as_a_simple_one_with_when_to_come_again(
    tmp_path: Path,
) -> None:
    acme = key(tmp_path, budget_day=0.003)
    content = tmp_path / "content" / "router"
    content.mkdir(parents=True)
    vote = {"kind": "ensemble", "members": ["device/a", "device/b"], "quorum": 2}
    (content / "strategies.json").write_text(json.dumps({"strategies": {"vote": vote}}))
    price = {"price": {"per_request": 0.002}}
    fakes = tuple(FakePath(fake_card(f"device/{one}", **price), answer("42")) for one in "ab")
    async with running_node(tmp_path, fakes=fakes, cache={"enabled": False}) as weir:
        assert (await weir.ask("q", headers=bearer(acme)))[0] == 200  # 0.001 is left: either is too dear, or both
        for model in ("strategy:vote", "auto"):
            status, body, headers = await weir.ask("q", model=model, headers=bearer(acme))
            assert (status, body["error"]["code"]) == (429, "budget_exceeded"), model
            assert 0 < int(headers["retry-after"]) <= 86_400
        tenants(tmp_path).set("acme", lambda before: before.model_copy(update={"budget_day": 0.0055}))
        await until(lambda: left(weir) == 0.0035)
        status, body, headers = await weir.ask("q", model="strategy:vote", headers=bearer(acme))  # each, but not both
        assert (status, body["error"]["code"]) == (429, "budget_exceeded")
        assert 0 < int(headers["retry-after"]) <= 86_400
        assert (await weir.ask("q", headers=bearer(acme)))[0] == 200

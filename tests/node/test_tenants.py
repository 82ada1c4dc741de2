"""Tenants at a running node: keys, scopes, labels, limits, budgets, fairness."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from appliance.bundle.in_force import InForce
from appliance.config import Config, Listen
from appliance.node import Node
from appliance.records.tenant import Tenant
from appliance.status import status_of
from appliance.store.tenants import Tenants
from appliance.web.server import listening
from tests import policies
from tests.node.conftest import (
    Running,
    fake_card,
    running_node,
    until,
    upstream_card,
    write_content,
)
from tests.node.doubles import FakePath, answer
from tests.standins.openai_server import OpenAIStandIn

PAID = {"input_per_million": 0.0, "output_per_million": 0.0, "per_request": 1.0}


def tenants(directory: Path) -> Tenants:
    state = directory / "state"
    state.mkdir(exist_ok=True)
    return Tenants(state)


def key(directory: Path, name: str = "acme", **settings: Any) -> str:
    """A new tenant's key."""
    return tenants(directory).add(Tenant(name=name, **settings), now=time.time())[1]


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@asynccontextmanager
async def two_tiers(directory: Path, upstream: OpenAIStandIn, **over: Any) -> AsyncIterator[Running]:
    """A node with a path on the site and one at the frontier, both of them the stand-in."""
    site = upstream_card(upstream.base_url, "site/one", retention="none")
    far = upstream_card(upstream.base_url, "frontier/one", tier="frontier", retention="none", **over.pop("far", {}))
    async with running_node(directory, site, far, **over) as running:
        yield running


async def test_from_the_first_tenant_on_nobody_is_served_without_a_key(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme = key(tmp_path)
    async with two_tiers(tmp_path, upstream) as weir:
        for headers in ({}, bearer("sk-anything"), bearer(acme[:-1]), {"x-api-key": acme + "x"}):
            status, body, said = await weir.ask("q", headers=headers)
            assert (status, body["error"]["code"]) == (401, "invalid_api_key")
            assert said["www-authenticate"] == "Bearer"
            assert "x-weir-decision" not in said
            async with weir.session.get(f"{weir.url}/v1/models", headers=headers) as response:
                assert response.status == 401
            async with weir.session.get(f"{weir.url}/weir/v1/status", headers=headers) as response:
                assert response.status == 401
        assert (await weir.ask("q", headers=bearer(acme)))[0] == 200
        assert (await weir.ask("q", headers={"x-api-key": acme}))[0] == 200
        assert (await weir.get("/healthz"))[0] == 200
        assert (await weir.get("/readyz"))[0] == 200
        async with weir.session.get(f"{weir.url}/weir/v1/status", headers=bearer(acme)) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (403, "not_permitted")
        async with weir.session.get(
            f"{weir.url}/weir/v1/status", headers=bearer(weir.node.enrolment.operator_key)
        ) as response:
            assert (await response.json())["counters"]["unauthorized"] == 12
        assert [row["asked"]["tenant"] for row in await weir.records()] == ["acme", "acme"]


async def test_the_openai_client_sees_its_own_errors(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme = key(tmp_path, requests_per_minute=2, tiers=("site",))
    async with two_tiers(tmp_path, upstream) as weir:
        hello: list[Any] = [{"role": "user", "content": "q"}]
        async with weir.client() as stranger:
            with pytest.raises(openai.AuthenticationError):
                await stranger.chat.completions.create(model="auto", messages=hello)
        async with weir.client(api_key=acme) as good:
            listed = [model.id async for model in good.models.list()]
            assert "site/one" in listed and "frontier/one" not in listed
            assert (await good.chat.completions.create(model="auto", messages=hello)).choices[0].message.content
            with pytest.raises(openai.RateLimitError) as limited:
                await good.chat.completions.create(model="auto", messages=hello)
        assert int(limited.value.response.headers["retry-after"]) > 0
        assert weir.node.tally.counters.requests == 2


@pytest.mark.parametrize(
    ("settings", "model", "status"),
    [
        ({"models": ("site/one",)}, "auto", 200),
        ({"models": ("site/one",)}, "frontier/one", 403),
        ({"tiers": ("frontier",)}, "site/one", 403),
        ({"tiers": ("frontier",)}, "frontier/one", 200),
        ({"tiers": ("device",)}, "auto", 403),
        ({"modalities": ("embedding",)}, "auto", 403),
        ({"modalities": ("chat", "embedding")}, "auto", 200),
    ],
)
async def test_a_key_covers_what_it_covers_and_a_model_name_is_no_way_round(
    tmp_path: Path, upstream: OpenAIStandIn, settings: dict[str, Any], model: str, status: int
) -> None:
    acme = key(tmp_path, **settings)
    async with two_tiers(tmp_path, upstream) as weir:
        for stream in (False, True):
            async with weir.chat("q", model=model, stream=stream, headers=bearer(acme)) as response:
                assert response.status == status
                if status == 403:
                    reasons = (await response.json())["error"]["weir"]["reasons"]
                    assert any("the key does not cover" in reason for reason in reasons)
                    assert not any(
                        id in reason for reason in reasons for id in ("site/one", "frontier/one") if id != model
                    )
        if status == 403:
            assert not upstream.seen


async def test_the_tenants_labels_hold_whatever_its_callers_state(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme = key(tmp_path, classification="restricted", residency="country:CH")
    async with two_tiers(tmp_path, upstream) as weir:
        for over in (
            {},
            {"headers": {"X-Weir-Classification": "public"}},
            {"metadata": {"weir_classification": "public"}},
        ):
            for model, status in (("auto", 200), ("frontier/one", 403)):
                asked = {**over, "headers": {**over.get("headers", {}), **bearer(acme)}, "model": model}
                got, _, headers = await weir.ask("q", **asked)
                assert got == status
                assert headers["x-weir-classification"] == "restricted"
        assert {row["asked"]["labels"]["residency"] for row in await weir.records()} == {"country:CH"}
        got, body, _ = await weir.ask("q", headers={**bearer(acme), "X-Weir-Residency": "country:US"})
        assert (got, body["error"]["code"]) == (403, "policy_refused")
        assert (await weir.records())[-1]["asked"]["labels"]["residency"] == "country:CH & country:US"


async def test_what_is_remembered_for_one_tenant_is_not_said_to_another(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    first, second = key(tmp_path, "first"), key(tmp_path, "second", purpose="research")
    async with two_tiers(tmp_path, upstream) as weir:
        for wanted in ("miss", "hit", "hit", "hit"):
            assert (await weir.ask("q", headers=bearer(first)))[2]["x-weir-cache"].split(";")[0] == wanted
        for wanted in ("miss", "hit", "hit"):
            _, _, headers = await weir.ask("q", headers=bearer(second))
            assert headers["x-weir-cache"].split(";")[0] == wanted
        by = [(row["asked"]["tenant"], row["asked"]["labels"]["purpose"]) for row in await weir.records()]
        assert by == [("first", "")] * 4 + [("second", "research")] * 3


async def test_a_rule_that_names_a_tenant_holds_for_it_alone_and_for_cached_answers(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    acme, other = key(tmp_path, "acme"), key(tmp_path, "other")
    rules = (
        policies.NOT_ACME
        + """
@id("no-cache-for-other") @why("test")
forbid (principal == Tenant::"other", action == Action::"use", resource) when { resource.tier == "cache" };
"""
    )
    async with two_tiers(tmp_path, upstream, policy=rules) as weir:
        assert (await weir.ask("q", model="frontier/one", headers=bearer(acme)))[0] == 403
        for _ in range(3):
            status, _, headers = await weir.ask("q", model="frontier/one", headers=bearer(other))
            assert (status, headers["x-weir-path"]) == (200, "frontier/one")
        assert upstream.seen["chat/completions"] == 3
        for wanted in ("site/one", "cache/exact", "cache/exact"):
            assert (await weir.ask("q", model="site/one", headers=bearer(acme)))[2]["x-weir-path"] == wanted


async def test_a_limit_counts_cached_answers_and_its_refusals_leave_a_record_a_minute(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    acme, free = key(tmp_path, requests_per_minute=4), key(tmp_path, "free")
    async with two_tiers(tmp_path, upstream) as weir:
        got = [(await weir.ask("q", headers=bearer(acme)))[0] for _ in range(6)]
        assert got == [200] * 4 + [429] * 2
        assert (await weir.ask("q", headers=bearer(free)))[0] == 200
        rows = await weir.records()
        assert [row["outcome"]["error_code"] for row in rows] == [""] * 4 + ["rate_limit_exceeded", ""]
        assert rows[4]["outcome"]["http_status"] == 429
        assert {row["asked"]["tenant"] for row in rows[:5]} == {"acme"}
        assert (weir.node.tally.counters.bad_requests, weir.node.tally.counters.limited) == (0, 2)
        async with weir.session.get(f"{weir.url}/v1/models", headers=bearer(acme)) as response:
            assert response.status == 429


async def test_tokens_are_counted_as_they_were_used(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme = key(tmp_path, tokens_per_minute=200)
    async with two_tiers(tmp_path, upstream) as weir:
        got = []
        for number in range(20):
            got.append((await weir.ask(f"word {number} " * 20, headers=bearer(acme)))[0])
        assert set(got) == {200, 429}
        used = sum(
            step["prompt_tokens"] + step["completion_tokens"]
            for row in await weir.records()
            for step in row["outcome"]["steps"]
        )
        assert used >= 200 / 6  # what the bucket holds


async def test_a_spent_budget_leaves_what_is_free_and_comes_back_after_a_restart(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    acme = key(tmp_path, budget_day=3.0)
    free = FakePath(fake_card("device/free"), answer("free of charge"))
    async with two_tiers(tmp_path, upstream, far={"price": PAID}, fakes=(free,)) as weir:
        got = [await weir.ask(f"q{n}", model="frontier/one", headers=bearer(acme)) for n in range(5)]
        assert [row[0] for row in got] == [200, 200, 200, 429, 429]
        assert got[3][1]["error"]["code"] == "budget_exceeded"
        assert 0 < int(got[3][2]["retry-after"]) <= 86_400
        status, _, headers = await weir.ask("q9", headers=bearer(acme))
        assert (status, headers["x-weir-path"]) == (200, "device/free")
        async with weir.session.get(
            f"{weir.url}/weir/v1/status", headers=bearer(weir.node.enrolment.operator_key)
        ) as response:
            assert "tenant acme: its budget of the day is spent" in (await response.json())["warnings"]
        assert (await weir.records())[3]["snapshot"]["budget_left"] == 0.0
    held = tenants(tmp_path).one("acme")
    (spent,) = held.spending.values()
    assert (spent.cost, spent.requests) == (3.0, 6)
    async with two_tiers(tmp_path, upstream, far={"price": PAID}) as weir:
        assert (await weir.ask("q", model="frontier/one", headers=bearer(acme)))[0] == 429
        tenants(tmp_path).set("acme", lambda before: before.model_copy(update={"budget_day": 4.0}))
        await until(lambda: weir.node.accounts.of("acme").left(time.time()) == 1.0)
        assert (await weir.ask("q", model="frontier/one", headers=bearer(acme)))[0] == 200
    assert upstream.seen["chat/completions"] == 4


async def test_what_was_spent_while_it_could_not_be_written_is_written_later(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    acme = key(tmp_path, budget_day=9.0)
    async with two_tiers(tmp_path, upstream, far={"price": PAID}) as weir:
        with closing(sqlite3.connect(tenants(tmp_path).path, isolation_level=None)) as other:
            other.execute("ALTER TABLE spending RENAME TO away")
            assert (await weir.ask("q1", model="frontier/one", headers=bearer(acme)))[0] == 200
            await until(lambda: weir.node.store.writer.trouble)
            other.execute("ALTER TABLE away RENAME TO spending")
        assert (await weir.ask("q2", model="frontier/one", headers=bearer(acme)))[0] == 200
    (spent,) = tenants(tmp_path).one("acme").spending.values()
    assert (spent.cost, spent.requests) == (2.0, 2)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_nobody_waited_for_is_charged_as_expected(
    tmp_path: Path, upstream: OpenAIStandIn, stream: bool
) -> None:
    acme = key(tmp_path, budget_day=9.0, tokens_per_minute=6000)
    upstream.behaviour.delay_first_s = 5.0
    async with two_tiers(tmp_path, upstream, far={"price": PAID}) as weir:
        asking = asyncio.create_task(weir.ask("q", model="frontier/one", headers=bearer(acme), stream=stream))
        await until(lambda: upstream.seen["chat/completions"])
        asking.cancel()
        await until(lambda: not weir.node.active)
        assert weir.node.accounts.of("acme").left(time.time()) == 8.0
        (row,) = await weir.records()
        assert row["outcome"]["status"] == "cancelled"
        assert row["outcome"]["steps"][0]["prompt_tokens"] > 0
        assert weir.node.accounts.of("acme").left(time.time()) == 8.0


async def test_a_node_that_lost_its_tenants_goes_on_asking_for_keys(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme, book = key(tmp_path), tenants(tmp_path)
    async with two_tiers(tmp_path, upstream) as weir:
        assert (await weir.ask("q", headers=bearer(acme)))[0] == 200
        for name in ("node.db", "node.db-wal", "node.db-shm"):
            (weir.state / name).unlink(missing_ok=True)
        tenants(tmp_path)  # what a careless command may have made
        await until(lambda: not weir.node.roll.tenants)
        assert (await weir.ask("q"))[0] == 401
        assert (await weir.ask("q", headers=bearer(acme)))[0] == 401
        assert any("nobody has a key" in str(warning) for warning in status_of(weir.node)["warnings"])  # type: ignore[attr-defined]
    async with two_tiers(tmp_path, upstream) as weir:
        assert (await weir.ask("q"))[0] == 401
    assert book.needed


async def test_bodies_on_their_way_are_bounded(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme, other = key(tmp_path), key(tmp_path, "other")
    async with two_tiers(tmp_path, upstream, limits={"body_bytes": 64 << 20}) as weir:

        async def begins(who: str) -> asyncio.StreamReader:
            reader, writer = await asyncio.open_connection("127.0.0.1", weir.port)
            writer.write(
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {who}\r\n"
                f"Content-Length: {40 << 20}\r\n\r\n{{".encode()
            )
            await writer.drain()
            kept.append(writer)
            return reader

        kept: list[asyncio.StreamWriter] = []
        await begins(acme)
        await until(lambda: weir.node.accounts.of("acme").arriving)
        assert (await asyncio.wait_for((await begins(acme)).readline(), 10)).split()[1] == b"503"
        await begins(other)
        await until(lambda: weir.node.accounts.of("other").arriving)
        assert (await weir.ask("q", headers=bearer(acme)))[0] == 200  # what comes in one piece waits for nobody
        for writer in kept:
            writer.close()
        await until(lambda: not weir.node.accounts.of("acme").arriving)


async def test_a_tenant_sees_nothing_of_paths_that_are_not_for_it(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme = key(tmp_path, tiers=("site",))
    async with two_tiers(tmp_path, upstream) as weir:
        body = {"model": "auto", "messages": [{"role": "user", "content": "q"}]}
        async with weir.session.post(f"{weir.url}/v1/route", json=body, headers=bearer(acme)) as response:
            said = await response.text()
        assert response.status == 200
        assert "site/one" in said and "frontier/one" not in said


async def test_many_at_once_do_not_spend_the_same_money(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme = key(tmp_path, budget_month=2.5)
    upstream.behaviour.delay_first_s = 0.3
    async with two_tiers(tmp_path, upstream, far={"price": PAID}) as weir:
        calls = [weir.ask(f"q{n}", model="frontier/one", headers=bearer(acme)) for n in range(10)]
        got = sorted(row[0] for row in await asyncio.gather(*calls))
        assert got == [200] * 2 + [429] * 8
        assert weir.node.accounts.of("acme").left(time.time()) == 0.5
    assert upstream.seen["chat/completions"] == 2


async def test_what_a_failed_or_abandoned_request_was_to_cost_is_left_again(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    acme = key(tmp_path, budget_day=2.0)
    async with two_tiers(tmp_path, upstream, far={"price": PAID, "model": "mode:500"}) as weir:
        assert (await weir.ask("q", model="frontier/one", headers=bearer(acme)))[0] in (502, 503)
        assert weir.node.accounts.of("acme").left(time.time()) == 2.0
        body = {"model": "frontier/one", "messages": [{"role": "user", "content": "q"}]}
        async with weir.session.post(f"{weir.url}/v1/route", json=body, headers=bearer(acme)) as response:
            assert response.status == 200
        assert weir.node.accounts.of("acme").left(time.time()) == 2.0
        assert weir.node.active == 0


async def test_a_decision_is_shown_to_its_own_tenant_and_to_operators(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme, other = key(tmp_path), key(tmp_path, "other")
    async with two_tiers(tmp_path, upstream) as weir:
        _, _, headers = await weir.ask("q", headers=bearer(acme))
        address = f"{weir.url}/v1/decisions/{headers['x-weir-decision']}"
        for text, status in ((acme, 200), (other, 404), (weir.node.enrolment.operator_key, 200), ("", 401)):
            async with weir.session.get(address, headers=bearer(text)) as response:
                assert response.status == status


async def test_a_tenants_decision_tells_of_no_path_beyond_its_key_and_of_no_load(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    acme = key(tmp_path, tiers=("site",))
    async with two_tiers(tmp_path, upstream) as weir:
        _, _, headers = await weir.ask("q", headers=bearer(acme))
        _, _, bad = await weir.ask("q", headers=bearer(acme), top_p=7)  # nothing was decided
        for id, decided in ((headers["x-weir-decision"], True), (bad["x-weir-decision"], False)):
            address = f"{weir.url}/v1/decisions/{id}"
            async with weir.session.get(address, headers=bearer(acme)) as response:
                shown = await response.text()
            async with weir.session.get(address, headers=bearer(weir.node.enrolment.operator_key)) as response:
                whole = await response.json()
            assert "frontier/one" not in shown
            assert orjson.loads(shown)["snapshot"] is None
            assert ("frontier/one" in str(whole["decision"])) is ("frontier/one" in str(whole["snapshot"])) is decided
            assert [one["path"] for one in orjson.loads(shown)["decision"]["candidates"]] == ["site/one"] * decided


async def test_a_running_node_takes_over_what_the_operator_changes(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    acme, book = key(tmp_path, "acme"), tenants(tmp_path)
    async with two_tiers(tmp_path, upstream) as weir:

        async def gets(text: str, status: int, **over: Any) -> bool:
            return (await weir.ask("q", headers=bearer(text), **over))[0] == status

        for _ in range(3):  # served, stored, said again
            assert await gets(acme, 200, model="frontier/one")
        book.set("acme", lambda _: Tenant(name="acme", tiers=("site",)))
        await until(lambda: gets(acme, 403, model="frontier/one"))  # the remembered hit too
        _, new = book.rotate("acme", now=time.time(), grace_s=3600)
        await until(lambda: gets(new, 200))
        assert await gets(acme, 200)
        _, newest = book.rotate("acme", now=time.time(), grace_s=0)
        await until(lambda: gets(new, 401))
        assert await gets(acme, 401)
        assert await gets(newest, 200)
        book.revoke("acme", now=time.time())
        await until(lambda: gets(newest, 401))
        assert (await weir.ask("q"))[0] == 401  # a node that had tenants never serves without a key again


async def test_a_node_without_tenants_serves_this_host_alone_and_says_so(tmp_path: Path) -> None:
    content = write_content(tmp_path / "content", fake_card("device/x"))
    config = Config(state_dir=tmp_path / "state", listen=Listen(host="0.0.0.0", port=0))
    (tmp_path / "state").mkdir()
    node = Node(config, InForce(folder=content))
    async with listening(node):
        assert node.listen_host == "127.0.0.1"
        warnings = status_of(node)["warnings"]
        assert isinstance(warnings, list)
        assert any("weir tenant add" in warning for warning in warnings)
    key(tmp_path)
    node = Node(config, InForce(folder=content))
    async with listening(node):
        assert node.listen_host == "0.0.0.0"
        assert status_of(node)["warnings"] == []


async def test_a_flood_of_one_tenant_lets_another_in_at_once(tmp_path: Path) -> None:
    """One place at the path, 60 requests of one tenant before it: the other waits for the job in hand and no more."""
    loud, calm = key(tmp_path, "loud"), key(tmp_path, "calm")
    card = fake_card("device/slow", runtime="llama_cpp", llama={"sequences": 1})
    slow = FakePath(card, answer("one two", pause=0.02))
    async with running_node(tmp_path, fakes=(slow,)) as weir:
        weir.node.fleet.turns["device/slow"] = turns_of_one()
        flood = [asyncio.create_task(weir.ask(f"q{n}", headers=bearer(loud))) for n in range(60)]
        await until(lambda: weir.node.fleet.turns["device/slow"].waiting >= 55)
        before = sum(task.done() for task in flood)
        assert (await weir.ask("mine", headers=bearer(calm)))[0] == 200
        assert sum(task.done() for task in flood) - before <= 3
        got = await asyncio.gather(*flood)
        assert {row[0] for row in got} == {200}
        assert weir.node.fleet.turns["device/slow"].waiting == 0


def turns_of_one() -> Any:
    from appliance.turns import Turns

    return Turns(1, 100)

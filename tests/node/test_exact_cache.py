"""The exact cache through HTTP: what is reused, what never is, and what survives."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import factories, policies
from tests.node.conftest import Running, fake_card, running_node, said, sse, upstream_card
from tests.node.doubles import FakePath, answer
from tests.standins.openai_server import OpenAIStandIn


async def flush(weir: Running) -> None:
    await asyncio.to_thread(weir.node.store.writer.flush)


def asked_upstream(upstream: OpenAIStandIn) -> int:
    return upstream.seen["chat/completions"] + upstream.seen["completions"]


async def test_the_second_time_is_a_hit_that_says_its_age_and_costs_nothing(
    weir: Running, upstream: OpenAIStandIn
) -> None:
    _, first, before = await weir.ask("what is it")
    _, second, after = await weir.ask("what is it")
    assert before["x-weir-cache"] == "miss"
    assert after["x-weir-cache"].startswith("hit; age=")
    assert after["x-weir-path"] == "cache/exact"
    assert after["x-weir-reason"] == "cache-hit"
    assert float(after["x-weir-cost"].split()[0]) == 0.0
    assert second["choices"] == first["choices"]
    assert second["usage"] == first["usage"]
    assert second["model"] == "site/one"  # what made the answer
    assert second["id"] == after["x-weir-decision"] != first["id"]
    assert asked_upstream(upstream) == 1
    row = await weir.record(second["id"])
    assert row["decision"]["chosen"] == "cache-hit"
    assert row["outcome"]["frontier_cost"] >= 0


async def test_hits_that_were_counted_survive_a_stop(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        for _ in range(4):
            await weir.ask("again")
    with closing(sqlite3.connect(tmp_path / "state" / "cache.db")) as db:
        ((hits,),) = db.execute("SELECT hits FROM exact").fetchall()
    assert 2.9 < hits <= 3.0  # they count less by the day


async def test_a_streamed_hit_is_a_stream_like_any_other(weir: Running, upstream: OpenAIStandIn) -> None:
    await weir.ask("one two three four")
    async with weir.chat("one two three four", stream=True, stream_options={"include_usage": True}) as response:
        assert response.headers["x-weir-cache"].startswith("hit")
        assert response.headers["Content-Type"].startswith("text/event-stream")
        events = sse(await response.read())
    assert said(events) == "one two three four"
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert events[-1] == "[DONE]"
    assert events[-2]["usage"]["total_tokens"] == 8
    assert events[-3]["choices"][0]["finish_reason"] == "stop"
    assert asked_upstream(upstream) == 1


async def test_a_stream_fills_the_cache_once_it_was_sent_whole(weir: Running, upstream: OpenAIStandIn) -> None:
    async with weir.chat("five six", stream=True) as response:
        await response.read()
    _, body, headers = await weir.ask("five six")
    assert headers["x-weir-cache"].startswith("hit")
    assert body["choices"][0]["message"]["content"] == "five six"


async def test_a_stream_that_its_client_left_is_not_stored(weir: Running, upstream: OpenAIStandIn) -> None:
    upstream.behaviour.tokens_per_s = 20
    async with weir.chat("a b c d e f g h", stream=True) as response:
        await response.content.readany()
    upstream.behaviour.tokens_per_s = 0
    _, _, headers = await weir.ask("a b c d e f g h")
    assert headers["x-weir-cache"] == "miss"


@pytest.mark.parametrize(
    ("header", "stored", "looked"), [("no-store", False, False), ("no-cache", True, False), ("max-age=0", True, True)]
)
async def test_a_caller_may_ask_for_more(
    weir: Running, upstream: OpenAIStandIn, header: str, stored: bool, looked: bool
) -> None:
    asking = {"headers": {"Cache-Control": header}}
    await weir.ask("q")
    await asyncio.sleep(0.01)
    _, _, headers = await weir.ask("q", **asking)
    assert not headers["x-weir-cache"].startswith("hit")
    assert (headers["x-weir-cache"] == "bypass") == (header in ("no-store", "no-cache"))
    assert asked_upstream(upstream) == 2
    await weir.ask("new", **asking)
    _, _, headers = await weir.ask("new")
    assert headers["x-weir-cache"].startswith("hit") == stored


async def test_max_age_takes_what_is_young_enough(weir: Running) -> None:
    await weir.ask("q")
    _, _, headers = await weir.ask("q", headers={"Cache-Control": "max-age=60"})
    assert headers["x-weir-cache"].startswith("hit")


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"X-Weir-Classification": "public"}},
        {"headers": {"X-Weir-Residency": "country:CH"}},
        {"temperature": 0.5},
        {"model": "site/one"},
        {"max_tokens": 50},
        {"seed": 3},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]},
        {"messages": [{"role": "user", "content": "q "}]},
        {"response_format": {"type": "json_object"}},
        {"stop": ["x"]},
        {"headers": {"X-Weir-Variation": "fresh"}},
    ],
    ids=str,
)
async def test_what_differs_in_anything_that_counts_never_hits(weir: Running, other: dict[str, Any]) -> None:
    await weir.ask("q")
    _, _, headers = await weir.ask("q", **other)
    assert not headers["x-weir-cache"].startswith("hit")


async def test_another_tenant_never_hits(weir: Running) -> None:
    """Tenants come with keys, which this version does not read yet; the key of the cache holds them all the same."""
    from dataclasses import replace

    from appliance.cache.exact import key_of
    from appliance.records.request import Labels, Request

    one = Request("1", "chat", "auto", digest="d")
    keys = {
        key_of(request, generation)
        for generation in ("g", "h")
        for request in (
            one,
            replace(one, tenant="other"),
            replace(one, labels=Labels(classification="public")),
            replace(one, labels=Labels(residency="node")),
            replace(one, digest="e"),
        )
    }
    assert len(keys) == 10
    assert key_of(replace(one, tenant="a\x1fb"), "g") != key_of(replace(one, tenant="a"), "g")


async def test_what_is_restricted_is_neither_stored_nor_looked_up(weir: Running, upstream: OpenAIStandIn) -> None:
    for _ in range(2):
        _, _, headers = await weir.ask("q", headers={"X-Weir-Classification": "restricted"})
        assert headers["x-weir-cache"] == "bypass"
    assert asked_upstream(upstream) == 2
    await flush(weir)
    with sqlite3.connect(weir.state / "cache.db") as db:
        assert db.execute("SELECT COUNT(*) FROM exact").fetchone() == (0,)
    db.close()


async def test_a_policy_without_the_cache_gets_no_hit(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    without = policies.RULES + policies.NO_CACHE
    async with running_node(tmp_path, upstream_card(upstream.base_url), policy=without) as weir:
        for _ in range(2):
            _, _, headers = await weir.ask("q")
            assert headers["x-weir-path"] == "site/one"


async def test_a_policy_that_forbids_to_store_leaves_nothing_behind(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    text = policies.RULES + policies.NO_STORE
    async with running_node(tmp_path, upstream_card(upstream.base_url), policy=text) as weir:
        for _ in range(2):
            _, _, headers = await weir.ask("q")
            assert headers["x-weir-cache"] == "miss"
        assert asked_upstream(upstream) == 2
        await flush(weir)
        with sqlite3.connect(weir.state / "cache.db") as db:
            assert db.execute("SELECT COUNT(*) FROM exact").fetchone() == (0,)
        db.close()


async def test_answers_are_kept_apart_by_every_label_that_the_rules_see(weir: Running, upstream: OpenAIStandIn) -> None:
    apart = ({}, {"X-Weir-Purpose": "commercial"}, {"X-Weir-Rights": "licensed"}, {"X-Weir-Locale": "de-CH"})
    for headers in apart:
        _, _, seen = await weir.ask("q", headers=headers)
        assert seen["x-weir-cache"] == "miss"
    assert asked_upstream(upstream) == len(apart)


async def test_answers_that_are_cut_off_failed_or_below_the_floor_are_not_stored(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    weak = FakePath(fake_card("device/weak", gate="weak", accuracy_default=0.99), answer("a poor guess", sure=False))
    gate = factories.gate("weak", "device/weak", floor=0.9, weights=(3.0,) + (0.0,) * 8, bias=2.0)
    empty = FakePath(fake_card("device/empty"), answer(""))
    poor = FakePath(fake_card("device/poor", accuracy_default=0.1), answer("by a poor model"))
    filtered = FakePath(fake_card("device/filtered"), answer("half of", finish="content_filter"))
    bad = upstream_card(upstream.base_url, "site/bad", model="mode:500")
    async with running_node(
        tmp_path, upstream_card(upstream.base_url), bad, fakes=(weak, empty, poor, filtered), gates=(gate,)
    ) as weir:
        for _ in range(2):
            for model in ("device/weak", "device/empty", "device/filtered", "site/bad"):
                for stream in (False, True):
                    async with weir.chat("q", model=model, stream=stream) as response:
                        await response.read()
                    assert response.headers["x-weir-cache"] == "miss", (model, stream)
            _, body, headers = await weir.ask("a b c d e", model="site/one", max_tokens=2)
            assert body["choices"][0]["finish_reason"] == "length"
            assert headers["x-weir-cache"] == "miss"


async def test_an_answer_below_the_floor_of_auto_is_not_stored(tmp_path: Path) -> None:
    poor = FakePath(fake_card("device/poor", accuracy_default=0.1), answer("by a poor model"))
    async with running_node(tmp_path, fakes=(poor,)) as weir:
        for _ in range(2):
            _, _, headers = await weir.ask("q")
            assert headers["x-weir-reason"] == "below-floor"
            assert headers["x-weir-cache"] == "miss"


async def test_a_hit_must_meet_the_callers_floor(tmp_path: Path) -> None:
    fair = FakePath(fake_card("device/fair", accuracy_default=0.92), answer("fair"))
    async with running_node(tmp_path, fakes=(fair,), quality_floor=0.5) as weir:
        await weir.ask("q")
        _, _, high = await weir.ask("q", headers={"X-Weir-Quality-Floor": "0.99"})
        _, _, low = await weir.ask("q", headers={"X-Weir-Quality-Floor": "0.5"})
    assert high["x-weir-cache"] == "miss"
    assert low["x-weir-cache"].startswith("hit")


async def test_entries_survive_a_restart_and_another_generation_does_not_see_them(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        await weir.ask("q")
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        _, body, headers = await weir.ask("q")
        assert headers["x-weir-cache"].startswith("hit")
        assert body["choices"][0]["message"]["content"] == "q"
        async with weir.chat("q", stream=True) as response:
            assert said(sse(await response.read())) == "q"
    async with running_node(tmp_path, upstream_card(upstream.base_url), business_value=0.02) as weir:
        _, _, headers = await weir.ask("q")
        assert headers["x-weir-cache"] == "miss"


async def test_every_kind_of_answer_survives_a_restart(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    asking: list[dict[str, Any]] = [
        {"logprobs": True, "top_logprobs": 2},
        {"n": 2, "temperature": 0},
        {"response_format": {"type": "json_object"}},
    ]
    got: list[Any] = []
    for _ in range(2):
        async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
            for over in asking:
                _, body, headers = await weir.ask("grüezi \U0001f9c0 zäme", **over)
                got.append((headers["x-weir-cache"][:3], body["choices"]))
    for first, second in zip(got[:3], got[3:], strict=True):
        assert (first[0], second[0]) == ("mis", "hit")
        assert first[1] == second[1]


async def test_what_has_expired_is_not_served_from_memory_nor_from_disk(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    async with running_node(tmp_path, upstream_card(upstream.base_url), cache={"ttl_s": 0.3}) as weir:
        await weir.ask("q")
        _, _, headers = await weir.ask("q")
        assert headers["x-weir-cache"].startswith("hit")
        await asyncio.sleep(0.35)
        _, _, headers = await weir.ask("q")
        assert headers["x-weir-cache"] == "miss"
    await asyncio.sleep(0.35)
    async with running_node(tmp_path, upstream_card(upstream.base_url), cache={"ttl_s": 0.3}) as weir:
        _, _, headers = await weir.ask("q")
        assert headers["x-weir-cache"] == "miss"
        weir.node.cache.sweep(time.time() + 1)
        await flush(weir)
        with sqlite3.connect(weir.state / "cache.db") as db:
            assert db.execute("SELECT COUNT(*) FROM exact").fetchone() == (0,)
        db.close()


@pytest.mark.parametrize(
    "damage",
    [
        "answer = x'00ff'",
        "answer = ''",
        "answer = '{}'",
        "answer = 'null'",
        "answer = substr(answer, 1, 40)",
        "answer = 7",
        "created = 'yesterday'",
        "expires = x'ff'",
        "p_good = 'high'",
        "p_good = 7",
        "origin = x'ff'",
        """answer = '{"id":"a","model":"m","created":1,"choices":[]}'""",
        "cells = 7",
        "cells = 'extract/easy'",
        """cells = '[["extract/easy"]]'""",
    ],
)
async def test_a_corrupted_row_is_a_miss(tmp_path: Path, upstream: OpenAIStandIn, damage: str) -> None:
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        await weir.ask("q")
    db = sqlite3.connect(tmp_path / "state" / "cache.db")
    with db:
        db.execute(f"UPDATE exact SET {damage}")
    db.close()
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        status, body, headers = await weir.ask("q")
        assert status == 200
        assert headers["x-weir-cache"] == "miss"
        assert body["choices"][0]["message"]["content"] == "q"


async def test_the_quota_drops_the_oldest(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    cache = {"max_bytes": 1 << 20}
    async with running_node(tmp_path, upstream_card(upstream.base_url, context_tokens=0), cache=cache) as weir:
        upstream.behaviour.context_tokens = upstream.behaviour.max_new_tokens = 1_000_000
        for k in range(5):
            await weir.ask(f"{k} " + "x" * 300_000)
        weir.node.cache.sweep(time.time())
        await flush(weir)
        with sqlite3.connect(weir.state / "cache.db") as db:
            held, count = db.execute("SELECT SUM(bytes), COUNT(*) FROM exact").fetchone()
        db.close()
        assert held <= 1 << 20
        assert count == 3


async def test_a_cache_that_is_switched_off_neither_stores_nor_looks(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    async with running_node(tmp_path, upstream_card(upstream.base_url), cache={"enabled": False}) as weir:
        for _ in range(2):
            _, _, headers = await weir.ask("q")
            assert headers["x-weir-cache"] == "bypass"
    assert asked_upstream(upstream) == 2

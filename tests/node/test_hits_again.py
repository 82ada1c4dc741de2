"""A hit that comes again says what the first one said, but for the moment; and only where it still may."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.hits import Hits
from appliance.records.money import picos
from appliance.records.record import from_json
from appliance.replay import replay
from tests import policies
from tests.node.conftest import Running, running_node, said, sse, upstream_card
from tests.standins.openai_server import OpenAIStandIn

MOMENT = {"id", "time", "now", "draw", "age_s", "first_token_s", "seconds"}


def timeless(value: Any) -> Any:
    """A record without what the moment changes."""
    if isinstance(value, dict):
        return {name: timeless(item) for name, item in value.items() if name not in MOMENT}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def held(weir: Running) -> int:
    return len(weir.node.hits)


@pytest.mark.parametrize("headers", [{}, {"X-Weir-Quality-Floor": "0.5", "Cache-Control": "max-age=60"}])
@pytest.mark.parametrize("text", ["what is it", '\x00id\x00 % {id} "\\" \U0001f9c0'])
async def test_all_but_the_moment_is_as_the_first_hit_said_it(
    weir: Running, upstream: OpenAIStandIn, text: str, headers: dict[str, str]
) -> None:
    got = [await weir.ask(text, headers=headers) for _ in range(5)]
    (_, one, first), *later = got[1:]  # the first hit is served in full
    assert held(weir) == 1
    assert one["choices"][0]["message"]["content"] == text
    assert upstream.seen["chat/completions"] == 1
    for status, body, stated in later:
        assert status == 200
        assert body.pop("id") == stated["x-weir-decision"] != one["id"]
        assert body == {name: item for name, item in one.items() if name != "id"} | {"created": body["created"]}
        assert one["created"] <= body["created"] <= one["created"] + 60
        assert re.fullmatch(r"hit; age=\d+", stated["x-weir-cache"])
        assert stated["x-request-id"] == stated["request-id"] == stated["x-weir-decision"]
        per_request = {"x-weir-decision", "x-request-id", "request-id", "x-weir-cache", "date", "content-length"}
        assert {n: v for n, v in stated.items() if n not in per_request} == {
            n: v for n, v in first.items() if n not in per_request
        }


async def test_each_leaves_a_record_of_its_own_that_replays_and_is_counted(weir: Running) -> None:
    ids = [(await weir.ask("q"))[2]["x-weir-decision"] for _ in range(6)]
    rows = await weir.records()
    assert [row["id"] for row in rows] == ids
    first, *later = rows[1:]
    for row in later:
        assert timeless(row) == timeless(first)
        assert row["asked"]["id"] == row["decision"]["id"] == row["id"]
        assert row["time"] == row["snapshot"]["now"] > first["time"]
        assert row["snapshot"]["cache"]["age_s"] > first["snapshot"]["cache"]["age_s"]
        assert 0 < row["outcome"]["seconds"] == row["outcome"]["steps"][0]["seconds"] < 60
    assert len({row["snapshot"]["draw"] for row in rows}) == len(rows)
    for row in rows:
        assert replay(from_json(orjson.dumps(row)), weir.node.generation) == ()
    counters = weir.node.tally.counters
    assert (counters.requests, counters.answered, weir.node.tally.by_path["cache/exact"]) == (6, 6, 5)
    assert counters.frontier_cost == sum(picos(row["outcome"]["frontier_cost"]) for row in rows)
    status, one = await weir.get(f"/v1/decisions/{ids[-1]}")
    assert (status, one) == (200, rows[-1])


async def test_other_labels_are_decided_about_for_themselves(weir: Running) -> None:
    for _ in range(3):
        await weir.ask("q")
    _, _, high = await weir.ask("q", headers={"X-Weir-Quality-Floor": "1"})
    assert not high["x-weir-cache"].startswith("hit")
    _, _, fresh = await weir.ask("q", headers={"Cache-Control": "no-store"})
    assert fresh["x-weir-cache"] == "bypass"
    _, _, node = await weir.ask("q", headers={"X-Weir-Residency": "node"})
    assert not node["x-weir-cache"].startswith("hit")
    _, _, old = await weir.ask("q", headers={"Cache-Control": "max-age=0"})
    assert old["x-weir-cache"] == "miss"


async def test_an_answer_that_took_its_place_is_the_one_that_is_said(weir: Running, upstream: OpenAIStandIn) -> None:
    for _ in range(3):
        await weir.ask("q")
    before = (await weir.ask("q"))[2]
    await weir.ask("q", headers={"Cache-Control": "no-cache"})
    for _ in range(3):
        _, _, after = await weir.ask("q")
        assert after["x-weir-cache"] == "hit; age=0"
    assert upstream.seen["chat/completions"] == 2
    assert held(weir) == 1
    rows = {row["id"]: row for row in await weir.records()}
    ages = [rows[headers["x-weir-decision"]]["snapshot"]["cache"]["age_s"] for headers in (before, after)]
    assert rows[after["x-weir-decision"]]["time"] - ages[1] > rows[before["x-weir-decision"]]["time"] - ages[0]


async def test_what_has_expired_is_not_said_again(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    async with running_node(tmp_path, upstream_card(upstream.base_url), cache={"ttl_s": 0.5}) as weir:
        for _ in range(3):
            await weir.ask("q")
            await weir.ask("r")
        assert held(weir) == 2
        await asyncio.sleep(0.6)
        assert (await weir.ask("q"))[2]["x-weir-cache"] == "miss"
        assert held(weir) == 1  # let go where it was asked for
        weir.node.hits.sweep(time.time())
        assert held(weir) == 0


async def test_policy_is_asked_each_time_also_about_its_own_age(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    days = 100_000
    rules = (
        policies.RULES
        + f"""
    @id("old") @why("test") forbid (principal, action == Action::"use", resource)
    when {{ resource.tier == "cache" && context has age_days && context.age_days >= {days} }};
    """
    )
    async with running_node(tmp_path, upstream_card(upstream.base_url), policy=rules) as weir:
        for wanted in ("miss", "hit", "hit"):
            assert (await weir.ask("q"))[2]["x-weir-cache"][:4].strip(";") == wanted
        assert held(weir) == 1
        weir.node.generation.policy.issued -= days * 86_400  # so much later
        _, _, headers = await weir.ask("q")
        assert headers["x-weir-path"] == "site/one"
        assert upstream.seen["chat/completions"] == 2


async def test_a_stream_and_another_dialect_are_served_as_ever(weir: Running) -> None:
    for _ in range(3):
        await weir.ask("q")
    async with weir.chat("q", stream=True) as response:
        assert response.headers["x-weir-cache"].startswith("hit")
        assert said(sse(await response.read())) == "q"
    for wanted in ("miss", "hit", "hit"):
        async with weir.session.post(
            f"{weir.url}/v1/completions", json={"model": "site/one", "prompt": "q"}
        ) as response:
            assert response.headers["x-weir-cache"][:4].strip(";") == wanted
            assert (await response.json())["object"] == "text_completion"


async def test_a_node_that_is_full_says_nothing_again_either(weir: Running) -> None:
    for _ in range(3):
        await weir.ask("q")
    weir.node.accounts.active = weir.node.config.limits.concurrent_requests
    status, _, headers = await weir.ask("q")
    weir.node.accounts.active = 0
    assert status == 429 or status == 503
    assert "x-weir-cache" in headers
    assert (await weir.ask("q"))[2]["x-weir-cache"].startswith("hit")


async def test_a_node_narrower_than_its_callers_stays_so(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    routing = {"below_floor": "refuse", "preference": "cheap"}
    async with running_node(tmp_path, upstream_card(upstream.base_url), routing=routing) as weir:
        for _ in range(4):
            await weir.ask("q", model="site/one")
        rows = await weir.records()
        assert held(weir) == 1
        assert [row["decision"]["chosen"] for row in rows][1:] == ["cache-hit"] * 3
        assert {(row["asked"]["preference"], row["asked"]["labels"]["below_floor"]) for row in rows} == {
            ("cheap", "refuse")
        }


async def test_what_is_held_is_bounded(weir: Running) -> None:
    weir.node.hits = Hits(weir.node, most_bytes=20_000, longest=2_000)
    for number in range(12):
        for _ in range(3):
            await weir.ask(f"question {number}")
    kept = held(weir)
    assert 2 < kept < 12
    for number in (11, 0):  # the newest is held, the oldest is served in full and held again
        assert (await weir.ask(f"question {number}"))[2]["x-weir-cache"].startswith("hit")
    assert held(weir) <= 12
    before = held(weir)
    for _ in range(3):
        await weir.ask("long " * 1000)
    assert held(weir) == before


async def test_what_was_replaced_takes_no_room(weir: Running) -> None:
    weir.node.hits = Hits(weir.node, most_bytes=20_000)
    for text in ("one", "two"):
        for _ in range(2):
            await weir.ask(text)
    for _ in range(12):
        await weir.ask("one", headers={"Cache-Control": "no-cache"})
        await weir.ask("one")
    assert held(weir) == 2


@pytest.mark.parametrize("part", ["body", "card", "entry"])
async def test_a_memory_that_breaks_costs_neither_the_answer_nor_its_record(weir: Running, part: str) -> None:
    for _ in range(3):
        await weir.ask("q")
    said = weir.node.hits._said
    ((key, whole),) = said.items()
    said[key] = replace(whole, **{part: None})
    status, body, headers = await weir.ask("q")
    assert (status, body["choices"][0]["message"]["content"]) == (200, "q")
    assert headers["x-weir-cache"].startswith("hit")
    ids = [row["id"] for row in await weir.records()]
    assert len(ids) == 4
    assert ids[-1] == headers["x-weir-decision"]
    assert held(weir) == 1  # what was served in full is remembered anew
    assert (await weir.ask("q"))[2]["x-weir-cache"].startswith("hit")
    assert weir.node.tally.counters.answered == 5

"""Recorded cost is what the providers bill, to the last pico, however calls end; all who tell of it say the same."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from appliance.spent import read
from tests.node.conftest import running_node, until, upstream_card
from tests.node.ledgers import FAILING, HOW, Providers, ask_all, recorded
from tests.node.test_tenants import bearer, key, tenants
from tests.standins.openai_server import OpenAIStandIn


async def test_records_budgets_and_reports_say_what_the_providers_bill(tmp_path: Path) -> None:
    acme = key(tmp_path, budget_day=1000.0)
    async with Providers() as providers, running_node(tmp_path, *providers.cards, failing=FAILING) as weir:
        rows = await ask_all(weir, providers, bearer(acme), 4 * len(HOW), 4)
        ledger = providers.ledger()
        records = {row["id"]: row for row in await weir.records()}
        assert len(records) == len(rows)
        told = {id: recorded(records[id]) for _, _, id in rows}
        wrong = [
            (how, told[id], ledger[prompt]) for how, prompt, id in rows if told[id][1] and told[id][0] != ledger[prompt]
        ]
        assert not wrong
        # On a busy machine a call may be left before its server said anything; then it says that it is an estimate.
        estimated = Counter(how for how, _, id in rows if not told[id][1])
        assert estimated.keys() <= {"hedged", "cancelled"}
        assert estimated.total() <= 3
        assert {how for how, prompt, _ in rows if ledger[prompt]} == set(HOW) - {"failed"}
        hedged = [id for how, _, id in rows if how == "hedged"]
        assert any(len(records[id]["outcome"]["steps"]) == 2 for id in hedged), "both paths of a hedge are paid"
        cost = sum(picos for picos, _ in told.values())
        assert cost == ledger.total() or estimated
        assert weir.node.tally.counters.cost == cost
        account = weir.node.accounts.of("acme")
        assert account.set_aside == 0
        await until(lambda: not account.spending.today(records[rows[0][2]]["time"]).picos < cost)
    (spent,) = tenants(tmp_path).one("acme").spending.values()
    assert spent.picos == cost
    (row,) = read(tmp_path / "state", (), None, None, None)
    assert (row.sums.picos, row.sums.requests) == (cost, len(rows))
    assert bool(row.sums.estimated_tokens) == bool(estimated)
    assert row.sums.cached_tokens and row.sums.reasoning_tokens
    with closing(sqlite3.connect(tmp_path / "state" / "node.db")) as connection:
        assert connection.execute("SELECT count(*) FROM holds").fetchone() == (0,)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_states_no_usage_is_charged_by_our_own_count_and_named(
    tmp_path: Path, stream: bool
) -> None:
    async with OpenAIStandIn() as upstream:
        card = upstream_card(upstream.base_url, "site/mute", model="mode:no-usage")
        async with running_node(tmp_path, card) as weir:
            async with weir.chat("tell me of the sea and of the sky", stream=stream) as response:
                await response.read()
            (record,) = await weir.records()
            (step,) = record["outcome"]["steps"]
            assert (step["usage_note"], step["cost_known"]) == ("missing", False)
            assert 8 <= step["completion_tokens"] <= 12
            assert step["prompt_tokens"] == record["features"]["estimated_prompt_tokens"]
            assert step["cost"] > 0
            _, status = await weir.get("/weir/v1/status")
            assert any("site/mute: the usage" in warning and "missing" in warning for warning in status["warnings"])
            (path,) = (path for path in status["paths"] if path["id"] == "site/mute")
            assert path["usage_noted"] == {"missing": 1}
    (row,) = await asyncio.to_thread(read, tmp_path / "state", (), None, None, None)
    assert row.sums.estimated_tokens == step["prompt_tokens"] + step["completion_tokens"]

"""What a request cost: only what was begun, only where it is known; and what a path's speed is taken to be."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from appliance.paths.contract import Done, PathError, Text, Usage
from appliance.records.money import PICOS
from appliance.snapshot import take_snapshot
from tests.node.conftest import fake_card, running_node
from tests.node.doubles import FakePath, answer

FRONTIER = {"name": "frontier", "price": {"per_request": 1.0}}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_connection_that_was_never_made_costs_nothing(tmp_path: Path, stream: bool) -> None:
    down = FakePath(fake_card("device/a", price={"per_request": 0.001}), [PathError("unavailable", "refused")])
    spare = FakePath(fake_card("device/b", price={"per_request": 0.002}), answer("from b"))
    async with running_node(tmp_path, fakes=(down, spare)) as weir:
        async with weir.chat(stream=stream) as response:
            await response.read()
        row = (await weir.records())[0]
    assert [(step["status"], step["cost"]) for step in row["outcome"]["steps"]] == [
        ("failed", 0.0),
        ("answered", pytest.approx(0.002)),
    ]
    assert row["outcome"]["cost"] == pytest.approx(0.002)


async def test_what_broke_off_after_it_began_is_charged_by_estimate(tmp_path: Path) -> None:
    price = {"per_request": 0.001, "output_per_million": 1000.0}
    breaks = FakePath(fake_card("device/a", price=price), [Text("one", tokens=3), PathError("broken_stream", "gone")])
    async with running_node(tmp_path, fakes=(breaks,)) as weir:
        await weir.ask()
        row = (await weir.records())[0]
    assert row["outcome"]["steps"][0]["completion_tokens"] == 3
    assert row["outcome"]["cost"] == pytest.approx(0.001 + 3 * 0.001)


async def test_what_was_not_answered_adds_nothing_to_what_the_frontier_would_have_cost(tmp_path: Path) -> None:
    down = FakePath(fake_card("device/a"), [PathError("unavailable", "gone")])
    async with running_node(tmp_path, fakes=(down,), frontier=FRONTIER) as weir:
        assert (await weir.ask())[0] == 502
        assert (await weir.ask(headers={"X-Weir-Quality-Floor": "1", "X-Weir-Below-Floor": "refuse"}))[0] == 503
        assert (await weir.ask(model="nobody"))[0] == 404
        assert [row["outcome"]["frontier_cost"] for row in await weir.records()] == [0.0] * 3
        assert weir.node.tally.counters.frontier_cost == 0
        down.script = answer("up again")
        await weir.ask()
        assert weir.node.tally.counters.frontier_cost == PICOS


async def test_a_stream_names_its_cost_only_where_it_is_known(tmp_path: Path) -> None:
    down = FakePath(fake_card("device/a", price={"per_request": 0.001}), [PathError("unavailable", "refused")])
    spare = FakePath(fake_card("device/b", price={"per_request": 0.002}), answer("from b"))
    async with running_node(tmp_path, fakes=(down, spare)) as weir:
        async with weir.chat("streamed", stream=True) as response:
            assert "x-weir-cost" not in response.headers
            await response.read()
        _, _, headers = await weir.ask("whole")
        assert float(headers["x-weir-cost"].split()[0]) == pytest.approx(0.002)
        async with weir.chat("streamed", stream=True) as response:
            assert response.headers["x-weir-cache"].startswith("hit")
            assert float(response.headers["x-weir-cost"].split()[0]) == 0.0


async def test_the_one_piece_of_an_answer_that_is_not_streamed_says_nothing_of_its_first_token(tmp_path: Path) -> None:
    """Its first token is its last: taken for a first-token time, the decoding would be waited for twice."""
    whole = FakePath(fake_card("device/whole"), [0.02, Text("w " * 50, tokens=50), Done(Usage(7, 50), ("stop",))])
    piecewise = FakePath(fake_card("device/piecewise"), answer("a b c d e f", pause=0.005))
    async with running_node(tmp_path, fakes=(whole, piecewise), cache={"enabled": False}) as weir:
        for k in range(12):
            await weir.ask(f"q{k}", model="device/whole")
            await weir.ask(f"q{k}", model="device/piecewise")
        moment = take_snapshot(weir.node.paths, weir.node.fleet.figures, now=time.time(), draw=0.5)
    states = {state.path: state for state in moment.paths}
    assert states["device/whole"].first_token_s is None
    assert states["device/whole"].decode_tokens_per_s is None
    first = states["device/piecewise"].first_token_s
    assert first is not None and 0.004 < first < 0.2
    assert states["device/piecewise"].decode_tokens_per_s is not None

"""Claims about what servers say of their own load."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.load import Load, read_load
from appliance.loads import Loads, metrics_of
from tests import policies
from tests.node.conftest import Start
from tests.node.failing import card_of
from tests.node.test_audit import entries
from tests.standins.numbered import NumberedStandIn

VLLM = b"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 7.0
vllm:gpu_cache_usage_perc{engine="0",model_name="m"} 0.5
vllm:num_requests_waiting_by_reason{reason="x"} 99.0
"""


def test_figures_are_read_under_all_their_names_and_summed_over_engines() -> None:
    assert read_load("vllm", VLLM) == Load(5, 7, 0.5)
    assert read_load("tgi", b"tgi_queue_size 4\ntgi_batch_current_size 8\n") == Load(8, 4)


@pytest.mark.parametrize("raw", [b"", b"<html>", b"vllm:num_requests_running 1\n", VLLM.replace(b"7.0", b"-7.0")])
def test_a_page_without_the_figures_says_nothing(raw: bytes) -> None:
    assert read_load("vllm", raw) is None


@given(st.binary(max_size=200))
def test_no_page_breaks_the_reading(raw: bytes) -> None:
    for kind in ("vllm", "tgi"):
        read_load(kind, raw + VLLM + raw)


def test_metrics_lie_beside_the_api() -> None:
    assert str(metrics_of("http://gpu:8000/v1")) == "http://gpu:8000/metrics"
    assert str(metrics_of("http://gpu:8000")) == "http://gpu:8000/metrics"
    assert str(metrics_of("https://site/llm/v1/")) == "https://site/llm/metrics"


async def test_a_queue_at_the_server_steers_what_is_decided_while_its_figures_are_fresh(start: Start) -> None:
    async with NumberedStandIn("a") as a, NumberedStandIn("b") as b:
        card = card_of(a, endpoint={"metrics": "vllm", "max_concurrent": 2})
        async with start(card, card_of(b, cost=0.00001)) as weir:
            loads = Loads(weir.node.egress)
            await loads.look(weir.node.fleet)
            assert a.looks == 0, "nobody used it, so nobody asks"
            assert (await weir.ask("one", headers={"Cache-Control": "no-store"}))[2]["x-weir-path"] == "site/a"
            a.waiting = 2000
            await loads.look(weir.node.fleet)
            assert a.looks == 1
            told = (await weir.get("/weir/v1/status"))[1]["paths"][0]["members"][0]["load"]
            assert told["waiting"] == 2000
            _, _, headers = await weir.ask("two", headers={"Cache-Control": "no-store"})
            assert headers["x-weir-path"] == "site/b"
            weir.node.fleet.upstreams["site/a"].members[0].load_at -= 60.0
            assert (await weir.ask("three", headers={"Cache-Control": "no-store"}))[2]["x-weir-path"] == "site/a"
            looks = [entry for entry in entries(weir.state, "egress") if entry["decision"] == "load"]
            assert [(entry["bytes"], entry["path"]) for entry in looks] == [(0, "site/a")]


async def test_where_policy_lets_nothing_public_go_nobody_looks(start: Start) -> None:
    shut = """@id("shut") @why("test") forbid (principal, action == Action::"use", resource)
        when { context.classification == "public" };"""
    for policy, looks in ((policies.RULES, 1), (policies.RULES + shut, 0)):
        async with NumberedStandIn("a") as a:
            card = card_of(a, endpoint={"metrics": "vllm"})
            async with start(card, policy=policy) as weir:
                weir.node.fleet.upstreams["site/a"].used_at = 1e18
                await Loads(weir.node.egress).look(weir.node.fleet)
                assert a.looks == looks

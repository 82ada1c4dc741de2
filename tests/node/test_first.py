"""The fixtures themselves: a node starts quickly, answers and leaves a record."""

from __future__ import annotations

import time

from tests.node.conftest import Running, Start, upstream_card
from tests.standins.openai_server import OpenAIStandIn


async def test_a_node_starts_within_half_a_second_and_answers(start: Start, upstream: OpenAIStandIn) -> None:
    began = time.monotonic()
    async with start(upstream_card(upstream.base_url)) as running:
        assert time.monotonic() - began < 3.0  # 0.1 s alone; the margin is for a loaded machine
        status, body, headers = await running.ask("Good morning")
        assert status == 200
        assert body["choices"][0]["message"]["content"] == "Good morning"
        assert headers["x-weir-path"] == "site/one"
        assert [row["id"] for row in await running.records()] == [headers["x-weir-decision"]]


async def test_the_fixture_serves(weir: Running) -> None:
    assert (await weir.get("/healthz"))[0] == 200

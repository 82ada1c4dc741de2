"""A node behind a node: what it may be told is what this one was told, and what it says comes back as it is."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from appliance.records.card import ModelCard
from tests.node.conftest import Running, free_port, running_node, said, sse, upstream_card
from tests.standins.openai_server import Behaviour, OpenAIStandIn

SEEN = (
    "x-weir-classification",
    "x-weir-residency",
    "x-weir-purpose",
    "x-weir-rights",
    "x-weir-locale",
    "x-weir-quality-floor",
    "x-weir-cache-score",
    "cache-control",
)


def weir_card(url: str, id: str = "site/weir", model: str = "auto", **over: Any) -> ModelCard:
    endpoint = {"flavour": "weir", **over.pop("endpoint", {})}
    return upstream_card(f"{url}/v1", id, model=model, endpoint=endpoint, **over)


async def node(stack: AsyncExitStack, directory: Path, *cards: ModelCard, **over: Any) -> Running:
    directory.mkdir()
    return await stack.enter_async_context(running_node(directory, *cards, **over))


async def test_every_label_travels_and_the_deadline_is_what_is_left(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(OpenAIStandIn(Behaviour()))
        first = await node(stack, tmp_path / "first", weir_card(server.base_url.removesuffix("/v1")))
        headers = {
            "X-Weir-Classification": "public",
            "X-Weir-Residency": "country:ch",
            "X-Weir-Purpose": "research",
            "X-Weir-Rights": "licensed",
            "X-Weir-Locale": "de-ch",
            "X-Weir-Quality-Floor": "0.5",
            "X-Weir-Cache-Score": "0.99",
            "X-Weir-Below-Floor": "refuse",
            "X-Weir-Deadline": "20",
            "X-Weir-Conversation": "private words",
            "Cache-Control": "no-cache",
        }
        status, _, _ = await first.ask("one two", headers=headers)
        assert status == 200
        sent = {name.lower(): value for name, value in server.headers[-1].items()}
        wanted = ("public", "country:CH", "research", "licensed", "de-CH", "0.500000", "0.990000", "no-cache")
        assert tuple(sent.get(name) for name in SEEN) == wanted
        assert 10 < float(sent["x-weir-deadline"]) < 20
        assert sent["x-weir-below-floor"] == "refuse"
        assert sent["x-weir-via"] == first.node.fleets.node
        assert "private words" not in repr(server.headers)
        await first.ask("three four")
        sent = {name.lower(): value for name, value in server.headers[-1].items()}
        assert sent["x-weir-classification"] == "internal"  # stated also where it is the default here
        assert "x-weir-residency" not in sent


async def test_a_label_that_a_detector_raised_travels_and_the_other_node_is_no_laxer(tmp_path: Path) -> None:
    """The second node's detectors are off: it knows of the secret by the label alone."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(OpenAIStandIn(Behaviour()))
        far = upstream_card(server.base_url, "frontier/far", tier="frontier", place={"country": "US"})
        second = await node(stack, tmp_path / "second", far)
        first = await node(stack, tmp_path / "first", weir_card(second.url))
        headers = {"X-Weir-Residency": "country:CH", "Cache-Control": "no-store"}
        status, body, _ = await first.ask("one two", headers=headers)
        assert (status, body["error"]["code"]) == (403, "policy_refused")
        assert "The other node's policy" in repr(body)
        assert not server.seen
        (record,) = await second.records()
        assert record["asked"]["labels"]["residency"] == "country:CH"


async def test_joined_residencies_are_said_and_read(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(OpenAIStandIn(Behaviour()))
        first = await node(stack, tmp_path / "first", weir_card(server.base_url.removesuffix("/v1")))
        await first.ask("one", headers={"X-Weir-Residency": "country:CH&region:EU"})
        assert server.headers[-1]["X-Weir-Residency"] == "country:CH & region:EU"
        status, body, _ = await first.ask("one", headers={"X-Weir-Residency": "country:CH&moon"})
        assert (status, body["error"]["param"]) == (400, "X-Weir-Residency")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_below_the_other_node_s_floor_is_marked_here_as_well(tmp_path: Path, stream: bool) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(OpenAIStandIn(Behaviour()))
        poor = upstream_card(server.base_url, "site/poor", accuracy_default=0.5)
        second = await node(stack, tmp_path / "second", poor)
        first = await node(stack, tmp_path / "first", weir_card(second.url))
        async with first.chat("one two", stream=stream) as response:
            assert response.status == 200
            assert response.headers["x-weir-reason"] == "below-floor"
            raw = await response.read()
        if stream:
            assert said(sse(raw)) == "one two"
        (record,) = await first.records()
        assert record["outcome"]["below_floor"] is True
        status, body, _ = await first.ask("one two", headers={"X-Weir-Below-Floor": "refuse"})
        assert (status, body["error"]["code"]) == (503, "below_quality_floor")


async def test_the_other_node_s_errors_come_back_by_their_codes(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(OpenAIStandIn(Behaviour(context_tokens=5)))
        one = upstream_card(server.base_url, "site/one", context_tokens=50)
        second = await node(stack, tmp_path / "second", one)
        cards = (weir_card(second.url), weir_card(second.url, "site/nobody", "nobody"))
        first = await node(stack, tmp_path / "first", *cards)
        status, body, _ = await first.ask("word " * 9, model="site/weir")
        assert (status, body["error"]["code"]) == (400, "context_length_exceeded")
        status, body, _ = await first.ask("one", model="site/nobody")
        assert status == 400
        assert "model_not_found" in repr(body["error"]["weir"]["reasons"])
        tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
        status, _, _ = await first.ask("one", model="site/weir", tools=[tool])
        assert status == 200


async def test_two_nodes_that_lead_to_each_other_end_at_the_first_turn(tmp_path: Path) -> None:
    """Each has the other as its best path; the circle is seen where it closes, and the next path answers."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(OpenAIStandIn(Behaviour()))
        own = upstream_card(server.base_url, "site/own", accuracy_default=0.97)

        port = free_port()
        second = await node(stack, tmp_path / "second", own, weir_card(f"http://127.0.0.1:{port}", "site/first"))
        first = await node(stack, tmp_path / "first", weir_card(second.url, "site/second"))
        # The first node answers where the second one's card says.

        forwarder = web.Application()

        async def forward(request: web.Request) -> web.Response:
            async with first.session.post(
                f"{first.url}{request.path}", data=await request.read(), headers=request.headers
            ) as response:
                headers = {
                    k: v for k, v in response.headers.items() if k.lower().startswith(("x-weir", "content-type"))
                }
                return web.Response(status=response.status, body=await response.read(), headers=headers)

        forwarder.router.add_post("/v1/chat/completions", forward)
        runner = web.AppRunner(forwarder, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        headers = {"Cache-Control": "no-store", "X-Weir-Deadline": "20"}
        status, body, _ = await first.ask("one two", headers=headers)
        assert status == 200
        assert body["choices"][0]["message"]["content"] == "one two"
        rows = await second.records()
        steps = [(step["path"], step["fault"]) for step in rows[0]["outcome"]["steps"]]
        assert steps == [("site/first", "rejected"), ("site/own", "")]
        assert sum(server.seen.values()) == 1


async def test_a_request_that_came_through_this_node_is_refused(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(OpenAIStandIn(Behaviour()))
        first = await node(stack, tmp_path / "first", upstream_card(server.base_url))
        own = first.node.fleets.node
        status, body, _ = await first.ask("one", headers={"X-Weir-Via": f"{'0' * 16},{own}"})
        assert (status, body["error"]["code"]) == (508, "in_a_circle")
        assert not server.seen
        status, _, _ = await first.ask("one", headers={"X-Weir-Via": "0" * 16})
        assert status == 200
        for wrong in ("x", "0" * 15, ",".join(["0" * 16] * 9)):
            status, body, _ = await first.ask("one", headers={"X-Weir-Via": wrong})
            assert (status, body["error"]["param"]) == (400, "X-Weir-Via")
        assert own not in repr(await first.records())

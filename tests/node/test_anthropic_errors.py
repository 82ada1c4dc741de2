"""Anthropic's own client against a node: what cannot be, breaks off or is not waited for."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.node.anthropic_rig import HELLO, ask, client_of, kinds_into
from tests.node.conftest import Running, Start, until, upstream_card
from tests.standins.openai_server import OpenAIStandIn

ERRORS: list[tuple[dict[str, Any], type[Exception], str, str]] = [
    ({"model": "claude-9"}, anthropic.NotFoundError, "not_found_error", "model_not_found"),
    ({"max_tokens": 0}, anthropic.BadRequestError, "invalid_request_error", "invalid_request"),
    ({"extra_body": {"tempratur": 1}}, anthropic.BadRequestError, "invalid_request_error", "invalid_request"),
    ({"extra_body": {"container": "x"}}, anthropic.BadRequestError, "invalid_request_error", "unsupported_parameter"),
    (
        {"extra_headers": {"X-Weir-Residency": "country:CH"}, "model": "auto"},
        anthropic.PermissionDeniedError,
        "permission_error",
        "policy_refused",
    ),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("over", "error", "kind", "code"), ERRORS)
async def test_errors_have_anthropics_shape_and_our_code(
    start: Start, upstream: OpenAIStandIn, over: Any, error: Any, kind: str, code: str, stream: bool
) -> None:
    frontier = upstream_card(upstream.base_url, "frontier/far", tier="frontier", place={"country": "US"})
    async with start(frontier) as weir, client_of(weir) as client:
        with pytest.raises(error) as caught:
            await ask(client, **over, stream=stream)
    body = caught.value.body
    assert set(body) == {"type", "error"}
    assert (body["type"], body["error"]["type"], body["error"]["code"]) == ("error", kind, code)
    assert caught.value.type == kind
    assert not upstream.bodies


async def test_a_busy_and_a_broken_upstream_are_told_apart(start: Start, upstream: OpenAIStandIn) -> None:
    cards = [upstream_card(upstream.base_url, f"site/{mode}", model=f"mode:{mode}") for mode in ("429", "500")]
    async with start(*cards) as weir, client_of(weir) as client:
        for name, status, kind in (("site/429", 503, "overloaded_error"), ("site/500", 502, "api_error")):
            with pytest.raises(anthropic.APIStatusError) as caught:
                await ask(client, model=name)
            assert (caught.value.status_code, caught.value.type) == (status, kind)
            headers = caught.value.response.headers
            assert "x-weir-decision" in headers
            assert headers.get("retry-after") == ("7" if name == "site/429" else None)  # as its server said


async def test_a_stream_that_breaks_ends_in_an_error_event(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url, model="mode:cut")) as weir, client_of(weir) as client:
        stream, got = await ask(client, stream=True), list[str]()
        with pytest.raises(anthropic.APIStatusError) as caught:
            await kinds_into(got, stream)
        assert caught.value.body["error"]["type"] == "api_error"
        assert "broke off" in str(caught.value)
        assert got[0] == "message_start"
        assert got[-1] == "content_block_delta"
        (record,) = await weir.records()
    assert record["outcome"]["status"] == "failed"


async def test_a_client_that_goes_away_cancels_its_request(weir: Running, upstream: OpenAIStandIn) -> None:
    upstream.behaviour.tokens_per_s = 20
    async with client_of(weir) as client:
        stream = await ask(client, messages=[{"role": "user", "content": "word " * 400}], stream=True)
        async for event in stream:
            if event.type == "content_block_delta":
                break
        await stream.close()
    await until(lambda: upstream.cancelled == 1 and upstream.open_now == 0)
    await until(lambda: weir.node.active == 0)
    (record,) = await weir.records()
    assert record["outcome"]["status"] == "cancelled"


async def test_batches_are_refused_by_name(weir: Running) -> None:
    params: Any = {"model": "auto", "max_tokens": 9, "messages": HELLO}
    async with client_of(weir) as client:
        with pytest.raises(anthropic.NotFoundError, match="one by one") as caught:
            await client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
        with pytest.raises(anthropic.NotFoundError, match="one by one"):
            await client.messages.batches.retrieve("batch_1")
    assert caught.value.type == "not_found_error"

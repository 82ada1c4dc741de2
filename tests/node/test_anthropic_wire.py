"""Anthropic's wire at its edges: keys, foreign bodies, beta addresses, calls in pieces. The bytes, without an SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.paths.contract import Done, ToolCall, Usage
from tests.node.conftest import Running, fake_card, running_node, upstream_card
from tests.node.doubles import FakePath
from tests.node.test_tenants import key
from tests.standins.openai_server import OpenAIStandIn

HELLO = [{"role": "user", "content": "one two"}]
GOOD: dict[str, Any] = {"model": "auto", "max_tokens": 9, "messages": HELLO}
VERSION = {"anthropic-version": "2023-06-01"}


def nested(depth: int) -> bytes:
    return b'{"model": "auto", "max_tokens": 9, "messages": ' + b"[" * depth + b"]" * depth + b"}"


def of(**over: Any) -> bytes:
    return orjson.dumps(GOOD | over)


HOSTILE: list[tuple[bytes, int, str | None]] = [
    (b"", 400, None),
    (b"[]", 400, None),
    (b'{"model": "auto"', 400, None),
    (b'{"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "\xff"}]}', 400, None),
    (b'{"model": "auto", "model": "auto", "max_tokens": 9, "messages": []}', 400, None),
    (nested(60_000 // 2), 400, None),
    (nested(500), 400, None),
    (of(messages=[{"role": "user", "content": "x" * 70_000}]), 413, None),
    (of(messages=[[]]), 400, "messages[0]"),
    (of(messages=[{"role": "user", "content": [{"type": "hologram"}]}]), 400, "messages[0].content[0].type"),
    (of(messages=[{"role": "user", "content": {"type": "text"}}]), 400, "messages[0].content"),
    (of(system={"text": "x"}), 400, "system"),
    (of(max_tokens=1e3), 400, "max_tokens"),
    (of(tools={"name": "x"}), 400, "tools"),
    (of(stream=1), 400, "stream"),
    (of(model=["auto"]), 400, "model"),
    (of(model="nobody"), 404, "model"),
    (of(colour="red"), 400, "colour"),
]


async def test_what_is_no_request_is_refused_in_anthropics_shape(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    limits = {"body_bytes": 65_536}
    async with running_node(tmp_path, upstream_card(upstream.base_url), limits=limits) as weir:
        for address in ("/v1/messages", "/v1/messages/count_tokens", "/v1/messages?beta=true"):
            for body, status, param in HOSTILE:
                counting = address.endswith("count_tokens")
                if counting and (status == 404 or param in ("max_tokens", "stream")):
                    continue
                async with weir.session.post(weir.url + address, data=body) as response:
                    found = await response.json()
                    assert (response.status, set(found), found["type"]) == (status, {"type", "error"}, "error")
                error = found["error"]
                assert set(error) == {"type", "message", "param", "code", "weir"}
                if not counting or param is None or param.startswith("m"):
                    assert error["param"] == param, (address, body[:80])
        assert not upstream.bodies
        async with weir.session.post(weir.url + "/v1/messages?beta=true", json=GOOD) as response:
            assert (response.status, (await response.json())["content"][0]["text"]) == (200, "one two")


@pytest.mark.parametrize("model", ["nobody", "no body", "strategy:nobody"])
async def test_tokens_of_a_model_that_is_not_here_are_not_counted(weir: Running, model: str) -> None:
    said = {"model": model, "messages": GOOD["messages"]}
    told = []
    for address, more in (("/v1/messages", {"max_tokens": 9}), ("/v1/messages/count_tokens", {})):
        async with weir.session.post(weir.url + address, json={**said, **more}) as response:
            error = (await response.json())["error"]
            told.append((response.status, error["type"], error["code"], error["param"], error["message"]))
    assert told[0] == told[1]
    assert told[1][:2] == (404, "not_found_error") and told[1][3] == "model"


async def test_a_key_is_asked_for_and_taken_in_anthropics_way(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    text = key(tmp_path)
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        for headers in ({}, {"x-api-key": "weir_1_forged"}):
            async with weir.session.post(weir.url + "/v1/messages", json=GOOD, headers=headers) as response:
                assert response.status == 401
                assert (await response.json())["error"]["type"] == "authentication_error"
            async with weir.session.get(weir.url + "/v1/models", headers={**VERSION, **headers}) as response:
                assert (await response.json())["error"]["type"] == "authentication_error"
        async with weir.session.post(weir.url + "/v1/messages", json=GOOD, headers={"x-api-key": text}) as response:
            assert response.status == 200
        (row,) = await weir.records()
        assert row["asked"]["tenant"] == "acme"


async def test_each_address_answers_in_its_own_dialect_whatever_the_headers(weir: Running) -> None:
    async with weir.session.post(weir.url + "/v1/chat/completions", json={}, headers=VERSION) as response:
        assert "type" not in await response.json()
    async with weir.session.get(weir.url + "/v1/nowhere", headers=VERSION) as response:
        assert (await response.json())["error"]["type"] == "not_found_error"
    async with weir.session.get(weir.url + "/v1/nowhere") as response:
        assert "type" not in await response.json()
    async with weir.session.get(weir.url + "/v1/messages") as response:
        assert (response.status, (await response.json())["type"]) == (405, "error")


async def test_a_call_in_impossible_pieces_ends_its_stream_with_an_error(tmp_path: Path) -> None:
    def piece(index: int, **over: Any) -> ToolCall:
        return ToolCall({"index": index, "function": {"arguments": "{}", **over}, "id": f"c{index}"})

    script = [piece(0, name="a"), piece(1, name="b"), piece(0), Done(Usage(1, 1), ("tool_calls",))]
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in ("a", "b")]
    card = fake_card("device/fake", capabilities={"tools": True, "streaming": True})
    async with running_node(tmp_path, fakes=(FakePath(card, script),)) as weir:
        body = {**GOOD, "tools": tools, "stream": True}
        async with weir.session.post(weir.url + "/v1/messages", json=body) as response:
            events = (await response.read()).split(b"\n\n")
        assert events[-2].startswith(b"event: error\n")
        assert b"message_stop" not in b"".join(events)
        (row,) = await weir.records()
        assert row["outcome"]["status"] == "failed"


@pytest.mark.parametrize("stream", [False, True])
async def test_arguments_that_are_no_object_are_an_error_that_is_recorded(tmp_path: Path, stream: bool) -> None:
    wrong = ToolCall({"index": 0, "id": "c", "function": {"name": "a", "arguments": "[1"}})
    card = fake_card("device/fake", capabilities={"tools": True, "streaming": True})
    path = FakePath(card, [wrong, Done(Usage(1, 1), ("tool_calls",))])
    body = {**GOOD, "tools": [{"name": "a", "input_schema": {"type": "object"}}], "stream": stream}
    async with running_node(tmp_path, fakes=(path,)) as weir:
        async with weir.session.post(weir.url + "/v1/messages", json=body) as response:
            status, found = response.status, await response.read()
        if stream:  # its pieces have gone out by the time that they are none
            assert b'"partial_json":"[1"' in found
        else:
            assert (status, orjson.loads(found)["error"]["type"]) == (502, "api_error")
            (row,) = await weir.records()
            assert row["outcome"]["status"] == "failed"

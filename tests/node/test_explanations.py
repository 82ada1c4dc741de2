"""Every answer says why; every request leaves one record, which replays and holds no text."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.paths.contract import PathError
from appliance.records.record import from_json
from appliance.replay import replay
from tests import factories
from tests.node.conftest import (
    Running,
    Start,
    fake_card,
    process_node,
    running_node,
    sse,
    until,
    upstream_card,
    write_content,
)
from tests.node.doubles import FakePath, answer
from tests.standins.openai_server import OpenAIStandIn

CANARY = "kanarienvogel-7f3a"
ALWAYS = ("x-weir-version", "x-weir-decision", "x-weir-cache", "x-weir-policy")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_says_which_path_where_why_and_for_how_much(weir: Running, stream: bool) -> None:
    async with weir.chat(stream=stream) as response:
        await response.read()
        headers = response.headers
    for name in ALWAYS:
        assert headers[name]
    assert headers["x-weir-path"] == "site/one"
    assert headers["x-weir-tier"] == "site"
    assert headers["x-weir-place"] == "EU/CH/s1/n1"
    assert headers["x-weir-reason"] == "only-path"
    assert headers["x-weir-cache"] == "miss"
    assert headers["x-weir-policy"] == weir.node.generation.id
    if not stream:
        assert float(headers["x-weir-cost"].split()[0]) > 0


async def test_the_decision_on_record_is_what_the_address_gives(weir: Running) -> None:
    _, _, headers = await weir.ask()
    id = headers["x-weir-decision"]
    status, given = await weir.get(f"/v1/decisions/{id}")
    assert status == 200
    assert given == await weir.record(id)
    assert given["outcome"]["path"] == "site/one"


async def test_an_unknown_decision_is_a_404(weir: Running) -> None:
    for id in ("wr_0", "%00", "x" * 500, "../../etc/passwd", "' OR 1=1 --"):
        status, body = await weir.get(f"/v1/decisions/{id}")
        assert status == 404, id
        assert body["error"]["code"] == "not_found"


async def test_route_decides_without_running_and_without_a_record(weir: Running, upstream: OpenAIStandIn) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": CANARY}]}
    async with weir.session.post(f"{weir.url}/v1/route", json=body) as response:
        assert response.status == 200
        explained = await response.json()
    assert explained["decision"]["steps"] == [
        {"path": "site/one", "gate": "", "threshold": None, "redacted": False, "why": "", "composition": None}
    ]
    assert CANARY not in json.dumps(explained)
    assert not upstream.bodies
    assert await weir.records() == []
    assert weir.node.active == 0
    _, _, headers = await weir.ask(CANARY)
    ran = (await weir.record(headers["x-weir-decision"]))["decision"]
    assert ran | {"id": ""} == explained["decision"] | {"id": ""}


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/v1/messages", {"max_tokens": 9, "system": "Be brief.", "messages": [{"role": "user", "content": "x"}]}),
        ("/v1/responses", {"instructions": "Be brief.", "input": [{"role": "user", "content": "x"}]}),
    ],
)
async def test_route_decides_of_any_body_as_its_address_would(
    weir: Running, address: str, body: dict[str, Any]
) -> None:
    asked = {"model": "auto", **body}
    async with weir.session.post(f"{weir.url}/v1/route", json=asked) as response:
        assert response.status == 200
        explained = await response.json()
    async with weir.session.post(f"{weir.url}{address}", json=asked) as response:
        assert response.status == 200
        ran = await weir.record(response.headers["x-weir-decision"])
    assert ran["decision"] | {"id": ""} == explained["decision"] | {"id": ""}
    assert ran["features"] == explained["features"]


@pytest.mark.parametrize(
    ("address", "field", "body"),
    [
        ("chat/completions", "messages", {"messages": [{"role": "user", "content": "x"}]}),
        ("messages", "messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}),
        ("responses", "input", {"input": "x"}),
        ("completions", "prompt", {"prompt": "x"}),
        ("embeddings", "input", {"input": ["x", "y"]}),
    ],
)
async def test_what_does_not_fit_is_told_by_the_name_that_its_wire_has_for_it(
    start: Start, address: str, field: str, body: dict[str, Any]
) -> None:
    full = FakePath(
        fake_card("device/full", modalities=("chat", "completion", "embedding")),
        [PathError("context_too_long", "it is too long", param="somewhere")],
    )
    async with (
        start(fakes=(full,)) as weir,
        weir.session.post(f"{weir.url}/v1/{address}", json={"model": "auto", **body}) as response,
    ):
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (400, "context_length_exceeded", field)


async def test_where_a_body_could_be_for_two_addresses_the_caller_may_say_for_which(weir: Running) -> None:
    body = {"model": "auto", "input": "What is 12 + 7?"}
    for address, kind in (("", "embedding"), ("?for=/v1/embeddings", "embedding"), ("?for=%2Fv1%2Fresponses", "chat")):
        async with weir.session.post(f"{weir.url}/v1/route{address}", json=body) as response:
            assert (await response.json())["asked"]["kind"] == kind, address
    for address in ("/v1/files", "", "/v1/route", "/v1/messages/count_tokens"):
        async with weir.session.post(f"{weir.url}/v1/route?for={address}", json=body) as response:
            error = (await response.json())["error"]
        assert (response.status, error["param"]) == (400, "for")
        assert "/v1/responses" in error["message"]


async def test_a_malformed_question_to_route_leaves_no_record_either(weir: Running) -> None:
    async with weir.session.post(f"{weir.url}/v1/route", data=b"{") as response:
        assert response.status == 400
    assert await weir.records() == []


async def only_record(weir: Running) -> dict[str, Any]:
    rows = await weir.records()
    assert len(rows) == 1
    return rows[0]


async def test_an_answered_request_leaves_one_record(weir: Running) -> None:
    await weir.ask()
    outcome = (await only_record(weir))["outcome"]
    assert (outcome["status"], outcome["http_status"], outcome["path"]) == ("answered", 200, "site/one")
    assert outcome["steps"][0]["completion_tokens"] == 2


async def test_a_request_that_policy_refuses_leaves_one_record(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url, "frontier/x", tier="frontier")) as weir:
        status, body, headers = await weir.ask(headers={"X-Weir-Classification": "secret"})
        assert status == 403
        row = await only_record(weir)
    assert row["id"] == headers["x-weir-decision"]
    assert (row["outcome"]["status"], row["outcome"]["http_status"]) == ("refused", 403)
    assert row["outcome"]["error_code"] == body["error"]["code"] == "policy_refused"
    assert row["decision"]["candidates"][0]["reasons"][0]["rule"] == "class/secret/tiers"


async def test_a_request_that_its_upstream_failed_leaves_one_record(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url, model="mode:500")) as weir:
        status, _, headers = await weir.ask()
        assert status == 502
        row = await only_record(weir)
    assert row["id"] == headers["x-weir-decision"]
    assert (row["outcome"]["status"], row["outcome"]["error_code"]) == ("failed", "all_paths_failed")
    assert row["outcome"]["steps"][0]["status"] == "failed"
    assert weir.node.tally.counters.failed == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_whose_client_left_leaves_one_record(
    weir: Running, upstream: OpenAIStandIn, stream: bool
) -> None:
    upstream.behaviour.tokens_per_s = 5
    call = asyncio.create_task(weir.chat("a b c d e f g h i j k l m n o p", stream=stream).__aenter__())
    await until(lambda: upstream.open_now == 1)
    if stream:
        (await call).close()
    else:
        call.cancel()
    await until(lambda: upstream.cancelled == 1, 2)
    await until(lambda: weir.node.active == 0, 2)
    row = await only_record(weir)
    assert (row["outcome"]["status"], row["outcome"]["http_status"]) == ("cancelled", 499)
    assert row["outcome"]["steps"][0]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("address", "kind"),
    [("chat/completions", "chat"), ("completions", "completion"), ("embeddings", "embedding")],
)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"model": "auto"}', b'{"model": 5}'])
async def test_a_malformed_request_leaves_one_record(weir: Running, address: str, kind: str, body: bytes) -> None:
    async with weir.session.post(f"{weir.url}/v1/{address}", data=body) as response:
        assert response.status == 400
        code = (await response.json())["error"]["code"]
        for name in ALWAYS:
            assert response.headers[name]
        id = response.headers["x-weir-decision"]
    row = await only_record(weir)
    assert row["id"] == id
    assert row["asked"]["kind"] == kind
    outcome = row["outcome"]
    assert (outcome["status"], outcome["http_status"], outcome["error_code"]) == ("failed", 400, code)
    assert row["decision"]["chosen"] == "undecided"
    assert (await weir.get(f"/v1/decisions/{id}"))[1] == row
    counters = (await weir.get("/weir/v1/status"))[1]["counters"]
    assert (counters["requests"], counters["failed"], counters["bad_requests"]) == (1, 1, 1)


async def test_a_request_that_finds_the_node_full_leaves_one_record(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url), limits={"concurrent_requests": 1}) as weir:
        weir.node.accounts.active = 1
        status, _, headers = await weir.ask()
        assert status == 503
        row = await only_record(weir)
        weir.node.accounts.active = 0
    assert row["id"] == headers["x-weir-decision"]
    assert (row["outcome"]["status"], row["outcome"]["error_code"]) == ("refused", "no_capacity")


async def test_a_defect_of_the_node_is_a_500_a_failed_record_and_no_traceback(weir: Running) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError(CANARY)

    weir.node.fleet.figures = broken  # type: ignore[assignment]  # a state that nobody foresaw
    status, body, headers = await weir.ask(CANARY)
    assert status == 500
    assert body["error"]["code"] == "internal_error"
    assert CANARY not in json.dumps(body)
    weir.node.fleet.figures = {}
    row = await only_record(weir)
    assert row["id"] == headers["x-weir-decision"]
    assert (row["outcome"]["status"], row["outcome"]["http_status"]) == ("failed", 500)


async def test_a_defect_in_the_middle_of_a_stream_ends_it_with_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakePath(fake_card("device/odd"), answer("one two three four five six seven", pause=0.03))
    async with running_node(tmp_path, fakes=(fake,)) as weir:
        fed = 0
        from appliance.respond.streams import ChatStream

        real = ChatStream.feed

        def feed(self: ChatStream, chunk: Any) -> bytes:
            nonlocal fed
            fed += 1
            if fed == 3:
                raise RuntimeError(CANARY)
            return real(self, chunk)

        monkeypatch.setattr(ChatStream, "feed", feed)  # no path can bring this about
        async with weir.chat(stream=True) as response:
            assert response.status == 200
            events = sse(await response.read())
        assert "[DONE]" not in events
        assert events[-1]["error"]["code"] == "internal_error"
        assert all("error" not in event for event in events[:-1])
        await until(lambda: fake.ended == ["cancelled"], 2)
        row = await only_record(weir)
    assert (row["outcome"]["status"], row["outcome"]["http_status"]) == ("failed", 500)


async def test_records_of_a_real_run_replay_to_equal_decisions(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    fronts = FakePath(
        fake_card("device/small", gate="small", accuracy_default=0.8), lambda job: answer("no", sure=len(job.id) < 0)
    )
    gate = factories.gate("small", "device/small", floor=0.9, weights=(3.0,) + (0.0,) * 8, bias=2.0)
    async with running_node(
        tmp_path,
        upstream_card(upstream.base_url),
        upstream_card(upstream.base_url, "frontier/bad", tier="frontier", model="mode:500", accuracy_default=0.999),
        fakes=(fronts,),
        gates=(gate,),
    ) as weir:
        for k in range(3):
            await weir.ask(f"question {k % 2}")
        await weir.ask("secret", headers={"X-Weir-Classification": "secret"})
        await weir.ask("far", headers={"X-Weir-Residency": "country:DE"})
        await weir.ask("fast", model="auto:fast")
        await weir.ask("best", model="auto:best")
        await weir.ask("named", model="frontier/bad")
        await weir.ask("nobody", model="nobody")
        await weir.ask("tight", headers={"X-Weir-Deadline": "0.001"})
        async with weir.chat("stream", stream=True) as response:
            await response.read()
        rows = await weir.records()
        chosen = {row["decision"]["chosen"] for row in rows}
        assert {"cache-hit", "best-utility", "named", "refused"} <= chosen
        assert len(rows) == 11
        for row in rows:
            assert replay(from_json(orjson.dumps(row)), weir.node.generation) == ()


async def test_no_record_and_no_error_holds_text(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    said: list[str] = []
    cards = [
        upstream_card(upstream.base_url, f"site/{mode}", model=f"mode:{mode}")
        for mode in ("500", "400", "cut", "malformed", "error-event", "401", "refuse", "wrong-shape")
    ]
    async with running_node(tmp_path, upstream_card(upstream.base_url), *cards) as weir:
        for card in (None, *cards):
            for stream in (False, True):
                model = card.id if card else "auto"
                async with weir.chat(f"{CANARY} {model} {stream}", model=model, stream=stream) as response:
                    raw = await response.text()
                    said += [*response.headers.values()]
                    if raw.startswith("data:"):
                        said += [json.dumps(event) for event in sse(raw.encode()) if "error" in event]
                    elif response.status != 200:
                        said.append(raw)
        bad: list[Any] = [
            {"messages": CANARY},
            {"messages": [{"role": CANARY, "content": "x"}]},
            {"model": CANARY, "messages": [{"role": "user", "content": CANARY}]},
            {"messages": [{"role": "user", "content": {CANARY: 1}}]},
            {"messages": [{"role": "user", "content": "x"}], "response_format": {"type": CANARY}},
            {"messages": [{"role": "user", "content": "x"}], "temperature": CANARY},
        ]
        for body in bad:
            async with weir.session.post(f"{weir.url}/v1/chat/completions", json={"model": "auto", **body}) as got:
                assert got.status in (400, 404)
                said += [await got.text(), *got.headers.values()]
        rows = await weir.records()
    assert len(rows) == 2 * 9 + len(bad)
    asked_for = [row["asked"].pop("model") for row in rows]
    assert CANARY in asked_for  # the name of a model is not text of a prompt
    assert CANARY not in json.dumps(rows)
    assert CANARY not in "\n".join(said)


async def test_the_log_of_a_node_holds_no_text(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    content = write_content(
        tmp_path / "content",
        upstream_card(upstream.base_url),
        upstream_card(upstream.base_url, "site/bad", model="mode:500"),
        upstream_card(upstream.base_url, "site/cut", model="mode:cut"),
    )

    def work(log: Path) -> None:
        import socket

        with process_node(tmp_path, content, logging={"level": "debug", "format": "json"}) as node:
            for model in ("auto", "site/bad", "site/cut"):
                for stream in (False, True):
                    node.ask(f"{CANARY} {stream}", model=model, stream=stream)
            for raw in (
                f'{{"messages": "{CANARY}", "model": "auto"}}',
                f'{{"messages": [{{"role": "user", "content": "{CANARY}', f'{{"{CANARY}": 1}}',
            ):  # fmt: skip
                node.post("/v1/chat/completions", raw.encode(), {"Content-Type": "application/json"})
            node.post(f"/v1/{CANARY}", b"")
            node.get(f"/v1/decisions/{CANARY}")
            for raw in (
                f"GET /{CANARY}\x01 HTTP/1.1\r\n\r\n",
                f"{CANARY}\r\n\r\n",
                f"GET / HTTP/1.1\r\nX-A: \x00{CANARY}\r\n\r\n",
                f"GET / HTTP/1.1\r\nX-A: {CANARY * 1000}\r\n\r\n",
                f"POST /v1/completions HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\nzz{CANARY}\r\n",
            ):
                with socket.create_connection(("127.0.0.1", node.port), 5) as plain:
                    plain.sendall(raw.encode())
                    got = b""
                    while data := plain.recv(65536):
                        got += data
                assert CANARY.encode() not in got
        logs.append(node.said())
        logs.append((node.state / "telemetry.db").read_bytes().decode("latin1"))

    logs: list[str] = []
    await asyncio.to_thread(work, tmp_path)
    assert "ready" in logs[0]
    assert "Traceback" not in logs[0]
    for log in logs:
        assert CANARY not in log, [line for line in log.splitlines() if CANARY in line][:3]

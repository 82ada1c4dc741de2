"""What may not leave as it is leaves redacted where policy says so, and comes back whole."""

from __future__ import annotations

import asyncio
import hmac
import json
import random
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance import identity
from appliance.cli.view import explanation
from appliance.decide.labels import Detectors
from appliance.features.detect import find
from appliance.paths.contract import Done, PathError, Text, ToolCall, Usage
from appliance.records.record import from_json
from appliance.records.request import Message, Request
from appliance.redact import NotRedactable
from appliance.replay import replay
from appliance.store.audit.prove import parse_label, parse_target, prove
from tests import policies
from tests.node.conftest import (
    DETECTORS,
    Running,
    Start,
    fake_card,
    process_node,
    running_node,
    said,
    sse,
    upstream_card,
    write_content,
)
from tests.node.doubles import FakePath, answer
from tests.node.test_audit import entries
from tests.node.test_detectors import IBAN, KEY, SHAPES, asked_upstream, frontier
from tests.node.test_tenants import bearer, key
from tests.redact.test_redact import VALUES
from tests.standins.openai_server import OpenAIStandIn

MAIL = "ann@corp.example"
REDACTED = policies.REDACTED


def far(script: Any, **over: Any) -> FakePath:
    return FakePath(fake_card("frontier/far", "frontier", **over), script)


async def test_the_frontier_never_sees_an_address_that_the_caller_gets_back(
    start: Start, upstream: OpenAIStandIn
) -> None:
    async with start(frontier(upstream), policy=REDACTED) as weir:
        status, body, headers = await weir.ask(f"Write to {MAIL} and to {MAIL}, not to bob@corp.example.")
        assert status == 200
        sent = json.dumps(upstream.bodies)
        assert "corp.example" not in sent
        assert "Write to [EMAIL_1] and to [EMAIL_1], not to [EMAIL_2]." in sent
        assert body["choices"][0]["message"]["content"] == (f"Write to {MAIL} and to {MAIL}, not to bob@corp.example.")
        assert headers["x-weir-redacted"] == "email=3"
        assert headers["x-weir-classification"] == "restricted; given=internal; by=email"
        assert headers["x-weir-cache"] == "bypass"
        row = await weir.record(headers["x-weir-decision"])
        assert row["outcome"]["steps"][0]["redacted"] == [["email", 3]]
        (step,) = row["decision"]["steps"]
        assert (step["path"], step["redacted"]) == ("frontier/far", True)
        (candidate,) = row["decision"]["candidates"]
        assert candidate["redacting"]["refused"]["rule"] == "class/restricted/tiers"
        assert candidate["redacting"]["rules"] == ["use"]
        assert "corp.example" not in json.dumps(row)
        assert replay(from_json(orjson.dumps(row)), weir.node.generation) == ()
        told = explanation(row)
        assert "frontier/far, redacted" in told
        assert "redacted: [class/restricted/tiers] refuses it as it is, [use] permits it so" in told
        assert "email 3" in told


async def test_the_openai_client_gets_it_back_whole_and_streamed(start: Start, upstream: OpenAIStandIn) -> None:
    text = f"Please greet {MAIL} and pay {IBAN} now."
    async with start(frontier(upstream), policy=REDACTED) as weir, weir.client() as client:
        messages: Any = [{"role": "user", "content": text}]
        whole = await client.chat.completions.create(model="auto", messages=messages)
        assert whole.choices[0].message.content == text
        stream = await client.chat.completions.create(model="auto", messages=messages, stream=True)
        pieces = [event.choices[0].delta.content or "" async for event in stream if event.choices]
        assert "".join(pieces) == text
        assert len(pieces) > 3
        async with client.chat.completions.stream(model="auto", messages=messages) as folded:
            assert (await folded.get_final_completion()).choices[0].message.content == text
        prompt = await client.completions.create(model="auto", prompt=text)
        assert prompt.choices[0].text == text
    assert len(upstream.bodies) == 4
    for body in upstream.bodies:
        assert MAIL not in json.dumps(body) and "3704" not in json.dumps(body)
        assert "[EMAIL_1]" in json.dumps(body) and "[IBAN_1]" in json.dumps(body)


@pytest.mark.parametrize(("route", "body"), SHAPES)
@pytest.mark.parametrize("model", ["auto", "frontier/far"])
async def test_wherever_it_stands_it_does_not_leave(
    start: Start, upstream: OpenAIStandIn, route: str, body: dict[str, Any], model: str
) -> None:
    async with (
        start(frontier(upstream, capabilities={"streaming": True, "tools": True}), policy=REDACTED) as weir,
        weir.session.post(f"{weir.url}/v1/{route}", json={"model": model, **body}) as response,
    ):
        assert response.status == 200, await response.text()
        assert response.headers["x-weir-redacted"].startswith("iban=")
        assert asked_upstream(upstream) == 1
        assert "3704" not in json.dumps(upstream.bodies)
        assert "[IBAN_1]" in json.dumps(upstream.bodies)


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for item in value.values() for text in strings(item))]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_sent_nothing_redactable_arrives_and_all_of_it_comes_back(
    start: Start, upstream: OpenAIStandIn, seed: int
) -> None:
    chance = random.Random(seed)
    values = [value for some in VALUES.values() for value in some]
    noise = [
        "[EMAIL_1]",
        "[email_2]",
        "[IBAN_",
        "_1]",
        "[",
        "]",
        "[[EMAIL_1]",
        '"',
        "\\n",
        "{}",
        "é",
        "word",
        "12",
        "-",
    ]

    def text() -> str:
        return " ".join(chance.choice(values if chance.random() < 0.3 else noise) for _ in range(chance.randint(1, 12)))

    async with start(frontier(upstream, capabilities={"streaming": True}), policy=REDACTED) as weir:
        redacted = 0
        for number in range(60):
            stream, wanted = number % 2 == 1, text()
            messages = [
                {"role": "system", "content": text()},
                {"role": "assistant", "content": text()},
                {"role": "user", "content": wanted},
            ]
            async with weir.chat(messages=messages, stream=stream, user=text()[:256] or "u") as response:
                raw = await response.read()
            if response.status == 403:
                continue  # a value that cannot be replaced where it stands
            assert response.status == 200, raw
            redacted += "x-weir-redacted" in response.headers
            got = said(sse(raw)) if stream else orjson.loads(raw)["choices"][0]["message"]["content"]
            assert got == wanted
        assert redacted > 40
    for sent in upstream.bodies:
        for one in strings(sent):
            assert not {finding.kind for finding in find(one)} & set(DETECTORS.redacts), one


REFUSED: list[dict[str, Any]] = [
    {"text": f"Is {KEY} the key of {MAIL}?"},  # a secret is with it
    {"text": f"mail {MAIL}", "headers": {"X-Weir-Classification": "restricted"}},  # given, not found
    {"text": f"mail {MAIL}", "headers": {"X-Weir-Residency": "node"}},
    {"messages": [{"role": "user", "content": [
        {"type": "text", "text": f"mail {MAIL}"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]},
    {"text": f"mail {MAIL}", "metadata": {MAIL: "a name cannot be replaced"}},
    {"text": "hi", "response_format": {"type": "json_schema", "json_schema": {
        "name": "x", "schema": {"type": "object", "properties": {"a": {"enum": [4111111111111111]}}}}}},
]  # fmt: skip


@pytest.mark.parametrize("asked", REFUSED)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_redaction_does_not_make_harmless_is_refused(
    start: Start, upstream: OpenAIStandIn, asked: dict[str, Any], stream: bool
) -> None:
    card = frontier(upstream, capabilities={"streaming": True, "images_in": True, "json_schema": True})
    async with start(card, policy=REDACTED) as weir:
        status, body, headers = await weir.ask(**asked, stream=stream)
        assert (status, body["error"]["code"]) == (403, "policy_refused")
        assert asked_upstream(upstream) == 0
        assert "x-weir-redacted" not in headers
        assert MAIL not in json.dumps(body)
        row = await weir.record(headers["x-weir-decision"])
        assert row["outcome"]["status"] == "refused"
        assert MAIL not in json.dumps(row) and "4111111" not in json.dumps(row)
        state = weir.state
    assert any(entry["decision"] == row["id"] for entry in entries(state, "refusal"))


@pytest.mark.parametrize(("classification", "expected"), [("internal", 200), ("restricted", 403)])
async def test_a_label_of_the_tenant_is_given_and_stays(
    tmp_path: Path, upstream: OpenAIStandIn, classification: str, expected: int
) -> None:
    headers = bearer(key(tmp_path, "acme", classification=classification))
    async with running_node(tmp_path, frontier(upstream), policy=REDACTED) as weir:
        assert (await weir.ask(f"mail {MAIL}", headers=headers))[0] == expected
    assert len(upstream.bodies) == (expected == 200)


async def test_only_what_the_content_names_is_redacted(start: Start, upstream: OpenAIStandIn) -> None:
    only_mail = DETECTORS.model_copy(update={"redacts": ("email",)})
    async with start(frontier(upstream), policy=REDACTED, detectors=only_mail) as weir:
        assert (await weir.ask(f"mail {MAIL}"))[0] == 200
        assert (await weir.ask(f"mail {MAIL}, pay {IBAN}"))[0] == 403
    nothing = DETECTORS.model_copy(update={"redacts": ()})
    async with start(frontier(upstream), policy=REDACTED, detectors=nothing) as weir:
        assert (await weir.ask(f"mail {MAIL}"))[0] == 403
    assert asked_upstream(upstream) == 1


async def test_a_path_that_may_have_it_as_it_is_gets_it_as_it_is(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url), policy=REDACTED) as weir:
        _, body, headers = await weir.ask(f"mail {MAIL}")
    assert "x-weir-redacted" not in headers
    assert body["choices"][0]["message"]["content"] == f"mail {MAIL}"
    assert MAIL in json.dumps(upstream.bodies)


async def test_rules_hear_of_what_was_found(start: Start, upstream: OpenAIStandIn) -> None:
    """Findings are facts of their own: a label need not be raised for a rule to look at them."""
    mild = Detectors(raises={**DETECTORS.raises, "email": "public", "iban": "public"}, redacts=("email",))
    rules = policies.RULES.replace("{ context has redacted }", "{ false }") + (
        '@id("site/no-mail") @why("addresses stay here") forbid (principal, action == Action::"use", resource)\n'
        'when { context has findings && context.findings.contains("email") && !(context has redacted) };\n'
        '@id("site/no-iban") @why("accounts stay here") forbid (principal, action == Action::"use", resource)\n'
        'when { context has findings && context.findings.contains("iban") };'
    )
    async with start(frontier(upstream), policy=rules, detectors=mild) as weir:
        for _ in range(2):
            status, _, headers = await weir.ask(f"mail {MAIL}")
            assert (status, headers["x-weir-redacted"]) == (200, "email=1")
            assert headers["x-weir-classification"] == "internal"
            assert not headers["x-weir-cache"].startswith("hit")  # the cache may not have it as it is
        assert (await weir.ask(f"pay {IBAN}, mail {MAIL}"))[0] == 403
        assert (await weir.ask("hello"))[0] == 200
    assert MAIL not in json.dumps(upstream.bodies)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("pause", [0.0, 0.001])
async def test_an_upstream_that_invents_echoes_and_cuts_placeholders(
    tmp_path: Path, stream: bool, pause: float
) -> None:
    said_back = "[EMAIL_1] [EMAIL_99] [email_1] [EMAIL_1 ] [[EMAIL_1]] EMAIL_1 [EMAIL_2] [EMAIL_"
    script: list[Any] = []
    for char in said_back:
        script += [Text(char), *([pause] if pause else [])]
    path = far([*script, Done(Usage(7, len(said_back)), ("stop",))])
    expected = said_back.replace("[EMAIL_1]", MAIL)
    async with (
        running_node(tmp_path, fakes=(path,), policy=REDACTED) as weir,
        weir.chat(f"[EMAIL_2] is {MAIL}", stream=stream) as response,  # a look-alike: number 2 is nobody's
    ):
        assert response.headers["x-weir-redacted"] == "email=1"
        raw = await response.read()
    got = said(sse(raw)) if stream else orjson.loads(raw)["choices"][0]["message"]["content"]
    assert got == expected
    (job,) = path.jobs
    assert job.messages[0].content == "[EMAIL_2] is [EMAIL_1]"


@pytest.mark.parametrize("stream", [False, True])
async def test_arguments_of_tool_calls_and_several_choices_come_back(tmp_path: Path, stream: bool) -> None:
    script = [
        ToolCall({"index": 0, "id": "c", "type": "function", "function": {"name": "send", "arguments": '{"to": "[EM'}}),
        ToolCall({"index": 0, "function": {"arguments": 'AIL_1]"}'}}),
        Text("for [IBAN", 1),
        Text("_1]", 1),
        Done(Usage(7, 9), ("tool_calls", "stop")),
    ]
    path = far(script, capabilities={"tools": True, "multiple": True})
    tool = {"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}
    asked = {"n": 2, "tools": [tool], "temperature": 0.5}
    async with running_node(tmp_path, fakes=(path,), policy=REDACTED) as weir, weir.client() as client:
        messages: Any = [{"role": "user", "content": f"Send {IBAN} to {MAIL} ."}]
        if not stream:
            got = await client.chat.completions.create(model="auto", messages=messages, **asked)
            call = got.choices[0].message.tool_calls[0]
            assert json.loads(call.function.arguments) == {"to": MAIL}
            assert got.choices[1].message.content == f"for {IBAN}"
            return
        arguments, text = "", ""
        async for event in await client.chat.completions.create(model="auto", messages=messages, stream=True, **asked):
            for choice in event.choices:
                text += choice.delta.content or ""
                for part in choice.delta.tool_calls or []:
                    arguments += part.function.arguments or ""
        assert json.loads(arguments) == {"to": MAIL}
        assert text == f"for {IBAN}"


async def test_a_structured_answer_is_judged_with_its_values_put_back(start: Start, upstream: OpenAIStandIn) -> None:
    schema = {"type": "object", "properties": {"to": {"type": "string", "enum": [MAIL]}}, "required": ["to"]}
    form = {"type": "json_schema", "json_schema": {"name": "Mail", "schema": schema, "strict": True}}
    upstream.behaviour.json_answers["Mail"] = {"to": "[EMAIL_1]"}
    async with start(frontier(upstream), policy=REDACTED) as weir:
        _, body, headers = await weir.ask("who?", response_format=form)
        assert json.loads(body["choices"][0]["message"]["content"]) == {"to": MAIL}
        assert MAIL not in json.dumps(upstream.bodies)
        row = await weir.record(headers["x-weir-decision"])
        assert row["outcome"]["steps"][0]["judgement"]["form"] == ""


async def test_a_cascade_redacts_only_where_it_must(tmp_path: Path) -> None:
    near = FakePath(fake_card("near", accuracy_default=1.0), [PathError("unavailable", "down")])
    path = far(lambda job: answer(f"I saw {job.messages[0].content}"))
    async with running_node(tmp_path, fakes=(near, path), policy=REDACTED, business_value=1.0) as weir:
        status, body, headers = await weir.ask(f"mail {MAIL}")
        assert status == 200
        assert body["choices"][0]["message"]["content"] == f"I saw mail {MAIL}"
        assert path.jobs[0].messages[0].content == "mail [EMAIL_1]"
        if near.jobs:
            assert near.jobs[0].messages[0].content == f"mail {MAIL}"
        row = await weir.record(headers["x-weir-decision"])
        by_path = {step["path"]: step["redacted"] for step in row["outcome"]["steps"]}
        assert by_path["frontier/far"] == [["email", 1]]
        assert by_path.get("near", []) == []


async def test_the_audit_is_over_what_left_and_says_that_it_was_redacted(
    tmp_path: Path, start: Start, upstream: OpenAIStandIn
) -> None:
    async with start(frontier(upstream), policy=REDACTED) as weir:
        await weir.ask(f"mail {MAIL}")
        await weir.ask("hello")
        state = weir.state
    first, second = entries(state, "egress")
    assert first["redacted"] == {"email": 1}
    assert first["classification"] == "restricted"  # the request's own: what left for whom is not made to look better
    assert first["rules"] == ["test:use"]
    assert first["body"] == hmac.digest(identity.load(state).salt, orjson.dumps(upstream.bodies[0]), "sha256").hex()
    assert "redacted" not in second
    public = identity.load_public(state / "audit.pub")
    proof = prove(state, public, parse_label("restricted"), parse_target("frontier", outside=False), 0, 1 << 62)
    assert (proof.holds, proof.against, proof.examples[0].why) == (False, 1, "its path is of tier frontier, redacted")


async def test_route_tells_that_it_would_be_redacted_and_runs_nothing(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(frontier(upstream), policy=REDACTED) as weir:
        body = {"model": "auto", "messages": [{"role": "user", "content": f"mail {MAIL}"}]}
        async with weir.session.post(f"{weir.url}/v1/route", json=body) as response:
            told = await response.json()
        assert told["decision"]["steps"][0]["redacted"] is True
        assert asked_upstream(upstream) == 0
        assert len(weir.node.conversations) == 0


async def test_a_redaction_that_takes_too_long_is_none(weir: Running) -> None:
    long = Request("r", "chat", "auto", messages=(Message("user", f"mail {MAIL} tel 0301234567 " * 20_000),))
    hasty = DETECTORS.model_copy(update={"timeout_s": 0.001})
    with pytest.raises(NotRedactable, match="took too long"):
        await weir.node.examiner.redact(long, ("email", "phone"), hasty)
    short = Request("r", "chat", "auto", messages=(Message("user", f"mail {MAIL}"),))
    assert (await weir.node.examiner.redact(short, ("email",), DETECTORS)).found == (("email", 1),)


def test_a_node_as_a_process_redacts_too(tmp_path: Path) -> None:
    """Nothing but HTTP on both sides: what a client states and what a server gets."""
    started, stop, held = threading.Event(), threading.Event(), {}

    def serve() -> None:
        async def run() -> None:
            async with OpenAIStandIn() as server:
                held["server"] = server
                started.set()
                while not stop.is_set():
                    await asyncio.sleep(0.05)

        asyncio.run(run())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert started.wait(10)
        server = held["server"]
        content = write_content(tmp_path / "content", frontier(server), policy=REDACTED)
        with process_node(tmp_path, content) as node:
            status, body, headers = node.ask(f"mail {MAIL}")
            assert status == 200, body
            assert body["choices"][0]["message"]["content"] == f"mail {MAIL}"
            assert headers["x-weir-redacted"] == "email=1"
            assert MAIL not in json.dumps(server.bodies)
            assert MAIL not in node.said()
        for file in (tmp_path / "state").iterdir():
            assert file.is_dir() or MAIL.encode() not in file.read_bytes(), file
    finally:
        stop.set()
        thread.join(10)

"""What is found in a request decides where it may go: through HTTP, with a frontier path that must not see it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.bundle.content import load_generation
from appliance.cli.view import explanation
from appliance.decide.labels import Detectors
from appliance.errors import ConfigInvalid
from appliance.features import detect
from appliance.records.record import from_json
from appliance.replay import replay
from tests.node.conftest import DETECTORS, Running, Start, upstream_card, write_content
from tests.standins.openai_server import OpenAIStandIn

IBAN = "DE89 3704 0044 0532 0130 00"
KEY = "ghp_0123456789abcdefghijABCDEFGHIJ012345"


def frontier(upstream: OpenAIStandIn, **over: Any) -> Any:
    return upstream_card(upstream.base_url, "frontier/far", tier="frontier", **over)


def asked_upstream(upstream: OpenAIStandIn) -> int:
    return sum(upstream.seen[name] for name in ("chat/completions", "completions", "embeddings"))


async def test_an_iban_keeps_a_request_from_the_frontier_and_the_record_says_why(
    start: Start, upstream: OpenAIStandIn
) -> None:
    async with start(frontier(upstream)) as weir:
        status, body, headers = await weir.ask(f"Pay {IBAN} today")
        assert (status, body["error"]["code"]) == (403, "policy_refused")
        assert headers["x-weir-classification"] == "restricted; given=internal; by=iban"
        assert headers["x-weir-cache"] == "bypass"
        assert asked_upstream(upstream) == 0
        row = await weir.record(headers["x-weir-decision"])
        assert row["asked"]["labels"]["classification"] == "restricted"
        assert row["asked"]["raised"] == {"given": "internal", "by": ["iban"], "carried": None}
        assert row["features"]["findings"] == [["iban", 1]]
        assert "3704" not in json.dumps(row)
        told = explanation(row)
        assert "raised   from internal by iban" in told
        assert "found    iban 1" in told
        status, _, headers = await weir.ask("Pay nobody today")
        assert (status, headers["x-weir-classification"]) == (200, "internal")


SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("chat/completions", {"messages": [{"role": "system", "content": IBAN}, {"role": "user", "content": "hi"}]}),
    (
        "chat/completions",
        {"messages": [{"role": "user", "content": IBAN}, {"role": "assistant", "content": "ok"},
                      {"role": "user", "content": "hi"}]},
    ),
    ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": f"to {IBAN}"}]}]}),
    (
        "chat/completions",
        {
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": IBAN})}}]},
                {"role": "tool", "tool_call_id": "c", "content": "done"},
            ]
        },
    ),
    (
        "chat/completions",
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"type": "function", "function": {"name": "f", "description": f"pays {IBAN}"}}],
        },
    ),
    ("chat/completions", {"messages": [{"role": "user", "content": "hi"}], "metadata": {"account": IBAN}}),
    ("chat/completions", {"messages": [{"role": "user", "content": "hi"}], "stream": True, "stop": [IBAN]}),
    ("completions", {"prompt": f"pay {IBAN}"}),
    ("embeddings", {"input": ["hello", f"pay {IBAN}"]}),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body"), SHAPES)
@pytest.mark.parametrize("model", ["auto", "frontier/far"])
async def test_wherever_it_stands_and_whatever_model_is_named(
    start: Start, upstream: OpenAIStandIn, route: str, body: dict[str, Any], model: str
) -> None:
    async with (
        start(frontier(upstream)) as weir,
        weir.session.post(f"{weir.url}/v1/{route}", json={"model": model, **body}) as response,
    ):
        assert response.status in (400, 403)
        assert asked_upstream(upstream) == 0
        if response.status == 403:
            assert "iban" in response.headers["x-weir-classification"]


async def test_a_secret_is_secret_and_a_stricter_label_is_not_lowered(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url)) as weir:
        status, _, headers = await weir.ask(f"Is {KEY} valid?")
        assert (status, headers["x-weir-classification"]) == (403, "secret; given=internal; by=api-key")
        status, _, headers = await weir.ask("mail a@b.example", headers={"X-Weir-Classification": "secret"})
        assert (status, headers["x-weir-classification"]) == (403, "secret")
        status, _, headers = await weir.ask("mail a@b.example", headers={"X-Weir-Classification": "public"})
        assert (status, headers["x-weir-classification"]) == (200, "restricted; given=public; by=email")
        assert headers["x-weir-path"] == "site/one"


async def test_what_was_found_in_an_earlier_turn_is_found_whenever_it_comes_again(
    start: Start, upstream: OpenAIStandIn
) -> None:
    """It is not looked at again, and counts as if it were."""
    told = f"Pay {IBAN} today, and tell nobody about it, please."
    turns = [{"role": "user", "content": told}, {"role": "assistant", "content": "I will. Who else is to know of it?"}]
    async with start(frontier(upstream)) as weir:
        for last in (told, "Nobody at all, as I said before in so many words.", f"{told} It is urgent."):
            status, _, headers = await weir.ask(messages=[*turns, {"role": "user", "content": last}])
            assert (status, headers["x-weir-classification"].partition(";")[0]) == (403, "restricted")
            row = await weir.record(headers["x-weir-decision"])
            assert row["features"]["findings"] == [["iban", 2 if IBAN in last else 1]]
    assert asked_upstream(upstream) == 0


async def test_an_answer_to_what_something_was_found_in_is_never_stored(start: Start, upstream: OpenAIStandIn) -> None:
    """Also where the label allows the cache: a hit is not looked at, so neither rules nor conversation would know."""
    mild = Detectors(raises={**DETECTORS.raises, "email": "internal"})
    async with start(upstream_card(upstream.base_url), detectors=mild) as weir:
        for given in ("public", "internal"):
            for _ in range(2):
                _, _, headers = await weir.ask("mail a@b.example", headers={"X-Weir-Classification": given})
                assert not headers["x-weir-cache"].startswith("hit")
                raised = "internal; given=public; by=email"
                assert headers["x-weir-classification"] == (raised if given == "public" else "internal")


async def test_other_rules_make_another_generation_and_find_no_old_answer(
    tmp_path: Path, start: Start, upstream: OpenAIStandIn
) -> None:
    mild = Detectors(raises={**DETECTORS.raises, "email": "internal"})
    async with start(frontier(upstream), detectors=mild) as weir:
        for _ in range(2):
            assert (await weir.ask("mail a@b.example"))[0] == 200
        before = weir.node.generation.id
    async with start(frontier(upstream)) as weir:  # the same state, stricter content
        assert weir.node.generation.id != before
        assert (await weir.ask("mail a@b.example"))[0] == 403


async def test_a_detector_that_is_late_makes_a_request_secret(start: Start, upstream: OpenAIStandIn) -> None:
    hasty = Detectors(raises=DETECTORS.raises, timeout_s=0.001)
    async with start(upstream_card(upstream.base_url), detectors=hasty) as weir:
        status, _, headers = await weir.ask("tel 0301234567 " * 20_000)
        assert status == 403
        assert headers["x-weir-classification"] == "secret; given=internal; by=unscanned"
        assert asked_upstream(upstream) == 0
        row = await weir.record(headers["x-weir-decision"])
        assert row["features"]["findings"] == [["unscanned", 1]]
        assert (await weir.ask("short"))[0] == 200


async def test_an_image_that_nobody_can_read_is_restricted(start: Start, upstream: OpenAIStandIn) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    message = {"role": "user", "content": [{"type": "text", "text": "what is this?"}, image]}
    card = frontier(upstream, capabilities={"images_in": True})
    async with start(card) as weir:
        for given in ("public", "internal"):
            label = {"X-Weir-Classification": given}
            status, body, headers = await weir.ask(messages=[message], headers=label)
            assert status == 403
            assert headers["x-weir-classification"] == f"restricted; given={given}; by=attachment"
            why = f"The request counts as restricted: raised from {given} by attachment."
            assert why in body["error"]["message"]
        label = {"X-Weir-Classification": "restricted"}
        status, body, headers = await weir.ask(messages=[message], headers=label)
        assert (status, headers["x-weir-classification"]) == (403, "restricted")
        assert "raised" not in body["error"]["message"]


async def test_the_loop_goes_on_while_a_long_text_is_looked_at(weir: Running) -> None:
    long = asyncio.create_task(weir.ask("tel 0301234567 " * 20_000))
    while not long.done():
        assert (await weir.get("/healthz"))[0] == 200
    assert (await long)[0] < 500  # whether the path takes so long a text is not asked here


async def test_route_explains_what_raised_it_and_replay_raises_anew(
    tmp_path: Path, start: Start, upstream: OpenAIStandIn
) -> None:
    async with start(frontier(upstream)) as weir:
        body = {"model": "auto", "messages": [{"role": "user", "content": f"Pay {IBAN}"}]}
        async with weir.session.post(f"{weir.url}/v1/route", json=body) as response:
            told = await response.json()
        assert told["asked"]["raised"] == {"given": "internal", "by": ["iban"], "carried": None}
        assert told["decision"]["refusal"] == "policy"
        _, _, headers = await weir.ask(f"Pay {IBAN}")
        record = from_json(json.dumps(await weir.record(headers["x-weir-decision"])))
        assert replay(record, weir.node.generation) == ()
        mild = Detectors(raises={**DETECTORS.raises, "iban": "internal"})
        content = write_content(tmp_path / "mild", frontier(upstream), detectors=mild)
        other = {difference.field for difference in replay(record, load_generation(content))}
        assert {"chosen", "refusal", "steps"} <= other


def test_content_without_detectors_is_refused_and_what_they_raise_is_in_the_digest(tmp_path: Path) -> None:
    content = write_content(tmp_path / "content")
    before = load_generation(content).id
    (content / "detectors.json").write_text(DETECTORS.model_copy(update={"timeout_s": 9.0}).model_dump_json())
    assert load_generation(content).id != before
    (content / "detectors.json").unlink()
    with pytest.raises(ConfigInvalid) as refused:
        load_generation(content)
    assert refused.value.details == ("detectors.json: missing",)


def test_the_starter_names_every_kind_that_detectors_have() -> None:
    assert {detector.kind for detector in detect._detectors()} <= set(DETECTORS.raises)
    assert set(DETECTORS.raises.values()) == {"restricted", "secret"}

"""A conversation in which something was found stays sensitive: whatever is left out, cached, restarted or streamed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.cli.view import explanation
from appliance.decide.labels import Detectors
from appliance.records.record import from_json
from appliance.replay import replay
from tests import policies
from tests.node.conftest import DETECTORS, Running, Start, running_node, upstream_card
from tests.node.test_detectors import IBAN, KEY, asked_upstream, frontier
from tests.node.test_tenants import bearer, key
from tests.standins.openai_server import OpenAIStandIn

LONG = "and that is all that there is to be said about it today, I think"


def talk(*said: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[k % 2], "content": f"{text}, {LONG}"} for k, text in enumerate(said)]


def both(upstream: OpenAIStandIn) -> tuple[Any, Any]:
    return frontier(upstream), upstream_card(upstream.base_url, accuracy_default=0.5)


async def ask(weir: Running, *said: str, **over: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    return await weir.ask(messages=talk(*said), **over)


@pytest.mark.parametrize("first", [False, True])
async def test_what_was_found_once_keeps_the_conversation_from_the_frontier(
    start: Start, upstream: OpenAIStandIn, first: bool
) -> None:
    async with start(frontier(upstream)) as weir:
        assert (await ask(weir, "one", "two", "three"))[0] == 200
        before = asked_upstream(upstream)
        assert (await ask(weir, "one", "two", f"pay {IBAN}", stream=first))[0] == 403
        for said in (("one", "two", "three"), ("one", "two", "x", "y", "z")):
            for stream in (False, True):
                status, body, headers = await ask(weir, *said, stream=stream)
                assert (status, body["error"]["code"]) == (403, "policy_refused")
                assert headers["x-weir-classification"] == "restricted; given=internal; by=conversation"
                assert headers["x-weir-cache"] == "bypass"
        assert asked_upstream(upstream) == before
        row = await weir.record(headers["x-weir-decision"])
        assert row["asked"]["raised"] == {
            "given": "internal",
            "by": ["conversation"],
            "carried": {"label": "restricted", "redacted": "public"},
        }
        assert row["features"]["findings"] == []
        assert replay(from_json(orjson.dumps(row)), weir.node.generation) == ()
        assert "raised   from internal by conversation" in explanation(row)
        status, _, headers = await ask(weir, "uno", "dos", "tres")
        assert (status, headers["x-weir-classification"]) == (200, "internal")


async def test_a_cached_answer_is_no_way_round_it(start: Start, upstream: OpenAIStandIn) -> None:
    """Also one that was said so often that it is served from memory."""
    async with start(frontier(upstream)) as weir:
        said = ("one", "two", "three")
        for expected in ("miss", "hit", "hit", "hit"):
            assert (await ask(weir, *said))[2]["x-weir-cache"].split(";")[0] == expected
        assert len(weir.node.hits) == 1
        assert (await ask(weir, "one", "two", f"pay {IBAN}"))[0] == 403
        for stream in (False, True):
            status, _, headers = await ask(weir, *said, stream=stream)
            assert (status, headers["x-weir-cache"]) == (403, "bypass")
        assert (await ask(weir, *said, headers={"X-Weir-Conversation": "another"}))[2]["x-weir-cache"].startswith("hit")


@pytest.mark.parametrize("how", ["header", "metadata"])
async def test_a_conversation_that_is_stated(start: Start, upstream: OpenAIStandIn, how: str) -> None:
    def stated(id: str) -> dict[str, Any]:
        if how == "header":
            return {"headers": {"X-Weir-Conversation": id}}
        return {"metadata": {"weir_conversation": id}}

    async with start(*both(upstream)) as weir:
        _, _, headers = await weir.ask("hello", **stated("c1"))
        assert headers["x-weir-path"] == "frontier/far"
        await weir.ask(f"is {KEY} right?", **stated("c1"))
        status, _, headers = await weir.ask("entirely different", **stated("c1"))
        assert (status, headers["x-weir-classification"]) == (403, "secret; given=internal; by=conversation")
        assert (await weir.ask("entirely different", **stated("c2")))[0] == 200
        assert (await weir.ask("entirely different"))[0] == 200
        rows = await weir.records()
        assert not any('"c1"' in json.dumps(row) or '"c2"' in json.dumps(row) for row in rows)
        assert not any("conversation" in json.dumps(sent) for sent in upstream.bodies)


async def test_what_was_found_before_is_found_again_in_a_conversation(start: Start, upstream: OpenAIStandIn) -> None:
    """Where it raises no label it is no hit either, because a hit would leave nothing of it to the conversation."""
    mild = Detectors(raises={**DETECTORS.raises, "email": "internal"})
    async with start(frontier(upstream), detectors=mild) as weir:
        await weir.ask("mail a@b.example")
        talk = {"X-Weir-Conversation": "c"}
        assert (await weir.ask("mail a@b.example", headers=talk))[0] == 200
        _, _, headers = await weir.ask("entirely different", headers=talk | {"X-Weir-Classification": "public"})
        assert headers["x-weir-classification"] == "internal; given=public; by=conversation"


async def test_hits_are_hits_whatever_conversation_they_are_in(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(frontier(upstream)) as weir:
        for k in range(4):
            _, _, headers = await weir.ask("hello", headers={"X-Weir-Conversation": f"c{k}"})
            assert len(weir.node.hits) == 0  # and stand in nobody's way
        assert headers["x-weir-cache"].startswith("hit")
        for _ in range(3):
            assert (await weir.ask("hello"))[2]["x-weir-cache"].startswith("hit")
        assert len(weir.node.hits) == 1
        assert asked_upstream(upstream) == 1
        assert len(weir.node.conversations) == 0


async def test_a_restart_changes_nothing(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    async with running_node(tmp_path, frontier(upstream)) as weir:
        await ask(weir, "one", "two", f"pay {IBAN}")
    async with running_node(tmp_path, frontier(upstream)) as weir:
        assert len(weir.node.conversations) == 2
        assert (await ask(weir, "one", "two", "three"))[0] == 403
    for file in (tmp_path / "state").iterdir():
        raw = file.read_bytes()
        assert b"3704 0044" not in raw and b"37040044" not in raw and LONG.encode() not in raw, file


async def test_content_may_say_that_nothing_is_remembered(start: Start, upstream: OpenAIStandIn) -> None:
    forgetful = DETECTORS.model_copy(update={"sticky_s": 0.0})
    async with start(frontier(upstream), detectors=forgetful) as weir:
        assert (await ask(weir, "one", "two", f"pay {IBAN}"))[0] == 403
        assert len(weir.node.conversations) == 0
        assert (await ask(weir, "one", "two", "three"))[0] == 200


async def test_what_is_redacted_goes_on_redacted_with_and_without_the_turn(
    start: Start, upstream: OpenAIStandIn
) -> None:
    async with start(frontier(upstream), policy=policies.REDACTED) as weir:
        for said in (("one", "two", f"pay {IBAN}"), ("one", "two", f"pay {IBAN}", "four", "five"), ("one", "two", "x")):
            status, body, headers = await ask(weir, *said)
            assert status == 200
            assert body["choices"][0]["message"]["content"] == f"{said[-1]}, {LONG}"
            assert headers.get("x-weir-redacted", "") == ("iban=1" if IBAN in "".join(said) else "")
            row = await weir.record(headers["x-weir-decision"])
            assert row["decision"]["steps"][0]["redacted"] is True
        assert "3704" not in json.dumps(upstream.bodies)
        assert (await ask(weir, "one", "two", f"the key is {KEY}"))[0] == 403
        assert (await ask(weir, "one", "two", "three"))[0] == 403  # no redaction lifts what a secret left


async def test_a_label_that_was_given_does_not_stick(start: Start, upstream: OpenAIStandIn) -> None:
    """Callers state labels for each request; only what was found is carried on."""
    async with start(*both(upstream)) as weir:
        await ask(weir, "one", "two", "three", headers={"X-Weir-Classification": "restricted"})
        assert len(weir.node.conversations) == 0
        # but what was found is, where the caller had labelled it too
        await ask(weir, "one", "two", f"pay {IBAN}", headers={"X-Weir-Classification": "restricted"})
        _, _, headers = await ask(weir, "one", "two", "three")
        assert headers["x-weir-classification"] == "restricted; given=internal; by=conversation"


@pytest.mark.parametrize("value", ["", "a" * 257, "é", "a\tb"])
async def test_a_conversation_that_is_none_is_refused(weir: Running, value: str) -> None:
    status, body, _ = await weir.ask("hi", metadata={"weir_conversation": value})
    assert status == 400
    assert "conversation" in body["error"]["message"]


@pytest.mark.parametrize("classification", ["internal", "public"])
async def test_tenants_share_no_conversation_and_each_keeps_its_own(
    tmp_path: Path, upstream: OpenAIStandIn, classification: str
) -> None:
    acme = bearer(key(tmp_path, "acme", classification=classification))
    other = bearer(key(tmp_path, "other", classification=classification))
    async with running_node(tmp_path, frontier(upstream)) as weir:
        for said, stated in ((("one", "two", f"pay {IBAN}"), {}), ((f"pay {IBAN}",), {"X-Weir-Conversation": "c1"})):
            assert (await ask(weir, *said, headers={**acme, **stated}))[0] == 403
        for said, stated in ((("one", "two", "three"), {}), (("hello",), {"X-Weir-Conversation": "c1"})):
            assert (await ask(weir, *said, headers={**other, **stated}))[0] == 200
            assert (await ask(weir, *said, headers={**acme, **stated}))[0] == 403
        for id in ("c2", "c3", "c1", "c2"):  # the tenant's labels are remembered, and not with somebody's conversation
            status, _, _ = await ask(weir, "hello", headers={**acme, "X-Weir-Conversation": id})
            assert (status == 403) == (id == "c1"), id
        assert (await ask(weir, "hello", headers=acme))[0] == 200

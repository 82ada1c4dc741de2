"""The quality floor at run time: what is marked, what is stored, what `refuse` still lets through; through HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.paths.contract import Done, PathError, Text, Usage
from tests import factories
from tests.node.conftest import Running, fake_card, running_node
from tests.node.doubles import FakePath, answer

GATE = factories.gate("small", "device/small", floor=0.9, weights=(3.0,) + (0.0,) * 8, bias=2.0)
REFUSE = {"X-Weir-Below-Floor": "refuse"}
JSON = {"response_format": {"type": "json_object"}}
FORM = {"capabilities": {"json_object": True, "signals": True, "multiple": True}}


def path(id: str, script: Any, p: float = 0.99, **over: Any) -> FakePath:
    return FakePath(fake_card(id, **({"accuracy_default": p} | over)), script)


def small(script: Any, p: float = 0.8, **over: Any) -> FakePath:
    return path("device/small", script, p, gate="small", **over)


def big(script: Any, **over: Any) -> FakePath:
    return path("frontier/big", script, tier="frontier", price={"per_request": 0.002}, **over)


async def served(weir: Running, **over: Any) -> tuple[str, Any, dict[str, Any]]:
    """The text of a whole answer, its headers, and the outcome of its record."""
    status, body, headers = await weir.ask("q", **over)
    assert status == 200, body
    row = await weir.record(headers["x-weir-decision"])
    return body["choices"][0]["message"]["content"], headers, row["outcome"]


async def refused(weir: Running, **over: Any) -> None:
    status, body, _ = await weir.ask("q", **({"headers": REFUSE} | over))
    assert (status, body["error"]["code"]) == (503, "below_quality_floor")


async def test_with_refuse_a_plan_that_fails_gets_no_fallback_below_the_floor(tmp_path: Path) -> None:
    good = path("device/good", [PathError("unavailable", "gone")])
    poor = path("device/poor", answer("a poor guess"), 0.3)
    async with running_node(tmp_path, fakes=(good, poor)) as weir:
        status, body, _ = await weir.ask(headers=REFUSE)
    assert (status, body["error"]["code"]) == (502, "all_paths_failed")
    assert good.jobs
    assert not poor.jobs


@pytest.mark.parametrize("stream", [False, True])
async def test_without_refuse_such_a_fallback_is_marked_and_not_stored(tmp_path: Path, stream: bool) -> None:
    good = path("device/good", [PathError("unavailable", "gone")])
    poor = path("device/poor", answer("a poor guess", pause=0.1), 0.3)
    async with running_node(tmp_path, fakes=(good, poor)) as weir:
        async with weir.chat("q", stream=stream) as response:
            await response.read()
        row = (await weir.records())[0]
        assert row["decision"]["chosen"] != "below-floor", "the plan itself met the floor"
        assert row["outcome"]["path"] == "device/poor"
        assert row["outcome"]["below_floor"] is True
        assert response.headers["x-weir-reason"] == "below-floor", "no judgement could change it"
        _, headers, _ = await served(weir)
        assert headers["x-weir-cache"] == "miss"
    assert len(poor.jobs) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_gate_accepted_on_a_node_without_upstream_is_not_marked_and_is_stored(
    tmp_path: Path, stream: bool
) -> None:
    only = small(answer("a sure thing", sure=True))
    async with running_node(tmp_path, fakes=(only,), gates=(GATE,)) as weir:
        async with weir.chat("q", stream=stream) as response:
            await response.read()
        row = (await weir.records())[0]
        assert row["outcome"]["below_floor"] is False
        assert row["outcome"]["steps"][0]["judgement"]["accepted"] is True
        text, headers, _ = await served(weir)
    assert text == "a sure thing"
    assert headers["x-weir-cache"].startswith("hit")
    assert len(only.jobs) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_gate_lets_through_after_it_judged_the_same_too_weak_is_not_stored(
    tmp_path: Path, stream: bool
) -> None:
    only = small(answer("a poor guess", sure=False))
    async with running_node(tmp_path, fakes=(only,), gates=(GATE,)) as weir:
        for sure in (False, True, True):
            only.script = answer("a sure thing" if sure else "a poor guess", sure=sure)
            async with weir.chat("q", stream=stream) as response:
                await response.read()
        rows = await weir.records()
        assert [row["outcome"]["below_floor"] for row in rows] == [True, False, False]
        assert [row["decision"]["chosen"] for row in rows] == ["below-floor"] * 3
        only.script = answer("a sure thing", sure=True)
        for expected in ("miss", "hit"):  # another question was never doubted
            status, body, headers = await weir.ask("another")
            assert status == 200, body
            assert headers["x-weir-cache"].startswith(expected)


@pytest.mark.parametrize("model", ["auto", "device/small"])
async def test_a_stream_to_a_path_of_which_little_is_expected_is_pending_also_by_name(
    tmp_path: Path, model: str
) -> None:
    only = small(answer("a thing", sure=False, pause=0.1))
    async with running_node(tmp_path, fakes=(only,), gates=(GATE,)) as weir:
        async with weir.chat("q", stream=True, model=model) as response:
            await response.read()
        (row,) = await weir.records()
        assert row["outcome"]["below_floor"] is True
        assert response.headers["x-weir-reason"] == "pending"


@pytest.mark.parametrize("sure", [False, True])
async def test_the_head_of_a_stream_says_that_its_gate_has_yet_to_judge(tmp_path: Path, sure: bool) -> None:
    only = small(answer("a thing", sure=sure, pause=0.2))
    async with running_node(tmp_path, fakes=(only,), gates=(GATE,)) as weir:
        async with weir.chat("q", stream=True) as response:
            await response.read()
        (row,) = await weir.records()
        assert row["decision"]["chosen"] == "below-floor", "less was expected"
        assert row["outcome"]["below_floor"] is not sure
        assert (response.headers["x-weir-path"], response.headers["x-weir-reason"]) == ("device/small", "pending")


async def test_the_header_of_what_a_gate_accepted_does_not_say_below_floor(tmp_path: Path) -> None:
    only = small(answer("a sure thing", sure=True))
    async with running_node(tmp_path, fakes=(only,), gates=(GATE,)) as weir:
        _, headers, outcome = await served(weir)
    assert outcome["below_floor"] is False
    assert headers["x-weir-reason"] != "below-floor"


async def test_with_refuse_a_node_without_upstream_answers_what_its_gate_accepts_and_nothing_else(
    tmp_path: Path,
) -> None:
    only = small(answer("a sure thing", sure=True))
    async with running_node(tmp_path, fakes=(only,), gates=(GATE,), cache={"enabled": False}) as weir:
        text, _, outcome = await served(weir, headers=REFUSE)
        assert (text, outcome["below_floor"]) == ("a sure thing", False)
        only.script = answer("a poor guess", sure=False)
        await refused(weir)
        await refused(weir, stream=True)
    assert len(only.jobs) == 3


async def test_an_answer_that_the_gate_could_not_look_at_is_not_taken_for_certified(tmp_path: Path) -> None:
    """Without token statistics a gate says nothing; the card alone does not reach the floor."""
    only = small(answer("no statistics"))
    async with running_node(tmp_path, fakes=(only,), gates=(GATE,)) as weir:
        _, _, outcome = await served(weir)
        assert outcome["below_floor"] is True
        await refused(weir)


async def test_floor_0_of_one_caller_lowers_nothing_for_it_or_for_the_next(tmp_path: Path) -> None:
    poor = path("device/poor", answer("a poor guess"), 0.5)
    async with running_node(tmp_path, fakes=(poor,)) as weir:
        _, headers, outcome = await served(weir, headers={"X-Weir-Quality-Floor": "0"})
        assert (headers["x-weir-reason"], outcome["below_floor"]) == ("below-floor", True)
        _, headers, outcome = await served(weir)
        assert (headers["x-weir-cache"], outcome["below_floor"]) == ("miss", True)
        await refused(weir, headers={"X-Weir-Quality-Floor": "0", **REFUSE})
    assert len(poor.jobs) == 2


async def test_a_higher_stated_floor_holds(tmp_path: Path) -> None:
    fair = path("device/fair", answer("fair"), 0.93)
    async with running_node(tmp_path, fakes=(fair,), cache={"enabled": False}) as weir:
        _, _, usual = await served(weir)
        _, headers, high = await served(weir, headers={"X-Weir-Quality-Floor": "0.95"})
        assert (usual["below_floor"], high["below_floor"]) == (False, True)
        assert headers["x-weir-reason"] == "below-floor"
        await refused(weir, headers={"X-Weir-Quality-Floor": "0.95", **REFUSE})


async def test_a_higher_stated_floor_holds_for_stored_answers_too(tmp_path: Path) -> None:
    """The mean of the card is over 0.95, its lower bound is not; a fresh answer would be refused."""
    fair = path("device/fair", answer("fair"), 0.96, accuracy_default_n=200)
    high = {"X-Weir-Quality-Floor": "0.95", **REFUSE}
    async with running_node(tmp_path, fakes=(fair,)) as weir:
        await refused(weir, headers=high)
        await served(weir)
        await refused(weir, headers=high)


async def test_a_named_model_keeps_refuse_and_the_floor(tmp_path: Path) -> None:
    good, poor = path("device/good", answer("good")), path("device/poor", answer("a poor guess"), 0.5)
    async with running_node(tmp_path, fakes=(good, poor)) as weir:
        await refused(weir, model="device/poor")
        assert not poor.jobs
        text, headers, outcome = await served(weir, model="device/poor")
        assert (text, headers["x-weir-reason"], outcome["below_floor"]) == ("a poor guess", "below-floor", True)
        text, _, outcome = await served(weir, model="device/good", headers=REFUSE)
        assert (text, outcome["below_floor"]) == ("good", False)
        await refused(weir, model="device/good", headers={"X-Weir-Quality-Floor": "0.995", **REFUSE})


async def test_a_named_model_is_judged_by_its_gate(tmp_path: Path) -> None:
    guess, other = small(answer("a poor guess", sure=False)), path("device/good", answer("good"))
    async with running_node(tmp_path, fakes=(guess, other), gates=(GATE,)) as weir:
        await refused(weir, model="device/small")
        _, _, outcome = await served(weir, model="device/small")
    assert outcome["below_floor"] is True
    assert not other.jobs


async def test_with_refuse_wrong_form_is_not_served_by_a_path_without_a_gate(tmp_path: Path) -> None:
    only = path("device/good", answer("not json"), **FORM)
    async with running_node(tmp_path, fakes=(only,)) as weir:
        await refused(weir, **JSON)
        text, headers, outcome = await served(weir, **JSON)
        assert (text, headers["x-weir-reason"], outcome["below_floor"]) == ("not json", "below-floor", True)
        only.script = answer('{"a": 1}')
        text, _, outcome = await served(weir, headers=REFUSE, **JSON)
        assert (text, outcome["below_floor"]) == ('{"a": 1}', False)


async def test_an_empty_answer_of_the_last_step_does_not_replace_a_weak_one(tmp_path: Path) -> None:
    first, last = small(answer("a poor guess", sure=False)), big([Done(Usage(7, 0), ("stop",), "cpu")])
    async with running_node(tmp_path, fakes=(first, last), gates=(GATE,)) as weir:
        text, headers, outcome = await served(weir)
    assert last.jobs
    assert (text, headers["x-weir-path"], outcome["below_floor"]) == ("a poor guess", "device/small", True)
    assert headers["x-weir-reason"] == "below-floor"


@pytest.mark.parametrize("texts", [('{"a": 1}', "not json"), ("not json", '{"a": 1}')], ids=["second", "first"])
async def test_several_choices_are_judged_by_the_worst_and_not_stored_for_the_best(
    tmp_path: Path, texts: tuple[str, str]
) -> None:
    script = [Text(texts[0]), Text(texts[1], index=1), Done(Usage(7, 4), ("stop", "stop"), "cpu")]
    only = path("device/good", script, **FORM)
    asking = {"n": 2, "temperature": 0, **JSON}
    async with running_node(tmp_path, fakes=(only,)) as weir:
        for _ in range(2):
            _, headers, outcome = await served(weir, **asking)
            assert (headers["x-weir-cache"], outcome["below_floor"]) == ("miss", True)
            assert outcome["steps"][0]["judgement"]["form"] == "not JSON"
        await refused(weir, **asking)
        only.script = [Text("{}"), Text("{}", index=1), Done(Usage(7, 4), ("stop", "stop"), "cpu")]
        await served(weir, **asking)
        _, headers, outcome = await served(weir, **asking)
    assert headers["x-weir-cache"].startswith("hit")
    assert outcome["below_floor"] is False

"""Plans that are carried out: escalation, floors, fallbacks, breaks and cancelling, through HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.paths.contract import Done, PathError, Text, Usage
from appliance.status import readiness_of
from tests import factories
from tests.node.conftest import Running, fake_card, running_node, said, sse, until, upstream_card
from tests.node.doubles import FakePath, answer
from tests.standins.openai_server import OpenAIStandIn

# Accepts where the mean log-probability is near 0, sends back where it is low.
GATE = factories.gate("small", "device/small", floor=0.9, weights=(3.0,) + (0.0,) * 8, bias=2.0)
SMALL = {"gate": "small", "accuracy_default": 0.8}
DEAR = {"price": {"per_request": 0.002}}


def small(script: Any, **over: Any) -> FakePath:
    return FakePath(fake_card("device/small", **(SMALL | over)), script)


def big(script: Any = None, **over: Any) -> FakePath:
    return FakePath(fake_card("frontier/big", "frontier", **(DEAR | over)), script or answer("the big answer"))


async def read(weir: Running, text: str = "q", **over: Any) -> tuple[str, Any, dict[str, Any]]:
    """The text that a caller got, x-weir-* headers, and the record."""
    async with weir.chat(text, **over) as response:
        raw = await response.read()
        headers = response.headers
    if over.get("stream"):
        events = sse(raw)
        text = said(events)
    else:
        import orjson

        text = orjson.loads(raw)["choices"][0]["message"]["content"]
    return text, headers, await weir.record(headers["x-weir-decision"])


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_of_low_confidence_goes_on_to_the_next_path(tmp_path: Path, stream: bool) -> None:
    first, second = small(answer("a poor guess", sure=False)), big()
    async with running_node(tmp_path, fakes=(first, second), gates=(GATE,)) as weir:
        text, headers, row = await read(weir, stream=stream)
    assert text == "the big answer"
    assert headers["x-weir-path"] == "frontier/big"
    assert [(s["path"], s["status"]) for s in row["outcome"]["steps"]] == [
        ("device/small", "rejected"),
        ("frontier/big", "answered"),
    ]
    assert row["outcome"]["steps"][0]["judgement"]["accepted"] is False
    assert row["outcome"]["cost"] == pytest.approx(0.002)
    assert weir.node.tally.counters.off_frontier == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_of_high_confidence_stays(tmp_path: Path, stream: bool) -> None:
    first, second = small(answer("a sure thing", sure=True)), big()
    async with running_node(tmp_path, fakes=(first, second), gates=(GATE,)) as weir:
        text, headers, row = await read(weir, stream=stream)
    assert text == "a sure thing"
    assert headers["x-weir-path"] == "device/small"
    assert not second.jobs
    assert first.jobs[0].signals
    assert row["outcome"]["steps"][0]["judgement"]["accepted"] is True
    assert row["outcome"]["below_floor"] is False
    assert weir.node.tally.counters.off_frontier == 1


async def test_policy_holds_in_the_middle_of_a_cascade(tmp_path: Path) -> None:
    """What may not leave is answered below the floor rather than by the better path outside."""
    first, second = small(answer("a poor guess", sure=False)), big()
    async with running_node(tmp_path, fakes=(first, second), gates=(GATE,)) as weir:
        text, headers, row = await read(weir, headers={"X-Weir-Classification": "restricted"})
        assert text == "a poor guess"
        assert headers["x-weir-reason"] == "below-floor"
        assert row["outcome"]["below_floor"] is True
        status, body, _ = await weir.ask(
            headers={"X-Weir-Classification": "restricted", "X-Weir-Below-Floor": "refuse"}
        )
        assert (status, body["error"]["code"]) == (503, "below_quality_floor")
    assert not second.jobs


@pytest.mark.parametrize("stream", [False, True])
async def test_a_weak_answer_is_served_and_marked_or_refused_as_the_caller_says(tmp_path: Path, stream: bool) -> None:
    """The only path's card meets the floor, its answer does not."""
    only = small(answer("a poor guess", sure=False), accuracy_default=0.99)
    async with running_node(tmp_path, fakes=(only,), gates=(GATE,)) as weir:
        text, headers, row = await read(weir, stream=stream)
        assert text == "a poor guess"
        assert row["outcome"]["below_floor"] is True
        if not stream:  # a stream's headers are out before its answer is judged
            assert headers["x-weir-reason"] == "below-floor"
        async with weir.chat(stream=stream, headers={"X-Weir-Below-Floor": "refuse"}) as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "below_quality_floor"
        refused = (await weir.records())[-1]
    assert refused["outcome"]["status"] == "failed"
    assert refused["outcome"]["steps"][0]["status"] == "rejected"


async def test_where_nothing_meets_the_floor_the_best_of_the_weak_is_served(tmp_path: Path) -> None:
    middle = FakePath(
        fake_card("site/middle", "site", gate="middle", accuracy_default=0.7), answer("less poor", sure=False)
    )
    gate = factories.gate("middle", "site/middle", floor=0.9, weights=(3.0,) + (0.0,) * 8, bias=10.0)
    first = small(answer("a poor guess", sure=False))
    async with running_node(tmp_path, fakes=(first, middle), gates=(GATE, gate), quality_floor=0.9) as weir:
        text, headers, row = await read(weir)
    paths = [s["path"] for s in row["outcome"]["steps"]]
    judged = {s["path"]: s["judgement"]["p_good"] for s in row["outcome"]["steps"]}
    assert headers["x-weir-path"] == max(paths, key=lambda path: judged[path])
    assert text in ("less poor", "a poor guess")
    assert headers["x-weir-reason"] == "below-floor"


@pytest.mark.parametrize("stream", [False, True])
async def test_failing_paths_are_followed_by_the_next_in_order(tmp_path: Path, stream: bool) -> None:
    down = [PathError("unavailable", "gone")]
    paths = (
        FakePath(fake_card("device/a", price={"per_request": 0.0}), down),
        FakePath(fake_card("device/b", price={"per_request": 0.001}), [PathError("overloaded", "full")]),
        FakePath(fake_card("device/c", price={"per_request": 0.002}), answer("from c")),
        FakePath(fake_card("device/d", price={"per_request": 0.003}), answer("from d")),
    )
    async with running_node(tmp_path, fakes=paths) as weir:
        text, headers, row = await read(weir, stream=stream)
    assert text == "from c"
    assert headers["x-weir-path"] == "device/c"
    assert [(s["path"], s["status"], s["fault"]) for s in row["outcome"]["steps"]] == [
        ("device/a", "failed", "unavailable"),
        ("device/b", "failed", "overloaded"),
        ("device/c", "answered", ""),
    ]
    assert not paths[3].jobs


async def test_where_all_fail_every_path_is_named(tmp_path: Path) -> None:
    paths = tuple(FakePath(fake_card(f"device/{k}"), [PathError("unavailable", f"gone {k}")]) for k in "abc")
    async with running_node(tmp_path, fakes=paths) as weir:
        status, body, _ = await weir.ask()
    assert status == 502
    assert len(body["error"]["weir"]["reasons"]) == 3
    assert all(f"device/{k}: unavailable: gone {k}" in body["error"]["weir"]["reasons"] for k in "abc")


async def test_a_path_that_breaks_any_promise_costs_itself_only(tmp_path: Path) -> None:
    """Exceptions, chunks after Done, nothing at all: each ends in the next path's answer."""
    odd: list[Any] = [
        [RuntimeError("secret text")],
        [],
        [Text("no end")],
        [Done(Usage(1, 1)), Text("after the end")],
        ["not a chunk"],
    ]
    for k, script in enumerate(odd):

        def play(_: Any, script: Any = script) -> Any:
            for item in script:
                if isinstance(item, RuntimeError):
                    raise item
                yield item

        directory = tmp_path / str(k)
        directory.mkdir()
        broken = FakePath(fake_card("device/a"), play)
        spare = FakePath(fake_card("device/b", price={"per_request": 0.001}), answer("still here"))
        async with running_node(directory, fakes=(broken, spare)) as weir:
            text, _, row = await read(weir)
        assert text == "still here", k
        assert row["outcome"]["steps"][0]["fault"] in ("internal", "broken_stream")
        assert "secret" not in str(row)


async def test_a_break_after_the_first_byte_ends_in_an_event_and_nothing_twice(tmp_path: Path) -> None:
    breaks = FakePath(
        fake_card("device/a"), [Text("one"), 0.05, Text(" two"), 0.05, PathError("broken_stream", "the line went dead")]
    )
    spare = FakePath(fake_card("device/b", price={"per_request": 0.001}), answer("one two three"))
    async with running_node(tmp_path, fakes=(breaks, spare)) as weir:
        async with weir.chat(stream=True) as response:
            assert response.status == 200
            events = sse(await response.read())
        row = (await weir.records())[0]
    assert said(events) == "one two"
    assert "[DONE]" not in events
    assert events[-1]["error"]["code"] == "all_paths_failed"
    assert events[-1]["error"]["weir"]["reasons"] == ["device/a: broken_stream: the line went dead"]
    assert not spare.jobs
    assert row["outcome"]["status"] == "failed"
    assert row["outcome"]["steps"][0]["fault"] == "broken_stream"


async def test_a_break_before_the_first_byte_is_nobodys_business(tmp_path: Path) -> None:
    breaks = FakePath(fake_card("device/a"), [0.05, PathError("timeout", "no first token")])
    spare = FakePath(fake_card("device/b", price={"per_request": 0.001}), answer("one two three"))
    async with running_node(tmp_path, fakes=(breaks, spare)) as weir:
        text, headers, _ = await read(weir, stream=True)
    assert text == "one two three"
    assert headers["x-weir-path"] == "device/b"


async def test_a_held_answer_that_breaks_leaves_nothing_of_itself(tmp_path: Path) -> None:
    breaks = small([Text("half an ans"), 0.02, PathError("broken_stream", "gone")])
    async with running_node(tmp_path, fakes=(breaks, big()), gates=(GATE,)) as weir:
        text, _, row = await read(weir, stream=True)
    assert text == "the big answer"
    assert [s["status"] for s in row["outcome"]["steps"]] == ["failed", "answered"]


async def test_an_upstream_that_breaks_off_is_told_as_it_is(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    for mode in ("cut", "no-end", "error-event", "malformed"):
        directory = tmp_path / mode
        directory.mkdir()
        card = upstream_card(upstream.base_url, model=f"mode:{mode}")
        async with (
            running_node(directory, card, upstream_card(upstream.base_url, "site/two")) as weir,
            weir.chat("alpha beta gamma delta", model="site/one", stream=True) as response,
        ):
            events = sse(await response.read())
        assert "[DONE]" not in events, mode
        assert "error" in events[-1], mode
        assert "alpha beta gamma delta".startswith(said(events)), mode


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_is_felt_upstream_within_a_second(
    tmp_path: Path, upstream: OpenAIStandIn, stream: bool
) -> None:
    upstream.behaviour.tokens_per_s = 4
    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        body = {"model": "auto", "messages": [{"role": "user", "content": "w " * 100}], "stream": stream}
        call = asyncio.create_task(weir.session.post(f"{weir.url}/v1/chat/completions", json=body).__aenter__())
        await until(lambda: upstream.open_now == 1)
        if stream:
            response = await call
            await response.content.readany()
            response.close()
        else:
            call.cancel()
        loop = asyncio.get_running_loop()
        left = loop.time()
        await until(lambda: upstream.cancelled == 1 and upstream.open_now == 0, 2.0)
        assert loop.time() - left < 1.0
        await until(lambda: weir.node.active == 0)


async def test_a_client_that_leaves_during_a_held_step_starts_no_further_path(tmp_path: Path) -> None:
    slow, second = small(answer("a b c d e f g h", sure=False, pause=0.2)), big()
    async with running_node(tmp_path, fakes=(slow, second), gates=(GATE,)) as weir:
        call = asyncio.create_task(weir.chat(stream=True).__aenter__())
        await until(lambda: slow.running == 1)
        call.cancel()
        await until(lambda: slow.ended == ["cancelled"], 1.0)
        await until(lambda: weir.node.active == 0)
        row = (await weir.records())[0]
    assert not second.jobs
    assert row["outcome"]["status"] == "cancelled"


async def test_a_deadline_holds_over_the_whole_plan(tmp_path: Path) -> None:
    slow = FakePath(fake_card("device/a"), answer("never in time", pause=5.0))
    spare = FakePath(fake_card("device/b", price={"per_request": 0.001}), answer("never either", pause=5.0))
    async with running_node(tmp_path, fakes=(slow, spare)) as weir:
        loop = asyncio.get_running_loop()
        began = loop.time()
        status, body, _ = await weir.ask(headers={"X-Weir-Deadline": "0.4"})
        assert loop.time() - began < 2.0
    assert status in (502, 504)
    assert "device/a: timeout" in str(body["error"]["weir"]["reasons"])


async def test_json_that_is_none_is_sent_on(tmp_path: Path) -> None:
    form = {"capabilities": {"json_object": True, "signals": True}}
    bad = small(answer("not json at all", sure=True), **form)
    good = big(answer('{"a": 1}'), **form)
    async with running_node(tmp_path, fakes=(bad, good), gates=(GATE,)) as weir:
        text, _, row = await read(weir, response_format={"type": "json_object"})
    assert text == '{"a": 1}'
    assert row["outcome"]["steps"][0]["judgement"]["form"] == "not JSON"


async def test_a_path_that_is_not_ready_is_not_asked(tmp_path: Path) -> None:
    from appliance.paths.contract import Readiness

    resting = FakePath(fake_card("device/a"), answer("never"))
    resting.readiness = Readiness(False, "resting after failures")
    spare = FakePath(fake_card("device/b", price={"per_request": 0.001}), answer("awake"))
    async with running_node(tmp_path, fakes=(resting, spare)) as weir:
        text, _, row = await read(weir)
        state, reasons = readiness_of(weir.node)
        spare.readiness = Readiness(False, "gone too")
        status, body, headers = await weir.ask("again")
        ready_status, ready = await weir.get("/readyz")
    assert text == "awake"
    assert not resting.jobs
    assert state == "degraded"
    assert "device/a: resting after failures" in reasons
    assert row["decision"]["candidates"][0]["reasons"] == [
        {"code": "health", "text": "resting after failures", "rule": ""}
    ]
    assert (status, body["error"]["code"]) == (503, "no_capacity")
    assert headers["retry-after"]
    assert (ready_status, ready["state"]) == (503, "unavailable")

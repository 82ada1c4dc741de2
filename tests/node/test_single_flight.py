"""Claims about many who ask the same at the same time: it is made once, for all of them, whoever goes away."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from appliance.flight import AHEAD, Flights
from appliance.paths.contract import Chunk, Done, PathError, Text, Usage
from tests.node.conftest import ROOT, Running, Start, fake_card, said, sse, until
from tests.node.doubles import FakePath, answer


def slow(*, pause: float = 0.1, **over: Any) -> FakePath:
    return FakePath(
        fake_card("device/slow", price={"output_per_million": 5.0}), answer("it is so", pause=pause, **over)
    )


def flying(weir: Running) -> int:
    return len(weir.node.flights)


async def test_two_hundred_who_ask_the_same_are_answered_by_one_execution(start: Start) -> None:
    path = slow()
    async with start(fakes=(path,), limits={"concurrent_requests": 256}) as weir:
        answered = await asyncio.gather(*(weir.ask("how is it") for _ in range(200)))
        assert len(path.jobs) == 1
        assert {(status, body["choices"][0]["message"]["content"]) for status, body, _ in answered} == {
            (200, "it is so")
        }
        words = [headers["x-weir-cache"].partition(";")[0] for _, _, headers in answered]
        assert words.count("miss") == 1
        assert set(words) <= {"miss", "shared", "hit"}
        assert words.count("shared") > 50
        assert len({body["id"] for _, body, _ in answered}) == 200
        rows = await weir.records()
        assert len(rows) == 200
        assert sum(row["outcome"]["cost"] > 0 for row in rows) == 1
        assert {row["outcome"]["path"] for row in rows} <= {"device/slow", "cache/exact"}
        assert flying(weir) == 0


async def test_streams_share_from_the_first_word_on_however_late_they_come(start: Start) -> None:
    path = slow(pause=0.2)
    async with start(fakes=(path,)) as weir:

        async def streamed(after: float) -> str:
            await asyncio.sleep(after)
            async with weir.chat("how is it", stream=True) as response:
                return said(sse(await response.read()))

        assert await asyncio.gather(*map(streamed, (0.0, 0.1, 0.3, 0.45))) == ["it is so"] * 4
        assert len(path.jobs) == 1


async def test_whoever_began_it_may_go_away_and_the_others_are_answered(start: Start) -> None:
    path = slow(pause=0.2)
    async with start(fakes=(path,)) as weir:
        first = asyncio.create_task(weir.ask("how is it"))
        await until(lambda: path.running)
        others = [asyncio.create_task(weir.ask("how is it")) for _ in range(3)]
        await until(lambda: weir.node.active == 4)
        await asyncio.sleep(0.05)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        assert [status for status, _, _ in await asyncio.gather(*others)] == [200] * 3
        assert path.ended == ["finished"]
        rows = await weir.records()
        assert sorted(row["outcome"]["status"] for row in rows) == ["answered"] * 3 + ["cancelled"]
        assert sum(row["outcome"]["cost"] > 0 for row in rows) == 1  # of one that was answered
        assert [row["outcome"]["cost"] for row in rows if row["outcome"]["status"] == "cancelled"] == [0.0]


async def test_when_nobody_waits_any_more_it_ends_and_is_charged_to_the_last(start: Start) -> None:
    path = slow(pause=0.3)
    async with start(fakes=(path,)) as weir:
        both = [asyncio.create_task(weir.ask("how is it")) for _ in range(2)]
        await until(lambda: path.running and weir.node.active == 2)
        await asyncio.sleep(0.35)
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        await until(lambda: path.ended == ["cancelled"])
        await until(lambda: weir.node.active == 0)
        rows = await weir.records()
        assert [row["outcome"]["status"] for row in rows] == ["cancelled"] * 2
        assert sum(bool(row["outcome"]["steps"]) for row in rows) == 1
        assert flying(weir) == 0
        path.script = answer("another time")
        assert (await weir.ask("how is it"))[1]["choices"][0]["message"]["content"] == "another time"


@pytest.mark.parametrize("stream", [False, True])
async def test_all_learn_of_its_failure_and_the_next_one_tries_again(start: Start, stream: bool) -> None:
    path = FakePath(fake_card("device/slow"), [0.2, Text("it"), 0.1, PathError("internal", "it broke")])
    async with start(fakes=(path,)) as weir:

        async def ask() -> tuple[int, bytes]:
            async with weir.chat("how is it", stream=stream) as response:
                return response.status, await response.read()

        answered = await asyncio.gather(*(ask() for _ in range(5)))
        assert len(path.jobs) == 1
        assert {status for status, _ in answered} == {200 if stream else 502}
        assert all(b"all_paths_failed" in raw for _, raw in answered)
        assert flying(weir) == 0
        path.script = answer("mended")
        assert b"mended" in (await ask())[1]


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"Cache-Control": "no-cache"}},
        {"headers": {"Cache-Control": "no-store"}},
        {"headers": {"X-Weir-Classification": "public"}},
        {"headers": {"X-Weir-Quality-Floor": "0.95"}},
        {"headers": {"X-Weir-Deadline": "20"}},
        {"stream": True},
        {"model": "auto:best"},
        {"model": "device/slow"},
        {"seed": 7},
        {"temperature": 0.5},
        {"text": "how is it?"},
    ],
)
async def test_what_is_not_the_same_is_made_for_itself(start: Start, other: dict[str, Any]) -> None:
    path = slow()
    async with start(fakes=(path,)) as weir:

        async def ask(text: str = "how is it", **over: Any) -> bytes:
            async with weir.chat(text, **over) as response:
                return bytes(await response.read())

        await asyncio.gather(ask(), ask(**other))
        assert len(path.jobs) == 2


async def test_what_may_not_be_kept_is_shared_while_it_is_made_and_not_longer(start: Start) -> None:
    path = slow(finish="length")  # cut off: never stored
    async with start(fakes=(path,)) as weir:
        await asyncio.gather(*(weir.ask("how is it") for _ in range(4)))
        assert len(path.jobs) == 1
        await weir.ask("how is it")
        assert len(path.jobs) == 2


async def test_what_was_erased_meanwhile_is_neither_joined_nor_kept(start: Start) -> None:
    path = slow(pause=2.0)
    async with start(fakes=(path,)) as weir:
        first = asyncio.create_task(weir.ask("how is it"))
        await until(lambda: path.running)
        erased = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "appliance.cli.main", "cache", "erase", "--all", "--state", str(weir.state)),
            cwd=ROOT,
        )
        assert await erased.wait() == 0
        assert (await first)[0] == 200
        path.script = answer("made anew")
        second = (await weir.ask("how is it"))[2]
        assert (second["x-weir-cache"], len(path.jobs)) == ("miss", 2)


class Endless:
    """As much of an Execution as a flight looks at; counts what it was made to give."""

    path = "device/slow"
    outcomes = ()

    def __init__(self) -> None:
        self.made = 0

    async def chunks(self) -> AsyncIterator[Chunk]:
        for _ in range(5000):
            self.made += 1
            yield Text("word ")
        yield Done(Usage(1, 5000), ("stop",), "cpu")


async def test_an_execution_is_not_far_before_the_quickest_reader() -> None:
    endless, flights = Endless(), Flights()
    flight = flights.begin("k", endless, whole=False)  # type: ignore[arg-type]
    flight.join()
    reading = flight.chunks()
    await anext(reading)
    await asyncio.sleep(0.05)
    assert endless.made <= AHEAD + 2
    assert sum([isinstance(chunk, Text) async for chunk in reading]) == 4999
    await flight.leave()
    await asyncio.sleep(0)
    assert len(flights) == 0

"""A stream that is silent is given signs of life, and costs nothing where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from aiohttp import web
from aiohttp.http import HttpVersion11

from appliance.web import line as module
from appliance.web.line import Line


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[tuple[float, Callable[[], object], asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, (), asyncio.get_running_loop())
        self.due.append((when, callback, handle))
        return handle

    @property
    def armed(self) -> int:
        return sum(not handle.cancelled() for _, _, handle in self.due)

    async def move(self, seconds: float) -> None:
        self.now += seconds
        ready = [one for one in self.due if one[0] <= self.now]
        self.due = [one for one in self.due if one not in ready]
        for _, callback, handle in ready:
            if not handle.cancelled():
                callback()
        for _ in range(5):
            await asyncio.sleep(0)


class Sent:
    """Stands where aiohttp's response does: what a client would see, in order."""

    sent: ClassVar[list[Any]] = []

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    async def prepare(self, request: object) -> None:
        await asyncio.sleep(0)
        self.sent.append(self._headers["x-weir-path"])

    async def write(self, data: bytes) -> None:
        self.sent.append(data)

    async def write_eof(self) -> None:
        self.sent.append("end")


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Any:
    Sent.sent.clear()
    monkeypatch.setattr(web, "StreamResponse", Sent)
    assert module.web.StreamResponse is Sent

    def make(clock: Clock) -> Line:
        request: Any = SimpleNamespace(version=HttpVersion11)
        return Line(request, lambda: {"x-weir-path": ""}, b"sign", time=clock)

    return make


async def test_nothing_is_added_to_a_stream_that_goes_on(line: Any) -> None:
    clock = Clock()
    one = line(clock)
    response = await one.open(lambda: {"x-weir-path": "site/one"})
    for piece in (b"a", b"b", b"c"):
        await clock.move(10)
        await response.write(piece)
        one.moved()
    await one.end()
    await clock.move(100)
    assert Sent.sent == ["site/one", b"a", b"b", b"c", "end"]
    assert clock.armed == 0


async def test_every_fifteen_seconds_of_silence_have_a_sign(line: Any) -> None:
    clock = Clock()
    one = line(clock)
    response = await one.open(lambda: {"x-weir-path": "site/one"})
    await response.write(b"a")
    one.moved()
    for _ in range(3):
        await clock.move(14.9)
        await clock.move(0.1)
    await response.write(b"b")
    one.moved()
    await clock.move(14.9)
    await one.end()
    assert Sent.sent == ["site/one", b"a", b"sign", b"sign", b"sign", b"b", "end"]


async def test_silence_before_the_first_word_begins_the_stream_with_what_is_known(line: Any) -> None:
    clock = Clock()
    one = line(clock)
    assert not one.is_open
    await clock.move(15)
    assert one.is_open
    response = await one.open(lambda: {"x-weir-path": "site/one"})
    await response.write(b"a")
    await one.end()
    assert Sent.sent == ["", b"sign", b"a", "end"]


async def test_the_first_word_and_the_sign_at_once_begin_one_stream(line: Any) -> None:
    clock = Clock()
    one = line(clock)
    clock.now += 15
    clock.due[0][1]()  # the sign is on its way
    response = await one.open(lambda: {"x-weir-path": "site/one"})
    await response.write(b"a")
    await one.end()
    assert Sent.sent == ["", b"sign", b"a", "end"]


async def test_a_stream_that_is_dropped_gives_no_sign_any_more(line: Any) -> None:
    clock = Clock()
    one = line(clock)
    clock.now += 15
    clock.due[0][1]()
    one.drop()
    await clock.move(60)
    assert clock.armed == 0
    assert Sent.sent == []

"""A body that takes long to read is read beside the loop, and holds up nobody."""

from __future__ import annotations

import asyncio
import io
import itertools
import threading
import time
from pathlib import Path

import orjson
import pytest

from tests.node.conftest import Running, Start, fake_card, running_node, upstream_card
from tests.node.doubles import FakePath, answer
from tests.node.raw_requests import CHAT
from tests.standins.openai_server import OpenAIStandIn


async def test_a_long_body_is_read_beside_the_loop_and_a_short_one_on_it(start: Start, upstream: OpenAIStandIn) -> None:
    def read_beside() -> bool:
        return any(thread.name.startswith("weir-reading") for thread in set(threading.enumerate()) - before)

    async with start(upstream_card(upstream.base_url)) as weir:
        before = set(threading.enumerate())
        for text, long in (("a word " * 1_000, False), ("a word " * 20_000, True)):
            assert (await weir.ask(text))[0] in (200, 400)  # the longer one fits nobody
            assert read_beside() is long


async def test_who_sends_a_hundred_thousand_names_is_refused_and_holds_up_nobody(
    start: Start, upstream: OpenAIStandIn
) -> None:
    many = b'{"model":"auto","messages":[],' + b",".join(b'"%x":1' % at for at in range(101_000)) + b"}"
    async with start(upstream_card(upstream.base_url)) as weir:
        async with weir.session.post(f"{weir.url}{CHAT}", data=many) as response:
            assert response.status == 400
            assert "more than 100000 values" in (await response.json())["error"]["message"]
        row = (await weir.records())[-1]
        assert (row["outcome"]["status"], row["outcome"]["error_code"]) == ("failed", "invalid_request")
        assert (await weir.ask("still here"))[0] == 200


HOLDS_UP = {
    "names": [{"role": "user", "content": "x"} | {f"{at:x}": 1 for at in range(400_000)}],
    "escapes": [{"role": "user", "content": "\\n" * 1_000_000}],
    "signs": [{"role": "user", "content": "ж, " * 20_000}] * 20,
}


@pytest.mark.parametrize("kind", HOLDS_UP)
async def test_no_body_holds_the_loop(tmp_path: Path, kind: str) -> None:
    """By the processor time of its own thread between two turns. Read on the loop, each takes a quarter of a second."""
    body = io.BytesIO(orjson.dumps({"model": "auto", "messages": HOLDS_UP[kind]}))
    async with running_node(tmp_path, fakes=(FakePath(fake_card("device/a"), answer("yes")),)) as weir:
        assert (await weir.ask())[0] == 200
        asking = asyncio.create_task(weir.session.post(f"{weir.url}{CHAT}", data=body).__aenter__())
        longest, last = 0.0, time.thread_time()
        while not asking.done():
            await asyncio.sleep(0.0005)
            now = time.thread_time()
            longest, last = max(longest, now - last), now
        assert (await asking).status == (400 if kind == "names" else 200)
        (await asking).release()
    assert longest < 0.2


async def test_bodies_that_wait_to_be_read_are_bounded_and_hold_up_no_short_ones(tmp_path: Path) -> None:
    """One is read at a time; what waits counts as on its way until it was."""
    body = orjson.dumps({"model": "auto", "messages": HOLDS_UP["names"]})
    async with running_node(tmp_path, fakes=(FakePath(fake_card("device/a"), answer("yes")),)) as weir:
        begun, go_on = threading.Event(), threading.Event()
        weir.node.reading.submit(lambda: (begun.set(), go_on.wait(30)))
        assert begun.wait(5)
        most = (128 << 20) // len(body)
        try:
            asking = [asyncio.create_task(_status_of(weir, body)) for _ in range(most + 3)]
            refused = {await first for first in itertools.islice(asyncio.as_completed(asking), 3)}
            assert refused == {503}
            assert (await weir.ask())[0] == 200
            counted = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
            async with weir.session.post(f"{weir.url}/v1/messages/count_tokens", json=counted) as response:
                assert response.status == 200
        finally:
            go_on.set()
        assert {await one for one in asking} == {400, 503}


async def _status_of(weir: Running, body: bytes) -> int:
    async with weir.session.post(f"{weir.url}{CHAT}", data=io.BytesIO(body)) as response:
        return response.status

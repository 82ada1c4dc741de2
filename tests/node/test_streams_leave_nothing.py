"""Claims about streams that are cut short: no task, no socket and no file stays."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path

import pytest

from tests.node.conftest import Running, Start, process_node, until, write_content
from tests.node.failing import card_of
from tests.node.test_no_circles import TIMES as ROUNDS
from tests.node.test_no_circles import garbage
from tests.standins.numbered import NumberedStandIn

TIMES = 240
AT_ONCE = 16


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def leave(weir: Running, k: int) -> None:
    """Ask for a stream and leave: before its head, after it, or after some tokens."""
    asked = weir.chat(f"number {k}", stream=True, headers={"Cache-Control": "no-store"})
    if k % 3 == 0:
        task = asyncio.ensure_future(asked.__aenter__())
        await asyncio.sleep(0.002)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return
        response = task.result()
    else:
        response = await asked.__aenter__()
    if k % 3 == 2:
        await response.content.readany()
    response.close()


async def test_hundreds_of_streams_that_are_left_leave_no_task_no_socket_and_no_file(start: Start) -> None:
    a, b = NumberedStandIn("a", tokens=200, pause_s=0.005), NumberedStandIn("b", "cut", after=5)
    hedged = {"hedging": {"on": True, "after_s": 0.01}}
    async with a, b, start(card_of(a), card_of(b, cost=0.00001), failing=hedged) as weir:
        await asyncio.gather(*(leave(weir, k) for k in range(AT_ONCE)))
        await until(lambda: weir.node.active == a.open_now == b.open_now == 0)
        gc.collect()
        tasks, files = len(asyncio.all_tasks()), descriptors()
        for begin in range(0, TIMES, AT_ONCE):
            await asyncio.gather(*(leave(weir, k) for k in range(begin, begin + AT_ONCE)))
        await until(lambda: weir.node.active == a.open_now == b.open_now == 0)
        await until(lambda: len(asyncio.all_tasks()) <= tasks + 2)
        gc.collect()
        await until(lambda: descriptors() <= files + AT_ONCE)  # connections that are kept for another request
        for upstream in weir.node.fleet.upstreams.values():
            assert [member.busy for member in upstream.members] == [0]
        assert all(turns._running == turns.waiting == 0 for turns in weir.node.fleet.turns.values())
        assert not len(weir.node.flights)


async def test_a_node_that_is_told_to_stop_ends_what_waits_between_two_attempts(tmp_path: Path) -> None:
    async with NumberedStandIn("a", "503") as a:
        failing = {"retries": {"first_wait_s": 2.0, "alone": 3}}
        content = write_content(tmp_path / "content", card_of(a), failing=failing)
        made = process_node(tmp_path, content)
        node = await asyncio.to_thread(made.__enter__)
        try:
            asked = asyncio.create_task(asyncio.to_thread(node.ask, "one"))
            await until(lambda: len(a.calls) == 1)
            a.trouble = ""
            node.child.send_signal(signal.SIGTERM)
            status, _, _ = await asked
            assert status == 200, "what was taken in is answered before the node goes"
            assert await asyncio.to_thread(node.child.wait, 15) == 0
            assert "Traceback" not in node.said()
        finally:
            await asyncio.to_thread(made.__exit__, None, None, None)


@pytest.mark.parametrize("how", ["tried again", "hedged", "broken off"])
async def test_what_failed_and_what_was_stopped_leaves_no_circle_behind(start: Start, how: str) -> None:
    trouble = {"tried again": "503", "hedged": "role", "broken off": "cut"}[how]
    failing = {"retries": {"first_wait_s": 0.001}, "breaking": {"least_calls": 10_000, "connect_failures": 10_000}}
    failing |= {"hedging": {"on": how == "hedged", "after_s": 0.01}}
    a, b = NumberedStandIn("a", trouble, after=3), NumberedStandIn("b")
    async with a, b, start(card_of(a), card_of(b, cost=0.00001), failing=failing) as weir:

        async def ask(k: int) -> None:
            async with weir.chat("one", stream=True, headers={"Cache-Control": "no-store"}) as response:
                await response.read()

        for k in range(2):
            await ask(k)
        with garbage() as found:
            for k in range(ROUNDS):
                await ask(k)
            await until(lambda: a.open_now == b.open_now == 0)
            await asyncio.to_thread(weir.node.store.writer.flush)
        assert sum(found.values()) < ROUNDS, found

"""Turns at a path: fair between tenants, and never more than there is room for."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.paths.contract import PathError
from appliance.turns import Turns


async def wait_all(turns: Turns, jobs: list[tuple[str, int]]) -> tuple[list[asyncio.Task[None]], list[str]]:
    """Tasks that wait in this order, and who has had a turn so far."""
    order: list[str] = []

    async def one(tenant: str, weight: int) -> None:
        await turns.take(tenant, weight)
        order.append(tenant)

    tasks = [asyncio.create_task(one(*job)) for job in jobs]
    await asyncio.sleep(0)
    return tasks, order


async def work_off(turns: Turns, tasks: list[asyncio.Task[None]]) -> None:
    while not all(task.done() for task in tasks):
        turns.done()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_who_comes_after_a_flood_is_next_but_one() -> None:
    turns = Turns(1, 1000)
    assert turns.free()
    tasks, order = await wait_all(turns, [("flood", 1)] * 200 + [("calm", 1)])
    await work_off(turns, tasks)
    assert order.index("calm") <= 1
    assert len(order) == 201


async def test_of_two_floods_the_heavier_gets_more_and_none_starves() -> None:
    turns = Turns(1, 1000)
    assert turns.free()
    tasks, order = await wait_all(turns, [("a", 1)] * 100 + [("b", 4)] * 100)
    await work_off(turns, tasks)
    first = Counter(order[:50])
    assert first["b"] == pytest.approx(40, abs=2)
    assert first["a"] == pytest.approx(10, abs=2)


async def test_in_a_full_queue_the_flood_loses_its_newest() -> None:
    turns = Turns(1, 10)
    assert turns.free()
    tasks, order = await wait_all(turns, [("flood", 1)] * 12 + [("calm", 1)] * 3)
    await asyncio.sleep(0)
    assert [task.done() for task in tasks].count(True) == 5
    for task in tasks[10:12] + tasks[7:10]:
        with pytest.raises(PathError) as refused:
            task.result()
        assert refused.value.fault == "overloaded"
    await work_off(turns, [task for task in tasks if not task.done()])
    assert Counter(order) == {"flood": 7, "calm": 3}


async def test_who_gives_up_leaves_nothing_behind() -> None:
    turns = Turns(1, 100)
    assert turns.free()
    tasks, order = await wait_all(turns, [("a", 1)] * 5)
    for task in tasks[:4]:
        task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert turns.waiting == 1
    turns.done()
    await asyncio.sleep(0)
    assert order == ["a"]
    turns.done()
    assert turns.free()


async def test_who_gave_up_does_not_wait_the_longer_for_it_when_he_comes_again() -> None:
    turns = Turns(1, 100)
    assert turns.free()
    gone, _ = await wait_all(turns, [("a", 1)] * 50)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    tasks, order = await wait_all(turns, [("b", 1)] * 20 + [("a", 1)])
    await work_off(turns, tasks)
    assert order.index("a") <= 1


async def test_a_turn_that_comes_in_the_moment_of_giving_up_is_passed_on() -> None:
    turns = Turns(1, 100)
    assert turns.free()
    tasks, order = await wait_all(turns, [("a", 1), ("b", 1)])
    turns.done()  # a's turn, which a has not seen yet
    tasks[0].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == ["b"]
    turns.done()
    assert turns.free()


async def test_many_who_give_up_do_not_fill_memory() -> None:
    turns = Turns(1, 10)
    assert turns.free()
    for _ in range(200):
        tasks, _ = await wait_all(turns, [("a", 1)] * 5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(turns._heap) <= 30
    assert turns.waiting == 0


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 4),
    st.lists(
        st.tuples(st.sampled_from(["come", "end", "give up"]), st.sampled_from("abc"), st.integers(1, 4)), max_size=80
    ),
)
def test_whatever_happens_there_are_never_more_at_once_and_nobody_is_forgotten(
    room: int, moves: list[tuple[str, str, int]]
) -> None:
    async def play() -> None:
        turns, running, tasks = Turns(room, 12), 0, []

        async def one(tenant: str, weight: int) -> None:
            nonlocal running
            await turns.take(tenant, weight)
            running += 1

        for what, tenant, weight in moves:
            if what == "come":
                tasks.append(asyncio.create_task(one(tenant, weight)))
            elif what == "end" and running:
                running -= 1
                turns.done()
            elif what == "give up" and tasks:
                tasks[-1].cancel()
            for _ in range(3):
                await asyncio.sleep(0)
            assert running <= room
            assert running == turns._running
            assert turns.waiting == sum(not task.done() for task in tasks) <= 12
            assert running == room or not turns.waiting
        while any(not task.done() for task in tasks):
            running -= 1
            turns.done()
            for _ in range(3):
                await asyncio.sleep(0)

    asyncio.run(play())


async def test_where_room_changes_who_waits_is_let_on_though_nobody_leaves_and_who_gives_up_is_forgotten() -> None:
    room, turns = 1, Turns(4, 100)
    turns.room_now = lambda: room
    assert turns.free()
    tasks, order = await wait_all(turns, [("a", 1)] * 4)
    assert not order
    tasks[3].cancel()
    await asyncio.gather(tasks[3], return_exceptions=True)
    assert turns.waiting == 3
    room = 3
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks[:2])
    assert (order, turns.waiting) == (["a", "a"], 1)
    room = 9  # never more than it was built for
    async with asyncio.timeout(5):
        await tasks[2]
    assert not turns.free()
    for _ in range(4):
        turns.done()
    assert turns.free()

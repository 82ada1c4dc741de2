"""The clock ends a step that takes too long and touches nothing between steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from appliance.paths.clock import Clock

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def run(main: Callable[[], Awaitable[None]], loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def inner() -> None:
        await main()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(inner())


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("loop", LOOPS)
def test_a_step_that_takes_too_long_is_a_timeout_and_the_task_goes_on(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        clock = Clock(now() + 0.05)
        begun = time.monotonic()
        with pytest.raises(TimeoutError), clock:
            await asyncio.sleep(5)
        assert 0.04 < time.monotonic() - begun < 2.0
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)
        clock.stop()

    run(main, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_between_steps_nothing_is_cancelled_and_a_late_step_ends_when_it_waits(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        clock = Clock(now() + 0.02)
        with clock:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        with clock:
            pass  # what is there already is taken, though late
        with pytest.raises(TimeoutError), clock:
            await asyncio.sleep(5)
        clock.stop()

    run(main, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_end_moves_both_ways(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        clock = Clock(now() + 0.03)
        with clock:
            clock.move(now() + 3.0)
            await asyncio.sleep(0.08)
        begun = time.monotonic()
        with pytest.raises(TimeoutError), clock:  # noqa: PT012 -- moved while the step runs
            clock.move(now() + 0.02)
            await asyncio.sleep(5)
        assert time.monotonic() - begun < 1.5
        clock.move(float("inf"))
        with clock:
            await asyncio.sleep(0.03)
        clock.stop()

    run(main, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_cancellation_from_elsewhere_stays_one(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        async def work() -> None:
            clock = Clock(now() + 5)
            try:
                with clock:
                    await asyncio.sleep(5)
            finally:
                clock.stop()

        task = asyncio.create_task(work())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main, loop)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("outer_s", "inner_s"), [(0.02, 0.02), (0.02, 5.0), (5.0, 0.02)])
def test_clocks_nest_with_each_other_and_with_timeouts(
    loop: Callable[[], asyncio.AbstractEventLoop], outer_s: float, inner_s: float
) -> None:
    async def main() -> None:
        outer, inner = Clock(now() + outer_s), Clock(now() + inner_s)
        with pytest.raises(TimeoutError), outer, inner:
            await asyncio.sleep(1)
        with pytest.raises(TimeoutError):  # noqa: PT012 -- two kinds of clock, one in the other
            async with asyncio.timeout(outer_s):
                with Clock(now() + inner_s):
                    await asyncio.sleep(1)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        outer.stop()
        inner.stop()

    run(main, loop)

"""What a shared execution cost is told by somebody, also where he is interrupted while he leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from appliance.flight import Flight, Settlement
from appliance.records.chunks import Chunk, Text
from appliance.records.decision import Judgement, StepOutcome
from appliance.records.features import FindingKind


class SlowToEnd:
    """An execution that takes a moment to end when it is stopped, as one does that hangs up on a server."""

    path = "site/one"
    redacted: tuple[tuple[FindingKind, int], ...] = ()
    below_floor = False
    judgement: Judgement | None = None

    def __init__(self) -> None:
        self.outcomes: tuple[StepOutcome, ...] = ()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        try:
            while True:
                yield Text("on ")
                await asyncio.sleep(0.01)
        finally:
            await asyncio.sleep(0.1)
            self.outcomes = (StepOutcome(self.path, "cancelled", cost=0.25),)

    async def whole(self) -> list[Chunk]:
        return [chunk async for chunk in self.chunks()]


async def test_who_is_cancelled_twice_still_tells_what_it_cost() -> None:
    flight = Flight(SlowToEnd(), whole=False, retired=lambda: None)
    flight.join()
    told: list[Settlement] = []

    async def listen() -> None:
        try:
            async for _ in flight.chunks():
                pass
        finally:
            told.append(await flight.leave())

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.05)
    for _ in range(3):
        listening.cancel()
        await asyncio.sleep(0.02)
    await asyncio.wait((listening,))
    ((settled,),) = (one.steps for one in told)
    assert settled.cost == 0.25

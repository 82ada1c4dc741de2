"""A stream that its client leaves is paid for under TLS as without it: to the token, on every event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from appliance.egress import Destination, Egress
from appliance.paths.contract import Job, Meter
from appliance.paths.http import HttpPath
from appliance.paths.openai_http import OpenAIDialect
from appliance.records.departure import departing
from appliance.records.request import Message
from tests.paths.test_hostile_upstreams import certificate
from tests.paths.upstream import card_for
from tests.standins.ledger import DEPARTURE, MemoryLedger
from tests.standins.numbered import NumberedStandIn

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@asynccontextmanager
async def under_tls(folder: Path, **endpoint: Any) -> AsyncIterator[tuple[NumberedStandIn, HttpPath]]:
    """A server that speaks for long, and a path to it."""
    served, file = certificate(folder, "localhost")
    async with NumberedStandIn(tokens=1_000, pause_s=0.002, tls=served) as server:
        tls = ssl.create_default_context(cafile=str(file))
        egress = Egress(frozenset({Destination.parse(server.base_url)}), MemoryLedger(), tls=tls)
        path = HttpPath(card_for(server.base_url, **endpoint), egress, OpenAIDialect())
        await path.start()
        yield server, path
        await path.stop()
        await egress.close()


async def leave(path: HttpPath, **over: Any) -> Meter:
    """What is known of a call that is left after three tokens."""
    meter = Meter()
    stream = path.stream(Job(id="j", kind="chat", messages=(Message("user", "one"),), stream=True, meter=meter, **over))
    async for _ in stream:
        if meter.text_tokens >= 3:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    return meter


@pytest.mark.parametrize("loop", LOOPS)
def test_what_a_server_sent_until_it_learned_that_nobody_listens_is_counted(loop: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with under_tls(tmp_path, continuous_usage=True) as (server, path):
            with departing(DEPARTURE):
                for _ in range(10):  # a machine that pauses for longer than one waits makes an estimate of it
                    meter = await leave(path)
                    if meter.exact:
                        break
            assert path._access is not None
            assert path._access.session.idle == 0
            async with asyncio.timeout(1.0):
                while server.open_now:
                    await asyncio.sleep(0.002)
            call = server.calls[-1]
            assert call.ended == "cancelled"
            assert meter.exact
            assert meter.used(0).completion_tokens == call.completion_tokens >= 3

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_ten_that_leave_under_tls_leave_no_file_open(loop: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with under_tls(tmp_path) as (_, path):
            with departing(DEPARTURE), suppress(TimeoutError):
                await leave(path)
                await asyncio.sleep(0.05)
                before = len(list(Path("/proc/self/fd").iterdir()))
                await asyncio.gather(*(leave(path) for _ in range(10)))
                async with asyncio.timeout(2.0):
                    while len(list(Path("/proc/self/fd").iterdir())) > before:
                        await asyncio.sleep(0.01)
            assert len(list(Path("/proc/self/fd").iterdir())) <= before

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())

"""Claims about what a request leaves behind: nothing that only the garbage collector could take away.

The collector walks everything that is young and alive, which holds up all requests at once for tens of milliseconds.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from appliance.paths.contract import PathError
from tests.node.conftest import Start, fake_card, upstream_card
from tests.node.doubles import FakePath, answer
from tests.standins.openai_server import OpenAIStandIn

TIMES = 20
CASES: dict[str, dict[str, Any]] = {
    "whole": {"model": "site/one", "headers": {"Cache-Control": "no-store"}},
    "streamed": {"model": "site/one", "headers": {"Cache-Control": "no-store"}, "stream": True},
    "from the cache": {"model": "site/one"},
    "from the cache, streamed": {"model": "site/one", "stream": True},
    "judged": {"model": "device/sure", "headers": {"Cache-Control": "no-store"}},
    "something found": {"model": "site/one", "text": "mail ann@corp.example"},
    "refused by policy": {"model": "site/one", "headers": {"X-Weir-Classification": "secret"}},
    "refused, streamed": {"model": "site/one", "headers": {"X-Weir-Classification": "secret"}, "stream": True},
    "no such model": {"model": "nobody"},
    "malformed": {"model": "site/one", "temperature": "hot"},
    "failing": {"model": "device/failing"},
    "failing, streamed": {"model": "device/failing", "stream": True},
}


@contextmanager
def garbage() -> Iterator[Counter[str]]:
    """What of the node's own the collector finds; filled on leaving."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith("appliance."))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("case", CASES)
async def test_a_request_leaves_no_circle_behind(start: Start, upstream: OpenAIStandIn, case: str) -> None:
    sure = FakePath(fake_card("device/sure"), answer("quite sure", sure=True))
    failing = FakePath(fake_card("device/failing"), [PathError("internal", "it fails")])
    asked = {"text": "Say hello", **CASES[case]}

    async def ask() -> None:
        async with weir.chat(**asked) as response:
            await response.read()

    async with start(upstream_card(upstream.base_url), fakes=(sure, failing)) as weir:
        await ask()
        with garbage() as found:
            for _ in range(TIMES):
                await ask()
            await asyncio.to_thread(weir.node.store.writer.flush)
        assert sum(found.values()) < TIMES, found

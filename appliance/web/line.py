"""One streamed answer on its way to one client: begun once it is known which path answers, and never silent for long.

Rules kept here:
1. Its headers go out with the first chunk, when it is known which path answers. After `SILENCE_S` without one they go
   out with what is known by then and name no path: proxies close connections on which nothing moves, and what goes
   wrong from then on is an event of the stream.
2. Every `SILENCE_S` in which nothing was sent, a sign of life is: what a client leaves out. Nothing else is sent here
   that no chunk asked for.
3. A sign of life costs whoever is not silent one timer a stream, and nothing a chunk but the time of the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web
from aiohttp.http import HttpVersion11

from appliance.web.reply import SERVER

SILENCE_S = 15.0
_SSE = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
    "Server": SERVER,
}
Headers = Callable[[], Mapping[str, str]]


class Time(Protocol):
    """What is asked of an event loop."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> asyncio.TimerHandle: ...


class Line:
    """`open`, then write to what it gives, and call `moved` after each; at last `end`, or `drop`."""

    __slots__ = ("_early", "_moved", "_request", "_response", "_sign", "_signing", "_silence_s", "_time", "_timer")

    def __init__(
        self,
        request: web.BaseRequest,
        early: Headers,
        sign: bytes,
        *,
        silence_s: float = SILENCE_S,
        time: Time | None = None,
    ) -> None:
        """`early` are the headers of an answer of which nothing is known yet, `sign` is the sign of life."""
        self._request = request
        self._early = early
        self._sign = sign
        self._silence_s = silence_s
        self._time: Time = time or asyncio.get_running_loop()
        self._response: web.StreamResponse | None = None
        self._signing: asyncio.Task[None] | None = None
        self._moved = self._time.time()
        self._timer = self._time.call_at(self._moved + silence_s, self._look)

    @property
    def is_open(self) -> bool:
        """Whether anything has been sent."""
        return self._response is not None

    async def open(self, headers: Headers) -> web.StreamResponse:
        """What to write to. `headers` are sent where none have been."""
        if self._signing is not None:
            await asyncio.wait((self._signing,))
        if self._response is None:
            await self._begin(headers())
        assert self._response is not None, "it was begun"
        return self._response

    def moved(self) -> None:
        """Something was sent just now."""
        self._moved = self._time.time()

    async def end(self) -> None:
        """All of it was written."""
        self._timer.cancel()
        if self._signing is not None:
            await asyncio.wait((self._signing,))
        self.drop()
        assert self._response is not None, "what is ended was begun"
        await self._response.write_eof()

    def drop(self) -> None:
        """No more signs of life."""
        self._timer.cancel()
        if self._signing is not None:
            self._signing.cancel()

    async def _begin(self, headers: Mapping[str, str]) -> None:
        self._response = web.StreamResponse(headers={**_SSE, **headers})
        if self._request.version < HttpVersion11:
            self._response.force_close()  # it has no chunks, so that nothing else says where the answer ends
        await self._response.prepare(self._request)

    def _look(self) -> None:
        due = self._moved + self._silence_s
        if self._time.time() < due:
            self._timer = self._time.call_at(due, self._look)
        else:
            self._signing = asyncio.create_task(self._give_sign())

    async def _give_sign(self) -> None:
        try:
            if self._response is None:
                await self._begin(self._early())
            assert self._response is not None, "it was begun"
            await self._response.write(self._sign)
        except ConnectionError:
            return  # the client is gone, and its request is cancelled for it
        self._moved = self._time.time()
        self._timer = self._time.call_at(self._moved + self._silence_s, self._look)

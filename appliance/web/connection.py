"""One connection of a client: aiohttp's own, with a clock for headers and errors in our words.

Rules kept here:
1. Headers that are not complete within the time allowed end the connection; a silent new connection too.
2. What cannot be parsed is answered as JSON in the callers' dialect and logged by kind alone: aiohttp's own message
   and traceback quote what was sent.
3. A client that takes nothing of its answer for `STALL_S` is cut off by the kernel.

It reads two private members of aiohttp's handler, `_waiter` and `_request_count`, because aiohttp has no setting for
rule 1; the tests of slow headers fail where they are renamed.
"""

from __future__ import annotations

import asyncio
import socket

import structlog
from aiohttp import web

from appliance.errors import BadRequest, SlowClient, WeirError
from appliance.respond.errors import error_body

log = structlog.get_logger("weir.web")
STALL_S = 60.0
_JSON = "application/json"


class Connection(web.RequestHandler):
    """Made by the listening socket for each client; `manager` is the runner's server."""

    __slots__ = ("_header_clock", "_header_timeout_s")

    def __init__(
        self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, header_timeout_s: float, keepalive_s: float
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=keepalive_s,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own way to say none
        )
        self._header_timeout_s = header_timeout_s
        self._header_clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        plain = transport.get_extra_info("socket")
        if plain is not None and plain.family in (socket.AF_INET, socket.AF_INET6):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_S * 1000))
        self._start_clock()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        seen, waits = self._request_count, self._waiter is not None
        super().data_received(data)
        if self._request_count != seen:
            self._stop_clock()
        elif waits and self._header_clock is None:
            self._start_clock()  # the beginning of another request on a connection that was idle

    def _start_clock(self) -> None:
        self._header_clock = self._loop.call_later(self._header_timeout_s, self._too_slow)

    def _stop_clock(self) -> None:
        if self._header_clock is not None:
            self._header_clock.cancel()
            self._header_clock = None

    def _too_slow(self) -> None:
        self._header_clock = None
        if self.transport is not None and not self._messages and not self._request_in_progress:
            self.transport.write(_SLOW)
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes what was sent
    ) -> web.StreamResponse:
        """The answer to what aiohttp could not parse, or to what escaped a handler. Raises where the client is gone."""
        if isinstance(exc, ConnectionError):
            raise exc  # aiohttp ends the connection with it
        log.info("bad-http" if status < 500 else "internal-error", kind=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already; the connection ends with it")
        error: WeirError = BadRequest("This is not an HTTP request that can be read.", next_step="Check its headers.")
        if status >= 500:
            error = WeirError("The node failed on this request.", next_step="Its log names the place.")
        response = web.Response(body=error_body(error), status=error.status, content_type=_JSON)
        response.force_close()
        return response

    def log_exception(self, *_: object, **about: object) -> None:
        """Kind only, see rule 2."""
        log.error("connection-failed", kind=type(about.get("exc_info")).__name__)


def _slow() -> bytes:
    body = error_body(SlowClient("The headers did not arrive in time.", next_step="Send them faster."))
    head = b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
    return head + str(len(body)).encode() + b"\r\n\r\n" + body


_SLOW = _slow()

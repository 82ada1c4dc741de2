"""A whole answer, written to the connection in one piece.

aiohttp's own `Response` keeps its headers in a multidict, knows cookies, compression and chunks, and costs 25 us a
request for it. Of an answer aiohttp's connection asks three members only, and these are here.

Rules kept here:
1. One write: head and body leave together, also where the client reads slowly; then the connection's own back pressure.
2. Values of headers are made safe by whoever makes them (`respond.headers`); nothing here checks them again.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import orjson
from aiohttp import web
from aiohttp.http import HttpVersion10

from appliance.records.record import encode

SERVER = "weir"
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Reply:
    """JSON with a status and lines of headers. `force_close` ends the connection after it."""

    __slots__ = ("_body", "_lines", "_request", "keep_alive", "status")

    def __init__(self, body: bytes, status: int = 200, lines: str = "") -> None:
        self.status = status
        self.keep_alive = True
        self._body = body
        self._lines = lines
        self._request: web.BaseRequest | None = None

    def force_close(self) -> None:
        self.keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> None:
        self._request = request
        self.keep_alive = self.keep_alive and request.keep_alive

    async def write_eof(self) -> None:
        """Raises ConnectionError where the client is gone."""
        request = self._request
        assert request is not None, "aiohttp prepares before it writes"
        transport, writer = request.transport, request.writer
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        data = self.data(request)
        writer.output_size += len(data)
        transport.write(data)
        await writer.drain()

    def data(self, request: web.BaseRequest) -> bytes:
        """Head and body as bytes; a HEAD request gets the head alone."""
        body = self._body
        protocol, connection = "HTTP/1.1 ", "" if self.keep_alive else "Connection: close\r\n"
        if request.version == HttpVersion10:
            protocol, connection = "HTTP/1.0 ", "Connection: keep-alive\r\n" if self.keep_alive else ""
        head = (
            f"{protocol}{_STATUS_LINES[self.status]}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{self._lines}{_same_in_every_reply(int(time.time()))}{connection}\r\n"
        ).encode("ascii")
        return head if request.method == "HEAD" else head + body


@lru_cache(maxsize=1)
def _same_in_every_reply(second: int) -> str:
    """Date and Server, made once a second."""
    return f"Date: {formatdate(second, usegmt=True)}\r\nServer: {SERVER}\r\n"


def json_reply(value: object, status: int = 200) -> Reply:
    """A value of ours as JSON."""
    return Reply(orjson.dumps(value, default=encode), status)

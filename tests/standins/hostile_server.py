"""A stand-in for a server that means harm, or is broken beyond what a server library does on purpose: bytes over a
socket, whatever the provider's dialect.

    python -m tests.standins.hostile_server endless-body

It prints one line of JSON with its port and serves until it is stopped. `SCRIPTS` lists what it does. `sent` counts
the bytes that it could send, `asked` the requests; it stops by itself after `MOST_BYTES`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Any, Self
from zlib import crc32

MOST_BYTES = 512 << 20
JSON, EVENTS = "application/json", "text/event-stream"

Pieces = AsyncIterator[bytes]
Script = Callable[["HostileStandIn"], Pieces]
SCRIPTS: dict[str, Script] = {}


def script(function: Script) -> Script:
    SCRIPTS[getattr(function, "__name__", "").replace("_", "-")] = function
    return function


def head(content_type: str, *more: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def framed(piece: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def _body(content_type: str, *pieces: bytes, pause_s: float = 0.0) -> Pieces:
    yield head(content_type, "Transfer-Encoding: chunked")
    for piece in pieces:
        await asyncio.sleep(pause_s)
        yield framed(piece)
    yield b"0\r\n\r\n"


async def _endless(first: bytes, piece: bytes) -> Pieces:
    yield first
    while True:
        yield piece


@script
def endless_body(server: HostileStandIn) -> Pieces:
    """JSON that does not end."""
    return _endless(head(JSON, "Transfer-Encoding: chunked"), framed(b'{"a": [' + b"1," * 32_000))


@script
def endless_stream(server: HostileStandIn) -> Pieces:
    """A stream of comments, or of what looks like the beginning of frames, that does not end."""
    piece = framed(b": nothing to say\n" * 4000)
    return _endless(head(server.stream_type, "Transfer-Encoding: chunked"), piece)


@script
def no_newline(server: HostileStandIn) -> Pieces:
    """One event without an end."""
    first = head(server.stream_type, "Transfer-Encoding: chunked") + framed(b'data: {"a": "')
    return _endless(first, framed(b"a" * 65_536))


@script
def endless_error(server: HostileStandIn) -> Pieces:
    """An error that does not end."""
    return _endless(head(JSON, "Transfer-Encoding: chunked", status="400 Bad Request"), framed(b"a" * 65_536))


@script
def endless_header(server: HostileStandIn) -> Pieces:
    return _endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a" * 65_536)


@script
def endless_headers(server: HostileStandIn) -> Pieces:
    return _endless(b"HTTP/1.1 200 OK\r\n", b"X-Again: a\r\n" * 4000)


@script
def endless_continue(server: HostileStandIn) -> Pieces:
    """It is about to answer, and about to answer."""

    async def pieces() -> Pieces:
        while True:
            yield b"HTTP/1.1 100 Continue\r\n\r\n"
            await asyncio.sleep(0.01)

    return pieces()


@script
def slow_header(server: HostileStandIn) -> Pieces:
    """A byte now and then, so that there is always something new."""

    async def pieces() -> Pieces:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000:
            yield bytes((byte,))
            await asyncio.sleep(0.05)

    return pieces()


@script
def not_http(server: HostileStandIn) -> Pieces:
    return _endless(b"220 mail.example ESMTP\r\n", b"500 what?\r\n" * 1000)


@script
def bad_length(server: HostileStandIn) -> Pieces:
    async def pieces() -> Pieces:
        yield head(JSON, "Content-Length: -5") + b"{}"

    return pieces()


@script
def two_lengths(server: HostileStandIn) -> Pieces:
    async def pieces() -> Pieces:
        yield head(JSON, "Content-Length: 2", "Content-Length: 20") + b"{}"

    return pieces()


@script
def bad_chunk(server: HostileStandIn) -> Pieces:
    async def pieces() -> Pieces:
        yield head(server.stream_type, "Transfer-Encoding: chunked") + b"zz\r\nwhat\r\n"

    return pieces()


@script
def huge_chunk(server: HostileStandIn) -> Pieces:
    """A chunk that says it is of sixteen exabytes."""
    return _endless(head(JSON, "Transfer-Encoding: chunked") + b"ffffffffffffffff\r\n", b"a" * 65_536)


@script
def closed_at_once(server: HostileStandIn) -> Pieces:
    async def pieces() -> Pieces:
        yield head(server.stream_type, "Transfer-Encoding: chunked")

    return pieces()


@script
def no_content(server: HostileStandIn) -> Pieces:
    """All went well, it says, and there is nothing."""

    async def pieces() -> Pieces:
        yield b"HTTP/1.1 204 No Content\r\n\r\n"

    return pieces()


@script
def empty_body(server: HostileStandIn) -> Pieces:
    return _body(JSON, b" \r\n")


@script
def empty_stream(server: HostileStandIn) -> Pieces:
    return _body(server.stream_type)


@script
def strange_tool(server: HostileStandIn) -> Pieces:
    """In OpenAI's form, a call of a tool that nobody offered."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "launch", "arguments": "{}"}}
    choice = {"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 3, "completion_tokens": 7}
    return _body(JSON, json.dumps({"choices": [choice], "usage": usage}).encode())


@script
def invalid_json(server: HostileStandIn) -> Pieces:
    return _body(JSON, b'{"choices": [{"message": ')


@script
def deep_json(server: HostileStandIn) -> Pieces:
    """Nested so deep that a careless parser runs out of stack."""
    return _body(JSON, b'{"a":' * 200_000)


@script
def split_utf8(server: HostileStandIn) -> Pieces:
    """A character cut between two pieces, of which the second half never comes."""
    return _body(JSON, b'{"message": "\xf0\x9f', b'\x98", "output": 1}', pause_s=0.02)


@script
def gzip_bomb(server: HostileStandIn) -> Pieces:
    """Half a gigabyte in half a megabyte, packed though nobody asked for it."""

    async def pieces() -> Pieces:
        yield head(JSON, "Content-Encoding: gzip", f"Content-Length: {len(bomb())}") + bomb()

    return pieces()


@script
def gzip_bomb_streamed(server: HostileStandIn) -> Pieces:
    async def pieces() -> Pieces:
        yield head(server.stream_type, "Content-Encoding: gzip", f"Content-Length: {len(bomb())}") + bomb()

    return pieces()


@script
def redirect(server: HostileStandIn) -> Pieces:
    async def pieces() -> Pieces:
        where = f"Location: {server.redirect_to}"
        yield head(JSON, where, "Content-Length: 2", status="307 Temporary Redirect") + b"{}"

    return pieces()


@script
def switching(server: HostileStandIn) -> Pieces:
    """It wants to speak another protocol."""
    return _endless(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", b"\0" * 65_536)


@script
def bad_crc(server: HostileStandIn) -> Pieces:
    """A frame of an event stream whose checksum is another's."""
    return _body(server.stream_type, b"\0\0\0\x20\0\0\0\0\xde\xad\xbe\xef" + b"\0" * 20)


@script
def huge_frame(server: HostileStandIn) -> Pieces:
    """A frame of an event stream that says, under a right checksum, that it is of two gigabytes."""
    prelude = b"\x7f\xff\xff\xff\0\0\0\0"
    first = head(server.stream_type, "Transfer-Encoding: chunked") + framed(prelude + crc32(prelude).to_bytes(4, "big"))
    return _endless(first, framed(b"\0" * 65_536))


@lru_cache(maxsize=1)
def bomb() -> bytes:
    return gzip.compress(b" " * (16 << 20), 9) * 32


class HostileStandIn:
    """The server. `async with HostileStandIn("endless-body") as server:` serves on a free loopback port.

    `stream_type` is the media type of the streams of who is talked to; `tls` serves under that certificate.
    """

    def __init__(
        self,
        script: str,
        *,
        stream_type: str = EVENTS,
        tls: ssl.SSLContext | None = None,
        redirect_to: str = "http://192.0.2.1/",
    ) -> None:
        self.script = SCRIPTS[script]
        self.stream_type = stream_type
        self.redirect_to = redirect_to
        self.sent = 0
        self.asked = 0
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def base_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        length = next((line for line in raw.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"x:0")
        await reader.readexactly(int(length.partition(b":")[2]))
        async for piece in self.script(self):
            writer.write(piece)
            await writer.drain()
            self.sent += len(piece)
            if self.sent > MOST_BYTES:
                return


async def _run(name: str) -> None:
    async with HostileStandIn(name) as server:
        sys.stdout.write(json.dumps({"port": server.port, "base_url": server.base_url, "is": "stand-in"}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))

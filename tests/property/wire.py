"""A client that speaks HTTP/1.1 to the node's own connection, without a socket in between.

The bytes go through aiohttp's parser and the whole data plane, and come back as they would on a wire; only the kernel
is left out, which is most of what a request costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from appliance.node import Node
from appliance.web.connection import Connection
from appliance.web.plane import Plane

Header = tuple[str, str]


@dataclass
class Response:
    """What came back; `status` 0 where nothing did. `body` as sent, of a stream that broke off what there is of it."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Pipe(asyncio.Transport):
    """Hands what the node writes to the client, and says when nothing more will come."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = bytearray()
        self.closed = False
        self.heard: asyncio.Future[None] | None = None
        self.protocol: Connection | None = None

    def write(self, data: Any) -> None:
        self.buffer += data
        if self.heard is not None and not self.heard.done() and _whole(self.buffer):
            self.heard.set_result(None)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            if self.heard is not None and not self.heard.done():
                self.heard.set_result(None)
            if self.protocol is not None:
                self.protocol.connection_lost(None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Client:
    """One connection, kept alive while both sides want it."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._pipe: _Pipe | None = None

    def _connected(self) -> _Pipe:
        if self._pipe is None or self._pipe.closed:
            self._pipe = _Pipe()
            self._pipe.protocol = self._connect()
            self._pipe.protocol.connection_made(self._pipe)
        return self._pipe

    async def post(self, address: str, headers: list[Header], body: bytes) -> Response:
        """The answer, or what there was of it when the connection ended."""
        pipe = self._connected()
        pipe.buffer.clear()
        pipe.heard = asyncio.get_running_loop().create_future()
        lines = [f"POST {address} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        assert pipe.protocol is not None
        pipe.protocol.data_received("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await pipe.heard
        return _read(bytes(pipe.buffer))

    def hang_up(self) -> None:
        if self._pipe is not None:
            self._pipe.abort()


def clients(node: Node, count: int) -> list[Client]:
    """Clients of this node's data plane, each with a connection of its own."""
    server, loop = Plane(node).server(), asyncio.get_running_loop()
    return [
        Client(lambda: Connection(server, loop=loop, header_timeout_s=60.0, keepalive_s=60.0)) for _ in range(count)
    ]


def _whole(buffer: bytearray) -> bool:
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(buffer[:end]).lower()
    if b"transfer-encoding: chunked" in head:
        return buffer.endswith(b"\r\n0\r\n\r\n")
    at = head.find(b"content-length: ")
    stated = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return len(buffer) >= end + 4 + stated


def _read(raw: bytes) -> Response:
    head, blank, body = raw.partition(b"\r\n\r\n")
    if not blank:
        return Response()
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Response(int(first.split(" ")[1]), headers, body)

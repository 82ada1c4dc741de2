"""A session with one upstream: whatever it sends is in the audit before it leaves.

Rules kept here:
1. Every request is written down, on disk, before its connection is looked for, each redirect that is followed too; and
   what else has to be done before it is sent is done. What would be sent on nobody's behalf (`records.departure`) is
   not sent.
2. Nothing passes that by: `get` and `post` are all that a session has; no WebSocket, no middlewares of a caller's.
3. `post` writes head and body in one piece on aiohttp's connections and reads with aiohttp's parser. Pool, TLS, names,
   clocks and errors are aiohttp's; its request and response objects, which cost more than all of these, are left out.

Sessions are made by `egress`, whose connectors reach listed destinations only. `post` and `rest_of` use members of
aiohttp that its documentation does not name: `BaseConnector.connect`, `set_response_params` and `read` of a
connection's protocol, `_read_nowait` of a body. The tests of `paths.http` fail where they change.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, hdrs
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.payload import BytesIOPayload, BytesPayload
from multidict import CIMultiDictProxy
from yarl import URL

from appliance.errors import AuditUnavailable
from appliance.records.departure import STAYING_TIERS, Departure, cleared, current_departure

ONE_WRITE_BYTES = 512 * 1024  # larger bodies are sent in pieces
_HEADS_KEPT = 16  # addresses of one session
_LOCALHOST = "localhost"


class Ledger(Protocol):
    """Where it is written down that something is about to leave."""

    async def leaving(self, departure: Departure, destination: Mapping[str, object], body: bytes) -> None:
        """Returns when the entry is on disk. Raises AuditUnavailable: then nothing may leave."""


class NoLedger:
    """For whoever has no audit, and so sends nothing."""

    async def leaving(self, *_: object) -> None:
        raise AuditUnavailable("There is no audit, so nothing leaves.")


def literal(host: str) -> str | None:
    """The canonical address of an IP literal, IPv4 inside IPv6 unwrapped, or None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def is_loopback(host: str) -> bool:
    address = literal(host)
    return host.lower() == _LOCALHOST if address is None else ipaddress.ip_address(address).is_loopback


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something goes: as the audit names it, and whether it is this host."""

    named: dict[str, object]
    here: bool

    @classmethod
    def of(cls, url: URL) -> _Place:
        host = (url.host or "").rstrip(".")
        return cls({"scheme": url.scheme, "host": host, "port": url.port}, is_loopback(host))


@dataclass(frozen=True, slots=True)
class _Address:
    """One address that is posted to: what connects there, and the head that every request has, without the length."""

    place: _Place
    request: ClientRequest
    head: bytes


class Answer:
    """A server's answer, its head read. Its connection goes back to the pool when all of `content` was read."""

    __slots__ = ("_connection", "_hung_up", "content", "headers", "status")

    def __init__(
        self, status: int, headers: CIMultiDictProxy[str], content: aiohttp.StreamReader, connection: Connection
    ) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self._connection: Connection | None = connection
        self._hung_up = False
        content.on_eof(self._read)

    def _read(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            transport = connection.transport
            if self._hung_up or (transport is not None and transport.get_write_buffer_size()):
                connection.close()  # answered before all was sent: another request would wait behind the rest
            else:
                connection.release()

    def hang_up(self) -> bool:
        """Tell the server that nothing more comes from here, and go on reading. False where the connection cannot say
        that, or is gone: `close` is all that is left. What was hung up is not used again.
        """
        transport = self._connection.transport if self._connection is not None else None
        if transport is None or transport.is_closing():
            return False
        if transport.can_write_eof():
            transport.write_eof()
        elif not _shut_below(transport):
            return False
        self._hung_up = True
        return True

    def close(self) -> None:
        """End the connection, where not all was read."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _shut_below(transport: asyncio.Transport) -> bool:
    """End what is sent under TLS, which event loops can end as a whole only, at the socket below it; whether that was
    done. The server sees an end without TLS's own word for it, as where a client dies; what it had sent is read on, and
    authenticated as before.
    """
    below = transport.get_extra_info("socket")
    if below is None or transport.get_write_buffer_size():
        return False
    try:
        with socket.socket(fileno=os.dup(below.fileno())) as same:  # uvloop's own cannot be shut
            same.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def rest_of(content: aiohttp.StreamReader) -> bytes:
    """What had come before the connection broke, and was not read: `content` itself gives its error only."""
    return content._read_nowait(-1)


class Session:
    """A pool of connections to one upstream. Close it, or use `async with`. `headers` go with every request."""

    def __init__(
        self,
        connector: aiohttp.TCPConnector,
        ledger: Ledger,
        *,
        headers: Mapping[str, str] | None = None,
        connect_timeout_s: float = 5.0,
    ) -> None:
        self._ledger = ledger
        self._connector = connector
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)
        self._inner = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            middlewares=(self._written_first,),
            timeout=self._timeout,
        )
        self._addresses: dict[URL, _Address] = {}

    @property
    def closed(self) -> bool:
        return self._inner.closed

    @property
    def idle(self) -> int:
        """Connections that are kept for another request."""
        return sum(map(len, self._connector._conns.values()))

    async def close(self) -> None:
        await self._inner.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def get(
        self, url: URL | str, *, allow_redirects: bool = True, headers: Mapping[str, str] | None = None
    ) -> ClientResponse:
        """An answer, to be closed or used with `async with`. Raises as `post`."""
        return await self._inner.get(url, allow_redirects=allow_redirects, headers=headers)

    async def post(
        self,
        url: URL,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        sending: Callable[[], object] = lambda: None,
        written: Callable[[], object] = lambda: None,
    ) -> Answer | ClientResponse:
        """The answer to a POST, to be closed; no redirect is followed, nothing is sent again, nothing is unpacked.
        `headers` are this one's. `written` is called once it is written down, `sending` once there is a connection as
        well, before anything leaves.

        Raises AuditUnavailable before anything has left, and aiohttp's ClientError, or OSError, whatever the network
        does.
        """
        if len(body) > ONE_WRITE_BYTES:
            return await self._inner.post(
                url,
                data=io.BytesIO(body),
                allow_redirects=False,
                headers=headers,
                auto_decompress=False,
                middlewares=(partial(self._written_first, then=(written, sending)),),
            )
        own = _head([f"{name}: {value}" for name, value in headers.items()]) if headers else b""
        address = self._addresses.get(url) or self._address(url)
        await self._write_down(address.place, body)
        written()
        if self._inner.closed:
            raise aiohttp.ClientConnectionError("the session is closed")
        try:
            connection = await self._connector.connect(address.request, [], self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {url}") from error
        try:
            protocol, transport = connection.protocol, connection.transport
            if protocol is None or transport is None or transport.is_closing():
                raise aiohttp.ClientConnectionResetError("Cannot write to a transport that closes")
            protocol.set_response_params(read_until_eof=True, auto_decompress=False)
            sending()
            transport.write(b"%b%bContent-Length: %d\r\n\r\n%b" % (address.head, own, len(body), body))
            while True:
                message, content = await protocol.read()
                if not 100 <= message.code <= 199 or message.code == 101:
                    return Answer(message.code, message.headers, content, connection)
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(address.request.request_info, (), status=error.code) from error
        except BaseException:
            connection.close()
            raise

    def _address(self, url: URL) -> _Address:
        inner = self._inner
        request = ClientRequest(
            hdrs.METH_POST, url, headers=inner.headers, data=None, loop=asyncio.get_running_loop(), session=inner
        )
        del request.headers[hdrs.CONTENT_LENGTH]
        lines = [f"POST {url.raw_path_qs} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
        if len(self._addresses) >= _HEADS_KEPT:
            self._addresses.clear()
        made = self._addresses[url] = _Address(_Place.of(url), request, _head(lines))
        return made

    async def _write_down(self, place: _Place, body: bytes) -> None:
        departure = current_departure()
        if departure is None:
            raise AuditUnavailable("Nobody says on whose behalf this would leave, so it does not.")
        if departure.tier not in STAYING_TIERS or not place.here:
            await self._ledger.leaving(departure, place.named, body)
        await cleared()

    async def _written_first(
        self, request: ClientRequest, handler: ClientHandlerType, then: Iterable[Callable[[], object]] = ()
    ) -> ClientResponse:
        """Rule 1 for what aiohttp sends by itself. It does not say when it has its connection."""
        await self._write_down(_Place.of(request.url), await _whole(request))
        for call in then:
            call()
        return await handler(request)


def _head(lines: list[str]) -> bytes:
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a header holds a line break")
    return "".join([f"{line}\r\n" for line in lines]).encode()


async def _whole(request: ClientRequest) -> bytes:
    """The body as it will be sent. What can be read only once cannot be written down first."""
    body = request.body
    if isinstance(body, bytes):
        return body
    if not isinstance(body, BytesPayload | BytesIOPayload):
        raise AuditUnavailable("A body that can be read only once cannot be written down before it leaves.")
    return await body.as_bytes()

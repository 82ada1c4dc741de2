"""A session writes down first, sends exactly what it wrote down, once, and can do nothing else."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import uvloop
from yarl import URL

from appliance.egress import Destination, Egress, EgressRefused
from appliance.errors import AuditUnavailable
from appliance.outbound import ONE_WRITE_BYTES, Session
from appliance.records.departure import departing
from tests.standins.ledger import DEPARTURE, MemoryLedger

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nhere"


class Wire:
    """A loopback server that keeps what arrives, byte for byte, and answers each request with the next of `said`.

    None: nothing more is said and the connection is closed. Without any left, the last one is said again.
    """

    def __init__(self, *said: bytes | None) -> None:
        self.said = list(said) or [OK]
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Event()

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = URL(f"http://127.0.0.1:{self.port}/v1/chat")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                stated = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                assert len(stated) == 1, head
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(int(stated[0].split(b":")[1])))
                say = self.said.pop(0) if len(self.said) > 1 else self.said[0]
                if say is None:
                    break
                writer.write(say)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.gone.set()
            writer.close()


def run(
    main: Callable[[], Awaitable[object]], loop: Any = asyncio.new_event_loop, *, departure: Any = DEPARTURE
) -> None:
    with departing(departure), asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())  # type: ignore[arg-type]


def opened(wire: Wire, ledger: MemoryLedger | None = None, **over: Any) -> tuple[Egress, Session]:
    egress = Egress(frozenset({Destination.parse(str(wire.url))}), ledger or MemoryLedger())
    return egress, egress.session_for(str(wire.url), **over)


def test_a_session_has_no_way_out_but_the_two_that_write_down_first() -> None:
    assert {name for name in dir(Session) if not name.startswith("_")} == {"close", "closed", "get", "idle", "post"}
    assert list(inspect.signature(Session.get).parameters) == ["self", "url", "allow_redirects", "headers"]
    told = ["sending", "written"]  # are called, and send nothing
    assert list(inspect.signature(Session.post).parameters) == ["self", "url", "body", "headers", *told]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("size", [0, 1, 5000, ONE_WRITE_BYTES, ONE_WRITE_BYTES + 1])
def test_what_is_posted_is_what_was_written_down(loop: Any, size: int) -> None:
    async def main() -> None:
        ledger, body = MemoryLedger(), bytes(k % 251 for k in range(size))
        async with Wire() as wire:
            egress, session = opened(wire, ledger, headers={"Authorization": "Bearer k", "User-Agent": "weir"})
            for _ in range(2):
                answer = await session.post(wire.url, body)
                assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
                assert await answer.content.read() == b"here"
                answer.close()
            assert wire.bodies == [body, body]
            assert [left[2] for left in ledger.left] == [body, body]
            assert ledger.left[0][1] == {"scheme": "http", "host": "127.0.0.1", "port": wire.port}
            head = wire.heads[0].lower()
            assert head.startswith(b"post /v1/chat http/1.1\r\n")
            for line in (f"host: 127.0.0.1:{wire.port}", "authorization: bearer k", "user-agent: weir"):
                assert head.count(f"\r\n{line}\r\n".encode()) == 1
            assert (wire.connections, session.idle) == (1, 1)
            await egress.close()

    run(main, loop)


@pytest.mark.parametrize("size", [10, ONE_WRITE_BYTES + 1])
def test_nothing_leaves_on_nobodys_behalf_or_where_it_cannot_be_written_down(size: int) -> None:
    async def main() -> None:
        ledger = MemoryLedger()
        async with Wire() as wire:
            egress, session = opened(wire, ledger)
            with departing(None), pytest.raises(AuditUnavailable):
                await session.post(wire.url, b"x" * size)
            with departing(None), pytest.raises(AuditUnavailable):
                await session.get(wire.url)
            ledger.full = True
            with pytest.raises(AuditUnavailable):
                await session.post(wire.url, b"x" * size)
            assert (wire.connections, ledger.left) == (0, [])
            await egress.close()

    run(main)


@pytest.mark.parametrize("size", [10, ONE_WRITE_BYTES + 1])
def test_what_must_be_done_before_it_leaves_is_waited_for_beside_the_audit(size: int) -> None:
    async def main() -> None:
        ledger, after = MemoryLedger(), asyncio.get_running_loop().create_future()
        async with Wire() as wire:
            egress, session = opened(wire, ledger)
            with departing(DEPARTURE, after):
                begun: list[str] = []
                given_up, waits = (
                    asyncio.ensure_future(session.post(wire.url, b"x" * size, sending=lambda: begun.append("sends")))
                    for _ in range(2)
                )
                await asyncio.sleep(0.05)
            assert (len(ledger.left), wire.connections, begun) == (2, 0, [])
            given_up.cancel()
            await asyncio.sleep(0)
            after.set_result(None)
            answer = await waits
            assert answer.status == 200
            answer.close()
            assert (wire.bodies, begun) == ([b"x" * size], ["sends"])
            with departing(DEPARTURE, after):  # another try of the same request
                (await session.post(wire.url, b"again")).close()
            await egress.close()

    run(main)


def test_a_post_elsewhere_is_refused_and_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        async with Wire() as elsewhere, Wire(moved % str(elsewhere.url).encode()) as wire:
            egress, session = opened(wire)
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.post(elsewhere.url, b"{}")
            assert isinstance(caught.value.os_error, EgressRefused)
            answer = await session.post(wire.url, b"{}")
            assert answer.status == 307
            answer.close()
            assert elsewhere.connections == 0
            await egress.close()

    run(main)


@pytest.mark.parametrize("loop", LOOPS)
def test_interim_answers_are_passed_over(loop: Any) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

    async def main() -> None:
        async with Wire(interim + OK) as wire:
            egress, session = opened(wire)
            answer = await session.post(wire.url, b"{}")
            assert (answer.status, await answer.content.read()) == (200, b"here")
            answer.close()
            await egress.close()

    run(main, loop)


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhere",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        None,
    ],
)
@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_no_answer_ends_the_connection_and_nothing_is_sent_again(loop: Any, said: bytes | None) -> None:
    async def main() -> None:
        async with Wire(said) as wire:
            egress, session = opened(wire)
            try:
                answer = await session.post(wire.url, b"{}")
            except aiohttp.ClientError:
                pass
            else:
                assert answer.status == 101
                answer.close()
            assert (session.idle, len(wire.bodies)) == (0, 1)
            await asyncio.wait_for(wire.gone.wait(), 5)
            await egress.close()

    run(main, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_answer_that_was_not_read_to_its_end_takes_its_connection_along(loop: Any) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf"

    async def main() -> None:
        async with Wire(half, OK) as wire:
            egress, session = opened(wire)
            answer = await session.post(wire.url, b"{}")
            answer.close()
            answer.close()
            await asyncio.wait_for(wire.gone.wait(), 5)
            again = await session.post(wire.url, b"{}")
            assert await again.content.read() == b"here"
            assert (wire.connections, session.idle) == (2, 1)
            await egress.close()

    run(main, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_who_gives_up_waiting_ends_the_connection(loop: Any) -> None:
    async def main() -> None:
        async with Wire(b"") as wire:  # reads, and says nothing
            egress, session = opened(wire)
            asking = asyncio.ensure_future(session.post(wire.url, b"{}"))
            while not wire.bodies:
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await asyncio.wait_for(wire.gone.wait(), 5)
            assert session.idle == 0
            await egress.close()

    run(main, loop)


def test_a_closed_session_connects_nowhere() -> None:
    async def main() -> None:
        async with Wire() as wire:
            egress, session = opened(wire)
            await egress.close()
            with pytest.raises(aiohttp.ClientError):
                await session.post(wire.url, b"{}")
            assert wire.connections == 0

    run(main)


@pytest.mark.parametrize("value", ["a\r\nX-More: b", "a\nb", "a\0b"])
def test_a_header_cannot_become_two(value: str) -> None:
    async def main() -> None:
        ledger = MemoryLedger()
        async with Wire() as wire:
            egress, session = opened(wire, ledger, headers={"X-One": value})
            with pytest.raises(ValueError):
                await session.post(wire.url, b"{}")
            assert (wire.connections, ledger.left) == (0, [])
            await egress.close()

    run(main)


def test_heads_of_many_addresses_are_not_all_kept() -> None:
    async def main() -> None:
        async with Wire() as wire:
            egress, session = opened(wire)
            for number in range(40):
                answer = await session.post(wire.url / str(number), b"{}")
                await answer.content.read()
            assert len(session._addresses) <= 16
            assert [head.split()[1] for head in wire.heads] == [b"/v1/chat/%d" % number for number in range(40)]
            await egress.close()

    run(main)

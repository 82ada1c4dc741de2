"""A session reaches what is listed and nothing else, on any event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web

from appliance.egress import ADDRESSES_KEPT, REFUSALS_KEPT, Destination, Door, Egress, EgressRefused
from appliance.records.departure import departing
from tests.standins.ledger import DEPARTURE, MemoryLedger

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class Upstream:
    """A loopback server that counts what arrives. `GET /away` redirects to `away`."""

    def __init__(self, away: str = "") -> None:
        self.away = away
        self.arrived: list[str] = []
        self.cookies: list[str] = []

    async def __aenter__(self) -> Upstream:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.arrived.append(request.path)
        self.cookies.append(request.headers.get("Cookie", ""))
        if request.path == "/away":
            raise web.HTTPFound(self.away)
        response = web.Response(text="here")
        response.set_cookie("seen", "1")
        return response


def allowed(*urls: str) -> frozenset[Destination]:
    return frozenset(map(Destination.parse, urls))


def run(main: Any, loop: Any) -> None:
    with departing(DEPARTURE), asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port"),
    [
        ("https://API.Example.com/v1", "https", "api.example.com", 443),
        ("http://10.0.0.7:8000", "http", "10.0.0.7", 8000),
        ("http://[::1]:81/x", "http", "::1", 81),
        ("https://example.com./", "https", "example.com", 443),
    ],
)
def test_a_destination_is_scheme_host_and_port(url: str, scheme: str, host: str, port: int) -> None:
    assert Destination.parse(url) == Destination(scheme, host, port)
    assert Destination.parse(str(Destination.parse(url))) == Destination.parse(url)


@pytest.mark.parametrize("url", ["ftp://x", "//x", "http://", "https://user:pass@x/", "http://x:99999"])
def test_what_is_no_plain_http_address_is_no_destination(url: str) -> None:
    with pytest.raises(ValueError):
        Destination.parse(url)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_listed_server_is_reached_by_address_and_by_name_without_dns(loop: Any) -> None:
    async def main() -> None:
        async with Upstream() as upstream:
            named = f"http://localhost:{upstream.port}"
            egress = Egress(allowed(upstream.url, named), MemoryLedger())
            for url in (upstream.url, named):
                session = egress.session_for(url)
                async with await session.get(f"{url}/a") as response:
                    assert await response.text() == "here"
            assert egress.door.refused == 0
            await egress.close()
            assert session.closed

    run(main, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_session_reaches_nothing_but_its_own_destination(loop: Any) -> None:
    async def main() -> None:
        async with Upstream() as listed, Upstream() as other, Upstream() as unlisted:
            egress = Egress(allowed(listed.url, other.url), MemoryLedger())
            session = egress.session_for(listed.url)
            for url in (
                unlisted.url,
                other.url,  # listed, but another session's
                f"http://localhost:{listed.port}",  # the same server by a name that is not listed
                f"http://0.0.0.0:{unlisted.port}",
                "http://192.0.2.1:80",
                "http://leak.example.com",
            ):
                before = egress.door.refused
                with pytest.raises(aiohttp.ClientConnectorError) as caught:
                    await session.get(url)
                assert isinstance(caught.value.os_error, EgressRefused)
                assert egress.door.refused == before + 1
            assert not unlisted.arrived
            assert not other.arrived
            assert {refusal.what for refusal in egress.door.refusals} == {"connect", "resolve"}
            assert egress.door.refusals[-1].where == "leak.example.com:80"
            await egress.close()

    run(main, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_redirect_elsewhere_is_refused_even_for_who_follows_it(loop: Any) -> None:
    async def main() -> None:
        async with Upstream() as elsewhere, Upstream(away=elsewhere.url) as listed:
            egress = Egress(allowed(listed.url), MemoryLedger())
            session = egress.session_for(listed.url)
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(f"{listed.url}/away")
            assert not elsewhere.arrived
            await egress.close()

    run(main, loop)


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_an_unlisted_address_gets_no_session(scheme: str) -> None:
    async def main() -> None:
        egress = Egress(allowed("https://api.example.com"), MemoryLedger())
        for url in (
            f"{scheme}://other.example.com",
            "http://api.example.com",
            "https://api.example.com:444",
            "file:///x",
        ):
            assert not egress.permits(url)
            with pytest.raises(EgressRefused):
                egress.session_for(url)
        assert egress.door.refused == 4
        assert egress.permits("https://api.example.com/v1")

    run(main, asyncio.new_event_loop)


def test_cookies_and_proxy_settings_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.9:3128")
    monkeypatch.setenv("ALL_PROXY", "http://192.0.2.9:3128")

    async def main() -> None:
        async with Upstream() as upstream:
            named = f"http://localhost:{upstream.port}"  # a jar keeps no cookies of literal addresses
            egress = Egress(allowed(named), MemoryLedger())
            session = egress.session_for(named)
            for _ in range(2):
                async with await session.get(named) as response:
                    await response.read()
            assert upstream.cookies == ["", ""]
            await egress.close()

    run(main, asyncio.new_event_loop)


def test_another_generation_closes_what_it_no_longer_lists() -> None:
    async def main() -> None:
        async with Upstream() as kept, Upstream() as dropped:
            egress = Egress(allowed(kept.url, dropped.url), MemoryLedger())
            first, second = egress.session_for(kept.url), egress.session_for(dropped.url)
            async with await second.get(dropped.url) as response:
                await response.read()
            await egress.replace(allowed(kept.url))
            assert second.closed
            async with await first.get(kept.url) as response:
                assert response.status == 200
            with pytest.raises(EgressRefused):
                egress.session_for(dropped.url)
            await egress.close()

    run(main, asyncio.new_event_loop)


def test_addresses_of_names_that_stay_listed_stay_known() -> None:
    stays, goes = Destination.parse("http://stays.example"), Destination.parse("http://goes.example")
    door = Door(frozenset({stays, goes}))
    door.learn("Stays.example.", "192.0.2.1", 80)
    door.learn("goes.example", "192.0.2.2", 80)
    for host in ("stays.example", "goes.example"):
        door.learn(host, "192.0.2.3", 80)
    door.replace(frozenset({stays}))
    assert [door.knows_address(f"192.0.2.{last}", 80) for last in (1, 2, 3)] == [True, False, True]
    door.replace(frozenset({goes}))
    assert not door.knows_address("192.0.2.3", 80), "known for a name that was not listed any more"


def test_the_book_of_refusals_is_bounded_and_the_counter_is_not() -> None:
    door = Door()
    for k in range(REFUSALS_KEPT + 5):
        door.refuse("connect", f"host{k}" + "x" * 1000)
    assert door.refused == REFUSALS_KEPT + 5
    assert len(door.refusals) == REFUSALS_KEPT
    assert max(len(refusal.where) for refusal in door.refusals) <= 253
    for k in range(ADDRESSES_KEPT + 10):
        door.learn("name.example", f"10.{k >> 16}.{k >> 8 & 255}.{k & 255}", 443)
    assert not door.knows_address("10.0.0.0", 443)
    assert door.knows_address("10.0.16.9", 443)

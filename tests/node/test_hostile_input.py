"""Whatever arrives on a connection, the answer is JSON or a closed connection, and the node goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.node.conftest import Running, until
from tests.node.raw_requests import CHAT, GOOD, attacked, error, parsed, request, send
from tests.standins.openai_server import OpenAIStandIn


@pytest.fixture
async def weir(tmp_path: Path, upstream: OpenAIStandIn) -> AsyncIterator[Running]:
    async with attacked(tmp_path, upstream) as running:
        yield running


async def test_headers_that_never_end_are_cut_off_in_time(weir: Running) -> None:
    loop = asyncio.get_running_loop()
    for beginning in (b"", b"P", f"POST {CHAT} HTTP/1.1\r\n".encode(), b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"):
        began = loop.time()
        got = await send(weir, beginning)
        assert 0.5 < loop.time() - began < 3.0, beginning
        assert parsed(got)[0] == 408


async def test_headers_that_drip_are_cut_off_in_time(weir: Running) -> None:
    """Slowloris: a header line now and then must not reset the clock."""
    reader, writer = await asyncio.open_connection("127.0.0.1", weir.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    loop = asyncio.get_running_loop()
    began = loop.time()
    got = b""
    while not got and loop.time() - began < 5:
        try:
            writer.write(b"X-A: b\r\n")
            async with asyncio.timeout(0.1):
                got = await reader.read(65536)
        except TimeoutError:
            pass
    assert got.startswith(b"HTTP/1.1 408")
    assert loop.time() - began < 3.0
    writer.close()


async def test_the_clock_of_headers_runs_on_a_kept_connection_too_and_spares_an_idle_one(weir: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", weir.port)
    ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _ in range(2):
        writer.write(ask)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        await asyncio.sleep(0.8)  # longer than the clock: idle between two requests is allowed
    writer.write(ask[:20])
    async with asyncio.timeout(3):
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_a_long_answer_is_not_cut_off_by_the_clock_of_headers(weir: Running, upstream: OpenAIStandIn) -> None:
    upstream.behaviour.tokens_per_s = 8
    async with weir.chat("a b c d e f g h i j k l", stream=True) as response:
        raw = await response.read()
    assert raw.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("kept", ["close", "keep-alive"])
async def test_a_stream_without_chunks_ends_with_its_connection(weir: Running, kept: str) -> None:
    """HTTP/1.0 has none, so that a connection that is kept would leave its client waiting."""
    body = GOOD.replace(b"{", b'{"stream": true, ', 1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    got = await send(weir, request(body, line=f"POST {CHAT} HTTP/1.0", Connection=kept))
    assert loop.time() - began < 4
    assert got.startswith(b"HTTP/1.0 200")
    assert got.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\x00c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX A: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"GARBAGE\r\n\r\n",
        b"\r\n\r\n\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % k for k in range(3000)) + b"\r\n",
        request(b"zz\r\n", length=None, Transfer_Encoding="chunked"),
        request(b"5\r\nabc", length=None, Transfer_Encoding="gzip, chunked"),
        request(b"", length=None, Transfer_Encoding="wrong"),
    ],
    ids=lambda raw: repr(raw[:60]),
)
async def test_what_is_no_http_is_refused_as_json(weir: Running, raw: bytes) -> None:
    status, found = await error(weir, raw)
    assert status in (400, 404, 405, 408)
    assert found["weir"]["kind"] == "bad_request"


async def test_random_bytes_never_bring_it_down(weir: Running) -> None:
    import random

    draw = random.Random(1)
    for size in (1, 10, 100, 1000, 10_000):
        for _ in range(5):
            got = await send(weir, draw.randbytes(size) + b"\r\n\r\n", finish=True, seconds=2)
            if got:
                assert parsed(got)[0] in (400, 408)


@pytest.mark.parametrize(
    "name", ["X-Weir-Classification", "X-Weir-Residency", "X-Weir-Deadline", "X-Weir-Unknown", "Cache-Control"]
)
async def test_headers_of_ours_with_odd_values_are_refused_by_name_and_never_repeated(weir: Running, name: str) -> None:
    for value in ("<script>alert(1)</script>", "a" * 8000, "ünï", "1e999", "-1", "nan", "a, b"):
        got = await send(weir, request(**{name.replace("-", "_"): value}))
        if name == "Cache-Control" and got.startswith(b"HTTP/1.1 200"):
            continue
        status, found = parsed(got)
        assert status == 400
        assert found["param"].lower() == name.lower()
        assert value.encode("latin1") not in got or len(value) < 4


async def test_nothing_of_a_request_gets_into_the_headers_of_its_answer(weir: Running) -> None:
    body = {"model": "a\r\nX-Injected: 1", "messages": [{"role": "user", "content": "x\r\nX-Injected: 1"}]}
    for model in (body["model"], "auto"):
        got = await send(weir, request(json.dumps(body | {"model": model}).encode()))
        assert b"injected" not in got.partition(b"\r\n\r\n")[0].lower()


NOWHERE = [
    "/", "/v1", "/v1/", "/v2/chat/completions", "/v1/chat/completions/", "//", "/%00", "/%ff", "/?a=b",
    "/v1/chat%2fcompletions", "/v1/messages/batches", "/v1/models/",
]  # fmt: skip


@pytest.mark.parametrize("path", [*NOWHERE, "/v1/models/%00", "/v1/models/nobody"])
async def test_an_unknown_address_is_a_404(weir: Running, path: str) -> None:
    for method in ("GET", "POST") if path in NOWHERE else ("GET",):
        status, found = await error(weir, request(b"", line=f"{method} {path} HTTP/1.1"))
        assert status == 404
        assert found["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/models", "/v1/models/auto", "/v1/models?a=b"])
async def test_of_what_can_be_got_the_head_can_be_asked_for(weir: Running, path: str) -> None:
    for _ in range(2):  # on one connection: what followed a head would be read as the next answer
        async with weir.session.head(weir.url + path) as head:
            assert head.status == 200
        async with weir.session.get(weir.url + path) as whole:
            assert (whole.status, whole.headers["Content-Length"]) == (200, head.headers["Content-Length"])
    async with weir.session.head(f"{weir.url}/v1/models/nobody") as head:
        assert head.status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
async def test_a_wrong_method_is_told_so(weir: Running, method: str) -> None:
    status, _ = await error(weir, request(b"", line=f"{method} {CHAT} HTTP/1.1"))
    assert status == (400 if method == "BREW" else 405)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", CHAT, "POST"),
        ("HEAD", f"{CHAT}?a=b", "POST"),
        ("GET", "/v1/messages", "POST"),
        ("PUT", "/v1/messages/count_tokens", "POST"),
        ("GET", "/v1/responses", "POST"),
        ("POST", "/v1/models?limit=1", "GET, HEAD"),
        ("DELETE", "/v1/models/nobody", "GET, HEAD"),
        ("POST", "/v1/decisions/x", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_known_address_says_which_methods_it_takes(weir: Running, method: str, path: str, allowed: str) -> None:
    async with weir.session.request(method, weir.url + path) as response:
        assert (response.status, response.headers["Allow"]) == (405, allowed)
        if method != "HEAD":
            said = await response.json()
            assert (said["error"]["type"], said["error"]["code"]) == ("invalid_request_error", "method_not_allowed")
            assert (said.get("type") == "error") == path.startswith("/v1/messages")


@pytest.mark.parametrize(
    "line", ["OPTIONS * HTTP/1.1", "CONNECT example.com:443 HTTP/1.1", "GET http://evil/ HTTP/1.1"]
)
async def test_targets_that_are_no_path_are_told_so(weir: Running, line: str) -> None:
    status, _ = await error(weir, request(b"", line=line))
    assert status in (400, 404, 405)


async def test_expect_100_continue_is_answered(weir: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", weir.port)
    writer.write(request(b"", length=len(GOOD), Expect="100-continue"))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(GOOD)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()


async def test_http_1_0_is_not_told_to_continue_and_a_stranger_is_not_either(weir: Running) -> None:
    got = await send(weir, request(line=f"POST {CHAT} HTTP/1.0", Expect="100-continue"))
    assert b" 100 " not in got
    assert b"still here" in got
    got = await send(weir, request(Expect="100-continue", Origin="http://elsewhere.example"))
    assert got.startswith(b"HTTP/1.1 403")


async def test_another_expectation_is_refused_as_json(weir: Running) -> None:
    status, _ = await error(weir, request(Expect="200-maybe"))
    assert status in (400, 417)


async def test_http_1_0_gets_whole_answers_and_streams(weir: Running) -> None:
    got = await send(weir, request(line=f"POST {CHAT} HTTP/1.0"))
    assert got.startswith((b"HTTP/1.0 200", b"HTTP/1.1 200"))
    assert b"still here" in got
    body = GOOD.replace(b'"model"', b'"stream": true, "model"')
    got = await send(weir, request(body, line=f"POST {CHAT} HTTP/1.0"))
    assert got.endswith(b"data: [DONE]\n\n")
    assert b"chunked" not in got.lower().partition(b"\r\n\r\n")[0]


async def test_pipelined_requests_are_answered_in_order(weir: Running) -> None:
    bodies = [GOOD.replace(b"still here", b"number %d" % k) for k in range(5)]
    got = await send(weir, b"".join(request(body) for body in bodies) + request(b"{"))
    places = [got.find(b'"number %d"' % k) for k in range(5)]
    assert -1 not in places
    assert places == sorted(places)
    assert got.count(b"HTTP/1.1 200") == 5
    assert got.count(b"HTTP/1.1 400") == 1


async def test_a_flood_of_pipelined_requests_is_answered_or_cut_off(weir: Running) -> None:
    got = await send(weir, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000, seconds=10)
    assert got.count(b"HTTP/1.1 200") >= 100


async def test_a_client_that_hangs_up_at_every_possible_moment(weir: Running) -> None:
    raw = request()
    for cut in range(1, len(raw), 13):
        _, writer = await asyncio.open_connection("127.0.0.1", weir.port)
        writer.write(raw[:cut])
        writer.close()
    await until(lambda: weir.node.active == 0)


async def test_a_thousand_idle_connections_leave_room_for_work(weir: Running) -> None:
    held = [await asyncio.open_connection("127.0.0.1", weir.port) for _ in range(400)]
    assert (await weir.ask("in between"))[0] == 200
    held += [await asyncio.open_connection("127.0.0.1", weir.port) for _ in range(600)]
    assert (await weir.ask("in between too"))[0] == 200
    for reader, _ in held:
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
    for _, writer in held:
        writer.close()


async def test_odd_questions_for_records_are_refused_or_answered(weir: Running) -> None:
    for query in ("limit=x", "wait=x", "limit=-5", "limit=999999999", "wait=-1", "after=nobody", "wait=nan",
                  "limit=1e3", "after=%00", "limit=" + "9" * 5000):  # fmt: skip
        async with asyncio.timeout(3):
            status, _ = await weir.get(f"/weir/v1/records?{query}")
        assert status in (200, 400), query

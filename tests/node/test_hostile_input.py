"""Whatever arrives on the socket, the answer is JSON or a closed connection, and the node goes on."""

from __future__ import annotations

import asyncio
import gzip
import io
import itertools
import json
import os
import threading
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.node.conftest import Running, Start, fake_card, running_node, until, upstream_card
from tests.node.doubles import FakePath, answer
from tests.standins.openai_server import OpenAIStandIn

CHAT = "/v1/chat/completions"
GOOD = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "still here"}]}).encode()


@pytest.fixture
async def weir(tmp_path: Path, upstream: OpenAIStandIn) -> AsyncIterator[Running]:
    """A node with short clocks and a small body limit. After each test it must still answer."""
    limits = {"body_bytes": 65536, "header_timeout_s": 0.6, "body_timeout_s": 0.6}
    async with running_node(tmp_path, upstream_card(upstream.base_url), limits=limits) as running:
        before = await settled()
        yield running
        status, body, _ = await running.ask("still here")
        assert (status, body["choices"][0]["message"]["content"]) == (200, "still here")
        await running.session.close()
        # A few to the upstream are kept, and databases (three files each) are opened with their first write.
        await until(lambda: len(os.listdir("/proc/self/fd")) <= before + 20)
        assert running.node.active == 0


async def settled() -> int:
    await asyncio.sleep(0.02)
    return len(os.listdir("/proc/self/fd"))


def request(body: bytes = GOOD, *, line: str = f"POST {CHAT} HTTP/1.1", length: Any = ..., **headers: str) -> bytes:
    """The bytes of one request; names of headers with _ for -."""
    stated = {
        "Host": "localhost",
        "Content-Type": "application/json",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    if length is not None:
        stated["Content-Length"] = str(len(body) if length is ... else length)
    head = "".join(f"{name}: {value}\r\n" for name, value in stated.items())
    return f"{line}\r\n{head}\r\n".encode("latin1") + body


async def send(weir: Running, raw: bytes, *, finish: bool = False, seconds: float = 5.0) -> bytes:
    """Everything that comes back until the node closes, or until it has been silent for a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", weir.port)
    got = b""
    try:
        try:
            writer.write(raw)
            await writer.drain()
            if finish:
                writer.write_eof()
        except ConnectionError:
            pass
        ends = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < ends:
            async with asyncio.timeout(0.4 if complete(got) else seconds):
                data = await reader.read(65536)
            if not data:
                break
            got += data
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return got


def complete(got: bytes) -> bool:
    head, gap, body = got.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return bool(gap) and len(body) >= int(line.split(b":")[1])
    return False


def parsed(got: bytes) -> tuple[int, dict[str, Any]]:
    """Status and error of one answer, checked for its form."""
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode("latin1").split("\r\n")
    assert lines[0].startswith("HTTP/1."), got[:200]
    types = [line for line in lines if line.lower().startswith("content-type:")]
    assert types == ["Content-Type: application/json; charset=utf-8"] or types == ["Content-Type: application/json"]
    value = orjson.loads(body)
    assert set(value) == {"error"}
    assert {"message", "type", "param", "code", "weir"} == set(value["error"])
    return int(lines[0].split()[1]), value["error"]


async def error(weir: Running, raw: bytes, **over: Any) -> tuple[int, dict[str, Any]]:
    return parsed(await send(weir, raw, **over))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b"nul",
        b"[1]",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"model": "auto", "messages": [{"role": "user", "content": "\xff"}]}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "\\ud800"}]}' * 2,
        b'{"model": NaN}',
        b'{"model": "auto", "temperature": NaN, "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "auto", "temperature": Infinity, "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "auto", "temperature": 1e999, "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "auto", "max_tokens": 99999999999999999999, "messages": [{"role": "user", "content": "x"}]}',
        b'{"a":' * 30_00 + b"1" + b"}" * 3000,
        b"[" * 60_000,
        b'{"model": "auto", "messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"model": "auto", "model": "auto", "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": null, "messages": null}',
        b'{"model": ["auto"], "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "auto", "messages": {"role": "user"}}',
        b'{"model": "auto", "messages": [[]]}',
        b'{"model": "auto", "messages": []}',
        b'{"model": "auto", "messages": [{"role": "user", "content": 5}]}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "stream": "yes"}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "n": 1e3}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "n": -1}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "stop": [[]]}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "\\u0000": 1}',
        b"\x00" * 1000,
        b"\xef\xbb\xbf" + GOOD,
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_a_body_that_is_no_request_is_a_400(weir: Running, body: bytes) -> None:
    status, found = await error(weir, request(body))
    assert status == 400
    assert found["type"] == "invalid_request_error"


@pytest.mark.parametrize("name", ["gpt-4", "../../etc/passwd", "auto:", "auto:worst", "x" * 200, "a\x00b", "é", " "])
async def test_a_model_that_is_not_there_is_named_so(weir: Running, name: str) -> None:
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": "x"}]}).encode()
    status, found = await error(weir, request(body))
    assert status in (400, 404)
    assert found["param"] == "model"


async def test_a_lone_surrogate_in_json_is_refused_or_repaired_never_a_500(weir: Running) -> None:
    body = rb'{"model": "auto", "messages": [{"role": "user", "content": "a\ud800b"}]}'
    got = await send(weir, request(body))
    assert got.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))


@pytest.mark.parametrize("length", [65537, 10**9, 10**18])
async def test_a_body_that_is_announced_too_large_is_refused_unread(weir: Running, length: int) -> None:
    status, found = await error(weir, request(b"{", length=length))
    assert (status, found["code"]) == (413, "body_too_large")


async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(weir: Running) -> None:
    shell = len(GOOD) - len(b"still here")
    for size, status in ((65536, 200), (65537, 413)):
        got = await send(weir, request(GOOD.replace(b"still here", b"x" * (size - shell))))
        assert got.startswith(f"HTTP/1.1 {status}".encode()), (size, got[:300])


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


async def test_a_chunked_body_is_read_up_to_the_limit(weir: Running) -> None:
    head = request(b"", length=None, Transfer_Encoding="chunked")
    got = await send(weir, head + chunked(GOOD[:10], GOOD[10:]) + b"0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200")
    status, found = await error(weir, head + chunked(*[b" " * 8192] * 9))
    assert (status, found["code"]) == (413, "body_too_large")


async def test_a_body_that_unpacks_beyond_the_limit_is_refused(weir: Running) -> None:
    bomb = gzip.compress(b" " * 30_000_000)
    status, found = await error(weir, request(bomb, Content_Encoding="gzip"))
    assert (status, found["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_body_is_read(weir: Running, coding: str) -> None:
    packed = gzip.compress(GOOD) if coding == "gzip" else zlib.compress(GOOD)
    assert (await send(weir, request(packed, Content_Encoding=coding))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "snappy", "gzip, gzip", ""])
async def test_a_coding_that_does_not_fit_the_body_is_refused(weir: Running, coding: str) -> None:
    body = b"\x1f\x8b\x08 not what it says" if coding else b"\x1f\x8b"
    status, _ = await error(weir, request(body, Content_Encoding=coding))
    assert status in (400, 415)


async def test_a_slow_body_is_cut_off_in_time(weir: Running) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    status, found = await error(weir, request(GOOD[:5], length=len(GOOD)))
    assert (status, found["code"]) == (408, "request_timeout")
    assert 0.5 < loop.time() - began < 3.0


async def test_a_body_that_drips_is_cut_off_in_time(weir: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", weir.port)
    writer.write(request(b"", length=10_000))
    loop = asyncio.get_running_loop()
    began = loop.time()
    got = b""
    while not got and loop.time() - began < 5:
        writer.write(b" ")
        try:
            async with asyncio.timeout(0.1):
                got = await reader.read(65536)
        except TimeoutError:
            pass
    assert parsed(got)[0] == 408
    assert loop.time() - began < 3.0
    writer.close()


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
    "/", "/v1", "/v1/", "/v2/chat/completions", "/v1/chat/completions/", "//", "/%00", "/%ff", "/v1/models/%00",
    "/v1/models/nobody", "/?a=b", "/v1/chat%2fcompletions",
]  # fmt: skip


@pytest.mark.parametrize("path", NOWHERE)
async def test_an_unknown_address_is_a_404(weir: Running, path: str) -> None:
    for method in ("GET", "POST"):
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
    assert status in (400, 404, 405)


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


async def test_a_long_body_is_read_beside_the_loop_and_a_short_one_on_it(start: Start, upstream: OpenAIStandIn) -> None:
    def read_beside() -> bool:
        return any(thread.name.startswith("weir-reading") for thread in set(threading.enumerate()) - before)

    async with start(upstream_card(upstream.base_url)) as weir:
        before = set(threading.enumerate())
        for text, long in (("a word " * 1_000, False), ("a word " * 20_000, True)):
            assert (await weir.ask(text))[0] in (200, 400)  # the longer one fits nobody
            assert read_beside() is long


async def test_who_sends_a_hundred_thousand_names_is_refused_and_holds_up_nobody(
    start: Start, upstream: OpenAIStandIn
) -> None:
    many = b'{"model":"auto","messages":[],' + b",".join(b'"%x":1' % at for at in range(101_000)) + b"}"
    async with start(upstream_card(upstream.base_url)) as weir:
        async with weir.session.post(f"{weir.url}{CHAT}", data=many) as response:
            assert response.status == 400
            assert "more than 100000 values" in (await response.json())["error"]["message"]
        row = (await weir.records())[-1]
        assert (row["outcome"]["status"], row["outcome"]["error_code"]) == ("failed", "invalid_request")
        assert (await weir.ask("still here"))[0] == 200


HOLDS_UP = {
    "names": [{"role": "user", "content": "x"} | {f"{at:x}": 1 for at in range(400_000)}],
    "escapes": [{"role": "user", "content": "\\n" * 1_000_000}],
    "signs": [{"role": "user", "content": "ж, " * 20_000}] * 20,
}


@pytest.mark.parametrize("kind", HOLDS_UP)
async def test_no_body_holds_the_loop(tmp_path: Path, kind: str) -> None:
    """By the processor time of its own thread between two turns. Read on the loop, each takes a quarter of a second."""
    body = io.BytesIO(orjson.dumps({"model": "auto", "messages": HOLDS_UP[kind]}))
    async with running_node(tmp_path, fakes=(FakePath(fake_card("device/a"), answer("yes")),)) as weir:
        assert (await weir.ask())[0] == 200
        asking = asyncio.create_task(weir.session.post(f"{weir.url}{CHAT}", data=body).__aenter__())
        longest, last = 0.0, time.thread_time()
        while not asking.done():
            await asyncio.sleep(0.0005)
            now = time.thread_time()
            longest, last = max(longest, now - last), now
        assert (await asking).status == (400 if kind == "names" else 200)
        (await asking).release()
    assert longest < 0.2


async def test_bodies_that_wait_to_be_read_are_bounded_and_hold_up_no_short_ones(tmp_path: Path) -> None:
    """One is read at a time; what waits counts as on its way until it was."""
    body = orjson.dumps({"model": "auto", "messages": HOLDS_UP["names"]})
    async with running_node(tmp_path, fakes=(FakePath(fake_card("device/a"), answer("yes")),)) as weir:
        begun, go_on = threading.Event(), threading.Event()
        weir.node.reading.submit(lambda: (begun.set(), go_on.wait(30)))
        assert begun.wait(5)
        most = (128 << 20) // len(body)
        try:
            asking = [asyncio.create_task(_status_of(weir, body)) for _ in range(most + 3)]
            refused = {await first for first in itertools.islice(asyncio.as_completed(asking), 3)}
            assert refused == {503}
            assert (await weir.ask())[0] == 200
            counted = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
            async with weir.session.post(f"{weir.url}/v1/messages/count_tokens", json=counted) as response:
                assert response.status == 200
        finally:
            go_on.set()
        assert {await one for one in asking} == {400, 503}


async def _status_of(weir: Running, body: bytes) -> int:
    async with weir.session.post(f"{weir.url}{CHAT}", data=io.BytesIO(body)) as response:
        return response.status

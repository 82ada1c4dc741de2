"""Whatever body arrives, the answer is JSON or a closed connection, and the node goes on."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.node.conftest import Running
from tests.node.raw_requests import GOOD, attacked, error, parsed, request, send
from tests.standins.openai_server import OpenAIStandIn


@pytest.fixture
async def weir(tmp_path: Path, upstream: OpenAIStandIn) -> AsyncIterator[Running]:
    async with attacked(tmp_path, upstream) as running:
        yield running


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

"""Requests as bytes on a socket, and a node that is sent such: for tests of what no client library would send."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from tests.node.conftest import Running, running_node, until, upstream_card
from tests.standins.openai_server import OpenAIStandIn

CHAT = "/v1/chat/completions"
GOOD = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "still here"}]}).encode()


@asynccontextmanager
async def attacked(directory: Path, upstream: OpenAIStandIn) -> AsyncIterator[Running]:
    """A node with short clocks and a small body limit. After each test it must still answer, and hold nothing."""
    limits = {"body_bytes": 65536, "header_timeout_s": 0.6, "body_timeout_s": 0.6}
    async with running_node(directory, upstream_card(upstream.base_url), limits=limits) as running:
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

"""A stand-in for an OpenAI-compatible server in trouble, which numbers its tokens and keeps a ledger of what it bills.

    python -m tests.standins.numbered --name a --trouble hang --after 10

Its k-th token is its name and k ("a7 "), so that lost, doubled and mixed text shows. Its prompt's tokens are its words.
Usage comes with every chunk where `stream_options.continuous_usage_stats` asks for it, as vLLM does. It speaks HTTP/1.1
by itself, because what it does wrong no server library does on purpose.

`TROUBLES` lists what it does wrong. It prints one line of JSON with its address and serves until it is stopped; GET
/ledger tells what was received and billed, POST /trouble changes what it does. `Remote` is one in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from tests.standins.bills import line_of

TROUBLES = {
    "": "answers",
    "429": "429 with Retry-After, after a wait of none",
    "429-bare": "429 without Retry-After",
    "503": "503 with an error body",
    "500": "500 with an error body",
    "hang": "streams `after` tokens, then nothing; whole: nothing at all",
    "cut": "streams `after` tokens, then cuts the connection inside of a chunk; whole: inside of its body",
    "end": "streams `after` tokens, then closes the connection between two chunks",
    "mute": "takes the request and says nothing",
    "ping": "sends comments, and no token",
    "role": "sends the role, and no token",
}


@dataclass
class Billed:
    """One call: what came in, and what is billed for it. `ended` says how it did."""

    body: str  # SHA-256
    bytes: int
    stream: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    ended: str = "at work"
    seconds: float = 0.0  # from its last byte in to its end
    gone_at: float = 0.0  # by the monotonic clock: when the client was seen to have left


@dataclass
class NumberedStandIn:
    """The server. `async with NumberedStandIn(name="a") as server:` serves on a free loopback port."""

    name: str = "a"
    trouble: str = ""
    after: int = 10  # tokens
    retry_after: str = "5"
    tokens: int = 20  # of an answer, where the request does not say `max_tokens`
    first_s: float = 0.0
    pause_s: float = 0.0
    stamped: bool = False  # a token is the monotonic clock's nanoseconds at which it was sent
    port: int = 0
    cached: int = 0  # tokens of each prompt that it has already, at most
    thinks: int = 0  # tokens of each answer that it thinks first, and does not show
    lingers_s: float = 0.0  # for how long it goes on after it saw its client leave
    next_troubles: list[str] = field(default_factory=list)  # of the next calls, before `trouble` is
    calls: list[Billed] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    open_now: int = 0
    tls: ssl.SSLContext | None = None
    waiting: int = 0  # that it shows under /metrics
    looks: int = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 22, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._talks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._talks):
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    @property
    def base_url(self) -> str:
        return f"https://localhost:{self.port}/v1" if self.tls else f"http://127.0.0.1:{self.port}/v1"

    @property
    def billed(self) -> tuple[int, int]:
        """Tokens in and out, of all calls."""
        return sum(one.prompt_tokens for one in self.calls), sum(one.completion_tokens for one in self.calls)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request. False where the connection has ended."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        length = next((int(line[15:]) for line in head if line.lower().startswith("content-length:")), 0)
        raw = await reader.readexactly(length)
        method, address, _ = head[0].split(" ")
        if address == "/metrics":
            self.looks += 1
            page = f'vllm:num_requests_running{{model_name="m"}} {self.open_now}.0\n'
            page += f'vllm:num_requests_waiting{{model_name="m"}} {self.waiting}.0\n'
            return _whole(writer, 200, f'# TYPE x gauge\n{page}vllm:kv_cache_usage_perc{{a="b"}} 0.25\n'.encode())
        if method == "GET":
            bodies = [base64.b64encode(body).decode() for body in self.bodies]
            return _whole(writer, 200, orjson.dumps({"calls": [asdict(one) for one in self.calls], "bodies": bodies}))
        if address == "/trouble":
            vars(self).update(orjson.loads(raw))
            return _whole(writer, 200, b"{}")
        body = orjson.loads(raw)
        call = Billed(hashlib.sha256(raw).hexdigest(), len(raw), bool(body.get("stream")))
        self.calls.append(call)
        self.bodies.append(raw)
        self.open_now += 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        said = asyncio.ensure_future(self._say(writer, body, call))
        gone = asyncio.ensure_future(reader.read(1))  # no client sends a second request before the first is answered
        try:
            await asyncio.wait((said, gone), return_when=asyncio.FIRST_COMPLETED)
            if said.done():
                call.ended = call.ended if call.ended != "at work" else "answered"
                return said.result() and not writer.is_closing()
            call.ended, call.gone_at = "cancelled", time.monotonic()
            await asyncio.wait((said,), timeout=self.lingers_s)
            said.cancel()
            return False
        except asyncio.CancelledError:
            call.ended = "stopped"
            raise
        finally:
            call.seconds = loop.time() - began
            self.open_now -= 1
            for one in (said, gone):
                one.cancel()
            await asyncio.gather(said, gone, return_exceptions=True)

    async def _say(self, writer: asyncio.StreamWriter, body: dict[str, Any], call: Billed) -> bool:
        trouble = self.next_troubles.pop(0) if self.next_troubles else self.trouble
        count = int(body.get("max_tokens") or self.tokens)
        if trouble in ("429", "429-bare", "503", "500"):
            call.ended = trouble
            status = int(trouble[:3])
            extra = f"Retry-After: {self.retry_after}\r\n" if trouble == "429" else ""
            error = {"error": {"message": "stand-in: in trouble", "type": "server_error", "code": None}}
            return _whole(writer, status, orjson.dumps(error), extra)
        if trouble == "mute":
            await asyncio.sleep(3600)
        if not body.get("stream"):
            return await self._say_whole(writer, body, call, count, trouble)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        options = body.get("stream_options") or {}
        self._read(body, call)
        piecewise = bool(options.get("continuous_usage_stats"))

        def usage() -> dict[str, Any]:
            return _usage(call)

        def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return _chunk({"choices": [choice], "usage": usage() if piecewise else None})

        if trouble == "ping":
            while True:
                await _write(writer, b"d\r\n: still here\n\r\n")
                await asyncio.sleep(0.02)
        await _write(writer, event({"role": "assistant", "content": ""}))
        if trouble == "role":
            await asyncio.sleep(3600)
        if self.first_s:
            await asyncio.sleep(self.first_s)
        for k in range(count):
            if k == self.after and trouble == "hang":
                await asyncio.sleep(3600)
            if k == self.after and trouble == "end":
                call.ended = "ended"
                return False
            call.completion_tokens += 1
            data = event({"content": f"{time.monotonic_ns()} " if self.stamped else f"{self.name}{k} "})
            if k == self.after and trouble == "cut":
                writer.write(data[: len(data) // 2])
                call.ended = "cut"
                return False
            await _write(writer, data)
            if self.pause_s:
                await asyncio.sleep(self.pause_s)
        writer.write(event({}, "stop"))
        if options.get("include_usage"):
            writer.write(_chunk({"choices": [], "usage": usage()}))
        await _write(writer, b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        return True

    def _read(self, body: dict[str, Any], call: Billed) -> None:
        """The prompt is computed, and thinking begun: from here on it is billed."""
        call.prompt_tokens = prompt_tokens(body)
        call.cached_tokens = min(self.cached, call.prompt_tokens)
        call.completion_tokens = call.reasoning_tokens = self.thinks

    async def _say_whole(
        self, writer: asyncio.StreamWriter, body: dict[str, Any], call: Billed, count: int, trouble: str
    ) -> bool:
        self._read(body, call)
        if trouble == "hang":
            await asyncio.sleep(3600)
        await asyncio.sleep(self.first_s + count * self.pause_s)
        call.completion_tokens += count
        text = "".join(f"{self.name}{k} " for k in range(count))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        raw = orjson.dumps({"choices": [choice], "usage": _usage(call)})
        if trouble in ("cut", "end"):
            call.ended = "cut"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(raw), raw[: len(raw) // 2]))
            return False
        return _whole(writer, 200, raw)


def prompt_tokens(body: dict[str, Any]) -> int:
    """Words of every message."""
    return sum(len(str(message.get("content") or "").split()) for message in body.get("messages", ()))


def _usage(call: Billed) -> dict[str, Any]:
    return {
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": call.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": call.reasoning_tokens},
    }


def _chunk(found: dict[str, Any]) -> bytes:
    data = b"data: " + orjson.dumps(found) + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(writer: asyncio.StreamWriter, status: int, raw: bytes, extra: str = "") -> bool:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n{extra}\r\n"
    writer.write(head.encode() + raw)
    return True


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    """What was handed to a connection that has ended is not said, and so not billed."""
    writer.write(data)
    await writer.drain()


class Remote:
    """A stand-in in a process of its own: `with Remote("a", trouble="cut") as server:`, with its command's options.

    `settle` takes over its ledger: then `calls`, `bodies` and `billed` are what it has seen.
    """

    def __init__(self, name: str, **options: object) -> None:
        self.name = name
        self._flags = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        self.calls: list[Billed] = []
        self.bodies: list[bytes] = []
        self.base_url = ""

    @property
    def port(self) -> int:
        return int(self.base_url.rpartition(":")[2].partition("/")[0])

    @property
    def billed(self) -> tuple[int, int]:
        """Tokens in and out, of all calls."""
        return sum(one.prompt_tokens for one in self.calls), sum(one.completion_tokens for one in self.calls)

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.standins.numbered", "--name", self.name, *self._flags]
        root = Path(__file__).resolve().parents[2]
        self._child = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert self._child.stdout is not None
        self.base_url = json.loads(self._child.stdout.readline())["base_url"]
        return self

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.wait(10)
        assert self._child.stdout is not None
        self._child.stdout.close()

    def change(self, **settings: object) -> None:
        """What it does from now on."""
        self._ask("/trouble", json.dumps(settings).encode())

    def settle(self) -> None:
        """Take over its ledger."""
        found = self._ask("/ledger")
        self.calls = [Billed(**one) for one in found["calls"]]
        self.bodies = [base64.b64decode(body) for body in found["bodies"]]

    def _ask(self, address: str, body: bytes | None = None) -> Any:
        url = self.base_url.removesuffix("/v1") + address
        with urllib.request.urlopen(url, body, timeout=30) as response:
            return json.loads(response.read())


async def _run(arguments: argparse.Namespace) -> None:
    async with NumberedStandIn(**vars(arguments)) as server:
        print(json.dumps({"base_url": server.base_url}), flush=True)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()
    with suppress(BrokenPipeError):  # nobody wants to know
        print(line_of(server.calls), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for an OpenAI-compatible server in trouble.")
    parser.add_argument("--name", default="a")
    parser.add_argument("--trouble", default="", choices=TROUBLES)
    parser.add_argument("--after", type=int, default=10, help="tokens before the trouble")
    parser.add_argument("--retry-after", default="5")
    parser.add_argument("--tokens", type=int, default=20, help="of an answer")
    parser.add_argument("--first-s", type=float, default=0.0, help="before the first token")
    parser.add_argument("--pause-s", type=float, default=0.0, help="between two tokens")
    parser.add_argument("--stamped", action="store_true", help="tokens are the time at which they were sent")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()

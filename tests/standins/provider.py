"""What stand-ins for providers have in common: a server that counts, bills, and fails on demand.

A provider's own file says how its answers, events and errors look (`Wire`); this one serves them. Failures are asked
for per request by the model's name (`mode:NAME`) or the header `X-Stand-In-Mode`; `MODES` lists them. Nothing is
patched: whoever talks to it gets bytes of the provider's form.
"""

from __future__ import annotations

import asyncio
import gzip
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from tests.standins.bills import Bill, Bills
from tests.standins.openai_answers import Answer, Behaviour
from tests.standins.server import StandIn

MODES = {
    "429": "busy, with Retry-After: 7 where the provider has it",
    "500": "fails, quoting the prompt",
    "503": "unavailable",
    "401": "refuses the key, quoting it",
    "404": "unknown model",
    "400": "an invalid request, quoting the prompt",
    "too-long": "the prompt is too long",
    "hang": "never sends a byte",
    "stall": "streams two pieces, then nothing",
    "cut": "cuts the connection in the middle of a piece",
    "cut-after": "cuts the connection after two whole pieces",
    "malformed": "what should be JSON is not",
    "wrong-shape": "valid JSON of another shape",
    "bad-utf8": "bytes that are no UTF-8, split between two writes",
    "no-usage": "an answer without usage",
    "no-end": "a stream that ends after two pieces as if all were well",
    "error-event": "streams two pieces, then the provider's error",
    "redirect": "307 to another host",
    "html": "a proxy's HTML page with status 502",
    "drip": "sends the answer one byte at a time",
    "huge": "an answer that does not end",
    "gzip-bomb": "an answer that was packed though nobody asked for it, and is huge",
    "strange-tool": "calls a tool that nobody offered",
    "think": "shows what it thinks before it answers",
}
_IN_STREAM = frozenset(("stall", "cut", "cut-after", "no-end", "error-event", "malformed", "wrong-shape", "bad-utf8"))


class Wire(ABC):
    """How one provider writes. Bodies are those of its own API."""

    name: str
    routes: tuple[str, ...]
    stream_type: str
    json_type = "application/json"

    @abstractmethod
    def model(self, request: web.Request, body: dict[str, Any]) -> str:
        """The model that is asked for."""

    @abstractmethod
    def key(self, request: web.Request) -> str:
        """The key that was brought, in plain; '' where none was. Signed requests are looked at by `refuses`."""

    @abstractmethod
    def refuses(self, request: web.Request, raw: bytes, key: str) -> bool:
        """Whether the request does not bring what `key` demands."""

    @abstractmethod
    def streams(self, request: web.Request, body: dict[str, Any]) -> bool:
        """Whether a stream is asked for."""

    @abstractmethod
    def compose(self, body: dict[str, Any], behaviour: Behaviour) -> Answer:
        """The answer by the book or by echo."""

    @abstractmethod
    def whole(self, body: dict[str, Any], answer: Answer, mode: str) -> bytes:
        """An answer in one piece."""

    @abstractmethod
    def events(self, body: dict[str, Any], answer: Answer, mode: str) -> Iterator[tuple[bytes, int]]:
        """The pieces of a stream as they go on the wire, each with how many tokens it carries."""

    @abstractmethod
    def error(self, what: str, quoted: str) -> web.Response:
        """The error for a mode such as '429'; `quoted` is repeated in its prose as real servers do."""

    @abstractmethod
    def spoiled(self, mode: str, quoted: str) -> bytes:
        """The piece of a stream that 'error-event', 'malformed', 'wrong-shape' or 'bad-utf8' stands for."""

    def thought(self, body: dict[str, Any], mode: str) -> int:
        """How many tokens of thinking it bills besides those of the answer."""
        return 0

    def other(self, request: web.Request, body: dict[str, Any], mode: str, bill: Bill) -> web.Response | None:
        """The answer to what is no chat; None where it is one."""
        return None


class ProviderStandIn(StandIn):
    """The server. `bills` is what it would charge for, and what it prints when it is ended as a command."""

    def __init__(
        self, wire: Wire, behaviour: Behaviour | None = None, *, host: str = "127.0.0.1", port: int = 0, tls: Any = None
    ) -> None:
        super().__init__(behaviour, host=host, port=port, tls=tls)
        self.wire = wire
        self.bills = Bills()

    def routes(self, app: web.Application) -> None:
        for route in self.wire.routes:
            app.router.add_post(route, self._serve)

    def last_line(self) -> str:
        return self.bills.line()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.begun(request.path)
        bill = self.bills.open("")
        try:
            raw = await request.read()
            body: dict[str, Any] = orjson.loads(raw)
            self.keep(request, body)
            return await self._answer(request, raw, body, bill)
        except ConnectionResetError:  # the client left while being written to: nobody to tell
            self.cancelled += 1
            bill.ended = "left"
            return web.Response()
        except asyncio.CancelledError:
            self.cancelled += 1
            bill.ended = "left"
            raise
        finally:
            self.ended()

    async def _answer(self, request: web.Request, raw: bytes, body: dict[str, Any], bill: Bill) -> web.StreamResponse:
        behaviour, wire = self.behaviour, self.wire
        bill.model = wire.model(request, body)
        named = bill.model.removeprefix("mode:") if bill.model[:5] == "mode:" else ""
        mode = request.headers.get("X-Stand-In-Mode", named)
        quoted = f"{wire.key(request)} {raw[:2000]!r}"
        if behaviour.key and wire.refuses(request, raw, behaviour.key):
            mode = "401"
        if mode == "hang":
            await asyncio.sleep(3600)
        if mode in ("429", "500", "503", "401", "404", "400", "too-long"):
            return wire.error(mode, quoted)
        if mode == "redirect":
            return web.Response(status=307, headers={"Location": behaviour.redirect_to})
        if mode == "html":
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        if behaviour.delay_first_s:
            await asyncio.sleep(behaviour.delay_first_s)
        other = wire.other(request, body, mode, bill)
        if other is not None:
            return other
        answer = wire.compose(body, behaviour)
        if mode == "strange-tool":
            call = {"id": "call_1", "type": "function", "function": {"name": "launch", "arguments": "{}"}}
            answer = Answer([], "tool_calls", answer.prompt_tokens, call)
        if answer.prompt_tokens > behaviour.context_tokens:
            return wire.error("too-long", quoted)
        bill.ended, bill.prompt_tokens, bill.cached_tokens = "begun", answer.prompt_tokens, answer.cached_tokens
        if wire.streams(request, body):
            return await self._stream(request, body, answer, mode, bill, quoted)
        if behaviour.tokens_per_s:
            await asyncio.sleep(len(answer.tokens) / behaviour.tokens_per_s)
        return await self._whole(request, body, answer, mode, bill)

    async def _whole(
        self, request: web.Request, body: dict[str, Any], answer: Answer, mode: str, bill: Bill
    ) -> web.StreamResponse:
        raw = self.wire.whole(body, answer, mode)
        if mode == "malformed":
            raw = raw[: len(raw) // 2]
        elif mode == "wrong-shape":
            raw = b'{"output": 3, "message": 3, "usage": "much"}'
        elif mode == "bad-utf8":
            raw = raw.replace(b'"', b'"\xf0\x9f', 5)
        elif mode == "gzip-bomb":
            return packed(self.wire.json_type)
        self._settle(bill, answer, self.wire.thought(body, mode))
        if mode not in ("cut", "huge", "drip", "stall", "cut-after"):
            return web.Response(body=raw, content_type=self.wire.json_type)
        response = web.StreamResponse(headers={"Content-Type": self.wire.json_type})
        if mode in ("cut", "stall", "cut-after"):
            response.content_length = len(raw)
        await response.prepare(request)
        if mode == "drip":
            for at in range(len(raw)):
                await response.write(raw[at : at + 1])
            return response
        await response.write(raw[: len(raw) // 2])
        while mode == "huge":
            await response.write(b" " * 65536)
        await asyncio.sleep(3600 if mode == "stall" else 0.01)
        if request.transport is not None:
            request.transport.abort()
        return response

    async def _stream(
        self, request: web.Request, body: dict[str, Any], answer: Answer, mode: str, bill: Bill, quoted: str
    ) -> web.StreamResponse:
        if mode == "gzip-bomb":
            return packed(self.wire.stream_type)
        response = web.StreamResponse(headers={"Content-Type": self.wire.stream_type})
        await response.prepare(request)
        pause = 1 / self.behaviour.tokens_per_s if self.behaviour.tokens_per_s else 0.0
        said = 0
        for raw, tokens in self.wire.events(body, answer, mode):
            if pause and tokens:
                await asyncio.sleep(pause)
            if said == 2 and mode in _IN_STREAM:
                if mode == "stall":
                    await asyncio.sleep(3600)
                if mode in ("cut", "cut-after"):
                    if mode == "cut":
                        await response.write(raw[: len(raw) // 2])
                        await asyncio.sleep(0.01)
                    if request.transport is not None:
                        request.transport.abort()
                    return response
                if mode == "no-end":
                    return response
                spoiled = self.wire.spoiled(mode, quoted)
                await response.write(spoiled[: len(spoiled) // 2])
                await asyncio.sleep(0.005)
                await response.write(spoiled[len(spoiled) // 2 :])
                return response
            if mode == "drip":
                for at in range(len(raw)):
                    await response.write(raw[at : at + 1])
            else:
                await response.write(raw)
            while mode == "huge" and tokens:
                await response.write(raw * 50)
            bill.completion_tokens += tokens
            said += bool(tokens)
        self._settle(bill, answer, self.wire.thought(body, mode))
        await response.write_eof()
        return response

    def _settle(self, bill: Bill, answer: Answer, thought: int) -> None:
        bill.completion_tokens = answer.usage(1)["completion_tokens"] + thought
        bill.reasoning_tokens = thought
        bill.ended = "whole"


def packed(content_type: str) -> web.Response:
    """Half a gigabyte of blanks in half a megabyte, packed though nobody asked for it."""
    bomb = gzip.compress(b" " * (16 << 20), 9) * 32
    return web.Response(body=bomb, headers={"Content-Type": content_type, "Content-Encoding": "gzip"})

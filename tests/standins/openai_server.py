"""A stand-in for an OpenAI-compatible server: the real wire format, no model behind it.

It says so in every answer (`system_fingerprint: stand-in`). Answers come from an answer book (JSONL rows of
id, prompt, answer) or echo the last user message. `make demo` runs it as the frontier:

    python -m tests.standins.openai_server --answers FILE --delay-first 0.4 --tokens-per-s 60

It prints one line of JSON with its port and serves until it is stopped. Failures are asked for per request,
by model name (`mode:NAME`) or by the header `X-Stand-In-Mode`; `MODES` lists them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
from aiohttp import web

from tests.standins import openai_flavours as flavours
from tests.standins.openai_answers import (
    LABEL,
    Answer,
    Behaviour,
    compose,
    logprobs_of,
    prompt_of,
    prompt_tokens_of,
    tokens_of,
)
from tests.standins.server import StandIn, alike, serve

__all__ = ["LABEL", "MODES", "Behaviour", "OpenAIStandIn", "main"]

CREATED = 1_750_000_000

MODES = {
    "429": "429 with Retry-After: 7",
    "500": "500 with an error body",
    "503": "503 with an error body",
    "401": "401, quoting the key back as real servers do",
    "404": "404, unknown model",
    "400": "400 that names a parameter and quotes the prompt in its prose",
    "too-long": "400 with context_length_exceeded",
    "hang": "never sends a byte",
    "stall": "streams two pieces, then nothing",
    "cut": "streams two pieces, then cuts the connection; without streaming, half a body",
    "malformed": "JSON or SSE data that is not JSON",
    "wrong-shape": "valid JSON of another shape",
    "no-usage": "an answer without usage",
    "no-done": "a stream without [DONE], with usage",
    "no-done-no-usage": "a stream that gives its finish reason and then only ends",
    "no-end": "a stream that ends after two pieces as if all were well",
    "error-event": "streams two pieces, then an error object",
    "redirect": "307 to another host",
    "html": "a proxy's HTML page with status 502",
    "drip": "sends the answer one byte at a time",
    "crlf": "streams with CRLF, comments and empty events between",
    "huge": "an answer that does not end",
    "refuse": "a refusal in place of content",
}
# Failures and manners that only some flavours have.
FLAVOUR_MODES = {
    "think": "shows what it thinks before it answers",
    "filtered": "its filter refuses the prompt",
    "loading": "the model is being loaded",
    "no-credit": "402: nothing is left on the account",
    "abort": "gives up and ends the stream as if it had not",
}


class OpenAIStandIn(StandIn):
    """The server; `seen` counts by address behind `/v1/`."""

    def __init__(self, behaviour: Behaviour | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(behaviour, host=host, port=port)
        self._held: dict[str, list[list[str]]] = {}  # by cache_salt

    @property
    def base_url(self) -> str:
        return f"{super().base_url}/v1"

    def routes(self, app: web.Application) -> None:
        for address in ("chat/completions", "completions", "embeddings"):
            app.router.add_post(f"/v1/{address}", self._serve)
            app.router.add_post(f"/openai/v1/{address}", self._serve)
            app.router.add_post(f"/openai/deployments/{{model}}/{address}", self._serve)
        app.router.add_get("/v1/models", self._models)

    async def _models(self, request: web.Request) -> web.Response:
        self.seen["models"] += 1
        rows = [{"id": LABEL, "object": "model", "created": CREATED, "owned_by": LABEL}]
        return web.json_response({"object": "list", "data": rows})

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        address = request.path.partition("/v1/")[2] or request.path.rpartition(request.match_info.get("model", ""))[2]
        self.begun(address.lstrip("/"))
        try:
            body: dict[str, Any] = orjson.loads(await request.read())
            self.keep(request, body)
            return await self._answer(request, body, address)
        except ConnectionResetError:  # the client left while being written to: nobody to tell
            self.cancelled += 1
            return web.Response()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.ended()

    async def _answer(self, request: web.Request, body: dict[str, Any], address: str) -> web.StreamResponse:
        behaviour = self.behaviour
        model = str(body.get("model", ""))
        mode = request.headers.get("X-Stand-In-Mode", model.removeprefix("mode:") if model[:5] == "mode:" else "")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.headers.get("api-key", "")
        if behaviour.key and given != behaviour.key:
            mode = "401"
        if mode == "hang":
            await asyncio.sleep(3600)
        own = flavours.refusal(behaviour.flavour, mode, prompt_of(body))
        own = own or flavours.insists(behaviour.flavour, address, body)
        if own is not None:
            return web.json_response(own[1], status=own[0])
        failure = self._failure(mode, given, prompt_of(body))
        if failure is not None:
            return failure
        if behaviour.delay_first_s:
            await asyncio.sleep(behaviour.delay_first_s)
        if address.endswith("embeddings"):
            return self._embeddings(body, mode)
        answer = compose(body, behaviour)
        if answer.prompt_tokens > behaviour.context_tokens:
            return self._too_long()
        if behaviour.prefix_cache:
            answer.cached_tokens = self._cached(body)
        chat = address.endswith("chat/completions")
        answer.tokens = [*flavours.begun(behaviour.flavour, body), *answer.tokens]
        if answer.call is not None:
            answer.call = flavours.call_of(behaviour.flavour, answer.call)
        if body.get("stream"):
            return await self._stream(request, body, answer, mode, chat=chat)
        if behaviour.tokens_per_s:
            await asyncio.sleep(len(answer.tokens) / behaviour.tokens_per_s)
        return await self._whole(request, body, answer, mode, chat=chat)

    def _cached(self, body: dict[str, Any]) -> int:
        """How many leading tokens of the prompt an earlier one of the same salt had; all but the last at most."""
        tokens = prompt_tokens_of(body)
        before = self._held.setdefault(str(body.get("cache_salt", "")), [])
        shared = max((alike(tokens, one) for one in before), default=0)
        before.append(tokens)
        return min(shared, len(tokens) - 1)

    def _failure(self, mode: str, key: str, prompt: str) -> web.Response | None:
        def error(status: int, message: str, kind: str, code: str | None, param: str | None = None) -> web.Response:
            row = {"message": message, "type": kind, "code": code, "param": param}
            headers = {"Retry-After": "7"} if status == 429 else None
            return web.json_response({"error": row}, status=status, headers=headers)

        if mode == "429":
            return error(429, f"{LABEL}: slow down", "requests", "rate_limit_exceeded")
        if mode in ("500", "503"):
            return error(int(mode), f"{LABEL}: failed on {prompt!r}", "server_error", None)
        if mode == "401":
            said = f"Incorrect API key provided: {key}"
            return error(401, said, "invalid_request_error", "invalid_api_key", param=key or None)
        if mode == "404":
            return error(404, f"{LABEL}: no such model", "invalid_request_error", "model_not_found", "model")
        if mode == "400":
            return error(
                400,
                f"{LABEL}: bad value in {prompt!r}",
                "invalid_request_error",
                "invalid_value",
                "temperature",
            )
        if mode == "too-long":
            return self._too_long()
        if mode == "redirect":
            return web.Response(status=307, headers={"Location": self.behaviour.redirect_to})
        if mode == "html":
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        return None

    def _too_long(self) -> web.Response:
        message = f"This model's maximum context length is {self.behaviour.context_tokens} tokens."
        row = {
            "message": message,
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
            "param": "messages",
        }
        return web.json_response({"error": row}, status=400)

    def _embeddings(self, body: dict[str, Any], mode: str) -> web.Response:
        given = body["input"]
        rows = []
        for index, text in enumerate([given] if isinstance(given, str) else given):
            wanted = int(body.get("dimensions") or body.get("output_dimension") or 8)
            values = [float(sum(map(ord, text)) % (k + 2)) + 0.5 for k in range(wanted)]
            rows.append({"object": "embedding", "index": index, "embedding": values})
        count = max(1, sum(len(tokens_of(text)) for text in given))
        found: dict[str, Any] = {"object": "list", "data": rows[::-1], "model": body.get("model")}
        if mode != "no-usage":
            found["usage"] = {"prompt_tokens": count, "total_tokens": count}
        return web.Response(body=_spoil(orjson.dumps(found), mode), content_type="application/json")

    def _frame(self, body: dict[str, Any], *, chat: bool, streaming: bool) -> dict[str, Any]:
        kind = ("chat.completion" + (".chunk" if streaming else "")) if chat else "text_completion"
        frame = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{LABEL}",
            "object": kind,
            "created": CREATED,
            "model": body.get("model"),
            "system_fingerprint": LABEL,
        }
        return flavours.frame_of(self.behaviour.flavour, frame)

    async def _whole(
        self, request: web.Request, body: dict[str, Any], answer: Answer, mode: str, *, chat: bool
    ) -> web.StreamResponse:
        text: str | None = "".join(answer.tokens)
        flavour = self.behaviour.flavour
        choices = []
        for index in range(body.get("n") or 1):
            choice: dict[str, Any] = {"index": index, "finish_reason": answer.finish, "logprobs": None}
            if body.get("logprobs") not in (None, False):
                top = body.get("top_logprobs", 0) if chat else body["logprobs"]
                choice["logprobs"] = logprobs_of(answer.tokens, int(top), chat=chat)
            if chat:
                message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
                if mode == "refuse":
                    message = {"role": "assistant", "content": None, "refusal": f"{LABEL}: I will not."}
                if answer.call is not None:
                    message |= {"content": None, "tool_calls": [answer.call]}
                choice["message"] = message
            else:
                choice["text"] = text
            if mode == "think" and chat:
                choice["message"] = _thoughtful(flavour, choice["message"])
            if mode == "abort":
                choice["finish_reason"] = "abort"
            choices.append(flavours.spoken(flavour, choice, streaming=False))
        found = {**self._frame(body, chat=chat, streaming=False), "choices": choices}
        if mode != "no-usage":
            found["usage"] = flavours.usage_of(flavour, answer.usage(len(choices)))
        raw = orjson.dumps(found)
        if mode in ("cut", "huge", "drip", "stall"):
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            if mode in ("cut", "stall"):
                response.content_length = len(raw)
            await response.prepare(request)
            async for piece in _badly(raw, mode):
                await response.write(piece)
            if mode == "cut" and request.transport is not None:
                request.transport.abort()
            return response
        return web.Response(body=_spoil(raw, mode), content_type="application/json")

    async def _stream(
        self, request: web.Request, body: dict[str, Any], answer: Answer, mode: str, *, chat: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        pause = 1 / self.behaviour.tokens_per_s if self.behaviour.tokens_per_s else 0.0
        flavour, frame = self.behaviour.flavour, self._frame(body, chat=chat, streaming=True)
        for raw in flavours.before(flavour, frame):
            await response.write(raw)
        for count, event in enumerate(self._events(body, answer, mode, chat=chat)):
            if pause and count:
                await asyncio.sleep(pause)
            raw = b"data: " + event + b"\n\n"
            if event == b"[DONE]":
                raw = b"".join(flavours.between(flavour, frame)) + raw
            if mode == "crlf":
                raw = b": stand-in\r\n\r\nid: 1\r\ndata:" + event + b"\r\n\r\n"
            if count == 2 and mode in ("stall", "cut", "no-end", "error-event", "malformed", "wrong-shape"):
                if mode == "stall":
                    await asyncio.sleep(3600)
                if mode == "cut" and request.transport is not None:
                    request.transport.abort()
                    return response
                if mode == "no-end":
                    return response
                spoiled = {"malformed": b'{"choices": [', "wrong-shape": b'{"choices": 3}'}
                raw = flavours.inside(flavour, frame, prompt_of(body))
                if mode in spoiled:
                    raw = b"data: " + spoiled[mode] + b"\n\n"
            if mode == "drip":
                for k in range(len(raw)):
                    await response.write(raw[k : k + 1])
            elif mode == "huge":
                while True:
                    await response.write(raw * 50)
            else:
                await response.write(raw)
        await response.write_eof()
        return response

    def _events(self, body: dict[str, Any], answer: Answer, mode: str, *, chat: bool) -> Iterator[bytes]:
        frame = self._frame(body, chat=chat, streaming=True)
        n = body.get("n") or 1
        wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        wants_logprobs = body.get("logprobs") not in (None, False)
        top = int((body.get("top_logprobs", 0) if chat else body.get("logprobs")) or 0)
        if wants_usage:
            frame["usage"] = None
        flavour, states_usage = self.behaviour.flavour, mode not in ("no-usage", "no-done-no-usage")
        unasked = flavours.tells_usage(flavour) and states_usage

        def event(index: int, delta: dict[str, Any], finish: str | None, token: str | None = None) -> bytes:
            choice: dict[str, Any] = {"index": index, "finish_reason": finish, "logprobs": None}
            if token is not None and wants_logprobs:
                choice["logprobs"] = logprobs_of([token], top, chat=chat)
            choice |= {"delta": delta} if chat else {"text": delta.get("content", "")}
            told = {"usage": answer.usage(n)} if unasked and finish is not None and index == n - 1 else {}
            return orjson.dumps({**frame, **told, "choices": [flavours.spoken(flavour, choice, streaming=True)]})

        if chat:
            for index in range(n):
                yield event(index, {"role": "assistant", "content": ""}, None)
        thinks = mode == "think" and chat
        for thought in flavours.THOUGHT if thinks else ():
            yield event(0, flavours.thinking(flavour, thought), None)
        for count, token in enumerate([] if mode == "refuse" else answer.tokens):
            content = flavours.after_thinking(flavour, token) if thinks and not count else token
            for index in range(n):
                yield event(index, {"content": content}, None, token)
        for index in range(n):
            if mode == "refuse":
                yield event(index, {"refusal": f"{LABEL}: I will not."}, None)
            if answer.call is not None:
                function = answer.call["function"]
                head = {**answer.call, "index": 0, "function": {"name": function["name"], "arguments": ""}}
                yield event(index, {"tool_calls": [head]}, None)
                for piece in re.findall(r".{1,8}", function["arguments"]):
                    yield event(index, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}, None)
            yield event(index, {}, "abort" if mode == "abort" else answer.finish)
        if wants_usage and states_usage:
            yield orjson.dumps({**frame, "choices": [], "usage": flavours.usage_of(flavour, answer.usage(n))})
        if not mode.startswith("no-done"):
            yield b"[DONE]"


def _thoughtful(flavour: str, message: dict[str, Any]) -> dict[str, Any]:
    """A message whose model thought before it answered."""
    thought = flavours.thinking(flavour, *flavours.THOUGHT)
    if "content" not in thought:
        return message | thought
    return message | {"content": thought["content"] + flavours.after_thinking(flavour, message["content"])}


def _spoil(raw: bytes, mode: str) -> bytes:
    if mode == "malformed":
        return raw[: len(raw) // 2]
    return b'{"choices": [{"index": "first"}], "data": 3}' if mode == "wrong-shape" else raw


async def _badly(raw: bytes, mode: str) -> AsyncIterator[bytes]:
    if mode == "drip":
        for k in range(len(raw)):
            yield raw[k : k + 1]
        return
    yield raw[: len(raw) // 2]
    while mode == "huge":
        yield b" " * 65536
    await asyncio.sleep(3600 if mode == "stall" else 0.01)


def main() -> None:
    serve(lambda behaviour, host, port: OpenAIStandIn(behaviour, host=host, port=port), "an OpenAI-compatible server")


if __name__ == "__main__":
    main()

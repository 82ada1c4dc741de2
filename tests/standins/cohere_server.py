"""A stand-in for Cohere's v2 API, chat and embeddings: the real wire format, no model behind it.

    python -m tests.standins.cohere_server --tokens-per-s 60

It prints one line of JSON with its port and serves until it is stopped. `provider.MODES` lists the failures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from tests.standins.bills import Bill
from tests.standins.openai_answers import LABEL, Answer, Behaviour, compose, prompt_tokens_of, tokens_of
from tests.standins.provider import ProviderStandIn, Wire
from tests.standins.server import alike, serve

PREAMBLE = 200  # tokens that Cohere puts before every prompt and bills nobody for
_ERRORS = {
    "429": (429, "You are using a Trial key, which is limited. {}"),
    "500": (500, "internal server error, this has been reported to our developers. {}"),
    "503": (503, "service unavailable {}"),
    "401": (401, "invalid api token {}"),
    "404": (404, "model 'm' not found {}"),
    "400": (400, "invalid request: {}"),
    "too-long": (400, "too many tokens: total number of tokens in the prompt cannot exceed 200 {}"),
}
_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}
PLAN = "I will use the tool."


class CohereWire(Wire):
    """As `provider.Wire` has it. `held` are the prompts that a prefix cache would hold."""

    name = "cohere"
    routes = ("/v2/chat", "/v2/embed")
    stream_type = "text/event-stream"

    def __init__(self) -> None:
        self.held: list[list[str]] = []

    def model(self, request: web.Request, body: dict[str, Any]) -> str:
        return str(body.get("model", ""))

    def key(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    def refuses(self, request: web.Request, raw: bytes, key: str) -> bool:
        return self.key(request) != key

    def streams(self, request: web.Request, body: dict[str, Any]) -> bool:
        return bool(body.get("stream"))

    def compose(self, body: dict[str, Any], behaviour: Behaviour) -> Answer:
        asked = _as_openai(body)
        answer = compose(asked, behaviour)
        stops = body.get("stop_sequences") or []
        if answer.finish == "stop" and any(stop in asked["messages"][-1]["content"] for stop in stops):
            answer.finish = "stopped"
        if behaviour.prefix_cache:
            tokens = prompt_tokens_of(asked)
            shared = max((alike(tokens, one) for one in self.held), default=0)
            answer.cached_tokens = min(shared, answer.prompt_tokens - 1)
            self.held.append(tokens)
        return answer

    def other(self, request: web.Request, body: dict[str, Any], mode: str, bill: Bill) -> web.Response | None:
        if not request.path.endswith("embed"):
            return None
        width = int(body.get("output_dimension") or 8)
        rows = [[float(sum(map(ord, text)) % (k + 2)) + 0.5 for k in range(width)] for text in body["texts"]]
        count = max(1, sum(len(tokens_of(text)) for text in body["texts"]))
        found: dict[str, Any] = {
            "id": LABEL,
            "embeddings": {"float": rows},
            "texts": body["texts"],
            "response_type": "embeddings_by_type",
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": count}},
        }
        bill.prompt_tokens, bill.ended = count, "whole"
        raw = orjson.dumps(found)
        if mode == "malformed":
            raw = raw[: len(raw) // 2]
        return web.Response(body=raw, content_type=self.json_type)

    def _usage(self, answer: Answer) -> dict[str, Any]:
        made = max(1, len(answer.tokens))
        return {
            "billed_units": {"input_tokens": answer.prompt_tokens, "output_tokens": made},
            "tokens": {"input_tokens": answer.prompt_tokens + PREAMBLE, "output_tokens": made},
            "cached_tokens": answer.cached_tokens,
        }

    def _finish(self, answer: Answer) -> str:
        return "STOP_SEQUENCE" if answer.finish == "stopped" else _FINISH[answer.finish]

    def whole(self, body: dict[str, Any], answer: Answer, mode: str) -> bytes:
        message: dict[str, Any] = {"role": "assistant"}
        if answer.call is not None:
            message |= {"tool_plan": PLAN, "tool_calls": [answer.call]}
        else:
            shown = [{"type": "thinking", "thinking": "Let me see."}] if mode == "think" else []
            message["content"] = [*shown, {"type": "text", "text": "".join(answer.tokens)}]
        found: dict[str, Any] = {"id": LABEL, "message": message, "finish_reason": self._finish(answer)}
        if mode != "no-usage":
            found["usage"] = self._usage(answer)
        return orjson.dumps(found)

    def events(self, body: dict[str, Any], answer: Answer, mode: str) -> Iterator[tuple[bytes, int]]:
        start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        yield _event("message-start", id=LABEL, delta={"message": start}), 0
        at = 0
        if mode == "think":
            yield _event("content-start", index=at, delta=_content({"type": "thinking", "thinking": ""})), 0
            for piece in ("Let me", " see."):
                yield _event("content-delta", index=at, delta=_content({"thinking": piece})), 0
            yield _event("content-end", index=at), 0
            at += 1
        if answer.call is not None:
            for piece in tokens_of(PLAN):
                yield _event("tool-plan-delta", delta={"message": {"tool_plan": piece}}), 0
            function = answer.call["function"]
            begun = {**answer.call, "function": {"name": function["name"], "arguments": ""}}
            yield _event("tool-call-start", index=0, delta={"message": {"tool_calls": begun}}), 0
            for piece in re.findall(r".{1,8}", function["arguments"]):
                delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
                yield _event("tool-call-delta", index=0, delta=delta), 0
            yield _event("tool-call-end", index=0), 0
        else:
            yield _event("content-start", index=at, delta=_content({"type": "text", "text": ""})), 0
            for token in answer.tokens:
                yield _event("content-delta", index=at, delta=_content({"text": token})), 1
            yield _event("content-end", index=at), 0
        usage = {} if mode == "no-usage" else {"usage": self._usage(answer)}
        yield _event("message-end", id=LABEL, delta={"finish_reason": self._finish(answer), **usage}), 0

    def error(self, what: str, quoted: str) -> web.Response:
        status, said = _ERRORS[what]
        headers = {"Retry-After": "7"} if what == "429" else None
        return web.json_response({"id": LABEL, "message": said.format(quoted)}, status=status, headers=headers)

    def spoiled(self, mode: str, quoted: str) -> bytes:
        if mode == "error-event":
            return _event("message-end", id=LABEL, delta={"finish_reason": "ERROR", "error": f"failed on {quoted}"})
        if mode == "wrong-shape":
            return _event("content-delta", index=0, delta=3)
        if mode == "bad-utf8":
            bad = b'{"type":"content-delta","delta":{"message":{"content":{"text":"\xf0\x9f"}}}}'
            return b"event: content-delta\ndata: " + bad + b"\n\n"
        return b'event: content-delta\ndata: {"type": \n\n'


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def _content(held: dict[str, Any]) -> dict[str, Any]:
    return {"message": {"content": held}}


def _as_openai(body: dict[str, Any]) -> dict[str, Any]:
    """As far as an answer depends on it, the body in the words of the answer book."""
    messages = []
    for message in body["messages"]:
        content = message.get("content") or ""
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        messages.append({"role": message["role"], "content": content})
    asked: dict[str, Any] = {"messages": messages, "stop": body.get("stop_sequences"), "tools": body.get("tools")}
    if "max_tokens" in body:
        asked["max_tokens"] = body["max_tokens"]
    if body.get("tool_choice") == "REQUIRED":
        asked["tool_choice"] = "required"
    form = body.get("response_format") or {}
    if "json_schema" in form:
        wanted = {"name": form["json_schema"].get("title"), "schema": form["json_schema"]}
        asked["response_format"] = {"type": "json_schema", "json_schema": wanted}
    elif form:
        asked["response_format"] = form
    return asked


def cohere(behaviour: Behaviour | None = None, host: str = "127.0.0.1", port: int = 0) -> ProviderStandIn:
    return ProviderStandIn(CohereWire(), behaviour, host=host, port=port)


if __name__ == "__main__":
    serve(cohere, f"Cohere ({LABEL})")

"""A stand-in for Anthropic's Messages API, its own and Vertex AI's: the real wire format, no model behind it.

    python -m tests.standins.anthropic_server --tokens-per-s 60

It prints one line of JSON with its port and serves until it is stopped. `provider.MODES` lists the failures; besides,
'overloaded' is the API's 529, 'refuse' a refusal, 'pause' a turn that was paused, and 'full' a full context.

It insists on what the API insists on: a version, `max_tokens`, turns that are not empty, results right behind the calls
that they answer, closed schemas, and seals that it made itself. Vertex's addresses take tokens of `/token` alone, and
want the version in the body, no model there, and no addresses of images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from tests.standins.bills import Bill
from tests.standins.google_accounts import GoogleStandIn, Tokens
from tests.standins.openai_answers import LABEL, Answer, Behaviour, compose, prompt_tokens_of, tokens_of
from tests.standins.provider import Wire
from tests.standins.server import alike, serve

THOUGHT = "Let me see."
SEAL = "c2VhbGVkIGJ5IHRoZSBzdGFuZC1pbg=="
VERTEX = "/v1/projects/p/locations/l/publishers/anthropic"
_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "stopped": "stop_sequence"}
_ENDS = {"refuse": "refusal", "pause": "pause_turn", "full": "model_context_window_exceeded"}
_ERRORS = {
    "429": (429, "rate_limit_error", "This request would exceed your organization's rate limit. {}"),
    "500": (500, "api_error", "Internal server error {}"),
    "503": (503, "api_error", "Service unavailable {}"),
    "overloaded": (529, "overloaded_error", "Overloaded {}"),
    "401": (401, "authentication_error", "invalid x-api-key {}"),
    "404": (404, "not_found_error", "model: mode:404 {}"),
    "400": (400, "invalid_request_error", "{}"),
    "too-long": (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200 maximum {}"),
}


class AnthropicWire(Tokens, Wire):
    """As `provider.Wire` has it. `held` are the prompts that its cache holds."""

    name = "anthropic"
    routes = ("/v1/messages", VERTEX + "/models/{model}")
    stream_type = "text/event-stream"

    def __init__(self) -> None:
        super().__init__()
        self.held: list[list[str]] = []

    def model(self, request: web.Request, body: dict[str, Any]) -> str:
        return request.match_info.get("model", "").rpartition(":")[0] or str(body.get("model", ""))

    def key(self, request: web.Request) -> str:
        return request.headers.get("x-api-key", "") or request.headers.get("Authorization", "")

    def refuses(self, request: web.Request, raw: bytes, key: str) -> bool:
        return not self.knows(request) if request.path.startswith(VERTEX) else self.key(request) != key

    def streams(self, request: web.Request, body: dict[str, Any]) -> bool:
        return bool(body.get("stream"))

    def other(self, request: web.Request, body: dict[str, Any], mode: str, bill: Bill) -> web.Response | None:
        if mode == "overloaded":
            return self.error(mode, "")
        if request.path.startswith(VERTEX):
            wrong = _wrong_on_vertex(request.path.rpartition(":")[2], body)
        else:
            wrong = "" if "anthropic-version" in request.headers else "anthropic-version: header is required"
        wrong = wrong or _wrong(body)
        return self.error("400", wrong) if wrong else None

    def compose(self, body: dict[str, Any], behaviour: Behaviour) -> Answer:
        asked = _as_openai(body)
        answer = compose(asked, behaviour)
        if answer.finish == "stop" and any(stop in asked["messages"][-1]["content"] for stop in asked["stop"]):
            answer.finish = "stopped"
        if behaviour.prefix_cache:
            tokens = prompt_tokens_of(asked)
            answer.cached_tokens = min(max((alike(tokens, one) for one in self.held), default=0), len(tokens) - 1)
            self.held.append(tokens)
        return answer

    def _thoughts(self, body: dict[str, Any], mode: str) -> list[dict[str, Any]]:
        if mode == "hidden":
            return [{"type": "redacted_thinking", "data": SEAL}]
        if mode != "think" and (body.get("thinking") or {}).get("type") not in ("adaptive", "enabled"):
            return []
        return [{"type": "thinking", "thinking": THOUGHT, "signature": SEAL}]

    def thought(self, body: dict[str, Any], mode: str) -> int:
        return len(tokens_of(THOUGHT)) if self._thoughts(body, mode) else 0

    def _usage(self, body: dict[str, Any], answer: Answer, mode: str) -> dict[str, Any]:
        thought = self.thought(body, mode)
        return {
            "input_tokens": answer.prompt_tokens - answer.cached_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": answer.cached_tokens,
            "output_tokens": max(1, len(answer.tokens)) + thought,
            "output_tokens_details": {"thinking_tokens": thought},
        }

    def _message(self, body: dict[str, Any], content: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
        return {
            "id": f"msg_{LABEL}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", LABEL),
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
        }

    def _reason(self, answer: Answer, mode: str) -> str:
        return _ENDS.get(mode) or _FINISH[answer.finish]

    def whole(self, body: dict[str, Any], answer: Answer, mode: str) -> bytes:
        content = self._thoughts(body, mode)
        if answer.call is not None:
            function = answer.call["function"]
            held = json.loads(function["arguments"])
            content.append({"type": "tool_use", "id": "toolu_1", "name": function["name"], "input": held})
        elif answer.tokens:
            content.append({"type": "text", "text": "".join(answer.tokens)})
        found = self._message(body, content, self._reason(answer, mode))
        if mode != "no-usage":
            found["usage"] = self._usage(body, answer, mode)
        return orjson.dumps(found)

    def events(self, body: dict[str, Any], answer: Answer, mode: str) -> Iterator[tuple[bytes, int]]:
        usage = {} if mode == "no-usage" else {"usage": self._usage(body, answer, mode)}
        start = {"usage": {**usage["usage"], "output_tokens": 1, "output_tokens_details": None}} if usage else {}
        yield _event("message_start", message={**self._message(body, [], None), **start}), 0
        at = 0
        for block in self._thoughts(body, mode):
            if block["type"] == "thinking":
                yield (
                    _event("content_block_start", index=at, content_block={**block, "thinking": "", "signature": ""}),
                    0,
                )
                for piece in tokens_of(block["thinking"]):
                    yield _delta(at, "thinking_delta", thinking=piece), 1
                yield _delta(at, "signature_delta", signature=block["signature"]), 0
            else:
                yield _event("content_block_start", index=at, content_block=block), 0
            yield _event("content_block_stop", index=at), 0
            at += 1
        if answer.call is not None:
            function = answer.call["function"]
            block = {"type": "tool_use", "id": "toolu_1", "name": function["name"], "input": {}}
            yield _event("content_block_start", index=at, content_block=block), 0
            yield _delta(at, "input_json_delta", partial_json=""), 0
            if function["arguments"] != "{}":
                for piece in re.findall(r".{1,8}", function["arguments"]):
                    yield _delta(at, "input_json_delta", partial_json=piece), 0
            yield _event("content_block_stop", index=at), 0
        elif answer.tokens:
            yield _event("content_block_start", index=at, content_block={"type": "text", "text": ""}), 0
            yield _event("ping"), 0
            for token in answer.tokens:
                yield _delta(at, "text_delta", text=token), 1
            yield _event("content_block_stop", index=at), 0
        ended = {"stop_reason": self._reason(answer, mode), "stop_sequence": None}
        if usage:
            usage["usage"] |= {"input_tokens": None, "cache_read_input_tokens": None}
        yield _event("message_delta", delta=ended, **usage), 0
        yield _event("message_stop"), 0

    def error(self, what: str, quoted: str) -> web.Response:
        status, kind, said = _ERRORS[what]
        headers = {"request-id": "req_1"} | ({"Retry-After": "7"} if status == 429 else {})
        return web.json_response(_error(kind, said.format(quoted)), status=status, headers=headers)

    def spoiled(self, mode: str, quoted: str) -> bytes:
        if mode == "error-event":
            return b"event: error\ndata: " + orjson.dumps(_error("overloaded_error", f"Overloaded {quoted}")) + b"\n\n"
        if mode == "wrong-shape":
            return _event("content_block_delta", index=0, delta=3)
        if mode == "bad-utf8":
            bad = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\xf0\x9f"}}'
            return b"event: content_block_delta\ndata: " + bad + b"\n\n"
        return b'event: content_block_delta\ndata: {"type": \n\n'


def _error(kind: str, said: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": said, "details": None}, "request_id": "req_1"}


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def _delta(at: int, kind: str, **fields: Any) -> bytes:
    return _event("content_block_delta", index=at, delta={"type": kind, **fields})


def _wrong_on_vertex(method: str, body: dict[str, Any]) -> str:
    if method != ("streamRawPredict" if body.get("stream") else "rawPredict"):
        return "stream: does not match the method"
    if body.get("anthropic_version") != "vertex-2023-10-16":
        return "anthropic_version: Field required"
    if odd := {"model", "service_tier"} & set(body):
        return f"{min(odd)}: Extra inputs are not permitted"
    if b'"source":{"type":"url"' in orjson.dumps(body):
        return "messages.0.content.0.image.source.base64.data: URL sources are not supported"
    return ""


def _wrong(body: dict[str, Any]) -> str:
    """What the API would refuse, or ''."""
    if type(body.get("max_tokens")) is not int or body["max_tokens"] < 1:
        return "max_tokens: Field required"
    calls: set[str] = set()
    before = ""
    for turn in body["messages"]:
        blocks = turn["content"]
        inner = [b["content"] for b in blocks if b["type"] == "tool_result" and isinstance(b.get("content"), list)]
        texts = [b["text"] for part in (blocks, *inner) for b in part if b["type"] == "text"]
        if not blocks or turn["role"] == before or not all(map(str.strip, texts)):
            return "messages: text content blocks must contain non-whitespace text, and turns alternate"
        before = turn["role"]
        if calls - {block.get("tool_use_id") for block in blocks}:
            return "`tool_use` ids were found without `tool_result` blocks immediately after"
        calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
        seals = [block.get("signature") or block.get("data") for block in blocks if "thinking" in block["type"]]
        if any(seal != SEAL for seal in seals):
            return "Invalid `signature` in `thinking` block"
        asked_to_think = (body.get("thinking") or {}).get("type") == "enabled"
        if asked_to_think and calls and not seals:
            return "Expected `thinking` or `redacted_thinking`, but found `tool_use`"
    form = (body.get("output_config") or {}).get("format") or {}
    if form and form["schema"].get("additionalProperties") is not False:
        return "output_config.format.schema: 'additionalProperties' must be explicitly set to false"
    return ""


def _as_openai(body: dict[str, Any]) -> dict[str, Any]:
    """As far as an answer depends on it, the body in the words of the answer book."""
    messages = [{"role": "system", "content": block["text"]} for block in body.get("system") or []]
    for turn in body["messages"]:
        said = [block.get("text") or block.get("content") or "" for block in turn["content"]]
        messages.append({"role": turn["role"], "content": " ".join(filter(None, map(str, said)))})
    tools = [
        {"function": {"name": tool["name"], "parameters": tool["input_schema"]}} for tool in body.get("tools") or []
    ]
    asked: dict[str, Any] = {"messages": messages, "stop": body.get("stop_sequences") or [], "tools": tools}
    asked["max_tokens"] = body["max_tokens"]
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "any":
        asked["tool_choice"] = "required"
    elif choice.get("type") == "tool":
        asked["tool_choice"] = {"function": {"name": choice["name"]}}
    form = (body.get("output_config") or {}).get("format")
    if form:
        schema = {"name": form["schema"].get("title"), "schema": form["schema"]}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    return asked


class AnthropicStandIn(GoogleStandIn):
    """Of Anthropic's own API and of Vertex AI."""

    wire: AnthropicWire


def anthropic(behaviour: Behaviour | None = None, host: str = "127.0.0.1", port: int = 0) -> AnthropicStandIn:
    return AnthropicStandIn(AnthropicWire(), behaviour, host=host, port=port)


if __name__ == "__main__":
    serve(anthropic, f"Anthropic ({LABEL})")

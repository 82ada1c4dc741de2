"""A stand-in for AWS Bedrock's Converse and ConverseStream: the real wire format, no model behind it.

    python -m tests.standins.bedrock_server --tokens-per-s 60 --key AKIDEXAMPLE:secret

It prints one line of JSON with its port and serves until it is stopped. `--key` is either ACCESS:SECRET, or, where they
are temporary, ACCESS:SECRET:TOKEN, and every signature is then computed again with AWS's published steps; or a bearer
token. `provider.MODES` lists the failures.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import quote, unquote
from zlib import crc32

import orjson
from aiohttp import web

from tests.standins.bills import Bill
from tests.standins.openai_answers import LABEL, Answer, Behaviour, compose
from tests.standins.provider import ProviderStandIn, Wire
from tests.standins.server import alike, serve

REGION = "eu-central-1"
SEALED = "c3RhbmQtaW4="  # the signature of what it thinks
_ERRORS = {
    "429": (429, "ThrottlingException", "Too many tokens, please wait before trying again."),
    "500": (500, "InternalServerException", "The system encountered an unexpected error"),
    "503": (503, "ServiceUnavailableException", "The service is not available"),
    "401": (403, "UnrecognizedClientException", "The security token included in the request is invalid"),
    "404": (404, "ResourceNotFoundException", "The model is not found"),
    "400": (400, "ValidationException", "1 validation error detected"),
    "too-long": (400, "ValidationException", "Input is too long for requested model."),
}
_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def frame(kind: str, payload: bytes, message: str = "event") -> bytes:
    """One message of an event stream: lengths, their CRC-32, headers, payload, the CRC-32 of all before."""
    name = ":event-type" if message == "event" else ":exception-type"
    stated = ((name, kind), (":content-type", "application/json"), (":message-type", message))
    headers = b"".join(
        bytes((len(key),)) + key.encode() + b"\x07" + len(said).to_bytes(2, "big") + said.encode()
        for key, said in stated
    )
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    body = prelude + crc32(prelude).to_bytes(4, "big") + headers + payload
    return body + crc32(body).to_bytes(4, "big")


class BedrockWire(Wire):
    """As `provider.Wire` has it. `held` are the prompts that a prefix cache would hold."""

    name = "bedrock"
    routes = ("/model/{model}/converse", "/model/{model}/converse-stream")
    stream_type = "application/vnd.amazon.eventstream"

    def __init__(self) -> None:
        self.held: list[list[str]] = []

    def model(self, request: web.Request, body: dict[str, Any]) -> str:
        return unquote(request.match_info["model"])

    def key(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    def refuses(self, request: web.Request, raw: bytes, key: str) -> bool:
        given = request.headers.get("Authorization", "")
        if ":" not in key:
            return given != f"Bearer {key}"
        access, secret, *token = key.split(":")
        if request.headers.get("X-Amz-Security-Token") != (token[0] if token else None):
            return True
        return not signed_by(request, raw, access, secret)

    def streams(self, request: web.Request, body: dict[str, Any]) -> bool:
        return request.path.endswith("-stream")

    def compose(self, body: dict[str, Any], behaviour: Behaviour) -> Answer:
        asked = _as_openai(body)
        answer = compose(asked, behaviour)
        if behaviour.prefix_cache:
            tokens = orjson.dumps([body.get("system"), body["messages"]]).decode().split(" ")
            answer.cached_tokens = max((alike(tokens, one) for one in self.held), default=0)
            answer.cached_tokens = min(answer.cached_tokens, answer.prompt_tokens - 1)
            self.held.append(tokens)
        return answer

    def other(self, request: web.Request, body: dict[str, Any], mode: str, bill: Bill) -> web.Response | None:
        wrong = _wrong(body)
        return self.error("400", wrong) if wrong else None

    def _usage(self, body: dict[str, Any], answer: Answer) -> dict[str, Any]:
        made, read, points = max(1, len(answer.tokens)), answer.cached_tokens, _points(body)
        written = answer.prompt_tokens - 1 if points and not read else 0
        lasts = "1h" if any(point.get("ttl") == "1h" for point in points) else "5m"
        return {
            "inputTokens": answer.prompt_tokens - read - written,
            "outputTokens": made,
            "totalTokens": answer.prompt_tokens + made,
            "cacheReadInputTokens": read,
            "cacheWriteInputTokens": written,
            "cacheDetails": [{"ttl": lasts, "inputTokens": written}] if written else [],
        }

    def whole(self, body: dict[str, Any], answer: Answer, mode: str) -> bytes:
        content: list[dict[str, Any]] = []
        if mode == "think":
            content.append({"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": SEALED}}})
        if answer.call is not None:
            function = answer.call["function"]
            use = {"toolUseId": "tooluse_1", "name": function["name"], "input": json.loads(function["arguments"])}
            content.append({"toolUse": use})
        else:
            content.append({"text": "".join(answer.tokens)})
        found: dict[str, Any] = {
            "metrics": {"latencyMs": 7},
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": _STOPS[answer.finish],
        }
        if mode != "no-usage":
            found["usage"] = self._usage(body, answer)
        return orjson.dumps(found)

    def events(self, body: dict[str, Any], answer: Answer, mode: str) -> Iterator[tuple[bytes, int]]:
        def event(kind: str, **fields: Any) -> bytes:
            return frame(kind, orjson.dumps({**fields, "p": "abcdefgh"}))

        yield event("messageStart", role="assistant"), 0
        at = 0
        if mode == "think":
            for delta in ({"text": "Let me"}, {"text": " see."}, {"signature": SEALED}):
                yield event("contentBlockDelta", contentBlockIndex=at, delta={"reasoningContent": delta}), 0
            yield event("contentBlockStop", contentBlockIndex=at), 0
            at += 1
        for token in answer.tokens:
            yield event("contentBlockDelta", contentBlockIndex=at, delta={"text": token}), 1
        if answer.call is not None:
            function = answer.call["function"]
            start = {"toolUse": {"toolUseId": "tooluse_1", "name": function["name"]}}
            yield event("contentBlockStart", contentBlockIndex=at, start=start), 0
            for piece in re.findall(r".{1,8}", function["arguments"]):
                yield event("contentBlockDelta", contentBlockIndex=at, delta={"toolUse": {"input": piece}}), 0
        yield event("contentBlockStop", contentBlockIndex=at), 0
        yield event("messageStop", stopReason=_STOPS[answer.finish]), 0
        if mode != "no-usage":
            yield event("metadata", usage=self._usage(body, answer), metrics={"latencyMs": 7}), 0

    def error(self, what: str, quoted: str) -> web.Response:
        status, kind, said = _ERRORS[what]
        headers = {"x-amzn-ErrorType": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
        if what == "429":
            headers["Retry-After"] = "7"
        return web.json_response({"message": f"{said} {quoted}"}, status=status, headers=headers)

    def spoiled(self, mode: str, quoted: str) -> bytes:
        if mode == "error-event":
            said = orjson.dumps({"message": f"The model failed on {quoted}", "originalStatusCode": 500})
            return frame("modelStreamErrorException", said, "exception")
        if mode == "wrong-shape":
            return frame("contentBlockDelta", b'{"contentBlockIndex": 0, "delta": 3}')
        if mode == "bad-utf8":
            return frame("contentBlockDelta", b'{"contentBlockIndex": 0, "delta": {"text": "\xf0\x9f"}}')
        return frame("contentBlockDelta", b'{"contentBlockIndex": ')


def _lists(body: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """All lists of blocks in which a point may stand."""
    return [body.get("system") or [], *(message["content"] for message in body["messages"])]


def _points(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [block["cachePoint"] for blocks in _lists(body) for block in blocks if "cachePoint" in block]


def _wrong(body: dict[str, Any]) -> str:
    """What Converse would refuse, or ''."""
    if len(_points(body)) > 4:
        return "The maximum number of cache checkpoints is 4"
    named = [tool["toolSpec"] for tool in body.get("toolConfig", {}).get("tools", [])]
    named += [block["toolUse"] for message in body["messages"] for block in message["content"] if "toolUse" in block]
    if not all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", one["name"]) for one in named):
        return "name failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
    for blocks in _lists(body):
        for before, block in pairwise([{}, *blocks]):
            if "cachePoint" in block and (not before or {"cachePoint", "reasoningContent"} & set(before)):
                return "cachePoint cannot be inserted after reasoning content, or with nothing before it"
    return ""


def _as_openai(body: dict[str, Any]) -> dict[str, Any]:
    """As far as an answer depends on it, the body in the words of the answer book."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": _texts(body["system"])}] if "system" in body else []
    for message in body["messages"]:
        results = [block["toolResult"] for block in message["content"] if "toolResult" in block]
        for block in message["content"]:
            if "image" in block:
                base64.b64decode(block["image"]["source"]["bytes"], validate=True)
        if results:
            messages += [{"role": "tool", "content": _texts(result["content"])} for result in results]
        if text := _texts(message["content"]):
            messages.append({"role": message["role"], "content": text})
    config = body.get("inferenceConfig", {})
    asked: dict[str, Any] = {"messages": messages, "stop": list(config.get("stopSequences", []))}
    if "maxTokens" in config:
        asked["max_tokens"] = config["maxTokens"]
    tools = body.get("toolConfig", {})
    asked["tools"] = [
        {"function": {"name": tool["toolSpec"]["name"], "parameters": tool["toolSpec"]["inputSchema"]["json"]}}
        for tool in tools.get("tools", [])
    ]
    choice = tools.get("toolChoice", {})
    if "any" in choice:
        asked["tool_choice"] = "required"
    elif "tool" in choice:
        asked["tool_choice"] = {"function": {"name": choice["tool"]["name"]}}
    form = body.get("outputConfig", {}).get("textFormat")
    if form:
        stated = form["structure"]["jsonSchema"]
        wanted = {"name": stated.get("name"), "schema": json.loads(stated["schema"])}
        asked["response_format"] = {"type": form["type"], "json_schema": wanted}
    return asked


def _texts(blocks: list[dict[str, Any]]) -> str:
    return "".join(block.get("text", "") for block in blocks)


def signed_by(request: web.Request, raw: bytes, access: str, secret: str) -> bool:
    """Whether the request bears this key's signature, by the steps of AWS Signature Version 4."""
    given = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        request.headers.get("Authorization", ""),
    )
    if given is None or given[1] != access:
        return False
    _, day, region, service, names, signature = given.groups()
    if not {"host", "x-amz-date"} <= set(names.split(";")) or service != "bedrock":
        return False
    path = quote(request.raw_path.partition("?")[0], safe="/-._~")
    lines = [f"{name}:{' '.join(request.headers[name].split())}\n" for name in names.split(";")]
    canonical = "\n".join(["POST", path, "", "".join(lines), names, hashlib.sha256(raw).hexdigest()])
    scope = f"{day}/{region}/{service}/aws4_request"
    stamp = request.headers["X-Amz-Date"]
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature)


def bedrock(behaviour: Behaviour | None = None, host: str = "127.0.0.1", port: int = 0) -> ProviderStandIn:
    return ProviderStandIn(BedrockWire(), behaviour, host=host, port=port)


if __name__ == "__main__":
    serve(bedrock, f"AWS Bedrock ({LABEL})")

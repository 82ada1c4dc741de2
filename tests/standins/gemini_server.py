"""A stand-in for Google's generateContent, the Gemini API's and Vertex AI's: the real wire format, no model behind it.

    python -m tests.standins.gemini_server --tokens-per-s 60

It prints one line of JSON with its port and serves until it is stopped. `provider.MODES` lists the failures; besides,
'blocked' blocks the prompt, 'filtered' the answer, and 'unmade' is an answer that could not be made. `/token` gives the
account of `account()` a token of its own for each assertion, and Vertex's addresses take no other. Vertex has
'gemini-embedding-2' behind `embedContent` alone, which takes one text and no word of its purpose, and cuts one of more
than LONGEST words short ('mode:...' models are behind all methods).
"""

from __future__ import annotations

import json
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
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzdGFuZC1pbg=="
NO_SIGNATURE = "skip_thought_signature_validator"
VERTEX = "/v1/projects/p/locations/l/publishers/google"
EMBEDS = "gemini-embedding-2"
LONGEST = 16
_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}
_ERRORS = {
    "429": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota). {}"),
    "500": (500, "INTERNAL", "An internal error has occurred. {}"),
    "503": (503, "UNAVAILABLE", "The model is overloaded. {}"),
    "401": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key. {}"),
    "404": (404, "NOT_FOUND", "models/m is not found for API version v1beta {}"),
    "400": (400, "INVALID_ARGUMENT", "{}"),
    "too-long": (400, "INVALID_ARGUMENT", "The input token count (300) exceeds the maximum number of tokens. {}"),
}  # fmt: skip


class GeminiWire(Tokens, Wire):
    """As `provider.Wire` has it. `held` are the prompts that its cache holds."""

    name = "gemini"
    routes = ("/v1beta/models/{model}", VERTEX + "/models/{model}")
    stream_type = "text/event-stream"

    def __init__(self) -> None:
        super().__init__()
        self.held: list[list[str]] = []

    def model(self, request: web.Request, body: dict[str, Any]) -> str:
        return request.match_info["model"].rpartition(":")[0]

    def key(self, request: web.Request) -> str:
        return request.headers.get("x-goog-api-key", "") or request.headers.get("Authorization", "")

    def refuses(self, request: web.Request, raw: bytes, key: str) -> bool:
        if request.path.startswith(VERTEX):
            return not self.knows(request)
        return self.key(request) != key

    def streams(self, request: web.Request, body: dict[str, Any]) -> bool:
        return request.match_info["model"].endswith(":streamGenerateContent") and request.query.get("alt") == "sse"

    def other(self, request: web.Request, body: dict[str, Any], mode: str, bill: Bill) -> web.Response | None:
        method = request.match_info["model"].rpartition(":")[2]
        if method in ("batchEmbedContents", "predict"):
            return self._vectors(request, body, method, mode, bill)
        if method == "embedContent":
            return self._vector(request, body, mode, bill)
        wrong = _wrong(body)
        if (
            not wrong
            and body["contents"][-1]["role"] == "model"
            and not self.model(request, body).startswith("gemini-2.")
        ):
            wrong = "Requests ending with a model turn are not supported."
        if not wrong and not request.path.startswith(VERTEX) and b'"gs://' in orjson.dumps(body):
            wrong = "Unsupported file URI type"
        return self.error("400", wrong) if wrong else None

    def _vector(self, request: web.Request, body: dict[str, Any], mode: str, bill: Bill) -> web.Response:
        if not request.path.startswith(VERTEX) or self.model(request, body) not in (EMBEDS, f"mode:{mode}"):
            return self.error("404", "")
        config, parts = body.get("embedContentConfig", {}), body["content"]["parts"]
        if not body.keys() <= {"content", "embedContentConfig"} or not config.keys() <= {"outputDimensionality"}:
            return self.error("400", "Invalid JSON payload received. Unknown name, or not supported by this model.")
        if len(parts) != 1:
            return self.error("400", "one vector is made of all parts")
        words = tokens_of(parts[0]["text"])
        kept = words[:LONGEST]
        row = [
            float(sum(map(ord, "".join(kept))) % (k + 2)) + 0.5 for k in range(config.get("outputDimensionality", 8))
        ]
        found: dict[str, Any] = {"embedding": {"values": row}, "truncated": len(kept) < len(words)}
        if mode != "no-usage":
            found["usageMetadata"] = {"promptTokenCount": len(kept), "totalTokenCount": len(kept)}
        bill.prompt_tokens, bill.ended = len(kept), "whole"
        return web.json_response(found)

    def _vectors(self, request: web.Request, body: dict[str, Any], method: str, mode: str, bill: Bill) -> web.Response:
        vertex = request.path.startswith(VERTEX)
        if (method == "predict") != vertex or (vertex and self.model(request, body) == EMBEDS):
            return self.error("404", "")
        if method == "predict":
            texts = [one["content"] for one in body["instances"]]
            width = body["parameters"].get("outputDimensionality")
        else:
            if {one["model"] for one in body["requests"]} != {f"models/{self.model(request, body)}"}:
                return self.error("400", "BatchEmbedContentsRequest.requests[].model: must match the model")
            texts = [one["content"]["parts"][0]["text"] for one in body["requests"]]
            width = body["requests"][0].get("outputDimensionality")
        rows = [[float(sum(map(ord, text)) % (k + 2)) + 0.5 for k in range(width or 8)] for text in texts]
        counts = [max(1, len(tokens_of(text))) for text in texts]
        found: dict[str, Any] = {"embeddings": [{"values": row} for row in rows]}
        if method == "predict":
            told = [{"statistics": {"token_count": count, "truncated": False}} for count in counts]
            found = {
                "predictions": [{"embeddings": {"values": row, **one}} for row, one in zip(rows, told, strict=True)],
                "metadata": {"billableCharacterCount": sum(map(len, texts))},
            }
        elif mode != "no-usage":
            found["usageMetadata"] = {"promptTokenCount": sum(counts)}
        bill.prompt_tokens, bill.ended = sum(counts), "whole"
        return web.json_response(found)

    def compose(self, body: dict[str, Any], behaviour: Behaviour) -> Answer:
        asked = _as_openai(body)
        answer = compose(asked, behaviour)
        if behaviour.prefix_cache:
            tokens = prompt_tokens_of(asked)
            answer.cached_tokens = min(max((alike(tokens, one) for one in self.held), default=0), len(tokens) - 1)
            self.held.append(tokens)
        return answer

    def _thinks(self, body: dict[str, Any], mode: str) -> bool:
        config = body.get("generationConfig", {}).get("thinkingConfig", {})
        return mode == "think" or bool(config.get("includeThoughts"))

    def thought(self, body: dict[str, Any], mode: str) -> int:
        return len(tokens_of(THOUGHT)) if self._thinks(body, mode) else 0

    def _usage(self, body: dict[str, Any], answer: Answer, mode: str, said: int | None = None) -> dict[str, Any]:
        thought = self.thought(body, mode)
        made = max(1, len(answer.tokens)) if said is None else said
        counts = {
            "promptTokenCount": answer.prompt_tokens,
            "candidatesTokenCount": made * _many(body),
            "totalTokenCount": answer.prompt_tokens + made + thought,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.prompt_tokens}],
        }
        counts |= {"thoughtsTokenCount": thought} if thought else {}
        return counts | ({"cachedContentTokenCount": answer.cached_tokens} if answer.cached_tokens else {})

    def _frame(self, candidates: list[dict[str, Any]], usage: dict[str, Any]) -> bytes:
        found: dict[str, Any] = {"candidates": candidates, "modelVersion": LABEL, "responseId": LABEL}
        return orjson.dumps(found | ({"usageMetadata": usage} if usage else {}))

    def _call(self, answer: Answer) -> dict[str, Any]:
        assert answer.call is not None
        function = answer.call["function"]
        held = {"id": "call-7", "name": function["name"], "args": json.loads(function["arguments"])}
        return {"functionCall": held, "thoughtSignature": SIGNATURE}

    def _ended(self, answer: Answer, mode: str) -> str:
        return {"filtered": "SAFETY", "unmade": "MALFORMED_FUNCTION_CALL"}.get(mode) or _FINISH[answer.finish]

    def whole(self, body: dict[str, Any], answer: Answer, mode: str) -> bytes:
        usage = {} if mode == "no-usage" else self._usage(body, answer, mode)
        if mode == "blocked":
            return orjson.dumps({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage})
        parts: list[dict[str, Any]] = [{"text": THOUGHT, "thought": True}] if self._thinks(body, mode) else []
        parts.append(self._call(answer) if answer.call else {"text": "".join(answer.tokens)})
        if self._thinks(body, mode) and not answer.call:
            parts[-1]["thoughtSignature"] = SIGNATURE
        ended = self._ended(answer, mode)
        content = {"role": "model", "parts": parts}
        candidates = [{"content": content, "finishReason": ended, "index": at} for at in range(_many(body))]
        return self._frame(candidates, usage)

    def events(self, body: dict[str, Any], answer: Answer, mode: str) -> Iterator[tuple[bytes, int]]:
        def event(
            part: dict[str, Any] | None, said: int, tokens: int, at: int = 0, ended: str = ""
        ) -> tuple[bytes, int]:
            candidate: dict[str, Any] = {"index": at} | ({"finishReason": ended} if ended else {})
            if part is not None:
                candidate["content"] = {"role": "model", "parts": [part]}
            vertex = {"trafficType": "ON_DEMAND"}  # all that Vertex states before the end
            counts = self._usage(body, answer, mode, said) if ended and mode != "no-usage" else vertex
            return b"data: " + self._frame([candidate], counts) + b"\r\n\r\n", tokens

        if mode == "blocked":
            yield b"data: " + self.whole(body, answer, mode) + b"\r\n\r\n", 0
            return
        if self._thinks(body, mode):
            for piece in tokens_of(THOUGHT):
                yield event({"text": piece, "thought": True}, 0, 1)
        many = _many(body)
        if answer.call is not None:
            for at in range(many):
                yield event(self._call(answer), 0, 0, at)
        for count, token in enumerate(answer.tokens):
            for at in range(many):
                yield event({"text": token}, count + 1, 1, at)
        for at in range(many):
            last = {"text": "", "thoughtSignature": SIGNATURE} if self._thinks(body, mode) and not answer.call else None
            yield event(last, max(1, len(answer.tokens)), 0, at, self._ended(answer, mode))

    def error(self, what: str, quoted: str) -> web.Response:
        status, kind, said = _ERRORS[what]
        details: list[dict[str, Any]] = []
        if what == "429":
            details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
        elif what == "401":
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
        row = {"code": status, "message": said.format(quoted), "status": kind, "details": details}
        return web.json_response({"error": row}, status=status)

    def spoiled(self, mode: str, quoted: str) -> bytes:
        if mode == "error-event":
            row = {"code": 503, "message": f"The model is overloaded. {quoted}", "status": "UNAVAILABLE"}
            return b"data: " + orjson.dumps({"error": row}) + b"\r\n\r\n"
        if mode == "wrong-shape":
            return b'data: {"candidates": 3}\r\n\r\n'
        if mode == "bad-utf8":
            return b'data: {"candidates": [{"content": {"parts": [{"text": "\xf0\x9f"}]}}]}\r\n\r\n'
        return b'data: {"candidates": \r\n\r\n'


def _many(body: dict[str, Any]) -> int:
    return int(body.get("generationConfig", {}).get("candidateCount", 1))


def _wrong(body: dict[str, Any]) -> str:
    """What the API would refuse, or ''."""
    calls: list[str] = []
    before = ""
    thinking = body.get("generationConfig", {}).get("thinkingConfig", {})
    if {"thinkingLevel", "thinkingBudget"} <= set(thinking):
        return "You can only set only one of thinking budget and thinking level."
    for content in body["contents"]:
        parts = content["parts"]
        files = [part["fileData"] for part in parts if "fileData" in part]
        if any(not one.get("fileUri") or not one.get("mimeType", "").startswith("image/") for one in files):
            return "Unsupported MIME type"
        if content["role"] == before or not parts:
            return "Please ensure that multiturn requests alternate between user and model."
        before = content["role"]
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if calls and [one["id"] for one in results] != calls:
            return "The number of function response parts is not equal to that of the function call parts."
        if any(not isinstance(one["response"], dict) or not one["name"] for one in results):
            return "Invalid value at 'function_response'"
        called = [part for part in parts if "functionCall" in part]
        if (
            called
            and "thinkingLevel" in thinking
            and called[0].get("thoughtSignature") not in (SIGNATURE, NO_SIGNATURE)
        ):
            return "Function call is missing a thought_signature in functionCall parts."
        if any(part.get("thoughtSignature", SIGNATURE) not in (SIGNATURE, NO_SIGNATURE) for part in parts):
            return "Corrupted thought signature."
        calls = [part["functionCall"]["id"] for part in called]
    return ""


def _as_openai(body: dict[str, Any]) -> dict[str, Any]:
    """As far as an answer depends on it, the body in the words of the answer book."""
    settings = body.get("generationConfig", {})
    messages = [
        {"role": "system", "content": part["text"]} for part in body.get("systemInstruction", {}).get("parts", [])
    ]
    for content in body["contents"]:
        said = [
            part.get("text") or json.dumps(part.get("functionResponse", {}).get("response", ""))
            for part in content["parts"]
        ]
        texts = [text for text in said if text not in ("", '""')]
        messages.append({"role": "user" if content["role"] == "user" else "assistant", "content": " ".join(texts)})
    declared = [one for tool in body.get("tools") or [] for one in tool["functionDeclarations"]]
    tools = [{"function": {"name": one["name"], "parameters": one.get("parametersJsonSchema", {})}} for one in declared]
    asked: dict[str, Any] = {"messages": messages, "tools": tools, "stop": settings.get("stopSequences", [])}
    if "maxOutputTokens" in settings:
        asked["max_tokens"] = settings["maxOutputTokens"]
    choice = body.get("toolConfig", {}).get("functionCallingConfig", {})
    if choice.get("mode") == "ANY":
        named = choice.get("allowedFunctionNames")
        asked["tool_choice"] = {"function": {"name": named[0]}} if named else "required"
    if "responseJsonSchema" in settings:
        schema = {"name": settings["responseJsonSchema"].get("title"), "schema": settings["responseJsonSchema"]}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif settings.get("responseMimeType") == "application/json":
        asked["response_format"] = {"type": "json_object"}
    return asked


class GeminiStandIn(GoogleStandIn):
    """Of the Gemini API and of Vertex AI."""

    wire: GeminiWire


def gemini(behaviour: Behaviour | None = None, host: str = "127.0.0.1", port: int = 0) -> GeminiStandIn:
    return GeminiStandIn(GeminiWire(), behaviour, host=host, port=port)


if __name__ == "__main__":
    serve(gemini, f"Gemini ({LABEL})")

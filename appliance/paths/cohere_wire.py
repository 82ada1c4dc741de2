"""Cohere's v2 API from the client's side: a Job becomes a body, answers and events become chunks.

Rules kept here:
1. Faithful: what the Job says is said, or refused by name. Cohere has no word for several answers, biases of single
   tokens, one tool call at a time, or a form together with tools.
2. A choice of one tool by its name is said as the choice of any, among that one alone.
3. Cohere's `p` goes from 0.01 to 0.99; a `top_p` beyond is said as the nearer end.
4. The plan that a model makes before it calls tools is thinking that it shows, and goes back as a plan.
5. What is billed counts: where Cohere states both, `billed_units` and not the tokens of its own preamble.
6. Whatever does not look like the format raises BrokenAnswer.
"""

from __future__ import annotations

from typing import Any

import orjson

from appliance.paths.contract import Chunk, FinishReason, Job, PathError, Reasoning, Text, ToolCall, Usage
from appliance.paths.dialect import MALFORMED, BrokenAnswer, ErrorEvent, EventReading, unsupported
from appliance.paths.prefixes import canonical_schema, canonical_tools
from appliance.paths.said import check_said, numbers, pieces, text_or_image, texts
from appliance.paths.vectors import VectorReading
from appliance.records.request import THINKING, Message

MOST_TEXTS = 96  # of one call for embeddings
MAX_BLOCKS = 4096  # content blocks and tool calls of one answer

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_BUDGETS = {"minimal": 1024, "low": 4096, "medium": 16384}  # tokens of thinking; more effort has no budget
_FINISH: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
_GAVE_UP = frozenset(("ERROR", "TIMEOUT", "ERROR_TOXIC", "ERROR_LIMIT", "USER_CANCEL"))


def chat_body(job: Job, model: str, words: str = "none", *, streaming: bool = False) -> dict[str, Any]:
    """The JSON body for a chat; `words` is 'none' for a model that does not think.

    Raises PathError 'unsupported' or 'rejected' for what Cohere cannot be told.
    """
    check_said(
        job,
        sampling=frozenset(("top_k", "seed", "frequency_penalty", "presence_penalty")),
        forwarded=frozenset(("reasoning_effort",)),
        formats=frozenset(("json_object", "json_schema")),
    )
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message, at) for at, message in enumerate(job.messages)],
    }
    _tools(body, job)
    _sampling(body, job)
    if job.format.kind != "text":
        if "tools" in body:
            raise unsupported("form of the answer together with tools", "response_format")
        body["response_format"] = {"type": "json_object"}
        if job.format.kind == "json_schema":
            body["response_format"]["json_schema"] = canonical_schema(job.format.schema or {})
    if job.thinking is not None or "reasoning_effort" in job.forwarded:
        _thinking(body, job, words)
    if streaming:
        body["stream"] = True
    return body


def _thinking(body: dict[str, Any], job: Job, words: str) -> None:
    effort, asked = job.forwarded.get("reasoning_effort"), job.thinking
    if words == "none":
        if effort != "none" and (asked is None or asked.budget_tokens is not None):
            raise unsupported("request to think", "reasoning_effort" if asked is None else "thinking")
    elif effort == "none":
        body["thinking"] = {"type": "disabled"}
    else:
        budget = _BUDGETS.get(str(effort)) if asked is None or asked.budget_tokens is None else asked.budget_tokens
        body["thinking"] = {"type": "enabled", **({} if budget is None else {"token_budget": budget})}


def _message(message: Message, at: int) -> dict[str, Any]:
    role = _ROLES.get(message.role)
    if role is None:
        raise unsupported("messages of this role", f"messages[{at}].role")
    if message.name is not None and role != "tool":
        raise unsupported("names of speakers", f"messages[{at}].name")
    made: dict[str, Any] = {"role": role}
    if role == "tool":
        return made | {"tool_call_id": message.tool_call_id or "", "content": message.content}
    if role == "user":
        parts = list(pieces(message, at))
    else:
        parts = [{"type": "text", "text": text} for text in texts(message, at)]
    if len(parts) == 1 and parts[0]["type"] == "text":
        made["content"] = parts[0].get("text") or ""
    elif parts:
        made["content"] = [text_or_image(part, at) for part in parts]
    elif not message.tool_calls:
        made["content"] = ""
    if message.tool_calls:
        made["tool_calls"] = [
            {"id": call.get("id"), "type": "function", "function": _called(call["function"])}
            for call in message.tool_calls
        ]
        plan = "".join(_plan(part) for part in message.parts if part.get("type") in THINKING)
        if plan:
            made["tool_plan"] = plan
    return made


def _called(function: dict[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "arguments": function.get("arguments") or "{}"}


def _plan(part: dict[str, Any]) -> str:
    """Thinking under a seal is another provider's."""
    return "" if part.get("signature") or part["type"] != "thinking" else str(part.get("thinking") or "")


def _tools(body: dict[str, Any], job: Job) -> None:
    if not job.tools:
        return
    choice = job.tool_choice
    if job.parallel_tool_calls is False and choice != "none":
        raise unsupported("limit of one tool call at a time", "parallel_tool_calls")
    tools: list[dict[str, Any]] = []
    strict = False
    for tool in canonical_tools(job.tools):
        function: Any = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise PathError("rejected", "A tool has no name.", param="tools")
        strict = strict or bool(function.get("strict"))
        kept = {name: held for name, held in function.items() if name != "strict" and held is not None}
        tools.append({"type": "function", "function": kept})
    if isinstance(choice, dict):  # rule 2
        wanted = (choice.get("function") or {}).get("name") if isinstance(choice.get("function"), dict) else None
        tools = [tool for tool in tools if tool["function"]["name"] == wanted]
        if not tools:
            raise PathError("rejected", "The choice of a tool names none of the tools.", param="tool_choice")
        body["tool_choice"] = "REQUIRED"
    elif choice in ("required", "none"):
        body["tool_choice"] = choice.upper()
    elif choice not in (None, "auto"):
        raise PathError("rejected", "The choice of a tool is none of the known ones.", param="tool_choice")
    body["tools"] = tools
    if strict:
        body["strict_tools"] = True


def _sampling(body: dict[str, Any], job: Job) -> None:
    said = job.sampling
    for name, value in (
        ("max_tokens", said.max_tokens),
        ("temperature", said.temperature),
        ("k", said.top_k),
        ("seed", said.seed),
        ("frequency_penalty", said.frequency_penalty),
        ("presence_penalty", said.presence_penalty),
    ):
        if value is not None:
            body[name] = value
    if said.top_p is not None:
        body["p"] = min(max(said.top_p, 0.01), 0.99)  # rule 3
    if said.stop:
        body["stop_sequences"] = said.stop


def embed_body(job: Job, model: str, input_type: str) -> dict[str, Any]:
    """The JSON body for embeddings; `input_type` is what they are for, which other wires do not say."""
    if len(job.inputs) > MOST_TEXTS:
        raise PathError("rejected", f"Cohere takes {MOST_TEXTS} texts at once.", param="input")
    for name in job.forwarded:
        if name not in ("dimensions", "user"):
            raise unsupported("parameter of this name", name if name.isidentifier() else "body")
    body: dict[str, Any] = {
        "model": model,
        "input_type": input_type,
        "texts": job.inputs,
        "embedding_types": ["float"],
        "truncate": "NONE",
    }
    if job.forwarded.get("dimensions") is not None:
        body["output_dimension"] = job.forwarded["dimensions"]
    return body


def read_usage(found: Any) -> Usage:
    """Rule 5. `found` is a chat's `usage` or the `meta` of embeddings."""
    counted = found.get("billed_units") or found.get("tokens") or {}
    prompt = int(counted.get("input_tokens") or 0)
    return Usage(prompt, int(counted.get("output_tokens") or 0), min(prompt, int(found.get("cached_tokens") or 0)))


class ChatReading(EventReading):
    """What has been read of one chat."""

    __slots__ = ("_calls", "_silent", "_stop_strings")

    def __init__(self, stop_strings: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._stop_strings = stop_strings
        self._calls: dict[int, int] = {}  # Cohere's index -> position of the tool call
        self._silent: set[int] = set()  # tool calls that had no arguments so far

    def whole(self, raw: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            found = orjson.loads(raw)
            self._finish(found, raw)
            message = found["message"]
            if message.get("tool_plan"):
                chunks.append(Reasoning(_text(message["tool_plan"])))
            tokens = max(1, self.usage.completion_tokens) if self.usage else 1
            for block in message.get("content") or ():
                if block["type"] == "thinking":
                    chunks.append(Reasoning(_text(block["thinking"])))
                elif block["type"] == "text":
                    chunks.append(Text(_text(block["text"]), 0, tokens))
            for at, call in enumerate(message.get("tool_calls") or ()):
                chunks.append(self._begin(at, call))
                if not call["function"].get("arguments"):
                    chunks.append(self._arguments(at, "{}"))
            return chunks
        except (BrokenAnswer, ErrorEvent):
            raise
        except MALFORMED:
            raise BrokenAnswer("not in the form of Cohere's answers") from None

    def event(self, name: bytes, data: bytes, chunks: list[Chunk]) -> None:  # noqa: ARG002 - data says its own type
        if data == b"[DONE]":
            return
        try:
            found = orjson.loads(data)
            kind = found.get("type")
            if kind in ("content-delta", "content-start"):
                content = found["delta"]["message"]["content"]
                if content.get("text"):
                    chunks.append(Text(_text(content["text"])))
                elif content.get("thinking"):
                    chunks.append(Reasoning(_text(content["thinking"])))
            elif kind == "tool-plan-delta":
                plan = found["delta"]["message"]["tool_plan"]
                if plan:
                    chunks.append(Reasoning(_text(plan)))
            elif kind == "tool-call-start":
                call = found["delta"]["message"]["tool_calls"]
                chunks.append(self._begin(found["index"], call))
                if not call["function"].get("arguments"):
                    self._silent.add(found["index"])
            elif kind == "tool-call-delta":
                piece = found["delta"]["message"]["tool_calls"]["function"]["arguments"]
                if piece:
                    self._silent.discard(found["index"])
                    chunks.append(self._arguments(found["index"], _text(piece)))
            elif kind == "tool-call-end" and found["index"] in self._silent:
                self._silent.discard(found["index"])
                chunks.append(self._arguments(found["index"], "{}"))
            elif kind == "message-end":
                self._finish(found["delta"], data)
                self.ended = True
            elif kind is None:
                raise ErrorEvent(data)
        except (BrokenAnswer, ErrorEvent):
            raise
        except MALFORMED:
            raise BrokenAnswer("not in the form of Cohere's events") from None

    def end(self) -> None:
        if not self.ended:
            raise BrokenAnswer("the stream ended before the answer did")

    def _finish(self, found: dict[str, Any], raw: bytes) -> None:
        usage = found.get("usage")
        if usage:
            self.usage = read_usage(usage)
        reason = _text(found["finish_reason"])
        if reason in _GAVE_UP:
            raise ErrorEvent(raw)
        self.finished[0] = _FINISH.get(reason, "stop")
        if reason == "STOP_SEQUENCE" and len(self._stop_strings) == 1:  # of several Cohere does not tell which
            self.stops[0] = self._stop_strings[0]

    def _begin(self, at: Any, call: dict[str, Any]) -> ToolCall:
        if type(at) is not int or at in self._calls or len(self._calls) >= MAX_BLOCKS:
            raise BrokenAnswer("a tool call begins twice")
        self._calls[at] = position = len(self._calls)
        called = call["function"]
        function = {"name": _text(called["name"]), "arguments": _text(called.get("arguments") or "")}
        return ToolCall({"index": position, "id": _text(call["id"]), "type": "function", "function": function})

    def _arguments(self, at: int, piece: str) -> ToolCall:
        return ToolCall({"index": self._calls[at], "function": {"arguments": piece}})


class EmbedReading(VectorReading):
    """What has been read of embeddings."""

    __slots__ = ()
    whose = "Cohere"

    def rows(self, found: Any) -> list[Any]:
        meta = found.get("meta")
        self.usage = read_usage(meta) if meta else None
        rows: list[Any] = found["embeddings"]["float"]
        return rows

    def values(self, row: Any) -> tuple[float, ...]:
        return numbers(row)


def _text(found: Any) -> str:
    if type(found) is not str:
        raise BrokenAnswer("what should be text is not")
    return found

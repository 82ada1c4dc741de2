"""AWS Bedrock's Converse from the client's side: a Job becomes a body, answers and events become chunks.

The format is that of the service model `bedrock-runtime` of 2023-09-30: Converse in JSON, ConverseStream as frames of
`application/vnd.amazon.eventstream` that hold JSON.

Rules kept here:
1. Faithful: what the Job says is said, or refused by name. Converse has no word for seeds, penalties,
   log-probabilities, several answers, tools that may not be used any more, or a JSON object without a schema.
2. System messages become `system`, wherever they stand; other messages of one role in a row become one, because
   Converse wants turns.
3. A tool whose name Converse does not take, as those of some MCP servers are too long, has another there.
4. A point up to which the prompt is kept stands behind its block (`cachePoint`), where the model keeps any.
5. Input tokens are counted as elsewhere: with those read from the provider's cache and those written to it, which
   Converse states beside them.
6. Earlier thinking goes back only where it was sealed here. How much is to be thought is said in Anthropic's words, the
   only ones of Converse's models that are alike for all of a maker's.
7. Whatever does not look like the format raises BrokenAnswer.

It frames no bytes and signs nothing: see `bedrock_http`.
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import Any

import orjson

from appliance.paths.anthropic_own import BUDGETS, LEAST_BUDGET, check_told, lost_thread, marked, sealed, worded
from appliance.paths.contract import Chunk, FinishReason, Job, PathError, Reasoning, Text, ToolCall, Usage
from appliance.paths.dialect import MALFORMED, BrokenAnswer, unsupported
from appliance.paths.prefixes import canonical_schema, canonical_tools
from appliance.paths.said import arguments_of, conversation, image_bytes, pieces, texts
from appliance.records.chunks import REDACTED
from appliance.records.request import Message

MAKER = "bedrock:"  # begins the seals of this provider
MAX_BLOCKS = 4096  # content blocks of one answer

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_TIERS = {"default": "default", "auto": "default", "priority": "priority", "flex": "flex"}
_TOOL_USE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def build_body(job: Job, words: str = "none", *, keeps: bool = False) -> dict[str, Any]:
    """The JSON body for a chat; `words` are those in which its model is told how much to think, as the card has it, and
    `keeps` says whether it keeps what callers mark.

    Raises PathError 'unsupported' or 'rejected' for what Converse cannot be told.
    """
    if job.kind != "chat":
        raise unsupported(f"jobs of the kind '{job.kind}'", "model")
    check_told(job)
    system, messages = conversation(job.messages, partial(_blocks, keeps=keeps))
    if not messages or messages[0]["role"] != "user":
        raise _not_begun(job, silent=not messages)
    body: dict[str, Any] = {"messages": messages}
    if system:
        body["system"] = system
    _tools(body, job, used=any(message.tool_calls or message.role == "tool" for message in job.messages))
    _inference(body, job, words)
    if job.format.kind == "json_schema":
        schema: dict[str, Any] = {"schema": orjson.dumps(canonical_schema(job.format.schema or {})).decode()}
        schema |= {"name": job.format.name} if job.format.name else {}
        schema |= {"description": job.format.description} if job.format.description else {}
        body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
    tier = job.forwarded.get("service_tier")
    if tier is not None:
        if tier not in _TIERS:
            raise unsupported("such service tier", "service_tier")
        body["serviceTier"] = {"type": _TIERS[tier]}
    return body


def _not_begun(job: Job, *, silent: bool) -> PathError:
    """Why the user does not begin what is left of a conversation without its empty texts; `silent`: nothing is."""
    for at, message in enumerate(job.messages):
        if message.role == "user":  # what came first, and nothing is in it
            words = f"messages[{at}] is empty, and Converse takes no empty text: write something, or leave it out."
            return PathError("rejected", words, param=f"messages[{at}].content")
        if message.role == "assistant" and not silent:
            break
    words = "Converse takes conversations that the user begins: put a message of the user first."
    return PathError("rejected", words, param="messages")


def _blocks(message: Message, at: int, *, keeps: bool) -> list[dict[str, Any]]:
    """The blocks of one message, with its marks where the model keeps anything."""
    role = message.role
    if role == "tool":
        said = _pieces(message, at) or [{"text": "(empty)"}]
        blocks: list[dict[str, Any]] = [
            {"toolResult": {"toolUseId": _use_id(message.tool_call_id or ""), "content": said}}
        ]
    elif role == "user":
        blocks = _pieces(message, at)
    else:
        blocks = [{"text": text} for text in texts(message, at) if text.strip()]
        if role == "assistant":
            thoughts = [_thought(part) for part in message.parts if sealed(part, MAKER)]
            blocks = [*thoughts, *blocks, *(_use(call, at) for call in message.tool_calls)]
    return marked(blocks, message, _kept) if keeps else blocks


def _kept(block: dict[str, Any], lasts: str) -> list[dict[str, Any]]:
    """A block with the `cachePoint` behind it (rule 4). None may stand behind thinking."""
    if "reasoningContent" in block:
        return [block]
    return [block, {"cachePoint": {"type": "default"} | ({"ttl": lasts} if lasts == "1h" else {})}]


def _use(call: dict[str, Any], at: int) -> dict[str, Any]:
    used = {"toolUseId": _use_id(str(call.get("id", ""))), "name": tool_name(call["function"]["name"])}
    return {"toolUse": {**used, "input": arguments_of(call, at)}}


def _pieces(message: Message, at: int) -> list[dict[str, Any]]:
    """Blocks of text that has a word, and of images."""
    blocks: list[dict[str, Any]] = []
    for part in worded(pieces(message, at)):
        if part["type"] == "text":
            blocks.append({"text": part["text"]})
            continue
        media, data = image_bytes(part, at)
        if media not in _IMAGES:
            raise unsupported(f"images of the kind {media[:40]}", f"messages[{at}].content")
        blocks.append({"image": {"format": _IMAGES[media], "source": {"bytes": data}}})
    return blocks


def _thought(part: dict[str, Any]) -> dict[str, Any]:
    """Earlier thinking that was sealed here."""
    if part["type"] == "redacted_thinking":
        return {"reasoningContent": {"redactedContent": part["data"].removeprefix(MAKER)}}
    thought = {"text": part.get("thinking", ""), "signature": part["signature"].removeprefix(MAKER)}
    return {"reasoningContent": {"reasoningText": thought}}


def _use_id(id: str) -> str:
    """An id that Converse takes: the caller's, or one made from it."""
    if _TOOL_USE_ID.fullmatch(id):
        return id
    return "call_" + hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:32]


def tool_name(name: str) -> str:
    """A name of a tool that Converse takes: the caller's, or where that is too long or has other letters as much of it
    as fits before a digest.
    """
    if _TOOL_NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{re.sub('[^A-Za-z0-9_-]', '_', name)[:47]}_{digest}"


def _tools(body: dict[str, Any], job: Job, *, used: bool) -> None:
    choice = job.tool_choice
    if not job.tools or choice == "none":
        if used:  # Converse wants the tools of every call that stands in the conversation, and may then use them
            raise unsupported("earlier tool calls where no tool may be used", "tool_choice" if job.tools else "tools")
        return
    if job.parallel_tool_calls is False:
        raise unsupported("limit of one tool call at a time", "parallel_tool_calls")
    tools = []
    for tool in canonical_tools(job.tools):
        function: Any = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise PathError("rejected", "A tool has no name.", param="tools")
        spec: dict[str, Any] = {
            "name": tool_name(function["name"]),
            "inputSchema": {"json": function.get("parameters") or {"type": "object", "properties": {}}},
        }
        if function.get("description"):
            spec["description"] = function["description"]
        if function.get("strict"):
            spec["strict"] = True
        tools.append({"toolSpec": spec})
    config: dict[str, Any] = {"tools": tools}
    if choice == "required":
        config["toolChoice"] = {"any": {}}
    elif isinstance(choice, dict):
        function = choice.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise PathError("rejected", "The choice of a tool names none.", param="tool_choice")
        config["toolChoice"] = {"tool": {"name": tool_name(function["name"])}}
    elif choice not in (None, "auto"):
        raise PathError("rejected", "The choice of a tool is none of the known ones.", param="tool_choice")
    body["toolConfig"] = config


def _inference(body: dict[str, Any], job: Job, words: str) -> None:
    said = job.sampling
    config: dict[str, Any] = {}
    if said.max_tokens is not None:
        config["maxTokens"] = said.max_tokens
    if said.temperature is not None:
        config["temperature"] = said.temperature
    if said.top_p is not None:
        config["topP"] = said.top_p
    if said.stop:
        config["stopSequences"] = said.stop
    if config:
        body["inferenceConfig"] = config
    # Converse hands these to the model as they are; Anthropic's and Mistral's models call it so.
    own: dict[str, Any] = {"top_k": said.top_k} if said.top_k is not None else {}
    if job.thinking is not None or "reasoning_effort" in job.forwarded:
        own |= _thinking(job, words)
    if own:
        body["additionalModelRequestFields"] = own


def _thinking(job: Job, words: str) -> dict[str, Any]:
    """Rule 6."""
    effort, asked, most = job.forwarded.get("reasoning_effort"), job.thinking, job.sampling.max_tokens
    if words == "none":
        if effort != "none" and (asked is None or asked.budget_tokens is not None):
            raise unsupported("request to think", "reasoning_effort" if asked is None else "thinking")
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if words == "effort":
        adaptive: dict[str, Any] = {"thinking": {"type": "adaptive"}}
        stated = "low" if effort == "minimal" else effort
        return adaptive if stated is None else {**adaptive, "output_config": {"effort": stated}}
    if lost_thread(job.messages, MAKER):
        return {}
    budget = (
        asked.budget_tokens if asked is not None and asked.budget_tokens is not None else BUDGETS[effort or "medium"]
    )
    budget = budget if most is None else min(budget, most - 1)
    if budget < LEAST_BUDGET:
        raise unsupported(f"thinking within {most} tokens", "reasoning_effort")
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def read_usage(found: Any) -> Usage:
    """Rule 5."""
    cached, written = int(found.get("cacheReadInputTokens") or 0), int(found.get("cacheWriteInputTokens") or 0)
    return Usage(
        int(found.get("inputTokens") or 0) + cached + written,
        int(found.get("outputTokens") or 0),
        cached,
        cache_write_tokens=written,
        hour_write_tokens=sum(
            [int(one["inputTokens"]) for one in found.get("cacheDetails") or () if one["ttl"] == "1h"]
        ),
    )


class ConverseReading:
    """What has been read of one answer. `usage` is None until the provider states it, `finish` until it ended."""

    __slots__ = ("_calls", "_names", "_silent", "_stop_strings", "finish", "stops", "usage")

    def __init__(self, stop_strings: tuple[str, ...] = (), tools: tuple[dict[str, Any], ...] = ()) -> None:
        """`stop_strings` and `tools` of the job."""
        self._stop_strings = stop_strings
        functions = [tool.get("function") for tool in tools]
        names = [one["name"] for one in functions if isinstance(one, dict) and isinstance(one.get("name"), str)]
        self._names = {tool_name(name): name for name in names}
        self.usage: Usage | None = None
        self.finish: FinishReason | None = None
        self.stops: dict[int, str] = {}
        self._calls: dict[int, int] = {}  # content block -> position of its tool call
        self._silent: set[int] = set()  # tool calls that had no arguments so far

    def whole(self, raw: bytes) -> list[Chunk]:
        """Chunks of an answer that came in one piece."""
        try:
            found = orjson.loads(raw)
            self.usage = read_usage(found["usage"]) if found.get("usage") else None
            self._stop(found["stopReason"])
            chunks: list[Chunk] = []
            tokens = self.usage.completion_tokens if self.usage else 1
            for at, block in enumerate(found["output"]["message"]["content"]):
                self._block(at, block, tokens, chunks)
            return chunks
        except (BrokenAnswer, PathError):
            raise
        except MALFORMED:
            raise BrokenAnswer("not in the form of Converse's answers") from None

    def _block(self, at: int, block: dict[str, Any], tokens: int, chunks: list[Chunk]) -> None:
        if "text" in block:
            chunks.append(Text(_text(block["text"]), 0, max(1, tokens)))
        elif "toolUse" in block:
            use = block["toolUse"]
            chunks.append(self._begin(at, use, orjson.dumps(use.get("input") or {}).decode()))
        elif "reasoningContent" in block:
            shown = block["reasoningContent"]
            if "redactedContent" in shown:
                chunks.append(Reasoning("", 0, 0, REDACTED + MAKER + _text(shown["redactedContent"])))
            else:
                shown = shown["reasoningText"]
                chunks.append(Reasoning(_text(shown["text"]), 0, 1, _seal(shown.get("signature"))))

    def event(self, kind: str, raw: bytes, chunks: list[Chunk]) -> None:
        """Add the chunks of one event of a stream."""
        try:
            found = orjson.loads(raw)
            if kind == "contentBlockDelta":
                self._delta(found["contentBlockIndex"], found["delta"], chunks)
            elif kind == "contentBlockStart":
                use = (found.get("start") or {}).get("toolUse")
                if use is not None:
                    at = found["contentBlockIndex"]
                    chunks.append(self._begin(at, use, ""))
                    self._silent.add(at)
            elif kind == "contentBlockStop":
                at = found["contentBlockIndex"]
                if at in self._silent:
                    self._silent.discard(at)
                    chunks.append(self._arguments(at, "{}"))
            elif kind == "messageStop":
                self._stop(found["stopReason"])
            elif kind == "metadata":
                self.usage = read_usage(found["usage"]) if found.get("usage") else self.usage
        except (BrokenAnswer, PathError):
            raise
        except MALFORMED:
            raise BrokenAnswer("not in the form of ConverseStream's events") from None

    def _delta(self, at: int, delta: dict[str, Any], chunks: list[Chunk]) -> None:
        if "text" in delta:
            if delta["text"]:
                chunks.append(Text(_text(delta["text"])))
        elif "toolUse" in delta:
            piece = _text(delta["toolUse"].get("input") or "")
            if piece:
                self._silent.discard(at)
                chunks.append(self._arguments(at, piece))
        elif "reasoningContent" in delta:
            shown = delta["reasoningContent"]
            if shown.get("text"):
                chunks.append(Reasoning(_text(shown["text"])))
            elif shown.get("signature"):
                chunks.append(Reasoning("", 0, 0, _seal(shown["signature"])))
            elif shown.get("redactedContent"):
                chunks.append(Reasoning("", 0, 0, REDACTED + MAKER + _text(shown["redactedContent"])))

    def _begin(self, at: int, use: dict[str, Any], arguments: str) -> ToolCall:
        if type(at) is not int or at in self._calls or len(self._calls) >= MAX_BLOCKS:
            raise BrokenAnswer("a tool call begins twice")
        self._calls[at] = position = len(self._calls)
        name = _text(use["name"])
        function = {"name": self._names.get(name, name), "arguments": arguments}
        return ToolCall({"index": position, "id": _text(use["toolUseId"]), "type": "function", "function": function})

    def _arguments(self, at: int, piece: str) -> ToolCall:
        return ToolCall({"index": self._calls[at], "function": {"arguments": piece}})

    def _stop(self, reason: Any) -> None:
        if reason in ("malformed_model_output", "malformed_tool_use"):
            raise PathError("broken_stream", "The model's output was malformed, as the server itself says.")
        self.finish = _FINISH.get(_text(reason), "stop")
        if reason == "stop_sequence" and len(self._stop_strings) == 1:  # of several Converse does not tell which
            self.stops[0] = self._stop_strings[0]


def _seal(signature: Any) -> str:
    return MAKER + _text(signature) if signature else ""


def _text(found: Any) -> str:
    if type(found) is not str:
        raise BrokenAnswer("what should be text is not")
    return found

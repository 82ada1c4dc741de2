"""Anthropic's Messages from the client's side: a Job becomes a body, answers and events become chunks.

Rules kept here:
1. Faithful: what the Job says is said, or refused by name. The API has no word for seeds, penalties, log-probabilities,
   several answers, names of speakers, patterns, or a JSON object without a schema.
2. System messages become `system`, wherever they stand; other messages of one role in a row become one, so that the
   results of tools stand together right behind the calls that they answer.
3. Earlier thinking goes back only where this provider sealed it, and in front of what followed it. A model that thinks
   by a budget insists on the thinking that led to the calls it gets results of: where that is not there, it is not
   asked to think.
4. A schema in which it is left open whether an object may have more properties is closed, because the API takes no
   other: what it answers fits both.
5. Input tokens are counted as elsewhere: with those read from the provider's cache and those written to it, which the
   API states beside them.
6. Whatever does not look like the format raises BrokenAnswer; kinds of events that are not known are passed over, as
   the API asks of its clients.

It opens no connection.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson

from appliance.paths.anthropic_own import (
    BUDGETS,
    LEAST_BUDGET,
    check_told,
    hinted,
    lost_thread,
    marked,
    sealed,
    thinking_asked,
    worded,
)
from appliance.paths.contract import Chunk, FinishReason, Job, Reasoning, Text, ToolCall, Usage
from appliance.paths.dialect import MALFORMED, BrokenAnswer, ErrorEvent, EventReading, unsupported
from appliance.paths.prefixes import canonical_schema, canonical_tools
from appliance.paths.said import arguments_of, conversation, image_bytes, image_url, pdf, pieces, texts
from appliance.records.chunks import REDACTED
from appliance.records.request import Message

MAKER = "anthropic:"  # begins the seals of this provider

_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
_TIERS = {"auto": "auto", "default": "standard_only"}
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_MEDIA = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
_TOOL_USE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # not all of the answer, and nobody here goes on with it
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def build_body(job: Job, model: str, limit: int, reasoning: str, *, streaming: bool = False) -> dict[str, Any]:
    """The JSON body for a chat. `limit` in tokens, where the job states none; `reasoning` as the card has it.

    Raises PathError 'unsupported' or 'rejected' for what the API cannot be told.
    """
    check_told(job)
    sampling = job.sampling
    most = sampling.max_tokens if sampling.max_tokens is not None else limit
    system, turns = conversation(job.messages, _blocks)
    body: dict[str, Any] = {"model": model, "max_tokens": most, "messages": turns}
    if system:
        body["system"] = system
    if job.tools:
        _tools(body, job)
    if sampling.temperature is not None:
        if sampling.temperature > 1:
            raise unsupported("temperature above 1", "temperature")
        body["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        body["top_k"] = sampling.top_k
    if sampling.stop:
        body["stop_sequences"] = sampling.stop
    output: dict[str, Any] = {}
    if job.format.kind == "json_schema":
        schema = closed(canonical_schema(job.format.schema or {}))
        output["format"] = {"type": "json_schema", "schema": schema}
    effort = job.forwarded.get("reasoning_effort")
    if job.thinking is not None and effort != "none":
        budget, lost = BUDGETS[effort or "medium"], lost_thread(job.messages, MAKER)
        body |= thinking_asked(job.thinking, budget, reasoning, most, lost_thread=lost)
        if effort is not None and reasoning == "effort":
            output["effort"] = _EFFORTS[effort]
    elif effort is not None:
        _thinking(body, output, effort, reasoning, most, job.messages)
    if output:
        body["output_config"] = output
    tier = job.forwarded.get("service_tier")
    if tier is not None:
        if tier not in _TIERS:
            raise unsupported("such service tier", "service_tier")
        body["service_tier"] = _TIERS[tier]
    if streaming:
        body["stream"] = True
    return body


def _thinking(
    body: dict[str, Any], output: dict[str, Any], effort: str, reasoning: str, most: int, said: tuple[Message, ...]
) -> None:
    if reasoning == "none":
        if effort != "none":
            raise unsupported("request to think", "reasoning_effort")
    elif effort == "none":
        body["thinking"] = {"type": "disabled"}
    elif reasoning == "effort":
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
        output["effort"] = _EFFORTS[effort]
    elif not lost_thread(said, MAKER):
        budget = min(BUDGETS[effort], most - 1)
        if budget < LEAST_BUDGET:
            raise unsupported(f"thinking within {most} tokens", "reasoning_effort")
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _blocks(message: Message, at: int) -> list[dict[str, Any]]:
    """The blocks of one message, with its marks."""
    if message.role == "tool":
        blocks = [_result(message, at)]
    elif message.role == "user":
        blocks = [_piece(part, at) for part in worded(pieces(message, at, files=True))]
    else:
        blocks = list(worded({"type": "text", "text": text} for text in texts(message, at)))
        if message.role == "assistant":
            blocks = [*_thoughts(message), *blocks, *(_use(call, at) for call in message.tool_calls)]
    return marked(blocks, message, hinted)


def _piece(part: dict[str, Any], at: int) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    if part["type"] == "file":
        name, data = pdf(part, at)
        source = {"type": "base64", "media_type": "application/pdf", "data": data}
        return {"type": "document", "source": source} | ({"title": name} if name else {})
    url = image_url(part, at)
    if url[:5].lower() != "data:":
        return {"type": "image", "source": {"type": "url", "url": url}}
    media, data = image_bytes(part, at)
    media = "image/jpeg" if media == "image/jpg" else media
    if media not in _MEDIA:
        raise unsupported(f"images of the type {media}", f"messages[{at}].content")
    return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}


def _thoughts(message: Message) -> list[dict[str, Any]]:
    """Earlier thinking under this provider's seal."""
    blocks: list[dict[str, Any]] = []
    for part in message.parts:
        if not sealed(part, MAKER):
            continue
        if part["type"] == "thinking":
            seal = part["signature"].removeprefix(MAKER)
            blocks.append({"type": "thinking", "thinking": part["thinking"], "signature": seal})
        else:
            blocks.append({"type": "redacted_thinking", "data": part["data"].removeprefix(MAKER)})
    return blocks


def _use(call: dict[str, Any], at: int) -> dict[str, Any]:
    name, held = call["function"]["name"], arguments_of(call, at)
    return {"type": "tool_use", "id": _id(call["id"]), "name": name, "input": held}


def _result(message: Message, at: int) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id or "")}
    if message.parts:
        block["content"] = [_piece(part, at) for part in worded(pieces(message, at, files=True))]
    elif message.content:
        block["content"] = message.content
    return block


def _id(id: str) -> str:
    """The id of a call in letters that the API takes; those of other providers may have others."""
    return id if _TOOL_USE_ID.fullmatch(id) else f"toolu_{hashlib.sha256(id.encode()).hexdigest()[:24]}"


def _tools(body: dict[str, Any], job: Job) -> None:
    tools: list[dict[str, Any]] = []
    for tool in canonical_tools(job.tools):
        function: Any = tool["function"]
        made: dict[str, Any] = {"name": function["name"], "input_schema": function.get("parameters") or _NO_PARAMETERS}
        if function.get("description"):
            made["description"] = function["description"]
        if function.get("strict"):
            made["strict"] = True
            made["input_schema"] = closed(made["input_schema"])
        tools.append(made)
    body["tools"] = tools
    chosen = job.tool_choice
    choice: dict[str, Any] = {}
    if isinstance(chosen, dict):
        choice = {"type": "tool", "name": chosen["function"]["name"]}
    elif chosen is not None:
        choice = {"type": _CHOICES[chosen]}
    if job.parallel_tool_calls is False and chosen != "none":
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice:
        body["tool_choice"] = choice


_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def closed(schema: Any) -> Any:
    """The schema with every object closed that it leaves open (rule 4)."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        name: {key: closed(item) for key, item in value.items()}
        if name in ("properties", "$defs", "definitions") and isinstance(value, dict)
        else value
        if name in ("enum", "const", "default", "examples")
        else closed(value)
        for name, value in schema.items()
    }
    if made.get("type") in ("object", ["object", "null"]) or "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def _usage(found: dict[str, Any], before: Usage | None) -> Usage:
    """What is stated, and of what is not what was stated before."""
    before = before or Usage()
    written, read = found.get("cache_creation_input_tokens"), found.get("cache_read_input_tokens")
    written = before.cache_write_tokens if written is None else int(written)
    read = before.cached_tokens if read is None else int(read)
    fresh = found.get("input_tokens")
    prompt = before.prompt_tokens if fresh is None else int(fresh) + written + read
    hour = (found.get("cache_creation") or {}).get("ephemeral_1h_input_tokens")
    hour = before.hour_write_tokens if hour is None else int(hour)
    details = found.get("output_tokens_details") or {}
    thought = int(details.get("thinking_tokens") or 0) or before.reasoning_tokens
    return Usage(prompt, int(found.get("output_tokens") or 0), read, thought, written, hour)


class MessageReading(EventReading):
    """What has been read of one message."""

    __slots__ = ("_calls", "_open", "_said", "_seal")

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0  # tools that were called
        self._open = ""  # the kind of block that is
        self._said = False  # whether its call has arguments
        self._seal = ""

    def whole(self, raw: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            found = orjson.loads(raw)
            if found.get("type") == "error":
                raise ErrorEvent(raw)
            if found.get("usage"):
                self.usage = _usage(found["usage"], None)
            for block in found["content"]:
                self._begin(block, chunks)
                self._end(chunks)
            self._stop(found)
        except (ErrorEvent, BrokenAnswer):
            raise
        except MALFORMED:
            raise BrokenAnswer("not in the form of Anthropic's messages") from None
        return chunks

    def event(self, name: bytes, data: bytes, chunks: list[Chunk]) -> None:  # noqa: ARG002 - the data says it too
        try:
            found = orjson.loads(data)
            kind = found["type"]
            if kind == "content_block_delta":
                self._delta(found["delta"], chunks)
            elif kind == "content_block_start":
                self._begin(found["content_block"], chunks)
            elif kind == "content_block_stop":
                self._end(chunks)
            elif kind == "message_start":
                self.usage = _usage(found["message"].get("usage") or {}, None)
            elif kind == "message_delta":
                self._stop(found["delta"])
                if found.get("usage"):
                    self.usage = _usage(found["usage"], self.usage)
            elif kind == "message_stop":
                self.ended = True
            elif kind == "error":
                raise ErrorEvent(data)
        except (ErrorEvent, BrokenAnswer):
            raise
        except MALFORMED:
            raise BrokenAnswer("not in the form of Anthropic's events") from None

    def _stop(self, said: dict[str, Any]) -> None:
        reason, stop = said.get("stop_reason"), said.get("stop_sequence")
        if reason is not None:
            self.finished[0] = _FINISH.get(reason, "stop")
            if reason == "stop_sequence" and type(stop) is str:
                self.stops[0] = stop

    def _delta(self, delta: dict[str, Any], chunks: list[Chunk]) -> None:
        kind = delta["type"]
        if kind == "text_delta":
            self._add(Text, delta["text"], chunks)
        elif kind == "thinking_delta":
            self._add(Reasoning, delta["thinking"], chunks)
        elif kind == "signature_delta":
            self._seal += delta["signature"]
        elif kind == "input_json_delta" and delta["partial_json"]:
            self._said = True
            self._call({"function": {"arguments": delta["partial_json"]}}, chunks)

    def _begin(self, block: dict[str, Any], chunks: list[Chunk]) -> None:
        kind = self._open = block["type"]
        if kind == "text":
            self._add(Text, block["text"], chunks)
        elif kind == "thinking":
            self._add(Reasoning, block["thinking"], chunks)
            self._seal = block.get("signature") or ""
        elif kind == "redacted_thinking":
            chunks.append(Reasoning("", seal=f"{REDACTED}{MAKER}{block['data']}"))
        elif kind == "tool_use":
            self._calls += 1
            held = block["input"]
            self._said = bool(held)
            function = {"name": block["name"], "arguments": orjson.dumps(held).decode() if held else ""}
            self._call({"id": block["id"], "type": "function", "function": function}, chunks)
        else:
            raise BrokenAnswer("a block of a kind that nobody asked for")

    def _end(self, chunks: list[Chunk]) -> None:
        if self._open == "thinking" and self._seal:
            chunks.append(Reasoning("", 0, 0, MAKER + self._seal))
            self._seal = ""
        elif self._open == "tool_use" and not self._said:
            self._call({"function": {"arguments": "{}"}}, chunks)
        self._open = ""

    def _add(self, kind: type[Text] | type[Reasoning], text: str, chunks: list[Chunk]) -> None:
        if type(text) is not str:
            raise BrokenAnswer("a piece of text is none")
        if text:
            chunks.append(kind(text))

    def _call(self, delta: dict[str, Any], chunks: list[Chunk]) -> None:
        chunks.append(ToolCall({"index": self._calls - 1, **delta}))

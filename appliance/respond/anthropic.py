"""Answers in Anthropic's dialect: the message object, its events, errors and models.

Rules kept here:
1. `message_start`, then one block after the other, each begun and ended, then `message_delta` with why it ended and all
   counts, then `message_stop`. After the first byte an error is an event, and nothing follows it.
2. `input_tokens` leave out what a provider's cache read or wrote; `message_start` counts nothing yet, because nobody
   has told.
3. A tool's input is an object. Arguments that are none are an error: nothing is made of them. A call that the limit of
   tokens cut off is left out, and `stop_reason` says so; in a stream its pieces have gone out by then.

4. Thinking is shown to whoever asked for it, and to nobody else; under 'omitted' only what seals it.
5. A stop sequence is told where its path tells it; else 'end_turn' stands for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from appliance.errors import BadRequest, Unthreaded, UpstreamFailed, WeirError
from appliance.records.answer import Answer, Choice
from appliance.records.card import ModelCard
from appliance.records.chunks import REDACTED, Chunk, Done, Reasoning, Signals, Text, ToolCall, Usage
from appliance.records.request import Thinking
from appliance.respond.bodies import AUTO
from appliance.respond.forms import call_id, write

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_NOTHING = Usage()
_GOES_ON: dict[str, str | None] = {"stop_reason": None, "stop_sequence": None}
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large"}
_TOO_MANY, _UNAVAILABLE, _OURS = 429, 503, 500


def message_body(answer: Answer, thinking: Thinking | None = None, *, id: str) -> bytes:
    """A message. Raises UpstreamFailed where a tool was called with what is no object."""
    choice = answer.choices[0] if answer.choices else Choice()
    content: list[dict[str, Any]] = []
    if thinking is not None and (choice.reasoning or choice.seal):
        content.append(_thought(choice.reasoning if thinking.show else "", choice.seal))
    if choice.text:
        content.append({"type": "text", "text": choice.text})
    for place, call in enumerate(choice.tool_calls):
        held = _input(call["function"]["arguments"])
        if held is not None:
            content.append(
                {"type": "tool_use", "id": call_id(call, place), "name": call["function"]["name"], "input": held}
            )
        elif choice.finish_reason != "length":
            raise UpstreamFailed(
                "The path called a tool with arguments that are not a JSON object.",
                next_step="Ask again, or another model.",
            )
    ending = _ending(choice.finish_reason, choice.stop, called=bool(choice.tool_calls))
    return write(_message(id, answer.model, content, ending, answer.usage))


def _thought(text: str, seal: str) -> dict[str, Any]:
    if seal.startswith(REDACTED):
        return {"type": "redacted_thinking", "data": seal.removeprefix(REDACTED)}
    return {"type": "thinking", "thinking": text, "signature": seal}


def _message(
    id: str, model: str, content: list[dict[str, Any]], ending: dict[str, str | None], usage: Usage
) -> dict[str, Any]:
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        **ending,
        "usage": _usage(usage),
    }


def _usage(usage: Usage) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "input_tokens": max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }
    if usage.reasoning_tokens:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counts


def _ending(finish: str, stop: str, *, called: bool) -> dict[str, str | None]:
    """Why it ended; a server that was made to call one tool says 'stop'."""
    reason = "tool_use" if called and finish == "stop" else _REASONS[finish]
    if stop and reason == "end_turn":
        return {"stop_reason": "stop_sequence", "stop_sequence": stop}
    return {"stop_reason": reason, "stop_sequence": None}


def _input(arguments: str) -> dict[str, Any] | None:
    """The object that a tool is called with; None where the arguments are none."""
    try:
        held = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return None
    return held if type(held) is dict else None


class MessageStream:
    """The events of one message. A state machine: chunks in, bytes out."""

    def __init__(self, *, id: str, model: str, thinking: Thinking | None = None) -> None:
        """`id` of the message, `model` the answering path's id. Usage is always said, and no time."""
        self._start = _event("message_start", {"message": _message(id, model, [], _GOES_ON, _NOTHING)})
        self._thinking = thinking
        self._blocks = 0  # that were begun
        self._open = ""  # the kind of block that is
        self._tools: dict[int, bool] = {}  # by place: whether its block was begun
        self._tool = -1  # the place whose block is open
        self._early: dict[int, tuple[str, str]] = {}  # id and arguments that came before the name
        self.finished = False

    def feed(self, chunk: Chunk) -> bytes:
        """The events of one chunk; empty for chunks that callers do not see. Nothing may follow Done.

        Raises UpstreamFailed where pieces of tool calls come in an order that blocks cannot have.
        """
        assert not self.finished, "a chunk after the end of the stream"
        start, self._start = self._start, b""
        if type(chunk) is Text:
            return start + self._text(chunk.text) if chunk.text else start
        if isinstance(chunk, ToolCall):
            return start + self._call(chunk.delta)
        if isinstance(chunk, Done):
            return start + self._done(chunk)
        if isinstance(chunk, Reasoning):
            return start + self._reasoning(chunk) if self._thinking is not None else start
        assert isinstance(chunk, Signals), "a vector in a stream of text"
        return start

    def fail(self, error: WeirError) -> bytes:
        """The last event of a stream that broke off."""
        self.finished = True
        return error_event(error)

    def _reasoning(self, chunk: Reasoning) -> bytes:
        assert self._thinking is not None, "it was asked for"
        text, seal = chunk.text if self._thinking.show else "", chunk.seal
        if seal.startswith(REDACTED):
            return self._begin("redacted_thinking", _thought("", seal)) + self._end()
        begin = b""
        if self._open != "thinking":
            begin = self._begin("thinking", _thought("", ""))
        if text:
            begin += self._piece({"type": "thinking_delta", "thinking": text})
        if seal:  # it comes last
            begin += self._piece({"type": "signature_delta", "signature": seal}) + self._end()
        return begin

    def _piece(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", {"index": self._blocks - 1, "delta": delta})

    def _text(self, text: str) -> bytes:
        begin = b"" if self._open == "text" else self._begin("text", {"type": "text", "text": ""})
        delta = b'{"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%b}}'
        return begin + b"event: content_block_delta\ndata: " + delta % (self._blocks - 1, write(text)) + b"\n\n"

    def _call(self, delta: dict[str, Any]) -> bytes:
        place = delta["index"]
        function = delta.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        begin = b""
        if not self._tools.get(place):
            id, before = self._early.pop(place, ("", ""))
            id, arguments = id or delta.get("id") or "", before + arguments
            self._tools[place] = bool(name)
            if not name:
                self._early[place] = id, arguments
                return b""
            block: dict[str, Any] = {"type": "tool_use", "id": call_id({"id": id}, place), "name": name, "input": {}}
            begin = self._begin("tool_use", block)
            self._tool = place
        elif self._open != "tool_use" or place != self._tool:
            raise _out_of_order()
        if not arguments:
            return begin
        return begin + self._piece({"type": "input_json_delta", "partial_json": arguments})

    def _begin(self, kind: str, block: dict[str, Any]) -> bytes:
        """End the block that is open, and begin one of this kind."""
        ended = self._end()
        begun = _event("content_block_start", {"index": self._blocks, "content_block": block})
        first = self._blocks == 0
        self._blocks += 1
        self._open = kind
        return ended + begun + (PING if first else b"")

    def _end(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return _event("content_block_stop", {"index": self._blocks - 1})

    def _done(self, done: Done) -> bytes:
        if self._early:
            raise _out_of_order()
        self.finished = True
        reason, stop = done.finish_reasons[0] if done.finish_reasons else "stop", done.stops[0] if done.stops else ""
        delta = {"delta": _ending(reason, stop, called=bool(self._tools)), "usage": _usage(done.usage)}
        return self._end() + _event("message_delta", delta) + _event("message_stop", {})


def _out_of_order() -> UpstreamFailed:
    return UpstreamFailed(
        "The path sent the pieces of its tool calls in an order that makes no calls.",
        next_step="Ask again without a stream.",
    )


def _event(kind: str, value: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode("ascii"), write({"type": kind, **value}))


def _error_form(error: WeirError) -> dict[str, Any]:
    ours = error.to_wire()["error"]
    assert isinstance(ours, dict)
    said = {**ours, "type": _type_of(error)}
    if isinstance(error, Unthreaded):
        said["details"] = {"error_code": error.code}  # where Anthropic's SDK looks for it
    return {"type": "error", "error": said}


def _type_of(error: WeirError) -> str:
    """Anthropic's word for it; SDKs raise by the status, which is the same in every dialect."""
    if error.status == _TOO_MANY:
        return "rate_limit_error"
    if error.status == _UNAVAILABLE and error.kind == "capacity":
        return "overloaded_error"
    return "api_error" if error.status >= _OURS else _TYPES.get(error.status, "invalid_request_error")


def error_body(error: WeirError) -> bytes:
    """Anthropic's error object, with our code, parameter and reasons in it."""
    return write(_error_form(error))


def error_event(error: WeirError) -> bytes:
    """The last event of a stream that broke off."""
    return b"event: error\ndata: " + write(_error_form(error)) + b"\n\n"


def count_body(tokens: int, path: str = "") -> bytes:
    """What /v1/messages/count_tokens answers: counted by the tokenizer of `path`, or estimated."""
    weir: dict[str, Any] = {"estimate": False, "path": path} if path else {"estimate": True}
    return write({"input_tokens": tokens, "weir": weir})


def models_body(
    cards: Sequence[ModelCard], *, created: int, limit: int | None = None, after_id: str = "", before_id: str = ""
) -> bytes:
    """The list of models: `auto` in its forms, then every card. With a `limit` one page of it, which begins behind
    `after_id` or ends before `before_id`. `created` in Unix seconds. Raises BadRequest for an id that is not listed.
    """
    since = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    known = {"type": "model", "created_at": since, "lifecycle": "active"}
    entries: list[dict[str, Any]] = [{"id": name, "display_name": name, **known} for name in AUTO]
    entries += [
        {
            "id": card.id,
            "display_name": card.description or card.id,
            **known,
            "max_input_tokens": card.context_tokens or None,
            "max_tokens": card.max_output_tokens or None,
            "weir": {"tier": card.tier, "modalities": card.modalities, "place": card.place.model_dump()},
        }
        for card in cards
    ]
    listed, more = entries, False
    if before_id:
        end = _place(entries, "before_id", before_id)
        start = max(0, end - limit) if limit is not None else 0
        listed, more = entries[start:end], start > 0
    elif limit is not None:
        start = _place(entries, "after_id", after_id) + 1 if after_id else 0
        listed, more = entries[start : start + limit], start + limit < len(entries)
    first, last = (listed[0]["id"], listed[-1]["id"]) if listed else (None, None)
    return write({"data": listed, "has_more": more, "first_id": first, "last_id": last})


def _place(entries: list[dict[str, Any]], param: str, id: str) -> int:
    for place, entry in enumerate(entries):
        if entry["id"] == id:
            return place
    raise BadRequest("No model of that id is listed.", param=param, next_step="List them anew, without it.")

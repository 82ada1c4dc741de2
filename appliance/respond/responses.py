"""Answers on the wire of /v1/responses: the response object, and its events.

Rules kept here:
1. An answer's items stand in the order in which they began: thinking, text, calls. A stream begins each, says its
   pieces, and ends it; its last event holds all of them as the object would.
2. `sequence_number` counts every event from 0. After the first byte an error is `response.failed` and then `error`, and
   nothing follows.
3. What is given back of the request comes from its `echo` alone, so that one stored answer is everybody's.
4. Thinking stands in `summary` where a summary was asked for, else in `content`; its seal only where it is included.

An answer that the limit of tokens or a content filter ended is incomplete and says by which. Not said: when it was
completed, because nothing here reads a clock.
"""

from __future__ import annotations

from typing import Any

from appliance.errors import UpstreamFailed, WeirError
from appliance.records.answer import Answer, Choice
from appliance.records.chunks import Chunk, Done, Reasoning, Signals, Text, TokenLogprob, ToolCall, Usage
from appliance.records.request import Echo
from appliance.respond.forms import call_id, chat_logprobs, write

_NOTHING = Echo("")
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_TOO_MANY = 429


def response_body(answer: Answer, echo: Echo | None, *, id: str, created: int) -> bytes:
    """A response. `id` and `created` may be holes; ids of its items are the stored answer's."""
    choice = answer.choices[0] if answer.choices else Choice()
    items, named = _items(choice, echo or _NOTHING), answer.id
    output = [{**item, "id": _item_id(item["type"], named, place)} for place, item in enumerate(items)]
    ending = _ending(choice.finish_reason, answer.usage)
    return _with_echo({"id": id, **_object(answer.model, created), "output": output, **ending}, echo or _NOTHING)


def _object(model: str, created: int) -> dict[str, Any]:
    return {"object": "response", "created_at": created, "model": model}


def _with_echo(value: dict[str, Any], echo: Echo) -> bytes:
    written = write(value)
    return written[:-1] + b"," + echo.fields.encode() + b"}" if echo.fields else written


def _ending(finish: str, usage: Usage) -> dict[str, Any]:
    why = _INCOMPLETE.get(finish)
    return {
        "status": "incomplete" if why else "completed",
        "error": None,
        "incomplete_details": {"reason": why} if why else None,
        "usage": {
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        },
    }


def _items(choice: Choice, echo: Echo) -> list[dict[str, Any]]:
    """The items of a whole answer, without their ids."""
    status = "incomplete" if choice.finish_reason in _INCOMPLETE else "completed"
    items = []
    if choice.reasoning or (choice.seal and echo.seal):
        items.append(_thought(choice.reasoning, choice.seal, status if not choice.text else "completed", echo))
    if choice.text or not (choice.tool_calls or items):
        items.append(_message([_text(choice.text, choice.logprobs)], status))
    for place, call in enumerate(choice.tool_calls):
        function = call["function"]
        items.append(_call(call_id(call, place), function["name"], function["arguments"], status))
    return items


def _item_id(kind: str, named: str, place: int) -> str:
    return f"{'msg' if kind == 'message' else 'fc' if kind == 'function_call' else 'rs'}_{named}_{place}"


def _message(content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "status": status, "content": content}


def _text(text: str, logprobs: tuple[TokenLogprob, ...] | list[TokenLogprob]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": _logprobs(logprobs)}


def _logprobs(tokens: tuple[TokenLogprob, ...] | list[TokenLogprob]) -> list[Any]:
    found = chat_logprobs(tokens)
    return found["content"] if found else []


def _call(id: str, name: str, arguments: str, status: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": id, "name": name, "arguments": arguments, "status": status}


def _thought(text: str, seal: str, status: str, echo: Echo) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "reasoning", "summary": [], "status": status}
    if text:
        kind = "summary" if echo.summary else "content"
        item[kind] = [{"type": "summary_text" if echo.summary else "reasoning_text", "text": text}]
    if echo.seal:
        item["encrypted_content"] = seal or None
    return item


class ResponseStream:
    """The events of one response. A state machine: chunks in, bytes out."""

    def __init__(self, *, id: str, model: str, created: int, echo: Echo | None) -> None:
        """`id` of the response, `model` the answering path's id, `created` in Unix seconds."""
        self._echo = echo or _NOTHING
        self._id = id
        self._object = {"id": id, **_object(model, created)}
        self._number = 0
        self._output: list[dict[str, Any]] = []  # items that were begun; complete where they are ended
        self._open: _Item | None = None  # text or thinking that goes on
        self._calls: dict[int, _Item] = {}  # by place; they end with the answer
        self._early: dict[int, tuple[str, str]] = {}  # id and arguments that came before the name
        self._begun = False
        self.finished = False

    def feed(self, chunk: Chunk) -> bytes:
        """The events of one chunk; empty for chunks that callers do not see. Nothing may follow Done."""
        assert not self.finished, "a chunk after the end of the stream"
        start = b"" if self._begun else self._start()
        if type(chunk) is Text:
            return start + self._text(chunk) if chunk.text or chunk.logprobs else start
        if isinstance(chunk, ToolCall):
            return start + self._call(chunk.delta)
        if isinstance(chunk, Reasoning):
            return start + self._reasoning(chunk)
        if isinstance(chunk, Done):
            return start + self._done(chunk)
        assert isinstance(chunk, Signals), "a vector in a stream of text"
        return start

    def fail(self, error: WeirError) -> bytes:
        """The last events of a stream that broke off."""
        start = b"" if self._begun else self._start()
        self.finished = True
        wire = error.to_wire()["error"]
        assert isinstance(wire, dict)
        code = "rate_limit_exceeded" if error.status == _TOO_MANY else "server_error"
        failed = {"code": code, "message": wire["message"], "type": wire["type"], "param": wire["param"]}
        output = [item for item in self._output if item["status"] == "completed"]
        body = {**self._object, "status": "failed", "error": failed, "incomplete_details": None, "output": output}
        last = {"code": wire["code"], "message": wire["message"], "param": wire["param"], "error": wire}
        return start + self._whole("response.failed", body | {"usage": None}) + self._event("error", last)

    def _start(self) -> bytes:
        self._begun = True
        body = {**self._object, "status": "in_progress", "error": None, "incomplete_details": None, "output": []}
        body["usage"] = None
        return self._whole("response.created", body) + self._whole("response.in_progress", body)

    # ---- items ----------------------------------------------------------------------------------------------

    def _text(self, chunk: Text) -> bytes:
        before = b""
        item = self._open
        if item is None or item.kind != "message":
            before = self._end_open()
            item, begun = self._begin("message", {"role": "assistant", "content": []})
            before += begun + self._part(item, "response.content_part.added", _text("", ()))
            self._open = item
        item.pieces.append(chunk.text)
        item.logprobs += chunk.logprobs
        if not chunk.logprobs:  # what nearly all chunks are, without a walk through a dict
            self._number += 1
            return before + item.head + b'%d,"logprobs":[],"delta":%b}\n\n' % (self._number - 1, write(chunk.text))
        delta = {"delta": chunk.text, "logprobs": _logprobs(chunk.logprobs)}
        return before + self._of(item, "response.output_text.delta", {"content_index": 0, **delta})

    def _reasoning(self, chunk: Reasoning) -> bytes:
        if not chunk.text and not (self._echo.seal and chunk.seal):
            return self._end_open("reasoning") if chunk.seal else b""
        before = b""
        item = self._open
        if item is None or item.kind != "reasoning":
            before = self._end_open()
            item, begun = self._begin("reasoning", {"summary": []})
            before += begun
            self._open = item
        if chunk.text:
            if not item.pieces:
                before += self._part(item, f"{self._thinks('part')}.added", self._thinking_part(""))
            item.pieces.append(chunk.text)
            before += self._of(item, f"{self._thinks('text')}.delta", {self._index: 0, "delta": chunk.text})
        if chunk.seal:
            item.seal = chunk.seal
            before += self._end_open()
        return before

    def _thinks(self, what: str) -> str:
        """The name of an event about thinking, as it is shown here."""
        if self._echo.summary:
            return f"response.reasoning_summary_{what}"
        return "response.content_part" if what == "part" else "response.reasoning_text"

    @property
    def _index(self) -> str:
        return "summary_index" if self._echo.summary else "content_index"

    def _thinking_part(self, text: str) -> dict[str, Any]:
        return {"type": "summary_text" if self._echo.summary else "reasoning_text", "text": text}

    def _call(self, delta: dict[str, Any]) -> bytes:
        place = delta["index"]
        function = delta.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        before = b""
        item = self._calls.get(place)
        if item is None:
            id, held = self._early.pop(place, ("", ""))
            id, arguments = id or delta.get("id") or "", held + arguments
            if not name:
                self._early[place] = id, arguments
                return b""
            before = self._end_open()
            stated = {"call_id": call_id({"id": id}, place), "name": name, "arguments": ""}
            item, begun = self._begin("function_call", stated)
            before += begun
            self._calls[place] = item
        if not arguments:
            return before
        item.pieces.append(arguments)
        return before + self._of(item, "response.function_call_arguments.delta", {"delta": arguments})

    def _begin(self, kind: str, stated: dict[str, Any]) -> tuple[_Item, bytes]:
        place = len(self._output)
        value = {"id": _item_id(kind, self._id, place), "type": kind, "status": "in_progress", **stated}
        self._output.append(value)
        item = _Item(kind, place, value)
        return item, self._event("response.output_item.added", {"output_index": place, "item": value})

    def _end_open(self, kind: str = "") -> bytes:
        """End the text or thinking that goes on, or only what is of this kind."""
        item = self._open
        if item is None or (kind and item.kind != kind):
            return b""
        self._open = None
        return self._end(item, "completed")

    def _end(self, item: _Item, status: str) -> bytes:
        said = "".join(item.pieces)
        events = b""
        if item.kind == "message":
            part = _text(said, item.logprobs)
            done = {"content_index": 0, "text": said, "logprobs": part["logprobs"]}
            events = self._of(item, "response.output_text.done", done)
            events += self._part(item, "response.content_part.done", part)
            made = _message([part], status)
        elif item.kind == "reasoning":
            if said:
                events = self._of(item, f"{self._thinks('text')}.done", {self._index: 0, "text": said})
                events += self._part(item, f"{self._thinks('part')}.done", self._thinking_part(said))
            made = _thought(said, item.seal, status, self._echo)
        else:
            value = item.value
            events = self._of(item, "response.function_call_arguments.done", {"arguments": said, "name": value["name"]})
            made = _call(value["call_id"], value["name"], said, status)
        made = {"id": item.value["id"], **made}
        self._output[item.place] = made
        return events + self._event("response.output_item.done", {"output_index": item.place, "item": made})

    def _done(self, done: Done) -> bytes:
        if self._early:
            raise UpstreamFailed(
                "The path sent pieces of a tool call that names no tool.", next_step="Ask again without a stream."
            )
        self.finished = True
        reason = done.finish_reasons[0] if done.finish_reasons else "stop"
        why = _INCOMPLETE.get(reason)
        status = "incomplete" if why else "completed"
        events = b""
        if not self._output:  # an answer without a word is a message without one
            self._open, begun = self._begin("message", {"role": "assistant", "content": []})
            events += begun + self._part(self._open, "response.content_part.added", _text("", ()))
        if self._open is not None:
            events += self._end(self._open, status)
        for item in self._calls.values():
            events += self._end(item, status)
        ending = _ending(reason, done.usage)
        return events + self._whole(f"response.{status}", {**self._object, "output": self._output, **ending})

    # ---- events ---------------------------------------------------------------------------------------------

    def _part(self, item: _Item, kind: str, part: dict[str, Any]) -> bytes:
        index = "summary_index" if "summary" in kind else "content_index"
        return self._of(item, kind, {index: 0, "part": part})

    def _of(self, item: _Item, kind: str, value: dict[str, Any]) -> bytes:
        return self._event(kind, {"item_id": item.value["id"], "output_index": item.place, **value})

    def _event(self, kind: str, value: dict[str, Any]) -> bytes:
        self._number += 1
        return _framed(kind, write({"type": kind, "sequence_number": self._number - 1, **value}))

    def _whole(self, kind: str, value: dict[str, Any]) -> bytes:
        self._number += 1
        head = b'{"type":"%b","sequence_number":%d,"response":' % (kind.encode(), self._number - 1)
        return _framed(kind, head + _with_echo(value, self._echo) + b"}")


class _Item:
    """One item of a stream that is not complete."""

    __slots__ = ("head", "kind", "logprobs", "pieces", "place", "seal", "value")

    def __init__(self, kind: str, place: int, value: dict[str, Any]) -> None:
        self.kind = kind
        self.place = place
        self.value = value
        self.pieces: list[str] = []
        self.logprobs: list[TokenLogprob] = []
        self.seal = ""
        # All of an event of text that stands before its number.
        self.head = (
            b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":%b,'
            b'"output_index":%d,"content_index":0,"sequence_number":' % (write(value["id"]), place)
        )


def _framed(kind: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)

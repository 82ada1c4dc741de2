"""Answers as server-sent events: state machines that take chunks and give bytes.

Rules kept here:
1. Role first, then reasoning, content or tool calls, one finish event per choice, usage if asked for, then [DONE].
2. After the first byte an error is an event, and nothing follows it: no [DONE], no second beginning.
3. Whatever the text holds, an event stays one line: JSON writes every line break as an escape.
4. The first piece of a call of a tool has its id, and no other has one.

An event is made of bytes that are built once per stream and choice; only the text goes through orjson.
"""

from __future__ import annotations

import orjson

from appliance.errors import WeirError
from appliance.records.chunks import Chunk, Done, Reasoning, Signals, Text, ToolCall
from appliance.respond.errors import error_event
from appliance.respond.forms import call_id, chat_logprobs, completion_logprobs, completion_reason, usage_form, write

DONE = b"data: [DONE]\n\n"
_FINISH_AT = b'},"logprobs":null,"finish_reason":'


class _Stream:
    """What both dialects share: the frame of an event and the order of states."""

    kind = b""

    def __init__(self, *, id: str, model: str, created: int, include_usage: bool = False) -> None:
        """`id` of the response, `model` the answering path's id, `created` in Unix seconds."""
        self._head = b'data: {"id":%b,"object":"%b","created":%d,"model":%b,"choices":[' % (
            write(id),
            self.kind,
            created,
            write(model),
        )
        self._tail = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._include_usage = include_usage
        self._begun: dict[int, bytes] = {}  # choice -> all of a text event that stands before the text
        self.finished = False

    def feed(self, chunk: Chunk) -> bytes:
        """The events of one chunk; empty for chunks that callers do not see. Nothing may follow Done."""
        assert not self.finished, "a chunk after the end of the stream"
        if type(chunk) is Text:
            return self._text(chunk)
        if isinstance(chunk, ToolCall):
            return self._tool_call(chunk)
        if isinstance(chunk, Done):
            return self._done(chunk)
        if isinstance(chunk, Reasoning):
            return self._reasoning(chunk)
        assert isinstance(chunk, Signals), "a vector in a stream of text"
        return b""

    def fail(self, error: WeirError) -> bytes:
        """The last event of a stream that broke off."""
        self.finished = True
        return error_event(error)

    def _done(self, done: Done) -> bytes:
        self.finished = True
        reasons = dict(enumerate(done.finish_reasons))
        events = [self._finish(index, reasons.get(index, "stop")) for index in sorted(reasons.keys() | self._begun)]
        if self._include_usage:
            events.append(self._head + b'],"usage":' + write(usage_form(done.usage)) + b"}\n\n")
        events.append(DONE)
        return b"".join(events)

    def _text(self, chunk: Text) -> bytes:
        raise NotImplementedError

    def _tool_call(self, chunk: ToolCall) -> bytes:
        raise NotImplementedError

    def _reasoning(self, chunk: Reasoning) -> bytes:
        raise NotImplementedError

    def _finish(self, index: int, reason: str) -> bytes:
        raise NotImplementedError


class ChatStream(_Stream):
    """Events of the kind chat.completion.chunk."""

    kind = b"chat.completion.chunk"

    def __init__(self, *, id: str, model: str, created: int, include_usage: bool = False) -> None:
        super().__init__(id=id, model=model, created=created, include_usage=include_usage)
        self._called: set[tuple[int, int]] = set()  # choices and places whose calls were begun

    def _begin(self, index: int) -> bytes:
        """The role event of a choice, at its first chunk."""
        start = self._head + b'{"index":%d,"delta":{' % index
        self._begun[index] = start + b'"content":'
        role = b'"role":"assistant","content":"","refusal":null'
        return start + role + _FINISH_AT + b"null}" + self._tail

    def _text(self, chunk: Text) -> bytes:
        index = chunk.index
        begin = b"" if index in self._begun else self._begin(index)
        if chunk.logprobs:
            logprobs = b'},"logprobs":' + write(chat_logprobs(chunk.logprobs)) + b',"finish_reason":null}'
            return begin + self._begun[index] + write(chunk.text) + logprobs + self._tail
        if not chunk.text:
            return begin
        return begin + self._begun[index] + _dump(chunk.text) + _FINISH_AT + b"null}" + self._tail

    def _tool_call(self, chunk: ToolCall) -> bytes:
        index = chunk.index
        begin = b"" if index in self._begun else self._begin(index)
        piece = chunk.delta
        place = piece["index"]
        if (index, place) not in self._called:
            self._called.add((index, place))
            piece = {**piece, "id": call_id(piece, place), "type": "function"}
        elif "id" in piece or "type" in piece:  # clients join what comes again
            piece = {name: value for name, value in piece.items() if name not in ("id", "type")}
        delta = b'{"index":%d,"delta":{"tool_calls":[%b]' % (index, write(piece))
        return begin + self._head + delta + _FINISH_AT + b"null}" + self._tail

    def _reasoning(self, chunk: Reasoning) -> bytes:
        if not chunk.text:  # a seal: this dialect has no place for it
            return b""
        index = chunk.index
        begin = b"" if index in self._begun else self._begin(index)
        delta = b'{"index":%d,"delta":{"reasoning_content":%b' % (index, _dump(chunk.text))
        return begin + self._head + delta + _FINISH_AT + b"null}" + self._tail

    def _finish(self, index: int, reason: str) -> bytes:
        begin = b"" if index in self._begun else self._begin(index)
        finish = b'{"index":%d,"delta":{' % index + _FINISH_AT + b'"%b"}' % reason.encode("ascii")
        return begin + self._head + finish + self._tail


class CompletionStream(_Stream):
    """Events of the kind text_completion."""

    kind = b"text_completion"

    def __init__(self, *, id: str, model: str, created: int, include_usage: bool = False) -> None:
        super().__init__(id=id, model=model, created=created, include_usage=include_usage)
        self._offsets: dict[int, int] = {}  # characters sent, kept only where log-probabilities come

    def _text(self, chunk: Text) -> bytes:
        index = chunk.index
        before = self._begun.get(index)
        if before is None:
            before = self._begun[index] = self._head + b'{"index":%d,"text":' % index
        logprobs = b"null"
        if chunk.logprobs:
            offset = self._offsets.get(index, 0)
            self._offsets[index] = offset + len(chunk.text)
            logprobs = write(completion_logprobs(chunk.logprobs, offset))
        elif not chunk.text:
            return b""
        return before + _dump(chunk.text) + b',"logprobs":' + logprobs + b',"finish_reason":null}' + self._tail

    def _tool_call(self, chunk: ToolCall) -> bytes:
        raise AssertionError(f"a tool call in a completion's choice {chunk.index}")

    def _reasoning(self, chunk: Reasoning) -> bytes:  # noqa: ARG002 -- a completion has no place for it
        return b""

    def _finish(self, index: int, reason: str) -> bytes:
        finish = b'{"index":%d,"text":"","logprobs":null,"finish_reason":"%b"}' % (
            index,
            completion_reason(reason).encode("ascii"),
        )
        return self._head + finish + self._tail


def _dump(text: str) -> bytes:
    try:
        return orjson.dumps(text)
    except TypeError:
        return write(text)

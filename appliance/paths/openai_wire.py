"""OpenAI's wire format from the client's side: a Job becomes a body, answers and deltas become chunks.

Rules kept here:
1. Faithful: what the Job says is sent, what it does not say is left to the server.
2. Whatever does not look like the format raises BrokenAnswer; no guess fills a gap.
3. What has no order of its own (tools, the fields of their schemas) is sent in one order, so that servers find the
   beginning of a prompt that they computed before. Messages keep theirs, and nothing of the moment is added.

Thinking is read under both names that servers give it, `reasoning_content` (DeepSeek, vLLM before 0.11) and `reasoning`
(vLLM since, OpenRouter), and as a part of a content that is a list (Mistral's models); earlier thinking is not sent
back. A refusal arrives as Text, with 'content_filter' as its finish reason, so that nobody takes it for an answer in
form. It opens no connection.
"""

from __future__ import annotations

import base64
from array import array
from dataclasses import replace
from typing import Any

import orjson

from appliance.paths.contract import Chunk, FinishReason, Job, Reasoning, Text, TokenLogprob, ToolCall, Usage
from appliance.paths.dialect import MALFORMED, BrokenAnswer, ErrorEvent, EventReading
from appliance.paths.prefixes import canonical_schema, canonical_tools
from appliance.paths.said import numbers
from appliance.paths.vectors import VectorReading
from appliance.records.request import THINKING, Format, Message, Sampling

MAX_CHOICES = 128

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral's
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
# What a server says that gave up and still ends its stream as if it had not: vLLM, OpenRouter, Mistral, DeepSeek.
_GAVE_UP = frozenset(("abort", "error", "insufficient_system_resource"))


def build_body(
    job: Job, model: str, *, max_key: str = "max_tokens", streaming: bool = False, seals: bool = True
) -> dict[str, Any]:
    """The JSON body for `job`. `max_key` is how this server names the limit of new tokens in a chat; `seals`: it may be
    sent what seals a call (`extra_content`), which other servers refuse.
    """
    body: dict[str, Any] = {**job.forwarded} if job.forwarded else {}
    body["model"] = model
    if job.kind == "embedding":
        body["input"] = job.inputs
        body.setdefault("encoding_format", "float")
        return body
    if job.kind == "chat":
        body["messages"] = [_message(message, seals) for message in job.messages]
        if job.tools:
            body["tools"] = canonical_tools(job.tools)
            if job.tool_choice is not None:
                body["tool_choice"] = job.tool_choice
            if job.parallel_tool_calls is not None:
                body["parallel_tool_calls"] = job.parallel_tool_calls
    else:
        body["prompt"] = job.prompt
        max_key = "max_tokens"
    if job.sampling is not _NOTHING_SAID:
        _sampling(body, job.sampling, max_key, chat=job.kind == "chat")
    if job.format.kind != "text":
        _format(body, job.format)
    if job.continues:  # vLLM's and SGLang's names; others go on with a last message of the assistant's by themselves
        body["continue_final_message"], body["add_generation_prompt"] = True, False
    if job.n != 1:
        body["n"] = job.n
    if streaming:
        body["stream"] = True
        options = body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    else:
        body.pop("stream", None)
        body.pop("stream_options", None)
    return body


_NOTHING_SAID = Job.__dataclass_fields__["sampling"].default


def _message(message: Message, seals: bool) -> dict[str, Any]:
    content: Any = message.content
    parts = message.parts
    if parts and message.role == "assistant":
        parts = tuple([part for part in parts if part.get("type") not in THINKING])
    if parts:
        # Parts may be the whole content or only what is not text; text is not sent twice.
        whole = not content or any(part.get("type") in ("text", "input_text") for part in parts)
        content = list(parts) if whole else [{"type": "text", "text": content}, *parts]
    made: dict[str, Any] = {"role": message.role, "content": content}
    if message.name is not None:
        made["name"] = message.name
    if message.tool_call_id is not None:
        made["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        made["tool_calls"] = message.tool_calls if seals else list(map(_unsealed, message.tool_calls))
        if not content:
            made["content"] = None
    return made


def _unsealed(call: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if name != "extra_content"}


def _sampling(body: dict[str, Any], sampling: Sampling, max_key: str, *, chat: bool) -> None:
    if sampling.max_tokens is not None:
        body[max_key] = sampling.max_tokens
    for key in ("temperature", "top_p", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty"):
        value = getattr(sampling, key)
        if value is not None:
            body[key] = value
    if sampling.repeat_penalty is not None:
        # vLLM and TGI know the first name, llama-server the second; each ignores the other.
        body["repetition_penalty"] = body["repeat_penalty"] = sampling.repeat_penalty
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
    if sampling.logprobs and chat:
        body["logprobs"] = True
        if sampling.top_logprobs:
            body["top_logprobs"] = sampling.top_logprobs
    elif sampling.logprobs:
        body["logprobs"] = sampling.top_logprobs


def _format(body: dict[str, Any], form: Format) -> None:
    if form.kind == "json_object":
        body["response_format"] = {"type": "json_object"}
    elif form.kind == "json_schema":
        schema = {"name": form.name or "answer", "schema": canonical_schema(form.schema or {}), "strict": form.strict}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    else:
        # vLLM renamed it; each version ignores the other's name. Only cards that claim regex get here.
        body["guided_regex"] = form.pattern
        body["structured_outputs"] = {"regex": form.pattern}


def _usage(found: Any) -> Usage:
    prompt = found.get("prompt_tokens_details") or {}
    completion = found.get("completion_tokens_details") or {}
    asked, said = int(found.get("prompt_tokens") or 0), int(found.get("completion_tokens") or 0)
    # Google and xAI count thinking in the total alone, and bill it like what was said.
    beside = max(0, int(found.get("total_tokens") or 0) - asked - said) if asked else 0
    return Usage(
        asked,
        said + beside,
        # DeepSeek has a name of its own beside the prompt's.
        int(prompt.get("cached_tokens") or found.get("prompt_cache_hit_tokens") or 0),
        max(beside, int(completion.get("reasoning_tokens") or 0)),
        int(prompt.get("cache_write_tokens") or 0),
    )


def _logprobs(found: Any) -> tuple[TokenLogprob, ...]:
    if not found:
        return ()
    if "tokens" in found:  # the older completions form: parallel lists
        tops = found.get("top_logprobs") or [None] * len(found["tokens"])
        return tuple(
            TokenLogprob(token, float(value or 0.0), tuple((top or {}).items()))
            for token, value, top in zip(found["tokens"], found["token_logprobs"], tops, strict=True)
        )
    return tuple(
        TokenLogprob(
            row["token"],
            float(row["logprob"]),
            tuple((top["token"], float(top["logprob"])) for top in row.get("top_logprobs") or ()),
        )
        for row in found.get("content") or ()
    )


class Answered(EventReading):
    """What has been read of one generative answer. `refusals` are choices that refused; `[DONE]` ends a stream."""

    __slots__ = ("_asked", "_chat", "refusals")

    def __init__(self, job: Job) -> None:
        super().__init__(job.n)
        self._chat = job.kind == "chat"
        self._asked = job.sampling.stop
        self.refusals: set[int] = set()

    def reasons(self) -> tuple[FinishReason, ...]:
        reasons = super().reasons()
        if not self.refusals:
            return reasons
        return tuple(["content_filter" if index in self.refusals else reason for index, reason in enumerate(reasons)])

    def whole(self, raw: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        self.event(b"", raw, chunks, "message")
        return chunks

    def event(self, name: bytes, data: bytes, chunks: list[Chunk], key: str = "delta") -> None:
        """`key` is where a choice holds what was said: a whole answer is one event with 'message'."""
        if data == b"[DONE]":
            self.ended = True
            return
        if name == b"error":
            raise ErrorEvent(data)
        try:
            found = orjson.loads(data)
            usage = found.get("usage")
            if usage:
                self.usage = _usage(usage)
            if found.get("error"):
                raise ErrorEvent(data)
            choices = found.get("choices")
            if choices:
                for choice in choices:
                    self._choice(choice, key, chunks)
            elif found.get("object") == "error":  # as vLLM said it before 0.10
                raise ErrorEvent(data)
        except (ErrorEvent, BrokenAnswer):
            raise
        except MALFORMED:
            raise BrokenAnswer("not in the form of OpenAI's answers") from None

    def _choice(self, choice: Any, key: str, chunks: list[Chunk]) -> None:
        index = choice.get("index", 0)
        if type(index) is not int or not 0 <= index < MAX_CHOICES:
            raise BrokenAnswer("a choice has no valid index")
        found = choice.get("logprobs")
        logprobs = _logprobs(found) if found else ()
        calls: Any = None
        if self._chat:
            said = choice.get(key) or {}
            text = said.get("content")
            if text is None or len(said) > 1:  # most deltas hold a piece of text and nothing else
                calls = said.get("tool_calls")
                self._thought(said, index, key, chunks)
                refusal = said.get("refusal")
                if refusal:
                    self.refusals.add(index)
                    said_so = {"type": "text", "text": refusal}
                    text = [*text, said_so] if type(text) is list else f"{text or ''}{refusal}"
        else:
            text = choice.get("text")
        if text:
            tokens = len(logprobs) if logprobs else 1 if key == "delta" else self._tokens_each()
            if type(text) is str:
                chunks.append(Text(text, index, tokens, logprobs))
            else:
                self._parts(text, Text("", index, tokens, logprobs), key, chunks)
        if calls:
            for position, call in enumerate([calls] if type(calls) is dict else calls):  # TGI has a single one bare
                # In a whole message the position is implied; the delta form says it, or leaves it to ids (`called`).
                delta = call if key == "delta" or type(call.get("index")) is int else {**call, "index": position}
                function = call.get("function")
                if function is not None and type(function.get("arguments")) is dict:  # TGI's, as an object
                    delta = {**delta, "function": {**function, "arguments": _dumped(function["arguments"])}}
                chunks.append(ToolCall(delta, index))
        reason = choice.get("finish_reason")
        if reason:
            if reason in _GAVE_UP:
                raise ErrorEvent(orjson.dumps({"error": choice.get("error") or {"code": reason}}))
            self.finished[index] = _FINISH.get(reason, "stop")
            stop = choice.get("stop_reason") or choice.get("matched_stop")  # vLLM's and SGLang's; the id of an end too
            if type(stop) is str and stop in self._asked:
                self.stops[index] = stop

    def _thought(self, said: Any, index: int, key: str, chunks: list[Chunk]) -> None:
        thought = said.get("reasoning_content") or said.get("reasoning")
        if not thought:
            return
        if type(thought) is not str:
            raise BrokenAnswer("reasoning is not text")
        chunks.append(Reasoning(thought, index, 1 if key == "delta" else self._thought_each()))

    def _parts(self, parts: Any, first: Text, key: str, chunks: list[Chunk]) -> None:
        """A content that is a list. `first` is what its first text is to be, but for the text itself."""
        for part in parts:
            kind = part["type"]
            if kind == "text":
                text = _text(part)
                if text:
                    chunks.append(replace(first, text=text))
                    first = Text("", first.index)
            elif kind == "thinking":
                thought = "".join([_text(piece) for piece in part["thinking"] if piece["type"] != "reference"])
                if thought:
                    chunks.append(Reasoning(thought, first.index, 1 if key == "delta" else self._thought_each()))
            elif kind != "reference":
                raise BrokenAnswer("a part of the content is of an unknown kind")

    def _tokens_each(self) -> int:
        usage = self.usage
        return max(1, (usage.completion_tokens - usage.reasoning_tokens) // self.wanted) if usage else 1

    def _thought_each(self) -> int:
        return max(1, self.usage.reasoning_tokens // self.wanted) if self.usage else 1


def _text(part: Any) -> str:
    text = part["text"]
    if part["type"] != "text" or type(text) is not str:
        raise BrokenAnswer("a part of the content is not text")
    return text


def _dumped(arguments: dict[str, Any]) -> str:
    return orjson.dumps(arguments).decode()


class Embedded(VectorReading):
    """What has been read of `wanted` embeddings."""

    __slots__ = ()
    whose = "OpenAI"

    def rows(self, found: Any) -> list[Any]:
        usage = found.get("usage")
        self.usage = _usage(usage) if usage else None
        rows = sorted(found["data"], key=lambda row: row["index"])
        if [row["index"] for row in rows] != list(range(self.wanted)):
            raise BrokenAnswer("not one embedding for each input")
        return rows

    def values(self, row: Any) -> tuple[float, ...]:
        return _values(row["embedding"])


def _values(found: Any) -> tuple[float, ...]:
    if isinstance(found, str):
        values = array("f")
        values.frombytes(base64.b64decode(found, validate=True))
        return tuple(values)
    return numbers(found)

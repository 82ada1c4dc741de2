"""OpenAI's dialect as Mistral has it, which forbids every field that it does not know.

Rules kept here:
1. Only what Mistral knows is said, in its words: a seed is `random_seed`, a developer is the system, dimensions are
   `output_dimension`. What there is no word for is refused by name; hints that it has no word for are left out.
2. The ids of calls are nine letters and digits there. One that is not is put into nine, the same for a call and its
   result.
3. A model thinks or does not, whatever the effort: 'none' stays, all else is 'high'.
4. An answer that is begun is a last message with `prefix`. Mistral says the beginning once more in front of what it
   goes on with, at times without the blanks at its end; here it is left out.

`openai_wire` says what both have in common, and reads the answers. It opens no connection.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

from appliance.paths.contract import Chunk, Job, Text
from appliance.paths.dialect import unsupported
from appliance.paths.openai_wire import Answered, build_body
from appliance.paths.said import HINTS, check_said, pieces, text_or_image, texts
from appliance.records.request import Message

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_PASSED_ON = frozenset(("metadata", "prompt_cache_key", "prediction"))
_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def mistral_body(job: Job, model: str, reasoning: str = "none", *, streaming: bool = False) -> dict[str, Any]:
    """The JSON body for `job`; `reasoning` as the card has it. Raises PathError 'unsupported' for what Mistral cannot
    be told.
    """
    if job.kind == "embedding":
        return _embeddings(job, model)
    if job.kind != "chat":
        raise unsupported("prompts, only chats", "prompt")
    check_said(
        job if job.n == 1 else replace(job, n=1),  # it can be asked for several answers
        sampling=frozenset(("seed", "frequency_penalty", "presence_penalty")),
        forwarded=frozenset(("prediction", "reasoning_effort")),
        formats=frozenset(("json_object", "json_schema")),
        continues=True,
    )
    messages = [_message(message, at) for at, message in enumerate(job.messages)]
    if messages and messages[-1]["role"] == "assistant":
        if not job.continues:
            raise unsupported("conversation that ends with the assistant's turn", "messages")
        messages[-1]["prefix"] = True
    passed_on = {name: value for name, value in job.forwarded.items() if name in _PASSED_ON}
    rest = replace(job, messages=(), continues=False, forwarded=passed_on)
    body = build_body(rest, model, streaming=streaming) | {"messages": messages}
    body.pop("stream_options", None)  # a stream's last event states the usage anyway
    if "seed" in body:
        body["random_seed"] = body.pop("seed")
    if "tools" in body:
        body["tools"] = [_tool(tool["function"]) for tool in body["tools"]]
    if isinstance(job.tool_choice, dict) and "tool_choice" in body:
        body["tool_choice"] = {"type": "function", "function": {"name": job.tool_choice["function"]["name"]}}
    if job.thinking is not None or "reasoning_effort" in job.forwarded:
        _thinking(body, job, reasoning)
    return body


def _thinking(body: dict[str, Any], job: Job, reasoning: str) -> None:
    """Rule 3."""
    effort, asked = job.forwarded.get("reasoning_effort"), job.thinking
    if reasoning != "none":
        body["reasoning_effort"] = "none" if effort == "none" else "high"
    elif effort != "none" and (asked is None or asked.budget_tokens is not None):
        raise unsupported("request to think", "reasoning_effort" if asked is None else "thinking")


def _embeddings(job: Job, model: str) -> dict[str, Any]:
    for name in job.forwarded:
        if name != "dimensions" and name not in HINTS:
            raise unsupported("parameter of this name", name if name.isidentifier() else "body")
    body: dict[str, Any] = {"model": model, "input": job.inputs, "encoding_format": "float"}
    if job.forwarded.get("dimensions") is not None:
        body["output_dimension"] = job.forwarded["dimensions"]
    return body


def _message(message: Message, at: int) -> dict[str, Any]:
    role = _ROLES.get(message.role)
    if role is None:
        raise unsupported("messages of this role", f"messages[{at}].role")
    made: dict[str, Any] = {"role": role}
    if role == "tool":
        made |= {"tool_call_id": _id(message.tool_call_id or ""), "content": message.content}
        return made if message.name is None else made | {"name": message.name}
    if message.name is not None:
        raise unsupported("names of speakers", f"messages[{at}].name")
    if role == "user":
        parts = [text_or_image(part, at) for part in pieces(message, at)]
    else:
        parts = [{"type": "text", "text": text} for text in texts(message, at)]
    plain = len(parts) == 1 and parts[0]["type"] == "text"
    made["content"] = parts[0]["text"] if plain else parts or ""
    if message.tool_calls:
        made["tool_calls"] = [_call(call) for call in message.tool_calls]
    return made


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    called = {"name": function["name"], "arguments": function.get("arguments") or "{}"}
    return {"id": _id(call["id"]), "type": "function", "function": called}


def _id(id: str) -> str:
    """Rule 2."""
    return id if _CALL_ID.fullmatch(id) else hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:9]


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": function["name"], "parameters": function.get("parameters") or _NO_PARAMETERS}
    for name in ("description", "strict"):
        if function.get(name) is not None:
            made[name] = function[name]
    return {"type": "function", "function": made}


class GoneOnWith(Answered):
    """What has been read of an answer that was begun: rule 4."""

    __slots__ = ("_begun", "_held", "_least", "_settled")

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._begun = job.messages[-1].content
        self._least = len(self._begun.rstrip())
        self._held: dict[int, Text] = {}  # by choice, what came while it is still the beginning
        self._settled: set[int] = set()  # choices of which all that comes is new

    def _choice(self, choice: Any, key: str, chunks: list[Chunk]) -> None:
        read_before = len(chunks)
        try:
            super()._choice(choice, key, chunks)
        finally:
            chunks[read_before:] = [new for chunk in chunks[read_before:] if (new := self._new(chunk)) is not None]
        for index in self._held.keys() & self.finished.keys():
            left = self._beyond(self._held.pop(index))
            if left is not None:
                chunks.append(left)

    def _new(self, chunk: Chunk) -> Chunk | None:
        """What of a chunk is to be passed on now."""
        if not isinstance(chunk, Text) or chunk.index in self._settled:
            return chunk
        held = self._held.pop(chunk.index, None)
        if held is not None:
            chunk = replace(chunk, text=held.text + chunk.text, tokens=held.tokens + chunk.tokens)
        if len(chunk.text) < len(self._begun) and self._begun.startswith(chunk.text):
            self._held[chunk.index] = chunk
            return None
        self._settled.add(chunk.index)
        return self._beyond(chunk)

    def _beyond(self, said: Text) -> Text | None:
        """What is said behind the beginning, or all of it where the beginning is not said again."""
        again = 0
        for new, old in zip(said.text, self._begun, strict=False):
            if new != old:
                break
            again += 1
        if not self._least or again < self._least:
            return said
        return replace(said, text=said.text[again:], tokens=1) if len(said.text) > again else None

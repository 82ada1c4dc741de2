"""Google's generateContent from the client's side: a Job becomes a body, answers and events become chunks.

Rules kept here:
1. Faithful: what the Job says is said, or refused by name. The API has no word for token biases, log-probabilities in
   OpenAI's form, names of speakers, patterns, and whether several tools may be called at once. An image by address is
   fetched by Google, which is told its type: an address that does not end in one is refused, and so is `gs://`, which
   Google would read with the rights of the card's project.
2. System messages become `systemInstruction`, wherever they stand; other messages of one role in a row become one, so
   that the results of functions stand together right behind the calls that they answer.
3. A signature goes back in the part that it came in, and only where this provider made it. One that is wanted with a
   call and is not there is replaced by the word that Google has for that: callers of other wires have no place for it.
4. Tokens of thinking are part of the completion's, which the API counts beside them.
5. A prompt that was blocked is an answer that was filtered. An answer that the API itself says it could not make (a
   malformed call) is none.
6. A conversation that ends with the model's own turn is gone on with by older models and refused by newer ones. It is
   said where the card claims that its model goes on, and else refused by name.
7. Whatever does not look like the format raises BrokenAnswer.

It opens no connection.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from appliance.paths.contract import Chunk, FinishReason, Job, PathError, Reasoning, Text, ToolCall, Usage
from appliance.paths.dialect import BrokenAnswer, ErrorEvent, EventReading, unsupported
from appliance.paths.prefixes import canonical_schema, canonical_tools
from appliance.paths.said import arguments_of, check_said, conversation, image_bytes, image_url, pdf, pieces, texts
from appliance.records.request import Message

MAKER = "google:"  # begins the seals of this provider
NO_SIGNATURE = "skip_thought_signature_validator"  # Google's word for a call whose signature is lost
MAX_CHOICES = 128

_LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "XHIGH"}
_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576}
_IMAGE = re.compile(r"https://[^/?#\s]+/[^?#\s]*\.(png|jpe?g|webp|heic|heif)(?:[?#]\S*)?", re.IGNORECASE)
_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}
_FINISH: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
_EMPTY = frozenset(("thought", "thoughtSignature"))  # what a part may have besides what is in it
_NOT_MADE = frozenset(
    (
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
    )
)


def build_body(job: Job, reasoning: str, *, prefill: bool = False) -> dict[str, Any]:
    """The JSON body for a chat; `reasoning` and `prefill` as the card has them.

    Raises PathError 'unsupported' or 'rejected' for what the API cannot be told.
    """
    check_said(
        job if job.n == 1 else replace(job, n=1),  # several answers are said in a word of their own
        sampling=frozenset(("top_k", "seed", "frequency_penalty", "presence_penalty")),
        forwarded=frozenset(("reasoning_effort",)),
        formats=frozenset(("json_object", "json_schema")),
        continues=prefill,
    )
    # The names of the functions that were called, by the call's id. Models that are told how much to think by effort
    # refuse calls without a signature.
    say = partial(_parts, names={}, signed=reasoning == "effort")
    system, contents = conversation(job.messages, say, model="model", holds="parts")
    if contents and contents[-1]["role"] == "model" and not prefill:
        raise unsupported("conversation that ends with the assistant's turn", "messages")
    if not contents:
        raise unsupported("conversation without a word of its user", "messages")
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    if job.tools:
        _tools(body, job)
    settings = _settings(job)
    if job.thinking is not None or "reasoning_effort" in job.forwarded:
        _thinking(settings, job, reasoning)
    if settings:
        body["generationConfig"] = settings
    return body


def _settings(job: Job) -> dict[str, Any]:
    said, form = job.sampling, job.format
    stated = {
        "maxOutputTokens": said.max_tokens,
        "temperature": said.temperature,
        "topP": said.top_p,
        "topK": said.top_k,
        "seed": said.seed,
        "frequencyPenalty": said.frequency_penalty,
        "presencePenalty": said.presence_penalty,
        "stopSequences": said.stop or None,
        "candidateCount": job.n if job.n != 1 else None,
        "responseMimeType": "application/json" if form.kind != "text" else None,
        "responseJsonSchema": canonical_schema(form.schema or {}) if form.kind == "json_schema" else None,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _thinking(settings: dict[str, Any], job: Job, reasoning: str) -> None:
    effort, asked = job.forwarded.get("reasoning_effort"), job.thinking
    config: dict[str, Any] = {"includeThoughts": effort != "none" and (asked is None or asked.show)}
    if reasoning == "none":
        if effort != "none" and (asked is None or asked.budget_tokens is not None):
            raise unsupported("request to think", "reasoning_effort" if asked is None else "thinking")
        return
    if reasoning == "budget":
        stated = None if asked is None else asked.budget_tokens
        if stated is not None or effort is not None:
            config["thinkingBudget"] = _BUDGETS[effort or "medium"] if stated is None else stated
    elif effort == "none":
        raise unsupported("request not to think", "reasoning_effort")
    elif effort is not None:
        config["thinkingLevel"] = _LEVELS[effort]
    settings["thinkingConfig"] = config


def _parts(message: Message, at: int, *, names: dict[str, str], signed: bool) -> list[dict[str, Any]]:
    """The parts of one message."""
    if message.role == "tool":
        return [_result(message, at, names)]
    if message.role == "user":
        return [_piece(part, at) for part in pieces(message, at, files=True) if part.get("text") != ""]
    parts = [{"text": text} for text in texts(message, at)]
    if message.role == "assistant":
        parts += [*_signatures(message), *_calls(message, at, names, signed=signed)]
    return parts


def _piece(part: dict[str, Any], at: int) -> dict[str, Any]:
    if part["type"] == "text":
        return {"text": part["text"]}
    if part["type"] == "file":
        return {"inlineData": {"mimeType": "application/pdf", "data": pdf(part, at)[1]}}
    url = image_url(part, at)
    if url[:5].lower() == "data:":
        media, data = image_bytes(part, at)
        return {"inlineData": {"mimeType": media, "data": data}}
    found = _IMAGE.fullmatch(url)
    if found is None:
        raise unsupported("images at such an address", f"messages[{at}].content")
    kind = found[1].lower().replace("jpg", "jpeg")
    return {"fileData": {"mimeType": f"image/{kind}", "fileUri": url}}


def _signatures(message: Message) -> list[dict[str, Any]]:
    """Signatures of an earlier answer's text, each in an empty part, as they come in a stream."""
    seals = [part.get("signature") for part in message.parts if part.get("type") == "thinking"]
    return [
        {"text": "", "thoughtSignature": seal.removeprefix(MAKER)}
        for seal in seals
        if isinstance(seal, str) and seal.startswith(MAKER)
    ]


def _calls(message: Message, at: int, names: dict[str, str], *, signed: bool) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for call in message.tool_calls:
        name = names[call["id"]] = call["function"]["name"]
        part: dict[str, Any] = {"functionCall": {"id": call["id"], "name": name, "args": arguments_of(call, at)}}
        seal = ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature")
        if isinstance(seal, str):
            part["thoughtSignature"] = seal
        elif signed and not parts:  # of several calls the first has the signature
            part["thoughtSignature"] = NO_SIGNATURE
        parts.append(part)
    return parts


def _result(message: Message, at: int, names: dict[str, str]) -> dict[str, Any]:
    id = message.tool_call_id or ""
    name = names.get(id) or message.name
    if not name:
        raise PathError("rejected", "A result belongs to no call.", param=f"messages[{at}].tool_call_id")
    said = "".join(texts(message, at))
    try:
        held = orjson.loads(said)
    except orjson.JSONDecodeError:
        held = None
    response = held if type(held) is dict else {"output": said}
    return {"functionResponse": {"id": id, "name": name, "response": response}}


def _tools(body: dict[str, Any], job: Job) -> None:
    made: list[dict[str, Any]] = []
    for tool in canonical_tools(job.tools):
        function: Any = tool["function"]
        one = {"name": function["name"], "description": function.get("description") or ""}
        if function.get("parameters"):
            one["parametersJsonSchema"] = function["parameters"]
        made.append(one)
    body["tools"] = [{"functionDeclarations": made}]
    chosen = job.tool_choice
    if isinstance(chosen, dict):
        settings = {"mode": "ANY", "allowedFunctionNames": [chosen["function"]["name"]]}
    elif chosen is not None:
        settings = {"mode": _MODES[chosen]}
    else:
        settings = {}
    if job.parallel_tool_calls is False and chosen != "none":
        raise unsupported("limit of one call at a time", "parallel_tool_calls")
    if settings:
        body["toolConfig"] = {"functionCallingConfig": settings}


def _usage(found: dict[str, Any]) -> Usage:
    thought = int(found.get("thoughtsTokenCount") or 0)
    return Usage(
        int(found.get("promptTokenCount") or 0) + int(found.get("toolUsePromptTokenCount") or 0),
        int(found.get("candidatesTokenCount") or 0) + thought,
        int(found.get("cachedContentTokenCount") or 0),
        thought,
    )


class ContentReading(EventReading):
    """What has been read of one answer of `wanted` candidates. A stream ends when the server ends it."""

    __slots__ = ("_calls",)

    def __init__(self, wanted: int) -> None:
        super().__init__(wanted)
        self._calls: dict[int, int] = {}  # functions that were called, by candidate

    def whole(self, raw: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        self.event(b"", raw, chunks)
        return chunks

    def event(self, name: bytes, data: bytes, chunks: list[Chunk]) -> None:  # noqa: ARG002 - events have no names here
        try:
            found = orjson.loads(data)
            if found.get("error"):
                raise ErrorEvent(data)
            counts = found.get("usageMetadata")
            grown = 0  # how many tokens more it is than was said before
            if counts and "promptTokenCount" in counts:  # Vertex states other things before it counts
                before, self.usage = self.usage, _usage(counts)
                grown = self.usage.completion_tokens - (before.completion_tokens if before else 0)
            candidates = found.get("candidates")
            for candidate in candidates or ():
                grown = self._candidate(candidate, grown, chunks)
            if not candidates and (found.get("promptFeedback") or {}).get("blockReason"):
                self.finished = dict.fromkeys(range(self.wanted), "content_filter")
        except (ErrorEvent, BrokenAnswer):
            raise
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            raise BrokenAnswer("not in the form of Google's answers") from None

    def end(self) -> None:
        if not self.complete:  # usage comes with the end, if it comes
            raise BrokenAnswer("the stream ended before the answer did")

    def _candidate(self, candidate: dict[str, Any], grown: int, chunks: list[Chunk]) -> int:
        """Adds its chunks. The first of them has the tokens that the answer has grown by; returns those left."""
        index = candidate.get("index", 0)
        if type(index) is not int or not 0 <= index < MAX_CHOICES:
            raise BrokenAnswer("a candidate has no valid index")
        for part in (candidate.get("content") or {}).get("parts") or ():
            seal = part.get("thoughtSignature")
            text = part.get("text")
            if text is None and part.keys() <= _EMPTY:  # a signature comes with no text, or with an empty one
                text = ""
            if text is not None:
                if type(text) is not str:
                    raise BrokenAnswer("a piece of text is none")
                if text:
                    chunks.append((Reasoning if part.get("thought") else Text)(text, index, max(1, grown)))
                    grown = 0
                if seal and not part.get("thought"):
                    chunks.append(Reasoning("", index, 0, MAKER + seal))
            elif "functionCall" in part:
                self._call(part["functionCall"], index, seal, chunks)
            else:
                raise BrokenAnswer("a part of a kind that nobody asked for")
        reason = candidate.get("finishReason")
        if reason in _NOT_MADE:
            raise BrokenAnswer("the answer could not be made")
        if reason:
            finish = _FINISH.get(reason, "content_filter")
            self.finished[index] = "tool_calls" if finish == "stop" and self._calls.get(index) else finish
        return grown

    def _call(self, call: dict[str, Any], index: int, seal: Any, chunks: list[Chunk]) -> None:
        place = self._calls.get(index, 0)
        self._calls[index] = place + 1
        arguments = orjson.dumps(call.get("args") or {}).decode()
        delta: dict[str, Any] = {
            "index": place,
            "id": call.get("id") or "",  # where there is none `tool_calls` makes one
            "type": "function",
            "function": {"name": call["name"], "arguments": arguments},
        }
        if seal:
            delta["extra_content"] = {"google": {"thought_signature": seal}}
        chunks.append(ToolCall(delta, index))

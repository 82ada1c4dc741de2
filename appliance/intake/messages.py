"""Chat messages: from wire objects to Message values.

Rules kept here:
1. Texts of parts are joined by a newline into `content`; if any part is not text, `parts` keeps all of them
   in their wire form and order.
2. A field of a message that Weir does not know is refused, without showing its name. Those that OpenAI's SDK
   sends back from an earlier answer and that say nothing to a model are accepted (`_MEANINGLESS`).
3. Nothing is fetched: an image's URL is only looked at.

It does not check that a tool's answer refers to a call of this conversation; models differ there.
"""

from __future__ import annotations

import re
from typing import Any

from appliance.errors import BadRequest
from appliance.intake.fields import array, choice, missing, nearest, obj, refused, text, wrong
from appliance.intake.limits import Limits
from appliance.intake.sources import DETAILS, is_image_address
from appliance.records.request import Message

_PLAIN_ROLES = frozenset(("system", "user", "assistant", "developer"))
_ROLES = ("system", "developer", "user", "assistant", "tool")
_FIELDS = frozenset(("role", "content", "name", "tool_call_id", "tool_calls", "refusal"))
# Output-side fields of an assistant's message; models are not shown them. `parsed` is what an SDK made of the text.
_MEANINGLESS = frozenset(("annotations", "audio", "function_call", "parsed", "reasoning", "reasoning_content"))
_PARSED = "parsed_arguments"  # of a call's function, likewise: what it says stands in the arguments
# A text part is taken apart, so what it may hold is known; hints for a provider's prompt cache say nothing.
_TEXT_PART = frozenset(("type", "text", "refusal", "annotations", "cache_control", "prompt_cache_breakpoint"))
_KNOWN = tuple(sorted(_FIELDS))
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_CONTENT = "a string or a list of parts"


def read_messages(wire: object, limits: Limits) -> tuple[Message, ...]:
    """The conversation. Raises BadRequest naming the message and the field."""
    if type(wire) is not list:
        raise wrong("messages", "a list of messages", wire)
    if not 0 < len(wire) <= limits.messages:
        raise refused("messages", f"a list of 1 to {limits.messages} messages")
    most, total = limits.string_chars, 0
    messages: list[Message] = []
    for index, entry in enumerate(wire):
        if type(entry) is dict and len(entry) == 2:
            role, content = entry.get("role"), entry.get("content")
            if type(content) is str and type(role) is str and role in _PLAIN_ROLES and len(content) <= most:
                total += len(content)
                messages.append(Message(role, content))
                continue
        message = _message(entry, f"messages[{index}]", limits)
        total += len(message.content)
        messages.append(message)
    if total > limits.text_chars:
        raise refused("messages", f"at most {limits.text_chars} characters of text in all", "Send less text.")
    return tuple(messages)


def _message(wire: object, where: str, limits: Limits) -> Message:
    entry = obj(where, wire)
    for name, value in entry.items():
        if name in _FIELDS or name in _MEANINGLESS:
            if name == "function_call" and value is not None:
                raise refused(f"{where}.function_call", "left out", "Use 'tool_calls' instead.")
        else:
            raise _unknown_field(where, name)
    if entry.get("role") is None:
        raise missing(f"{where}.role", "one of " + ", ".join(_ROLES))
    role = choice(f"{where}.role", entry["role"], _ROLES)
    call_id: str | None = entry.get("tool_call_id")
    if role == "tool":
        if call_id is None:
            raise missing(f"{where}.tool_call_id", "the id of the tool call that this message answers")
        call_id = text(f"{where}.tool_call_id", call_id, 256, least=1)
    elif call_id is not None:
        raise refused(f"{where}.tool_call_id", "left out of a message that is not a tool's")
    calls: tuple[dict[str, Any], ...] = ()
    if (stated := entry.get("tool_calls")) is not None:
        calls = _tool_calls(stated, f"{where}.tool_calls", limits)
        if calls and role != "assistant":
            raise refused(f"{where}.tool_calls", "left out of a message that is not an assistant's")
    speaker: str | None = entry.get("name")
    if speaker is not None:
        speaker = text(f"{where}.name", speaker, 128, least=1)
    body, parts = _content(entry, role, calls, where, limits)
    return Message(role, body, speaker, call_id, calls, parts)


def _unknown_field(where: str, name: str) -> BadRequest:
    near = nearest(name, _KNOWN)
    hint = f"Did you mean '{near}'?" if near else "Known fields: " + ", ".join(_KNOWN) + "."
    return BadRequest(f"'{where}' has a field that is not known.", param=where, next_step=hint)


def _content(
    entry: dict[str, Any], role: str, calls: tuple[dict[str, Any], ...], where: str, limits: Limits
) -> tuple[str, tuple[dict[str, Any], ...]]:
    content = entry.get("content")
    if content is None and role == "assistant":
        refusal = entry.get("refusal")
        if refusal is not None:
            return text(f"{where}.refusal", refusal, limits.string_chars), ()
        if calls:
            return "", ()
    where = f"{where}.content"
    if content is None:
        raise missing(where, _CONTENT)
    if type(content) is str:
        return text(where, content, limits.string_chars), ()
    if type(content) is not list:
        raise wrong(where, _CONTENT, content)
    texts: list[str] = []
    mixed = False
    for index, part in enumerate(array(where, content, limits.parts, least=1)):
        piece = _part(part, f"{where}[{index}]", role, limits)
        if piece is None:
            mixed = True
        else:
            texts.append(piece)
    return text(where, "\n".join(texts), limits.string_chars), tuple(content) if mixed else ()


def _part(wire: object, where: str, role: str, limits: Limits) -> str | None:
    """The text of a text part, None for any other kind."""
    part = obj(where, wire)
    kinds: tuple[str, ...] = ("text",)
    if role == "user":
        kinds = ("text", "image_url", "input_audio", "file")
    elif role == "assistant":
        kinds = ("text", "refusal")
    if part.get("type") is None:
        raise missing(f"{where}.type", "one of " + ", ".join(kinds))
    kind = choice(f"{where}.type", part["type"], kinds)
    if part.get(kind) is None:
        raise missing(f"{where}.{kind}", "a string" if kind in ("text", "refusal") else "an object")
    if kind in ("text", "refusal"):
        if not part.keys() <= _TEXT_PART:
            raise refused(where, "a part of only 'type' and 'text'", "Leave the other fields out.")
        return text(f"{where}.{kind}", part[kind], limits.string_chars)
    inner = obj(f"{where}.{kind}", part[kind])
    if kind == "image_url":
        url = text(f"{where}.image_url.url", inner.get("url"), limits.body_bytes, least=1)
        if not is_image_address(url):
            raise refused(f"{where}.image_url.url", "an http(s) URL or data:image/...;base64,...")
        if inner.get("detail") is not None:
            choice(f"{where}.image_url.detail", inner["detail"], DETAILS)
    elif kind == "input_audio":
        text(f"{where}.input_audio.data", inner.get("data"), limits.body_bytes, least=1)
        choice(f"{where}.input_audio.format", inner.get("format"), ("wav", "mp3"))
    return None


def _tool_calls(wire: object, where: str, limits: Limits) -> tuple[dict[str, Any], ...]:
    calls = []
    for index, entry in enumerate(array(where, wire, limits.tool_calls)):
        here = f"{where}[{index}]"
        call = obj(here, entry)
        text(f"{here}.id", call.get("id"), 256, least=1)
        choice(f"{here}.type", call.get("type"), ("function",))
        function = obj(f"{here}.function", call.get("function"))
        if not _TOOL_NAME.fullmatch(text(f"{here}.function.name", function.get("name"), 128, least=1)):
            raise refused(f"{here}.function.name", "letters, digits, dots, dashes and underscores")
        text(f"{here}.function.arguments", function.get("arguments"), limits.string_chars)
        if _PARSED in function:
            call = {**call, "function": {name: value for name, value in function.items() if name != _PARSED}}
        calls.append(call)
    return tuple(calls)

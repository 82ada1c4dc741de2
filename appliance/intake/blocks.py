"""Anthropic's messages: system, messages and their blocks, to the same Message values that OpenAI's become.

Rules kept here:
1. What is said alike in both dialects becomes equal messages: texts of blocks are joined by a newline, images become
   image parts, a tool's use a call, a tool's result a message of its own.
2. A block, or a field of one, that Weir does not know is refused, without showing its name. Left out is only what no
   model is shown anyway: hints for a provider's prompt cache (`cache_control`), citations of an earlier answer, and its
   reasoning, as on OpenAI's wire.
3. Nothing is fetched: an image's URL is only looked at.

Not taken, because no path could be told: an answer that the caller begins, images in a tool's result, documents.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from appliance.errors import BadRequest, Unsupported
from appliance.intake.fields import array, choice, flag, missing, obj, refused, text, wrong
from appliance.intake.limits import Limits
from appliance.records.request import Message

_ROLES = ("user", "assistant", "system")
_KINDS = {
    "system": ("text",),
    "user": ("text", "image", "tool_result"),
    "assistant": ("text", "tool_use", "thinking", "redacted_thinking"),
}
# What a block may hold besides its type. `caller` and `toolset_name` are what SDKs send back of an answer.
HOLDS = {
    "text": frozenset(("text", "citations", "cache_control")),
    "image": frozenset(("source", "transformations", "cache_control")),
    "tool_result": frozenset(("tool_use_id", "content", "is_error", "toolset_name", "cache_control")),
    "tool_use": frozenset(("id", "name", "input", "caller", "toolset_name", "cache_control")),
    "thinking": frozenset(("thinking", "signature")),
    "redacted_thinking": frozenset(("data",)),
}
_MEDIA = ("image/jpeg", "image/png", "image/gif", "image/webp")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]++={0,2}")
_URL = re.compile(r"https?://", re.IGNORECASE)
_CONTENT = "a string or a list of blocks"


def read_conversation(system: object, wire: object, limits: Limits) -> tuple[Message, ...]:
    """`system` (None where it is not stated) and `messages`. Raises BadRequest naming the place."""
    made: list[Message] = []
    if system is not None:
        said = _texts("system", system, limits)
        if said:
            made.append(Message("system", said))
    if type(wire) is not list:
        raise wrong("messages", "a list of messages", wire)
    if not 0 < len(wire) <= limits.messages:
        raise refused("messages", f"a list of 1 to {limits.messages} messages")
    role = ""
    for index, entry in enumerate(wire):
        role = _message(entry, f"messages[{index}]", limits, made)
    if role == "assistant":
        where = f"messages[{len(wire) - 1}].role"
        raise refused(where, "another than 'assistant' at the end", "Leave it out; an answer cannot be begun here.")
    if len(made) > limits.messages:
        raise refused("messages", f"at most {limits.messages} messages and results of tools")
    if sum([len(message.content) for message in made]) > limits.text_chars:
        raise refused("messages", f"at most {limits.text_chars} characters of text in all", "Send less text.")
    return tuple(made)


def _message(wire: object, where: str, limits: Limits, made: list[Message]) -> str:
    """Add what this message is; returns its role."""
    entry = obj(where, wire)
    if not entry.keys() <= {"role", "content"}:
        raise refused(where, "an object of only 'role' and 'content'", "Leave the other fields out.")
    if entry.get("role") is None:
        raise missing(f"{where}.role", "one of " + ", ".join(_ROLES))
    role = choice(f"{where}.role", entry["role"], _ROLES)
    content = entry.get("content")
    where = f"{where}.content"
    if content is None:
        raise missing(where, _CONTENT)
    if type(content) is str:
        made.append(Message(role, text(where, content, limits.string_chars)))
    elif role == "system":
        made.append(Message(role, _texts(where, content, limits)))
    elif role == "user":
        _of_user(where, content, limits, made)
    else:
        made.append(_of_assistant(where, content, limits))
    return role


def _texts(where: str, wire: object, limits: Limits) -> str:
    """A string, or the texts of a list of text blocks."""
    if type(wire) is str:
        return text(where, wire, limits.string_chars)
    if type(wire) is not list:
        raise wrong(where, "a string or a list of text blocks", wire)
    blocks = array(where, wire, limits.parts)
    return _joined(where, [_text(block, f"{where}[{at}]", limits) for at, block in enumerate(blocks)], limits)


def _joined(where: str, texts: list[str], limits: Limits) -> str:
    return text(where, "\n".join(texts), limits.string_chars)


def _text(wire: object, where: str, limits: Limits) -> str:
    block, _ = _block(wire, where, _KINDS["system"])
    return _said(block, where, limits)


def _said(block: dict[str, Any], where: str, limits: Limits) -> str:
    if block.get("text") is None:
        raise missing(f"{where}.text", "a string")
    return text(f"{where}.text", block["text"], limits.string_chars)


def _block(wire: object, where: str, kinds: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """A block of one of these kinds, and its kind; its fields are known ones."""
    block = obj(where, wire)
    if block.get("type") is None:
        raise missing(f"{where}.type", "one of " + ", ".join(kinds))
    kind = choice(f"{where}.type", block["type"], kinds)
    holds = HOLDS[kind]
    for name, value in block.items():
        if name != "type" and name not in holds:
            raise refused(where, f"a block of only 'type' and {', '.join(sorted(holds))}", "Leave the others out.")
        if name == "cache_control" and value is not None:
            obj(f"{where}.cache_control", value)
    if block.get("toolset_name") is not None:
        raise _not_taken(f"{where}.toolset_name", "Toolsets of a provider", "Leave it out.")
    return block, kind


def _not_taken(where: str, what: str, next_step: str) -> BadRequest:
    return Unsupported(f"{what} are not supported.", param=where, next_step=next_step)


def _of_user(where: str, wire: object, limits: Limits, made: list[Message]) -> None:
    """Results of tools, each a message of its own, then what the user says, if anything."""
    if type(wire) is not list:
        raise wrong(where, _CONTENT, wire)
    texts: list[str] = []
    parts: list[dict[str, Any]] = []
    for index, entry in enumerate(array(where, wire, limits.parts, least=1)):
        here = f"{where}[{index}]"
        block, kind = _block(entry, here, _KINDS["user"])
        if kind == "tool_result":
            if parts:
                raise refused(here, "before the blocks of other types, because it is a tool's result")
            made.append(_result(block, here, limits))
        elif kind == "image":
            parts.append({"type": "image_url", "image_url": {"url": _image(block, here, limits)}})
        else:
            texts.append(_said(block, here, limits))
            parts.append({"type": "text", "text": texts[-1]})
    if parts:
        mixed = len(texts) < len(parts)
        made.append(Message("user", _joined(where, texts, limits), parts=tuple(parts) if mixed else ()))


def _image(block: dict[str, Any], where: str, limits: Limits) -> str:
    """The address of an image: its own, or one that holds its bytes."""
    if block.get("transformations") is not None:
        raise _not_taken(f"{where}.transformations", "Transformations of images", "Leave them out.")
    where = f"{where}.source"
    if block.get("source") is None:
        raise missing(where, "an object of base64 data or a URL")
    source = obj(where, block["source"])
    kind = choice(f"{where}.type", source.get("type"), ("base64", "url"))
    known = {"type", "media_type", "data"} if kind == "base64" else {"type", "url"}
    if not source.keys() <= known:
        raise refused(where, "an object of only " + ", ".join(sorted(known)), "Leave the others out.")
    if kind == "url":
        url = text(f"{where}.url", source.get("url"), limits.body_bytes, least=1)
        if not _URL.match(url):
            raise refused(f"{where}.url", "an http(s) URL")
        return url
    media = choice(f"{where}.media_type", source.get("media_type"), _MEDIA)
    data = text(f"{where}.data", source.get("data"), limits.body_bytes, least=1)
    if not _BASE64.fullmatch(data):
        raise refused(f"{where}.data", "base64 without blanks")
    return f"data:{media};base64,{data}"


def _result(block: dict[str, Any], where: str, limits: Limits) -> Message:
    """A tool's answer. That it is an error is said in its text, because not every wire has a place for it."""
    if block.get("tool_use_id") is None:
        raise missing(f"{where}.tool_use_id", "the id of the tool_use block that this answers")
    id = text(f"{where}.tool_use_id", block["tool_use_id"], 256, least=1)
    content = block.get("content")
    if type(content) is list and any(type(one) is dict and one.get("type") == "image" for one in content):
        raise _not_taken(f"{where}.content", "Images in a tool's result", "Send the image in a block of its own.")
    said = "" if content is None else _texts(f"{where}.content", content, limits)
    if block.get("is_error") is not None and flag(f"{where}.is_error", block["is_error"]):
        said = f"Error: {said}"
    return Message("tool", said, tool_call_id=id)


def _of_assistant(where: str, wire: object, limits: Limits) -> Message:
    if type(wire) is not list:
        raise wrong(where, _CONTENT, wire)
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for index, entry in enumerate(array(where, wire, limits.parts, least=1)):
        here = f"{where}[{index}]"
        block, kind = _block(entry, here, _KINDS["assistant"])
        if kind == "text":
            texts.append(_said(block, here, limits))
        elif kind == "tool_use":
            calls.append(_use(block, here, limits))
        else:
            for name in HOLDS[kind]:
                text(f"{here}.{name}", block.get(name), limits.string_chars)
    if len(calls) > limits.tool_calls:
        raise refused(where, f"a list of at most {limits.tool_calls} tool_use blocks")
    return Message("assistant", _joined(where, texts, limits), tool_calls=tuple(calls))


def _use(block: dict[str, Any], where: str, limits: Limits) -> dict[str, Any]:
    """A tool_use block as a call in OpenAI's form."""
    caller = block.get("caller")
    if caller is not None and obj(f"{where}.caller", caller) != {"type": "direct"}:
        raise _not_taken(f"{where}.caller", "Tools that a provider calls", "Leave it out.")
    id = text(f"{where}.id", block.get("id"), 256, least=1)
    name = text(f"{where}.name", block.get("name"), 128, least=1)
    if not _NAME.fullmatch(name):
        raise refused(f"{where}.name", "letters, digits, dots, dashes and underscores")
    arguments = orjson.dumps(obj(f"{where}.input", block.get("input"))).decode()
    text(f"{where}.input", arguments, limits.string_chars)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}

"""Anthropic's messages: system, messages and their blocks, to the same Message values that OpenAI's become.

Rules kept here:
1. What is said alike in both dialects becomes equal messages, but for `marks`: texts of blocks are joined by a newline,
   images become image parts, a tool's use a call, a tool's result a message of its own.
2. A block, or a field of one, that Weir does not know is refused, without showing its name. Left out is only what no
   model is shown anyway: citations of an earlier answer, and thinking without a seal.
3. Hints for a provider's prompt cache (`cache_control`) become marks: ends in the message's text. In a message of more
   than text, and where they stand at what is no text, they mark its end.

`sources` reads images and documents.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from appliance.intake.fields import array, choice, flag, missing, obj, refused, text, wrong
from appliance.intake.limits import Limits
from appliance.intake.sources import document, image, not_taken
from appliance.records.request import Message

_ROLES = ("user", "assistant", "system")
_KINDS = {
    "system": ("text",),
    "user": ("text", "image", "document", "tool_result"),
    "result": ("text", "image", "document"),
    "assistant": ("text", "tool_use", "thinking", "redacted_thinking"),
}
# What a block may hold besides its type. `caller` and `toolset_name` are what SDKs send back of an answer.
HOLDS = {
    "text": frozenset(("text", "citations", "cache_control")),
    "image": frozenset(("source", "transformations", "cache_control")),
    "document": frozenset(("source", "title", "context", "citations", "cache_control")),
    "tool_result": frozenset(("tool_use_id", "content", "is_error", "toolset_name", "cache_control")),
    "tool_use": frozenset(("id", "name", "input", "caller", "toolset_name", "cache_control")),
    "thinking": frozenset(("thinking", "signature")),
    "redacted_thinking": frozenset(("data",)),
}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_CONTENT = "a string or a list of blocks"


def read_conversation(system: object, wire: object, limits: Limits) -> tuple[Message, ...]:
    """`system` (None where it is not stated) and `messages`. Where the last one is the assistant's, an answer is begun
    with it. Raises BadRequest naming the place.
    """
    made: list[Message] = []
    if system is not None:
        said = _system("system", system, limits)
        if said.content:
            made.append(said)
    if type(wire) is not list:
        raise wrong("messages", "a list of messages", wire)
    if not 0 < len(wire) <= limits.messages:
        raise refused("messages", f"a list of 1 to {limits.messages} messages")
    role = ""
    for index, entry in enumerate(wire):
        role = _message(entry, f"messages[{index}]", limits, made)
    if role == "assistant":
        _begins(made[-1], f"messages[{len(wire) - 1}].content")
    if len(made) > limits.messages:
        raise refused("messages", f"at most {limits.messages} messages and results of tools")
    if sum([len(message.content) for message in made]) > limits.text_chars:
        raise refused("messages", f"at most {limits.text_chars} characters of text in all", "Send less text.")
    return tuple(made)


def _begins(last: Message, where: str) -> None:
    """What an answer may be begun with: some text, and no blank at its end, which would part a token."""
    if last.tool_calls:
        raise refused(where, "without 'tool_use' in the last message", "Send the results of the tools as well.")
    if not last.content or last.content != last.content.rstrip():
        raise refused(where, "text that does not end with a blank, where it is the last message")


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
        made.append(_system(where, content, limits))
    elif role == "user":
        _of_user(where, content, limits, made)
    else:
        made.append(_of_assistant(where, content, limits))
    return role


def _system(where: str, wire: object, limits: Limits) -> Message:
    """A string, or the texts of a list of text blocks."""
    if type(wire) is str:
        return Message("system", text(where, wire, limits.string_chars))
    if type(wire) is not list:
        raise wrong(where, "a string or a list of text blocks", wire)
    said = _Said(limits)
    for at, entry in enumerate(array(where, wire, limits.parts)):
        block, _ = _block(entry, f"{where}[{at}]", _KINDS["system"])
        said.text(_worded(block, f"{where}[{at}]", limits))
        said.mark(block)
    return said.message("system", where)


class _Said:
    """The texts and parts of one message, and its marks. Lives for one call."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.texts: list[str] = []
        self.parts: list[dict[str, Any]] = []
        self._marks: list[tuple[int, str]] = []  # how many texts stand before, and for how long
        self._mixed = False

    def text(self, text: str) -> None:
        self.texts.append(text)
        self.parts.append({"type": "text", "text": text})

    def add(self, parts: list[dict[str, Any]]) -> None:
        """Parts that may be text."""
        for part in parts:
            if part["type"] == "text":
                self.text(part["text"])
            else:
                self._mixed = True
                self.parts.append(part)

    def mark(self, block: dict[str, Any]) -> None:
        """Keep what the block says of a provider's cache."""
        stated = block.get("cache_control")
        if stated is not None:
            self._marks.append((len(self.texts), "1h" if stated.get("ttl") == "1h" else "5m"))

    def message(self, role: str, where: str, **over: Any) -> Message:
        content = text(where, "\n".join(self.texts), self._limits.string_chars)
        parts = tuple(self.parts) if self._mixed else ()
        return Message(role, content, **({"parts": parts} | over), marks=self._ends(content) if self._marks else ())

    def _ends(self, content: str) -> tuple[tuple[int, str], ...]:
        if self._mixed:
            return ((len(content), self._marks[-1][1]),)
        ends = {len("\n".join(self.texts[:before])): lasts for before, lasts in self._marks}
        return tuple(ends.items())


def _worded(block: dict[str, Any], where: str, limits: Limits) -> str:
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
        raise not_taken(f"{where}.toolset_name", "Toolsets of a provider", "Leave it out.")
    return block, kind


def _of_user(where: str, wire: object, limits: Limits, made: list[Message]) -> None:
    """Results of tools, each a message of its own, then what the user says, if anything."""
    if type(wire) is not list:
        raise wrong(where, _CONTENT, wire)
    said = _Said(limits)
    for index, entry in enumerate(array(where, wire, limits.parts, least=1)):
        here = f"{where}[{index}]"
        block, kind = _block(entry, here, _KINDS["user"])
        if kind == "tool_result":
            if said.parts:
                raise refused(here, "before the blocks of other types, because it is a tool's result")
            made.append(_result(block, here, limits))
            continue
        _seen(said, block, kind, here, limits)
    if said.parts:
        made.append(said.message("user", where))


def _seen(said: _Said, block: dict[str, Any], kind: str, where: str, limits: Limits) -> None:
    """Text, an image or a document."""
    if kind == "image":
        said.add([image(block, where, limits)])
    elif kind == "document":
        said.add(document(block, where, limits))
    else:
        said.text(_worded(block, where, limits))
    said.mark(block)


def _result(block: dict[str, Any], where: str, limits: Limits) -> Message:
    """A tool's answer. That it is an error is said in its text, because not every wire has a place for it."""
    if block.get("tool_use_id") is None:
        raise missing(f"{where}.tool_use_id", "the id of the tool_use block that this answers")
    id = text(f"{where}.tool_use_id", block["tool_use_id"], 256, least=1)
    failed = block.get("is_error") is not None and flag(f"{where}.is_error", block["is_error"])
    content, where = block.get("content"), f"{where}.content"
    said = _Said(limits)
    if type(content) is str or content is None:
        said.text("" if content is None else text(where, content, limits.string_chars))
    elif type(content) is not list:
        raise wrong(where, _CONTENT, content)
    else:
        for at, entry in enumerate(array(where, content, limits.parts)):
            here = f"{where}[{at}]"
            _seen(said, *_block(entry, here, _KINDS["result"]), here, limits)
    if failed:
        said.texts[:1] = [f"Error: {said.texts[0] if said.texts else ''}"]
        said.parts.insert(0, {"type": "text", "text": "Error:"})
    said.mark(block)
    return said.message("tool", where, tool_call_id=id)


def _of_assistant(where: str, wire: object, limits: Limits) -> Message:
    if type(wire) is not list:
        raise wrong(where, _CONTENT, wire)
    said = _Said(limits)
    calls: list[dict[str, Any]] = []
    thoughts: list[dict[str, Any]] = []
    for index, entry in enumerate(array(where, wire, limits.parts, least=1)):
        here = f"{where}[{index}]"
        block, kind = _block(entry, here, _KINDS["assistant"])
        if kind == "text":
            said.text(_worded(block, here, limits))
        elif kind == "tool_use":
            calls.append(_use(block, here, limits))
        else:
            held = {name: text(f"{here}.{name}", block.get(name), limits.string_chars) for name in sorted(HOLDS[kind])}
            if held.get("signature", held.get("data")):
                thoughts.append({"type": kind, **held})
        said.mark(block)
    if len(calls) > limits.tool_calls:
        raise refused(where, f"a list of at most {limits.tool_calls} tool_use blocks")
    return said.message("assistant", where, tool_calls=tuple(calls), parts=tuple(thoughts))


def _use(block: dict[str, Any], where: str, limits: Limits) -> dict[str, Any]:
    """A tool_use block as a call in OpenAI's form."""
    caller = block.get("caller")
    if caller is not None and obj(f"{where}.caller", caller) != {"type": "direct"}:
        raise not_taken(f"{where}.caller", "Tools that a provider calls", "Leave it out.")
    id = text(f"{where}.id", block.get("id"), 256, least=1)
    name = text(f"{where}.name", block.get("name"), 128, least=1)
    if not _NAME.fullmatch(name):
        raise refused(f"{where}.name", "letters, digits, dots, dashes and underscores")
    arguments = orjson.dumps(obj(f"{where}.input", block.get("input"))).decode()
    text(f"{where}.input", arguments, limits.string_chars)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}

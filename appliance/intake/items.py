"""Input of /v1/responses: a string or a list of items, to the same Message values that chat messages become.

Rules kept here:
1. What is said alike on the other wires becomes equal messages: texts of parts are joined by a newline, images become
   image parts, calls stand in the message of the assistant's that they came with, a call's output is a message.
2. An item, a part, or a field of one that Weir does not know is refused. Ids, phases and states of items say nothing to
   a model and are accepted.
3. Thinking is kept where it comes back sealed; without a seal it is left out, as on the other wires.
4. Nothing is fetched or looked up: an image's URL is only looked at, and what is named by an id alone is refused.
"""

from __future__ import annotations

import re
from typing import Any

from appliance.errors import BadRequest, Unsupported
from appliance.intake.fields import array, choice, missing, obj, refused, text, wrong
from appliance.intake.limits import Limits
from appliance.intake.sources import DETAILS, is_image_address
from appliance.records.chunks import REDACTED
from appliance.records.request import Message

_ROLES = ("user", "assistant", "system", "developer")
_STATES = ("in_progress", "completed", "incomplete")
# What each kind of item may hold besides its type, id and status.
ITEMS: dict[str, frozenset[str]] = {
    "message": frozenset(("role", "content", "phase")),
    "function_call": frozenset(("call_id", "name", "arguments", "caller", "namespace", "async")),
    "function_call_output": frozenset(("call_id", "output", "caller", "name", "namespace")),
    "reasoning": frozenset(("summary", "content", "encrypted_content")),
}
_BREAKPOINT = "prompt_cache_breakpoint"  # a hint for a provider's prompt cache, as on the other wires
PARTS: dict[str, frozenset[str]] = {
    "input_text": frozenset(("text", _BREAKPOINT)),
    "output_text": frozenset(("text", "annotations", "logprobs")),
    "refusal": frozenset(("refusal",)),
    "input_image": frozenset(("image_url", "detail", "file_id", _BREAKPOINT)),
    "input_file": frozenset(("file_data", "filename", "detail", "file_id", "file_url", _BREAKPOINT)),
}
_TAKEN = {
    "user": ("input_text", "input_image", "input_file"),
    "assistant": ("output_text", "refusal", "input_text"),
    "system": ("input_text",),
    "developer": ("input_text",),
    "tool": ("input_text", "input_image"),
}
_TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_CONTENT = "a string or a list of parts"
_LONGEST_ID = 256


def read_input(instructions: object, wire: object, limits: Limits) -> tuple[Message, ...]:
    """The conversation; `instructions` (None where there are none) come first. Raises BadRequest naming the place."""
    turns = _Turns(limits)
    if instructions is not None:
        turns.made.append(Message("system", text("instructions", instructions, limits.string_chars)))
    if type(wire) is str:
        turns.made.append(Message("user", text("input", wire, limits.string_chars)))
    elif type(wire) is not list:
        raise wrong("input", "a string or a list of items", wire)
    else:
        for index, entry in enumerate(array("input", wire, limits.messages, least=1)):
            turns.add(entry, f"input[{index}]")
        turns.close()
    if not turns.made:
        raise refused("input", "more than earlier thinking", "Send what the model is to answer.")
    if sum([len(message.content) for message in turns.made]) > limits.text_chars:
        raise refused("input", f"at most {limits.text_chars} characters of text in all", "Send less text.")
    return tuple(turns.made)


class _Turns:
    """The messages made so far, and the assistant's turn that is not complete yet. Lives for one call."""

    def __init__(self, limits: Limits) -> None:
        self.made: list[Message] = []
        self._limits = limits
        self._texts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._thoughts: list[dict[str, Any]] = []

    def add(self, wire: object, where: str) -> None:
        """One item more."""
        item = obj(where, wire)
        kind = _kind(item, where)
        known = ITEMS[kind]
        for name, value in item.items():
            if name not in known and name not in ("type", "id", "status"):
                raise refused(where, "an item of only 'type', 'id', 'status' and " + ", ".join(sorted(known)))
            if name in ("caller", "namespace", "async") and value not in (None, False, {"type": "direct"}):
                here = f"{where}.{name}"
                raise Unsupported(f"'{here}' is not supported.", param=here, next_step="Leave it out.")
        if item.get("status") is not None:
            choice(f"{where}.status", item["status"], _STATES)
        getattr(self, f"_{kind}")(item, where)

    def close(self) -> None:
        """The assistant's turn is over. Thinking that nothing followed is no turn."""
        if self._texts or self._calls:
            said = text("input", "\n".join(self._texts), self._limits.string_chars)
            parts = tuple(self._thoughts)
            self.made.append(Message("assistant", said, tool_calls=tuple(self._calls), parts=parts))
        self._texts, self._calls, self._thoughts = [], [], []

    def _message(self, item: dict[str, Any], where: str) -> None:
        if item.get("role") is None:
            raise missing(f"{where}.role", "one of " + ", ".join(_ROLES))
        role = choice(f"{where}.role", item["role"], _ROLES)
        said, parts = _content(item.get("content"), f"{where}.content", role, self._limits)
        if role != "assistant":
            self.close()
            self.made.append(Message(role, said, parts=parts))
            return
        if self._texts and not self._calls:  # two turns; behind calls it is the same one, whose outputs are to come
            self.close()
        self._texts.append(said)

    def _function_call(self, item: dict[str, Any], where: str) -> None:
        id = text(f"{where}.call_id", item.get("call_id"), _LONGEST_ID, least=1)
        name = text(f"{where}.name", item.get("name"), 128, least=1)
        if not _TOOL_NAME.fullmatch(name):
            raise refused(f"{where}.name", "letters, digits, dots, dashes and underscores")
        arguments = text(f"{where}.arguments", item.get("arguments"), self._limits.string_chars)
        if len(self._calls) == self._limits.tool_calls:
            raise refused(where, f"one of at most {self._limits.tool_calls} calls in a turn")
        self._calls.append({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})

    def _function_call_output(self, item: dict[str, Any], where: str) -> None:
        self.close()
        if item.get("call_id") is None:
            raise missing(f"{where}.call_id", "the call_id of the call that this answers")
        id = text(f"{where}.call_id", item["call_id"], _LONGEST_ID, least=1)
        said, parts = _content(item.get("output"), f"{where}.output", "tool", self._limits)
        self.made.append(Message("tool", said, tool_call_id=id, parts=parts))

    def _reasoning(self, item: dict[str, Any], where: str) -> None:
        said: list[str] = []
        for name, kind in (("summary", "summary_text"), ("content", "reasoning_text")):
            stated = item.get(name)
            for index, entry in enumerate([] if stated is None else array(f"{where}.{name}", stated, 256)):
                here = f"{where}.{name}[{index}]"
                part = obj(here, entry)
                choice(f"{here}.type", part.get("type"), (kind,))
                said.append(text(f"{here}.text", part.get("text"), self._limits.string_chars))
        seal = item.get("encrypted_content")
        if seal is None or not text(f"{where}.encrypted_content", seal, self._limits.string_chars):
            return
        if self._texts and not self._calls:
            self.close()
        if seal.startswith(REDACTED):
            self._thoughts.append({"type": "redacted_thinking", "data": seal.removeprefix(REDACTED)})
        else:
            self._thoughts.append({"type": "thinking", "thinking": "\n\n".join(said), "signature": seal})


def _kind(item: dict[str, Any], where: str) -> str:
    kind = item.get("type")
    if kind is None and "role" in item:
        return "message"
    if kind == "item_reference" or (kind is None and "id" in item):
        raise Unsupported(
            "Items that are named by their id are not supported, because nothing is stored.",
            param=where,
            next_step="Send the items themselves: message, function_call, function_call_output, reasoning.",
        )
    if type(kind) is str and kind not in ITEMS:
        raise Unsupported(
            "This kind of item is not supported.", param=f"{where}.type", next_step=f"Known are {', '.join(ITEMS)}."
        )
    return choice(f"{where}.type", kind, tuple(ITEMS))


def _content(wire: object, where: str, role: str, limits: Limits) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Text, and the parts as chat messages have them where not all of them are text."""
    if wire is None:
        raise missing(where, _CONTENT)
    if type(wire) is str:
        return text(where, wire, limits.string_chars), ()
    if type(wire) is not list:
        raise wrong(where, _CONTENT, wire)
    texts: list[str] = []
    parts: list[dict[str, Any]] = []
    for index, entry in enumerate(array(where, wire, limits.parts, least=1)):
        part = _part(entry, f"{where}[{index}]", role, limits)
        parts.append(part)
        if part["type"] == "text":
            texts.append(part["text"])
    said = text(where, "\n".join(texts), limits.string_chars)
    return said, tuple(parts) if len(texts) < len(parts) else ()


def _part(wire: object, where: str, role: str, limits: Limits) -> dict[str, Any]:
    part = obj(where, wire)
    kinds = _TAKEN[role]
    if part.get("type") is None:
        raise missing(f"{where}.type", "one of " + ", ".join(kinds))
    kind = choice(f"{where}.type", part["type"], kinds)
    if not part.keys() <= PARTS[kind] | {"type"}:
        raise refused(where, "a part of only 'type' and " + ", ".join(sorted(PARTS[kind])), "Leave the others out.")
    if kind == "input_image":
        return _image(part, where, limits)
    if kind == "input_file":
        return _file(part, where, limits)
    name = "refusal" if kind == "refusal" else "text"
    if part.get(name) is None:
        raise missing(f"{where}.{name}", "a string")
    return {"type": "text", "text": text(f"{where}.{name}", part[name], limits.string_chars)}


def _image(part: dict[str, Any], where: str, limits: Limits) -> dict[str, Any]:
    _no_reference(part, where, "file_id")
    if part.get("image_url") is None:
        raise missing(f"{where}.image_url", "an http(s) URL or data:image/...;base64,...")
    url = text(f"{where}.image_url", part["image_url"], limits.body_bytes, least=1)
    if not is_image_address(url):
        raise refused(f"{where}.image_url", "an http(s) URL or data:image/...;base64,...")
    image = {"url": url}
    if part.get("detail") is not None:
        detail = choice(f"{where}.detail", part["detail"], DETAILS)
        if detail != "auto":  # which is what nothing said means
            image["detail"] = detail
    return {"type": "image_url", "image_url": image}


def _file(part: dict[str, Any], where: str, limits: Limits) -> dict[str, Any]:
    _no_reference(part, where, "file_id", "file_url")
    file = {"file_data": text(f"{where}.file_data", part.get("file_data"), limits.body_bytes, least=1)}
    if part.get("filename") is not None:
        file["filename"] = text(f"{where}.filename", part["filename"], 256, least=1)
    return {"type": "file", "file": file}


def _no_reference(part: dict[str, Any], where: str, *names: str) -> None:
    for name in names:
        if part.get(name) is not None:
            raise _not_held(f"{where}.{name}")


def _not_held(where: str) -> BadRequest:
    return Unsupported("No files are kept or fetched here.", param=where, next_step="Send the content itself.")

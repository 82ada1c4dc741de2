"""What Mistral insists on, for the stand-in: it forbids every field that it does not know, and some orders.

The fields are those of Mistral's own client; the words of its errors are those that its users report. Pure.
"""

from __future__ import annotations

import re
from typing import Any

Refusal = tuple[int, dict[str, Any]]

CALL_ID = "0Qr7tXy9Z"
_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_CHAT = frozenset((
    "model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "metadata",
    "response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty", "n", "prediction",
    "parallel_tool_calls", "reasoning_effort", "prompt_mode", "guardrails", "prompt_cache_key", "safe_prompt",
))  # fmt: skip
_EMBEDDINGS = frozenset(("model", "input", "metadata", "output_dimension", "output_dtype", "encoding_format"))
_MESSAGES = {
    "system": frozenset(("role", "content")),
    "user": frozenset(("role", "content")),
    "assistant": frozenset(("role", "content", "tool_calls", "prefix")),
    "tool": frozenset(("role", "content", "tool_call_id", "name")),
}
_PARTS = {
    "text": frozenset(("type", "text")),
    "image_url": frozenset(("type", "image_url")),
    "thinking": frozenset(("type", "thinking", "closed")),
}
_CALL = frozenset(("id", "type", "function", "index"))
_TOOL = frozenset(("type", "function"))
_FUNCTION = frozenset(("name", "description", "strict", "parameters"))


class _Refused(Exception):
    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__()
        self.answer = status, body


def error(status: int, message: Any, kind: str, code: str | None) -> Refusal:
    """An error as Mistral has them."""
    return status, {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def refusal(address: str, body: dict[str, Any]) -> Refusal | None:
    """What Mistral says to a body that it does not take; None where it does."""
    try:
        if address.endswith("chat/completions"):
            _chat(body)
        elif address.endswith("embeddings"):
            _only(_EMBEDDINGS, body, "body")
        else:
            return 404, {"message": "no Route matched with those values"}
    except _Refused as refused:
        return refused.answer
    return None


def _chat(body: dict[str, Any]) -> None:
    _only(_CHAT, body, "body")
    if body.get("reasoning_effort") not in (None, "none", "high"):
        raise _invalid("literal_error", ["body", "reasoning_effort"], "Input should be 'none' or 'high'")
    for at, tool in enumerate(body.get("tools") or ()):
        where = ("body", "tools", at)
        _only(_TOOL, tool, *where)
        _only(_FUNCTION, tool["function"], *where, "function")
        if "parameters" not in tool["function"]:
            raise _invalid("missing", [*where, "function", "parameters"], "Field required")
    for at, message in enumerate(body["messages"]):
        _message(message, "body", "messages", at)
    last = body["messages"][-1]
    if last["role"] == "assistant" and not last.get("prefix"):
        said = "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"
        raise _Refused(*error(400, said, "invalid_request_message_order", "3230"))


def _message(message: dict[str, Any], *where: object) -> None:
    known = _MESSAGES.get(message["role"])
    if known is None:
        raise _invalid("union_tag_invalid", [*where], "Input tag found using 'role' does not match")
    _only(known, message, *where, message["role"])
    if isinstance(message["content"], list):
        for at, part in enumerate(message["content"]):
            _only(_PARTS[part["type"]], part, *where, "content", at)
    for at, call in enumerate(message.get("tool_calls") or ()):
        _only(_CALL, call, *where, "tool_calls", at)
        _id(call["id"])
    if message["role"] == "tool":
        _id(message["tool_call_id"])


def _only(known: frozenset[str], said: dict[str, Any], *where: object) -> None:
    for name, value in said.items():
        if name not in known:
            raise _invalid("extra_forbidden", [*where, name], "Extra inputs are not permitted", value)


def _invalid(kind: str, where: list[object], message: str, value: Any = None) -> _Refused:
    detail = {"type": kind, "loc": where, "msg": message, "input": value}
    return _Refused(*error(422, {"detail": [detail]}, "invalid_request_error", None))


def _id(id: str) -> None:
    if not _CALL_ID.fullmatch(id):
        said = f"Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."
        raise _Refused(*error(400, said, "invalid_request_error", "3280"))


def begun(body: dict[str, Any]) -> list[str]:
    """The beginning of an answer, which Mistral says again in one piece, without the blanks at its end."""
    last = (body.get("messages") or [{}])[-1]
    return [str(last["content"]).rstrip()] if last.get("prefix") else []


def thought(*pieces: str) -> dict[str, Any]:
    """The part that holds what a model thinks."""
    texts: list[dict[str, Any]] = [{"type": "text", "text": piece} for piece in pieces]
    return {"type": "thinking", "thinking": [*texts, {"type": "reference", "reference_ids": [1]}]}

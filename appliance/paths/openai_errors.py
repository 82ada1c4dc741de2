"""What OpenAI-compatible servers say when they fail, in the contract's words.

Rules kept here:
1. Nothing the server wrote in prose is shown: it may quote the prompt or the key. Only its `code`, `type` and
   `param` are, and only where they look like an identifier and do not contain the key.
2. The prose is looked at for one thing: servers that give a prompt that is too long no code of its own.

It opens no connection.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from appliance.paths.contract import PathError, PathFault

MAX_RETRY_AFTER_S = 3600.0

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]-]{0,63}")
_TOO_LONG = re.compile(
    r"context[ _](?:length|size|window|limit)|maximum (?:context|input|sequence|prompt|model length)"
    r"|prompt is too long|too many tokens|token count .{0,20}exceeds|must have less than \d+ tokens"
    r"|max_new_tokens`? must be",
    re.IGNORECASE,
)


def error_of(status: int, headers: Mapping[str, str], raw: bytes, *, hidden: str = "") -> PathError:
    """The PathError for an HTTP error. `hidden` is the key: whatever contains it is left out."""
    said = _ErrorBody(raw, hidden)
    fault, sentence = _fault(status, said)
    wait = retry_after(headers)
    return PathError(
        fault,
        f"{sentence} (HTTP {status}{said.named})"[:300],
        retry_after_s=said.wait_s if wait is None else wait,
        param=said.param,
    )


def error_event(raw: bytes, *, hidden: str = "") -> PathError:
    """The PathError for an error that came inside a stream; its `code` may be an HTTP status."""
    said = _ErrorBody(raw, hidden)
    fault, sentence = _fault(said.status or 500, said)
    return PathError(fault, f"{sentence} (inside the stream{said.named})"[:300], param=said.param)


class _ErrorBody:
    """What of an error's body may be looked at. `code`, `kind` and `param` may be shown, `prose` never."""

    __slots__ = ("code", "flagged", "kind", "named", "param", "prose", "status", "wait_s", "weir")

    def __init__(self, raw: bytes, hidden: str) -> None:
        found = _read(raw)
        error = found.get("error", found)
        if not isinstance(error, dict):  # TGI: {"error": "prose", "error_type": "validation"}
            error = {"message": error, "type": found.get("error_type")}

        def plain(value: Any) -> str:
            if not isinstance(value, str) or not _PLAIN.fullmatch(value) or (hidden and hidden in value):
                return ""
            return value

        self.code, self.kind = plain(error.get("code")), plain(error.get("type"))
        self.param = plain(error.get("param")) or None
        self.prose = str(error.get("message"))[:2000]
        known = [value for value in (self.code, self.kind) if value]
        self.named = f": {', '.join(known)}" if known else ""
        stated = (error.get("code"), error.get("http_status_code"))  # the latter is TGI's
        self.status = next((code for code in stated if type(code) is int and 400 <= code < 600), 0)
        metadata = error.get("metadata")  # OpenRouter's; `reasons` where a moderation took offence at the prompt
        self.flagged = self.code == "content_filter" or bool(isinstance(metadata, dict) and metadata.get("reasons"))
        wait = found.get("estimated_time")  # Hugging Face's, while a model is being loaded
        self.wait_s = min(max(wait, 0.0), MAX_RETRY_AFTER_S) if isinstance(wait, int | float) else None
        self.weir = isinstance(error.get("weir"), dict)


def _read(raw: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except ValueError:
        return {}
    found = found[0] if isinstance(found, list) and found else found  # as Google has it, also on OpenAI's wire
    return found if isinstance(found, dict) else {}


# What another Weir says by its codes, where the status alone would say something else.
_WEIR: dict[str, tuple[PathFault, str]] = {
    "policy_refused": ("policy", "The other node's policy permits no path for this request."),
    "label_conflict": ("policy", "The other node's policy permits no path for this request."),
    "below_quality_floor": ("quality", "The other node has no answer that meets the quality floor."),
    "unsupported_parameter": ("unsupported", "The other node cannot serve this request as it is."),
    "in_a_circle": ("rejected", "The other node had this request before."),
    "no_capacity": ("overloaded", "The other node takes no more requests for now."),
    "budget_exceeded": ("overloaded", "This node's budget at the other node is spent."),
}


def _fault(status: int, said: _ErrorBody) -> tuple[PathFault, str]:
    code, kind = said.code, said.kind
    if said.weir and code in _WEIR:
        return _WEIR[code]
    if code in ("rate_limit_exceeded", "insufficient_quota") or kind in (
        "rate_limit_error",
        "overloaded_error",
        "rate_limited",  # Mistral's, and the next
        "service_tier_capacity_exceeded",
    ):
        return "overloaded", "The server takes no more requests for now."
    if said.flagged:
        return "rejected", "The server's content filter refused the prompt."
    if status in (401, 403) or code == "invalid_api_key" or kind == "authentication_error":
        return "auth", "The server refused the key."
    if status == 402:
        return "auth", "The account at the server has no credit left."
    if status == 429:
        return "overloaded", "The server takes no more requests for now."
    if (
        status == 413
        or code in ("context_length_exceeded", "string_above_max_length")
        or kind == "exceed_context_size_error"
        or (400 <= status < 500 and _TOO_LONG.search(said.prose))
    ):
        return "context_too_long", "The prompt is longer than the model takes."
    if status == 404:
        return "rejected", "The server does not know this model or address."
    if status == 408:
        return "timeout", "The server gave up waiting."
    if status >= 500 or status == 424:  # TGI's for a model that failed at its work
        return "unavailable", "The server failed."
    if 300 <= status < 400:
        return "unavailable", "The server answered with a redirect, which is not followed."
    if status < 300:
        return "broken_stream", "The server answered with a status that carries no answer."
    return "rejected", "The server says that the request is invalid."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from Retry-After (seconds or a date) or retry-after-ms; None if not stated."""
    said = headers.get("Retry-After-Ms")
    try:
        if said is not None:
            seconds = float(said) / 1000
        else:
            said = headers.get("Retry-After")
            if said is None:
                return None
            try:
                seconds = float(said)
            except ValueError:
                seconds = parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if not math.isnan(seconds) else None

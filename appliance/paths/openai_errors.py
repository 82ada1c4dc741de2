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
    r"context[ _](?:length|size|window)|maximum (?:context|input|sequence)|prompt is too long|too many tokens"
    r"|must have less than \d+ tokens",
    re.IGNORECASE,
)


def error_of(status: int, headers: Mapping[str, str], raw: bytes, *, hidden: str = "") -> PathError:
    """The PathError for an HTTP error. `hidden` is the key: whatever contains it is left out."""
    code, kind, param, prose = _error_fields(_read(raw), hidden)
    fault, sentence = _fault(status, code, kind, prose)
    said = ", ".join(value for value in (code, kind) if value)
    message = f"{sentence} (HTTP {status}{': ' + said if said else ''})"[:300]
    return PathError(fault, message, retry_after_s=retry_after(headers), param=param)


def error_event(raw: bytes, *, hidden: str = "") -> PathError:
    """The PathError for an error that came inside a stream; its `code` may be an HTTP status."""
    found = _read(raw)
    error = found.get("error")
    code_found = error.get("code") if isinstance(error, dict) else None
    status = code_found if isinstance(code_found, int) and 400 <= code_found < 600 else 500
    code, kind, param, prose = _error_fields(found, hidden)
    fault, sentence = _fault(status, code, kind, prose)
    said = ", ".join(value for value in (code, kind) if value)
    return PathError(fault, f"{sentence} (inside the stream{': ' + said if said else ''})"[:300], param=param)


def _read(raw: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _error_fields(found: dict[str, Any], hidden: str) -> tuple[str, str, str | None, str]:
    error = found.get("error", found)
    if not isinstance(error, dict):  # TGI: {"error": "prose", "error_type": "validation"}
        error = {"message": error, "type": found.get("error_type")}

    def plain(value: Any) -> str:
        if not isinstance(value, str) or not _PLAIN.fullmatch(value) or (hidden and hidden in value):
            return ""
        return value

    return (
        plain(error.get("code")),
        plain(error.get("type")),
        plain(error.get("param")) or None,
        str(error.get("message")),
    )


def _fault(status: int, code: str, kind: str, prose: str) -> tuple[PathFault, str]:
    if code in ("rate_limit_exceeded", "insufficient_quota") or kind in (
        "rate_limit_error",
        "overloaded_error",
    ):
        return "overloaded", "The server takes no more requests for now."
    if status in (401, 403):
        return "auth", "The server refused the key."
    if status == 429:
        return "overloaded", "The server takes no more requests for now."
    if (
        status == 413
        or code in ("context_length_exceeded", "string_above_max_length")
        or kind == "exceed_context_size_error"
        or (400 <= status < 500 and _TOO_LONG.search(prose[:2000]))
    ):
        return "context_too_long", "The prompt is longer than the model takes."
    if status == 404:
        return "rejected", "The server does not know this model or address."
    if status == 408:
        return "timeout", "The server gave up waiting."
    if status >= 500:
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

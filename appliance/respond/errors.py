"""Errors on the wire: a body, an SSE event after the first byte, and the headers that go with them."""

from __future__ import annotations

from appliance.errors import Unauthorized, WeirError
from appliance.respond.forms import write


def error_body(error: WeirError) -> bytes:
    """OpenAI's error object."""
    return write(error.to_wire())


def error_event(error: WeirError) -> bytes:
    """The last event of a stream that broke off; no [DONE] follows it."""
    return b"data: " + write(error.to_wire()) + b"\n\n"


def error_headers(error: WeirError) -> dict[str, str]:
    """Retry-After, in whole seconds, where the error knows when another try makes sense; what 401 and 405 must name."""
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if error.allow:
        return {"Allow": ", ".join(error.allow)}
    return {} if error.retry_after_s is None else {"Retry-After": str(max(0, int(error.retry_after_s)))}

"""Anthropic's Messages API as a dialect: `/v1/messages`.

Rules kept here:
1. A `base_url` without a path gets `/v1`; `api_version` of the card is the API's, FIRST_VERSION where none is stated.
2. An answer is always limited, because the API wants it so: by the caller, else by the card's `max_output_tokens`.
3. An error is known by its `type`; its prose, which may quote the prompt, is never shown.

What is said and read is `anthropic_wire`'s; the same models on Vertex AI are `anthropic_vertex`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from yarl import URL

from appliance.paths.anthropic_own import check_kept
from appliance.paths.anthropic_wire import MessageReading, build_body
from appliance.paths.contract import Job, PathError
from appliance.paths.dialect import Call, Reading
from appliance.paths.openai_errors import error_of
from appliance.records.card import Endpoint, ModelCard

FIRST_VERSION = "2023-06-01"
USUAL_LIMIT = 4096  # tokens of an answer where neither the caller nor the card states a limit

# The status that the API gives an error which does not come inside of a stream.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 408,
    "overloaded_error": 529,
}


class AnthropicDialect:
    """Chat; the answers of `card`'s model are limited as it says."""

    kinds = frozenset(("chat",))
    stream_type = "text/event-stream"
    signs = False

    def __init__(self, card: ModelCard) -> None:
        self._limit = card.max_output_tokens or USUAL_LIMIT
        self._reasoning = card.capabilities.reasoning
        self._price = card.price

    def headers(self, endpoint: Endpoint, key: str) -> dict[str, str]:
        version = {"anthropic-version": endpoint.api_version or FIRST_VERSION}
        return {**version, "x-api-key": key} if key else version

    def call(self, job: Job, endpoint: Endpoint, streaming: bool) -> Call:
        return Call(_address(endpoint.base_url), orjson.dumps(self.body(job, endpoint, streaming)))

    def body(self, job: Job, endpoint: Endpoint, streaming: bool) -> dict[str, Any]:
        """What is posted. Raises as `call`."""
        check_kept(job, self._price)
        return build_body(job, endpoint.model, self._limit, self._reasoning, streaming=streaming)

    def reading(self, job: Job) -> Reading:  # noqa: ARG002 - the protocol's
        return MessageReading()

    def error(self, status: int, headers: Mapping[str, str], raw: bytes, hidden: str) -> PathError:
        if status != 200:
            return error_of(status, headers, raw, hidden=hidden)
        known = _STATUS.get(_type(raw), 500)
        error = error_of(known, headers, raw, hidden=hidden)
        error.message = error.message.replace(f"HTTP {known}", "inside the stream")
        return error

    def authorize(self, call: Call, secret: str, now: float) -> Mapping[str, str]:  # noqa: ARG002 - the session is
        return {}


def _type(raw: bytes) -> str:
    try:
        return str(orjson.loads(raw)["error"]["type"])
    except (ValueError, TypeError, KeyError):
        return ""


@lru_cache(maxsize=64)
def _address(base_url: str) -> URL:
    base = base_url.rstrip("/")
    if URL(base).path in ("", "/"):
        base += "/v1"
    return URL(f"{base}/messages", encoded=True)

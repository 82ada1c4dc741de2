"""Cohere's v2 API as a dialect: `/v2/chat` and `/v2/embed`.

Rules kept here:
1. A `base_url` without a path gets `/v2`.
2. Cohere's errors are prose alone, which is never shown; the status says what they mean.

What is said and read is `cohere_wire`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import orjson
from yarl import URL

from appliance.paths.cohere_wire import ChatReading, EmbedReading, chat_body, embed_body
from appliance.paths.contract import Job, PathError
from appliance.paths.dialect import Call, Reading
from appliance.paths.openai_errors import error_of
from appliance.records.card import Endpoint, ModelCard

_STATUS = {498: 401, 499: 503}  # Cohere's own: an invalid token, and a request that was given up


class CohereDialect:
    """Chat, streamed as server-sent events, and embeddings."""

    kinds = frozenset(("chat", "embedding"))
    stream_type = "text/event-stream"
    signs = False

    def __init__(self, card: ModelCard | None = None) -> None:
        """`card` says whether its model thinks."""
        self._words = card.capabilities.reasoning if card is not None else "none"

    def headers(self, endpoint: Endpoint, key: str) -> dict[str, str]:  # noqa: ARG002 - the protocol's
        return {"Authorization": f"Bearer {key}"} if key else {}

    def call(self, job: Job, endpoint: Endpoint, streaming: bool) -> Call:
        if job.kind == "embedding":
            body, tail = embed_body(job, endpoint.model, endpoint.input_type), "embed"
        else:
            body, tail = chat_body(job, endpoint.model, self._words, streaming=streaming), "chat"
        return Call(_address(endpoint.base_url, tail), orjson.dumps(body))

    def reading(self, job: Job) -> Reading:
        return EmbedReading(len(job.inputs)) if job.kind == "embedding" else ChatReading(job.sampling.stop)

    def error(self, status: int, headers: Mapping[str, str], raw: bytes, hidden: str) -> PathError:
        if status == 200:
            return _inside(raw)
        error = error_of(_STATUS.get(status, status), headers, raw, hidden=hidden)
        error.message = error.message.replace(f"HTTP {_STATUS.get(status, status)}", f"HTTP {status}")
        return error

    def authorize(self, call: Call, secret: str, now: float) -> Mapping[str, str]:  # noqa: ARG002
        return {}


@lru_cache(maxsize=64)
def _address(base_url: str, tail: str) -> URL:
    base = base_url.rstrip("/")
    if URL(base).path in ("", "/"):
        base += "/v2"
    return URL(f"{base}/{tail}", encoded=True)


def _inside(raw: bytes) -> PathError:
    """The PathError for an answer that ended in an error."""
    try:
        found = orjson.loads(raw)
        reason = found.get("finish_reason") or (found.get("delta") or {}).get("finish_reason")
    except (ValueError, AttributeError):
        reason = None
    if reason == "TIMEOUT":
        return PathError("timeout", "The model took too long. (inside the stream: TIMEOUT)")
    return PathError("unavailable", "The server failed. (inside the stream: ERROR)")

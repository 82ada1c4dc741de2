"""Google's generateContent and embeddings as a dialect, of the Gemini API and of Vertex AI alike.

Rules kept here:
1. The model stands in the address. A `base_url` without a path gets `/v1beta`, the Gemini API's; Vertex's is stated up
   to its publisher (`.../v1/projects/P/locations/L/publishers/google`), which is how it is known.
2. A key goes with every request as `x-goog-api-key`. Where the card has a `token_url`, it is a service account, and
   each call is authorized with a token (`google_tokens`).
3. An error is known by its status and its details' `reason`; its prose, which may quote the prompt, is never shown.

What is said and read is `gemini_wire`'s, of embeddings `gemini_vectors`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson
from yarl import URL

from appliance.paths.contract import Job, PathError
from appliance.paths.dialect import Call, Reading
from appliance.paths.gemini_vectors import GeminiVectorReading, Method, vectors_body
from appliance.paths.gemini_wire import ContentReading, build_body
from appliance.paths.google_tokens import on_vertex
from appliance.paths.openai_errors import MAX_RETRY_AFTER_S, error_of
from appliance.records.card import Endpoint, ModelCard

_TOO_LONG = re.compile(r"token count.{0,40}(?:exceeds|but the model supports)", re.IGNORECASE)
_DELAY = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s")
_KEY_REASONS = frozenset(("API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED", "CONSUMER_INVALID"))
# The HTTP status of those that may also come inside of a stream.
_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "DEADLINE_EXCEEDED": 408,
}


class GeminiDialect:
    """Chat and embeddings, authorized as `card` says, and told how much to think as it says."""

    kinds = frozenset(("chat", "embedding"))
    stream_type = "text/event-stream"

    def __init__(self, card: ModelCard) -> None:
        """Raises ValueError for a card that says of its embeddings what cannot be."""
        endpoint = card.endpoint
        self._reasoning, self._prefill = card.capabilities.reasoning, card.capabilities.prefill
        vertex = on_vertex(card)
        self.signs = endpoint is not None and endpoint.token_url is not None
        self._embeds: Method = "predict" if vertex else "batchEmbedContents"
        if endpoint is not None and endpoint.embed_content:
            if not vertex or endpoint.input_type != "search_document":
                raise ValueError(
                    "embed_content is Vertex AI's, and goes with no input_type: the text says what it is for"
                )
            self._embeds = "embedContent"

    def headers(self, endpoint: Endpoint, key: str) -> dict[str, str]:  # noqa: ARG002 - the protocol's
        return {"x-goog-api-key": key} if key and not self.signs else {}

    def call(self, job: Job, endpoint: Endpoint, streaming: bool) -> Call:
        method: str = self._embeds
        if job.kind == "embedding":
            body = vectors_body(job, endpoint.model, endpoint.input_type, self._embeds)
        else:
            body = build_body(job, self._reasoning, prefill=self._prefill)
            method = "streamGenerateContent?alt=sse" if streaming else "generateContent"
        return Call(_address(endpoint.base_url, endpoint.model, method), orjson.dumps(body))

    def reading(self, job: Job) -> Reading:
        return GeminiVectorReading(len(job.inputs), self._embeds) if job.kind == "embedding" else ContentReading(job.n)

    def error(self, status: int, headers: Mapping[str, str], raw: bytes, hidden: str) -> PathError:
        said = _Said(raw)
        inside = status == 200
        if inside:
            status = _STATUS.get(said.status, said.code or 500)
        error = error_of(status, headers, raw, hidden=hidden)
        if said.reasons & _KEY_REASONS:
            error = PathError("auth", f"The server refused the key. (HTTP {status})")
        elif status == 400 and _TOO_LONG.search(said.prose):
            error = PathError("context_too_long", f"The prompt is longer than the model takes. (HTTP {status})")
        named = f"HTTP {status}{f': {said.status}' if said.status else ''}"
        error.message = error.message.replace(f"HTTP {status}", named)
        if inside:
            error.message = error.message.replace(f"HTTP {status}", "inside the stream")
        if error.retry_after_s is None:
            error.retry_after_s = said.wait_s
        return error

    def authorize(self, call: Call, secret: str, now: float) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return {"Authorization": f"Bearer {secret}"}


class _Said:
    """What of an error's body is looked at. `prose` is never shown, and `status` only where it is Google's word."""

    def __init__(self, raw: bytes) -> None:
        try:
            found = orjson.loads(raw)
        except ValueError:
            found = {}
        found = found[0] if isinstance(found, list) and found else found
        error = found.get("error") if isinstance(found, dict) else None
        error = error if isinstance(error, dict) else {}
        details: list[Any] = error["details"] if isinstance(error.get("details"), list) else []
        details = [one for one in details if isinstance(one, dict)]
        status, code = error.get("status"), error.get("code")
        self.status = status if isinstance(status, str) and re.fullmatch(r"[A-Z_]{2,40}", status) else ""
        self.code = code if type(code) is int and 400 <= code < 600 else 0
        self.prose = str(error.get("message"))[:2000]
        self.reasons = {str(one.get("reason")) for one in details}
        delays = [found for one in details if (found := _DELAY.fullmatch(str(one.get("retryDelay"))))]
        self.wait_s = min(float(delays[0][1]), MAX_RETRY_AFTER_S) if delays else None


@lru_cache(maxsize=64)
def _address(base_url: str, model: str, method: str) -> URL:
    base = base_url.rstrip("/")
    if URL(base).path in ("", "/"):
        base += "/v1beta"
    return URL(f"{base}/models/{quote(model, safe='')}:{method}", encoded=True)

"""OpenAI's dialect, for any server that speaks it: OpenAI, Azure, vLLM, TGI, llama-server, OpenRouter, another Weir.

Rules kept here:
1. What such a server may know is sent as it is; what it does not know is for it to refuse.
2. A `base_url` without a path gets `/v1`; Azure's is addressed by deployment, with a header of its own for the key.

`openai_wire` has the bodies, `openai_errors` what such servers say when they fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

import orjson
from yarl import URL

from appliance.paths.contract import Job, PathError
from appliance.paths.dialect import Call, Reading
from appliance.paths.openai_errors import error_event, error_of
from appliance.paths.openai_wire import Answered, Embedded, build_body
from appliance.records.card import Endpoint

_ADDRESS = {"chat": "chat/completions", "completion": "completions", "embedding": "embeddings"}
_NEWER_AZURE = "2024-09-01"  # api_version from which Azure knows max_completion_tokens


class OpenAIDialect:
    """`dialect.Dialect` of OpenAI-compatible servers."""

    kinds = frozenset(_ADDRESS)
    stream_type = "text/event-stream"
    signs = False

    def headers(self, endpoint: Endpoint, key: str) -> dict[str, str]:
        if not key:
            return {}
        return {"api-key": key} if endpoint.flavour == "azure" else {"Authorization": f"Bearer {key}"}

    def call(self, job: Job, endpoint: Endpoint, streaming: bool) -> Call:
        url, max_key = address(
            endpoint.base_url, endpoint.flavour, endpoint.api_version, endpoint.model, _ADDRESS[job.kind]
        )
        body = build_body(job, endpoint.model, max_key=max_key, streaming=streaming)
        if endpoint.cache_salt and job.kind != "embedding":
            body["cache_salt"] = job.tenant_salt
        if endpoint.continuous_usage and streaming:
            body["stream_options"]["continuous_usage_stats"] = True
        return Call(url, orjson.dumps(body))

    def reading(self, job: Job) -> Reading:
        return Embedded(len(job.inputs)) if job.kind == "embedding" else Answered(job)

    def error(self, status: int, headers: Mapping[str, str], raw: bytes, hidden: str) -> PathError:
        if status == 200:
            return error_event(raw, hidden=hidden)
        return error_of(status, headers, raw, hidden=hidden)

    def authorize(self, call: Call, secret: str, now: float) -> Mapping[str, str]:  # noqa: ARG002 -- the session is
        return {}


@lru_cache(maxsize=256)
def address(base_url: str, flavour: str, api_version: str, model: str, tail: str) -> tuple[URL, str]:
    """Where a kind of job is posted, and how the limit of a chat is named there.

    OpenAI renamed it and its newer models refuse the old name; other servers know the old one.
    """
    base = base_url.rstrip("/")
    if flavour == "azure":
        url = f"{base}/openai/deployments/{quote(model, safe='')}/{tail}?api-version={quote(api_version, safe='')}"
        newer = api_version >= _NEWER_AZURE
        return URL(url, encoded=True), "max_completion_tokens" if newer else "max_tokens"
    where = URL(base)
    if where.path in ("", "/"):
        base += "/v1"
    newer = where.host == "api.openai.com"
    return URL(f"{base}/{tail}", encoded=True), "max_completion_tokens" if newer else "max_tokens"

"""OpenAI's dialect, for any server that speaks it: OpenAI, Azure, vLLM, TGI, llama-server, OpenRouter, Mistral, another
Weir.

Rules kept here:
1. What such a server may know is sent as it is; what it does not know is for it to refuse. Mistral refuses every
   field that it does not know, so what it is told is put into its own words (`mistral_wire`).
2. A `base_url` without a path gets `/v1`; Azure's is addressed by deployment, with a header of its own for the key,
   unless it ends in `/openai/v1`, Azure's newer address, which names the deployment as the model.
3. What a card says of OpenRouter is demanded of it with every request: that nothing is retained, or trained on, is true
   of some of its providers only.
4. Another Weir is told every label of the request (`weir_labels`), and its answer says whether it is below the floor;
   one that does not say so counts as if it were. What its intake refuses by name is not sent, or refused here.

`openai_wire` has the bodies, `openai_errors` what such servers say when they fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson
from yarl import URL

from appliance.paths.contract import Job, PathError
from appliance.paths.dialect import Call, Reading, unsupported
from appliance.paths.mistral_wire import GoneOnWith, mistral_body
from appliance.paths.openai_errors import error_event, error_of
from appliance.paths.openai_wire import Answered, Embedded, build_body
from appliance.paths.prefixes import canonical_schema
from appliance.paths.weir_labels import headers_of
from appliance.records.card import Endpoint, ModelCard

_ADDRESS = {"chat": "chat/completions", "completion": "completions", "embedding": "embeddings"}
_NEWER_AZURE = "2024-09-01"  # api_version from which Azure knows max_completion_tokens, and stream_options


class OpenAIDialect:
    """`dialect.Dialect` of OpenAI-compatible servers."""

    kinds = frozenset(_ADDRESS)
    stream_type = "text/event-stream"
    signs = False

    def __init__(self, card: ModelCard | None = None, node: str = "") -> None:
        """`card` is the path's, `node` what this node calls itself towards another Weir."""
        endpoint = card.endpoint if card is not None else None
        self._flavour = endpoint.flavour if endpoint is not None else "openai"
        self._reasoning = card.capabilities.reasoning if card is not None else "none"
        self._terms = terms_of(card) if card is not None else {}
        self._node = node

    def headers(self, endpoint: Endpoint, key: str) -> dict[str, str]:
        if not key:
            return {}
        return {"api-key": key} if endpoint.flavour == "azure" else {"Authorization": f"Bearer {key}"}

    def call(self, job: Job, endpoint: Endpoint, streaming: bool) -> Call:
        url, max_key, seals = address(
            endpoint.base_url, endpoint.flavour, endpoint.api_version, endpoint.model, _ADDRESS[job.kind]
        )
        flavour = endpoint.flavour
        if flavour == "mistral":
            body = mistral_body(job, endpoint.model, self._reasoning, streaming=streaming)
        else:
            body = build_body(job, endpoint.model, max_key=max_key, streaming=streaming, seals=seals)
        if endpoint.cache_salt and job.kind != "embedding":
            body["cache_salt"] = job.tenant_salt
        if endpoint.continuous_usage and streaming and job.n == 1:  # of several choices each tells its own
            body.setdefault("stream_options", {})["continuous_usage_stats"] = True
        if flavour == "weir":
            if job.continues:
                raise unsupported("answers that are begun", "messages")
            body.pop("structured_outputs", None)
            return Call(url, orjson.dumps(body), headers_of(job, self._node))
        if flavour == "openrouter":
            body["provider"] = self._terms
        elif flavour == "azure" and max_key == "max_tokens":  # an older API, which refuses what it does not know
            body.pop("stream_options", None)
        elif flavour == "tgi" and job.format.kind != "text":
            _in_tgis_words(body, job)
        elif flavour == "llama_server" and job.format.kind == "regex":
            raise unsupported("patterns", "response_format")
        return Call(url, orjson.dumps(body))

    def reading(self, job: Job) -> Reading:
        if job.kind == "embedding":
            return Embedded(len(job.inputs))
        if self._flavour == "weir":
            return AnsweredByWeir(job)
        return GoneOnWith(job) if job.continues and self._flavour == "mistral" else Answered(job)

    def error(self, status: int, headers: Mapping[str, str], raw: bytes, hidden: str) -> PathError:
        if status == 200:
            return error_event(raw, hidden=hidden)
        return error_of(status, headers, raw, hidden=hidden)

    def authorize(self, call: Call, secret: str, now: float) -> Mapping[str, str]:  # noqa: ARG002 -- the session is
        return {}


class AnsweredByWeir(Answered):
    """An answer of another Weir, whose head says whether it is below the floor (rule 4)."""

    __slots__ = ("_meter",)

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._meter = job.meter

    def head(self, headers: Mapping[str, str]) -> None:
        reason = headers.get("X-Weir-Reason")
        if reason is None:  # not yet known when the head was sent
            self._meter.below_floor = not headers.get("X-Weir-Cache", "").startswith("hit")
        else:
            self._meter.below_floor = reason.partition(";")[0].strip() in ("below-floor", "pending")


@lru_cache(maxsize=256)
def address(base_url: str, flavour: str, api_version: str, model: str, tail: str) -> tuple[URL, str, bool]:
    """Where a kind of job is posted, how the limit of a chat is named there, and whether it takes seals of calls.

    OpenAI renamed it and its newer models refuse the old name; other servers know the old one.
    """
    base = base_url.rstrip("/")
    if flavour == "azure" and base.endswith("/openai/v1"):
        version = f"?api-version={quote(api_version, safe='')}" if api_version else ""
        return URL(f"{base}/{tail}{version}", encoded=True), "max_completion_tokens", False
    if flavour == "azure":
        url = f"{base}/openai/deployments/{quote(model, safe='')}/{tail}?api-version={quote(api_version, safe='')}"
        newer = api_version >= _NEWER_AZURE
        return URL(url, encoded=True), "max_completion_tokens" if newer else "max_tokens", False
    where = URL(base)
    if where.path in ("", "/"):
        base += "/v1"
    host = where.host or ""
    newer = f".{host}".endswith(".api.openai.com")  # also where data stay in a region
    seals = flavour == "weir" or host.endswith(".googleapis.com")
    return URL(f"{base}/{tail}", encoded=True), "max_completion_tokens" if newer else "max_tokens", seals


def terms_of(card: ModelCard) -> dict[str, object]:
    """What OpenRouter is told with every request: rule 3, and that no parameter is dropped silently."""
    terms: dict[str, object] = {"require_parameters": True}
    if card.trains_on_input == "no" or card.retention in ("none", "transient"):
        terms["data_collection"] = "deny"
    if card.retention == "none":
        terms["zdr"] = True
    return terms


def _in_tgis_words(body: dict[str, Any], job: Job) -> None:
    """TGI knows a format as a grammar and its value, whatever OpenAI calls it."""
    form = job.format
    if form.kind == "regex":
        for name in ("guided_regex", "structured_outputs"):
            del body[name]
        body["response_format"] = {"type": "regex", "value": form.pattern}
    elif form.kind == "json_schema":
        body["response_format"] = {"type": "json", "value": canonical_schema(form.schema or {})}
    else:
        raise unsupported("JSON without a schema", "response_format")

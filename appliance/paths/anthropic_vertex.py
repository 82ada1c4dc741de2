"""Anthropic's models on Google's Vertex AI: the Messages API at `:rawPredict` and `:streamRawPredict`.

Rules kept here:
1. The model stands in the address and not in the body, the API's version in the body and not in a header. `base_url` is
   stated up to the publisher (`.../v1/projects/P/locations/L/publishers/anthropic`), which is how it is known.
2. Each call is authorized with a token of the card's service account (`google_tokens`); there is no other way.
3. What Anthropic takes and Vertex does not is refused by name: images by address, and tiers of service.

All else is `anthropic_http`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

import orjson
from yarl import URL

from appliance.paths.anthropic_http import AnthropicDialect
from appliance.paths.contract import Job
from appliance.paths.dialect import Call, unsupported
from appliance.paths.said import image_url
from appliance.records.card import Endpoint, ModelCard

VERSION = "vertex-2023-10-16"


class VertexDialect(AnthropicDialect):
    """Chat with `card`'s model. Raises ValueError where its endpoint states no `token_url`."""

    signs = True

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        if card.endpoint is None or card.endpoint.token_url is None:
            raise ValueError("a card of Anthropic's models on Vertex AI has an endpoint that states its token_url")

    def headers(self, endpoint: Endpoint, key: str) -> dict[str, str]:  # noqa: ARG002 - each call is authorized
        return {}

    def call(self, job: Job, endpoint: Endpoint, streaming: bool) -> Call:
        for at, message in enumerate(job.messages):
            for part in message.parts:
                if part.get("type") == "image_url" and image_url(part, at)[:5].lower() != "data:":
                    raise unsupported("addresses of images, only data URLs", f"messages[{at}].content")
        if job.forwarded.get("service_tier") is not None:
            raise unsupported("tiers of service", "service_tier")
        body = self.body(job, endpoint, streaming)
        del body["model"]
        body["anthropic_version"] = endpoint.api_version or VERSION
        return Call(_address(endpoint.base_url, endpoint.model, streaming), orjson.dumps(body))

    def authorize(self, call: Call, secret: str, now: float) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return {"Authorization": f"Bearer {secret}"}


@lru_cache(maxsize=64)
def _address(base_url: str, model: str, streaming: bool) -> URL:
    method = "streamRawPredict" if streaming else "rawPredict"
    return URL(f"{base_url.rstrip('/')}/models/{quote(model, safe='@')}:{method}", encoded=True)

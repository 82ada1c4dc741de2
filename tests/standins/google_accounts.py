"""What stand-ins for Google's services have in common: a service account, and the server that gives it tokens."""

from __future__ import annotations

import asyncio
import json
from functools import lru_cache
from typing import Any

from aiohttp import web

from tests.standins.openai_answers import LABEL
from tests.standins.provider import ProviderStandIn

MAIL = "weir@p.iam.gserviceaccount.example"


@lru_cache(maxsize=1)
def _key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def account(**over: Any) -> str:
    """The file of the service account that `/token` knows."""
    from cryptography.hazmat.primitives import serialization as form

    raw = _key().private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    info = {"type": "service_account", "client_email": MAIL, "private_key_id": "k1", "private_key": raw.decode()}
    return json.dumps({**info, "token_uri": "https://elsewhere.example/token", **over})


def _public() -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization as form

    raw = _key().public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    return {"k1": raw.decode()}


class Tokens:
    """Of a wire: `tokens` are those that `/token` gave out, `token_mode` is how it fails."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.token_mode = ""
        self.lives_s = 3600

    def knows(self, request: web.Request) -> bool:
        """Whether the request brings one of them."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ") in self.tokens

    async def token(self, request: web.Request) -> web.Response:
        """RFC 7523: a token for a good assertion."""
        from google.auth import jwt

        form = await request.post()
        if self.token_mode == "500":
            return web.Response(status=500, text="failed")
        if self.token_mode == "shapeless":
            return web.json_response({"token": 3})
        if self.token_mode == "hang":
            await asyncio.sleep(3600)
        try:
            audience = str(request.url)
            claims = jwt.decode(str(form["assertion"]), certs=_public(), audience=audience, clock_skew_in_seconds=10)  # type: ignore[no-untyped-call]
            assert claims["iss"] == MAIL and claims["exp"] - claims["iat"] <= 3600
            assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        except (ValueError, KeyError, AssertionError) as error:
            row = {"error": "invalid_grant", "error_description": f"Invalid JWT: {form.get('assertion')} {error}"}
            return web.json_response(row, status=400)
        self.tokens.append(f"ya29.{LABEL}-{len(self.tokens)}")
        row = {"access_token": self.tokens[-1], "expires_in": self.lives_s, "token_type": "Bearer"}
        return web.json_response(row)


class GoogleStandIn(ProviderStandIn):
    """With a token server beside it, at `token_url`. Its wire is a `Tokens` as well."""

    @property
    def token_url(self) -> str:
        return f"{self.base_url}/token"

    def routes(self, app: web.Application) -> None:
        super().routes(app)
        assert isinstance(self.wire, Tokens)
        app.router.add_post("/token", self.wire.token)

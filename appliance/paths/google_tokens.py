"""Access tokens of a Google service account: an assertion signed with its key, exchanged for a token (RFC 7523).

Rules kept here:
1. Nothing but the assertion leaves, through a session that Egress made, to the card's `token_url`: what the account's
   file says of addresses is not asked.
2. A token is had anew before it ends, or once it was refused, by one of those who need it; the others wait.
3. Neither key, assertion nor token is in an error, and what the server says in prose is not either.

google-auth signs; its transports are not used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import orjson
from yarl import URL

from appliance.egress import Egress
from appliance.paths.contract import PathError
from appliance.records.card import ModelCard

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_S = 3600
EARLY_S = 225.0  # how long before its end a token is had anew
MAX_ANSWER_BYTES = 64 * 1024


class AccountTokens:
    """The tokens of one account. `account` is its file's JSON; raises PathError 'auth' where it is none."""

    def __init__(self, egress: Egress, account: str, token_url: str, *, connect_timeout_s: float = 5.0) -> None:
        self._signer, self._named = _signer_of(account)
        self._url = URL(token_url, encoded=True)
        self._session = egress.session_for(
            token_url,
            limit=1,
            connect_timeout_s=connect_timeout_s,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept-Encoding": "identity",
                "User-Agent": "weir",
            },
        )
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    def __repr__(self) -> str:
        return "AccountTokens()"

    async def current(self, now: float) -> str:
        """As `keyed.Tokens` has it."""
        if now >= self._until:
            async with self._lock:
                if now >= self._until:
                    self._token, lives = await self._fetched(now)
                    self._until = now + max(lives - EARLY_S, lives / 2)
        return self._token

    def refused(self, token: str) -> None:
        """As `keyed.Tokens` has it."""
        if token == self._token:
            self._until = 0.0

    async def close(self) -> None:
        self._token, self._until = "", 0.0
        await self._session.close()

    async def _fetched(self, now: float) -> tuple[str, float]:
        """A token, and how many seconds it lives."""
        assertion = await asyncio.to_thread(self._assertion, int(now))
        body = urlencode({"grant_type": GRANT, "assertion": assertion}).encode()
        answer = await self._session.post(self._url, body)
        try:
            raw = b""
            while not answer.content.at_eof() and len(raw) <= MAX_ANSWER_BYTES:
                raw += await answer.content.readany()
        finally:
            answer.close()
        if answer.status != 200:
            if answer.status in (400, 401, 403):
                raise PathError("auth", f"The token server refused the service account. (HTTP {answer.status})")
            raise PathError("unavailable", f"The token server gave no token. (HTTP {answer.status})", sent=False)
        try:
            found = orjson.loads(raw)
            token, lives = str(found["access_token"]), float(found["expires_in"])
        except (ValueError, TypeError, KeyError):
            token, lives = "", 0.0
        if not token or not token.isascii() or not token.isprintable() or not 0 < lives < 1e6:
            raise PathError("unavailable", "The token server's answer has no token.", sent=False)
        return token, lives

    def _assertion(self, now: int) -> str:
        from google.auth import jwt

        claims = {
            "iss": self._named,
            "scope": SCOPE,
            "aud": str(self._url),
            "iat": now,
            "exp": now + ASSERTION_S,
        }
        encoded: bytes = jwt.encode(self._signer, claims)  # type: ignore[no-untyped-call]
        return encoded.decode("ascii")


def _signer_of(account: str) -> tuple[Any, str]:
    """Who signs, and in whose name."""
    from google.auth import crypt

    try:
        info = json.loads(account)
        signer = crypt.RSASigner.from_service_account_info(info)  # type: ignore[no-untyped-call]
        return signer, str(info["client_email"])
    except (ValueError, TypeError, KeyError):
        raise PathError("auth", "What the card's key refers to is no service account.") from None


def on_vertex(card: ModelCard) -> bool:
    """Whether it is Vertex AI that is spoken to, whose address is stated up to the publisher of a model."""
    return card.endpoint is not None and "/publishers/" in card.endpoint.base_url


def tokens_of(card: ModelCard) -> Callable[[Egress, str], AccountTokens] | None:
    """What makes tokens of the card's key; None where the key is sent itself."""
    endpoint = card.endpoint
    if endpoint is None or endpoint.token_url is None:
        return None
    url, patience = endpoint.token_url, endpoint.connect_timeout_s
    return lambda egress, account: AccountTokens(egress, account, url, connect_timeout_s=patience)

"""What a path over HTTP speaks with: its session, its key, and what is made of the key.

Rules kept here:
1. The key is read at `start`; where it is refused it is read again, at most every AGAIN_S, because it may have been
   changed on this host: a rotated API key, temporary credentials, another service account.
2. What is under way ends with the session and key that it began with. A session is opened anew only where the key
   stands in its headers, and the one before is closed when the path stops.
3. The key is in no error, log or repr.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from appliance.egress import Egress, EgressRefused
from appliance.outbound import Session
from appliance.paths.contract import PathError
from appliance.paths.dialect import Dialect
from appliance.records.card import Endpoint

AGAIN_S = 60.0  # between two looks at a key that is refused
SHUT = "This server may not be reached: egress.deny_all stands in weir.yaml, or no card names it."


class Tokens(Protocol):
    """Secrets that live for a while, had for the card's."""

    async def current(self, now: float) -> str:
        """One that is good at `now`, in Unix seconds. Raises PathError, AuditUnavailable, and as `Session.post`."""
        ...

    def refused(self, token: str) -> None:
        """The server did not take this one: it is not given out again."""
        ...

    async def close(self) -> None: ...


class Keyed:
    """Start it, and `_session`, `_key` and `_tokens` are there until it is stopped."""

    def __init__(
        self,
        endpoint: Endpoint,
        egress: Egress,
        dialect: Dialect,
        secrets: Callable[[str], str],
        tokens: Callable[[Egress, str], Tokens] | None,
    ) -> None:
        self._endpoint = endpoint
        self._egress = egress
        self._dialect = dialect
        self._secrets = secrets
        self._tokens_of = tokens
        self._tokens: Tokens | None = None
        self._session: Session | None = None
        self._made: list[Session | Tokens] = []  # all that is to be closed
        self._key = ""
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")  # by the loop's clock, after a key was refused

    async def start(self) -> None:
        """Resolve the key and make the session; connects to nothing. Raises PathError 'auth' or
        'unavailable'.
        """
        if self._session is not None:
            return
        try:
            self._take(await self._read_key())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the session; jobs still running end with an error."""
        self._session, self._tokens, self._key = None, None, ""
        made, self._made = self._made, []
        for one in made:
            await one.close()

    async def _read_key(self) -> str:
        """What the card's reference has now. Raises PathError 'auth'."""
        reference = self._endpoint.api_key_ref
        if reference is None:
            return ""
        key = await asyncio.to_thread(self._secrets, reference)
        if key.startswith("{") and not self._dialect.signs:  # it would go out as it is
            raise PathError("auth", "What the card's key refers to is an account, and this card sends a key.")
        return key

    def _take(self, key: str) -> None:
        """Speak with this key from now on. Raises PathError."""
        endpoint, session, tokens = self._endpoint, self._session, None
        # The server's bodies are small and often local: unpacking them costs more than it saves.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "weir"}
        try:
            if session is None or not self._dialect.signs:
                session = self._egress.session_for(
                    endpoint.base_url,
                    limit=endpoint.max_concurrent,
                    connect_timeout_s=endpoint.connect_timeout_s,
                    headers=headers | self._dialect.headers(endpoint, key),
                )
                self._made.append(session)
            if self._tokens_of is not None:
                tokens = self._tokens_of(self._egress, key)
                self._made.append(tokens)
        except EgressRefused:
            raise PathError("unavailable", SHUT) from None
        self._key, self._session, self._tokens = key, session, tokens

    async def _replaced(self, refused: str) -> bool:
        """Whether the key that was refused is another by now: rule 1."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if refused == self._key and now >= self._looked_at + AGAIN_S and self._endpoint.api_key_ref is not None:
                self._looked_at = now
                with suppress(PathError, TimeoutError):
                    async with asyncio.timeout(self._endpoint.connect_timeout_s):  # a disk may hang as a server may
                        key = await self._read_key()
                    if key != refused == self._key:
                        self._take(key)
            return self._session is not None and refused != self._key

"""API keys: made, taken apart, and looked up without a hint of what was wrong with one.

Rules kept here:
1. A key is 256 random bits; what is stored is its SHA-256, which nobody turns back into a key. A slow hash protects
   passwords, which can be guessed; here it would protect nothing and cost every request.
2. Looking up takes the same steps whatever is presented: one digest over a bounded text, one look into a table, one
   comparison. Absent, forged, cut off, expired and revoked keys meet one and the same answer.
3. The part before the secret names the key for people; it opens nothing.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from appliance.errors import Unauthorized
from appliance.records.request import LOCAL
from appliance.records.tenant import Tenant

_LONGEST = 256  # characters of what is presented that count; a key has 60
_NOBODY = "?"


@dataclass(frozen=True)
class Key:
    """A stored key. Times in Unix seconds; `expires` None: never, `revoked` None: not."""

    id: str
    digest: bytes
    tenant: str
    created: float
    expires: float | None = None
    revoked: float | None = None

    @cached_property
    def ends(self) -> float:
        """The moment from which it opens nothing."""
        return min(math.inf if end is None else end for end in (self.expires, self.revoked))

    def state(self, now: float) -> str:
        """'active', 'expired' or 'revoked'."""
        if self.revoked is not None and self.revoked <= now:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


def make_key() -> tuple[str, str]:
    """A new key: its id, and its text, which is shown once."""
    id = secrets.token_hex(4)
    return id, f"weir_{id}_{secrets.token_urlsafe(32)}"


def digest(text: str) -> bytes:
    """SHA-256 of a key's text."""
    return hashlib.sha256(text[:_LONGEST].encode("utf-8", "surrogateescape")).digest()


def presented(headers: Mapping[str, str]) -> str:
    """The key that a request presents, in OpenAI's way or in Anthropic's; '' for none."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()


@dataclass(frozen=True)
class Roll:
    """Every tenant that is or was, and every key. `keys` by digest; `operator` is the digest of the operator's key.

    `needed`: requests need a key, also where no tenant is known (any more).
    """

    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    keys: Mapping[bytes, Key] = field(default_factory=dict)
    operator: bytes = b""
    needed: bool = True

    def whose(self, text: str, now: float) -> str:
        """The name of the tenant of a valid key; LOCAL for the operator's. Raises Unauthorized, with the same words for
        every other.
        """
        wanted = digest(text)
        key = self.keys.get(wanted, _NO_KEY)
        known = secrets.compare_digest(wanted, key.digest)
        operator = secrets.compare_digest(wanted, self.operator)
        whose = LOCAL if operator else key.tenant
        if not operator | (known & (now < key.ends) & (whose in self.tenants)):
            raise Unauthorized(
                "This node asks for an API key, and what was sent is none that is valid.",
                next_step="Send a tenant's key as 'Authorization: Bearer KEY' or 'x-api-key: KEY'; operators make one.",
            )
        return whose


_NO_KEY = Key(_NOBODY, b"\0" * 32, _NOBODY, 0.0, expires=0.0)

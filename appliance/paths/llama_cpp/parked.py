"""Computed sequences that no slot has room for, sealed in the worker's own memory.

Rules kept here:
1. What is kept of a prompt is encrypted and authenticated (AES-256-GCM) with a key that is made with this object, lies
   in this process alone and dies with it. Tokens are sealed as the state is; what they are found by is keyed hashes.
2. A sequence opens under the tenant salt that it was sealed under, as itself and whole. All else is a miss, and gone.
3. Bounded by bytes, least recently used first, and by `LIFE_S` since it was sealed, which no use renews.
4. No file: a worker may write none (ADR 0011, ADR 0019).

Whether parking pays is the affair of `sequences`.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.paths.llama_cpp.library import Bytes, Ints
from appliance.paths.prefixes import Links, links_of

BLOCK = 64  # tokens: a block of `prefixes` in ids of four bytes
LIFE_S = 3600.0
_TAG = 16  # bytes that sealing adds
_LARGEST = (1 << 31) - 1 - _TAG  # bytes that AES-GCM here takes at once
_ALL = 1 << 20  # blocks; a context bounds them before


@dataclass(slots=True)
class Sealed:
    """One sequence. `length` in tokens; `sealed` holds its tokens and its state."""

    number: int
    links: Links
    length: int
    sealed: tuple[bytes, bytes]
    at: float

    @property
    def bytes(self) -> int:
        return sum(map(len, self.sealed))


class Parked:
    """At most `most` bytes of sealed sequences."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.bytes = 0
        self._clock = clock
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._seed = secrets.token_bytes(32)
        self._number = 0  # never the same twice: nonces are made of it
        self._sealed: OrderedDict[int, Sealed] = OrderedDict()
        self._by_link: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._sealed)

    def links(self, tokens: Ints, salt: str) -> Links:
        """What a sequence of this tenant is found by."""
        return links_of(np.ascontiguousarray(tokens).view(np.uint8).data, self._bound_to(salt), _ALL)

    def offer(self, links: Links) -> tuple[int, int] | None:
        """The sequence that holds most of a prompt: its number, and how many whole blocks of tokens they share."""
        for count in range(len(links), 0, -1):
            number = self._by_link.get(links[count - 1])
            if number is not None:
                return number, count * BLOCK
        return None

    def length(self, number: int) -> int:
        """How many tokens a sequence has in all."""
        return self._sealed[number].length

    def holds(self, links: Links) -> bool:
        """Whether a sequence with all of these blocks is here."""
        return bool(links) and links[-1] in self._by_link

    def put(self, tokens: Ints, salt: str, state: Bytes) -> None:
        """Seal a sequence; `state` is wiped. Nothing is kept of one that is too large, or shorter than a block."""
        links = self.links(tokens, salt)
        size = state.nbytes + tokens.nbytes + 2 * _TAG
        if links and size <= self.most and state.nbytes <= _LARGEST:
            self.sweep()
            self._number += 1
            number, bound = self._number, self._bound_to(salt)
            sealed = (self._seal(number, 0, tokens, bound), self._seal(number, 1, state, bound))
            for link in links:  # what this one continues has nothing that it has not
                before = self._sealed.get(self._by_link.get(link, 0))
                if before is not None and before.links[-1] == link:
                    self.drop(before.number)
            self._sealed[number] = Sealed(number, links, len(tokens), sealed, self._clock())
            self._by_link.update(dict.fromkeys(links, number))
            self.bytes += self._sealed[number].bytes
            while self.bytes > self.most:
                self.drop(next(iter(self._sealed)))
        state.fill(0)

    def take(self, number: int, salt: str) -> tuple[Ints, Bytes] | None:
        """Tokens and state of a sequence, which stays here; None where it does not open. Wipe the state after use."""
        one = self._sealed.get(number)
        if one is None:
            return None
        bound = self._bound_to(salt)
        try:
            tokens = self._open(number, 0, one.sealed[0], bound).view(np.int32)
            state = self._open(number, 1, one.sealed[1], bound)
        except (InvalidTag, ValueError):
            self.drop(number)
            return None
        self._sealed.move_to_end(number)
        return tokens, state

    def drop(self, number: int) -> None:
        """Forget a sequence."""
        one = self._sealed.pop(number, None)
        if one is not None:
            self.bytes -= one.bytes
            for link in one.links:
                if self._by_link.get(link) == number:
                    del self._by_link[link]

    def sweep(self) -> None:
        """Forget what has lain here for too long."""
        oldest = self._clock() - LIFE_S
        for number in [one.number for one in self._sealed.values() if one.at < oldest]:
            self.drop(number)

    def _bound_to(self, salt: str) -> bytes:
        return hashlib.blake2b(salt.encode("utf-8", "surrogatepass"), key=self._seed, digest_size=32).digest()

    def _seal(self, number: int, part: int, data: Ints | Bytes, bound: bytes) -> bytes:
        return self._cipher.encrypt(_nonce(number, part), np.ascontiguousarray(data).view(np.uint8).data, bound)

    def _open(self, number: int, part: int, sealed: bytes, bound: bytes) -> Bytes:
        out = np.empty(max(len(sealed) - _TAG, 0), np.uint8)
        self._cipher.decrypt_into(_nonce(number, part), sealed, bound, out.data)
        return out


def _nonce(number: int, part: int) -> bytes:
    return (2 * number + part).to_bytes(12, "big")

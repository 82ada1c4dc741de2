"""What was found in texts that came before: a conversation brings all of its turns again with each new one.

Rules kept here:
1. What is remembered of a text is what `counts` says of it and of what its escapes hide, by a keyed digest: no text.
2. Nothing is shared between tenants: how long somebody's text takes must not tell who else has sent it.
3. A text that was not looked at to its end is not remembered.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple

from appliance.features.detect import counts
from appliance.features.detect.texts import meanings
from appliance.records.features import FindingKind

Counts = tuple[tuple[FindingKind, int], ...]
GiveUp = Callable[[], bool]
_WORTH = 32  # characters; a shorter text is looked at again in the time that finding it takes
_DIGEST_BYTES = 16


def _never() -> bool:
    return False


class New(NamedTuple):
    """A text that was not looked at yet, and what it is remembered by; b'' where that is not worth it."""

    key: bytes
    text: str


class Remembered:
    """Of the newest `most` texts. For any thread."""

    def __init__(self, most: int = 32_768) -> None:
        self._most = most
        self._secret = os.urandom(32)
        self._lock = threading.Lock()
        self._found: OrderedDict[bytes, Counts] = OrderedDict()

    def known(self, tenant: str, texts: Iterable[str]) -> tuple[tuple[Counts, ...], tuple[New, ...]]:
        """What was found in those of these texts that this tenant sent before; and the others. Some 2 us each, and
        another for each thousand characters.
        """
        found: list[Counts] = []
        new: list[New] = []
        for text in texts:
            key = self._key(tenant, text) if len(text) >= _WORTH else b""
            with self._lock:
                one = self._found.get(key)
                if one is not None:
                    self._found.move_to_end(key)
            if one is None:
                new.append(New(key, text))
            else:
                found.append(one)
        return tuple(found), tuple(new)

    def counts(self, tenant: str, texts: Iterable[str], give_up: GiveUp = _never) -> Counts:
        """What is found in all of these, of which only those are looked at that are new. Raises as `look`."""
        before, new = self.known(tenant, texts)
        return together((*before, *self.look(new, give_up)))

    def look(self, new: Iterable[New], give_up: GiveUp = _never) -> tuple[Counts, ...]:
        """What is found in each of these. Raises DetectorFailed when told to give up, and EscapedTooDeeply."""
        found = []
        for key, text in new:
            one = counts(chain((text,), meanings((text,))), give_up)
            found.append(one)
            if key:
                with self._lock:
                    self._found[key] = one
                    if len(self._found) > self._most:
                        self._found.popitem(last=False)
        return tuple(found)

    def _key(self, tenant: str, text: str) -> bytes:
        whose = f"{len(tenant)}:{tenant}{text}".encode("utf-8", "surrogatepass")
        return blake2b(whose, digest_size=_DIGEST_BYTES, key=self._secret).digest()


def together(found: Iterable[Counts]) -> Counts:
    """The sum, by kind."""
    total: Counter[FindingKind] = Counter()
    for one in found:
        for kind, count in one:
            total[kind] += count
    return tuple(sorted(total.items()))

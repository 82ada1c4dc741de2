"""Bodies that came before, byte for byte: what was read of them is not read again.

Rules kept here:
1. Reading a body is pure, so its result holds whenever the same bytes come on the same wire; on another they may mean
   something else. Id, tenant and the labels of headers are not of the body; a body that states labels itself is not for
   here.
2. Held in memory only and within `most_bytes`; what was not asked for longest goes first.
3. What may be kept at all, `keep`'s caller knows: not what wants nothing stored, nor what detectors found something in.

Questions whose answer stands in the exact cache are repeats by nature; of one such request, reading was the third part.
"""

from __future__ import annotations

from collections import OrderedDict

from appliance.records.request import LOCAL, Labels, Request
from appliance.records.value import changed


class Repeats:
    """The newest bodies and their requests, `most_bytes` in all; bodies over `longest` are not worth their place."""

    def __init__(self, *, most_bytes: int = 4 << 20, longest: int = 16 << 10) -> None:
        self._most_bytes = most_bytes
        self._longest = longest
        self._held = 0
        self._requests: OrderedDict[tuple[str, bytes], Request] = OrderedDict()

    def let_go(self) -> None:
        """Forget all of it."""
        self._requests.clear()
        self._held = 0

    def knows(self, wire: str, body: bytes) -> bool:
        """Whether this body came on this wire, such as the address of an endpoint."""
        return len(body) <= self._longest and (wire, body) in self._requests  # a long one takes long to look up

    def again(self, wire: str, body: bytes, labels: Labels, *, request_id: str, tenant: str = LOCAL) -> Request:
        """What parsing this body under these labels would give. Raises KeyError where it is not known."""
        self._requests.move_to_end((wire, body))
        return changed(self._requests[wire, body], id=request_id, labels=labels, tenant=tenant)

    def keep(self, wire: str, body: bytes, request: Request) -> None:
        """Remember what was read of this body."""
        key = (wire, body)
        if len(body) > self._longest or key in self._requests:
            return
        self._requests[key] = request
        self._held += _size(body)
        while self._held > self._most_bytes:
            (_, oldest), _ = self._requests.popitem(last=False)
            self._held -= _size(oldest)


def _size(body: bytes) -> int:
    """About what a body and its request take in memory: its text twice, and the values around it."""
    return 2 * len(body) + 1500

"""Ids of requests: sortable by time, and not to be foretold.

Rules kept here:
1. The random half is the system's: whoever has seen ids knows nothing of the next one.
2. The system is asked for many at once, because each call lets go of the interpreter's lock.

Made on the event loop only; the draws are no matter for several threads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

_AT_ONCE = 256
_BYTES = 8


def _draws() -> Iterator[str]:
    """64 random bits after the other, as 16 hex digits each."""
    width = 2 * _BYTES
    while True:
        drawn = os.urandom(_AT_ONCE * _BYTES).hex()
        for at in range(0, len(drawn), width):
            yield drawn[at : at + width]


_drawn = _draws()


def new_id() -> str:
    """`wr_`, 11 hex digits of milliseconds since 1970, 16 random ones."""
    return f"wr_{time.time_ns() // 1_000_000:011x}{next(_drawn)}"

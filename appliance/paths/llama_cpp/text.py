"""From token bytes to text that may be shown: whole characters only, and nothing that could still become a stop.

Rules kept here:
1. Bytes that do not complete a UTF-8 character wait for the next token; at the end an incomplete rest is dropped.
2. Text that is a beginning of a stop string waits; a stop string itself and all behind it is never shown.
"""

from __future__ import annotations

import codecs

_utf8 = codecs.getincrementaldecoder("utf-8")


class Tail:
    """One choice's text while it grows."""

    __slots__ = ("_decoder", "_held", "_mid_character", "_stops", "stop", "stopped")

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._decoder = _utf8("replace")
        self._mid_character = False
        self._held = ""
        self.stopped = False
        self.stop = ""  # the one that did

    def add(self, raw: bytes) -> str:
        """The text that `raw` sets free. Sets `stopped` when a stop string is complete."""
        if raw.isascii() and not self._mid_character:
            text = raw.decode("ascii")
        else:
            text = self._decoder.decode(raw)
            self._mid_character = bool(self._decoder.getstate()[0])
        if not self._stops:
            return text
        return self._hold(self._held + text) if text else ""

    def _hold(self, text: str) -> str:
        found = [(at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            first, self.stop = min(found)
            self.stopped, self._held = True, ""
            return text[:first]
        keep = 0
        for stop in self._stops:
            for size in range(min(len(stop) - 1, len(text)), keep, -1):
                if text.endswith(stop[:size]):
                    keep = size
                    break
        self._held = text[len(text) - keep :] if keep else ""
        return text[: len(text) - keep]

    def end(self) -> str:
        """What was held back for a stop string that did not come."""
        held, self._held = self._held, ""
        return held

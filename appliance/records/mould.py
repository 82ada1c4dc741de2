"""Moulds: JSON that is written again and again and differs in a few values only.

Rules kept here:
1. What stands around the holes is written once, by whatever writes such JSON anyway; nothing here knows its form.
2. A hole is marked by the byte 0, which JSON text never has: no value can be mistaken for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

_MARK = b"\x00"


def hole(name: str) -> Any:
    """Stands where a value will be poured in, while the rest is written."""
    return orjson.Fragment(_MARK + name.encode() + _MARK)


class Mould:
    """JSON with named holes, each of them as often as it stands in the text."""

    __slots__ = ("_holes", "_pieces", "size")

    def __init__(self, text: bytes) -> None:
        self._pieces = text.split(_MARK)
        self._holes = [name.decode() for name in self._pieces[1::2]]
        self.size = len(text)

    @property
    def text(self) -> bytes:
        """What it was made of."""
        return _MARK.join(self._pieces)

    def pour(self, values: Mapping[str, object]) -> bytes:
        """The JSON with these values, which orjson knows as they are. Raises KeyError where a hole has none."""
        written = {name: orjson.dumps(value) for name, value in values.items()}
        pieces = self._pieces.copy()
        pieces[1::2] = [written[name] for name in self._holes]
        return b"".join(pieces)

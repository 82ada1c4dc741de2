"""Where the tensors of a GGUF file begin, so that a blob can be cut there.

A changed header (a chat template, a name) then costs kilobytes on the way to a node, not the whole model.
Source: the GGUF specification, versions 2 and 3, in ggml's docs/gguf.md.

Rules kept here:
1. The header is walked, never loaded: no length in it makes us reserve memory.
2. Every length is checked against the file's before it is believed.
3. A file that ends before its last tensor does is refused: a runtime would refuse it, on every node that got it.
"""

from __future__ import annotations

import math
import struct
from typing import BinaryIO

from signing.errors import BenchError

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # type to bytes
_STRING, _ARRAY = 8, 9
_ALIGNMENT = 32  # bytes, where the header names none
_NESTED = 4
# How tensors are stored (ggml.h, enum ggml_type): type to elements and bytes of a block. Of another type only the
# beginning can be looked for.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


def is_gguf(stream: BinaryIO) -> bool:
    stream.seek(0)
    return stream.read(4) == b"GGUF"


def tensor_data(stream: BinaryIO) -> int:
    """The offset, in bytes, at which tensor data begin; the file's length where it has no tensors.

    Raises BenchError: gguf_invalid.
    """
    walk = _Walk(stream)
    if walk.take(4) != b"GGUF":
        raise _damaged("it does not begin with GGUF")
    if (version := walk.number("<I")) not in (2, 3):
        raise _damaged(f"its version is {version}; 2 and 3 are known")
    tensors, pairs = walk.number("<Q"), walk.number("<Q")
    alignment = _ALIGNMENT
    for _ in range(pairs):
        key = walk.text(65535)
        kind = walk.number("<I")
        if key == b"general.alignment" and kind == 4:
            alignment = walk.number("<I")
            continue
        walk.pass_value(kind, _NESTED)
    if alignment < 1 or alignment > 65536:
        raise _damaged("its alignment is not between 1 and 65536")
    needed = 0
    for _ in range(tensors):
        walk.text(65535)
        dimensions = walk.number("<I")
        if dimensions > 8:
            raise _damaged("a tensor has more than 8 dimensions")
        elements = math.prod(walk.number("<Q") for _ in range(dimensions))
        each, size = _BLOCKS.get(walk.number("<I"), (max(1, elements), 1))
        needed = max(needed, walk.number("<Q") + -(-elements // each) * size)
    if not tensors:
        return walk.length
    begin = -(-walk.place // alignment) * alignment
    if begin + needed > walk.length:
        raise _damaged(f"it ends after {walk.length} bytes, and its tensors after {begin + needed}: it was cut off")
    return begin


class _Walk:
    """A position in the file that never leaves it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.length = stream.seek(0, 2)
        stream.seek(0)
        self.place = 0
        self._stream = stream

    def take(self, count: int) -> bytes:
        if count > self.length - self.place:
            raise _damaged("its header runs past its end")
        self.place += count
        return self._stream.read(count)

    def skip(self, count: int) -> None:
        if count > self.length - self.place:
            raise _damaged("its header runs past its end")
        self.place += count
        self._stream.seek(self.place)

    def number(self, form: str) -> int:
        (value,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return int(value)

    def text(self, longest: int) -> bytes:
        count = self.number("<Q")
        if count > longest:
            raise _damaged("a name in its header is too long")
        return self.take(count)

    def pass_value(self, kind: int, deeper: int) -> None:
        if kind in _SIZES:
            self.skip(_SIZES[kind])
        elif kind == _STRING:
            self.skip(self.number("<Q"))
        elif kind == _ARRAY and deeper:
            inner, count = self.number("<I"), self.number("<Q")
            if inner in _SIZES:
                self.skip(_SIZES[inner] * count)
                return
            if count > self.length - self.place:  # each element takes a byte at least
                raise _damaged("its header runs past its end")
            for _ in range(count):
                self.pass_value(inner, deeper - 1)
        else:
            raise _damaged("a value in its header has an unknown type")


def _damaged(why: str) -> BenchError:
    return BenchError("gguf_invalid", f"This is not a GGUF file to press: {why}.", next_step="Convert it again.")

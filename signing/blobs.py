"""Files cut into blobs: `blobs/sha256/ab/abcd…`, at most 1 GiB each, a GGUF cut where its tensors begin.

Rules kept here:
1. A blob is under its name whole or not at all; what is there already is not written again.
2. A file that changes while it is cut is refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from signing import files, gguf
from signing.errors import BenchError

LARGEST = 1024**3  # bytes
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Blob:
    """One piece of a file."""

    sha256: str
    length: int


@dataclass(frozen=True)
class Cut:
    """A whole file: its digest and length, and its blobs in order."""

    sha256: str
    length: int
    blobs: tuple[Blob, ...]


def name(sha256: str) -> str:
    """The blob's path below the station, the bundle or the mirror."""
    return f"blobs/sha256/{sha256[:2]}/{sha256}"


def cut(source: Path, directory: Path, largest: int = LARGEST) -> Cut:
    """Put the file's blobs below the directory. Raises BenchError: recipe_invalid, gguf_invalid, write_failed."""
    try:
        with source.open("rb") as stream:
            whole, length, found = hashlib.sha256(), 0, []
            for size in list(_sizes(stream, largest)):
                digest = hashlib.sha256()
                for chunk in _chunks(stream, length, size):
                    digest.update(chunk)
                    whole.update(chunk)
                blob = Blob(digest.hexdigest(), size)
                _store(stream, length, blob, directory / name(blob.sha256))
                length += size
                found.append(blob)
            if stream.seek(0, os.SEEK_END) != length:
                raise _changed(source)
    except OSError as error:
        code = "write_failed" if error.errno in _FULL else "recipe_invalid"
        raise BenchError(code, f"{source}: {error.strerror}.", next_step="Nothing is published.") from None
    return Cut(whole.hexdigest(), length, tuple(found))


_FULL = (27, 28, 122)  # EFBIG, ENOSPC, EDQUOT


def _sizes(stream: BinaryIO, largest: int) -> Iterator[int]:
    length = stream.seek(0, os.SEEK_END)
    head = gguf.tensor_data(stream) if gguf.is_gguf(stream) else 0
    for part in (head, length - head):
        for begin in range(0, part, largest):
            yield min(largest, part - begin)


def _chunks(stream: BinaryIO, begin: int, size: int) -> Iterator[bytes]:
    stream.seek(begin)
    while size:
        chunk = stream.read(min(size, _CHUNK))
        if not chunk:
            raise _changed(Path(stream.name))
        size -= len(chunk)
        yield chunk


def _store(stream: BinaryIO, begin: int, blob: Blob, path: Path) -> None:
    if path.exists() and path.stat().st_size == blob.length:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = files.part(path)
    try:
        digest = hashlib.sha256()
        with draft.open("xb") as out:
            for chunk in _chunks(stream, begin, blob.length):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != blob.sha256:
            raise _changed(Path(stream.name))
        draft.chmod(0o444)
        draft.rename(path)
        files.settle(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _changed(source: Path) -> BenchError:
    return BenchError("recipe_invalid", f"{source} changed while it was read.", next_step="Press again when it rests.")

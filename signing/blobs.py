"""Files cut into blobs: `blobs/sha256/ab/abcd…`, at most 1 GiB each, a GGUF cut where its tensors begin.

Rules kept here:
1. A blob is under its name whole or not at all; what is there already is not written again.
2. A file that changes while it is cut is refused.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from appliance.bundle.manifest import Blob, blob_path, cuts
from signing import files, gguf
from signing.errors import BenchError

_CHUNK = 1024 * 1024
_FULL = (errno.EFBIG, errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Cut:
    """A whole file: its digest and length, and its blobs in order."""

    sha256: str
    length: int
    blobs: tuple[Blob, ...]


def cut(source: Path, directory: Path, *, model: bool = False) -> Cut:
    """Put the file's blobs below the directory (rules L5 and B1 to B3). A `model` must be a GGUF.

    Raises BenchError: recipe_invalid, gguf_invalid, write_failed.
    """
    try:
        with source.open("rb") as stream:
            return cut_stream(stream, directory, str(source), model=model)
    except OSError as error:
        code = "write_failed" if error.errno in _FULL else "recipe_invalid"
        raise BenchError(code, f"{source}: {error.strerror}.", next_step="Nothing is published.") from None


def cut_stream(stream: BinaryIO, directory: Path, source: str, *, model: bool = False) -> Cut:
    """As `cut`, for an open file; `source` is what to call it. Raises OSError too."""
    length = stream.seek(0, os.SEEK_END)
    head = _head(stream, source) if model or gguf.is_gguf(stream) else 0
    whole, found = hashlib.sha256(), []
    for begin, size in cuts(length, head):
        digest = hashlib.sha256()
        for chunk in _chunks(stream, begin, size, source):
            digest.update(chunk)
            whole.update(chunk)
        blob = Blob(digest.hexdigest(), size)
        _store(stream, begin, blob, directory / blob_path(blob.sha256), source)
        found.append(blob)
    if stream.seek(0, os.SEEK_END) != length:
        raise _changed(source)
    return Cut(whole.hexdigest(), length, tuple(found))


def _head(stream: BinaryIO, source: str) -> int:
    """Where the tensors begin, what is wrong with the file said under its name."""
    try:
        return gguf.tensor_data(stream)
    except BenchError as error:
        raise BenchError(error.code, f"{source}: {error.message}", next_step=error.next_step) from None


def _chunks(stream: BinaryIO, begin: int, size: int, source: str) -> Iterator[bytes]:
    stream.seek(begin)
    while size:
        chunk = stream.read(min(size, _CHUNK))
        if not chunk:
            raise _changed(source)
        size -= len(chunk)
        yield chunk


def _store(stream: BinaryIO, begin: int, blob: Blob, path: Path, source: str) -> None:
    if path.exists() and path.stat().st_size == blob.length:
        return
    files.folder(path.parent)
    draft = files.part(path)
    try:
        digest = hashlib.sha256()
        with draft.open("xb") as out:
            for chunk in _chunks(stream, begin, blob.length, source):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != blob.sha256:
            raise _changed(source)
        draft.chmod(0o444)
        draft.rename(path)
        files.settle(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _changed(source: str) -> BenchError:
    return BenchError("recipe_invalid", f"{source} changed while it was read.", next_step="Press again when it rests.")

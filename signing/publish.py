"""Copying a verified tree to where clients read it: a bundle's directory, its tar, a mirror.

Rules kept here (numbers of bundles/FORMAT.md):
1. Blobs first, then the manifest, then roles, snapshot and roots, the timestamp last (L9). Each file is written beside
   its name, reaches the disk and is renamed: a reader sees the old state or the new one, never half of one.
2. A bundle's directory and its tar get their name when they are complete.
3. A mirror is never taken back: not to an older timestamp, not to another publisher's root.
4. Where a new root does not accept what the mirror still holds, clients wait between the root and the timestamp. That
   is meant where a key is revoked, and must be said; a planned change takes two roots that overlap.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from calendar import timegm
from collections.abc import Iterator
from pathlib import Path
from time import strptime
from typing import BinaryIO

from appliance.bundle import manifest as form
from signing import files, tree
from signing.errors import BenchError
from signing.tree import Folder, Tree, Verified, WithRoots

_CHUNK = 1024 * 1024
_README = """\
{id}: a signed bundle for Weir nodes{mark}

On a node:  weir bundle show {directory}
            weir bundle apply {directory}

Nothing in this file is signed. What is, a node verifies by itself; do not believe a text that says otherwise.
"""


def order(verified: Verified) -> Iterator[str]:
    """The files of a tree in the order in which they are published (rule L9)."""
    yield from (form.blob_path(digest) for digest in verified.manifest.blobs)
    yield verified.manifest_path
    last = ("snapshot", "root", "timestamp")
    ranked = {path: _role(path) for path in verified.files if path != verified.manifest_path}
    for rank in (None, *last):
        yield from (path for path, role in ranked.items() if (role if role in last else None) == rank)


def bundle(source: Tree, out: Path) -> Path:
    """Write `ID.bundle` into the directory; an older issue of the same generation gives way. Returns its path.

    Raises BenchError: bundle_invalid, bundle_exists, write_failed.
    """
    verified = _whole(source)
    target = out / form.bundle_name(verified.manifest.id)
    try:
        files.folder(out)
        _sweep(out, target.name)
        if target.exists():
            there = _issue_of(target, verified)
            if there is None:
                raise BenchError(
                    "bundle_exists",
                    f"{target} is there, and holds something else.",
                    next_step="Choose another directory.",
                )
            if there.files == verified.files and not there.missing:
                return target
        fresh = files.part(target)
        for path in order(verified):
            _copy(source, verified, path, fresh / path)
        mark = " - EVALUATION KEYS, they protect nothing" if verified.evaluation else ""
        readme = _README.format(id=verified.manifest.id, mark=mark, directory=target.name)
        files.write(fresh / "README.txt", readme.encode())
        if target.exists():
            target.rename(files.part(target))
        fresh.rename(target)
        files.settle(out)
        _sweep(out, target.name)
    except OSError as error:
        raise _unwritten(target, error) from None
    return target


def tar(source: Tree, out: Path) -> Path:
    """Write `ID.bundle.tar` into the directory (rule L8). Returns its path. Raises BenchError as `bundle`."""
    verified = _whole(source)
    name = form.bundle_name(verified.manifest.id)
    target = out / f"{verified.manifest.id}{form.TAR_SUFFIX}"
    try:
        files.folder(out)
        _sweep(out, target.name)
        draft = files.part(target)
        with draft.open("xb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
                for path in order(verified):
                    _append(archive, source, verified, name, path)
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(target)
        files.settle(out)
    except OSError as error:
        raise _unwritten(target, error) from None
    return target


def mirror(source: Tree, directory: Path, *, at_once: bool = False) -> int:
    """Bring a static directory up to what the source holds. Returns how many files were written.

    `at_once` for a root that takes no more what the mirror holds (rule 4). Raises BenchError: bundle_invalid,
    mirror_behind, mirror_gap, write_failed.
    """
    verified = _whole(source)
    there = Folder(directory)
    _check_mirror(source, verified, there, at_once=at_once)
    written = 0
    try:
        for left in directory.rglob(".*.part"):
            left.unlink()
        for path in order(verified):
            target = directory / path
            known = verified.files.get(path)
            if known is None:
                same = there.size(path) == source.size(path)
            else:
                same = there.size(path) == len(known) and target.read_bytes() == known
            if not same:
                _copy(source, verified, path, target)
                written += 1
    except OSError as error:
        raise _unwritten(directory, error) from None
    return written


def _role(path: str) -> str:
    """`metadata/7.snapshot.json` to 'snapshot'."""
    return path.removesuffix(".json").rpartition("/")[2].rpartition(".")[2]


def _whole(source: Tree) -> Verified:
    verified = tree.verify(source)
    if verified.missing:
        raise BenchError(
            "bundle_invalid",
            f"{source.place} lacks {len(verified.missing)} of {len(verified.manifest.blobs)} blobs.",
            next_step="Press it again, or fetch it again.",
            details=verified.missing[:8],
        )
    return verified


def _check_mirror(source: Tree, verified: Verified, there: Folder, *, at_once: bool) -> None:
    ours, theirs = source.roots(), there.roots()
    behind = len(theirs) > len(ours)
    for version in theirs[: len(ours)]:
        path = f"{form.METADATA}/{version}.root.json"
        behind = behind or (there.directory / path).read_bytes() != verified.files.get(path)
    if behind:
        raise BenchError(
            "mirror_behind",
            f"{there.place} has roots that {source.place} does not have.",
            next_step="Publish from the newest station, or choose another directory.",
        )
    if there.size(f"{form.METADATA}/timestamp.json") < 0:
        return
    # Judged by our root: a timestamp that a revoked key signed, with a version beyond all measure, holds nobody up.
    if tree.timestamp(there, verified.root) > verified.metadata["timestamp"].signed.version:
        raise BenchError(
            "mirror_behind",
            f"{there.place} has a newer timestamp than {source.place}.",
            next_step="Publish from the newest station.",
        )
    if len(ours) == len(theirs) or at_once:
        return
    try:
        tree.verify(WithRoots(there, source))
    except BenchError as error:
        raise BenchError(
            "mirror_gap",
            f"The new root does not accept what the mirror holds ({error.message}) Clients would wait until all of it"
            " is published.",
            next_step="For a revoked key: --at-once. For a planned change publish a root first that accepts both keys.",
        ) from None


def _issue_of(target: Path, verified: Verified) -> Verified | None:
    """What is there, where it is an issue of the same generation."""
    try:
        found = tree.verify(Folder(target))
    except BenchError:
        return None
    return found if found.manifest == verified.manifest else None


def _copy(source: Tree, verified: Verified, path: str, target: Path) -> None:
    files.folder(target.parent)
    if (content := verified.files.get(path)) is not None:
        files.write(target, content)
        return
    draft = files.part(target)
    try:
        with draft.open("xb") as out, source.open(path) as stream:
            digest = hashlib.sha256()
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        _intact(path, digest.hexdigest())
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
    files.settle(target.parent)


def _append(archive: tarfile.TarFile, source: Tree, verified: Verified, name: str, path: str) -> None:
    entry = tarfile.TarInfo(f"{name}/{path}")
    entry.mode = 0o644
    entry.mtime = timegm(strptime(verified.issued, form.TIME_FORM))
    if (content := verified.files.get(path)) is not None:
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
        return
    entry.size = source.size(path)
    with source.open(path) as stream:
        reading = _Hashing(stream)
        archive.addfile(entry, reading)
    _intact(path, reading.digest.hexdigest())


class _Hashing(io.RawIOBase):
    """A stream whose digest is known when it was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self.digest.update(chunk)
        return chunk


def _intact(path: str, digest: str) -> None:
    if not path.endswith(f"/{digest}"):
        raise BenchError("bundle_invalid", f"{path} is not what its name says.", next_step="Remove it and press again.")


def _sweep(out: Path, name: str) -> None:
    """What an interrupted run left behind."""
    for left in out.glob(f".{name}.*.part"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def _unwritten(target: Path, error: OSError) -> BenchError:
    return BenchError(
        "write_failed",
        f"{target} was not written: {error.strerror}.",
        next_step="Make room, then run it again; what is under a final name is whole.",
    )

"""Copy a bundle's blobs into the store: read once, hashed while copied, durable, never half under a final name.

Rules kept here:
1. A blob is written under `store/part/`, hashed in the same pass, synced, renamed to `store/sha256/AB/DIGEST`, and the
   directory synced. What has its final name is whole and was what the manifest states.
2. Whole blobs are resumed: those in the store are not read again. An unfinished one is begun anew.
3. Whatever goes wrong (medium pulled, disk full, wrong bytes) leaves no file under a final name that was not there
   before, and no part of the blob in hand.
4. Memory does not grow with the size or number of blobs beyond their digests.
5. One import at a time: the store is locked.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.bundle import manifest as form
from appliance.bundle.manifest import Manifest
from appliance.bundle.media import Source, Stream
from appliance.bundle.refusal import BundleRefused

STORE = "store"
_PART = "part"
_CHUNK = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Progress:
    """How far staging is, in bytes and blobs, those that were there already included."""

    done: int
    total: int
    blobs_done: int
    blobs: int


Show = Callable[[Progress], None]


def held(state_dir: Path, sha256: str, length: int) -> bool:
    """Whether the store has this blob, whole. What has a final name was hashed before it got it."""
    try:
        found = place(state_dir, sha256).lstat()
    except OSError:
        return False
    return found.st_size == length


def stage(manifest: Manifest, source: Source, state_dir: Path, show: Show = lambda _: None) -> int:
    """Bring every blob of the manifest into the store. Returns the bytes that were copied. Raises BundleRefused."""
    with locked(state_dir):
        return fill(manifest, source, state_dir, show)


def fill(manifest: Manifest, source: Source, state_dir: Path, show: Show = lambda _: None) -> int:
    """The same for a caller that holds the lock already."""
    with writing():
        _clear_parts(state_dir)
        total, blobs = manifest.stored, manifest.blobs
        done = copied = 0
        for number, (sha256, length) in enumerate(blobs.items()):
            if not held(state_dir, sha256, length):

                def within(count: int, before: int = done, number: int = number) -> None:
                    show(Progress(before + count, total, number, len(blobs)))

                _copy(source, sha256, length, state_dir, within)
                copied += length
            done += length
            show(Progress(done, total, number + 1, len(blobs)))
        return copied


def _copy(source: Source, sha256: str, length: int, state_dir: Path, show: Callable[[int], None]) -> None:
    name = form.blob_path(sha256)
    final = place(state_dir, sha256)
    part = state_dir / STORE / _PART / sha256
    with source.open(name) as stream:
        if stream is None:
            raise BundleRefused("medium_gone", f"{name} was there before and is missing now.")
        try:
            found = _fill(stream, part, name, length, show)
            if found != sha256:
                raise BundleRefused("damaged_blob", f"{name} is not what was signed: its SHA-256 is {found}.")
            if not final.parent.is_dir():
                final.parent.mkdir(mode=0o700, exist_ok=True)
                sync(final.parent.parent)
            part.replace(final)
            sync(final.parent)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _fill(stream: Stream, part: Path, name: str, length: int, show: Callable[[int], None]) -> str:
    """Write the part, synced; its SHA-256. Exactly `length` bytes or a refusal."""
    digest, buffer, done = hashlib.sha256(), memoryview(bytearray(_CHUNK)), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o400)
    try:
        while count := stream.readinto(buffer):
            done += count
            if done > length:
                raise BundleRefused("too_large", f"{name} is longer than the {length} bytes that were signed.")
            digest.update(buffer[:count])
            _write(descriptor, buffer[:count])
            show(done)
        if done < length:
            raise BundleRefused("damaged_blob", f"{name} ends after {done} of {length} bytes.")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _write(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def place(state_dir: Path, sha256: str) -> Path:
    """Where a blob is, or would be."""
    return state_dir / STORE / "sha256" / sha256[:2] / sha256


def _clear_parts(state_dir: Path) -> None:
    """What an import left that was killed."""
    store = state_dir / STORE
    for folder in (_PART, "sha256"):
        (store / folder).mkdir(mode=0o700, exist_ok=True)
    sync(store)
    for left in (store / _PART).iterdir():
        left.unlink()


@contextmanager
def locked(state_dir: Path) -> Iterator[None]:
    """The store for this import alone; the kernel lets go of it when the process ends, however it ends."""
    with writing():
        (state_dir / STORE).mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(state_dir / STORE / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BundleRefused("import_in_progress") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def writing() -> Iterator[None]:
    """Trouble of the store's own disk as a refusal; that of the medium comes as one already."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise BundleRefused("disk_full", f"The disk is full: {error.filename or 'the store'}.") from None
        raise BundleRefused("store_trouble", f"{error.filename or 'The store'}: {error.strerror}.") from None


def sync(folder: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

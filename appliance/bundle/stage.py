"""Copy a bundle's blobs into the store: read once, hashed while copied, durable, never half under a final name.

Rules kept here:
1. A blob is written under `store/part/`, hashed in the same pass, synced, renamed to `store/sha256/AB/DIGEST`, and the
   directory synced. What has its final name is whole and was what the manifest states.
2. Blobs in the store are not read again. What a killed import, or a mirror that failed, left of the one in hand is
   hashed anew and gone on with; where the whole then is not what was signed, it is read again from its beginning.
3. Whatever goes wrong (medium pulled, disk full, wrong bytes) leaves no file under a final name that was not there
   before, and no part of the blob in hand but for rule 2.
4. Memory does not grow with the size or number of blobs beyond their digests.
5. One import at a time: the store is locked.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.bundle import manifest as form
from appliance.bundle.manifest import Manifest
from appliance.bundle.media import Source
from appliance.bundle.refusal import BundleRefused
from appliance.store.room import NEEDED

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


def fill(
    manifest: Manifest,
    source: Source,
    state_dir: Path,
    show: Show = lambda _: None,
    elsewhere: Callable[[str, int], bool] = lambda _sha256, _length: False,
) -> int:
    """The same for a caller that holds the lock already. What is held `elsewhere` is not copied."""
    total, blobs = manifest.stored, manifest.blobs
    done = copied = 0
    with writing(state_dir, lambda: total - done):
        _clear_parts(state_dir, wanted=blobs)
        for number, (sha256, length) in enumerate(blobs.items()):
            if not held(state_dir, sha256, length) and not elsewhere(sha256, length):

                def within(count: int, before: int = done, number: int = number) -> None:
                    show(Progress(before + count, total, number, len(blobs)))

                copied += _copy(source, sha256, length, state_dir, within)
            done += length
            show(Progress(done, total, number + 1, len(blobs)))
        return copied


def _copy(source: Source, sha256: str, length: int, state_dir: Path, show: Callable[[int], None]) -> int:
    """One blob, to its final name. Returns the bytes that were read of the source."""
    name = form.blob_path(sha256)
    part = state_dir / STORE / _PART / sha256
    try:
        found, read = _fill(source, part, name, length, show)
        if found != sha256 and read < length:  # what was there of it may be what is wrong
            part.unlink()
            found, more = _fill(source, part, name, length, show)
            read += more
        if found != sha256:
            raise BundleRefused("damaged_blob", f"{name} is not what was signed: its SHA-256 is {found}.")
        adopt(part, state_dir, sha256)
    except Exception as error:
        if not (isinstance(error, BundleRefused) and error.reason == "mirror_failed"):
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise
    return read


def adopt(file: Path, state_dir: Path, sha256: str) -> None:
    """Give a blob that is whole, hashed and synced its final name, durably. For a caller that holds the lock."""
    final = place(state_dir, sha256)
    for folder in (final.parent.parent, final.parent):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            sync(folder.parent)
    file.replace(final)
    sync(final.parent)


def _fill(source: Source, part: Path, name: str, length: int, show: Callable[[int], None]) -> tuple[str, int]:
    """Write the part on to its end, synced: its SHA-256, and the bytes that were read for it.

    Exactly `length` bytes or a refusal.
    """
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK))
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o600)
    try:
        begun = done = _hashed(descriptor, digest.update, buffer, length)
        if done < length:
            with source.open(name, done) as stream:
                if stream is None:
                    raise BundleRefused("medium_gone", f"{name} was there before and is missing now.")
                while count := stream.readinto(buffer):
                    done += count
                    if done > length:
                        raise BundleRefused("too_large", f"{name} is longer than the {length} bytes that were signed.")
                    digest.update(buffer[:count])
                    _write(descriptor, buffer[:count])
                    show(done)
        if done < length:
            raise BundleRefused("damaged_blob", f"{name} ends after {done} of {length} bytes.")
        os.fchmod(descriptor, 0o400)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return digest.hexdigest(), done - begun


def _hashed(descriptor: int, update: Callable[[memoryview], None], buffer: memoryview, length: int) -> int:
    """The bytes that are there of a part, which `update` has been given; one that can be none is emptied."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "Something that is no file stands in a part's place")
    if found.st_size > length:
        os.ftruncate(descriptor, 0)
    done = 0
    while count := os.readv(descriptor, [buffer]):
        update(buffer[:count])
        done += count
    return done


def _write(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def place(state_dir: Path, sha256: str) -> Path:
    """Where a blob is, or would be."""
    return state_dir / STORE / "sha256" / sha256[:2] / sha256


def _clear_parts(state_dir: Path, wanted: Collection[str]) -> None:
    """Make the folders, and drop what an import left of blobs that are not wanted any more."""
    store = state_dir / STORE
    for folder in (_PART, "sha256"):
        (store / folder).mkdir(mode=0o700, exist_ok=True)
    sync(store)
    for left in (store / _PART).iterdir():
        if left.name not in wanted or not os.access(left, os.W_OK):
            left.unlink()


@contextmanager
def locked(state_dir: Path) -> Iterator[None]:
    """The store for this import alone; the kernel lets go of it when the process ends, however it ends."""
    with writing(state_dir):
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
def writing(state_dir: Path, needed: Callable[[], int] = lambda: NEEDED) -> Iterator[None]:
    """Trouble of the store's own disk as a refusal; that of the medium comes as one already.

    `needed` says how many bytes there must be at that moment.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            free = shutil.disk_usage(state_dir).free
            said = f"The disk is full, or a quota: {free} bytes are free in {state_dir}, and {needed()} more must be."
            raise BundleRefused("disk_full", said) from None
        raise BundleRefused("store_trouble", f"{error.filename or 'The store'}: {error.strerror}.") from None


def sync(folder: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Generations on the disk: made from the store by hard links, complete or absent, and pointed at by one link.

Rules kept here:
1. A generation is made under `generations/.part/` and gets its name by one rename, after every file and directory of it
   was synced. What has a name is whole; its marker is the manifest that was signed.
2. A file of one blob is a hard link of it. One that was cut is put together again, and every piece is hashed while it
   is copied; the same file of another generation is linked instead.
3. `current` is a symbolic link that is replaced by a rename: it names a whole generation before and after.
4. Collection marks what the kept generations need and sweeps the rest, generations and blobs.
5. Nothing here decides which generation runs (`activate`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from appliance.bundle import manifest as form
from appliance.bundle import stage
from appliance.bundle.manifest import Blob, Manifest, ManifestInvalid
from appliance.bundle.refusal import BundleRefused

FOLDER = "generations"
CURRENT = "current"
MARKER = ".generation.json"  # no path of a manifest begins with a dot (P1)
_PART = ".part"
_CHUNK = 1 << 20
_SMALL = 1 << 20  # bytes: policies, cards, weights, gates
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def place(state_dir: Path, id: str) -> Path:
    """Where a generation is, or would be."""
    return state_dir / FOLDER / form.check_id(id)


def read(state_dir: Path, id: str) -> Manifest | None:
    """The manifest of a generation that is there: every file at its full length, the small ones as they were signed.

    None where it is not. The large ones are models, whose digests a card states and a path compares when it starts.
    """
    folder = place(state_dir, id)
    try:
        with (folder / MARKER).open("rb") as stream:
            manifest = form.read_manifest(stream.read(form.MAX_MANIFEST + 1))
        for path, pieces in manifest.files.items():
            found = (folder / path).lstat()
            if not stat.S_ISREG(found.st_mode) or found.st_size != form.length_of(pieces):
                return None
    except (OSError, ManifestInvalid):
        return None
    return manifest if manifest.id == id and not altered(manifest, folder) else None


def altered(manifest: Manifest, folder: Path, most: int = _SMALL) -> tuple[str, ...]:
    """Paths below a folder, of at most so many bytes, that are not what was signed. Reads them all."""
    found = []
    for path, pieces in manifest.files.items():
        if form.length_of(pieces) > most:
            continue
        try:
            with os.fdopen(os.open(folder / path, _READ), "rb") as stream:
                right = all(_digest(stream, blob.length) == blob.sha256 for blob in pieces) and not stream.read(1)
        except OSError:
            right = False
        if not right:
            found.append(path)
    return tuple(found)


def listed(state_dir: Path) -> dict[str, Manifest]:
    """Every generation that is there, by id."""
    found = {id: read(state_dir, id) for id in _names(state_dir)}
    return {id: manifest for id, manifest in sorted(found.items()) if manifest is not None}


def build(manifest: Manifest, state_dir: Path) -> Path:
    """Make the generation out of the store, which has all of its blobs. Raises BundleRefused and OSError; may block."""
    final = place(state_dir, manifest.id)
    there = read(state_dir, manifest.id)
    if there is not None:
        if there != manifest:
            raise BundleRefused("id_reused", f"{manifest.id} is there with other content (G3).")
        return final
    clear(state_dir)
    _remove(final)
    part = state_dir / FOLDER / _PART / manifest.id
    part.mkdir(mode=0o700, parents=True)
    joined = _joined(state_dir)
    folders = {part}
    for path, pieces in manifest.files.items():
        target = part / path
        for above in reversed(target.relative_to(part).parents[:-1]):
            if part / above not in folders:
                (part / above).mkdir(mode=0o700)
                folders.add(part / above)
        if len(pieces) == 1:
            os.link(stage.place(state_dir, pieces[0].sha256), target, follow_symlinks=False)
        elif pieces in joined:
            os.link(joined[pieces], target, follow_symlinks=False)
        else:
            _join(state_dir, pieces, target)
            joined[pieces] = target
    if bad := altered(manifest, part):
        for path in bad:  # so that the next import copies them anew
            for blob in manifest.files[path]:
                stage.place(state_dir, blob.sha256).unlink(missing_ok=True)
        raise BundleRefused("damaged_store", details=bad)
    _write(part / MARKER, (form.write_manifest(manifest),))
    for folder in sorted(folders, reverse=True):
        stage.sync(folder)
    part.rename(final)
    stage.sync(final.parent)
    return final


def to_join(manifest: Manifest, state_dir: Path) -> int:
    """Bytes that `build` writes beyond the blobs: cut files that no other generation has put together."""
    have = {pieces for each in listed(state_dir).values() for pieces in each.files.values()}
    cut = {pieces for pieces in manifest.files.values() if len(pieces) > 1}
    return sum(form.length_of(pieces) for pieces in cut - have)


def rotten(manifest: Manifest, state_dir: Path) -> tuple[str, ...]:
    """Paths of a generation that are not what was signed, every file read. May block."""
    return altered(manifest, place(state_dir, manifest.id), sys.maxsize)


def forget(manifest: Manifest, paths: Collection[str], state_dir: Path) -> None:
    """Take a generation and the blobs of these paths away, so that the next import copies them anew."""
    _remove(place(state_dir, manifest.id))
    for path in paths:
        for blob in manifest.files[path]:
            stage.place(state_dir, blob.sha256).unlink(missing_ok=True)


def current(state_dir: Path) -> str:
    """The id that `current` names; '' where there is no such link."""
    try:
        return (state_dir / CURRENT).readlink().name
    except OSError:
        return ""


def point(state_dir: Path, id: str) -> None:
    """Let `current` name this generation, or nothing where the id is ''. Raises OSError."""
    link = state_dir / CURRENT
    if id == current(state_dir):
        return
    if id:
        part = state_dir / f".{CURRENT}{_PART}"
        part.unlink(missing_ok=True)
        part.symlink_to(Path(FOLDER) / id)
        part.rename(link)
    else:
        link.unlink(missing_ok=True)
    stage.sync(state_dir)


def clear(state_dir: Path) -> None:
    """Take away what a build left that was killed, and what has a name and is not whole, if nobody runs on it."""
    for id in _names(state_dir):
        if read(state_dir, id) is None and not _held(state_dir / FOLDER / id):
            _remove(state_dir / FOLDER / id)
    with suppress(FileNotFoundError):
        shutil.rmtree(state_dir / FOLDER / _PART)


def sweep(state_dir: Path, keep: Collection[str]) -> int:
    """Take away every other generation and every blob that none of the kept needs. Returns the blobs' bytes.

    What a node runs on is kept as well: it may not have taken over what came after it.
    """
    for id in _names(state_dir):
        if id not in keep and not _held(state_dir / FOLDER / id):
            _remove(state_dir / FOLDER / id)
    clear(state_dir)
    needed = {sha256 for manifest in listed(state_dir).values() for sha256 in manifest.blobs}
    freed = 0
    for blob in (state_dir / stage.STORE / "sha256").glob("??/*"):
        if blob.name not in needed:
            freed += blob.lstat().st_size
            blob.unlink()
    return freed


def hold(folder: Path) -> int:
    """Keep a generation on the disk for as long as the descriptor is open, or this process lives. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _held(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _names(state_dir: Path) -> Iterator[str]:
    with suppress(FileNotFoundError):
        yield from sorted(each.name for each in (state_dir / FOLDER).iterdir() if not each.name.startswith("."))


def _joined(state_dir: Path) -> dict[tuple[Blob, ...], Path]:
    """Where the files of several blobs are that were put together before."""
    return {
        pieces: place(state_dir, id) / path
        for id, manifest in listed(state_dir).items()
        for path, pieces in manifest.files.items()
        if len(pieces) > 1
    }


def _join(state_dir: Path, pieces: tuple[Blob, ...], target: Path) -> None:
    """Put a file together out of its blobs; each must still be what its name says. Of no pieces: an empty file."""

    def content() -> Iterator[bytes]:
        for sha256, length in pieces:
            blob, digest, done = stage.place(state_dir, sha256), hashlib.sha256(), 0
            with os.fdopen(os.open(blob, _READ), "rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    done += len(chunk)
                    yield chunk
            if (digest.hexdigest(), done) != (sha256, length):
                blob.unlink()
                raise BundleRefused("damaged_store", f"{blob.name} in the store is not what it was.")

    _write(target, content())


def _digest(stream: IO[bytes], length: int) -> str:
    """SHA-256 of the next `length` bytes, or of as many as there are."""
    digest = hashlib.sha256()
    while length and (chunk := stream.read(min(length, _CHUNK))):
        digest.update(chunk)
        length -= len(chunk)
    return digest.hexdigest()


def _write(target: Path, chunks: Collection[bytes] | Iterator[bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o400), "wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())


def _remove(folder: Path) -> None:
    """Take a generation away: first its name, by one rename, so that a half of it never has one."""
    gone = folder.parent / _PART / f"{folder.name}.gone"
    gone.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.rmtree(gone)
    with suppress(FileNotFoundError):
        folder.rename(gone)
        shutil.rmtree(gone)

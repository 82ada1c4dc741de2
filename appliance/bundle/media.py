"""Where bundles come from: a directory or a tar on a medium, read within bounds, with no decision about trust.

Rules kept here (numbers of bundles/FORMAT.md):
1. Every component of a path is opened without following links, relative to the directory above it; only regular files
   are read, and none is opened before it is known to be one (L6).
2. Nothing is read beyond the limit that the caller states; a file that is longer is refused (L10).
3. A tar is read through an index of its headers and never extracted; whatever is not plain ustar is refused (L8).
4. Names that were not asked for are not opened, `._*` among them (L7); of two bundles none is chosen (L11).
5. A medium that goes away is a refusal with its own reason; what the caller has by then is the caller's.

A mirror is one more `Source` (`mirror`): it answers `names` with None, since a static web server lists nothing.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from appliance.bundle import manifest as form
from appliance.bundle.refusal import BundleRefused

MAX_NAMES = 65_536  # in one directory
MAX_ENTRIES = 262_144  # of a tar
_BLOCK = 512
# What the kernel says when a medium is pulled out or its driver gives up.
_GONE = {errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.EREMOTEIO, errno.ENOMEDIUM}
_NAME = re.compile(r"[A-Za-z0-9_%][A-Za-z0-9._+%-]{0,254}")


class Stream(Protocol):
    """An open file of a source; `size` in bytes as the medium states it."""

    size: int

    def readinto(self, buffer: memoryview) -> int:
        """Read on into the buffer; 0 at the end. Raises BundleRefused where the medium fails."""


class Source(Protocol):
    """A bundle's tree. Paths are those of the tree, with '/'; every method may block and may raise BundleRefused."""

    label: str

    def size(self, path: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def open(self, path: str, at: int = 0) -> AbstractContextManager[Stream | None]:
        """The file, to be read once and from byte `at` of it on; None where there is none."""

    def names(self, folder: str) -> frozenset[str] | None:
        """The names in a folder, empty where there is none; None where this source cannot list."""

    def close(self) -> None: ...


def read(source: Source, path: str, limit: int) -> bytes | None:
    """A whole small file, read once; None where there is none. Raises BundleRefused beyond `limit` bytes."""
    with source.open(path) as stream:
        if stream is None:
            return None
        if stream.size > limit:
            raise _too_large(path, limit)
        buffer = bytearray(limit + 1)
        view, filled = memoryview(buffer), 0
        while filled <= limit and (count := stream.readinto(view[filled:])):
            filled += count
        if filled > limit:
            raise _too_large(path, limit)
        return bytes(view[:filled])


@dataclass(frozen=True)
class Found:
    """A bundle on a medium, by its unsigned name."""

    path: Path
    kind: str  # 'directory' or 'tar'


def find(place: Path) -> tuple[Found, ...]:
    """The bundles at a place: the place itself, else those that lie directly in it, sorted. Raises BundleRefused."""
    try:
        return _find(place)
    except OSError as error:
        raise refusal_of(str(place), error) from None


def _find(place: Path) -> tuple[Found, ...]:
    mode = place.stat().st_mode
    if stat.S_ISREG(mode):
        return (Found(place, "tar"),) if place.name.endswith(form.TAR_SUFFIX) else ()
    if not stat.S_ISDIR(mode):
        raise BundleRefused("not_a_plain_file", f"{place} is neither a directory nor a file.")
    if (place / form.METADATA).is_dir() and not (place / form.METADATA).is_symlink():
        return (Found(place, "directory"),)
    found = []
    for entry in _scan(place, str(place)):
        if entry.name.startswith("."):
            continue
        if entry.name.endswith(form.SUFFIX) and entry.is_dir(follow_symlinks=False):
            found.append(Found(place / entry.name, "directory"))
        elif entry.name.endswith(form.TAR_SUFFIX) and entry.is_file(follow_symlinks=False):
            found.append(Found(place / entry.name, "tar"))
    return tuple(sorted(found, key=lambda each: each.path))


@contextmanager
def opened(place: Path) -> Iterator[Source]:
    """The one bundle at a place, open for reading. Raises BundleRefused where there is none, or more than one."""
    found = find(place)
    if not found:
        raise BundleRefused("no_bundle", f"There is no bundle at {place}.")
    if len(found) > 1:
        raise BundleRefused("several_bundles", details=tuple(str(each.path) for each in found))
    source: Source = Directory(found[0].path) if found[0].kind == "directory" else Tar(found[0].path)
    try:
        yield source
    finally:
        source.close()


class _File:
    """A regular file, or a part of one that begins at `offset`, read from its byte `at` on."""

    def __init__(
        self, descriptor: int, label: str, size: int, at: int, *, offset: int = 0, exact: bool = False
    ) -> None:
        self.size = size
        self._descriptor = descriptor
        self._label = label
        self._at = offset + at
        self._end = offset + size if exact else None

    def readinto(self, buffer: memoryview) -> int:
        if self._end is not None:
            buffer = buffer[: max(0, self._end - self._at)]
        try:
            count = os.preadv(self._descriptor, [buffer], self._at)
        except OSError as error:
            raise refusal_of(self._label, error) from None
        self._at += count
        return count


class Directory:
    """A bundle as a directory."""

    def __init__(self, path: Path) -> None:
        self.label = str(path)
        self._twins: dict[str, frozenset[str]] = {}
        try:
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise refusal_of(self.label, error) from None

    def close(self) -> None:
        os.close(self._root)

    def size(self, path: str) -> int | None:
        with self.open(path) as stream:
            return None if stream is None else stream.size

    @contextmanager
    def open(self, path: str, at: int = 0) -> Iterator[Stream | None]:
        folder, _, name = path.rpartition("/")
        with self._folder(folder) as above:
            if above is None:
                yield None
                return
            self._check_twins(above, folder, name)
            descriptor = _open_plain(above, name, path)
        if descriptor is None:
            yield None
            return
        try:
            yield _File(descriptor, path, os.fstat(descriptor).st_size, at)
        finally:
            os.close(descriptor)

    def names(self, folder: str) -> frozenset[str] | None:
        with self._folder(folder) as descriptor:
            if descriptor is None:
                return frozenset()
            return frozenset(entry.name for entry in _scan(descriptor, folder))

    @contextmanager
    def _folder(self, path: str) -> Iterator[int | None]:
        """The directory at a path, every component opened by itself; None where one is missing."""
        held = [os.dup(self._root)]
        at = ""
        try:
            for name in path.split("/") if path else ():
                self._check_twins(held[-1], at, name)
                at = f"{at}/{name}" if at else name
                descriptor = _open_folder(held[-1], name, at)
                if descriptor is None:
                    yield None
                    return
                held.append(descriptor)
            yield held[-1]
        finally:
            for descriptor in held:
                os.close(descriptor)

    def _check_twins(self, above: int, folder: str, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise BundleRefused("not_a_plain_file", f"{name!r} is no name of a bundle's file.")
        if folder not in self._twins:
            self._twins[folder] = _twins(entry.name for entry in _scan(above, folder or self.label))
        if name in self._twins[folder]:
            raise BundleRefused("name_twins", f"{folder}/{name} has a twin that differs in case only.")


class Tar:
    """A bundle as one uncompressed ustar file."""

    def __init__(self, path: Path) -> None:
        self.label = str(path)
        try:
            above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise refusal_of(self.label, error) from None
        try:
            descriptor = _open_plain(above, path.name, self.label)
        finally:
            os.close(above)
        if descriptor is None:
            raise BundleRefused("no_bundle", f"There is no {path}.")
        self._descriptor = descriptor
        try:
            self._index = _index(descriptor, self.label)
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        os.close(self._descriptor)

    def size(self, path: str) -> int | None:
        return self._index[path][1] if path in self._index else None

    @contextmanager
    def open(self, path: str, at: int = 0) -> Iterator[Stream | None]:
        if path not in self._index:
            yield None
            return
        offset, size = self._index[path]
        yield _File(self._descriptor, path, size, at, offset=offset, exact=True)

    def names(self, folder: str) -> frozenset[str] | None:
        prefix = f"{folder}/"
        inside = (path.removeprefix(prefix) for path in self._index if path.startswith(prefix))
        return frozenset(rest.partition("/")[0] for rest in inside)


def _index(descriptor: int, label: str) -> dict[str, tuple[int, int]]:
    """Path below the top directory -> (offset, size) of every entry, from the headers alone (L8)."""
    end = os.fstat(descriptor).st_size
    index: dict[str, tuple[int, int]] = {}
    names: set[str] = set()
    tops: set[str] = set()
    at = entries = 0
    while True:
        header = _block(descriptor, at, label)
        if header == bytes(_BLOCK):
            break
        if len(header) < _BLOCK:
            raise _bad_tar(label, f"it ends at byte {at} without its end mark")
        path, size, folder = _header(header, label, at)
        at += _BLOCK
        if at + size > end:
            raise _bad_tar(label, f"{path!r} reaches beyond the end of the file")
        entries += 1
        if entries > MAX_ENTRIES:
            raise BundleRefused("too_many_names", f"{label} has more than {MAX_ENTRIES} entries.")
        top, _, rest = path.partition("/")
        ignored = any(part.startswith("._") for part in path.split("/"))
        if top and not ignored:
            tops.add(top)
        if rest and not ignored:
            if path.casefold() in names:
                raise _bad_tar(label, f"{path!r} is there twice")
            names.add(path.casefold())
            if not folder:
                index[rest] = (at, size)
        at += -(-size // _BLOCK) * _BLOCK
    if len(tops) > 1:
        raise _bad_tar(label, "it has more than one top directory")
    if any(outer in index for path in index for outer in _above(path)):
        raise _bad_tar(label, "a file lies in what is itself a file")
    return index


def _header(header: bytes, label: str, at: int) -> tuple[str, int, bool]:
    """Path, size in bytes, and whether it is a directory."""
    kind = header[156:157]
    total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if _octal(header[148:156], label) != total:
        raise _bad_tar(label, f"the header at byte {at} has a wrong checksum")
    if header[257:262] != b"ustar":
        raise _bad_tar(label, f"the header at byte {at} is not ustar")
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    raw = b"/".join(part for part in (prefix, header[:100].partition(b"\0")[0]) if part)
    path = raw.decode("ascii", errors="replace")
    if kind not in (b"0", b"\0", b"5"):
        raise _bad_tar(label, f"{path!r} is of type {kind!r}, neither file nor directory")
    folder = kind == b"5"
    path = path.removeprefix("./")
    if folder:
        path = path.rstrip("/")
    parts = path.split("/")
    for part in parts:
        if part.startswith("._") and part.isprintable() and part != ".." and len(part) <= 255:
            continue
        if not _NAME.fullmatch(part) and not (folder and path in ("", ".")):
            raise _bad_tar(label, f"{path!r} is no name of a bundle's file")
    size = _octal(header[124:136], label)
    if folder and size:
        raise _bad_tar(label, f"the directory {path!r} has a size")
    return path, size, folder


def _octal(field: bytes, label: str) -> int:
    text = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,12}", text):
        raise _bad_tar(label, "a number in a header is not octal")
    return int(text, 8)


def _block(descriptor: int, at: int, label: str) -> bytes:
    try:
        return os.pread(descriptor, _BLOCK, at)
    except OSError as error:
        raise refusal_of(label, error) from None


def _above(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _open_plain(above: int, name: str, label: str) -> int | None:
    """A regular file, looked at before it is opened, since to open a device or FIFO is to use it."""
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            raise BundleRefused("not_a_plain_file", f"{label} is not a regular file.")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=above)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal_of(label, error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BundleRefused("not_a_plain_file", f"{label} is not a regular file.")
    return descriptor


def _open_folder(above: int, name: str, label: str) -> int | None:
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal_of(label, error) from None


def _scan(where: Path | int, label: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(where) as entries:
            for count, entry in enumerate(entries):
                if count >= MAX_NAMES:
                    raise BundleRefused("too_many_names", f"{label} has more than {MAX_NAMES} names.")
                yield entry
    except OSError as error:
        raise refusal_of(label, error) from None


def _twins(names: Iterator[str]) -> frozenset[str]:
    """The names that have another beside them which differs in case only."""
    first: dict[str, str] = {}
    twins: set[str] = set()
    for name in names:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            twins |= {name, other}
    return frozenset(twins)


def refusal_of(label: str, error: OSError) -> BundleRefused:
    """What the kernel said of a medium, as a refusal."""
    if error.errno in _GONE:
        return BundleRefused("medium_gone", f"{label}: {error.strerror}.")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return BundleRefused("not_a_plain_file", f"{label}: there is a link or a file where a directory must be.")
    if error.errno == errno.ENOENT:
        return BundleRefused("no_bundle", f"There is no {label}.")
    return BundleRefused("unreadable", f"{label}: {error.strerror}.")


def _too_large(path: str, limit: int) -> BundleRefused:
    return BundleRefused("too_large", f"{path} has more than the {limit} bytes that it may have.")


def _bad_tar(label: str, why: str) -> BundleRefused:
    return BundleRefused("bad_tar", f"{label}: {why}.")

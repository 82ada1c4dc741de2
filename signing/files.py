"""Files as the bench writes them: whole under their final name, or not there.

Rules kept here:
1. Content goes to a name that begins with a dot and ends in `.part`, reaches the disk, and is renamed.
2. A key is never overwritten: it is linked to its name, which fails where the name is taken.
3. What is read is a regular file, and is read up to one byte past its limit.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from signing.errors import BenchError

METADATA_BYTES = 16 * 1024 * 1024


def read(path: Path, code: str, limit: int = METADATA_BYTES) -> bytes:
    """The bytes of a regular file. Raises BenchError with the code where it is not there, not regular or too long."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BenchError(code, f"{path} is not a regular file.")
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                content = stream.read(limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BenchError(code, f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > limit:
        raise BenchError(code, f"{path} is longer than {limit} bytes.")
    return content


def write(path: Path, content: bytes) -> None:
    """Put the content under the name, in place of what is there. Raises OSError."""
    draft = _draft(path, content, 0o644)
    try:
        draft.rename(path)
    except OSError:
        draft.unlink()
        raise
    settle(path.parent)


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Put the content under a name that nothing has yet. Raises FileExistsError, OSError."""
    draft = _draft(path, content, mode)
    try:
        os.link(draft, path)
    finally:
        draft.unlink()
    settle(path.parent)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Nobody else changes the station meanwhile; what an interrupted run left is cleared. Raises BenchError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError(
                "station_busy", f"Another command is at work in {directory}.", next_step="Wait until it has ended."
            ) from None
        for left in directory.rglob(".*.part"):
            left.unlink()
        yield
    finally:
        os.close(descriptor)


def settle(directory: Path) -> None:
    """What was renamed in the directory survives a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder(path: Path) -> None:
    """Make the directory and those above it, each of them on the disk. Raises OSError."""
    if not path.is_dir():
        folder(path.parent)
        path.mkdir(exist_ok=True)
        settle(path.parent)


def part(path: Path) -> Path:
    """A name beside the final one that nothing takes for it."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _draft(path: Path, content: bytes, mode: int) -> Path:
    draft = part(path)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    return draft

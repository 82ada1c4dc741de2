"""Real file systems for tests: images that this host mounts, in a mount namespace of the test process alone."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

KINDS = ("directory", "ext4", "fat")
_PATH = f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin"
_CLONE_NEWNS = 0x00020000
_SMALLEST_FAT32 = 34  # MiB, with clusters of 512 bytes


class Medium:
    """A mounted image of its own, memory of a limited size, or a plain directory."""

    def __init__(self, kind: str, path: Path, image: Path, megabytes: int) -> None:
        self.kind, self.path, self.image, self.megabytes = kind, path, image, megabytes
        self._process: subprocess.Popen[bytes] | None = None

    def plug_in(self, *, writable: bool = False) -> None:
        if self.kind == "directory":
            return
        if self.kind == "fat" and not _kernel_has_fat():
            mode = "rw+" if writable else "ro"  # fusefat's word for 'I know that this writes'
            self._process = subprocess.Popen(["fusefat", "-f", "-o", mode, self.image, self.path], stdout=-3, stderr=-3)
            until = time.monotonic() + 20
            while not os.path.ismount(self.path) and time.monotonic() < until:
                time.sleep(0.02)
            if not os.path.ismount(self.path):
                raise OSError("fusefat mounted nothing")
            return
        if self.kind == "memory":
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m", "none", self.path],
                check=True,
                capture_output=True,
            )
            return
        mode = "loop" if writable else "loop,ro"
        kind = "vfat" if self.kind == "fat" else self.kind
        subprocess.run(["mount", "-t", kind, "-o", mode, self.image, self.path], check=True, capture_output=True)

    def unplug(self) -> None:
        if self.kind == "directory":
            return
        subprocess.run(["umount", "-l", self.path], check=False, capture_output=True)
        if self._process is not None:
            self._process.wait(20)
            self._process = None

    def again(self) -> None:
        """As after plugging in: read-only, and nothing of it in memory."""
        self.unplug()
        self.plug_in()

    def pull(self) -> None:
        """Take away what lies beneath: reading on gives EIO or ENOTCONN; of a directory, the files are gone."""
        if self.kind == "directory":
            shutil.rmtree(self.path / "a.bundle/blobs")
        elif self._process is not None:
            self._process.kill()
            self._process.wait(20)
        else:
            os.truncate(self.image, 4096)


@contextmanager
def mounted(top: Path, kind: str, megabytes: int) -> Iterator[Medium]:
    """A new, writable medium. Skips the test where this host mounts none of that kind."""
    if kind != "directory" and not mounts(kind):
        pytest.skip(f"this host mounts no {kind} image")
    with _plugged_in(top, kind, megabytes) as medium:
        yield medium


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte to be had on this disk meanwhile."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    try:
        yield
    finally:
        filler.unlink(missing_ok=True)


@contextmanager
def _plugged_in(top: Path, kind: str, megabytes: int) -> Iterator[Medium]:
    path = top / f"{kind}-{megabytes}"
    path.mkdir(parents=True)
    medium = Medium(kind, path, top / f"{kind}-{megabytes}.img", megabytes)
    if kind in ("ext4", "fat"):
        with medium.image.open("wb") as file:
            file.truncate(max(megabytes, _SMALLEST_FAT32 if kind == "fat" else 0) << 20)
        made = ["mkfs.ext4", "-q", "-m", "0"] if kind == "ext4" else ["mkfs.vfat", "-F", "32", "-s", "1"]
        program = shutil.which(made[0], path=_PATH)
        if program is None:
            raise OSError(f"{made[0]} is not installed")
        subprocess.run([program, *made[1:], medium.image], check=True, capture_output=True)
    medium.plug_in(writable=True)
    try:
        yield medium
    finally:
        medium.unplug()


@cache
def mounts(kind: str) -> bool:
    """Whether this host mounts images of this kind; asked by doing it."""
    import tempfile

    try:
        _alone()
        with tempfile.TemporaryDirectory() as top, _plugged_in(Path(top), kind, 4) as medium:
            (medium.path / "written").write_text("x")
            if kind != "memory":
                medium.again()
            return (medium.path / "written").read_text() == "x"
    except (OSError, subprocess.CalledProcessError):
        return False


@cache
def _alone() -> None:
    """A mount namespace of this process's own: what a test mounts, nothing else sees, and a kill leaves none of it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True, capture_output=True)


def _kernel_has_fat() -> bool:
    return "\tvfat\n" in Path("/proc/filesystems").read_text()

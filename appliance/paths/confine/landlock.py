"""Landlock: this process may read what it is made of and the files that are named, and write nothing.

Rules kept here:
1. Every right that this kernel's Landlock knows (of those known here) is taken, then given back for reading only.
2. Directories of programs and libraries are readable: a language runtime loads parts of itself late.
3. It also takes TCP (ABI 4), and abstract Unix sockets and signals to others (ABI 6): a second lock on those doors.

Landlock sees opening, not what is open already, and not stat. Source: landlock(7) and linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1  # flag of landlock_create_ruleset: answer with the ABI
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_READ_FILE, _READ_DIR, _WRITE_FILE, _IOCTL_DEV = 1 << 2, 1 << 3, 1 << 1, 1 << 15
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many file rights an ABI knows
_TCP = 0b11  # bind and connect, from ABI 4 on
_SCOPES = 0b11  # abstract Unix sockets and signals, from ABI 6 on
# What C libraries read of a host while they run: how many processors and how much memory, and the time zone.
_HOST = (
    "/sys/devices/system/cpu", "/sys/devices/system/node", "/proc/cpuinfo", "/proc/meminfo", "/etc/ld.so.cache",
    "/etc/localtime", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom",
)  # fmt: skip
_DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps/*", "/dev/dri", "/dev/kfd")
_FOR_DEVICES = ("/proc", "/sys", "/etc/OpenCL", "/etc/vulkan", "/usr/share/vulkan")


class Unavailable(Exception):
    """Landlock does not hold this process; the message says why in one sentence."""


def version(libc: ctypes.CDLL) -> int:
    """The ABI of this kernel's Landlock. Raises Unavailable."""
    abi = int(libc.syscall(ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION)))
    if abi < 1:
        raise Unavailable(f"the kernel offers no Landlock ({os.strerror(ctypes.get_errno())})")
    return abi


def restrict(readable: Sequence[Path], *, devices: bool = False) -> int:
    """Take this process's rights. Returns the ABI. Raises Unavailable; nothing is taken then."""
    libc = ctypes.CDLL(None, use_errno=True)
    abi = version(libc)
    try:
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208  a number is wanted, no paths
        own = own_files()
    except OSError as error:
        raise Unavailable(f"what this process consists of cannot be read ({error.strerror})") from None
    if threads != 1:
        raise Unavailable("Landlock holds only threads to come, and this process has several already")
    handled = (1 << _RIGHTS.get(abi, 16)) - 1
    layout = struct.pack("=QQQ", handled, _TCP if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    layout = layout[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = libc.syscall(ctypes.c_long(_CREATE), layout, ctypes.c_size_t(len(layout)), ctypes.c_uint(0))
    if ruleset < 0:
        raise Unavailable(f"the kernel makes no Landlock ruleset ({os.strerror(ctypes.get_errno())})")
    try:
        for path in {*readable, *own, *map(Path, _HOST), *(map(Path, _FOR_DEVICES) if devices else ())}:
            _allow(libc, ruleset, path, (_READ_FILE | _READ_DIR) & handled)
        for path in _found(_DEVICES) if devices else ():
            _allow(libc, ruleset, path, (_READ_FILE | _READ_DIR | _WRITE_FILE | _IOCTL_DEV) & handled)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))
        if libc.syscall(ctypes.c_long(_RESTRICT), ctypes.c_int(ruleset), ctypes.c_uint(0)):
            raise Unavailable(f"the kernel does not enforce Landlock ({os.strerror(ctypes.get_errno())})")
    finally:
        os.close(ruleset)
    return abi


def own_files() -> set[Path]:
    """What this program consists of: its language's library, the packages that it loaded, and mapped C libraries."""
    places = sysconfig.get_paths()
    out = {Path(places["stdlib"]), Path(places["platstdlib"])}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and "." not in name:
            at = Path(file)
            # A package is its directory; a module alone is a file, and its directory may hold anything.
            out.add(at.parent if at.stem.partition(".")[0] == "__init__" else at)
    out |= {Path(entry) for entry in sys.path if entry.endswith(".zip")}
    for library in _mapped_libraries():
        shared = (
            library.parent.suffix == ".libs" or library.is_relative_to("/lib") or library.is_relative_to("/usr/lib")
        )
        out.add(library.parent if shared else library)
    return out


def _mapped_libraries() -> set[Path]:
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    mapped = {fields[5] for line in lines if len(fields := line.split(None, 5)) == 6}
    return {Path(path) for path in mapped if path.startswith("/") and ".so" in path}


def _found(patterns: Iterable[str]) -> Iterable[Path]:
    for pattern in patterns:
        yield from Path("/").glob(pattern.lstrip("/"))


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """Give `rights` back beneath `path`; a path that is not there needs none."""
    try:
        at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112  on the string, as os.open took it
            rights &= ~_READ_DIR
        layout = struct.pack("=Qi", rights, at)
        if libc.syscall(
            ctypes.c_long(_ADD), ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), layout, ctypes.c_uint(0)
        ):
            raise Unavailable(f"the kernel refuses a Landlock rule ({os.strerror(ctypes.get_errno())})")
    finally:
        os.close(at)

"""Tries what a confined process must not be able to do, and says how each try ended.

Rules kept here:
1. Every try is harmless where nothing stops it: arguments that the kernel would refuse for themselves, addresses that
   are nobody's (RFC 5737, RFC 3849, RFC 2606), a signal that is none, a child that ends at once.
2. The calls go to the kernel as they are, past every check of Python and of the C library; some go the usual way too.
3. 'refused' is said of an answer that the confinement gives. An ordinary user is refused some of the calls anyway; what
   a host without a route or a file stops is not called refused.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from appliance.paths.confine.seccomp import architecture
from appliance.paths.confine.syscalls import number

OUTSIDE, OUTSIDE_6, NOBODY = "192.0.2.1", "2001:db8::1", "weir-doctor.invalid"
_REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS)
_STREAM, _DATAGRAM, _RAW = 1, 2, 3
_BAD = -1  # no file descriptor
_SIGCHLD = 17
_X32 = 0x40000000
# What Landlock alone refuses.
BESIDE, STARTED_WITH = "what lies beside the model", "what the node was started with"
_ADDRESS = ctypes.create_string_buffer(b"\2\0\0\x35\xc0\0\2\1" + bytes(8))  # struct sockaddr_in: 192.0.2.1, port 53
# What is tried: a call and its arguments. Without a filter each would end with another error, or harmlessly.
Tries = Mapping[str, tuple[str, tuple[int, ...]]]
NETWORK: Tries = {
    "an IPv4 stream socket": ("socket", (2, _STREAM, 0)),
    "an IPv4 datagram socket": ("socket", (2, _DATAGRAM, 0)),
    "an IPv6 stream socket": ("socket", (10, _STREAM, 0)),
    "a raw socket": ("socket", (2, _RAW, 1)),
    "a packet socket": ("socket", (17, _RAW, 0)),
    "a netlink socket": ("socket", (16, _RAW, 0)),
    "a Unix socket": ("socket", (1, _STREAM, 0)),
    "a VSOCK socket": ("socket", (40, _STREAM, 0)),
    "a socket by the x32 numbers": ("socket", (2, _STREAM, 0)),
    "a socket pair": ("socketpair", (1, _STREAM, 0, 0)),
    "connect": ("connect", (_BAD, 0, 0)),
    "bind": ("bind", (_BAD, 0, 0)),
    "listen": ("listen", (_BAD, 0)),
    "accept": ("accept", (_BAD, 0, 0)),
    "accept4": ("accept4", (_BAD, 0, 0, 0)),
    "a message with descriptors": ("sendmsg", (_BAD, 0, 0)),
    "descriptors from a message": ("recvmsg", (_BAD, 0, 0)),
    "a datagram with an address": ("sendto", (_BAD, 0, 0, 0, ctypes.addressof(_ADDRESS), 16)),
    "io_uring": ("io_uring_setup", (0, 0)),
    "bpf": ("bpf", (-1, 0, 0)),
}
PROCESSES: Tries = {
    "a child by fork": ("fork", ()),
    "a child by clone": ("clone", (_SIGCHLD, 0, 0, 0, 0)),
    "a child by clone3": ("clone3", (0, 0)),
    "execve": ("execve", (0, 0, 0)),
    "execveat": ("execveat", (_BAD, 0, 0, 0, 0)),
    "ptrace": ("ptrace", (2, _BAD, 0, 0)),
    "another's memory": ("process_vm_readv", (_BAD, 0, 0, 0, 0, 0)),
    "a handle of a process": ("pidfd_open", (_BAD, 0)),
    "a namespace of its own": ("unshare", (0,)),
    "another's namespace": ("setns", (_BAD, 0)),
    "performance counters": ("perf_event_open", (0, 0, 0, 0, 0)),
    "another limit of memory": ("prlimit64", (0, 9, 1, 0)),
    "userfaultfd": ("userfaultfd", (-1,)),
    "a key ring": ("keyctl", (-1,)),
    "a call newer than this program": ("", ()),
}
FILES: Tries = {
    "a file by its handle": ("open_by_handle_at", (_BAD, 0, 0)),
    "a mount": ("mount", (0, 0, 0, 0, 0)),
    "a directory": ("mkdirat", (_BAD, 0, 0)),
}


def attempts(model: Path, link: int) -> dict[str, dict[str, str]]:
    """How each try ended, such as 'refused (EPERM)', in the groups network, processes and files.

    `link` is the socket that this process has. The model's directory should exist.
    """
    network, processes, files = (
        {what: _call(what, name, arguments) for what, (name, arguments) in tries.items()}
        for tries in (NETWORK, PROCESSES, FILES)
    )
    sockets = (network["an IPv4 datagram socket"], network["an IPv6 stream socket"], network["a Unix socket"])
    network["a look-up of a name"] = _look_up(unheard=all(ended.startswith("refused") for ended in sockets))
    network["TCP the usual way"] = _python(lambda: socket.create_connection((OUTSIDE, 443), timeout=2))
    network["TCP over IPv6 the usual way"] = _python(lambda: socket.create_connection((OUTSIDE_6, 443), timeout=2))
    network["a connection of the inherited socket"] = _python(
        lambda: socket.socket(fileno=os.dup(link)).connect("/run/weir-doctor-nobody.sock")
    )
    processes["a child the usual way"] = _python(lambda: subprocess.run([sys.executable, "-V"], check=False))
    processes["a signal to the node"] = _python(lambda: os.kill(os.getppid(), 0))
    files["a file for writing"] = _python(lambda: os.open("/dev/null", os.O_WRONLY))
    files[BESIDE] = _python(lambda: os.open(model.parent, os.O_RDONLY))
    files[STARTED_WITH] = _python(lambda: os.open(f"/proc/{os.getppid()}/environ", os.O_RDONLY))
    return {"network": network, "processes": processes, "files": files}


def _call(what: str, name: str, arguments: tuple[int, ...]) -> str:
    here = architecture()
    known = number(name, here) if name else 0x0FFFFFFF
    if "x32" in what:
        if here != "x86_64":
            return "refused (there is no x32)"
        known = (known or 0) + _X32
    if known is None:
        return "refused (there is no such call)"
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    came = libc.syscall(ctypes.c_long(known), *map(ctypes.c_long, arguments))
    if came == 0 and name in ("fork", "clone"):
        os._exit(0)  # this is the child that should not be
    if came < 0:
        return _ended(ctypes.get_errno())
    if name == "socket":
        os.close(came)
    return "not refused"


def _python(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return _ended(error.errno or 0)
    return "not refused"


def _look_up(*, unheard: bool) -> str:
    """The resolver answers with words of its own whatever stopped it; `unheard` says that it gets no socket."""
    try:
        socket.getaddrinfo(NOBODY, 443)
    except OSError as error:
        return f"refused ({error.strerror})" if unheard else f"not refused ({error.strerror})"
    return "not refused"


def _ended(code: int) -> str:
    name = errno.errorcode.get(code, str(code))
    return f"refused ({name})" if code in _REFUSED else f"not refused ({name})"

"""The seccomp filter: the rules as a classic BPF program, and the call that hangs it on this process.

Rules kept here:
1. The program looks at the architecture first: numbers mean other calls to another one. A call by the way of another
   architecture (32-bit on x86_64) ends the process; x32 numbers are above every number that is allowed.
2. The filter holds for every thread that runs already (TSYNC), and needs no privileges (no_new_privs).
3. A call that is refused gets an errno, so that a library that only asks goes on.

Sources: seccomp(2); linux/filter.h and linux/seccomp.h for the layouts.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

from appliance.paths.confine.syscalls import NEWEST, Architecture, Rule, Test, number, rules

_AUDIT: dict[Architecture, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP: dict[Architecture, int] = {"x86_64": 317, "aarch64": 277}
_LOAD, _AND, _EQUAL, _GREATER, _RETURN = (
    0x20,
    0x54,
    0x15,
    0x25,
    0x06,
)  # BPF_LD|W|ABS, ALU|AND|K, JMP|JEQ|K, JGT|K, RET|K
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_SET_MODE_FILTER, _TSYNC = 1, 1
_PR_SET_NO_NEW_PRIVS = 38
_MOST = 4096  # instructions of one program (BPF_MAXINSNS)

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


class NoFilter(Exception):
    """This kernel or machine sets no filter; the message says why in one sentence."""


def program(chosen: tuple[Rule, ...], architecture: Architecture) -> list[Instruction]:
    """The filter for these rules."""
    out: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT[architecture]),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_GREATER, 0, 1, NEWEST),
        (_RETURN, 0, 0, ERRNO | errno.ENOSYS),
    ]
    for rule in chosen:
        known = number(rule.name, architecture)
        if known is not None:
            body = _body(rule)
            out += [(_EQUAL, 0, len(body), known), *body]
    out.append((_RETURN, 0, 0, ALLOW))
    assert len(out) <= _MOST
    return out


def _body(rule: Rule) -> list[Instruction]:
    """What is done once the number is that of the rule; it always ends in an answer."""
    refuse: Instruction = (_RETURN, 0, 0, ERRNO | rule.answer)
    if not rule.tests:
        return [refuse]
    return [part for test in rule.tests for part in (*_test(test), refuse)] + [(_RETURN, 0, 0, ALLOW)]


def _test(test: Test) -> list[Instruction]:
    """Passes over the instruction behind it where the test does not hold. Both architectures are little-endian."""
    jump: Instruction = (_EQUAL, 0, 1, test.value) if test.equal else (_EQUAL, 1, 0, test.value)
    return [
        (_LOAD, 0, 0, _ARGUMENTS + 8 * test.argument + 4 * test.upper),
        (_AND, 0, 0, test.mask),
        jump,
    ]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def architecture() -> Architecture:
    """Of this process. Raises NoFilter for one whose numbers are not known here."""
    machine = platform.machine()
    if sys.platform == "linux" and sys.byteorder == "little" and struct.calcsize("P") == 8:
        if machine == "x86_64":
            return "x86_64"
        if machine == "aarch64":
            return "aarch64"
    raise NoFilter(f"no seccomp filter is written for {sys.platform} on {machine}")


def restrict(*, devices: bool = False) -> None:
    """Hang the filter on this process. Raises NoFilter."""
    here = architecture()
    install(program(rules(os.getpid(), devices=devices), here), here)


def install(instructions: list[Instruction], here: Architecture) -> None:
    """Hang any program on this process, for good. Raises NoFilter with the kernel's reason."""
    raw = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(raw, len(raw))
    wanted = _Program(len(instructions), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))):
        raise NoFilter(f"the kernel keeps no_new_privs from being set ({os.strerror(ctypes.get_errno())})")
    # 0 is success; with TSYNC a positive answer is a thread that could not be brought along.
    if libc.syscall(ctypes.c_long(_SECCOMP[here]), _SET_MODE_FILTER, _TSYNC, ctypes.byref(wanted)):
        raise NoFilter(f"the kernel sets no seccomp filter ({os.strerror(ctypes.get_errno())})")

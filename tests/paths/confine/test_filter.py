"""The filter as a program: for both architectures it refuses what the rules name, and nothing that workers need."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.paths.confine.seccomp import ALLOW, ERRNO, KILL, program
from appliance.paths.confine.syscalls import CLONE_THREAD, NEWEST, NUMBERS, Architecture, number, offline_rules, rules
from tests.paths.confine.bpf import check, run

PID = 4711
AUDIT: dict[str, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
REFUSED = ERRNO | errno.EPERM
ABSENT = ERRNO | errno.ENOSYS
ANY = st.integers(min_value=0, max_value=(1 << 64) - 1)
ARGUMENTS = st.tuples(ANY, ANY, ANY, ANY, ANY, ANY)
# Calls that a language runtime, a C++ library with threads, and a socket need.
NEEDED = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "poll, ppoll": (7, 73), "mmap": (9, 222), "munmap": (11, 215),
    "mprotect": (10, 226), "brk": (12, 214), "rt_sigaction": (13, 134), "pread64": (17, 67), "madvise": (28, 233),
    "recvfrom": (45, 207), "getsockopt": (55, 209), "exit": (60, 93), "exit_group": (231, 94), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "set_robust_list": (273, 99), "getrandom": (318, 278), "rseq": (334, 293),
    "clock_gettime": (228, 113), "fstat": (5, 80),
}  # fmt: skip


def asked(here: Architecture, name: str, *arguments: int, devices: bool = False) -> int:
    known = number(name, here)
    assert known is not None
    return run(program(rules(PID, devices=devices), here), known, AUDIT[here], arguments)


@pytest.mark.parametrize("here", ARCHITECTURES)
@pytest.mark.parametrize("devices", [False, True])
def test_the_kernel_would_take_the_program(here: Architecture, devices: bool) -> None:
    check(program(rules(PID, devices=devices), here))


@settings(deadline=None)
@given(st.sampled_from([rule for rule in rules(PID) if not rule.tests]), st.sampled_from(ARCHITECTURES), ARGUMENTS)
def test_a_call_that_is_never_allowed_is_refused_whatever_its_arguments(
    rule: object, here: Architecture, arguments: tuple[int, ...]
) -> None:
    name = rule.name  # type: ignore[attr-defined]
    if number(name, here) is not None:
        assert asked(here, name, *arguments) == ERRNO | rule.answer  # type: ignore[attr-defined]


@settings(deadline=None)
@given(st.sampled_from(ARCHITECTURES), st.integers(min_value=NEWEST + 1, max_value=0xFFFFFFFF), ARGUMENTS)
def test_a_call_newer_than_the_table_is_absent_and_so_is_every_x32_number(
    here: Architecture, call: int, arguments: tuple[int, ...]
) -> None:
    assert run(program(rules(PID), here), call, AUDIT[here], arguments) == ABSENT


@settings(deadline=None)
@given(st.sampled_from(ARCHITECTURES), st.integers(min_value=0, max_value=0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_a_call_by_the_way_of_another_architecture_ends_the_process(here: Architecture, other: int, call: int) -> None:
    if other != AUDIT[here]:
        assert run(program(rules(PID), here), call, other) == KILL
    other_one = next(audit for name, audit in AUDIT.items() if name != here)
    assert run(program(rules(PID), here), call, other_one) == KILL
    assert run(program(rules(PID), here), call, 0x40000003) == KILL  # i386


@settings(deadline=None)
@given(st.sampled_from(ARCHITECTURES), ARGUMENTS)
def test_what_a_worker_needs_passes_whatever_its_arguments(here: Architecture, arguments: tuple[int, ...]) -> None:
    rows = program(rules(PID), here)
    for name, numbers in NEEDED.items():
        assert run(rows, numbers[here == "aarch64"], AUDIT[here], arguments) == ALLOW, name


@settings(deadline=None)
@given(st.sampled_from(ARCHITECTURES), ARGUMENTS)
def test_threads_start_and_children_do_not(here: Architecture, arguments: tuple[int, ...]) -> None:
    flags, *rest = arguments
    assert asked(here, "clone", flags | CLONE_THREAD, *rest) == ALLOW
    assert asked(here, "clone", flags & ~CLONE_THREAD, *rest) == REFUSED
    assert asked(here, "clone", CLONE_THREAD << 32, *rest) == REFUSED
    assert asked(here, "clone3", *arguments) == ABSENT


@settings(deadline=None)
@given(st.sampled_from(ARCHITECTURES), ARGUMENTS)
def test_the_socket_is_written_without_an_address_only(here: Architecture, arguments: tuple[int, ...]) -> None:
    a, b, c, d, address, size = arguments
    assert asked(here, "sendto", a, b, c, d, 0, size) == ALLOW
    assert asked(here, "sendto", a, b, c, d, address or 1, size) == REFUSED
    assert asked(here, "sendto", a, b, c, d, 1 << 32, size) == REFUSED


@settings(deadline=None)
@given(st.sampled_from(ARCHITECTURES), st.integers(min_value=0, max_value=(1 << 32) - 1), ANY)
def test_signals_reach_this_process_only(here: Architecture, pid: int, what: int) -> None:
    for name in ("kill", "tgkill"):
        assert asked(here, name, pid, what) == (ALLOW if pid == PID else REFUSED)
        assert asked(here, name, PID, what) == ALLOW


@settings(deadline=None)
@given(st.sampled_from(ARCHITECTURES), ANY, ANY)
def test_files_are_opened_for_reading_only(here: Architecture, path: int, flags: int) -> None:
    writes = bool(flags & (0o3 | 0o100 | 0o1000))
    assert asked(here, "openat", 0, path, flags) == (REFUSED if writes else ALLOW)
    assert asked(here, "openat", 0, path, flags, devices=True) == ALLOW
    assert asked(here, "openat2", 0, path, flags) == ABSENT
    if here == "x86_64":
        assert asked(here, "open", path, flags) == (REFUSED if writes else ALLOW)


@pytest.mark.parametrize("here", ARCHITECTURES)
def test_limits_are_read_and_not_set(here: Architecture) -> None:
    assert asked(here, "prlimit64", 0, 9, 0, 0x7000) == ALLOW
    assert asked(here, "prlimit64", 0, 9, 0x7000, 0) == REFUSED
    assert asked(here, "prlimit64", 0, 9, 1 << 40, 0) == REFUSED
    assert asked(here, "prlimit64", 1, 9, 0, 0x7000) == REFUSED


@pytest.mark.parametrize("here", ARCHITECTURES)
def test_prctl_and_ioctl_keep_their_harmless_half(here: Architecture) -> None:
    assert asked(here, "prctl", 15, 0x7000) == ALLOW  # a thread's name
    assert asked(here, "prctl", 1, 0) == REFUSED  # the worker would outlive its node
    assert asked(here, "ioctl", 5, 0x5421, 0x7000) == ALLOW  # FIONBIO
    assert asked(here, "ioctl", 5, 0x5412, 0x7000) == REFUSED  # TIOCSTI
    assert asked(here, "ioctl", 5, 0x8914, 0x7000) == REFUSED  # SIOCSIFFLAGS
    assert asked(here, "ioctl", 5, (1 << 32) | 0x8914, 0x7000) == REFUSED


def test_every_rule_has_a_number_and_every_number_a_rule() -> None:
    names = [rule.name for rule in rules(PID)]
    assert len(names) == len(set(names))
    assert set(names) == set(NUMBERS)
    assert all(value is None or 0 <= value <= NEWEST for pair in NUMBERS.values() for value in pair)


@pytest.mark.parametrize("here", ARCHITECTURES)
def test_the_numbers_are_those_of_the_kernel_headers(here: Architecture) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    asm = next(Path("/usr/include").glob("**/asm/unistd_64.h"), None) if here == "x86_64" else Path("asm-generic")
    if compiler is None or asm is None:
        pytest.skip("the kernel's headers are not here")
    source = f"#include <{asm}>" if here == "x86_64" else "#include <asm-generic/unistd.h>"
    wants = ("RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "SYS_CLONE3", "MEMFD_SECRET")
    done = subprocess.run(
        [compiler, "-E", "-dM", "-D__BITS_PER_LONG=64", *(f"-D__ARCH_WANT_{name}" for name in wants), "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    )
    stated = {name: int(value) for name, value in re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)\b", done.stdout)}
    assert len(stated) > 250
    for name, pair in NUMBERS.items():
        ours = pair[here == "aarch64"]
        if name in stated:
            assert ours == stated[name], name
        else:  # a call that these headers are too old for, or that the architecture never had
            assert ours is None or ours > max(stated.values()), name


@settings(deadline=None)
@given(st.sampled_from(ARCHITECTURES), ARGUMENTS)
def test_offline_means_no_socket_of_any_family_and_no_other_way_to_one(
    here: Architecture, arguments: tuple[int, ...]
) -> None:
    rows = program(offline_rules(), here)
    check(rows)
    for name in (
        "socket",
        "connect",
        "bind",
        "listen",
        "accept",
        "accept4",
        "recvmsg",
        "sendmsg",
        "sendmmsg",
        "io_uring_setup",
        "pidfd_getfd",
    ):
        call = number(name, here)
        assert call is not None
        assert run(rows, call, AUDIT[here], arguments) == REFUSED, name
    pair, sendto = number("socketpair", here), number("sendto", here)
    assert pair is not None
    assert sendto is not None
    family, *rest = arguments
    assert run(rows, pair, AUDIT[here], arguments) == (ALLOW if family & 0xFFFFFFFF == 1 else REFUSED)
    assert run(rows, pair, AUDIT[here], (1, *rest)) == ALLOW
    a, b, c, d, address, size = arguments
    assert run(rows, sendto, AUDIT[here], (a, b, c, d, address or 1, size)) == REFUSED
    # What starts children, writes files and sets a worker's own filter stays.
    for name in ("fork", "execve", "clone", "clone3", "openat", "renameat2", "prctl", "seccomp", "linkat", "fchmod"):
        call = number(name, here)
        assert call is None or run(rows, call, AUDIT[here], arguments) == ALLOW, name
    for name, numbers in NEEDED.items():
        assert run(rows, numbers[here == "aarch64"], AUDIT[here], arguments) == ALLOW, name

"""What a confined process may not ask of the kernel: the calls by name, their numbers, and when each is refused.

Rules kept here:
1. What is named here is refused; so is every call newer than `NEWEST`, with ENOSYS, as an older kernel would. A call
   that is neither is allowed: what a language runtime and a C++ library need differs between their versions.
2. A rule looks at numbers only. What lies behind a pointer can be changed after the filter has looked.
3. The numbers are those of the kernel's `asm/unistd_64.h` (x86_64) and `asm-generic/unistd.h` (aarch64).

Sources: the man pages of section 2; seccomp(2) for what a filter sees.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Literal

Architecture = Literal["x86_64", "aarch64"]
NEWEST = 462  # mseal, Linux 6.10. The numbers above 423 are the same on both architectures.
WHOLE = 0xFFFFFFFF

CLONE_THREAD = 0x00010000
_AF_UNIX = 1
_FOR_WRITING = 0o1 | 0o2 | 0o100 | 0o1000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC: alike on both architectures
# An ioctl that types into a terminal (TIOCSTI, TIOCLINUX), and all that ask or change network interfaces (0x89..).
_TYPING = (0x5412, 0x541C)
_INTERFACES = 0x8900
# What prctl must not change: when this process dies, who may look into it, where its memory map lies.
_PRCTL = (1, 4, 35, 0x59616D61)


@dataclass(frozen=True, slots=True)
class Test:
    """True where one half of an argument, masked, equals `value` (or with `equal` False: does not)."""

    argument: int  # 0 to 5
    value: int
    mask: int = WHOLE
    upper: bool = False
    equal: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """A call, the errno it is answered with, and when: if any of `tests` holds; always, where there are none."""

    name: str
    answer: int = errno.EPERM
    tests: tuple[Test, ...] = ()


def rules(pid: int, *, devices: bool = False) -> tuple[Rule, ...]:
    """All rules for the process `pid`. With `devices` files may be opened for writing; Landlock says which."""
    never = (*_NETWORK, *_PROCESSES, *_KERNEL, *_MOUNTS, *_SHARED, *_FILES)
    itself = (Test(0, pid, equal=False),)
    sometimes = (
        # A connected socket is written with send(2), which is sendto without an address.
        Rule("sendto", tests=_not_null(4)),
        Rule("clone", tests=(Test(0, 0, mask=CLONE_THREAD),)),
        Rule("clone3", errno.ENOSYS),  # its flags lie behind a pointer; the C library then takes clone
        Rule("openat2", errno.ENOSYS),  # the same, and then openat
        Rule("kill", tests=itself),
        Rule("tgkill", tests=itself),
        # Limits may be read, not set, and only one's own: the process 0 is the one that asks.
        Rule("prlimit64", tests=(Test(0, 0, equal=False), *_not_null(2))),
        Rule("prctl", tests=tuple(Test(0, option) for option in _PRCTL)),
        Rule("ioctl", tests=(*(Test(1, code) for code in _TYPING), Test(1, _INTERFACES, mask=0xFF00))),
    )
    writing = () if devices else (Rule("open", tests=_writes(1)), Rule("openat", tests=_writes(2)))
    return (*(Rule(name) for name in never), *sometimes, *writing)


def offline_rules() -> tuple[Rule, ...]:
    """No socket, by whatever way, for a process that must start children and write files as before.

    A pair of Unix sockets is left: both ends are this process's own, and event loops and workers need one.
    """
    return (
        *(Rule(name) for name in _SOCKETS),
        Rule("socketpair", tests=(Test(0, _AF_UNIX, equal=False),)),
        Rule("sendto", tests=_not_null(4)),
    )


def _not_null(argument: int) -> tuple[Test, ...]:
    return (Test(argument, 0, equal=False), Test(argument, 0, upper=True, equal=False))


def _writes(flags: int) -> tuple[Test, ...]:
    return (Test(flags, 0, mask=_FOR_WRITING, equal=False),)


# Also AF_UNIX: the inherited socket is enough. The message calls can carry an address, or a descriptor.
_NETWORK = (
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "setsockopt",
    "sendmsg", "sendmmsg", "recvmsg", "recvmmsg",
)  # fmt: skip
# What gives out a socket or an address to one; also by a ring of the kernel's own, or out of another process.
_SOCKETS = (
    "socket", "connect", "bind", "listen", "accept", "accept4", "sendmsg", "sendmmsg", "recvmsg", "recvmmsg",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "setns",
    "pidfd_getfd", "ptrace", "process_vm_writev",
)  # fmt: skip
_PROCESSES = (
    "fork", "vfork", "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
    "process_mrelease", "kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "tkill", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "setrlimit", "setns", "unshare", "personality", "migrate_pages", "move_pages",
    "perf_event_open",
)  # fmt: skip
_KERNEL = (
    "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "userfaultfd", "seccomp", "keyctl", "add_key",
    "request_key", "open_by_handle_at", "name_to_handle_at", "fanotify_init", "fanotify_mark", "lookup_dcookie",
    "quotactl", "quotactl_fd", "acct", "swapon", "swapoff", "reboot", "kexec_load", "kexec_file_load", "init_module",
    "finit_module", "delete_module", "iopl", "ioperm", "modify_ldt", "syslog", "vhangup", "sethostname",
    "setdomainname", "settimeofday", "adjtimex", "clock_settime", "clock_adjtime", "uselib", "nfsservctl",
)  # fmt: skip
_MOUNTS = (
    "mount", "umount2", "pivot_root", "chroot", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick",
)  # fmt: skip
# Memory, semaphores and queues that other processes of this user reach by a number or a name.
_SHARED = (
    "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl", "semtimedop", "msgget", "msgsnd", "msgrcv",
    "msgctl", "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr",
)  # fmt: skip
_FILES = (
    "creat", "truncate", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "link", "linkat", "unlink",
    "unlinkat", "symlink", "symlinkat", "mknod", "mknodat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown",
    "fchown", "lchown", "fchownat", "utime", "utimes", "utimensat", "futimesat", "setxattr", "lsetxattr",
    "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
)  # fmt: skip

# name: (x86_64, aarch64); None where that architecture never had the call.
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "setsockopt": (54, 208), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    "recvmsg": (47, 212), "recvmmsg": (299, 243), "fork": (57, None), "vfork": (58, None), "execve": (59, 221),
    "execveat": (322, 281), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "setrlimit": (160, 164), "setns": (308, 268), "unshare": (272, 97),
    "personality": (135, 92), "migrate_pages": (256, 238), "move_pages": (279, 239), "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280),
    "userfaultfd": (323, 282), "seccomp": (317, 277), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "lookup_dcookie": (212, 18), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "acct": (163, 89), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
    "syslog": (103, 116), "vhangup": (153, 58), "sethostname": (170, 161), "setdomainname": (171, 162),
    "settimeofday": (164, 170), "adjtimex": (159, 171), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "uselib": (134, None), "nfsservctl": (180, 42), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "mount_setattr": (442, 442), "move_mount": (429, 429), "open_tree": (428, 428),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "shmget": (29, 194),
    "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183), "mq_notify": (244, 184), "mq_getsetattr": (245, 185), "creat": (85, None),
    "truncate": (76, 45), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, None),
    "mkdirat": (258, 34), "rmdir": (84, None), "link": (86, None), "linkat": (265, 37), "unlink": (87, None),
    "unlinkat": (263, 35), "symlink": (88, None), "symlinkat": (266, 36), "mknod": (133, None), "mknodat": (259, 33),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "utimensat": (280, 88), "futimesat": (261, None), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "sendto": (44, 206), "clone": (56, 220), "clone3": (435, 435), "openat2": (437, 437), "kill": (62, 129),
    "tgkill": (234, 131), "prlimit64": (302, 261), "prctl": (157, 167), "ioctl": (16, 29), "open": (2, None),
    "openat": (257, 56),
}  # fmt: skip


def number(name: str, architecture: Architecture) -> int | None:
    """The call's number, or None where the architecture has no such call."""
    return NUMBERS[name][0 if architecture == "x86_64" else 1]

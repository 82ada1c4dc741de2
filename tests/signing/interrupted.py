"""Kill -9 at each write point, enumerated: a child process ends without a word before its nth change of the disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

_CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.symlink"}
_KILLED = 9


def _changes(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in _CHANGES


def killed(work: Callable[[], object], at: int) -> bool:
    """Run the work in a child that ends before change number `at`. Says whether it came to that."""
    child = os.fork()
    if child == 0:
        seen = 0

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            if _changes(event, arguments):
                if seen == at:
                    os._exit(_KILLED)
                seen += 1

        sys.addaudithook(watch)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, _KILLED), "the work failed by itself"
    return code == _KILLED


def points(prepare: Callable[[int], Callable[[], object]]) -> Iterator[int]:
    """Each write point in turn, after the work that `prepare` made for it was killed there."""
    at = 0
    while killed(prepare(at), at):
        yield at
        at += 1
    assert at > 2, "the work has write points"

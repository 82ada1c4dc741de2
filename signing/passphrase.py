"""Where a passphrase comes from: the terminal, or a file descriptor. Never an argument, never the environment.

Rules kept here:
1. Without a terminal and without a descriptor there is no passphrase; a pipe on stdin is not read for one.
2. On a descriptor each passphrase is a line of its own, in the order in which the keys are named.
"""

from __future__ import annotations

import getpass
import os
import sys

from signing.errors import BenchError

_LONGEST = 1024  # bytes


class Passphrases:
    """One source for all keys of a command."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def ask(self, what: str, *, new: bool = False) -> str:
        """The passphrase of `what`; a new one is asked for twice. Raises BenchError: passphrase_missing."""
        if self._descriptor is not None:
            return self._line(what)
        if not sys.stdin.isatty():
            raise BenchError(
                "passphrase_missing",
                f"The passphrase of {what} is needed, and there is no terminal.",
                next_step="Give it on a file descriptor: --passphrase-fd 3 3<FILE",
            )
        given = getpass.getpass(f"Passphrase of {what}: ")
        if new and getpass.getpass("Once more: ") != given:
            raise BenchError("passphrase_wrong", "The two passphrases differ.", next_step="Try again.")
        return given

    def _line(self, what: str) -> str:
        assert self._descriptor is not None
        found = b""
        try:
            # One byte at a time: what follows belongs to the next key.
            while len(found) <= _LONGEST and (byte := os.read(self._descriptor, 1)) not in (b"", b"\n"):
                found += byte
            if found and len(found) <= _LONGEST:
                return found.decode("utf-8")
        except (OSError, UnicodeDecodeError):
            pass
        raise BenchError(
            "passphrase_missing",
            f"File descriptor {self._descriptor} has no passphrase for {what}.",
            next_step=f"One line of UTF-8 for each key, {_LONGEST} bytes at most.",
        )

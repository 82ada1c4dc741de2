"""One thing that is wrong in a file, and where.

Rules kept here:
1. A place is a line and a column, both counted from 1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Mark:
    """A place in a file; both counted from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True)
class FileFault:
    """One thing that is wrong, and where. `path` names the key where there is one."""

    mark: Mark
    path: str
    message: str

    def at(self, file: str) -> str:
        """`file:line:col: path: message`."""
        where = f"{file}:{self.mark.line}:{self.mark.column}: "
        return where + (f"{self.path}: {self.message}" if self.path else self.message)

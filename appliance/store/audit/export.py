"""A part of the audit as a file that proves itself elsewhere, without the node.

Rules kept here:
1. Only a log that verifies is exported: nothing that was touched gets a new signature.
2. Entries that lie between the first and the last of the time asked for are all there, whatever their own time says:
   a host's clock may be set back.
3. The file is whole or not there. What is no file (a device, a pipe, a link to one such as /dev/stdout) is not put out
   of its place.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from appliance import identity
from appliance.errors import StateInvalid
from appliance.store.audit.chain import Entry, Mark, canonical, statement
from appliance.store.audit.verify import FORMAT, entry_line, verify, verify_export


@dataclass
class Range:
    """Sees entries go by; `first` and `last` are the sequences of those from `begin` until before `end`."""

    begin: int  # microseconds since 1970 UTC
    end: int
    first: int = 0
    last: int = 0
    count: int = 0

    def visit(self, entry: Entry) -> None:
        if self.begin <= entry.time < self.end:
            self.first = self.first or entry.seq
            self.last = entry.seq
            self.count += 1


def export(state_dir: Path, file: Path, begin: int, end: int, *, now: int) -> tuple[int, Mark]:
    """Write the entries from `begin` until before `end` (microseconds); returns how many and the mark.

    `now` is the time that the mark states. Raises StateInvalid where the log does not verify, nothing lies in between,
    or the file is none or cannot be written.
    """
    if os.path.lexists(file) and not stat.S_ISREG(file.lstat().st_mode):
        raise StateInvalid(f"{file} is there and no regular file.", next_step="Name a file to be made.")
    key = identity.load(state_dir)
    wanted = Range(begin, end)
    found = verify(state_dir, key.public, visit=wanted.visit)
    if found.finding is not None:
        raise StateInvalid(
            f"The audit does not verify from entry {found.finding.seq} on: {found.finding.text}.",
            next_step="It is not exported; 'weir audit verify' says more.",
        )
    if not wanted.count:
        raise StateInvalid("There is no entry in that time.", next_step="'weir audit verify' says when the log begins.")
    draft = file.with_name(f".{file.name}.new")
    try:
        with draft.open("wb") as stream:
            lines = _Lines(wanted.first, wanted.last, stream)
            header = {"format": FORMAT, "from": begin, "key": identity.pem(key.public), "to": end}
            stream.write(canonical(header) + b"\n")
            verify(state_dir, key.public, visit=lines.visit)
            mark = Mark(wanted.last, lines.hash, now, key.private.sign(statement(wanted.last, lines.hash, now)).hex())
            stream.write(mark.line())
            stream.flush()
            os.fsync(stream.fileno())
        if verify_export(draft, key.public).finding is not None:
            raise StateInvalid("The audit changed while it was exported.", next_step="Try again.")
        draft.replace(file)
    except OSError as error:
        raise StateInvalid(f"{file} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)
    return wanted.last - wanted.first + 1, mark


@dataclass
class _Lines:
    """Writes the entries that it sees between two sequences."""

    first: int
    last: int
    stream: BinaryIO
    hash: str = ""  # of the last one

    def visit(self, entry: Entry) -> None:
        if self.first <= entry.seq <= self.last:
            self.stream.write(entry_line(entry))
            self.hash = entry.hash

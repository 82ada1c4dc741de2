"""Erasing stored answers and questions: from the disk, from the index, and from the memory of a node that runs.

Rules kept here:
1. An erasure is one transaction, and its note in the audit comes first. When it is over, nothing of it is in cache.db,
   in its write-ahead log or in a file of the index: SQLite overwrites what it frees, the log is emptied, files go.
2. A running node serves nothing of it from the moment the command is over: what it holds in memory counts only under
   the number that it was read under, and an erasure changes that number before and after it commits. The number is in
   a file that the node maps, so that a look costs nanoseconds.
3. What waits to be written while something is erased is not written: it may be of what goes.
4. What an entry does not say of itself (it is older than the column) is taken to match: it goes too.

A node's memory is let go of where its loop calls `follow`; the node confirms that in the same file, and the command
waits for it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import StateInvalid
from appliance.store.schema import cache, migrate

DATABASE, NUMBERS, INDEX = "cache.db", "cache.erased", "semantic"
LABELS = ("classification", "residency", "purpose", "rights", "locale")
_WIDTH = 8  # bytes of a number
PATIENCE_S = 5.0  # a node looks four times a second
_SOLE_WITHIN_S = 0.2
Note = Callable[[Mapping[str, object]], object]


class Erasures:
    """What a node knows of erasures by other processes. `number` may be read from any thread, `follow` is the loop's.

    Raises StateInvalid where the file of numbers cannot be made.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NUMBERS
        self._let_go: list[Callable[[], object]] = []
        try:
            self._file, self.numbers = _mapped(self._path)
        except OSError as error:
            raise StateInvalid(
                f"{self._path} cannot be used: {error.strerror}.", next_step="Check its owner and the disk."
            ) from None
        self._followed = self.number
        self._confirm()

    @property
    def number(self) -> int:
        """What was read under another number than this may have been erased."""
        return self.numbers[0]

    def tell(self, let_go: Callable[[], object]) -> None:
        """Call this whenever something was erased."""
        self._let_go.append(let_go)

    def follow(self) -> bool:
        """Let go of what is in memory where something was erased, and say so to the command that did it."""
        if self._removed():
            with suppress(OSError):
                file, numbers = _mapped(self._path)
                self.close()
                self._file, self.numbers, self._followed = file, numbers, -1
        if self.number == self._followed:
            return False
        self.let_go()
        return True

    def let_go(self) -> None:
        """Let go of what is in memory, whatever the number says."""
        number = self.number
        for let_go in self._let_go:
            let_go()
        self._followed = number
        self._confirm()

    def _removed(self) -> bool:
        """Whether somebody took the file away."""
        try:
            return not os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def _confirm(self) -> None:
        with suppress(OSError):
            os.pwrite(self._file, max(self._followed, 0).to_bytes(_WIDTH, sys.byteorder), _WIDTH)

    def close(self) -> None:
        """No node runs any more. The number stays readable: what waits to be written looks at it."""
        fcntl.flock(self._file, fcntl.LOCK_UN)
        os.close(self._file)


@dataclass(frozen=True)
class Selection:
    """What to erase: whatever all of these hold for; nothing stated: everything.

    `entry` is an id or the beginning of one, `model` the path that made the answer, `before` a Unix time.
    """

    tenant: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    entry: str | None = None
    model: str | None = None
    generation: str | None = None
    before: float | None = None

    def where(self, of: str = "") -> tuple[str, list[object]]:
        """A condition on the rows of `exact`, and its values; `of` goes before each column, such as 'e.'."""
        tests: list[tuple[str, object]] = []
        if self.tenant is not None:
            tests.append((f"{of}tenant = ?", self.tenant))
        for label, stated in self.labels.items():
            if label not in LABELS:
                raise ValueError(label)
            tests.append(
                (f"CASE WHEN json_valid({of}labels) THEN json_extract({of}labels, '$.{label}') = ? ELSE 1 END", stated)
            )
        if self.entry is not None:
            tests.append((f"substr({of}key, 1, length(?)) = ?", self.entry))
        if self.model is not None:
            tests.append((f"{of}origin = ?", self.model))
        if self.generation is not None:
            tests.append((f"{of}generation IN ('', ?)", self.generation))
        if self.before is not None:
            tests.append((f"{of}created < ?", self.before))
        values: list[object] = []
        for test, value in tests:
            values += [value] * test.count("?")
        return " AND ".join(test for test, _ in tests) or "1", values

    def facts(self) -> dict[str, object]:
        """What is stated, as the audit takes it."""
        stated: dict[str, object] = {
            "of_tenant": self.tenant,
            "labels": dict(self.labels) or None,
            "entry": self.entry,
            "model": self.model,
            "of_generation": self.generation,
            "before": None if self.before is None else int(self.before),
        }
        return {name: value for name, value in stated.items() if value is not None}


@dataclass(frozen=True)
class Found:
    """What a selection holds for: answers, questions kept for comparison, bytes of both, answers by tenant."""

    entries: int = 0
    questions: int = 0
    bytes: int = 0
    tenants: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Erased:
    """What went. `node`: whether a node runs; `confirmed`: whether it has let go, which it does by itself; `emptied`:
    whether the write-ahead log was emptied, which what reads for long can prevent.
    """

    found: Found
    node: bool
    confirmed: bool
    emptied: bool


def find(state_dir: Path, selection: Selection) -> Found:
    """What would go. Changes nothing. Raises StateInvalid."""
    with reading(state_dir) as connection:
        return Found() if connection is None else _found(connection, selection)


def erase(state_dir: Path, selection: Selection, *, act: str, note: Note, patience_s: float = PATIENCE_S) -> Erased:
    """Erase, and wait until a node that runs has let go, and nobody reads the log: `patience_s` seconds each. `note` is
    told before; its error prevents it.

    Raises StateInvalid, and what `note` raises.
    """
    path = state_dir / DATABASE
    if not path.exists():
        return Erased(Found(), node=False, confirmed=True, emptied=True)
    migrate(path, cache)
    file = _opened(state_dir / NUMBERS)
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                node = not _sole(file)
                found = _found(connection, selection)
                note({"act": act, **selection.facts(), "entries": found.entries, "questions": found.questions})
                partitions = _delete(connection, selection)
                _renumber(
                    file
                )  # before the commit too: what waits to be written may begin between it and the next line
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            number = _renumber(file)
            for partition in partitions:
                for left in (state_dir / INDEX).glob(f"{partition}.*"):
                    left.unlink(missing_ok=True)
            emptied = _empty_log(connection, patience_s)
        return Erased(found, node, not node or _confirmed(file, number, patience_s), emptied)
    except sqlite3.Error as error:
        raise StateInvalid(f"{path} cannot be changed: {error}.", next_step="Check its owner and the disk.") from None
    finally:
        os.close(file)


@contextmanager
def reading(state_dir: Path) -> Iterator[sqlite3.Connection | None]:
    """A read-only connection to cache.db; None where there is none yet. Raises StateInvalid."""
    path = state_dir / DATABASE
    if not path.exists():
        yield None
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'semantic'").fetchone() is None:
                raise StateInvalid(f"{path} is of an older Weir.", next_step="'weir serve' brings it up to date.")
            yield connection
    except sqlite3.Error as error:
        raise StateInvalid(f"{path} cannot be read: {error}.", next_step="Check its owner and the disk.") from None


def _found(connection: sqlite3.Connection, selection: Selection) -> Found:
    where, values = selection.where()
    rows = connection.execute(
        f"""SELECT tenant, COUNT(*), SUM(bytes), SUM((SELECT COUNT(*) FROM semantic s WHERE s.key = exact.key)),
        SUM((SELECT COALESCE(SUM(bytes), 0) FROM semantic s WHERE s.key = exact.key))
        FROM exact WHERE {where} GROUP BY tenant ORDER BY tenant""",  # noqa: S608 - constants, values are parameters
        values,
    ).fetchall()
    return Found(
        sum(row[1] for row in rows),
        sum(row[3] for row in rows),
        sum(row[2] + row[4] for row in rows),
        {row[0]: row[1] for row in rows},
    )


def _delete(connection: sqlite3.Connection, selection: Selection) -> list[str]:
    """Returns the partitions that something was taken from."""
    where, values = selection.where()
    touched = connection.execute(
        f"SELECT DISTINCT partition FROM semantic WHERE key IN (SELECT key FROM exact WHERE {where})",  # noqa: S608
        values,
    ).fetchall()
    connection.execute(f"DELETE FROM exact WHERE {where}", values)  # noqa: S608 - a trigger takes `semantic` along
    connection.execute("UPDATE changes SET n = n + 1")
    return [row[0] for row in touched]


def _empty_log(connection: sqlite3.Connection, patience_s: float) -> bool:
    """What the log holds goes into the database, and the log becomes empty, as soon as nobody reads from it."""
    connection.execute(f"PRAGMA busy_timeout = {int(1000 * patience_s)}")
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _opened(path: Path) -> int:
    """The file of numbers, made where there is none: the number, and the one up to which the node has let go."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size < 2 * _WIDTH:
            os.pwrite(descriptor, bytes(2 * _WIDTH), 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _mapped(path: Path) -> tuple[int, memoryview]:
    """The file as a node has it: locked, which says that one runs, and mapped. Waits for a command that is at work."""
    file = _opened(path)
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        return file, memoryview(mmap.mmap(file, 2 * _WIDTH, prot=mmap.PROT_READ)).cast("Q")
    except OSError:
        os.close(file)
        raise


def _sole(file: int) -> bool:
    """Whether no node runs. None starts then until the file is closed."""
    until = time.monotonic() + _SOLE_WITHIN_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > until:  # not another command either
                return False
            time.sleep(0.05)


def _renumber(file: int) -> int:
    """A number that was never there before."""
    number = max(time.time_ns(), int.from_bytes(os.pread(file, _WIDTH, 0), sys.byteorder) + 1)
    os.pwrite(file, number.to_bytes(_WIDTH, sys.byteorder), 0)
    return number


def _confirmed(file: int, number: int, patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if int.from_bytes(os.pread(file, _WIDTH, _WIDTH), sys.byteorder) >= number:
            return True
        time.sleep(0.02)
    return False

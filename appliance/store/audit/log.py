"""The writing side of the audit: entries into audit.db, one commit and one signature for all that wait together.

Rules kept here:
1. `leaving` returns when the entry is on disk (`synchronous=FULL`) and its mark is in audit.head. Where that fails it
   raises, and whoever wanted to send does not.
2. The end of the chain is read inside the transaction that continues it, so that another process of this host may write
   entries too.
3. Bodies are digested on the writer thread; neither they nor any text of a request is kept.
4. A log that does not fit its own head is not continued: the node lives on, and nothing leaves it.
5. Entries that nobody waits for are kept in memory while the disk takes none, up to `_BACKLOG`; what is lost beyond
   that is counted, and the count is an entry.
6. A disk that is full when the audit is opened keeps nothing from starting, and everything from leaving: the next entry
   tries to open it again.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import orjson
import structlog

from appliance import identity
from appliance.errors import AuditUnavailable, DiskFull, StateInvalid
from appliance.records.departure import Departure
from appliance.store.audit.chain import GENESIS, Entry, Kind, canonical, digest, mark_of, parse_marks, statement
from appliance.store.room import FULL, full, lacking
from appliance.store.schema import audit, migrate
from appliance.store.writer import Writer, say

__all__ = ["DATABASE", "HEAD", "Audit", "last_of"]

log = structlog.get_logger("weir.audit")
DATABASE, HEAD = "audit.db", "audit.head"
_BACKLOG = 10_000  # entries that nobody waits for
_HEAD_BYTES = 4 << 20  # at start a larger audit.head is cut down to its newest line
_COLUMNS = "seq, time, kind, payload, previous, hash, signature"
_INSERT = f"INSERT INTO entries ({_COLUMNS}) VALUES "  # noqa: S608 - constant
_TOGETHER = 32  # rows of one statement
_LAST = f"SELECT {_COLUMNS} FROM entries ORDER BY seq DESC LIMIT 1"  # noqa: S608 - constant


@lru_cache(maxsize=_TOGETHER)
def _insert_of(rows: int) -> str:
    """The statement for this many rows: every statement lets go of the interpreter's lock and waits for it again."""
    return _INSERT + ",".join(["(?,?,?,?,?,?,?)"] * rows)


@dataclass(slots=True)
class _Draft:
    """An entry before it has a place in the chain. `time` in microseconds."""

    time: int
    kind: Kind
    payload: Mapping[str, object]
    body: bytes | None = None
    done: Future[Entry] | asyncio.Future[Entry] | None = None
    entry: Entry | None = None
    fault: str = ""  # why this one cannot be written, whatever becomes of the others


class Audit:
    """The node's audit. Makes database, key and first entry where there are none. Close to flush.

    Raises StateInvalid where audit.db is newer, damaged or out of reach, but not where the disk is full (rule 6).
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._waiting: deque[_Draft] = deque()
        self._asked = False  # whether work is queued that will take what waits
        self._lost = 0
        self._head_fault = ""
        self._broken = ""
        self._head: int | None = None
        self._state_dir = state_dir
        self._database = state_dir / DATABASE
        self._unopened = ""  # why not, while it may pass
        self.generation = ""  # of the newest start; '' before the first
        try:
            self._open()
        except DiskFull as error:  # rule 6
            self._unopened = error.message
            log.error("audit-not-opened", reason=error.message)
        self._writer = Writer({"audit": self._database}, synchronous="FULL", prepare=self._open_again)
        self._writer.start()
        if self._new:
            facts = {"act": "init", "node": _node(state_dir), "key": identity.fingerprint(self._key.public)}
            self.note("admin", facts)

    @property
    def _new(self) -> bool:
        """Whether the log has no entry yet, and can have one."""
        return self._head is not None and self._known == 0

    def _open(self) -> None:
        """Raises StateInvalid, and DiskFull where it may be tried again."""
        migrate(self._database, audit)
        # Before the log: who writes meanwhile writes the entry first and its mark after it.
        head, lines, unread = self._state_dir / HEAD, b"", None
        try:
            lines = head.read_bytes()
        except FileNotFoundError:
            pass
        except OSError as error:
            unread = error
        last = last_of(self._database)
        self._known = 0 if last is None else last.seq
        self.generation = _generation_of(self._database)
        try:
            if last is None:
                identity.make(self._state_dir)
            self._key = identity.load(self._state_dir)
            if unread is not None:
                raise unread
            self._head = self._opened_head(head, lines.splitlines(), last)
        except (StateInvalid, OSError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise full(self._state_dir) from None
            self._broken = str(error)
            log.error("audit-broken", reason=self._broken)

    def _open_again(self, _: str) -> None:
        """On the writer thread, before its own connection is opened. Raises DiskFull, StateInvalid."""
        if self._unopened:
            self._open()
            self._unopened = ""

    def _opened_head(self, file: Path, lines: list[bytes], last: Entry | None) -> int:
        """audit.head, which holds these `lines`, open for appending, after a look at whether the log still fits it."""
        marks = [mark for mark in parse_marks(reversed(lines)) if mark.signed_by(self._key.public)]
        newest = max(marks, key=lambda mark: mark.seq, default=None)
        known = 0 if last is None else last.seq
        if last is not None and not (last.signature and mark_of(last).signed_by(self._key.public)):
            raise _misfit(f"the last entry ({known}) is not signed by the node's key")
        if newest is not None and newest.seq > known:
            raise _misfit(f"audit.head knows entry {newest.seq}, the log ends with {known}")
        if newest is not None and hash_at(self._database, newest.seq) != newest.hash:
            raise _misfit(f"entry {newest.seq} is not the one that audit.head knows")
        if file.exists() and file.stat().st_size > _HEAD_BYTES and newest is not None:
            draft = file.with_name(f"{HEAD}.new")
            draft.write_bytes(newest.line())
            draft.replace(file)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if last is not None:  # a crash between commit and mark leaves the mark to us
            try:
                _append(descriptor, b"\n" + mark_of(last).line())
            except OSError:
                os.close(descriptor)
                raise
        return descriptor

    @property
    def trouble(self) -> str:
        """What stands in the way of writing, and so of anything leaving; '' where nothing does.

        While the audit could not be opened, whoever asks has that tried again.
        """
        if self._unopened and not self._asked:
            self._asked = True
            self._submit()
        return self._broken or self._unopened or self._writer.trouble or self._head_fault

    # ---- adding ---------------------------------------------------------------------------------------------

    async def leaving(self, departure: Departure, destination: Mapping[str, object], body: bytes) -> None:
        """Write down that `body` is about to leave for `destination`. Raises AuditUnavailable: then it must not."""
        if self._broken:
            raise AuditUnavailable(f"The audit is not written: {self._broken}.")
        done: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        # Who stops waiting does not take the entry along.
        self._add(_Draft(self._now(), "egress", _facts(departure, destination), body, done))
        await done

    def note(self, kind: Kind, payload: Mapping[str, object]) -> None:
        """Add an entry that nobody waits for."""
        if self._broken:
            return
        if len(self._waiting) >= _BACKLOG:
            self._lost += 1
            return
        self._add(_Draft(self._now(), kind, payload))

    def write(self, kind: Kind, payload: Mapping[str, object]) -> Entry:
        """Add an entry and wait until it is on disk. Not for the event loop. Raises AuditUnavailable."""
        if self._broken:
            raise AuditUnavailable(f"The audit is not written: {self._broken}.")
        done: Future[Entry] = Future()
        self._add(_Draft(self._now(), kind, payload, done=done))
        try:
            return done.result()
        except AuditUnavailable:
            if not lacking(self._state_dir):
                raise
            why = full(self._state_dir)
            raise AuditUnavailable(f"The audit cannot be written. {why.message}", next_step=why.next_step) from None

    def close(self) -> None:
        """Write what waits, then end."""
        if self._waiting:
            self._submit()
        self._writer.stop()
        if self._head is not None:
            with suppress(OSError):
                os.fsync(self._head)
            os.close(self._head)
            self._head = None

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)

    def _add(self, draft: _Draft) -> None:
        self._waiting.append(draft)
        if not self._asked:
            self._asked = True  # before the hand-over: the writer may be done with it before `submit` returns
            self._submit()

    def _submit(self) -> None:
        """Queue work that takes all that waits when its turn comes; what it took, it answers for."""
        taken: list[_Draft] = []
        commit = self._writer.submit("audit", partial(self._append_waiting, taken))
        commit.add_done_callback(partial(self._committed, taken))

    # ---- on the writer thread -------------------------------------------------------------------------------

    def _append_waiting(self, taken: list[_Draft], connection: sqlite3.Connection) -> None:
        """Continue the chain with all that waits. What is added from here on queues work of its own."""
        self._asked = False
        if self._broken:  # found when it was opened at last
            raise AuditUnavailable(f"The audit is not written: {self._broken}.")
        taken += [self._waiting.popleft() for _ in range(len(self._waiting))]
        if self._lost:
            taken.append(_Draft(self._now(), "admin", {"act": "entries-lost", "count": self._lost}))
            self._lost = 0
        row = connection.execute(_LAST).fetchone()
        last = None if row is None else Entry(*row)
        added: list[_Draft] = []
        for draft in taken:
            try:
                payload = self._payload(draft)
            except ValueError as error:
                say(log, "entry-refused", kind=draft.kind)
                draft.fault = f"The entry cannot be written: {error}."
                continue
            seq, previous = (1, GENESIS) if last is None else (last.seq + 1, last.link)
            hash = digest(seq, draft.time, draft.kind, payload, previous)
            draft.entry = last = Entry(seq, draft.time, draft.kind, payload, previous, hash)
            added.append(draft)
        if last is None or not added:
            return
        signature = self._key.private.sign(statement(last.seq, last.hash, last.time)).hex()
        added[-1].entry = Entry(last.seq, last.time, last.kind, last.payload, last.previous, last.hash, signature)
        for at in range(0, len(added), _TOGETHER):
            entries = [draft.entry for draft in added[at : at + _TOGETHER] if draft.entry is not None]
            rows = [(e.seq, e.time, e.kind, e.payload, e.previous, e.hash, e.signature) for e in entries]
            connection.execute(_insert_of(len(rows)), [value for row in rows for value in row])

    def _payload(self, draft: _Draft) -> str:
        facts = draft.payload
        if draft.body is not None:
            body = hmac.digest(self._key.salt, draft.body, "sha256").hex()
            facts = {**facts, "bytes": len(draft.body), "body": body}
        return canonical(facts).decode()

    def _committed(self, taken: list[_Draft], commit: Future[object]) -> None:
        """After the commit: the mark outside the database, then whoever waits may go on."""
        fault = commit.exception()
        if fault is not None:  # it may have failed before anything was taken
            self._asked = False
            taken += [self._waiting.popleft() for _ in range(len(self._waiting))]
        last = next((draft.entry for draft in reversed(taken) if draft.entry is not None), None)
        if fault is None and last is not None and self._head is not None:
            try:
                _append(self._head, (b"\n" if self._head_fault else b"") + mark_of(last).line())
                self._head_fault = ""
            except OSError as error:
                fault = error
                self._head_fault = f"{HEAD}: {error.strerror}"
                say(log, "head-not-written", kind=type(error).__name__)
        elif fault is not None:
            self._waiting.extendleft(draft for draft in reversed(taken) if draft.done is None and not draft.fault)
        _tell(taken, written=fault is None)


def _tell(taken: Iterable[_Draft], *, written: bool) -> None:
    """Tell everybody who waits; each event loop is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Entry], Entry | AuditUnavailable]]] = {}
    for draft in taken:
        result = draft.entry if written else None
        said = result or AuditUnavailable(draft.fault or "The audit cannot be written, so nothing leaves.")
        if isinstance(draft.done, asyncio.Future):
            by_loop.setdefault(draft.done.get_loop(), []).append((draft.done, said))
        elif draft.done is not None:
            _settle([(draft.done, said)])
    for loop, waiting in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, waiting)


def _settle(waiting: Iterable[tuple[Future[Entry] | asyncio.Future[Entry], Entry | AuditUnavailable]]) -> None:
    for done, said in waiting:
        if done.done():  # given up
            continue
        if isinstance(said, Entry):
            done.set_result(said)
        else:
            done.set_exception(said)


def _facts(departure: Departure, destination: Mapping[str, object]) -> dict[str, object]:
    place = departure.place
    redacted = {} if departure.redacted is None else {"redacted": dict(departure.redacted)}
    return {
        "decision": departure.decision,
        "tenant": departure.tenant,
        "classification": departure.classification,
        "residency": departure.residency,
        "path": departure.path,
        "tier": departure.tier,
        "place": {"node": place.node, "site": place.site, "country": place.country, "region": place.region},
        "rules": list(departure.rules),
        "generation": departure.generation,
        "destination": dict(destination),
        **redacted,
    }


def _append(descriptor: int, line: bytes) -> None:
    """One whole line, or an error. A part of it may stay behind; readers pass over it."""
    if os.write(descriptor, line) != len(line):
        raise OSError(28, "No space left on device")


def _misfit(what: str) -> StateInvalid:
    return StateInvalid(
        f"The audit log does not fit its head: {what}",
        next_step="'weir audit verify' says more; restore the newer copy.",
    )


def _node(state_dir: Path) -> str:
    """The node's id as `weir init` made it; '' where there is none."""
    try:
        return (state_dir / "node-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def last_of(database: Path) -> Entry | None:
    """The last entry on disk."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        row = connection.execute(_LAST).fetchone()
    return None if row is None else Entry(*row)


def _generation_of(database: Path) -> str:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        row = connection.execute(
            "SELECT payload FROM entries WHERE kind = 'start' ORDER BY seq DESC LIMIT 1"
        ).fetchone()
    if row is None:
        return ""
    try:
        return str(orjson.loads(row[0])["generation"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""  # `verify` finds what is wrong with it


def hash_at(database: Path, seq: int) -> str | None:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        row = connection.execute("SELECT hash FROM entries WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else str(row[0])

"""What tenants spend, written down without anybody waiting; what is set aside, written down before it can be spent.

Rules kept here:
1. What could not be written is kept, and written later.
2. A request that sets money aside begins no call before that is on disk; what leaves this host waits for it and for the
   audit at once. What it sets aside later, for a call beyond its plan, is handed to the disk as that call begins. Where
   nothing can be written it is served all the same: what would leave waits for the audit, which is on the same disk.
3. What was set aside by a process that died is neither lost nor held for ever: the next one counts it as spent.
4. What is set aside is written before what lets go of it, whatever is queued when.
5. All that waits is one piece of work: one statement, one hand-over back to the event loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

import structlog

from appliance.errors import StateInvalid
from appliance.records.money import picos
from appliance.store import Reader, Store
from appliance.store.holds import Kept, keep, left_over, let_go
from appliance.store.node_db import DATABASE
from appliance.store.room import reading
from appliance.store.tenants import spend
from appliance.store.writer import say
from appliance.tenancy.accounts import Accounts, Unwritten
from appliance.tenancy.budget import Spent, day_of

log = structlog.get_logger("weir.book")


class Book:
    """What the tenants of one node spend, on its way to the disk. For the event loop, but for what says otherwise."""

    def __init__(self, accounts: Accounts, store: Store) -> None:
        self._accounts = accounts
        self._writer = store.writer
        self._path = store.state_dir / DATABASE
        self._asked = False  # whether work is queued that will write what was spent
        self._to_keep: deque[tuple[Kept, asyncio.Future[None] | None]] = deque()  # and who waits for it
        self._keeps = False  # whether work is queued that will write these, and what was spent with them

    def used(self, tenant: str, now: float, spent: Spent, settled: Sequence[str] = ()) -> None:
        """Count what a request came to. Money is written with the next commit, mere counts with the next `ask`."""
        self._accounts.used(tenant, now, spent, settled)
        if spent.picos or settled:
            self.ask()

    def ask(self) -> None:
        """Ask the writer to write down what is not written yet."""
        if self._accounts.unwritten and not self._asked:
            self._asked = True  # before the hand-over: the writer may be done with it before `put` returns
            page = _Page(self)
            if not self._writer.put("node", page.write, page.not_written):
                self._asked = False

    def taken(self) -> Unwritten:
        """On the writer thread: what is to be written now."""
        self._asked = False
        taken = self._accounts.take_unwritten()
        if self._keeps:  # it may settle what waits to be set aside, whose work is queued and writes both in their order
            self._accounts.give_back_unwritten(taken)
            return Unwritten({}, [])
        return taken

    def given_back(self, taken: Unwritten) -> None:
        """On the writer thread: it could not be; the next request tries again."""
        self._asked = False
        self._accounts.give_back_unwritten(taken)

    # ---- what is set aside ----------------------------------------------------------------------------------

    def keep(self, row: Kept) -> asyncio.Future[None]:
        """Done when it is on disk, or cannot be. The audit's entry, which takes longer, may be handed over first."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._to_keep.append((row, done))
        if not self._keeps:
            self._keeps = True
            loop.call_soon(self._hand_over)
        return done

    def keep_soon(self, row: Kept) -> None:
        """It was raised: write it at once, while the call waits for the audit."""
        self._to_keep.append((row, None))
        if not self._keeps:
            self._keeps = True  # before the hand-over: the writer may be done with it before `submit` returns
            self._hand_over()

    def _hand_over(self) -> None:
        work = _Keeping(self)
        self._writer.submit("node", work.write).add_done_callback(work.committed)

    def taken_to_keep(self) -> tuple[list[tuple[Kept, asyncio.Future[None] | None]], Unwritten]:
        """On the writer thread: what is to be set aside, and what was spent, which may settle some of it."""
        self._keeps = False
        unwritten = self._accounts.take_unwritten()  # first: what it settles was to be kept before
        return [self._to_keep.popleft() for _ in range(len(self._to_keep))], unwritten

    def settle_left_over(self, records: Reader) -> list[Kept]:
        """Count as spent what was set aside by a process that died (rule 3), and return what no record tells of.

        Before the node serves; blocks. What cannot be read or written now is settled at the next start.
        """
        try:
            with reading(self._path) as connection:
                if not left_over(connection):
                    return []
            found = self._writer.submit("node", partial(_settle, records)).result()
        except (sqlite3.Error, StateInvalid) as error:
            log.error("holds-not-settled", kind=type(error).__name__)
            return []
        assert isinstance(found, list)
        if found:
            log.warning("died-at-work", requests=len(found), ids=[row.id for row in found[:10]])
        return found


class _Page:
    """One piece of work for the writer thread, which may come to nothing before it was begun, or after."""

    __slots__ = ("_book", "_taken")

    def __init__(self, book: Book) -> None:
        self._book = book
        self._taken = Unwritten({}, [])

    def write(self, connection: sqlite3.Connection) -> None:
        self._taken = self._book.taken()
        _write(self._taken, connection)

    def not_written(self) -> None:
        taken, self._taken = self._taken, Unwritten({}, [])  # it may be told twice: of the piece, and of the commit
        self._book.given_back(taken)


class _Keeping:
    """One piece of work for the writer thread: what is set aside, and what was spent until then."""

    __slots__ = ("_book", "_rows", "_took", "_unwritten")

    def __init__(self, book: Book) -> None:
        self._book = book
        self._took = False
        self._rows: list[tuple[Kept, asyncio.Future[None] | None]] = []
        self._unwritten = Unwritten({}, [])

    def write(self, connection: sqlite3.Connection) -> None:
        self._take()
        keep([row for row, _ in self._rows], connection)
        _write(self._unwritten, connection)

    def _take(self) -> None:
        self._took = True  # there may be no row: the work before it takes those of both
        self._rows, self._unwritten = self._book.taken_to_keep()

    def committed(self, commit: Future[object]) -> None:
        """After the commit, or after it failed, perhaps before anything was taken: whoever waits goes on."""
        error = commit.exception()
        if error is not None:
            say(log, "hold-not-written", kind=type(error).__name__)
            if not self._took:
                self._take()
            self._book.given_back(self._unwritten)
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for _, done in self._rows:
            if done is not None:
                by_loop.setdefault(done.get_loop(), []).append(done)
        for loop, waiting in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_wake, waiting)


def _write(unwritten: Unwritten, connection: sqlite3.Connection) -> None:
    """What was spent, and what was set aside for it: together, or not at all."""
    spend(unwritten.spent, connection)
    let_go(unwritten.settled, connection)


def _settle(records: Reader, connection: sqlite3.Connection) -> list[Kept]:
    unknown = []
    for row in left_over(connection):
        cost = _recorded(records, row.id)
        if cost is None:
            unknown.append(row)
        spent = Spent(row.amount if cost is None else cost, 1)
        spend({(row.tenant, day_of(row.time)): spent}, connection)
        let_go([row.id], connection)
    return unknown


def _recorded(records: Reader, id: str) -> int | None:
    """What its record says that it cost, in picos; None without one, or where another's record tells it."""
    record = records.record(id)
    steps = record["outcome"]["steps"] if record is not None else ()
    if record is None or not steps or any(step.get("shared") for step in steps):
        return None
    return picos(record["outcome"]["cost"])


def _wake(waiting: Iterable[asyncio.Future[None]]) -> None:
    for done in waiting:
        if not done.done():  # given up
            done.set_result(None)

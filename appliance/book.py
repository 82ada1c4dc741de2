"""What tenants spend, written down without anybody waiting; what is set aside, written down before it can be spent.

Rules kept here:
1. What could not be written is kept, and written later.
2. A request that sets money aside begins no call before that is on disk; what it sets aside later, for a call beyond
   its plan, is handed to the disk as that call begins. Where nothing can be written it is served all the same: what
   would leave this host waits for the audit, which is on the same disk.
3. What was set aside by a process that died is neither lost nor held for ever: the next one counts it as spent.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

import structlog

from appliance.errors import StateInvalid
from appliance.records.money import picos
from appliance.store import Reader, Store
from appliance.store.holds import Kept, keep, left_over, let_go
from appliance.store.room import reading
from appliance.store.tenants import DATABASE, spend
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
        return self._accounts.take_unwritten()

    def given_back(self, taken: Unwritten) -> None:
        """On the writer thread: it could not be; the next request tries again."""
        self._asked = False
        self._accounts.give_back_unwritten(taken)

    # ---- what is set aside ----------------------------------------------------------------------------------

    async def keep(self, row: Kept) -> None:
        """Returns when it is on disk, or cannot be."""
        written = self._writer.submit("node", partial(keep, row))
        written.add_done_callback(_say_where_not)
        done = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        # Not `wrap_future`: a caller who goes away would cancel what the writer is about to fulfil.
        written.add_done_callback(lambda _: loop.call_soon_threadsafe(_wake, done))
        await done

    def keep_soon(self, row: Kept) -> None:
        """It was raised: write it at once, while the call waits for the audit."""
        self._writer.put("node", partial(keep, row))
        self._writer.hurry()

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
        spend(self._taken.spent, connection)
        let_go(self._taken.settled, connection)

    def not_written(self) -> None:
        taken, self._taken = self._taken, Unwritten({}, [])  # it may be told twice: of the piece, and of the commit
        self._book.given_back(taken)


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


def _wake(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _say_where_not(written: Future[object]) -> None:
    error = written.exception()
    if error is not None:
        log.error("hold-not-written", kind=type(error).__name__)

"""No interleaving of starts, calls, ends, cancellations and crashes spends more than a hard budget, or loses money."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appliance.book import Book
from appliance.records.money import PICOS, amount_of
from appliance.records.tenant import Tenant
from appliance.store import Store
from appliance.store.holds import Kept, left_over
from appliance.store.schema import migrate, node
from appliance.tenancy.accounts import Accounts
from appliance.tenancy.budget import Spent, day_of
from appliance.tenancy.hold import Hold, held

DAY = 1_795_262_400.0  # a midnight (UTC) in the middle of a month
PATHS = ("one", "two", "three")


class HandWriter:
    """The writer without its thread: what is put waits for `commit`, and a crash loses it."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.waiting: list[Callable[[sqlite3.Connection], object]] = []

    def put(self, _: str, work: Callable[[sqlite3.Connection], object], failed: object = None) -> bool:
        self.waiting.append(work)
        return True

    def submit(self, name: str, work: Callable[[sqlite3.Connection], object]) -> Future[object]:
        done: Future[object] = Future()
        self.put(name, lambda connection: done.set_result(work(connection)))
        self.commit()
        return done

    def commit(self) -> None:
        waiting, self.waiting = self.waiting, []
        self.connection.execute("BEGIN")
        for work in waiting:
            work(self.connection)
        self.connection.execute("COMMIT")


class HandStore:
    def __init__(self, path: Path) -> None:
        self.writer = HandWriter(path)
        self.state_dir = path.parent


class NoRecords:
    def record(self, _: str) -> None:
        return None


class Budgets(RuleBasedStateMachine):
    """`billed` by day is what the provider will bill: the truth that no crash changes."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "node.db"
        migrate(self.path, node)
        self.billed: dict[str, int] = {}
        self.now = DAY
        self.number = 0

    @initialize(budget=st.integers(1, 40))
    def begin(self, budget: int) -> None:
        self.budget = budget * PICOS // 10
        self.start_node()

    def start_node(self) -> None:
        self.at_work: dict[str, tuple[Hold, dict[str, int], list[list[Any]]]] = {}
        self.accounts = Accounts(100)
        self.store = HandStore(self.path)
        self.book = Book(self.accounts, cast("Store", self.store))
        self.book.settle_left_over(cast("Any", NoRecords()))
        rows = self.store.writer.connection.execute("SELECT day, picos, requests, tokens FROM spending").fetchall()
        spent = {"t": {day: Spent(*rest) for day, *rest in rows}}
        self.accounts.take_over({"t": Tenant(name="t", budget_day=amount_of(self.budget))}, spent)
        self.account = self.accounts.of("t")

    def teardown(self) -> None:
        self.store.writer.connection.close()
        self.directory.cleanup()

    # ---- what happens ---------------------------------------------------------------------------------------

    @rule(most=st.lists(st.integers(0, 12), min_size=3, max_size=3), steps=st.integers(1, 3))
    def request(self, most: list[int], steps: int) -> None:
        dear = {path: tenths * PICOS // 10 for path, tenths in zip(PATHS, most, strict=True)}
        plan = sum(dear[path] for path in PATHS[:steps])
        left = self.account.left(self.now)
        assert left is not None
        if amount_of(plan) > left:
            return  # refused: the decision finds no such plan
        self.number += 1
        id = f"r{self.number}"
        hold = held(self.account, id, amount_of(plan), self.now)

        def row(hold: Hold, now: float = self.now) -> Kept:
            return Kept(hold.id, "t", now, hold.amount, "one", "", "USD", "g")

        hold.grown = lambda grown: self.book.keep_soon(row(grown))
        self.book.keep_soon(row(hold))
        self.at_work[id] = (hold, dear, [])

    @precondition(lambda self: self.at_work)
    @rule(data=st.data(), path=st.sampled_from(PATHS))
    def call(self, data: st.DataObject, path: str) -> None:
        id = data.draw(st.sampled_from(sorted(self.at_work)))
        hold, dear, calls = self.at_work[id]
        if hold.begins(dear[path]):
            calls.append([path, data.draw(st.integers(0, dear[path])), False])

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        hold, dear, calls = self.at_work[data.draw(st.sampled_from(sorted(self.at_work)))]
        running = [call for call in calls if not call[2]]
        if running:
            call = data.draw(st.sampled_from(running))
            call[2] = True
            hold.ends(dear[call[0]], amount_of(call[1]))

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """Answered, failed or cancelled: calls that run are charged as well."""
        hold, _, calls = self.at_work.pop(data.draw(st.sampled_from(sorted(self.at_work))))
        cost = sum(call[1] for call in calls)
        self.bill(hold, calls)
        self.book.used("t", hold._now, Spent(cost, 1), [hold.id])
        hold.release()

    def bill(self, hold: Hold, calls: list[list[Any]]) -> None:
        day = day_of(hold._now)
        self.billed[day] = self.billed.get(day, 0) + sum(call[1] for call in calls)

    @rule()
    def commit(self) -> None:
        self.store.writer.commit()

    @rule()
    def crash(self) -> None:
        for hold, _, calls in self.at_work.values():
            self.bill(hold, calls)
        self.store.writer.connection.close()
        self.start_node()
        assert self.account.set_aside == 0
        assert left_over(self.store.writer.connection) == []
        for day, billed in self.billed.items():
            assert self.spent(day) >= billed  # none of it is lost

    @rule(hours=st.sampled_from((1, 9)))
    def later(self, hours: int) -> None:
        self.now += 3600.0 * hours

    # ---- what always holds ----------------------------------------------------------------------------------

    def spent(self, day: str) -> int:
        rows = self.store.writer.connection.execute("SELECT sum(picos) FROM spending WHERE day = ?", (day,)).fetchall()
        return int(rows[0][0] or 0)

    @invariant()
    def the_provider_never_bills_more_than_the_budget(self) -> None:
        at_risk = {
            day_of(hold._now): sum(
                sum(call[1] for call in calls)
                for other, _, calls in self.at_work.values()
                if day_of(other._now) == day_of(hold._now)
            )
            for hold, _, _ in self.at_work.values()
        }
        for day in self.billed.keys() | at_risk.keys():
            assert self.billed.get(day, 0) + at_risk.get(day, 0) <= self.budget

    @invariant()
    def no_request_runs_calls_that_are_not_paid_for(self) -> None:
        for hold, dear, calls in getattr(self, "at_work", {}).values():
            assert sum(cost if ended else dear[path] for path, cost, ended in calls) <= hold.amount

    @invariant()
    def what_is_spent_and_set_aside_is_never_more_than_the_budget(self) -> None:
        if hasattr(self, "account"):
            held_today = sum(
                hold.amount for hold, _, _ in self.at_work.values() if day_of(hold._now) == day_of(self.now)
            )
            assert self.account.spending.today(self.now).picos + held_today <= self.budget
            assert self.account.set_aside == sum(hold.amount for hold, _, _ in self.at_work.values())


TestBudgets = Budgets.TestCase
TestBudgets.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

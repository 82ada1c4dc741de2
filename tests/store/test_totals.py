"""Daily totals: what records add up to, whatever became of the records themselves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import StateInvalid
from appliance.records.decision import Attempt, Decision, Outcome, Snapshot, StepOutcome
from appliance.records.money import PICOS, amount_of, picos
from appliance.records.record import Record
from appliance.records.totals import Sums, parts_of
from appliance.spent import BY, read
from appliance.store import Store, _Batch
from appliance.store.totals import MOST
from tests import factories as make

unhurried = settings(deadline=None)  # the first example loads what the others find
DAY = 1_795_262_400.0  # 2026-11-21


def step(path: str = "site/one", cost: int = 7, **over: Any) -> StepOutcome:
    base: dict[str, Any] = {
        "status": "answered", "prompt_tokens": 10, "completion_tokens": 4, "cached_tokens": 3, "reasoning_tokens": 1
    }  # fmt: skip
    return StepOutcome(path, **(base | over), cost=amount_of(cost))


def record(id: str, *steps: StepOutcome, time: float = DAY, tenant: str = "t", **over: Any) -> Record:
    status = over.pop("status", "answered")
    path = steps[-1].path if steps and status == "answered" else ""
    cost = amount_of(sum(picos(one.cost) for one in steps))
    outcome = Outcome(status, path, "site", steps, cost=cost, frontier_cost=amount_of(100), currency="USD", **over)
    decision = Decision(id, "g", "best-utility")
    return Record(
        id, time, make.asked(id=id, tenant=tenant), make.features(), Snapshot(time, 0.0, ()), decision, outcome
    )


def sums(store: Store, *by: Any, **over: Any) -> dict[tuple[str, ...], Sums]:
    store.writer.flush()
    rows = read(store.state_dir, by, over.get("since"), over.get("until"), over.get("tenant"))
    return {tuple(getattr(row, name) for name in by): row.sums for row in rows}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    made = Store(tmp_path)
    yield made
    made.close()


def test_tokens_and_money_count_where_they_were_used_and_requests_where_they_were_answered(store: Store) -> None:
    before = Attempt("overloaded", "slow down", 0.1, cost=amount_of(2))
    failed = step("site/one", 5, status="failed", attempts=(before,), cost_known=False)
    store.add(record("r1", failed, step("site/two", 11)))
    store.add(record("r2", step("site/two", 1, shared=True)))
    store.add(record("r3", step("site/one", 3, status="cancelled", cost_known=False), status="cancelled"))
    found = sums(store, "path")
    assert found["site/two",] == Sums(2, 2, 2, 1, 10, 3, 0, 4, 1, 0, 11, 0, 200)
    assert found["site/one",] == Sums(0, 0, 0, 3, 20, 6, 0, 8, 2, 28, 8, 8, 0)
    assert found["",] == Sums(1, 0, 0, frontier_picos=100)


def test_groups_filters_and_days(store: Store) -> None:
    for n in range(40):
        store.add(record(f"r{n}", step(), time=DAY + n * 43_200.0, tenant="ab"[n % 2]))
    found = sums(store, "day", "tenant", since=date(2026, 11, 22), until=date(2026, 11, 23))
    assert set(found) == {(day, who) for day in ("2026-11-22", "2026-11-23") for who in "ab"}
    assert all(one.requests == 1 for one in found.values())
    assert sums(store, "tenant")["a",].requests == 20
    assert sums(store, "tenant", tenant="b").keys() == {("b",)}
    assert len(sums(store, *BY)) == 40
    assert ("a", "site/one", "topic", "2026-11-21") in sums(store, *BY)


def test_totals_outlive_the_records(store: Store) -> None:
    for n in range(100):
        store.add(record(f"r{n}", step()))
    store.prune(before=DAY + 1, max_bytes=1 << 30)
    assert sums(store, "path")["site/one",].requests == 100
    with closing(sqlite3.connect(store.telemetry_path)) as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (0,)


def test_a_record_that_is_there_already_adds_nothing(store: Store) -> None:
    for _ in range(3):
        store.add(record("same", step()))
    store.add(record("other", step()))
    assert sums(store, "path")["site/one",].requests == 2


def test_what_could_not_be_committed_is_added_once_with_the_next_commit(store: Store) -> None:
    store.add(record("r0", step()))
    store.writer.flush()
    with closing(sqlite3.connect(store.telemetry_path, isolation_level=None)) as other:
        other.execute("ALTER TABLE totals RENAME TO away")
        store.add(record("r1", step()))
        store.writer.flush()
        assert "no such table" in store.writer.trouble
        other.execute("ALTER TABLE away RENAME TO totals")
    store.add(record("r2", step()))
    assert sums(store, "path")["site/one",].requests == 3
    store.came_to_nothing({})  # a batch that was never begun
    store.add(record("r3", step()))
    assert sums(store, "path")["site/one",].requests == 4


def test_money_beyond_64_bits_is_added_up(store: Store) -> None:
    for n in range(4):
        dear = step(cost=0)
        store.add(record(f"r{n}", replace(dear, cost=5e6), time=DAY + 86_400.0 * n))
    assert sums(store, "path")["site/one",].picos == 20_000_000 * PICOS


def test_a_figure_that_grows_beyond_what_the_table_holds_stays_at_the_most_and_can_be_read(store: Store) -> None:
    for n in range(3):
        store.add(record(f"r{n}", step(cost=0, prompt_tokens=MOST // 2 + 7)))
        store.writer.flush()
    assert sums(store)[()].prompt_tokens == MOST


@unhurried
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 10**9)), max_size=20))
def test_no_picos_are_lost_between_a_record_and_its_parts(used: list[tuple[str, int]]) -> None:
    steps = tuple(step(path, cost) for path, cost in used)
    parts = parts_of("t", "topic/easy", Outcome("answered", "a", "site", steps), frozenset())
    assert sum(one.picos for _, one in parts) == sum(cost for _, cost in used)
    assert sum(one.requests for _, one in parts) == 1


def test_a_frontier_path_that_had_any_part_in_it_is_no_request_off_the_frontier() -> None:
    outcome = Outcome("answered", "site/one", "site", (step("far", status="failed"), step("site/one")))
    ((_, with_far), _) = parts_of("t", "", outcome, frozenset({"far"}))
    assert (with_far.answered, with_far.off_frontier) == (1, 0)
    ((_, without), _) = parts_of("t", "", outcome, frozenset())
    assert without.off_frontier == 1


def test_where_nothing_can_be_read_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateInvalid, match="holds no records"):
        read(tmp_path, (), None, None, None)
    with closing(sqlite3.connect(tmp_path / "telemetry.db")) as connection:
        connection.execute("CREATE TABLE records (id)")
    with pytest.raises(StateInvalid, match="older version"):
        read(tmp_path, (), None, None, None)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_records_that_the_database_did_not_take_are_in_the_totals(store: Store, count: int) -> None:
    batch = _Batch(store)
    store._waiting.extend(record(f"r{n}", step()) for n in range(count))
    with closing(sqlite3.connect(":memory:")) as empty, pytest.raises(sqlite3.OperationalError):
        batch.insert(empty)
    batch.came_to_nothing()
    batch.came_to_nothing()
    store.add(record("after", step()))
    store.writer.flush()
    assert sums(store, "path")["site/one",].requests == count + 1

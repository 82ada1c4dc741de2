"""Limits, budgets and places: arithmetic that the caller brings the time to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import NoCapacity, RateLimited
from appliance.records.money import PICOS, picos
from appliance.records.tenant import Tenant
from appliance.tenancy.accounts import Account, Accounts
from appliance.tenancy.budget import Spending, Spent, resets_in
from appliance.tenancy.limits import Bucket

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def account(clock: Callable[[], float] | None = None, **settings: Any) -> Account:
    return Account(Tenant(name="t", **settings), Spending(), clock or Hand())


@given(st.integers(1, 500), st.lists(st.floats(0.0, 30.0), max_size=120))
def test_no_time_sees_more_than_the_rate_and_what_a_bucket_holds(per_minute: int, gaps: list[float]) -> None:
    bucket, now, taken = Bucket(per_minute, 0.0), 0.0, []
    for gap in gaps:
        now += gap
        if bucket.wait(now) == 0:
            bucket.take(now)
            taken.append(now)
    for first, start in enumerate(taken):
        for last, end in enumerate(taken[first:], first):
            assert last - first + 1 <= bucket.holds + (end - start) / 60.0 * per_minute + 1e-6
    assert bucket.holds <= per_minute


@given(st.integers(1, 1000), st.floats(0.1, 5000.0))
def test_who_waits_as_long_as_was_said_is_let_in(per_minute: int, overdrawn: float) -> None:
    bucket = Bucket(per_minute, 0.0)
    bucket.take(0.0, per_minute + overdrawn)
    wait = bucket.wait(0.0)
    assert wait > 0
    assert bucket.wait(wait * 0.99) > 0
    assert bucket.wait(wait + 1e-6) == 0


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    bucket = Bucket(60, 100.0)
    bucket.take(100.0, 60)
    assert bucket.wait(100.0) > 0
    assert bucket.wait(50.0) > 0


def test_a_lower_limit_keeps_what_was_used() -> None:
    clock = Hand()
    one = account(clock, requests_per_minute=60)
    for _ in range(10):
        one.admit()
    one.resize(Tenant(name="t", requests_per_minute=120))
    for _ in range(10):
        one.admit()
    with pytest.raises(RateLimited):
        one.admit()
    one.resize(Tenant(name="t", requests_per_minute=5))
    with pytest.raises(RateLimited):
        one.admit()


def test_tokens_that_turn_out_more_are_made_good_before_the_next_request() -> None:
    clock = Hand()
    one = account(clock, tokens_per_minute=600)
    one.admit()
    one.use_tokens(1200)
    with pytest.raises(RateLimited) as refused:
        one.admit()
    assert refused.value.retry_after_s == 111
    clock.now += 111
    one.admit()


# ---- budgets ------------------------------------------------------------------------------------------------------


def test_the_tighter_budget_counts_and_what_is_set_aside_is_not_left() -> None:
    one = account(budget_day=5.0, budget_month=8.0)
    assert one.left(NOON) == 5.0
    one.used(NOON - 86_400, Spent(picos(4.0)))
    assert one.left(NOON) == 4.0
    assert one.resets_in(NOON) == 9 * 86_400 + 43_200  # until December
    assert one.take(3 * PICOS, NOON)
    assert one.left(NOON) == 1.0
    assert not one.take(1 * PICOS + 1, NOON)
    one.set_aside -= 3 * PICOS
    one.used(NOON, Spent(picos(4.5)))
    assert one.left(NOON) == 0.0


def test_budgets_begin_anew_with_the_day_and_the_month() -> None:
    one = account(budget_day=5.0, budget_month=20.0)
    one.used(NOON, Spent(picos(5.0)))
    assert one.left(NOON) == 0.0
    assert one.resets_in(NOON) == 43_200
    assert one.left(NOON + 43_199) == 0.0
    assert one.left(NOON + 43_201) == 5.0
    assert one.left(NOON + 10 * 86_400) == 5.0
    assert one.spending.month(NOON + 10 * 86_400) == Spent()


@pytest.mark.parametrize("gone", [20, 3 * 366 * 86_400], ids=["a month ends meanwhile", "the clock is set back"])
def test_what_is_left_of_a_month_is_known_to_who_began_in_it_also_once_another_was_seen(gone: int) -> None:
    one = account(budget_day=5.0, budget_month=8.0)
    eve = datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC).timestamp()
    one.used(eve - 86_400, Spent(picos(4.0)))
    one.used(eve, Spent(picos(3.0)))
    assert one.left(eve + gone) == 5.0
    assert one.left(eve) == 1.0
    assert not one.take(picos(1.0) + 1, eve)
    assert one.spending.today(eve).cost == 3.0


@given(st.lists(st.tuples(st.integers(0, 90 * 86_400), st.floats(0, 10)), max_size=60).map(sorted))
def test_a_month_is_the_sum_of_its_days(spent: list[tuple[int, float]]) -> None:
    spending, totals = Spending(), dict[str, int]()
    for after, cost in spent:
        now = NOON + after
        spending.add(now, Spent(picos(cost), 1))
        month = datetime.fromtimestamp(now, UTC).strftime("%Y-%m")
        totals[month] = totals.get(month, 0) + picos(cost)
        assert spending.month(now).picos == totals[month]
        assert spending.today(now).cost <= spending.month(now).cost + 1e-9


def test_a_year_ends_with_its_month() -> None:
    eve = datetime(2026, 12, 31, 23, 59, 50, tzinfo=UTC).timestamp()
    assert resets_in(eve, month=True) == resets_in(eve, month=False) == 10


def test_operators_are_told_once_when_the_alert_is_reached_and_once_when_it_is_spent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = account(budget_day=10.0, budget_alert=0.5)
    one.used(NOON, Spent(picos(4.9)))
    assert not one.alerts
    assert not one.warnings(NOON)
    for _ in range(3):
        one.used(NOON, Spent(picos(0.2)))
    assert one.alerts == {"day 2026-11-21"}
    assert one.warnings(NOON) == ["tenant t: 55% of its budget of the day is spent"]
    one.used(NOON, Spent(picos(5.0)))
    assert one.alerts == {"day 2026-11-21", "day 2026-11-21 spent"}
    assert one.warnings(NOON) == ["tenant t: its budget of the day is spent"]


# ---- places -------------------------------------------------------------------------------------------------------


def accounts(places: int, **priorities: str) -> Accounts:
    made = Accounts(places, clock=Hand())
    made.take_over({name: Tenant(name=name, priority=word) for name, word in priorities.items()}, {})  # type: ignore[arg-type]
    return made


def fill(made: Accounts, name: str, most: int = 10_000) -> int:
    """How many requests of this tenant find a place."""
    for taken in range(most):
        if made.full_for(made.of(name)) is not None:
            return taken
        made.enter(made.of(name))
    return most


def test_who_is_alone_has_nearly_all_places_and_another_still_finds_his() -> None:
    made = accounts(100, a="normal", b="normal")
    assert fill(made, "a") == 75
    assert fill(made, "b") == 25
    for _ in range(75):
        made.leave(made.of("a"))
    assert fill(made, "a") == 50  # from half of the node on, its share beside one other at work


def test_the_only_tenant_and_this_host_share_with_nobody() -> None:
    assert fill(accounts(100, a="normal"), "a") == 100
    assert fill(Accounts(100, clock=Hand()), "local") == 100


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=300))
def test_places_are_counted_right_and_a_tenant_with_none_is_refused_only_by_a_full_node(
    moves: list[tuple[str, bool]],
) -> None:
    made = accounts(16, a="low", b="normal", c="high")
    held = {"a": 0, "b": 0, "c": 0}
    for name, enters in moves:
        one = made.of(name)
        if enters:
            try:
                made.enter(one)
                held[name] += 1
            except NoCapacity:
                assert held[name] or sum(held.values()) == 16
        elif held[name]:
            made.leave(one)
            held[name] -= 1
        assert made.active == sum(held.values()) <= 16
        assert one.active == held[name] <= 12


def test_shares_follow_the_priority() -> None:
    made = accounts(70, a="low", b="normal", c="high")
    for _ in range(70):
        for name in "abc":
            if made.full_for(made.of(name)) is None:
                made.enter(made.of(name))
    assert made.active == 70
    low, normal, high = (made.of(name).active for name in "abc")
    assert low < normal < high


def test_a_limit_on_requests_in_work_is_a_tenants_own() -> None:
    made = Accounts(100, clock=Hand())
    made.take_over({"a": Tenant(name="a", concurrent=2)}, {})
    assert fill(made, "a") == 2
    with pytest.raises(RateLimited):
        made.enter(made.of("a"))
    assert fill(made, "local", 5) == 5


def test_use_is_handed_over_once() -> None:
    made = accounts(4, a="normal")
    made.used("a", NOON, Spent(picos(1.0), 1, 10))
    made.used("a", NOON, Spent(picos(2.0), 1, 5))
    made.used("stranger", NOON, Spent(picos(9.0)))
    taken = made.take_unwritten()
    assert taken.spent == {("a", "2026-11-21"): Spent(picos(3.0), 2, 15)}
    assert made.take_unwritten() == ({}, [])
    made.used("a", NOON, Spent(picos(1.0), 1, 1))
    made.give_back_unwritten(taken)
    assert made.take_unwritten().spent == {("a", "2026-11-21"): Spent(picos(4.0), 3, 16)}


def test_what_was_spent_before_a_start_counts() -> None:
    made = Accounts(4, clock=Hand())
    made.take_over({"a": Tenant(name="a", budget_month=10.0)}, {"a": {"2026-11-02": Spent(picos(9.0), 3, 1)}})
    assert made.of("a").left(NOON) == 1.0

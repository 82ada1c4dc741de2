"""The watch closes what breaks its promise and leaves alone what keeps it, whenever one looks."""

from __future__ import annotations

import math
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.decide.similar import CellPromise
from appliance.similar.report import Seen, report
from appliance.similar.watch import (
    BLIND_AFTER,
    RUN_DAYS,
    Count,
    Label,
    Opened,
    Outcome,
    bounds,
    draws,
    watch,
)
from appliance.store.schema import cache, migrate
from appliance.store.similar_labels import add_counts, add_labels, open_again, read_seen, sweep
from tests.similar.made import cell, promise, rung

TODAY = 20_000 - 20_000 % RUN_DAYS + 3
DELTA = 0.01


def label(
    nth: int, outcome: Outcome = "agreed", *, day: int = TODAY, score: float = 0.95, share: float = 0.02
) -> Label:
    return Label("knowledge", day, nth, score, share, share / 2, outcome, "exact")


def traffic(
    rate: float, look_ups: int, seed: int, *, hit: float = 0.3, share: float = 0.05, unsure: float = 0.0
) -> list[Label]:
    """Labels of so many look-ups of which `rate` are wrong hits; wrong ones are wrong at any score."""
    rng = random.Random(seed)
    found = []
    for nth in range(1, look_ups + 1):
        if rng.random() >= hit or rng.random() >= share:
            continue
        outcome: Outcome = "wrong" if rng.random() < rate / hit else "agreed"
        found.append(label(nth, "unsure" if rng.random() < unsure else outcome, share=share))
    return found


def state(made: CellPromise, labels: list[Label], look_ups: int, **over: object) -> str:
    return watch(made, labels, {TODAY: Count(look_ups, look_ups // 3)}, today=TODAY, **over).state  # type: ignore[arg-type]


def ever_closed(made: CellPromise, labels: list[Label]) -> int | None:
    """How many labels there were when the cell was first found closed, looking after every wrong one."""
    for at, each in enumerate(labels, 1):
        if each.outcome == "wrong" and state(made, labels[:at], each.nth) == "closed":
            return at
    return None


ONE = cell(rung(DELTA, 0.9))


def test_a_cell_at_three_times_its_budget_closes_within_a_sensible_number_of_labels() -> None:
    needed = [ever_closed(ONE, traffic(3 * DELTA, 40_000, seed)) for seed in range(30)]
    assert all(needed)
    assert sorted(n or 0 for n in needed)[15] <= 180  # median; about 15 of every 180 are wrong


@pytest.mark.parametrize("rate", [DELTA / 3, 0.0])
def test_a_cell_well_within_its_budget_stays_open_whenever_one_looks(rate: float) -> None:
    closed = [ever_closed(ONE, traffic(rate, 12_000, seed)) is not None for seed in range(60)]
    assert sum(closed) <= 3


def test_a_cell_exactly_at_its_budget_is_closed_ever_in_at_most_5_percent() -> None:
    closed = [ever_closed(ONE, traffic(DELTA, 12_000, 1_000 + seed)) is not None for seed in range(60)]
    assert sum(closed) <= 3 + 5  # three deviations of 60 draws


def test_only_the_threshold_that_breaks_its_budget_is_given_up() -> None:
    """All that is wrong scores below the stricter rung."""
    made = cell(rung(0.002, 0.97), rung(DELTA, 0.9))
    labels = [label(50 * n, "wrong", score=0.92) for n in range(1, 13)]
    found = watch(made, labels, {TODAY: Count(700, 200)}, today=TODAY)
    assert (found.state, found.threshold) == ("tightened", 0.97)
    assert (found.wrong, found.look_ups) == (12, 700)
    worse = [*labels, *(label(600 + 5 * n, "wrong", score=0.99) for n in range(12))]
    assert watch(made, worse, {TODAY: Count(700, 200)}, today=TODAY).state == "closed"


def test_what_was_refuted_stays_so_while_its_labels_count_however_many_good_ones_follow() -> None:
    labels = [label(20 * n, "wrong") for n in range(1, 13)]
    good = [label(1_000 + 50 * n) for n in range(400)]
    assert state(ONE, labels, 300) == "closed"
    assert state(ONE, [*labels, *good], 200_000) == "closed"


def test_labels_age_out_and_the_cell_opens_again() -> None:
    labels = [label(20 * n, "wrong") for n in range(1, 13)]
    counts = {TODAY: Count(300, 100)}
    begin = TODAY - TODAY % RUN_DAYS
    last = begin + 2 * RUN_DAYS - 1
    assert watch(ONE, labels, counts, today=last).state == "closed"
    assert watch(ONE, labels, counts, today=last + 1).state == "open"


def test_an_operator_opens_a_cell_and_labels_begin_anew() -> None:
    labels = [label(20 * n, "wrong") for n in range(1, 13)]
    opened = Opened(TODAY, 300)
    assert state(ONE, labels, 300, opened=opened) == "open"
    again = [*labels, *(label(300 + 20 * n, "wrong") for n in range(1, 13))]
    assert state(ONE, again, 600, opened=opened) == "closed"


def test_unsure_labels_never_count_as_agreed_and_many_of_them_blind_the_watch() -> None:
    made = cell(rung(0.002, 0.97), rung(DELTA, 0.9))
    unsure = [label(50 * n, "unsure") for n in range(1, BLIND_AFTER + 1)]
    found = watch(made, unsure, {TODAY: Count(5_000, 2_000)}, today=TODAY)
    assert (found.state, found.threshold, found.unsure, found.agreed) == ("blind", 0.97, BLIND_AFTER, 0)
    assert bounds(unsure, {TODAY: Count(5_000, 2_000)}, 0.9, today=TODAY) == (0.0, 1.0)


def test_labels_that_cannot_be_judged_do_not_hide_wrong_ones() -> None:
    """As many wrong look-ups, of which 45 % cannot be judged: closed as well, with as many that were judged."""
    needed = [ever_closed(ONE, traffic(3 * DELTA, 60_000, seed, unsure=0.45)) for seed in range(10)]
    assert all(needed)


def test_a_cell_that_abstains_is_not_watched() -> None:
    assert watch(cell(reason="no labels"), [], {}, today=TODAY).state == "abstains"
    assert watch(ONE, [], {}, today=TODAY, delta=0.001).state == "abstains"


def test_a_stricter_budget_is_what_labels_are_held_against() -> None:
    made = cell(rung(0.001, 0.97, look_ups=9_000), rung(DELTA, 0.9))
    labels = [label(900 * n, "wrong", score=0.99, share=0.2) for n in range(1, 8)]
    assert state(made, labels, 6_400) != "closed"
    assert state(made, labels, 6_400, delta=0.001) == "closed"


def test_the_lot_falls_on_would_be_hits_of_the_stated_budget_only() -> None:
    stated = ONE.at()
    assert draws(0.02, 0.019, 0.9, stated)
    assert not draws(0.02, 0.02, 0.99, stated)
    assert not draws(0.02, 0.0, 0.89, stated)
    assert not draws(1.0, 0.0, 1.0, None)


def test_the_bounds_hold_the_true_rate_and_narrow() -> None:
    true, held = 0.02, 0
    for seed in range(20):
        found = traffic(true, 8_000, 500 + seed, share=0.2)
        low, high = bounds(found, {TODAY: Count(8_000, 2_400)}, 0.9, today=TODAY)
        held += low <= true <= high
        assert high < 0.06
    assert held >= 18


OUTCOMES = st.sampled_from(["agreed", "wrong", "unsure"])
LABELS = st.lists(
    st.builds(
        Label,
        st.just("knowledge"),
        st.integers(TODAY - 3 * RUN_DAYS, TODAY + 1),
        st.integers(0, 500),
        st.floats(0, 1),
        st.floats(0, 1),
        st.floats(0, 1),
        OUTCOMES,
        st.just(""),
    ),
    max_size=25,
)
COUNTS = st.dictionaries(
    st.integers(TODAY - 3 * RUN_DAYS, TODAY), st.builds(Count, st.integers(0, 900), st.integers(0, 900)), max_size=6
)


@given(LABELS, COUNTS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_state_is_a_function_of_labels_and_counts_in_any_order(
    labels: list[Label], counts: dict[int, Count], rng: random.Random
) -> None:
    made = cell(rung(0.002, 0.97), rung(DELTA, 0.9))
    labels = list({(each.day, each.nth): each for each in labels}.values())
    mixed = labels.copy()
    rng.shuffle(mixed)
    found = watch(made, labels, counts, today=TODAY)
    assert found == watch(made, mixed, counts, today=TODAY)
    assert found.threshold in {None, 0.97, 0.9}
    assert (found.threshold is None) == (found.state in {"closed", "abstains"})
    low, high = bounds(labels, counts, 0.9, today=TODAY)
    assert 0.0 <= low <= 1.0
    assert 0.0 <= high <= 1.0
    assert not math.isnan(low + high)


@given(LABELS, COUNTS)
@settings(max_examples=40, deadline=None)
def test_one_more_wrong_label_never_loosens_a_cell(labels: list[Label], counts: dict[int, Count]) -> None:
    made = cell(rung(0.002, 0.97), rung(DELTA, 0.9))
    labels = [each for each in labels if each.outcome != "unsure"]
    last = max((each.nth for each in labels if each.day >= TODAY), default=0)
    before = watch(made, labels, counts, today=TODAY).threshold
    worse = [*labels, label(last + 1, "wrong", day=TODAY + 1, score=1.0)]
    after = watch(made, worse, counts, today=TODAY).threshold
    assert (after or 2.0) >= (before or 2.0)


def test_the_report_says_of_each_cell_what_is_promised_and_what_was_seen() -> None:
    promised = promise(knowledge=cell(rung(0.002, 0.97), rung(DELTA, 0.9)), code=ONE, units=cell(reason="no labels"))
    closed = [label(20 * n, "wrong") for n in range(1, 13)]
    seen = {"knowledge": Seen(closed, {TODAY: Count(4_000, 900)}), "code": Seen((), {TODAY: Count(10, 2)})}
    rows = {row.cell: row for row in report(promised, seen, today=TODAY, deltas={"code": 0.001})}
    assert list(rows) == ["code", "knowledge", "units"]
    assert rows["units"].state == rows["code"].state == "abstains"
    assert rows["units"].reason == "no labels"
    assert "small a budget" in rows["code"].reason
    found = rows["knowledge"]
    assert (found.state, found.delta, found.stated_threshold, found.threshold) == ("tightened", DELTA, 0.9, 0.97)
    assert (found.certified_look_ups, found.certified_wrong, found.certified_per_hit) == (2000, 0, 0.0)
    assert (found.look_ups, found.would_be_hits, found.wrong) == (4_000, 900, 12)
    assert found.lower is not None and found.upper is not None and 0.0 == found.lower < found.upper


def test_labels_and_counts_are_the_same_after_a_restart(tmp_path: Path) -> None:

    path = tmp_path / "cache.db"
    migrate(path, cache)
    labels = [label(n, "wrong" if n % 3 else "unsure") for n in range(1, 9)]
    with sqlite3.connect(path) as connection:
        add_labels(connection, "one", labels)
        add_labels(connection, "other", [label(1, "wrong")])
        add_counts(connection, "one", {("knowledge", TODAY): Count(5, 2), ("code", TODAY): Count(1, 0)})
        add_counts(connection, "one", {("knowledge", TODAY): Count(7, 1)})
        open_again(connection, "one", "code", Opened(TODAY, 1))
    connection.close()
    connection = sqlite3.connect(path)
    found = read_seen(connection, "one")
    assert found["knowledge"] == Seen(tuple(labels), {TODAY: Count(12, 3)})
    assert found["code"] == Seen((), {TODAY: Count(1, 0)}, Opened(TODAY, 1))
    connection.execute("UPDATE similar_labels SET score = 'high' WHERE verifier = 'other'")
    assert read_seen(connection, "other") == {}
    assert read_seen(connection, "one") == found
    sweep(connection, TODAY + 3 * RUN_DAYS)
    assert read_seen(connection, "one") == {}
    connection.close()

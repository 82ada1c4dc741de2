"""The confidence gate and the statistics under it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.judge import p_right
from appliance.learn.gate import FLOORS, Row, certified_threshold, fit_gate, safest_score
from appliance.learn.stats import auc, binomial_cdf, clopper_pearson_upper, wilson
from appliance.paths.contract import Signals
from appliance.records.features import Features


def signals(logprob: float, tokens: int = 5) -> Signals:
    return Signals(
        0, tokens, logprob * tokens, logprob, logprob * 2, (logprob * 1.8, logprob * 1.2, logprob), -logprob, 3.0
    )


def rows(n: int, *, seed: int = 0, base: float = 0.5) -> list[Row]:
    """Answers whose confidence truly says something: P(right) = sigmoid(4 + 6 x logprob), by cell a little other."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        cell = "topic/easy" if rng.random() < base else "sort/hard"
        logprob = -float(rng.exponential(0.4))
        z = 4 + 6 * logprob + (1 if cell == "topic/easy" else -1)
        made.append(Row(cell, signals(logprob), bool(rng.random() < 1 / (1 + math.exp(-z)))))
    return made


@pytest.mark.parametrize(("k", "n", "upper"), [(0, 299, 0.00997), (5, 500, 0.02091), (10, 100, 0.16372), (1, 1, 1.0)])
def test_clopper_pearson_gives_the_published_values(k: int, n: int, upper: float) -> None:
    # From the beta quantile: qbeta(0.95, k + 1, n - k).
    assert clopper_pearson_upper(k, n) == pytest.approx(upper, abs=2e-4)


@given(n=st.integers(1, 300), data=st.data())
@settings(max_examples=50, deadline=None)
def test_at_the_upper_bound_so_few_are_as_unlikely_as_stated(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n - 1))
    bound = clopper_pearson_upper(k, n)
    assert bound > k / n
    assert binomial_cdf(k, n, bound) == pytest.approx(0.05, rel=1e-6)
    assert clopper_pearson_upper(0, n) == pytest.approx(1 - 0.05 ** (1 / n), rel=1e-9)


@given(st.integers(1, 60), st.floats(0.01, 0.99), st.data())
@settings(deadline=None)
def test_the_binomial_tail_is_the_sum_of_its_terms(n: int, p: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    exact = math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
    assert binomial_cdf(k, n, p) == pytest.approx(exact, abs=1e-9)


def test_wilson_holds_the_share_and_stays_in_range() -> None:
    assert wilson(0, 10)[0] == 0.0
    low, high = wilson(8, 10)
    assert low == pytest.approx(0.4902, abs=1e-3)
    assert high == pytest.approx(0.9433, abs=1e-3)


def test_auc_is_one_for_perfect_order_and_a_half_for_ties() -> None:
    assert auc([0.1, 0.9], [False, True]) == 1.0
    assert auc([0.5, 0.5], [False, True]) == 0.5


def test_a_floor_that_the_answers_cannot_keep_is_not_certified() -> None:
    y = np.array([1.0, 0.0] * 200)
    p = np.linspace(1, 0, 400)
    assert certified_threshold(p, y, 0.9) is None


def test_too_few_answers_certify_nothing_however_right_they_are() -> None:
    assert certified_threshold(np.ones(10), np.ones(10), 0.95) is None


@pytest.mark.parametrize("floor", [0.9, 0.95])
def test_a_certified_threshold_keeps_its_floor_on_fresh_answers(floor: float) -> None:
    """The promise is 95 %: of 24 fits at most a handful may break it. A plug-in threshold breaks it in about half."""
    broken = eligible = 0
    for seed in range(24):
        gate = fit_gate(rows(1000, seed=seed), id="g", model="m", source="made")
        level = gate.level_for(floor)
        if level is None:
            continue
        eligible += 1
        fresh = rows(1500, seed=1000 + seed)
        taken = [
            r.right for r in fresh if p_right(gate, r.signals, Features("chat", ((r.cell, 1.0),))) >= level.threshold
        ]
        broken += sum(taken) / len(taken) < floor
    assert eligible >= 8, "abstaining is honest, but not always"
    assert broken <= 3


def test_the_gate_ranks_answers_and_knows_what_it_accepts() -> None:
    made = rows(1500)
    gate = fit_gate(made, id="g", model="m", source="made")
    scores = [p_right(gate, r.signals, Features("chat", ((r.cell, 1.0),))) for r in made]
    assert auc(scores, [r.right for r in made]) > 0.85
    strict, loose = gate.levels[0], gate.levels[-1]
    assert strict.floor > loose.floor
    assert strict.threshold >= loose.threshold
    assert loose.cells["topic/easy"].accept > loose.cells["sort/hard"].accept


def test_fitting_twice_gives_the_same_gate() -> None:
    assert fit_gate(rows(400), id="g", model="m", source="s") == fit_gate(rows(400), id="g", model="m", source="s")


def test_a_gate_wants_enough_answers() -> None:
    with pytest.raises(ValueError, match="200"):
        fit_gate(rows(100), id="g", model="m", source="s")


def spread(n: int, seed: int) -> list[Row]:
    """The classifier names the right cell first but is seldom sure of it; tasks differ much more than confidences."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        first, second = ("topic/easy", "sort/hard") if rng.random() < 0.5 else ("sort/hard", "topic/easy")
        share = float(rng.uniform(0.5, 1.0))
        logprob = -float(rng.exponential(0.4))
        z = 4 + 3 * logprob + (4 if first == "topic/easy" else -4)
        right = bool(rng.random() < 1 / (1 + math.exp(-z)))
        made.append(Row(first, signals(logprob), right, ((first, share), (second, 1.0 - share))))
    return made


def test_a_floor_certified_over_spread_cells_holds_on_answers_scored_with_their_shares() -> None:
    """Fitted as if the first cell were certain and scored with the shares, most floors of these break."""
    broken = eligible = 0
    for seed in range(10):
        gate = fit_gate(spread(1000, seed), id="g", model="m", source="made")
        fresh = spread(2000, 1000 + seed)
        scored = [(p_right(gate, row.signals, Features("chat", row.cells)), row.right) for row in fresh]
        for floor in (0.9, 0.95):
            level = gate.level_for(floor)
            if level is None:
                continue
            eligible += 1
            taken = [right for p, right in scored if p >= level.threshold]
            broken += sum(taken) / len(taken) < floor
    assert eligible >= 10, "abstaining is honest, but not always"
    assert broken <= 3


def wrong_at(p: np.ndarray, *places: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers by falling score: right, but for these places and the lower half."""
    y = np.ones(len(p))
    y[len(p) // 2 :] = 0.0
    y[list(places)] = 0.0
    return p, y


def test_one_confidently_wrong_answer_at_the_very_top_does_not_end_the_certification() -> None:
    seen, held = wrong_at(np.linspace(0.999, 0.001, 1000), 130), wrong_at(np.linspace(0.998, 0.002, 1000), 0)
    assert certified_threshold(*held, 0.95) is None, "by itself the strictest threshold fails and ends the sequence"
    start = safest_score(*seen, 0.95)
    threshold = certified_threshold(*held, 0.95, start=start)
    assert threshold is not None
    assert threshold <= start
    assert held[1][held[0] >= threshold].mean() >= 0.95


def test_a_fitted_gate_survives_its_most_confident_answer_being_wrong() -> None:
    made = [Row(r.cell, r.signals, r.right or r.signals.mean_logprob > -0.5) for r in rows(1200, seed=3)]
    for k in range(6):  # more confident than any other, three or so in each half
        made[k] = Row("topic/easy", signals(-1e-6), False)
    gate = fit_gate(made, id="g", model="m", source="made")
    assert gate.level_for(0.95) is not None


def test_where_the_sequence_begins_does_not_look_at_the_answers_that_are_certified() -> None:
    """Only scores are counted above `start`; nothing above it is ever taken for a threshold."""
    p, y = wrong_at(np.linspace(0.999, 0.001, 1000))
    for start in (0.9, 0.7, 0.55):
        threshold = certified_threshold(p, y, 0.95, start=start)
        assert threshold is not None
        assert threshold <= start
    assert certified_threshold(p, y, 0.95, start=0.3) is None, "where it begins too low it ends at once"


def test_the_promise_holds_wherever_the_fitting_half_lets_the_sequence_begin() -> None:
    """Errors get likelier downwards, with a blip at the very top. 5 % of certificates may break, chance more."""

    def error(s: np.ndarray) -> np.ndarray:
        return np.where(s > 0.99, 0.3, 0.22 * (1.0 - s))

    grid = np.linspace(1.0, 0.0, 100_001)
    true = np.cumsum(error(grid)) / np.arange(1, len(grid) + 1)  # the error above each score
    floor, broken, eligible, strictest = 0.9, 0, 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        halves = []
        for _ in range(2):
            p = np.sort(rng.random(600))[::-1]
            halves.append((p, (rng.random(600) >= error(p)).astype(float)))
        threshold = certified_threshold(*halves[1], floor, start=safest_score(*halves[0], floor))
        strictest += certified_threshold(*halves[1], floor) is not None
        if threshold is None:
            continue
        eligible += 1
        broken += bool(true[int((1.0 - threshold) * 100_000)] > 1.0 - floor)
    assert eligible >= 80 > 2 * strictest, "abstaining is honest, but not mostly"
    assert broken <= 11


def test_the_safest_score_leaves_enough_answers_to_pass() -> None:
    p, y = wrong_at(np.linspace(0.999, 0.001, 600))
    for floor in (FLOORS[0], 0.95, FLOORS[-1]):
        above = int((p >= safest_score(p, y, floor)).sum())
        assert above >= math.log(0.05) / math.log(floor)
    assert safest_score(np.array([0.4, 0.9]), np.array([1.0, 1.0]), 0.95) == 0.9, "too few to say: the strictest"

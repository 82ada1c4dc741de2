"""The confidence gate and the statistics under it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.judge import p_right
from appliance.learn.gate import Row, certified_threshold, fit_gate
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

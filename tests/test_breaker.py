"""Claims about circuit breakers, by a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.breaker import Breaker
from appliance.decide.failing import Breaking


class Bench:
    """A breaker and its clock."""

    def __init__(self, **limits: Any) -> None:
        self.now = 1000.0
        self.limits = Breaking(**limits)
        self.breaker = Breaker(self.limits, lambda: self.now)

    def call(self, how: str) -> None:
        epoch = self.breaker.enter()
        if how in ("ok", "slow"):
            self.breaker.answered(epoch, slow=how == "slow")
        elif how == "given up":
            self.breaker.given_up(epoch)
        else:
            self.breaker.failed(epoch, connecting=how == "missed")


def test_connections_that_fail_in_a_row_open_it_and_one_that_is_answered_begins_the_count_anew() -> None:
    bench = Bench(connect_failures=3)
    for how in ("missed", "missed", "ok", "missed", "missed"):
        bench.call(how)
    assert bench.breaker.state == "closed"
    bench.call("missed")
    assert bench.breaker.state == "open"
    assert "could not be connected to 3 times in a row" in bench.breaker.refuses()


def test_a_share_of_errors_opens_it_only_with_enough_calls_and_within_the_window() -> None:
    bench = Bench(least_calls=10, error_share=0.5, window_s=30.0)
    for _ in range(9):
        bench.call("error")
    assert bench.breaker.state == "closed"
    bench.now += 31.0  # they are forgotten
    for _ in range(9):
        bench.call("ok")
    bench.call("error")
    assert bench.breaker.state == "closed"
    for _ in range(8):
        bench.call("error")
    assert bench.breaker.state == "open"
    assert bench.breaker.why == "9 of 18 calls failed within 30 s"


def test_first_tokens_whose_95th_percentile_is_too_late_open_it() -> None:
    bench = Bench(least_answers=20)
    for k in range(40):
        bench.call("slow" if k in (25, 39) else "ok")
    assert bench.breaker.state == "closed", "5 % of 40 are not more than 5 %"
    bench.call("slow")
    assert bench.breaker.state == "open"
    assert "came too late" in bench.breaker.lags()
    assert bench.breaker.refuses() == "", "where nobody else is left, a slow answer is better than none"
    bench.now += 5.0
    assert bench.breaker.lags() == ""
    for _ in range(3):
        bench.call("ok")
    assert (bench.breaker.state, bench.breaker.lagging) == ("closed", False)


def test_half_open_a_counted_number_of_probes_passes_and_all_of_them_must_be_answered() -> None:
    bench = Bench(connect_failures=1, probes=2, pause_s=5.0)
    bench.call("missed")
    assert bench.breaker.wait_s() == pytest.approx(5.0)
    bench.now += 5.0
    assert bench.breaker.refuses() == ""
    first, second = bench.breaker.enter(), bench.breaker.enter()
    assert "probes are at work" in bench.breaker.refuses()
    bench.breaker.answered(first)
    assert bench.breaker.state == "half-open"
    bench.breaker.given_up(second)
    assert bench.breaker.refuses() == "", "a probe that was given up is another's"
    bench.call("ok")
    assert bench.breaker.state == "closed"


def test_a_probe_that_fails_makes_it_rest_for_twice_as_long_up_to_a_limit() -> None:
    bench = Bench(connect_failures=1, pause_s=5.0, longest_pause_s=60.0)
    rests = []
    for _ in range(8):
        bench.call("missed")
        rests.append(bench.breaker.wait_s())
        bench.now += rests[-1]
        assert bench.breaker.refuses() == ""
    assert rests == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0, 60.0]


def test_a_server_that_is_up_again_but_slow_is_asked_after_others_and_closed_once_it_is_quick() -> None:
    bench = Bench(connect_failures=1, probes=3, pause_s=5.0)
    bench.call("missed")
    bench.now += 5.0
    for how in ("ok", "slow"):
        assert bench.breaker.refuses() == ""
        bench.call(how)
        assert bench.breaker.state == "half-open"
    bench.call("ok")
    assert (bench.breaker.state, bench.breaker.lagging, bench.breaker.refuses()) == ("open", True, "")
    assert "too late" in bench.breaker.lags()
    bench.now += 60.0
    assert bench.breaker.lags() == ""
    for _ in range(3):
        bench.call("ok")
    assert (bench.breaker.state, bench.breaker.lagging) == ("closed", False)


def test_what_began_before_it_opened_does_not_close_it_and_does_not_open_it_again() -> None:
    bench = Bench(connect_failures=1, probes=1)
    stragglers = [bench.breaker.enter() for _ in range(3)]
    bench.call("missed")
    bench.breaker.answered(stragglers[0])
    assert bench.breaker.state == "open"
    bench.now += 5.0
    assert bench.breaker.refuses() == ""
    bench.breaker.answered(stragglers[1])
    assert bench.breaker.state == "half-open"
    bench.call("ok")
    bench.breaker.failed(stragglers[2], connecting=True)
    assert bench.breaker.state == "closed"


def test_a_server_that_asks_to_wait_is_left_alone_until_then_and_nothing_is_held_against_it() -> None:
    bench = Bench()
    bench.breaker.pause(7.0)
    assert "asked to wait" in bench.breaker.refuses()
    assert bench.breaker.state == "closed"
    bench.now += 7.0
    assert bench.breaker.refuses() == ""
    assert bench.breaker.openings == 0


HAPPENINGS = st.one_of(
    st.tuples(st.just("enter"), st.just(0.0)),
    st.tuples(st.sampled_from(["ok", "slow", "error", "missed", "given up"]), st.floats(0, 1)),
    st.tuples(st.just("pass time"), st.sampled_from([0.1, 1.0, 4.0, 31.0, 100.0])),
    st.tuples(st.just("pause"), st.sampled_from([0.5, 20.0])),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(HAPPENINGS, max_size=80), st.integers(1, 4), st.integers(1, 3))
def test_whatever_happens_it_lets_no_more_probes_through_than_stated_and_never_stays_shut(
    happenings: list[tuple[str, float]], failures: int, probes: int
) -> None:
    bench = Bench(connect_failures=failures, probes=probes, least_calls=4, least_answers=4)
    breaker, calls = bench.breaker, []
    through: dict[int, int] = {}  # probes at work, by epoch
    for what, size in happenings:
        if what == "pass time":
            bench.now += size
        elif what == "pause":
            breaker.pause(size)
        elif what == "enter":
            if not breaker.refuses():
                assert breaker.wait_s() == 0.0
                probing = breaker.state == "half-open" and not breaker.lagging
                epoch = breaker.enter()
                calls.append((epoch, probing))
                through[epoch] = through.get(epoch, 0) + probing
                assert through[epoch] <= probes
            else:
                assert breaker.wait_s() > 0
        elif calls:
            epoch, probing = calls.pop(int(size * (len(calls) - 1)))
            before = breaker.state
            if what in ("ok", "slow"):
                breaker.answered(epoch, slow=what == "slow")
            elif what == "given up":
                breaker.given_up(epoch)
                through[epoch] -= probing
            else:
                breaker.failed(epoch, connecting=what == "missed")
            if what != "given up" and before == "half-open" and breaker.state == "closed":
                assert what == "ok"
    for epoch, _ in calls:  # all that is at work ends
        breaker.given_up(epoch)
    bench.now += 1000.0
    assert breaker.refuses() == breaker.lags() == ""
    for _ in range(probes):
        bench.call("ok")
    assert breaker.state == "closed"

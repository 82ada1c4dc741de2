"""Claims about whether one path is asked again, and when."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.decide.failing import Retries
from appliance.paths.contract import PathError, PathFault
from appliance.retries import again_in

LIMITS = Retries(first_wait_s=0.2, patience_s=0.5, longest_wait_s=10.0, beside_others=2, alone=3)
NO_WORK = PathError("unavailable", "down", sent=False)


def again(error: PathError = NO_WORK, **over: Any) -> float | None:
    base: dict[str, Any] = {"tried": 1, "others": False, "spare": False, "whole": False, "left_s": None, "draw": 0.5}
    return again_in(error, LIMITS, **(base | over))


def test_waits_double_and_are_drawn_between_a_half_and_all() -> None:
    assert [again(tried=k, draw=0.0) for k in (1, 2)] == [pytest.approx(0.1), pytest.approx(0.2)]
    assert again(tried=2, draw=0.999) == pytest.approx(0.4, rel=0.01)
    assert again(tried=3) is None


def test_what_may_have_done_work_is_paid_for_twice_only_where_nobody_else_could_answer() -> None:
    broken = PathError("broken_stream", "cut")
    assert again(broken, others=True) is None
    assert again(broken, others=True, spare=True) is None
    assert again(broken) is not None


def test_a_retry_after_is_waited_for_in_full_or_not_at_all() -> None:
    asked = PathError("overloaded", "later", retry_after_s=3.0, sent=False)
    assert again(asked) == 3.0
    assert again(asked, left_s=2.9) is None
    assert again(asked, others=True) is None
    assert again(PathError("overloaded", "later", retry_after_s=11.0, sent=False)) is None
    assert again(asked, others=True, spare=True) == 0.0, "another member did not ask anybody to wait"


def test_what_would_fail_the_same_way_is_not_tried_again() -> None:
    passing = {"unavailable", "timeout", "overloaded", "broken_stream"}
    for fault in get_args(PathFault):
        assert (again(PathError(fault, "so", sent=False)) is not None) == (fault in passing)


def test_a_refused_key_is_tried_at_another_member_and_nowhere_else() -> None:
    refused = PathError("auth", "no such key")
    assert again(refused, spare=True) == again(refused, spare=True, others=True) == 0.0
    assert again(refused) is None
    assert again(refused, spare=True, tried=3) is None


def test_what_was_to_come_in_one_piece_and_took_too_long_is_not_bought_again() -> None:
    late = PathError("timeout", "no answer within 30 s")
    assert again(late) is not None
    assert again(late, whole=True) is None
    assert again(late, whole=True, spare=True) is None
    assert again(PathError("timeout", "could not connect", sent=False), whole=True) is not None


@given(
    st.sampled_from(get_args(PathFault)), st.booleans(), st.none() | st.floats(0, 100), st.integers(1, 12),
    st.booleans(), st.booleans(), st.none() | st.floats(-1, 100), st.floats(0, 1, exclude_max=True),
    st.builds(
        Retries, beside_others=st.integers(1, 10), alone=st.integers(1, 10), first_wait_s=st.floats(0.001, 10),
        patience_s=st.floats(0.001, 10), longest_wait_s=st.floats(0.001, 60),
    ), st.booleans(),
)  # fmt: skip
def test_no_wait_is_longer_than_patience_or_the_deadline_or_shorter_than_the_server_asked(
    fault: PathFault, sent: bool, after: float | None, tried: int, others: bool, spare: bool, left: float | None,
    draw: float, limits: Retries, whole: bool,
) -> None:  # fmt: skip
    error = PathError(fault, "so", retry_after_s=after, sent=sent)
    wait = again_in(error, limits, tried=tried, others=others, spare=spare, whole=whole, left_s=left, draw=draw)
    if wait is None:
        return
    assert not (sent and others) or (fault == "auth" and spare)
    assert not (sent and whole and fault == "timeout")
    assert tried < (limits.beside_others if others else limits.alone)
    assert 0 <= wait <= (limits.patience_s if others else limits.longest_wait_s)
    assert left is None or wait < left
    assert spare or wait >= (after or 0.0)

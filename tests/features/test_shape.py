"""The shape of a text: finite for any text, telling for the things that difficulty hangs on."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.features.shape import NAMES, excerpt, shape


def value(text: str, name: str) -> float:
    return float(shape(text)[NAMES.index(name)])


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=3000))
def test_any_text_has_a_finite_shape(text: str) -> None:
    found = shape(text)
    assert found.shape == (len(NAMES),)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (found <= 4).all()


def test_names_are_distinct() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_longer_lists_and_larger_numbers_show() -> None:
    assert value("sort 3, 1, 2", "longest_run") < value("sort 3, 1, 2, 9, 8, 7, 4", "longest_run")
    assert value("7 + 5", "longest_number") < value("7 + 4519", "longest_number")
    assert value("7 + 5", "numbers") < value("7 + 5 + 6", "numbers")
    assert value("a\nb\nc", "newlines") > value("a b c", "newlines")


def test_words_are_met_whole_and_in_any_case() -> None:
    assert value("SORT these", "says_sort") > 0
    assert value("resorted", "says_sort") == 0
    assert value("2024-05-17", "calendar_dates") > 0
    assert value("5 km", "abbreviated_units") > 0
    assert value("5 knights", "abbreviated_units") == 0


def test_an_excerpt_keeps_both_ends_and_a_short_text_whole() -> None:
    assert excerpt("short") == "short"
    cut = excerpt("BEGIN" + "x" * 1_000_000 + "END")
    assert cut.startswith("BEGIN")
    assert cut.endswith("END")
    assert len(cut) == 801

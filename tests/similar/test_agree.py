"""Two answers agree only where that can be said; what cannot be said is unsure, and never agreed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.similar.agree import LONGEST, Agreement, agree


def alike(cosine: float) -> object:
    return lambda _a, _b: cosine


def said(stored: str, fresh: str, cosine: float | None = None, language: str = "en") -> tuple[str, str]:
    found = agree(stored, fresh, language=language, cosine=None if cosine is None else alike(cosine))  # type: ignore[arg-type]
    return found.outcome, found.how


@pytest.mark.parametrize(
    ("stored", "fresh", "outcome", "how"),
    [
        ("Oslo is the capital.", "Oslo  is the capital", "agreed", "exact"),
        ("```json\n[1, 2]\n```", "[1, 2]", "agreed", "exact"),
        ("a\n\nb", "a\nb", "agreed", "exact"),
        ("a b", "a\nb", "unsure", ""),
        ('{"a": 1, "b": [2]}', '{"b":[2.0],"a":1}', "agreed", "json"),
        ('{"a": 1}', '{"a": "1"}', "wrong", "json"),
        ("[1, 2]", "[2, 1]", "wrong", "json"),
        ('{"a": 1}', "a is 1", "unsure", ""),
        ("Yes, you can.", "No, you cannot.", "wrong", "polarity"),
        ("Ja.", "Nein, das geht nicht.", "wrong", "polarity"),
        ("Yes, until May.", "Yes, until the end of June.", "unsure", ""),
        ("42", "42.0", "agreed", "number"),
        ("3.14", "3.14159", "agreed", "number"),
        ("3.14", "3.15", "wrong", "number"),
        ("The total is 1,234 dollars.", "The total is 1234 dollars.", "agreed", "number"),
        ("1.234,50 Euro", "1234.5 Euro", "agreed", "number"),
        ("12 km", "13 km", "wrong", "number"),
        ("-5", "5", "wrong", "number"),
        ("\u22125", "-5", "agreed", "number"),
        ("12 km", "12 miles", "unsure", ""),
        ("3 of 7", "7 of 3", "wrong", "number"),
        ("HELLO", "hello", "unsure", ""),
        ("", "", "unsure", ""),
        ("  ", "text", "unsure", ""),
        ("x" * (LONGEST + 1), "y" * (LONGEST + 1), "unsure", ""),
    ],
)
def test_what_is_said_without_an_embedder(stored: str, fresh: str, outcome: str, how: str) -> None:
    assert said(stored, fresh) == (outcome, how)


def test_likeness_agrees_only_where_no_guard_objects() -> None:
    one = "You can boil an egg in hot water until it is firm."
    other = "You can boil an egg in hot water until it is hard."
    assert said(one, one.replace("can", "cannot"), 0.99)[0] != "agreed"
    assert said(one, "You can boil eggs in hot water until firm.", 0.97) == ("agreed", "likeness")
    assert said(one, other, 0.85) == ("unsure", "")
    assert said(one, "The committee met on a Tuesday in spring.", 0.05) == ("wrong", "likeness")


def test_the_embedder_does_not_see_letter_case_and_is_not_asked_about_it() -> None:
    assert said("HELLO WORLD", "hello world", 1.0) == ("unsure", "")
    assert said("hello world", "Hello world", 1.0)[0] == "agreed"


def test_a_language_that_the_guards_do_not_know_is_unsure() -> None:
    assert said("Dobrý den, světe.", "Dobrý den světe!", 0.99, language="cs") == ("unsure", "")


def test_a_judge_is_asked_last_and_only_its_yes_or_no_counts() -> None:
    asked: list[tuple[str, str]] = []

    def judge(answer: bool | None) -> object:
        def said(a: str, b: str) -> bool | None:
            asked.append((a, b))
            return answer

        return said

    def found(answer: bool | None) -> Agreement:
        return agree("Take the train.", "A train is best.", language="en", judge=judge(answer))  # type: ignore[arg-type]

    assert found(True) == Agreement("agreed", "judge")
    assert found(False) == Agreement("wrong", "judge")
    assert found(None) == Agreement("unsure")
    agree("same", "same", language="en", judge=judge(False))  # type: ignore[arg-type]
    assert asked == [("Take the train.", "A train is best.")] * 3


def test_a_judge_or_embedder_that_errs_is_unsure() -> None:
    def broken(_a: str, _b: str) -> bool:
        raise RuntimeError

    assert agree("one thing", "another", language="en", judge=broken, cosine=broken) == Agreement("unsure")


@given(st.text(max_size=60), st.text(max_size=60), st.floats(-1, 1))
def test_any_two_texts_are_judged_alike_in_either_order(a: str, b: str, cosine: float) -> None:
    one, other = said(a, b, cosine), said(b, a, cosine)
    assert one == other
    assert one[0] in {"agreed", "wrong", "unsure"}

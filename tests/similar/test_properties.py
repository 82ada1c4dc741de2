"""What holds of any two texts: the guards are even-handed, the measures finite, and nothing raises."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.similar.guards import GUARDS, objections
from appliance.similar.measures import NAMES, measures
from appliance.similar.reading import LANGUAGES, read

WORDS = [
    "how",
    "do",
    "i",
    "what",
    "is",
    "the",
    "capital",
    "of",
    "france",
    "not",
    "don't",
    "never",
    "5",
    "km",
    "5,000",
    "m",
    "3.11",
    "before",
    "after",
    "he",
    "she",
    "his\n",
    "my",
    "your",
    "will",
    "did",
    "if",
    "unless",
    "from",
    "london",
    "to",
    "paris",
    "and",
    "or",
    "all",
    "some",
    "only",
    "`ls",
    "-la`",
    "--force",
    "/etc/hosts",
    '"good"',
    "config.yaml\n",
    "please",
    "thanks",
    "could",
    "you",
    "tell",
    "me",
    ",",
    ".",
    "?",
    "!",
    "dog",
    "bites",
    "man",
    "is",
    "bitten",
    "by",
    "faster",
    "than",
    "best",
    "2024-03-05",
    "5:30",
    "pm",
    "$5",
    "10",
    "%",
    "ü",
    "ß\n",
    "l'homme",
    "n'est",
    "pas",
    "kein",
    "nicht",
    "ohne",
    "no",
    "sin",
    "senza",
    "è",
    "über",
    "\u200b",
    "�",
    "😀",
    "zwei",
    "deux",
    "due",
    "dos",
]
ANY = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join),
    st.text(alphabet=st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010), max_size=8),
)
LANGUAGE = st.sampled_from([*sorted(LANGUAGES), "pl", ""])


@settings(max_examples=250, deadline=None)
@given(ANY, ANY, LANGUAGE, st.floats(allow_nan=True, allow_infinity=True))
def test_two_texts_are_judged_the_same_in_either_order(one: str, other: str, language: str, cosine: float) -> None:
    a, b = read(one, language), read(other, language)
    found = objections(a, b)
    assert found == objections(b, a)
    assert set(found) <= set(GUARDS) and len(found) == len(set(found))
    measured = measures(a, b, cosine)
    assert len(measured) == len(NAMES) and all(math.isfinite(value) and -1.0 <= value <= 2.0 for value in measured)
    assert measured == pytest.approx(measures(b, a, cosine))


@settings(max_examples=250, deadline=None)
@given(ANY, st.sampled_from(sorted(LANGUAGES)))
def test_a_text_has_no_objection_to_itself_and_overlaps_wholly(text: str, language: str) -> None:
    a = read(text, language)
    assert a == read(text, language)
    # Another text object: not the short cut for the same string.
    b = read(" " + text, language)
    assert objections(a, a) == objections(a, b) == ()
    measured = dict(zip(NAMES, measures(a, b, 1.0), strict=True))
    for full in ("grams", "words", "weighted", "weighted_held", "identical", "order", "length_ratio"):
        assert measured[full] == pytest.approx(1.0), full
    assert measured["left_over_more"] == 0.0


def test_a_language_that_the_guards_do_not_know_is_an_objection() -> None:
    assert objections(read("Jak zrobić chleb?", "pl"), read("Jak zrobić chleb?", "pl")) == ("language",)
    assert objections(read("Menu", "en"), read("Menu", "")) == ("language",)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "'",
        '"',
        "`",
        "/",
        "-",
        "1,",
        "1 ",
        "a_",
        "a@",
        "::",
        "please ",
        "not ",
        "the way to ",
        "\ud800",
        "e\u0301",
    ],
)
def test_a_long_text_of_anything_is_read_and_compared(piece: str, language: str) -> None:
    long = read(piece * (20_000 // len(piece)), language)
    longer = read(piece * (20_000 // len(piece)) + "x", language)
    assert objections(long, long) == ()
    assert "long" in objections(long, longer)
    measures(long, longer, 0.5)

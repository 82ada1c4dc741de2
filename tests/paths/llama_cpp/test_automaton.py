"""The grammar of a regular expression holds exactly what the expression matches, and reads every text in one way."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.paths.contract import PathError
from appliance.paths.llama_cpp import grammar, regex
from appliance.paths.llama_cpp.automaton import Effort
from appliance.records.request import Format

HOSTILE = [
    "(a|a)*" * 500,
    "(" + "|".join(["a.|.a"] * 44) + ")*",
    "(?:a.|.a)*" * 300,
    "(a*)*" * 400,
    "(a?){900}a{900}",
    "(.*a){20}.{400}",
    ".*a.{30}",
    "(" * 30 + "a" + ")*" * 30,
    "(x+x+)+y" * 100,
    "|".join(f"[a-z]{{1,{n}}}b" for n in range(1, 200)),
]
CHARACTER = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", r"\d", r"\.", '"', r"\n", "ä", r"\\"])
EXPRESSION = st.recursive(
    CHARACTER,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda some: f"({'|'.join(some)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,3}", "{2,}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)
TEXT = st.text(st.sampled_from('abc1.\n"\\ä'), max_size=8)


def holds(rules: dict[str, str], text: str) -> bool:
    """Whether the rules hold the text. Fails where it can be read in two ways: of the ways on that a state has, two
    begin with the same character.
    """
    ways, left = [part.split() for part in next(iter(rules.values())).split(" | ")], text
    while True:
        if not left and any(way in (['""'], []) for way in ways):
            return True
        if not left:
            return False
        fitting = [way for way in ways if way and way[0][0] == "[" and re.match(way[0], left[0])]
        assert len(fitting) <= 1, (rules, text)
        if not fitting:
            return False
        _, *rest = fitting[0]
        left = left[1:]
        ways = [part.split() for part in rules[rest[0]].split(" | ")] if rest and rest[0] in rules else [rest]


@settings(max_examples=400, deadline=None)
@given(EXPRESSION, TEXT)
def test_a_whole_answer_is_held_as_python_matches_it(pattern: str, text: str) -> None:
    rules = regex.to_gbnf(pattern, "s", Effort(), whole=True)
    assert holds(rules, text) == bool(re.fullmatch(pattern, text))


COUNTED = [  # with what they match, and what they do not: Python's own matcher takes for ever over some
    (r"(\w+\s?){1,99}", ["a", "abc", "a b" * 25, "a " * 99], ["", "a  b", "a " * 100]),
    (r"([a-z]+,?){0,40}", ["", "a," * 40, "a" * 99], ["a," * 41, "a,,a"]),
    (r"(a{1,9}){2,30}", ["aa", "a" * 270], ["a", "a" * 271]),
    (r"(\w{1,20}\s?){1,30}", ["a" * 600, "a " * 30], ["a" * 601, "a " * 31]),
    (r"((a?b?){1,9}c?){1,9}", ["", "ab" * 81, "c" * 9, "b" * 81], ["c" * 10, "b" * 82]),
    (r"[a-z]{1,2000}", ["a" * 2000], ["a" * 2001]),
]


@pytest.mark.parametrize(("pattern", "held", "others"), COUNTED)
def test_counted_repetitions_of_what_runs_together_have_a_small_automaton(
    pattern: str, held: list[str], others: list[str]
) -> None:
    """How a run of letters is parted among the repetitions makes no difference to what may follow it."""
    began = time.thread_time()
    rules = regex.to_gbnf(pattern, "s", Effort(), whole=True)
    assert time.thread_time() - began < 5
    assert [holds(rules, text) for text in (*held, *others)] == [True] * len(held) + [False] * len(others)


@settings(max_examples=400, deadline=None)
@given(EXPRESSION, TEXT, st.booleans(), st.booleans())
def test_a_json_string_that_is_held_matches(pattern: str, text: str, begins: bool, ends: bool) -> None:
    """And one that matches is held, where nothing in it has to be escaped: '.' and classes leave out what has to."""
    pattern = "^" * begins + f"({pattern})" + "$" * ends
    rules = regex.to_gbnf(pattern, "s", Effort(), json_string=True)
    held = holds(rules, json.dumps(text, ensure_ascii=False)[1:-1])
    matches = bool(re.search(pattern.replace("$", r"\Z"), text))
    assert matches or not held
    if not set(text) & set('\n"\\'):
        assert held == matches


@pytest.mark.parametrize("pattern", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("form", ["regex", "json_schema"])
def test_what_is_ambiguous_costs_little(pattern: str, form: str) -> None:
    """It is one state at a time, or it is refused; before, some of these kept the worker for minutes."""
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string", "pattern": pattern} for n in range(40)}}
    asked = Format("regex", pattern=pattern) if form == "regex" else Format("json_schema", schema=schema)
    began = time.thread_time()
    with suppress(PathError):
        grammar.of(asked)
    assert time.thread_time() - began < 5

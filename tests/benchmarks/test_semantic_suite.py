"""The semantic cache's behavioural suite is sound: its pairs are there, once, labelled, and can be written again."""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SUITE = Path(__file__).resolve().parents[2] / "benchmarks" / "semantic"
ELSE = {"de", "fr", "es", "it"}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"semantic_suite_{name}", SUITE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


make = load("make")


def rows(part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SUITE / f"{part}.jsonl").read_text("utf-8").splitlines()]


PARTS = {part: rows(part) for part in make.PARTS}
ALL = [row for part in PARTS.values() for row in part]


@pytest.mark.parametrize("part", make.PARTS)
def test_the_frames_write_the_file_again_byte_for_byte(part: str) -> None:
    assert (SUITE / f"{part}.jsonl").read_text("utf-8") == make.text_of(part)


def test_no_pair_stands_twice_in_either_direction_and_no_turn_is_paired_with_itself() -> None:
    assert all(set(row) == {"kind", "language", "a", "b", "same"} for row in ALL)
    pairs = Counter(frozenset((row["a"], row["b"])) for row in ALL)
    assert all(len(pair) == 2 for pair in pairs)
    assert [set(pair) for pair, count in pairs.items() if count > 1] == []


def test_the_kinds_are_as_many_as_were_asked_for_and_each_has_one_label_and_enough_pairs() -> None:
    labels: dict[str, set[bool]] = {}
    for row in ALL:
        labels.setdefault(row["kind"], set()).add(row["same"])
    assert all(len(found) == 1 for found in labels.values())
    assert sum(found == {False} for found in labels.values()) >= 40
    assert sum(found == {True} for found in labels.values()) >= 16
    assert min(Counter(row["kind"] for row in ALL).values()) >= 40
    for part in PARTS.values():
        assert {row["same"] for row in part} == {True, False}


def test_a_fifth_of_the_kinds_is_sealed_and_shares_neither_a_kind_nor_a_turn_with_any_other_part() -> None:
    parts = {**PARTS, make.LATER: rows(make.LATER)}
    kinds = {part: {row["kind"] for row in of} for part, of in parts.items()}
    texts = {part: {text for row in of for text in (row["a"], row["b"])} for part, of in parts.items()}
    assert len(kinds["sealed"]) >= sum(len(kinds[part]) for part in make.PARTS) / 5
    for part in parts.keys() - {"sealed"}:
        assert kinds["sealed"].isdisjoint(kinds[part]), part
        assert texts["sealed"].isdisjoint(texts[part]), part
    for one, other in itertools.combinations(("seen", "second", "fourth", "fifth"), 2):
        assert kinds[one].isdisjoint(kinds[other]), (one, other)
        assert texts[one].isdisjoint(texts[other]), (one, other)


def test_the_later_part_can_be_written_again_and_shares_no_pair_with_the_seen_part() -> None:
    text = (SUITE / f"{make.LATER}.jsonl").read_text("utf-8")
    assert text == make.text_of(make.LATER)
    pairs = {frozenset((row["a"], row["b"])) for row in map(json.loads, text.splitlines())}
    assert pairs.isdisjoint(frozenset((row["a"], row["b"])) for row in PARTS["seen"])


def test_a_fifth_of_the_kinds_is_in_all_five_languages() -> None:
    spoken: dict[str, set[str]] = {}
    for row in ALL:
        spoken.setdefault(row["kind"], set()).add(row["language"])
    assert sum(found >= ELSE for found in spoken.values()) >= len(spoken) / 5


@pytest.mark.parametrize("part", make.PARTS)
def test_no_kind_rests_on_one_frame(part: str) -> None:
    for kind in make.read((SUITE / f"{part}.txt").read_text("utf-8")):
        for language, frames in kind.frames.items():
            assert len(frames) >= 3, (kind.name, language)
        assert sum(len(frames) for frames in kind.frames.values()) >= 5, kind.name


def test_a_sealed_kind_has_at_least_eight_english_frames() -> None:
    for kind in make.read((SUITE / "sealed.txt").read_text("utf-8")):
        assert len(kind.frames["en"]) >= 8, kind.name


def test_the_stored_turn_is_either_side_about_as_often() -> None:
    drawn = Counter(row["a"] < row["b"] for row in PARTS["seen"])
    assert 0.45 < drawn[True] / len(PARTS["seen"]) < 0.55


def test_a_line_that_is_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2 is no header"):
        make.read("== negation no\nHow do I swim?\n")


def test_an_alteration_that_nobody_wrote_is_refused() -> None:
    kinds = make.read("== casing yes\n-- en\nHow do I swim? => @upside-down\n")
    with pytest.raises(ValueError, match="no alteration"):
        list(make.rows(kinds))

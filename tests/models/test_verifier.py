"""The recipe of the verifier: splits share nothing, no two intents have one answer, and the same texts come again."""

from __future__ import annotations

import importlib.util
import itertools
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from appliance.decide.similar import Verifier
from appliance.similar.measures import NAMES

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "models" / "verifier"
SHIPPED = ROOT / "bundles" / "starter" / "similar" / "verifier.json"


@pytest.fixture(scope="module")
def pairs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verifier_pairs", RECIPE / "pairs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(pairs: ModuleType) -> dict[str, list[Any]]:
    return {split: pairs.intents(split) for split in pairs.SPLITS}


def test_splits_share_no_text_and_no_family_of_look_alikes(found: dict[str, list[Any]]) -> None:
    texts = [{text.casefold() for each in intents for text in each.texts} for intents in found.values()]
    assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])
    free = ("analysis:", "chat:")  # parted by pair and by person, not by group
    # Texts of two languages are never compared: a family is one of one language.
    families = [
        {(each.language, each.family) for each in intents if not each.family.startswith(free)}
        for intents in found.values()
    ]
    assert not (families[0] & families[1] or families[0] & families[2] or families[1] & families[2])
    assert all(len(intents) > 2_000 for intents in found.values())


def test_everyday_look_alikes_come_in_blocks_of_several_intents_in_several_wordings(
    found: dict[str, list[Any]],
) -> None:
    for path in sorted((RECIPE / "texts" / "everyday").glob("*.txt")):
        for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
            lines = [[wording.strip() for wording in line.split("|")] for line in block.splitlines()]
            assert 2 <= len(lines) <= 6, block
            assert all(2 <= len(line) <= 5 and all(line) for line in lines), block
    for intents in found.values():
        assert sum(each.family.startswith("everyday:") for each in intents) > 1_000


def test_no_wording_of_an_aspect_is_in_two_splits(pairs: ModuleType) -> None:
    for name in ("aspects", "german", "french", "spanish", "italian", "analysis", "chat"):
        for kind, lines in pairs.sections(name).items():
            if kind in {"", "blocks", "groups", "persons", "matters"} or kind.endswith("subjects"):
                continue
            for line, few in itertools.product(filter(None, lines), (False, True)):
                parts = [set(pairs.frames(line, split, few=few)) for split in pairs.SPLITS]
                assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
                assert set.union(*parts) == set(pairs.bars(line))


def test_no_text_belongs_to_two_intents(found: dict[str, list[Any]]) -> None:
    for intents in found.values():
        texts = [text.casefold().rstrip("?. ") for each in intents for text in each.texts]
        assert len(texts) == len(set(texts))


def test_the_same_texts_come_again(pairs: ModuleType, found: dict[str, list[Any]]) -> None:
    assert pairs.intents("test") == found["test"]
    one, other = random.Random(3), random.Random(3)
    for text in ("How do I organise a party?", "Was ist Inflation?"):
        assert pairs.as_typed(text, "en", one) == pairs.as_typed(text, "en", other)


def test_all_languages_that_the_guards_know_are_learnt_from(found: dict[str, list[Any]]) -> None:
    assert {each.language for each in found["train"]} == {"en", "de", "fr", "es", "it"}


def test_the_shipped_verifier_is_of_these_measures_and_keeps_to_what_it_saw() -> None:
    made = Verifier.model_validate_json(SHIPPED.read_bytes())
    assert made.names == NAMES
    at = NAMES.index("cosine")
    assert made.weights[at] + sum(unit.weight * unit.weights[at] for unit in made.units) > 0
    assert len(made.units) <= 16  # microseconds a pair

"""A threshold is certified only where the labels bear it out, and content cannot claim what they do not."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.bundle.content import load_generation
from appliance.decide.similar import CellPromise, Promise, Verifier
from appliance.errors import ConfigInvalid
from appliance.similar.bounds import clopper_pearson_upper
from appliance.similar.promise import FEWEST, GRID, LookUp, certify, claims, ladder
from tests.node.conftest import fake_card, write_content
from tests.similar.made import EMBEDDER, cell, promise, rung, verifier

ROOT = Path(__file__).resolve().parents[2]
SIMILAR = ROOT / "bundles" / "starter" / "similar"


@st.composite
def look_ups_of(draw: st.DrawFn) -> list[LookUp]:
    """Scores on and beside the grid, some at 0, and few of them wrong, so that certificates are near their limits."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    wrong, number = draw(st.sampled_from([0.0, 0.002, 0.01, 0.05])), draw(st.integers(FEWEST - 2, FEWEST + 400))
    scores = [rng.choice((0.0, rng.random(), rng.choice(GRID))) for _ in range(number)]
    return [LookUp(score, rng.random() < wrong) for score in scores]


LOOK_UPS = look_ups_of()


@given(LOOK_UPS, st.sampled_from([0.005, 0.01, 0.02, 0.1]))
@settings(max_examples=30, deadline=None)
def test_what_is_certified_has_a_bound_within_its_budget(look_ups: list[LookUp], delta: float) -> None:
    found = certify(look_ups, delta)
    if found is None:
        return
    served = [each for each in look_ups if each.score >= found.threshold]
    wrong = sum(each.wrong for each in served)
    assert len(look_ups) >= FEWEST
    assert clopper_pearson_upper(wrong, len(look_ups)) <= delta
    assert (found.evidence.look_ups, found.evidence.hits, found.evidence.wrong) == (len(look_ups), len(served), wrong)


def test_the_sequence_ends_at_the_first_threshold_that_fails() -> None:
    """The most certain hits are the wrong ones: nothing below them can be certified."""
    bad = [LookUp(0.9999, wrong=True)] * 30
    good = [LookUp(0.6, wrong=False)] * 5000
    assert certify([*bad, *good], 0.001) is None
    assert certify(good, 0.001) is not None


def test_too_few_look_ups_certify_nothing_however_good() -> None:
    assert certify([LookUp(1.0, wrong=False)] * (FEWEST - 1), 0.5) is None
    assert certify([LookUp(1.0, wrong=False)] * FEWEST, 0.5) is not None


def test_a_grid_that_does_not_fall_is_refused() -> None:
    with pytest.raises(ValueError, match="strictest"):
        certify([], 0.1, grid=(0.5, 0.9))


@pytest.mark.parametrize("true_rate", [0.01, 0.0125])
def test_a_rate_at_or_over_the_budget_is_certified_in_at_most_5_percent_of_samples(true_rate: float) -> None:
    """The wrong share of all look-ups at every threshold of the grid is the true rate, the hardest case."""
    rng = random.Random(3)
    certified = 0
    for _ in range(200):
        wrong = [rng.random() < true_rate for _ in range(800)]
        certified += certify([LookUp(1.0, each) for each in wrong], 0.01, grid=(0.9, 0.5)) is not None
    assert certified / 200 <= 0.05 + 0.046  # three deviations of 200 draws


@given(LOOK_UPS)
@settings(max_examples=20, deadline=None)
def test_a_ladder_loosens_from_rung_to_rung_and_bears_out_its_claims(look_ups: list[LookUp]) -> None:
    rungs = ladder(look_ups)
    assert all(one.delta < other.delta and one.threshold > other.threshold for one, other in pairwise(rungs))
    made = cell(*rungs)
    assert claims(made) == ""
    assert CellPromise.model_validate_json(made.model_dump_json()) == made


@given(st.floats(0, 0.2))
def test_an_operators_budget_never_takes_a_rung_above_it(delta: float) -> None:
    made = cell(rung(0.002, 0.99), rung(0.01, 0.9), rung(0.05, 0.7))
    found = made.at(delta)
    assert (found is None) == (delta < 0.002)
    assert found is None or found.delta <= delta


def test_without_a_rung_for_the_stated_budget_the_cell_abstains() -> None:
    made = cell(rung(0.02, 0.9), delta=0.01)
    assert made.threshold is None
    assert made.evidence is None
    assert promise(knowledge=made).cell("knowledge/easy") is made
    assert promise(knowledge=made).cell("code/easy") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"delta": 0.0001}, "above the budget"),
        ({"threshold": 1.5}, "less than or equal to 1"),
        ({"threshold": "NaN"}, "threshold"),
        ({"evidence": {"look_ups": 10, "hits": 20, "wrong": 0, "upper": 0.0}}, "more hits than look-ups"),
        ({"evidence": {"look_ups": 10, "hits": 5, "wrong": 6, "upper": 0.0}}, "more wrong than hits"),
        ({"evidence": {"look_ups": 10, "hits": 5, "wrong": 5, "upper": 0.0}}, "below what was seen"),
        ({"sure": True}, "Extra inputs"),
    ],
)
def test_a_rung_that_contradicts_itself_is_refused(change: dict[str, Any], said: str) -> None:
    facts = rung(0.01, 0.9).model_dump()
    with pytest.raises(ValueError, match=said):
        CellPromise.model_validate({"delta": 0.01, "ladder": [facts | change]})


def test_a_ladder_that_tightens_downwards_is_refused() -> None:
    with pytest.raises(ValueError, match="loosen"):
        cell(rung(0.005, 0.8), rung(0.01, 0.9))
    with pytest.raises(ValueError, match="loosen"):
        cell(rung(0.01, 0.9), rung(0.005, 0.8))
    with pytest.raises(ValueError, match="says why"):
        CellPromise(delta=0.01)


# ---- as content of a bundle -----------------------------------------------------------------------------------


def written(folder: Path, made: Verifier, promised: Promise) -> Path:
    content = write_content(folder, fake_card("device/small"))
    (content / "similar").mkdir()
    (content / "similar" / "verifier.json").write_text(made.model_dump_json())
    (content / "similar" / "promise.json").write_text(promised.model_dump_json())
    return content


def finding(content: Path) -> str:
    with pytest.raises(ConfigInvalid) as raised:
        load_generation(content)
    (found,) = raised.value.details
    return found


def test_a_generation_carries_both_files_and_its_id_covers_them(tmp_path: Path) -> None:
    plain = load_generation(write_content(tmp_path / "plain", fake_card("device/small")))
    assert plain.similar is None
    one = load_generation(written(tmp_path / "one", verifier(), promise(knowledge=cell(rung(0.01, 0.9)))))
    assert one.similar is not None
    assert one.similar.promise.cells["knowledge"].threshold == 0.9
    other = load_generation(written(tmp_path / "other", verifier(), promise(knowledge=cell(rung(0.01, 0.8)))))
    assert len({plain.id, one.id, other.id}) == 3


@pytest.mark.parametrize(
    ("made", "promised", "said"),
    [
        (verifier(names=("cosine",), low=(0.0,), high=(1.0,), weights=(1.0,)), None, "other measures"),
        (verifier(), promise(verifier(bias=1.0)), "another verifier"),
        (verifier(), promise().model_copy(update={"embedder": "f" * 64}), "another embedder"),
        (verifier(), promise(knowledge=cell(rung(0.5, 0.9, look_ups=40, hits=9))), "40 look-ups, of at least 500"),
    ],
)
def test_content_that_does_not_belong_together_is_a_finding(
    tmp_path: Path, made: Verifier, promised: Promise | None, said: str
) -> None:
    assert said in finding(written(tmp_path, made, promised or promise(made)))


def test_evidence_that_does_not_bear_out_its_bound_is_a_finding(tmp_path: Path) -> None:
    """A bound written down smaller than its own counts give."""
    honest = rung(0.05, 0.9, look_ups=600, hits=100, wrong=20)
    lied = honest.model_copy(update={"delta": 0.035, "evidence": honest.evidence.model_copy(update={"upper": 0.034})})
    assert "20 wrong of 600" in finding(written(tmp_path, verifier(), promise(knowledge=cell(lied))))
    lied = rung(0.01, 0.9).model_copy(
        update={"evidence": rung(0.01, 0.9).evidence.model_copy(update={"confidence": 0.5})}
    )
    assert "less than 95 %" in finding(written(tmp_path / "b", verifier(), promise(knowledge=cell(lied))))


def test_one_file_without_the_other_is_a_finding(tmp_path: Path) -> None:
    content = written(tmp_path, verifier(), promise())
    (content / "similar" / "promise.json").unlink()
    assert finding(content) == "promise.json: missing"


def test_a_verifier_of_another_embedder_than_the_cards_is_a_finding(tmp_path: Path) -> None:
    content = written(tmp_path, verifier(), promise())
    card = fake_card("embed/mini").model_dump(mode="json")
    card |= {"runtime": "onnx", "modalities": ["embedding"]}
    card["files"] = [{"path": "models/embedder/model.onnx", "sha256": "0" * 64, "bytes": 1}]

    (content / "cards" / "mini.json").write_text(json.dumps(card))
    assert "another embedder than the cards name" in finding(content)
    assert EMBEDDER != "0" * 64


def test_the_starters_promise_belongs_to_its_verifier_and_names_every_task() -> None:

    made = Verifier.model_validate_json((SIMILAR / "verifier.json").read_bytes())
    promised = Promise.model_validate_json((SIMILAR / "promise.json").read_bytes())
    tasks = {task["id"] for task in json.loads((ROOT / "bundles/starter/taxonomy.json").read_bytes())["tasks"]}
    assert promised.verifier == made.digest
    assert set(promised.cells) == tasks
    assert all(claims(each) == "" for each in promised.cells.values())
    serving = {name for name, each in promised.cells.items() if each.threshold is not None}
    assert serving
    assert serving.isdisjoint({"arithmetic", "units", "dates", "translate", "creative", "extract"})

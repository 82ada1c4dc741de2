"""How the semantic cache's benchmarks count: thresholds, bounds, truth, and what the sealed part lets out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import semantic_pairs, semantic_peer, semantic_suite  # noqa: E402
from benchmarks.semantic_chain import Compared, interval  # noqa: E402
from benchmarks.semantic_pairs import Pair, certified, empirical, loosest, tally  # noqa: E402

FOUND = Compared(0.9, (), 0.8, 0.8, "knowledge/easy", "knowledge/easy")


def ran(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def row(name: str, same: bool) -> dict[str, object]:
    return {"kind": name, "language": "en", "a": "a", "b": "b", "same": same}


def test_a_threshold_is_the_lowest_that_keeps_to_one_wrong_in_a_hundred() -> None:
    scores = [0.9, 0.8, 0.7, 0.6] + [0.0] * 96
    same = [True, False, True, False] + [True] * 96
    assert loosest(scores, same, empirical) == 0.7


def test_scores_that_are_equal_pass_or_fail_together() -> None:
    assert loosest([0.9, 0.9, 0.9] + [0.0] * 97, [True, False, False] + [True] * 97, empirical) == float("inf")


def test_what_a_guard_objected_to_is_never_reached_by_a_threshold() -> None:
    assert loosest([0.0] * 100, [True] * 100, empirical) == float("inf")


def test_a_certified_threshold_needs_three_hundred_look_ups_without_a_wrong_one() -> None:
    assert certified()(0, 298) is False
    assert certified()(0, 299) is True
    assert certified()(1, 299) is False


def test_wrong_is_counted_of_all_look_ups_and_recall_of_those_of_one_intent() -> None:
    found = tally([True, True, False, False], [True, False, True, False])
    assert (found.look_ups, found.same, found.right, found.wrong, found.recall) == (4, 2, 1, 1, 0.5)
    assert found.facts()["wrong_per_look_up"] == 0.25
    assert found.facts()["wrong_per_hit"] == 0.5


def test_an_interval_holds_its_rate_and_ends_at_0_and_1() -> None:
    assert interval(0, 100)[0] == pytest.approx(0.0, abs=1e-9)
    assert interval(0, 100)[1] == pytest.approx(0.0362, abs=1e-4)
    assert interval(100, 100)[1] == 1.0
    low, high = interval(10, 100)
    assert (low, high) == (pytest.approx(0.0490, abs=1e-4), pytest.approx(0.1762, abs=1e-4))


def test_a_kind_counts_hits_objections_and_what_its_cell_would_not_serve() -> None:
    kind = semantic_suite.Kind("negation", same=False)
    kind.add(row("negation", same=False), FOUND, 0.8)
    kind.add(row("negation", same=False), FOUND, 0.81)
    kind.add(row("negation", same=False), FOUND, float("inf"))
    kind.add(row("negation", same=False), Compared(0.9, ("negation",), 0.0, 0.9, "knowledge/easy", "chat/easy"), 0.0)
    assert (kind.pairs, kind.hits, kind.abstained, kind.objected["negation"]) == (4, 1, 1, 1)


@pytest.mark.parametrize(("hits", "met"), [(1, True), (2, False)])
def test_more_than_one_false_hit_in_a_hundred_misses_the_target(hits: int, met: bool) -> None:
    wrong, right = semantic_suite.Kind("number", same=False), semantic_suite.Kind("casing", same=True)
    for at in range(100):
        wrong.add(row("number", same=False), FOUND, 0.5 if at < hits else 0.9)
        right.add(row("casing", same=True), FOUND, 0.5 if at < 30 else 0.9)
    assert semantic_suite.totals([wrong, right])["met"] is met


def test_a_kind_over_the_limit_is_told_by_its_rate_and_not_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    wrong, right = semantic_suite.Kind("number", same=False), semantic_suite.Kind("casing", same=True)
    for at in range(50):
        wrong.add(row("number", same=False), FOUND, 0.5 if at < 4 else 0.9)
        right.add(row("casing", same=True), FOUND, 0.5)
    found = semantic_suite.totals([wrong, right])
    assert found["rates over the limit"] == [0.08]
    semantic_suite.print_totals(found)
    printed = capsys.readouterr().out
    assert "their rates: 8.0 %" in printed
    assert "number" not in printed


def test_one_part_is_run_at_a_time() -> None:
    done = ran("semantic_suite.py", "--sealed", "--second")
    assert done.returncode == 2
    assert "not allowed with" in done.stderr


def test_the_sealed_part_shows_no_pair() -> None:
    done = ran("semantic_suite.py", "--sealed", "--examples", "3")
    assert done.returncode == 2
    assert "keeps from sight" in done.stderr


def test_a_peer_that_is_not_there_is_said_so_and_not_passed_over(tmp_path: Path) -> None:
    done = ran("semantic_peer.py", "--peer-python", str(tmp_path / "python"))
    assert done.returncode == 2
    assert "cannot be measured" in done.stdout
    assert "how to install" in done.stdout.lower()


def test_intents_are_joined_over_pairs_and_only_labelled_ones_are_apart() -> None:
    pairs = [Pair("a", "b", True), Pair("b", "c", True), Pair("c", "d", False), Pair("e", "f", True)]
    stream = semantic_peer.of_pairs(pairs)
    assert sorted(stream.questions) == list("abcdef")
    assert stream.truth("a", "c") == "right"
    assert stream.truth("a", "d") == stream.truth("d", "b") == "wrong"
    assert stream.truth("a", "e") == "unlabelled"


def test_pairs_of_its_own_hold_as_many_unrelated_ones() -> None:
    pairs = semantic_pairs.own()
    rows = semantic_suite.load("seen") + semantic_suite.load("second")
    assert len(pairs) == 2 * len(rows)
    assert [(pair.a, pair.b, pair.same) for pair in pairs[: len(rows)]] == [(r["a"], r["b"], r["same"]) for r in rows]
    assert not any(pair.same for pair in pairs[len(rows) :])
    assert json.dumps([pairs[-1].a, pairs[-1].b]) == json.dumps(
        [semantic_pairs.own()[-1].a, semantic_pairs.own()[-1].b]
    )

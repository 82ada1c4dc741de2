"""Findings raise a classification and never lower it; what the content does not name counts as the worst."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.decide.labels import STRICTEST, Detectors, raised
from appliance.records.decision import Raised
from appliance.records.features import FindingKind
from appliance.records.request import CLASSIFICATIONS, Classification, Labels

KINDS: tuple[FindingKind, ...] = get_args(FindingKind)
kinds = st.sampled_from(KINDS)
classes = st.sampled_from(CLASSIFICATIONS)
found = st.lists(st.tuples(kinds, st.integers(1, 9)), unique_by=lambda pair: pair[0]).map(tuple)
contents = st.builds(Detectors, raises=st.dictionaries(kinds, classes))


def test_the_order_is_all_of_the_classifications() -> None:
    assert get_args(Classification) == CLASSIFICATIONS


@given(classes, found, contents)
def test_a_label_is_never_lowered_and_is_at_least_what_each_finding_asks(
    given_: Classification, findings: tuple[tuple[FindingKind, int], ...], content: Detectors
) -> None:
    labels, change = raised(Labels(given_, residency="site"), findings, content)
    level = CLASSIFICATIONS.index(labels.classification)
    assert level >= CLASSIFICATIONS.index(given_)
    assert all(level >= CLASSIFICATIONS.index(content.least(kind)) for kind, _ in findings)
    assert labels.residency == "site"
    assert (change is None) == (labels.classification == given_)
    if change is not None:
        assert change.given == given_
        assert set(change.by) <= {kind for kind, _ in findings}
        assert level == max(CLASSIFICATIONS.index(content.least(kind)) for kind in change.by)


@given(classes, found, contents, kinds)
def test_one_finding_more_never_makes_it_looser(
    given_: Classification, findings: tuple[tuple[FindingKind, int], ...], content: Detectors, more: FindingKind
) -> None:
    before, _ = raised(Labels(given_), findings, content)
    after, _ = raised(Labels(given_), (*findings, (more, 1)), content)
    assert CLASSIFICATIONS.index(after.classification) >= CLASSIFICATIONS.index(before.classification)


def test_a_kind_that_the_content_does_not_name_raises_to_the_strictest() -> None:
    assert raised(Labels(), (("email", 1),), Detectors()) == (Labels(STRICTEST), Raised("internal", ("email",)))


def test_no_content_makes_a_failed_detector_harmless() -> None:
    content = Detectors(raises=dict.fromkeys(KINDS, "public"))
    assert raised(Labels("public"), (("email", 3),), content) == (Labels("public"), None)
    assert raised(Labels("public"), (("unscanned", 1),), content)[0].classification == STRICTEST


@pytest.mark.parametrize(
    "text",
    ['{"raises": {"e-mail": "secret"}}', '{"raises": {"email": "top"}}', '{"timeout_s": 0}', '{"raise": {}}', "[]", ""],
)
def test_content_with_a_typing_error_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Detectors.model_validate_json(text)


def test_the_page_on_detectors_says_what_the_starter_does() -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "detectors.md").read_text(encoding="utf-8")
    starter = Detectors.model_validate_json((root / "bundles" / "starter" / "detectors.json").read_bytes())
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| `")]
    told = {kind: row[-1].split(",")[0].strip() for row in rows for kind in re.findall(r"`([a-z-]+)`", row[0])}
    assert told == {kind: starter.least(kind) for kind in KINDS}
    (example,) = re.findall(r"```json\n(.*?)```", page, re.S)
    assert Detectors.model_validate_json(example).least("attachment") == "public"

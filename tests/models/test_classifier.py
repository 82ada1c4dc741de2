"""The committed task classifier: it fits the built embedder and the taxonomy, and is as good as it says."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest

from appliance.features.classify import Classifier, TaskClassifier
from appliance.features.describe import describe
from appliance.features.embedder import ModelInvalid
from appliance.features.shape import WORDS_SHA256
from appliance.records.card import ModelCard
from appliance.records.features import UNKNOWN_CELLS
from appliance.records.request import Message, Request

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "models" / "embedder"
SHELF = ROOT / "models" / "classifier"
HEAD = SHELF / "task-classifier.onnx"
STARTER = ROOT / "bundles" / "starter"

needs_model = pytest.mark.skipif(
    not (BUILT / "manifest.json").is_file(),
    reason="the embedder is not built: run models/embedder/build.py",
)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(BUILT, HEAD)


def handwritten(name: str) -> list[tuple[str, str]]:
    """(cell, text) of each prompt that a person typed."""
    lines = (SHELF / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t", 1) for line in lines if "\t" in line]
    return [(cell, text.replace("\\n", "\n")) for cell, text in rows]


def test_the_taxonomy_is_consistent_with_itself() -> None:
    taxonomy = json.loads((STARTER / "taxonomy.json").read_text(encoding="utf-8"))
    tasks = [task["id"] for task in taxonomy["tasks"]]
    levels = [level["id"] for level in taxonomy["difficulties"]]
    assert len(set(tasks)) == len(tasks) == 23
    assert levels == ["easy", "medium", "hard"]
    assert taxonomy["cells"] == [f"{task}/{level}" for task in tasks for level in levels]
    assert ((taxonomy["unknown_cell"], 1.0),) == UNKNOWN_CELLS
    assert UNKNOWN_CELLS[0][0] in taxonomy["cells"]
    assert all(task["description"].endswith(".") for task in taxonomy["tasks"])
    assert taxonomy["version"] >= 1


def test_the_card_names_this_file() -> None:
    card = ModelCard.model_validate_json((STARTER / "cards" / "task-classifier.json").read_text(encoding="utf-8"))
    content = HEAD.read_bytes()
    assert card.files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert card.files[0].bytes == len(content) <= 2_000_000
    assert card.modalities == ("classification",)


@needs_model
def test_the_classifier_knows_exactly_the_cells_of_the_taxonomy(classifier: Classifier) -> None:
    taxonomy = json.loads((STARTER / "taxonomy.json").read_text(encoding="utf-8"))
    assert sorted(classifier.head.cells) == sorted(taxonomy["cells"])


@needs_model
@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("What is 17 + 25?", "arithmetic"),
        ("Sort these numbers from largest to smallest: 4, 19, 7, 2", "sort"),
        ("Convert 5 kilometres to metres.", "units"),
        ("Write the date 14 March 2021 as YYYY-MM-DD.", "dates"),
        ("Write HELLO WORLD in lowercase letters.", "casing"),
        ("Is this review positive, negative or neutral? I love this lamp.", "sentiment"),
        ("Write a short poem about autumn.", "creative"),
        ("Write a Python function that reverses a string.", "code"),
        ("Translate 'good morning' into French.", "translate"),
        ("What is the capital of Norway?", "knowledge"),
        ("hi there", "chat"),
        ("Which command starts the Weir node?", "weir_help"),
    ],
)
def test_plain_requests_land_in_their_task(classifier: Classifier, text: str, task: str) -> None:
    assert classifier.classify(text).cells[0][0].split("/")[0] == task


@needs_model
@pytest.mark.parametrize(("name", "fewest"), [("handwritten.txt", 0.8), ("handwritten_final.txt", 0.75)])
def test_prompts_typed_by_a_person_mostly_land_in_their_task(classifier: Classifier, name: str, fewest: float) -> None:
    rows = handwritten(name)
    right = 0
    for cell, text in rows:
        tasks: dict[str, float] = {}
        for found, p in classifier.classify(text, top=len(classifier.head.cells)).cells:
            task = found.split("/")[0]
            tasks[task] = tasks.get(task, 0.0) + p
        right += max(tasks, key=lambda task: tasks[task]) == cell.split("/")[0]
    assert len(rows) >= 50
    assert right / len(rows) >= fewest


@needs_model
@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "x" * 100_000, "9" * 5000, "🙂🙂", "\n" * 3000])
def test_any_text_gets_cells_that_sum_to_at_most_one(classifier: Classifier, text: str) -> None:
    found = classifier.classify(text)
    assert 1 <= len(found.cells) <= 3
    assert sum(p for _, p in found.cells) <= 1 + 1e-5
    assert [p for _, p in found.cells] == sorted((p for _, p in found.cells), reverse=True)


@needs_model
def test_a_described_request_carries_cell_and_embedding(classifier: Classifier) -> None:
    request = Request(id="r", kind="chat", model="auto", messages=(Message("user", "Sort ascending: 8, 3, 5"),))
    found = describe(request, classifier)
    assert found.cells[0][0].startswith("sort/")
    assert found.embedding is not None
    assert len(found.embedding) == 384


@needs_model
def test_larger_sizes_move_the_weight_towards_hard(classifier: Classifier) -> None:
    def hard(text: str) -> float:
        cells = classifier.classify(text, top=69).cells
        return sum(p for cell, p in cells if cell.endswith("/hard"))

    assert hard("Sort ascending: 9, 3, 5") < hard("Sort ascending: 93, 37, 52, 8, 41, 67, 75")


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match="missing"):
        TaskClassifier(tmp_path / "none.onnx", embedder_digest="0" * 64)
    with pytest.raises(ModelInvalid, match="belongs to the embedder"):
        TaskClassifier(HEAD, embedder_digest="0" * 64)


def test_a_file_that_was_trained_on_other_words_is_refused(tmp_path: Path) -> None:
    other, content = tmp_path / "head.onnx", HEAD.read_bytes()
    assert WORDS_SHA256.encode() in content
    other.write_bytes(content.replace(WORDS_SHA256.encode(), b"0" * 64))
    with pytest.raises(ModelInvalid, match="other shape features"):
        TaskClassifier(other, embedder_digest="0" * 64)


@needs_model
def test_a_short_text_is_classified_in_a_few_milliseconds(classifier: Classifier) -> None:
    taken = []
    for _ in range(60):
        begun = time.perf_counter()
        classifier.classify("Sort ascending: 8, 3, 5")
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.02

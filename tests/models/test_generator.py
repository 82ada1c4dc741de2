"""The committed generator computes in llama.cpp what PyTorch computed when it was exported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.records.card import ModelCard

ROOT = Path(__file__).resolve().parents[2]
GGUF = ROOT / "models/generator/weir-desk.gguf"
REFERENCE = json.loads((ROOT / "models/generator/reference.json").read_text())
EVALS = ROOT / "bundles/starter/evals/edge-desk.jsonl"

# In a child process: a native library that fails must not take the tests with it.
COMPUTE = """
import json, sys
import numpy as np
from appliance.paths.llama_cpp import library
library.start()
model = library.Model(sys.argv[1], 0)
context = library.Context(model, context=1024, sequences=1, batch=1024, threads=1)
found = []
for row in json.load(sys.stdin):
    ids = row["ids"]
    context.clear()
    context.token[: len(ids)] = ids
    context.pos[: len(ids)] = np.arange(len(ids))
    context.want[: len(ids)] = 0
    context.want[len(ids) - 1] = 1
    assert context.decode(len(ids)) == 0
    found.append([float(x) for x in context.logits(1)[0]])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def computed() -> list[list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", COMPUTE, str(GGUF)],
        input=json.dumps(REFERENCE["rows"]), capture_output=True, text=True, cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    return list(json.loads(done.stdout))


def test_llama_cpps_logits_agree_with_pytorchs(computed: list[list[float]]) -> None:
    for row, logits in zip(REFERENCE["rows"], computed, strict=True):
        apart = max(abs(a - b) for a, b in zip(row["logits"], logits, strict=True))
        assert apart <= REFERENCE["permitted"]
        assert max(range(len(logits)), key=logits.__getitem__) == row["best"]


def test_the_model_is_small_enough_and_its_card_says_what_was_measured() -> None:
    card = ModelCard.model_validate_json((ROOT / "bundles/starter/cards/weir-desk.json").read_bytes())
    assert card.files[0].bytes == GGUF.stat().st_size <= 12_000_000
    assert card.context_tokens >= 1024
    assert len(card.accuracy) == 42
    assert all(row.n >= 100 for row in card.accuracy)


def test_the_evaluation_set_has_every_cell_and_no_two_prompts_alike() -> None:
    rows = [json.loads(line) for line in EVALS.read_text().splitlines()]
    cells = {(row["task"], row["difficulty"]) for row in rows}
    assert len(cells) == 42
    assert len({row["prompt"] for row in rows}) >= 0.98 * len(rows)

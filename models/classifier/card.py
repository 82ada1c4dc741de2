"""What the task classifier's card says: words and measured numbers, no computation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

EMBEDDER_CARD = Path(__file__).resolve().parents[2] / "bundles" / "starter" / "cards" / "minilm-embedder.json"


def card(content: bytes, measured: dict[str, Any], cells: tuple[str, ...]) -> dict[str, Any]:
    """The ModelCard as JSON. `accuracy` is of the task: a row is named after a task, not after a cell."""
    test, own = measured["test"], measured["handwritten_final"]
    tasks = dict.fromkeys(cell.split("/")[0] for cell in cells)
    typed = (
        f"On {own['n']} prompts typed by hand (by the templates' author) the task was right for "
        f"{own['task_accuracy']:.0%}, the cell for {own['cell_accuracy']:.0%}; on held-out templates "
        f"{test['task_accuracy']:.0%} and {test['cell_accuracy']:.0%}."
    )
    levels = ", ".join(f"{task} {row['difficulty']:.2f}" for task, row in test["by_task"].items())
    return {
        "id": "weir-task-classifier",
        "runtime": "onnx",
        "tier": "device",
        "modalities": ["classification"],
        "description": (
            f"Task and difficulty of a request, {len(cells)} cells 'task/difficulty', from the embedding of "
            "all-MiniLM-L6-v2 (int8) and the shape of the text. An `accuracy` row is named after a task: the "
            "share of its held-out prompts whose task was named rightly."
        ),
        "retention": "none",
        "trains_on_input": "no",
        "licence": "Apache-2.0",
        "provenance": (
            f"models/classifier/train.py: {measured['train_n']} prompts composed for the purpose (templates "
            "of models/generator and models/classifier/general_prompts.txt), no user's text. Temperature "
            f"{measured['temperature']}, fitted on {measured['calibration_n']} prompts of other templates "
            f"and values. Calibration error (ECE, 15 bins) on {test['n']} test prompts: task {test['ece_task']}, "
            f"cell {test['ece_cell']}; on {own['n']} prompts typed by hand: task {own['ece_task']}, "
            f"cell {own['ece_cell']}."
        ),
        "architecture": "one hidden layer of 128, softmax",
        "parameters": measured["parameters"],
        "quantisation": "fp32",
        "context_tokens": 256,
        "dimensions": len(cells),
        "languages": {"en": 0.9},
        "accelerator": "cpu",
        "memory_bytes": 2_000_000,
        "capabilities": {"streaming": False, "system": False},
        "speed": {
            "first_token_s": 0.004,
            "first_token_p95_s": 0.014,
            "prefill_tokens_per_s": 5000,
            "decode_tokens_per_s": 1000,
        },
        "accuracy": [
            {"cell": task, "p": row["task"], "n": row["n"], "source": "held-out templates and values"}
            for task in tasks
            if (row := test["by_task"].get(task))
        ],
        "accuracy_default": test["task_accuracy"],
        "files": [
            {
                "path": "models/classifier/task-classifier.onnx",
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
            },
            *json.loads(EMBEDDER_CARD.read_text())["files"],  # the head stands on the embedder's vectors
        ],
        "known_failures": [
            typed,
            f"Difficulty within the right task, held-out templates: {levels}.",
            "Difficulty of a general task is its templates' author's word; of a desk task, the generator's.",
            "English only: other languages drift to 'translate' and 'other'.",
        ],
    }

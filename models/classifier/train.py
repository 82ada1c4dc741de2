"""Trains the task classifier and writes it with its card: `python models/classifier/train.py`.

Rules kept here:
1. Trained on `train`, its temperature fitted on `calibration`, reported on `test`: no template or value is
   shared.
2. NumPy and the embedder's int8 file only, so that it can be repeated where the node runs (about five minutes
   on one core, nearly all of it embedding).
3. The file states the cells, the shape features and the embedder that it belongs to; the node refuses any
   other.

The model: softmax(W2 relu(W1 [embedding, shape])) over the cells task/difficulty. The inputs' means and
deviations and the temperature are folded into the weights, so that the file is two matrix products.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import prompts  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from appliance.features.embedder import Embedder  # noqa: E402
from appliance.features.shape import NAMES, PROBE, WORDS_SHA256, excerpt, shape  # noqa: E402

HIDDEN, EPOCHS, BATCH, RATE, DECAY, DROPOUT = 128, 30, 128, 1.5e-3, 0.3, 0.4
SEED = 11
DIFFICULTIES = ("easy", "medium", "hard")
TASKS = (*prompts.DESK, *prompts.GENERAL)
CELLS = tuple(f"{task}/{difficulty}" for task in TASKS for difficulty in DIFFICULTIES)
SIZES: dict[prompts.Split, tuple[int, int]] = {"train": (150, 260), "calibration": (30, 40), "test": (30, 40)}
OUT = ROOT / "models" / "classifier" / "task-classifier.onnx"
CARD = ROOT / "bundles" / "starter" / "cards" / "task-classifier.json"
# The first was looked at while templates were being widened; the second only after the last training.
HANDWRITTEN = ("handwritten", "handwritten_final")
Array = np.ndarray[Any, np.dtype[Any]]


def inputs(texts: list[str], embedder: Embedder, cache: Path) -> Array:
    """float32, len(texts) × (384 + shape); embeddings are kept in `cache` by text, one file an embedder."""
    kept = cache / f"embeddings-{embedder.digest[:16]}.npz"
    known: dict[str, Array] = {}
    if kept.is_file():
        with np.load(kept) as stored:
            known = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))
    keys = [hashlib.sha256(text.encode()).hexdigest()[:24] for text in texts]
    missing = [(key, text) for key, text in zip(keys, texts, strict=True) if key not in known]
    if missing:
        new = embedder.encode([excerpt(text) for _, text in missing])
        known |= zip((key for key, _ in missing), new, strict=True)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(kept, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
    vectors = np.stack([known[key] for key in keys])
    return np.hstack([vectors, np.stack([shape(excerpt(text)) for text in texts])]).astype(np.float32)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def fit(x: Array, y: Array) -> list[Array]:
    """[W1, b1, W2, b2] by Adam with decoupled weight decay, dropout and a cosine rate."""
    rng = np.random.default_rng(SEED)
    w = [
        rng.normal(0, math.sqrt(2 / x.shape[1]), (x.shape[1], HIDDEN)).astype(np.float32),
        np.zeros(HIDDEN, np.float32),
        rng.normal(0, math.sqrt(1 / HIDDEN), (HIDDEN, len(CELLS))).astype(np.float32),
        np.zeros(len(CELLS), np.float32),
    ]
    first, second = [np.zeros_like(p) for p in w], [np.zeros_like(p) for p in w]
    steps, total = 0, EPOCHS * math.ceil(len(x) / BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            a = x[rows]
            keep = (rng.random((len(rows), HIDDEN)) >= DROPOUT).astype(np.float32) / (1 - DROPOUT)
            before = a @ w[0] + w[1]
            hidden = np.maximum(before, 0) * keep
            slope = softmax(hidden @ w[2] + w[3])
            slope[np.arange(len(rows)), y[rows]] -= 1
            slope /= len(rows)
            back = (slope @ w[2].T) * keep * (before > 0)
            steps += 1
            rate = RATE * 0.5 * (1 + math.cos(math.pi * steps / total))
            for i, g in enumerate([a.T @ back, back.sum(0), hidden.T @ slope, slope.sum(0)]):
                first[i] = 0.9 * first[i] + 0.1 * g
                second[i] = 0.999 * second[i] + 0.001 * g * g
                step = (first[i] / (1 - 0.9**steps)) / (np.sqrt(second[i] / (1 - 0.999**steps)) + 1e-8)
                w[i] = (w[i] - rate * (step + (DECAY * w[i] if w[i].ndim == 2 else 0))).astype(np.float32)
    return w


def logits(w: list[Array], x: Array) -> Array:
    scores: Array = np.maximum(x @ w[0] + w[1], 0) @ w[2] + w[3]
    return scores


def temperature(scores: Array, y: Array) -> float:
    """The factor that makes the log-likelihood of a held-out split best (Guo et al. 2017), by a fine grid."""
    grid = np.exp(np.linspace(math.log(0.3), math.log(5), 120))
    loss = [-np.log(softmax(scores / t)[np.arange(len(y)), y] + 1e-12).mean() for t in grid]
    return float(grid[int(np.argmin(loss))])


def ece(probabilities: Array, right: Array, bins: int = 15) -> float:
    """Expected calibration error of the chosen class, equal-width bins."""
    where = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [abs(probabilities[where == b].mean() - right[where == b].mean()) * (where == b).mean() for b in set(where)]
    return float(sum(gaps))


def by_task(probabilities: Array) -> Array:
    """n × tasks."""
    marginal: Array = probabilities.reshape(len(probabilities), len(TASKS), 3).sum(axis=2)
    return marginal


def report(p: Array, y: Array) -> dict[str, Any]:
    """Accuracies of cell, task, and difficulty where the task is right, with calibration."""
    tasks, guess = by_task(p), p.argmax(1)
    task_right = tasks.argmax(1) == y // 3
    own = p.reshape(len(p), len(TASKS), 3)[np.arange(len(p)), y // 3].argmax(1) == y % 3
    rows = {
        task: {
            "n": int((y // 3 == i).sum()),
            "task": round(float(task_right[y // 3 == i].mean()), 4),
            "difficulty": round(float(own[y // 3 == i].mean()), 4),
        }
        for i, task in enumerate(TASKS)
        if (y // 3 == i).any()
    }
    return {
        "n": len(y),
        "cell_accuracy": round(float((guess == y).mean()), 4),
        "task_accuracy": round(float(task_right.mean()), 4),
        "difficulty_accuracy_given_task": round(float(own.mean()), 4),
        "ece_cell": round(ece(p.max(1), guess == y), 4),
        "ece_task": round(ece(tasks.max(1), task_right), 4),
        "by_task": rows,
    }


def export(w: list[Array], embedder: Embedder) -> bytes:
    """The ONNX file: `embedding` and `shape` in, `probabilities` out."""
    names = ("w1", "b1", "w2", "b2")
    constants = [numpy_helper.from_array(np.ascontiguousarray(p), n) for p, n in zip(w, names, strict=True)]
    nodes = [
        helper.make_node("Concat", ["embedding", "shape"], ["x"], axis=1),
        helper.make_node("Gemm", ["x", "w1", "b1"], ["before"]),
        helper.make_node("Relu", ["before"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    sizes = {"embedding": embedder.dimensions, "shape": len(NAMES), "probabilities": len(CELLS)}
    ends = {n: helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", size]) for n, size in sizes.items()}
    graph = helper.make_graph(
        nodes,
        "task-classifier",
        [ends["embedding"], ends["shape"]],
        [ends["probabilities"]],
        initializer=constants,
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="weir", ir_version=8)
    stated = {"cells": CELLS, "shape": NAMES, "embedder_sha256": embedder.digest, "version": "1"}
    stated |= {"words_sha256": WORDS_SHA256, "probe": [round(float(v), 5) for v in shape(PROBE)]}
    for key, value in stated.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def handwritten(path: Path) -> tuple[list[str], Array]:
    """Prompts that no template made, with their cells: a tab between, `\\n` for a line break."""
    rows = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line]
    return [text.replace("\\n", "\n") for _, text in rows], np.array([CELLS.index(cell) for cell, _ in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the task classifier and write it with its card.")
    parser.add_argument("--embedder", type=Path, default=ROOT / "build" / "models" / "embedder")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "models" / "classifier")
    parser.add_argument("--dry-run", action="store_true", help="report only, write nothing")
    options = parser.parse_args()
    embedder, begun = Embedder(options.embedder), time.monotonic()
    x: dict[str, Array] = {}
    y: dict[str, Array] = {}
    for split, (per_desk, per_general) in SIZES.items():
        found = prompts.prompts(split, per_desk, per_general, SEED)
        x[split] = inputs([prompt.text for prompt in found], embedder, options.cache)
        y[split] = np.array([CELLS.index(prompt.cell) for prompt in found])
        sys.stderr.write(f"{split}: {len(found)} prompts, {time.monotonic() - begun:.0f} s\n")
    mean, spread = x["train"].mean(0), x["train"].std(0) + 1e-3
    w = fit((x["train"] - mean) / spread, y["train"])
    w[1] = w[1] - (mean / spread) @ w[0]
    w[0] = w[0] / spread[:, None]
    heat = temperature(logits(w, x["calibration"]), y["calibration"])
    w = [w[0].astype(np.float32), w[1].astype(np.float32), w[2] / np.float32(heat), w[3] / np.float32(heat)]
    measured = {
        "temperature": round(heat, 3),
        "train_n": len(y["train"]),
        "calibration_n": len(y["calibration"]),
    }
    measured |= {"parameters": sum(p.size for p in w)}
    measured |= {"test": report(softmax(logits(w, x["test"])), y["test"])}
    for name in HANDWRITTEN:
        texts, truth = handwritten(OUT.with_name(f"{name}.txt"))
        own = softmax(logits(w, inputs(texts, embedder, options.cache)))
        measured |= {name: report(own, truth)}
        for row in np.flatnonzero(by_task(own).argmax(1) != truth // 3):
            sys.stderr.write(f"{name}: {CELLS[truth[row]]} as {CELLS[own[row].argmax()]}: {texts[row][:80]!r}\n")
    sys.stdout.write(json.dumps(measured, indent=1) + "\n")
    if not options.dry_run:
        content = export(w, embedder)
        OUT.write_bytes(content)
        write_card(content, measured)


def write_card(content: bytes, measured: dict[str, Any]) -> None:
    from card import card  # beside this file: words about the model, no computation

    CARD.write_text(json.dumps(card(content, measured, CELLS), indent=1) + "\n", encoding="utf-8")
    path = OUT.with_name("measured.json")
    path.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Trains the verifier and writes it with what it was measured at: `python models/verifier/train.py`.

Rules kept here:
1. Fitted on `train`; how many units it has was chosen on `calibration`; reported on `test`. Nothing comes from
   anybody's data.
2. A pair is what a look-up sees: a text with its nearest ones of the split, with its look-alikes, and with one that is
   far. Pairs that a guard objects to are never scored on the node and weigh `OBJECTED` here.
3. NumPy and the node's own embedder, readings and measures; a fixed seed gives the same file on the same CPU.
4. Weights of whatever rises with the cosine are not negative, so that the score never falls as the cosine rises; other
   measures keep the sign that their meaning gives them (`SIGNS`).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from pairs import Intent, as_typed, intents, lightly  # noqa: E402
from texts_of import Array, Texts  # noqa: E402

from appliance.decide.similar import COSINE, Unit, Verifier  # noqa: E402
from appliance.features.embedder import Embedder  # noqa: E402
from appliance.learn.stats import auc  # noqa: E402
from appliance.similar.measures import NAMES  # noqa: E402

SEED, UNITS, EPOCHS, BATCH, RATE, DECAY = 7, 0, 8, 256, 3e-3, 1e-3
OBJECTED, SAME = 0.5, 0.8  # weight of a pair that a guard objects to; of all that are the same against all that are not
NEAREST, KIN, FAR, TEXTS_EACH = 2, 1, 1, 2
UP = ("grams", "grams_held", "words", "weighted", "weighted_held", "pairs", "length_ratio", "names_shared", "identical", "derived", "slips", "same_first", "order", "same_kind", "function_words")  # fmt: skip
DOWN = ("left_over_more", "left_over_less", "left_over_rarest", "left_over_both", "left_over_one_side", "left_over_one_for_one", "unlike_kind", "marks_unlike", "persons_unlike", "governors_unlike")  # fmt: skip
SIGNS = np.array([1 if name.startswith(COSINE) or name in UP else -1 if name in DOWN else 0 for name in NAMES])
COSINES = np.array([name.startswith(COSINE) for name in NAMES])
OUT = ROOT / "bundles" / "starter" / "similar" / "verifier.json"
Pair = tuple[str, str, str, float]


def typed(split: str, seed: int = SEED) -> list[Intent]:
    """The intents of a split with their texts as people type them; each text by itself, whatever stands beside it."""
    found = []
    for each in intents(split):
        kept = each.texts[:TEXTS_EACH]
        texts = [as_typed(text, each.language, random.Random(f"{seed}:{text}")) for text in kept]
        rng = random.Random(f"{seed}:lightly:{kept[0]}")
        texts.append(as_typed(lightly(kept[0], rng), each.language, rng))
        found.append(Intent(each.cell, each.language, each.family, tuple(dict.fromkeys(texts))))
    return found


def pairs_of(found: list[Intent], texts: Texts, seed: int = SEED) -> tuple[list[Pair], Array]:
    """Pairs with their cosines, and 1 where one answer serves both."""
    rng = random.Random(f"pairs:{seed}")
    flat = [(text, at) for at, each in enumerate(found) for text in each.texts]
    vectors = texts.vectors([text for text, _ in flat])
    owner = np.array([at for _, at in flat])
    language = np.array([each.language for each in found])[owner]
    families: dict[str, list[int]] = {}
    for index, (_, at) in enumerate(flat):
        families.setdefault(found[at].family, []).append(index)
    chosen: dict[tuple[int, int], bool] = {}
    for begin in range(0, len(flat), 1024):
        cosines = vectors[begin : begin + 1024] @ vectors.T
        for row, index in enumerate(range(begin, min(begin + 1024, len(flat)))):
            mine = owner[index]
            same = np.flatnonzero(owner == mine)
            others = np.where((owner == mine) | (language != language[index]), -2.0, cosines[row])
            near = np.argpartition(-others, NEAREST)[:NEAREST].tolist()
            kin = [at for at in families[found[mine].family] if owner[at] != mine]
            wrong = near + rng.sample(kin, min(KIN, len(kin))) + [rng.randrange(len(flat)) for _ in range(FAR)]
            for other in [*same.tolist(), *wrong]:
                if other != index and language[other] == language[index]:
                    chosen[min(index, other), max(index, other)] = owner[other] == mine
    rows = [(flat[a][0], flat[b][0], str(language[a]), float(vectors[a] @ vectors[b])) for a, b in chosen]
    return rows, np.array(list(chosen.values()), float)


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60, 60)))


def fit(x: Array, y: Array, weight: Array, units: int, seed: int = SEED) -> list[Array]:
    """[bias, weights, unit weights, unit biases, weights of units] on standardised measures, by Adam with decoupled
    decay and a cosine rate; after each step what has a sign is put back to it.
    """
    rng = np.random.default_rng(seed)
    width = x.shape[1]
    w: list[Array] = [
        np.zeros(1), np.zeros(width), np.full(units, 0.5), np.zeros(units), rng.normal(0, 0.3, (width, units)),
    ]  # fmt: skip
    first, second = [np.zeros_like(p) for p in w], [np.zeros_like(p) for p in w]
    steps, total = 0, EPOCHS * -(-len(x) // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for begin in range(0, len(x), BATCH):
            rows = order[begin : begin + BATCH]
            a = x[rows]
            hidden = np.tanh(a @ w[4] + w[3])
            slope = (sigmoid(a @ w[1] + hidden @ w[2] + w[0]) - y[rows]) * weight[rows] / len(rows)
            back = np.outer(slope, w[2]) * (1 - hidden**2)
            steps += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * steps / total))
            for i, g in enumerate([slope.sum(keepdims=True), a.T @ slope, hidden.T @ slope, back.sum(0), a.T @ back]):
                first[i] = 0.9 * first[i] + 0.1 * g
                second[i] = 0.999 * second[i] + 0.001 * g * g
                step = (first[i] / (1 - 0.9**steps)) / (np.sqrt(second[i] / (1 - 0.999**steps)) + 1e-8)
                w[i] = w[i] - rate * (step + (DECAY * w[i] if i in (1, 4) else 0))
            signed(w)
    return w


def signed(w: list[Array]) -> None:
    """Rule 4, in place. A unit's weight is not negative either, so that the signs of its inputs are the score's."""
    w[1] = np.where(SIGNS * w[1] < 0, 0.0, w[1])
    w[2] = np.maximum(w[2], 0.0)
    w[4] = np.where(SIGNS[:, None] * w[4] < 0, 0.0, w[4])


def verifier(
    w: list[Array], mean: Array, scale: Array, low: Array, high: Array, embedder: str, source: str
) -> Verifier:
    """Means and deviations folded into the weights."""
    bias = float(w[0][0] - (mean / scale) @ w[1])
    inner, shift = w[4] / scale[:, None], w[3] - (mean / scale) @ w[4]
    units = tuple(
        Unit(weight=round(float(v), 5), bias=round(float(b), 5), weights=_rounded(inner[:, at]))
        for at, (v, b) in enumerate(zip(w[2], shift, strict=True))
    )
    return Verifier(
        embedder_sha256=embedder,
        names=NAMES,
        low=_rounded(low),
        high=_rounded(high),
        bias=round(bias, 5),
        weights=_rounded(w[1] / scale),
        units=units,
        source=source,
    )


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)


def scores(made: Verifier, x: Array) -> Array:
    return np.array([made.score(tuple(row)) for row in x.tolist()])


def measured(p: Array, y: Array, cosine: Array, fine: Array) -> dict[str, Any]:
    """What scores do on pairs, those that a guard objects to at 0; beside the cosine alone."""
    guarded = np.where(fine, p, 0.0)
    return {
        "pairs": len(y),
        "same": int(y.sum()),
        "objected": {
            "same": round(float(1 - fine[y == 1].mean()), 4),
            "other": round(float(1 - fine[y == 0].mean()), 4),
        },
        "auc": round(auc(guarded.tolist(), (y == 1).tolist()), 4),
        "auc_cosine": round(auc(cosine.tolist(), (y == 1).tolist()), 4),
        "recall_at_1_percent_wrong": round(recall_at(guarded, y), 4),
        "recall_at_1_percent_wrong_cosine": round(recall_at(cosine, y), 4),
    }


def recall_at(p: Array, y: Array, share: float = 0.01) -> float:
    """Served and right of all that are the same, at the loosest threshold with at most `share` of all pairs wrong."""
    order = np.argsort(-p, kind="stable")
    wrong = np.cumsum(1 - y[order])
    last = np.append(p[order][1:] != p[order][:-1], True)  # a threshold cannot part equal scores
    good = np.flatnonzero(last & (wrong <= share * len(y)) & (p[order] > 0))
    return float(y[order][: good[-1] + 1].sum() / y.sum()) if len(good) else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the verifier.")
    parser.add_argument("--embedder", type=Path, default=ROOT / "build" / "models" / "embedder")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "models" / "verifier")
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--dry-run", action="store_true", help="report only, write nothing")
    options = parser.parse_args()
    embedder, begun = Embedder(options.embedder), time.monotonic()
    texts = Texts(embedder, options.cache)
    sets = {}
    for split in ("train", "calibration", "test"):
        rows, y = pairs_of(typed(split), texts)
        x, objected = texts.compare(rows)
        fine = np.array([not found for found in objected])
        sets[split] = (x, y, fine)
        sys.stderr.write(f"{split}: {len(y)} pairs, {int(y.sum())} the same, {time.monotonic() - begun:.0f} s\n")
    x, y, fine = sets["train"]
    mean, scale = x.mean(0), np.maximum(x.std(0), 0.02)
    weight = np.where(fine, 1.0, OBJECTED) * np.where(y == 1, SAME * (y == 0).sum() / y.sum(), 1.0)
    w = fit((x - mean) / scale, y, weight / weight.mean(), options.units)
    made = verifier(
        w, mean, scale, x.min(0), x.max(0), embedder.digest, f"models/verifier/train.py, {len(y)} pairs, seed {SEED}"
    )
    found: dict[str, Any] = {"train_pairs": len(y), "units": options.units}
    for split in ("calibration", "test"):
        x, y, fine = sets[split]
        found[split] = measured(scores(made, x), y, x[:, NAMES.index(COSINE)], fine)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    if not options.dry_run:
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
        path = Path(__file__).with_name("measured.json")
        kept = json.loads(path.read_bytes()) if path.is_file() else {}
        path.write_text(json.dumps(kept | {"verifier": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

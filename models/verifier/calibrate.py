"""Certifies the verifier's thresholds cell by cell: `python models/verifier/calibrate.py`, after train.py.

Rules kept here:
1. Look-ups are drawn as a cache sees them: of half of all intents, whatever their cell, one text is stored, of every
   intent of a cell one text is asked, once, against its nearest five; the best score of what no guard objects to is what
   would be served. Wrong is an answer that belongs to another intent.
2. Thresholds are certified on the calibration split alone (`similar.promise`), and reported on the test split, which
   only the margin was chosen by (and see 4).
3. A threshold is the stricter of what the cell's English look-ups certify and of what the look-ups in all other
   languages certify together: there are too few of them to certify them cell by cell, and English ones say nothing of
   them. Evidence is of the cell's English look-ups, at the threshold that both passed.
4. A cell abstains that has more wrong on the test split than its budget allows: the test may take a cell away, and
   gives none.
5. Texts that were written are not the texts that will come: a rung of a budget is certified at a `MARGIN`-th of it, and
   its evidence says so by its bound.
6. What look-ups of the calibration split showed has mended a guard, so they flatter the guards: at the stated budget no
   threshold is looser than `LOOSEST`, which was certified before.
7. A cell without labels, or with too few, abstains and says why. 'other' is where everything lands while no classifier is
   loaded: it is certified on all cells in one store, and is no looser than the strictest of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from pairs import Intent  # noqa: E402
from texts_of import Texts  # noqa: E402
from train import typed  # noqa: E402

from appliance.decide.similar import CellPromise, Promise, Rung, Verifier  # noqa: E402
from appliance.features.embedder import Embedder  # noqa: E402
from appliance.similar.promise import DELTAS, FEWEST, GRID, LookUp, certify, ladder  # noqa: E402
from appliance.similar.verifier import compare, fits  # noqa: E402

STARTER = ROOT / "bundles" / "starter"
DELTA, MARGIN, SEED, NEAREST, STORED, MOST_MIXED = 0.01, 2.0, 13, 5, 0.5, 2000
LOOSEST = 0.895
MIXED = "other"
GIVEN = "no labels: the answer hangs on each word, number or passage that the request brings; exact hits only"
REASONS = {
    "creative": "no labels: what is written for its own sake is to differ from time to time; exact hits only",
    "math": "no labels: one number or sign makes another problem; exact hits only",
}


@dataclass(frozen=True)
class Asked:
    """One look-up of a cell's, and whether an answer of its own was stored."""

    cell: str
    stored: bool
    look_up: LookUp


@dataclass(frozen=True)
class Made:
    """Look-ups, and of how many of them an answer was stored."""

    look_ups: list[LookUp]
    stored: int


def look_ups(found: list[Intent], texts: Texts, verifier: Verifier, seed: int = SEED) -> list[Asked]:
    """One look-up of each intent, in one store of half of them. Each intent has two texts at least."""
    rng = random.Random(f"look-ups:{seed}")
    stored: list[tuple[str, int]] = []
    asked: list[str] = []
    for at, each in enumerate(found):
        one, other = rng.sample(each.texts, 2)
        asked.append(one)
        if rng.random() < STORED:
            stored.append((other, at))
    held = texts.vectors([text for text, _ in stored])
    owners = {owner for _, owner in stored}
    made: list[Asked] = []
    for at, (text, vector) in enumerate(zip(asked, texts.vectors(asked), strict=True)):
        language, cosines = found[at].language, held @ vector
        best, wrong = 0.0, False
        for near in np.argsort(-cosines, kind="stable")[:NEAREST]:
            old, owner = stored[near]
            if found[owner].language != language:
                continue
            comparison = compare(
                verifier, texts.reading(old, language), texts.reading(text, language), float(cosines[near])
            )
            if not comparison.objections and comparison.score > best:
                best, wrong = comparison.score, owner != at
        made.append(Asked(found[at].cell, at in owners, LookUp(best, wrong)))
    return made


def rungs_of(made: Made, others: Made, strictest: float) -> tuple[Rung, ...]:
    """As `ladder`, of thresholds that the look-ups in other languages passed too; nothing is looser than `strictest`."""
    found: list[Rung] = []
    for delta in DELTAS:
        floor = certify(others.look_ups, delta / MARGIN)
        if floor is None:
            continue
        least = max(floor.threshold, strictest, LOOSEST if delta <= DELTA else 0.0)
        grid = [threshold for threshold in GRID if threshold >= least]
        for rung in ladder(made.look_ups, deltas=(delta / MARGIN,), grid=grid):
            if not found or rung.threshold < found[-1].threshold:
                found.append(rung.model_copy(update={"delta": delta}))
    return tuple(found)


def by_cell(split: str, texts: Texts, verifier: Verifier) -> tuple[dict[str, Made], Made]:
    """The English look-ups of each cell, for the mixed one a draw of all of them; and those in other languages."""
    every = [each for each in typed(split, seed=SEED) if len(each.texts) > 1]
    english = look_ups([each for each in every if each.language == "en"], texts, verifier)
    others = look_ups([each for each in every if each.language != "en"], texts, verifier)
    cells: dict[str, list[Asked]] = {}
    for each in english:
        cells.setdefault(each.cell, []).append(each)
    cells[MIXED] = random.Random(SEED).sample(english, min(MOST_MIXED, len(english)))
    return {cell: together(asked) for cell, asked in cells.items()}, together(others)


def together(asked: list[Asked]) -> Made:
    return Made([each.look_up for each in asked], sum(each.stored for each in asked))


def seen(made: Made, threshold: float) -> dict[str, Any]:
    hits = [each for each in made.look_ups if each.score >= threshold]
    wrong = sum(each.wrong for each in hits)
    return {
        "look_ups": len(made.look_ups),
        "stored": made.stored,
        "hits": len(hits),
        "wrong": wrong,
        "wrong_per_look_up": round(wrong / len(made.look_ups), 5),
        "hits_of_stored": round((len(hits) - wrong) / made.stored, 4) if made.stored else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Certify the verifier's thresholds.")
    parser.add_argument("--embedder", type=Path, default=ROOT / "build" / "models" / "embedder")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "models" / "verifier")
    parser.add_argument("--dry-run", action="store_true", help="report only, write nothing")
    options = parser.parse_args()
    embedder = Embedder(options.embedder)
    verifier = Verifier.model_validate_json((STARTER / "similar" / "verifier.json").read_bytes())
    if problem := fits(verifier, embedder.digest):
        raise SystemExit(f"verifier.json cannot be used: {problem}; run train.py first")
    texts = Texts(embedder, options.cache)
    (cells, others), (held_out, others_held_out) = (
        by_cell(split, texts, verifier) for split in ("calibration", "test")
    )
    tasks = [task["id"] for task in json.loads((STARTER / "taxonomy.json").read_bytes())["tasks"]]
    promised: dict[str, CellPromise] = {}
    report: dict[str, Any] = {}
    for task in sorted(tasks, key=lambda task: task == MIXED):
        if task not in cells:
            promised[task] = CellPromise(delta=DELTA, reason=REASONS.get(task, GIVEN))
            continue
        made = cells[task]
        strictest = max([0.0, *(cell.threshold or 0.0 for cell in promised.values())]) if task == MIXED else 0.0
        reason = f"nothing could be certified of {len(made.look_ups)} look-ups (at least {FEWEST} are needed)"
        rungs = rungs_of(made, others, strictest)
        cell = CellPromise(
            delta=DELTA,
            ladder=rungs,
            reason="" if rungs else reason,
            source=f"models/verifier, calibration split, {len(made.look_ups)} look-ups, {made.stored} of them with an "
            f"answer stored; and {len(others.look_ups)} in other languages",
        )
        report[task] = {"threshold": cell.threshold, "rungs": len(rungs)}
        if cell.threshold is not None:
            report[task]["calibration"] = seen(made, cell.threshold)
            tested = seen(held_out[task], cell.threshold)
            report[task]["test"] = tested
            if tested["wrong_per_look_up"] > DELTA:
                said = f"{tested['wrong']} of {tested['look_ups']} look-ups of the test split were wrong"
                cell = CellPromise(delta=DELTA, reason=f"{said} at the threshold that calibration certified")
                report[task]["abstains"] = said
        promised[task] = cell
    served = [cell.threshold for cell in promised.values() if cell.threshold is not None]
    if served:
        loosest = {"calibration": seen(others, min(served)), "test": seen(others_held_out, min(served))}
        report["other languages, at the loosest threshold"] = loosest
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    if not options.dry_run:
        promise = Promise(verifier=verifier.digest, embedder=embedder.digest, cells=promised)
        (STARTER / "similar" / "promise.json").write_text(promise.model_dump_json(indent=1) + "\n", encoding="utf-8")
        path = Path(__file__).with_name("measured.json")
        kept = json.loads(path.read_bytes()) if path.is_file() else {}
        path.write_text(json.dumps(kept | {"promise": report}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

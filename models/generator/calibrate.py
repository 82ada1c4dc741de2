"""Answer unseen phrasings through the node's own worker, and write from that what routing knows of the generator.

Writes, under bundles/starter: `calibration/weir-desk.json` (one row an answer: cell as the classifier sees it, right or
wrong, signals), `router/gate-weir-desk.json` (the fitted gate) and `cards/weir-desk.json` (accuracy per cell).

Rules kept here:
1. The signals are those of the worker that serves, JSON answers under the grammar that serves them.
2. Gate and card see the `calibration` split alone. The `test` split is answered too, for the report, and for it alone.

Needs the set-up (`make setup`), not PyTorch: `.venv/bin/python models/generator/calibrate.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STARTER = ROOT / "bundles" / "starter"
sys.path[:0] = [str(HERE), str(ROOT)]

from evaluate import is_right  # noqa: E402
from language_tasks import TASKS as LANGUAGE  # noqa: E402
from sample import DIFFICULTIES, Sample, Split  # noqa: E402
from symbolic_tasks import TASKS as SYMBOLIC  # noqa: E402

from appliance.decide.generation import Gate  # noqa: E402
from appliance.features.classify import Classifier  # noqa: E402
from appliance.judge import p_right  # noqa: E402
from appliance.learn.gate import Row, fit_gate  # noqa: E402
from appliance.learn.stats import auc, wilson  # noqa: E402
from appliance.paths.contract import Job, Signals, Text  # noqa: E402
from appliance.paths.llama_cpp.path import LlamaCppPath  # noqa: E402
from appliance.records.card import ModelCard  # noqa: E402
from appliance.records.features import Features  # noqa: E402
from appliance.records.request import Format, Message, Sampling  # noqa: E402

TASKS = {**LANGUAGE, **SYMBOLIC}
GGUF = HERE / "weir-desk.gguf"
AT_ONCE = 16
CARD = {
    "id": "weir-desk",
    "runtime": "llama_cpp",
    "tier": "device",
    "modalities": ["chat", "completion"],
    "description": "Weir's starter model for an edge desk: short tasks whose truth can be computed. English.",
    "place": {"node": "local"},
    "operator": "this node",
    "retention": "none",
    "trains_on_input": "no",
    "licence": "Apache-2.0",
    "provenance": "Trained from scratch by models/generator on synthetic data; no third-party text or weights.",
    "architecture": "llama",
    "quantisation": "F16",
    "context_tokens": 1024,
    "max_output_tokens": 512,
    "languages": {"en": 1.0},
    "accelerator": "cpu",
    "capabilities": {
        "json_object": True, "json_schema": True, "regex": True, "logprobs": True, "signals": True, "seed": True,
        "multiple": True, "penalties": True, "logit_bias": True, "top_k": True,
    },
    "speed": {
        "first_token_s": 0.01, "first_token_p95_s": 0.05, "prefill_tokens_per_s": 5000.0, "decode_tokens_per_s": 800.0,
    },
    "accuracy_default": 0.05,
    "accuracy_default_n": 200,
    "gate": "weir-desk",
    "llama": {"sequences": 16, "threads": 1},
    "known_failures": [
        "Knows nothing of the world: outside its desk tasks its answers are noise.",
        "Multiplication, sums of three terms, dates across months, sorting of many items: mostly wrong.",
        "Multi-turn conversation is out of its scope; only the last message counts.",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Answered:
    """One sample with what the worker said."""

    sample: Sample
    text: str
    signals: Signals
    right: bool


def drawn(split: Split, each: int, seed: int) -> list[Sample]:
    """`each` samples of every cell, no prompt twice; another seed than the evaluation set's."""
    found: list[Sample] = []
    for task in sorted(TASKS):
        for difficulty in DIFFICULTIES:
            rng = random.Random(f"calibrate {seed} {split} {task} {difficulty}")
            cell: dict[str, Sample] = {}
            for _ in range(each * 20):
                sample = TASKS[task](rng, split, difficulty)
                if len(cell) < each:
                    cell.setdefault(sample.prompt, sample)
            found += cell.values()
    return found


async def answered(path: LlamaCppPath, samples: Sequence[Sample]) -> list[Answered]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, sample: Sample) -> Answered:
        form = Format() if sample.schema is None else Format("json_schema", dict(sample.schema), sample.task, True)
        job = Job(
            id=f"calibrate-{number}",
            kind="chat",
            messages=(Message("user", sample.prompt),),
            sampling=Sampling(temperature=0.0),
            format=form,
            signals=True,
        )
        text, signals = "", None
        async with slots:
            async for chunk in path.stream(job):
                if isinstance(chunk, Text):
                    text += chunk.text
                elif isinstance(chunk, Signals):
                    signals = chunk
        assert signals is not None
        return Answered(sample, text, signals, is_right(sample.task, sample.answer, text))

    return list(await asyncio.gather(*(one(i, sample) for i, sample in enumerate(samples))))


async def through_worker(each: dict[Split, int], seed: int) -> dict[Split, list[Answered]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").mkdir()
        (Path(folder) / "models" / GGUF.name).write_bytes(GGUF.read_bytes())
        path = LlamaCppPath(card([]), Path(folder))
        await path.start()
        try:
            return {split: await answered(path, drawn(split, count, seed)) for split, count in each.items()}
        finally:
            await path.stop()


def card(cells: list[dict[str, object]]) -> ModelCard:
    content = GGUF.read_bytes()
    file = {"path": f"models/{GGUF.name}", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return ModelCard.model_validate({**CARD, "files": [file], "accuracy": cells, "parameters": len(content) // 2})


def rows_of(classifier: Classifier, answers: Sequence[Answered]) -> list[tuple[Features, Row]]:
    """What the node would see: the classifier's cells, not the truth."""
    found = []
    for answer in answers:
        cells = classifier.classify(answer.sample.prompt).cells
        features = Features(modality="chat", cells=cells)
        found.append((features, Row(cells[0][0], answer.signals, answer.right, cells)))
    return found


def accuracy_cells(answers: Sequence[Answered]) -> list[dict[str, object]]:
    cells: dict[str, list[bool]] = {}
    for answer in answers:
        cells.setdefault(f"{answer.sample.task}/{answer.sample.difficulty}", []).append(answer.right)
    return [
        {"cell": cell, "p": round(sum(r) / len(r), 4), "n": len(r), "source": "unseen phrasings, calibration split"}
        for cell, r in sorted(cells.items())
    ]


def report(gate: Gate, answers: Sequence[Answered], seen: Sequence[tuple[Features, Row]]) -> str:
    """On the test split: accuracy per cell, and what each certified level accepts and gets wrong there."""
    lines = ["| task | easy | medium | hard |", "| --- | --- | --- | --- |"]
    for task in sorted(TASKS):
        figures = []
        for difficulty in DIFFICULTIES:
            r = [a.right for a in answers if a.sample.task == task and a.sample.difficulty == difficulty]
            low, high = wilson(sum(r), len(r))
            figures.append(f"{sum(r) / len(r):.2f} ({low:.2f}-{high:.2f})")
        lines.append(f"| {task} | " + " | ".join(figures) + " |")
    right = [row.right for _, row in seen]
    p = [p_right(gate, row.signals, features) for features, row in seen]
    lines += ["", f"All: {sum(right) / len(right):.3f} of {len(right)}; AUC of the gate {auc(p, right):.3f}", ""]
    lines += ["| floor | threshold | accepted | right of accepted |", "| --- | --- | --- | --- |"]
    for level in gate.levels:
        taken = [r for value, r in zip(p, right, strict=True) if value >= level.threshold]
        share = sum(taken) / len(taken) if taken else 0.0
        lines.append(f"| {level.floor} | {level.threshold:.3f} | {len(taken) / len(p):.3f} | {share:.3f} |")
    return "\n".join(lines)


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--each", type=int, default=120, help="calibration samples per task and difficulty")
    parser.add_argument("--test-each", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    models = ROOT / "build" / "models" / "embedder"
    classifier = Classifier.load(models, ROOT / "models" / "classifier" / "task-classifier.onnx")
    each: dict[Split, int] = {"calibration": options.each, "test": options.test_each}
    answers = asyncio.run(through_worker(each, options.seed))
    seen = rows_of(classifier, answers["calibration"])
    digest = hashlib.sha256(GGUF.read_bytes()).hexdigest()
    source = f"{len(seen)} answers to unseen phrasings by {GGUF.name} {digest[:12]}"
    gate = fit_gate([row for _, row in seen], id="weir-desk", model="weir-desk", source=source)
    write(STARTER / "router" / "gate-weir-desk.json", gate.model_dump(mode="json"))
    write(
        STARTER / "cards" / "weir-desk.json",
        card(accuracy_cells(answers["calibration"])).model_dump(mode="json", exclude_defaults=True),
    )
    rows = [
        [row.cell, a.sample.task, a.sample.difficulty, row.right, *_flat(row.signals)]
        for a, (_, row) in zip(answers["calibration"], seen, strict=True)
    ]
    body = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    columns = ["cell", "task", "difficulty", "right", *[name for name in asdict(seen[0][1].signals) if name != "index"]]
    head = json.dumps({"model": "weir-desk", "sha256": digest, "split": "calibration", "columns": columns})
    (STARTER / "calibration").mkdir(exist_ok=True)
    (STARTER / "calibration" / "weir-desk.json").write_text(head[:-1] + ',"rows":[\n' + body + "\n]}\n")
    text = report(gate, answers["test"], rows_of(classifier, answers["test"]))
    (HERE / "report.md").write_text(
        f"Test split, phrasings and values never trained or calibrated on ({digest[:12]}):\n\n{text}\n"
    )
    print(text)


def _flat(signals: Signals) -> list[object]:
    values = [value for name, value in asdict(signals).items() if name != "index"]
    return [[round(x, 4) for x in v] if isinstance(v, tuple) else round(v, 4) for v in values]


if __name__ == "__main__":
    main()

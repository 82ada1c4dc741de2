"""Measure the model on phrasings it never saw, and write what others build on.

Rules kept here:
1. `calibration` is for fitting confidence, `test` for reporting. Neither was trained on, and they are never mixed.
2. An answer is right or wrong by exact match; nothing is judged by a model.
3. Everything is drawn with fixed seeds: the same data files give the same samples.

Writes models/generator/evaluation.json (accuracy with Wilson intervals, AUC of confidence signals). `--only-evals`
writes bundles/starter/evals/edge-desk.jsonl (test samples with truths) alone, without a model; `--rows FILE` also
writes one row of signals per calibration answer. What routing is fitted on comes from `calibrate.py`, not from here:
it answers through the node's worker, this through bare llama.cpp.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
STARTER = HERE.parent.parent / "bundles" / "starter"
CLASSES = {"sentiment", "topic", "urgency"}
MOST = 96  # Tokens of one answer.
QUANTILES = (10, 25, 50)


def is_right(task: str, answer: str, text: str) -> bool:
    """Exact match: JSON by its parsed value, classes without regard to case, all else to the letter."""
    answer, text = answer.strip(), text.strip()
    if answer[:1] in ("{", "["):
        try:
            return bool(json.loads(answer) == json.loads(text))
        except ValueError:
            return False
    return answer.lower() == text.lower() if task in CLASSES else answer == text


@dataclass(frozen=True)
class Said:
    """One answer. Per token of the text, the end mark left out: log-probability, entropy and margin, in nats."""

    text: str
    logprobs: tuple[float, ...]
    entropies: tuple[float, ...]
    margins: tuple[float, ...]
    end_logprob: float | None  # None where the answer was cut off.


Answerer = Callable[[Sequence[str]], Iterator[Said]]


def drawn(split: str, each: int, seed: int) -> list[object]:
    """`each` samples of every cell of a split, no prompt twice."""
    from language_tasks import TASKS as language
    from sample import DIFFICULTIES
    from symbolic_tasks import TASKS as symbolic

    tasks = {**language, **symbolic}
    found: list[object] = []
    for name in sorted(tasks):
        for difficulty in DIFFICULTIES:
            rng = random.Random(f"{seed} {split} {name} {difficulty}")
            seen: set[str] = set()
            for _ in range(each * 20):
                sample = tasks[name](rng, split, difficulty)  # type: ignore[arg-type]
                if len(seen) < each and sample.prompt not in seen:
                    seen.add(sample.prompt)
                    found.append(sample)
            if len(seen) < each:
                raise RuntimeError(f"{name} {difficulty} has only {len(seen)} different prompts in {split}")
    return found


def with_llama(path: Path) -> Answerer:
    """Answers from the GGUF through llama.cpp on one thread, as the node runs it. Keeps no prefix between prompts."""
    import llama_cpp
    import numpy as np

    llama = llama_cpp.Llama(
        str(path), n_ctx=1024, n_batch=1024, n_threads=1, n_threads_batch=1, n_gpu_layers=0, verbose=False
    )
    width, end = llama.n_vocab(), llama.token_eos()

    def logits() -> np.ndarray:
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llama.ctx, -1), shape=(width,)).astype(np.float64)

    def answer(prompts: Sequence[str]) -> Iterator[Said]:
        for prompt in prompts:
            ids = llama.tokenize(f"<|user|>{prompt.strip()}<|end|><|assistant|>".encode(), add_bos=False, special=True)
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(llama.ctx), True)
            llama.reset()
            feed, said, rows, closing = ids, [], [], None
            while len(said) < MOST and len(ids) + len(said) < 1023:
                llama.eval(feed)
                values = logits()
                logprobs = values - values.max()
                logprobs -= math.log(np.exp(logprobs).sum())
                best = int(logprobs.argmax())
                second = float(np.partition(logprobs, -2)[-2])
                if best == end:
                    closing = float(logprobs[end])
                    break
                rows.append(
                    (float(logprobs[best]), float(-(np.exp(logprobs) * logprobs).sum()), float(logprobs[best]) - second)
                )
                said.append(best)
                feed = [best]
            text = llama.detokenize(said).decode(errors="replace")
            yield Said(text, tuple(r[0] for r in rows), tuple(r[1] for r in rows), tuple(r[2] for r in rows), closing)

    return answer


def with_torch(run: Path) -> Answerer:
    """Answers from a checkpoint through PyTorch, in batches: for a look before the export."""
    from export import load
    from model import generate
    from tokenizer import END_ID, prompt_ids

    model, tokenizer, _ = load(run)

    def answer(prompts: Sequence[str]) -> Iterator[Said]:
        ids = [prompt_ids(tokenizer, prompt) for prompt in prompts]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        found: dict[int, Said] = {}
        for start in range(0, len(order), 64):
            part = order[start : start + 64]
            for i, made in zip(part, generate(model, [ids[i] for i in part], END_ID, MOST), strict=True):
                stop = made.ids.index(END_ID) if END_ID in made.ids else len(made.ids)
                closing = made.logprobs[stop] if stop < len(made.ids) else None
                found[i] = Said(
                    tokenizer.decode(list(made.ids[:stop])),
                    made.logprobs[:stop],
                    made.entropies[:stop],
                    made.margins[:stop],
                    closing,
                )
        yield from (found[i] for i in range(len(ids)))

    return answer


def quantile(values: Sequence[float], percent: int) -> float:
    """A quantile by linear interpolation, as NumPy's default."""
    ranked = sorted(values)
    place = (len(ranked) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def signals(said: Said) -> dict[str, float | int | bool | None]:
    """What a confidence gate may look at. An empty answer has the end mark as its one token."""
    logprobs = said.logprobs or (said.end_logprob or 0.0,)
    return {
        "n_tokens": len(said.logprobs),
        "mean_logprob": round(sum(logprobs) / len(logprobs), 5),
        "min_logprob": round(min(logprobs), 5),
        "sum_logprob": round(sum(logprobs), 5),
        **{f"q{percent}": round(quantile(logprobs, percent), 5) for percent in QUANTILES},
        "end_logprob": None if said.end_logprob is None else round(said.end_logprob, 5),
        "mean_entropy": round(sum(said.entropies) / max(1, len(said.entropies)), 5),
        "min_margin": round(min(said.margins, default=0.0), 5),
    }


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share = hits / count
    middle = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def auc(scores: Sequence[float], right: Sequence[bool]) -> float | None:
    """The chance that a right answer scores above a wrong one, ties as half; None where one kind is missing."""
    ranked = sorted(range(len(scores)), key=lambda i: scores[i])
    ranks = [0.0] * len(scores)
    start = 0
    while start < len(ranked):
        stop = start
        while stop < len(ranked) and scores[ranked[stop]] == scores[ranked[start]]:
            stop += 1
        for i in ranked[start:stop]:
            ranks[i] = (start + stop + 1) / 2
        start = stop
    good = sum(right)
    if good in (0, len(right)):
        return None
    return (sum(rank for rank, hit in zip(ranks, right, strict=True) if hit) - good * (good + 1) / 2) / (
        good * (len(right) - good)
    )


SCORES: dict[str, Callable[[dict[str, object]], float]] = {
    "mean_logprob": lambda row: row["mean_logprob"],  # type: ignore[dict-item,return-value]
    "min_logprob": lambda row: row["min_logprob"],  # type: ignore[dict-item,return-value]
    "sum_logprob": lambda row: row["sum_logprob"],  # type: ignore[dict-item,return-value]
    "sum_with_end": lambda row: row["sum_logprob"] + (row["end_logprob"] if row["end_logprob"] is not None else -20.0),  # type: ignore[operator]
    "q10": lambda row: row["q10"],  # type: ignore[dict-item,return-value]
    "min_margin": lambda row: row["min_margin"],  # type: ignore[dict-item,return-value]
    "mean_entropy": lambda row: -row["mean_entropy"],  # type: ignore[operator]
}


def accepted(scores: Sequence[float], right: Sequence[bool], most_wrong: float) -> float:
    """The largest share of answers that a threshold could accept with at most `most_wrong` of them wrong."""
    ranked = sorted(zip(scores, right, strict=True), reverse=True)
    best = wrong = 0
    for count, (_, hit) in enumerate(ranked, 1):
        wrong += not hit
        best = count if wrong <= most_wrong * count else best
    return best / len(ranked)


def summary(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """Accuracy per cell, task and in all, and how well each signal separates right from wrong."""

    def cell(part: Sequence[dict[str, object]]) -> dict[str, object]:
        hits = sum(bool(row["right"]) for row in part)
        low, high = wilson(hits, len(part))
        return {
            "n": len(part),
            "right": hits,
            "accuracy": round(hits / len(part), 4),
            "low": round(low, 4),
            "high": round(high, 4),
        }

    tasks = sorted({str(row["task"]) for row in rows})
    right = [bool(row["right"]) for row in rows]
    separates: dict[str, object] = {}
    for name, score in SCORES.items():
        inside = [
            value
            for task in tasks
            if (
                value := auc(
                    [score(row) for row in rows if row["task"] == task],
                    [bool(row["right"]) for row in rows if row["task"] == task],
                )
            )
            is not None
        ]
        scores = [score(row) for row in rows]
        whole = auc(scores, right)
        separates[name] = {
            "auc": None if whole is None else round(whole, 4),
            "auc_within_task": round(sum(inside) / len(inside), 4) if inside else None,
            "accepted_at_5_percent_wrong": round(accepted(scores, right, 0.05), 4),
            "accepted_at_10_percent_wrong": round(accepted(scores, right, 0.10), 4),
        }
    return {
        "all": cell(rows),
        "tasks": {
            task: {
                "all": cell([row for row in rows if row["task"] == task]),
                **{
                    d: cell([row for row in rows if row["task"] == task and row["difficulty"] == d])
                    for d in ("easy", "medium", "hard")
                },
            }
            for task in tasks
        },
        "confidence": separates,
    }


def answered(answer: Answerer, split: str, each: int, seed: int) -> list[dict[str, object]]:
    """One row per sample of a split: cell, right or wrong, signals."""
    samples = drawn(split, each, seed)
    rows: list[dict[str, object]] = []
    for sample, said in zip(samples, answer([s.prompt for s in samples]), strict=True):  # type: ignore[attr-defined]
        right = said.end_logprob is not None and is_right(sample.task, sample.answer, said.text)  # type: ignore[attr-defined]
        rows.append({"task": sample.task, "difficulty": sample.difficulty, "right": right, **signals(said)})  # type: ignore[attr-defined]
    return rows


def write_evals(out: Path, each: int, seed: int) -> int:
    """Write the test samples that others replay, one JSON object a line; returns how many."""
    out.parent.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    with out.open("w") as lines:
        samples = drawn("test", each, seed)
        for sample in samples:
            cell = f"{sample.task}-{sample.difficulty}"  # type: ignore[attr-defined]
            counts[cell] = counts.get(cell, 0) + 1
            line = {
                "id": f"{cell}-{counts[cell]:03d}",
                "task": sample.task,
                "difficulty": sample.difficulty,  # type: ignore[attr-defined]
                "prompt": sample.prompt,
                "answer": sample.answer,
                "schema": sample.schema,  # type: ignore[attr-defined]
            }
            lines.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    return len(samples)


def write_rows(out: Path, rows: Sequence[dict[str, object]], model: dict[str, object]) -> None:
    """Write calibration rows as columns and rows, which is compact."""
    out.parent.mkdir(parents=True, exist_ok=True)
    columns = list(rows[0])
    head = json.dumps({"model": model, "split": "calibration", "end_mark_counted": False, "columns": columns}, indent=1)
    body = ",\n".join(json.dumps([row[column] for column in columns], separators=(",", ":")) for row in rows)
    out.write_text(head[:-2] + ',\n "rows": [\n' + body + "\n ]\n}\n")


def table(result: dict[str, object]) -> str:
    """Accuracy per task and difficulty, as Markdown."""
    lines = ["| task | easy | medium | hard | all |", "| --- | --- | --- | --- | --- |"]
    for task, cells in result["tasks"].items():  # type: ignore[attr-defined]
        lines.append(
            f"| {task} | " + " | ".join(f"{cells[d]['accuracy']:.2f}" for d in ("easy", "medium", "hard", "all")) + " |"
        )
    return "\n".join([*lines, f"| all | | | | {result['all']['accuracy']:.3f} |"])  # type: ignore[index]


def main() -> None:
    """Evaluate, or make the evaluation set alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf", type=Path, default=HERE / "weir-desk.gguf", help="answer through llama.cpp")
    parser.add_argument("--run", type=Path, help="answer through PyTorch from train.py's folder instead")
    parser.add_argument("--each", type=int, default=60, help="samples per task and difficulty, for each split")
    parser.add_argument("--evals-each", type=int, default=36)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--only-evals", action="store_true", help="write edge-desk.jsonl and stop")
    parser.add_argument("--rows", type=Path, help="write the calibration answers' signals here")
    parser.add_argument("--look", action="store_true", help="print the table, write nothing")
    options = parser.parse_args()
    if options.only_evals:
        print(write_evals(STARTER / "evals" / "edge-desk.jsonl", options.evals_each, options.seed + 1), "samples")
        return
    begun = time.monotonic()
    answer = with_torch(options.run) if options.run else with_llama(options.gguf)
    rows = {split: answered(answer, split, options.each, options.seed) for split in ("test", "calibration")}
    results = {split: summary(part) for split, part in rows.items()}
    print(table(results["test"]))
    print(json.dumps({split: [results[split]["all"], results[split]["confidence"]] for split in results}, indent=1))
    print(f"{time.monotonic() - begun:.0f} s")
    if options.look:
        return
    import hashlib

    digest = None if options.run else hashlib.sha256(options.gguf.read_bytes()).hexdigest()
    model = {
        "id": "weir-desk",
        "sha256": digest,
        "runtime": "pytorch f32" if options.run else "llama.cpp f16",
        "each": options.each,
        "seed": options.seed,
    }
    (HERE / "evaluation.json").write_text(json.dumps({"model": model, **results}, indent=1) + "\n")
    if options.rows:
        write_rows(options.rows, rows["calibration"], model)


if __name__ == "__main__":
    main()

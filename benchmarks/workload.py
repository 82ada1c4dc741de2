"""The demo's workload: edge-desk requests with computed truth, drawn from the starter's evaluation set.

Every task; a third each easy, medium and hard; three in ten exact repeats, Zipf-distributed over the requests;
streaming and not; a JSON schema wherever the answer is an object. The evaluation set's phrasings and values occur in
no model's training or calibration.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIFFICULTIES = ("easy", "medium", "hard")
CLASSES = ("sentiment", "topic", "urgency")
ZIPF = 1.1


@dataclass(frozen=True)
class Item:
    """One request with its truth."""

    id: str
    task: str
    difficulty: str
    prompt: str
    answer: str
    schema: dict[str, Any] | None
    stream: bool
    repeat: bool


def load(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def draw(rows: Sequence[dict[str, Any]], *, requests: int = 360, repeats: float = 0.3, seed: int = 1) -> list[Item]:
    """A workload of `requests`, the same for the same seed."""
    rng = random.Random(seed)
    unique = requests - round(requests * repeats)
    tasks = sorted({row["task"] for row in rows})
    cells = [(task, difficulty) for difficulty in DIFFICULTIES for task in tasks]
    by_cell: dict[tuple[str, str], list[dict[str, Any]]] = {cell: [] for cell in cells}
    seen: set[str] = set()
    for row in rows:
        if row["prompt"] not in seen:
            seen.add(row["prompt"])
            by_cell[row["task"], row["difficulty"]].append(row)
    for members in by_cell.values():
        rng.shuffle(members)
    chosen: list[dict[str, Any]] = []
    for difficulty in DIFFICULTIES:  # a third each, the tasks in turn
        wanted = unique // 3 + (difficulty == "easy") * (unique % 3)
        order = rng.sample(tasks, len(tasks))
        chosen += [by_cell[order[i % len(order)], difficulty][i // len(order)] for i in range(wanted)]
    rng.shuffle(chosen)
    weights = [1.0 / (rank + 1) ** ZIPF for rank in range(len(chosen))]
    again = rng.choices(chosen, weights, k=requests - unique)
    # A repeat may come anywhere after its first; both keep their own way of being asked for.
    placed = [(i / len(chosen), row, False) for i, row in enumerate(chosen)]
    first = {row["id"]: at for at, row, _ in placed}
    placed += [(rng.uniform(first[row["id"]], 1.05), row, True) for row in again]
    placed.sort(key=lambda item: item[0])
    return [
        Item(
            row["id"], row["task"], row["difficulty"], row["prompt"], row["answer"], row["schema"],
            rng.random() < 0.4, repeat,
        )
        for _, row, repeat in placed
    ]  # fmt: skip


def is_right(item: Item, text: str) -> bool:
    """Exact match: JSON by its value, classes without regard to case, all else to the letter."""
    truth, text = item.answer.strip(), text.strip()
    if item.schema is not None:
        try:
            return bool(json.loads(truth) == json.loads(text))
        except ValueError:
            return False
    return truth.lower() == text.lower() if item.task in CLASSES else truth == text

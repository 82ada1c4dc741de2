"""The prompts that the task classifier learns from and is tested on, each with its cell.

Rules kept here:
1. Desk tasks come from the generator's own tasks (models/generator), a fifth of some of them and all general
   ones from general_prompts.txt; both keep `train`, `calibration` and `test` apart by template and by value.
2. Manners are mixed in alike for every task, so that 'please' or 'Hello' says nothing about the task.
"""

from __future__ import annotations

import random
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "generator"))

import language_tasks  # noqa: E402
import symbolic_tasks  # noqa: E402
from sample import DIFFICULTIES, Difficulty, Split, pool  # noqa: E402

SLOT = re.compile(r"\{(\w+)\}")
BEFORE = (
    "Please: ",
    "Hello, ",
    "Hi, ",
    "Hi there. ",
    "Good morning. ",
    "Quick question: ",
    "Could you help me with this? ",
    "I need your help.\n",
    "Task: ",
    "For my team: ",
    "Hey, ",
    "One more thing: ",
    "Now ",
    "Dear assistant, ",
    "I would like this: ",
)
AFTER = (
    " Thanks!",
    " Thank you.",
    " Please be brief.",
    " Just the answer.",
    " No explanation.",
    "\nAnswer:",
    " Take your time.",
    " Thanks in advance.",
    " Keep it short.",
    "\n\nOutput:",
)


@dataclass(frozen=True)
class Prompt:
    """One prompt and its cell."""

    text: str
    task: str
    difficulty: Difficulty

    @property
    def cell(self) -> str:
        return f"{self.task}/{self.difficulty}"


def _read() -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """Templates by cell, values by slot, and sentences."""
    sections: dict[str, list[str]] = defaultdict(list)
    name = ""
    for line in (HERE / "general_prompts.txt").read_text(encoding="utf-8").splitlines():
        if re.fullmatch(r"\[[\w:/]+\]", line):
            name = line[1:-1]
        elif line.strip() and not (line.startswith("# ") and not name):
            sections[name].append(line.replace("\\n", "\n"))
    templates = {key: rows for key, rows in sections.items() if "/" in key}
    pools = {key[len("pool:") :]: rows for key, rows in sections.items() if key.startswith("pool:")}
    return templates, pools, sections["sentences"]


TEMPLATES, POOLS, SENTENCES = _read()
DESK = (*language_tasks.TASKS, *symbolic_tasks.TASKS)
GENERAL = tuple(task for task in dict.fromkeys(key.split("/")[0] for key in TEMPLATES) if task not in DESK)


def _fill(rng: random.Random, template: str, split: Split) -> str:
    sentences = pool(SENTENCES, split)

    def value(match: re.Match[str]) -> str:
        slot = match[1]
        if slot == "sentence":
            return rng.choice(sentences)
        if slot == "passage":
            return " ".join(rng.sample(sentences, rng.randint(2, min(5, len(sentences)))))
        if slot == "long":
            return " ".join(rng.choices(sentences, k=rng.randint(8, 14)))
        return rng.choice(pool(POOLS[slot], split))

    return SLOT.sub(lambda match: value(match) if match[1] in POOLS or match[1] in _MADE else match[0], template)


_MADE = ("sentence", "passage", "long")


def _mannered(rng: random.Random, text: str, split: Split) -> str:
    if rng.random() < 0.25:
        text = rng.choice(pool(BEFORE, split)) + text
    if rng.random() < 0.2:
        text += rng.choice(pool(AFTER, split))
    draw = rng.random()
    if draw < 0.06:
        text = text.lower()
    elif draw < 0.12:
        text = text.rstrip(".?!")
    return text


def general(rng: random.Random, split: Split, task: str, difficulty: Difficulty) -> Prompt:
    """One prompt from the templates of general_prompts.txt."""
    template = rng.choice(pool(TEMPLATES[f"{task}/{difficulty}"], split))
    text = _fill(rng, template, split)
    return Prompt(text if task == "other" else _mannered(rng, text, split), task, difficulty)


def desk(rng: random.Random, split: Split, task: str, difficulty: Difficulty) -> Prompt:
    """One prompt of a desk task; some drills have no harder form and are then what they say they are."""
    made = (language_tasks.TASKS | symbolic_tasks.TASKS)[task](rng, split, difficulty)
    # Casing depends on the letters, so only words around are added there.
    text = _mannered(rng, made.prompt, split) if task != "casing" else made.prompt
    return Prompt(text, made.task, made.difficulty)


def prompts(split: Split, per_desk_cell: int, per_general_cell: int, seed: int) -> list[Prompt]:
    """Distinct prompts, in a fixed order for a seed."""
    rng, found = random.Random(f"{seed} {split}"), dict[str, Prompt]()
    for difficulty in DIFFICULTIES:
        for task in DESK:
            typed = per_desk_cell // 5 if f"{task}/{difficulty}" in TEMPLATES else 0
            for index in range(per_desk_cell):
                make = general if index < typed else desk
                made = make(rng, split, task, difficulty)
                found.setdefault(made.text, made)
        for task in GENERAL:
            for _ in range(per_general_cell):
                made = general(rng, split, task, difficulty)
                found.setdefault(made.text, made)
    return list(found.values())

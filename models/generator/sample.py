"""What one training or evaluation example is, and how a held-out phrasing is kept held out.

Rules kept here:
1. Every example names its task, its difficulty by the generator's own measure, and the template it came from.
2. A template belongs to exactly one split, for ever: `split_of` is a pure function of the template's text.
3. A value pool is cut the same way: `pool(values, split)` gives disjoint parts.

Splits: `train` (70 %), `calibration` (15 %), `test` (15 %). Confidence is calibrated on `calibration` only,
reported on `test` only; neither the templates nor the values of those two occur in training.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

Split = Literal["train", "calibration", "test"]
Difficulty = Literal["easy", "medium", "hard"]
SPLITS: tuple[Split, ...] = ("train", "calibration", "test")
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard")
T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """One prompt with its computed truth. `schema` is a JSON schema where the answer is a JSON object."""

    task: str
    difficulty: Difficulty
    prompt: str
    answer: str
    template: str
    schema: dict[str, object] | None = None


Generate = Callable[[random.Random, Split, Difficulty], Sample]


def split_of(text: str) -> Split:
    """The one split that a template or value belongs to, by a hash of its text."""
    bucket = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 100
    return "train" if bucket < 70 else "calibration" if bucket < 85 else "test"


def pool(values: Sequence[T], split: Split) -> list[T]:
    """The part of a value pool that a split may use.

    The order by hash is cut 70/15/15, so that small pools give every split at least one value.
    """
    if len(values) < 3:
        raise ValueError("a pool needs at least three values, one for each split")
    ranked = sorted(values, key=lambda value: hashlib.sha256(repr(value).encode()).digest())
    held = max(1, round(len(ranked) * 0.15))
    if split == "test":
        return ranked[:held]
    if split == "calibration":
        return ranked[held : 2 * held]
    return ranked[2 * held :]

"""Texts with choices, as data: what `(a|b)` and `<a|b>` mean, the files under `texts/`, and words that nobody uses.

Rules kept here:
1. A written-out text belongs to one split (`pool` for `<…>`, `split_of` for a line of `texts/`).
2. Made-up words occur in `train` alone: they make a model copy letters instead of knowing words. Calibration and
   test keep to real words that training never saw.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

try:
    from .sample import Split, pool, split_of
except ImportError:  # run as a script
    from sample import Split, pool, split_of  # type: ignore[import-not-found, no-redef]

TEXTS = Path(__file__).parent / "texts"


def variants(pattern: str, split: Split | None) -> list[str]:
    r"""Every text of a pattern, of `<…>` those that a split may use. `\` makes the next character literal."""
    texts, end = _alternatives(pattern, 0, split)
    if end != len(pattern):
        raise ValueError(f"unbalanced pattern at {end}: {pattern}")
    return texts


def _alternatives(pattern: str, at: int, split: Split | None) -> tuple[list[str], int]:
    """The alternatives from `at` to the closing bracket (or the end), and where that is."""
    done: list[str] = []
    current = [""]
    while at < len(pattern) and pattern[at] not in ")>":
        char = pattern[at]
        if char in "(<":
            inner, at = _alternatives(pattern, at + 1, split)
            if at >= len(pattern) or pattern[at] != {"(": ")", "<": ">"}[char]:
                raise ValueError(f"bracket {char} not closed: {pattern}")
            inner = list(dict.fromkeys(inner))
            if char == "<" and split is not None and len(inner) > 2:
                inner = pool(inner, split)
            current = [left + right for left in current for right in inner]
        elif char == "|":
            done += current
            current = [""]
        else:
            if char == "\\":
                at += 1
            current = [left + pattern[at] for left in current]
        at += 1
    return done + current, at


@cache
def sections(name: str) -> dict[str, tuple[str, ...]]:
    """The lines of `texts/NAME.txt` by section; `[title]` begins a section, `#` a comment."""
    found: dict[str, list[str]] = {}
    for line in (TEXTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            found.setdefault(text[1:-1], [])
        elif text and not text.startswith("#"):
            found[list(found)[-1]].append(text)
    return {title: tuple(lines) for title, lines in found.items()}


@cache
def wordings(name: str, section: str, split: Split | None) -> tuple[tuple[str, ...], ...]:
    """The written-out texts of one section that a split (or any) may use, by line; lines without any are left out.

    A text whose neighbours (other choices of the same line) are in training is easier than one of a new line, so
    about every sixth line belongs to one split as a whole.
    """
    by_line = {
        line: list(dict.fromkeys(" ".join(text.split()) for text in variants(line, None)))
        for line in sections(name)[section]
    }
    if split is not None:
        alone = [line for line in by_line if split_of("whole " + line) == "test"]
        alone = alone if len(alone) >= 3 else []
        kept = set(pool(alone, split)) if alone else set()
        shared = set(
            pool(list(dict.fromkeys(t for line in by_line if line not in alone for t in by_line[line])), split)
        )
        by_line = {
            line: [text for text in texts if line in kept or (line not in alone and text in shared)]
            for line, texts in by_line.items()
        }
    return tuple(tuple(texts) for texts in by_line.values() if texts)


ONSETS = "b c d f g h j k l m n p r s t v w z br ch cl cr dr fl gl gr pl pr sh sk sl sp st th tr".split()
VOWELS = "a a a e e e i i o o u ai ea ee oo ou".split()
CODAS = [""] * 6 + "b ck d g l m n p r s t x ll mp nd ng nk nt rd rk rn rt sh st".split()
ENDINGS = [""] * 8 + "y er el le on et in ing ed al ow age ic ant".split()


def made_up(rng: random.Random) -> str:
    """A word of one to three syllables that looks English and means nothing."""
    syllables = rng.choice((1, 1, 2, 2, 2, 3))
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(syllables)) + (
        rng.choice(ENDINGS) if syllables < 3 else ""
    )


@cache
def made_up_words(count: int = 4000) -> tuple[str, ...]:
    """Distinct made-up words, always the same."""
    rng = random.Random("made-up words")
    words: dict[str, None] = {}
    while len(words) < count:
        words[made_up(rng)] = None
    return tuple(words)

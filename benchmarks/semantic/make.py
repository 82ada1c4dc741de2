"""Writes the behavioural suite of the semantic cache: pairs of user turns of which each says whether one answer serves both.

    .venv/bin/python benchmarks/semantic/make.py          # each .txt -> its .jsonl

Rules kept here:
1. The sentences are written by hand as frames with slots (`*.txt`); this file only fills, alters and counts them.
2. The same frames give the same file, byte for byte: one seed per kind, and no clock.
3. Frames of a kind take turns, so none of them makes up a kind; a pair stands once, and never a == b.
4. Which of the two is stored and which is asked is drawn, so that no kind has a direction of its own.

The form of the frames is in README.md.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS, LATER = ("seen", "second", "fourth", "fifth", "sealed"), "third"
MOST = {"en": 90}  # pairs of a kind and language
MOST_ELSE = 24
ALONE = 110  # English pairs of a kind that is in English only
FILLS = 4000  # combinations of slots drawn from for a frame
_SLOT = re.compile(r"\{(\w+)(?:#(\d))?(?:/(\d))?\}")
_HEAD = re.compile(r"== ([a-z-]+) (yes|no)$")
_VALUES = re.compile(r"([a-z]+): (.+)$")

Slots = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Frame:
    """Two sentences with slots, of one language; `b` may be the name of an alteration of `a`, such as '@lower'."""

    a: str
    b: str
    slots: Slots


@dataclass(slots=True)
class Kind:
    """What sets two turns apart, or does not; frames by language."""

    name: str
    same: bool
    frames: dict[str, list[Frame]] = field(default_factory=dict)


def read(text: str) -> list[Kind]:
    """The kinds of a file of frames. Raises ValueError for a line that is none of the four forms."""
    shared: Slots = {}
    mine: Slots = {}
    here: Slots = {}
    kinds: list[Kind] = []
    language = ""
    pending: list[tuple[str, str, str]] = []

    def close() -> None:
        for tongue, a, b in pending:
            kinds[-1].frames.setdefault(tongue, []).append(Frame(a, b, {**shared, **mine, **here}))
        pending.clear()

    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("# "):
            continue
        if head := _HEAD.match(line):
            close()
            kinds.append(Kind(head[1], head[2] == "yes"))
            mine, here, language = {}, {}, ""
        elif line.startswith("-- "):
            close()
            here, language = {}, line[3:]
        elif " => " in line:
            a, b = line.split(" => ")
            pending.append((language, a, b))
        elif values := _VALUES.match(line):
            target = here if language else mine if kinds else shared
            target[values[1]] = tuple(values[2].split("; "))
        else:
            raise ValueError(f"line {number} is no header, language, slot or frame: {line}")
    close()
    return kinds


def _side(sentence: str, chosen: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        whole = chosen[f"{match[1]}#{match[2] or 1}"]
        return whole.split("|")[int(match[3])] if match[3] and "|" in whole else whole

    filled = _SLOT.sub(value, sentence).replace("\\n", "\n")
    return filled[0].upper() + filled[1:] if sentence.startswith("{") else filled


def _typo(text: str, rng: random.Random) -> str:
    """One or two words of five letters or more with two letters swapped, one left out or one doubled."""
    words = text.split(" ")
    long = [at for at, word in enumerate(words) if len(word) >= 5 and word[:5].isalpha()]
    for at in rng.sample(long, min(len(long), rng.choice((1, 1, 2)))):
        word = words[at]
        last = len(word.rstrip("?.,!:")) - 2
        spot = rng.randint(1, max(1, last - 1))
        way = rng.choice(("swap", "drop", "double"))
        if way == "swap" and word[spot] != word[spot + 1]:
            words[at] = word[:spot] + word[spot + 1] + word[spot] + word[spot + 2 :]
        elif way == "drop":
            words[at] = word[:spot] + word[spot + 1 :]
        else:
            words[at] = word[:spot] + word[spot] + word[spot:]
    return " ".join(words)


def _ascii(text: str, language: str) -> str:
    if language == "de":
        for mark, letters in zip("äöüÄÖÜß", ("ae", "oe", "ue", "Ae", "Oe", "Ue", "ss"), strict=True):
            text = text.replace(mark, letters)
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _altered(how: str, text: str, language: str, rng: random.Random) -> str:
    match how:
        case "@lower":
            return text.lower()
        case "@upper":
            return text.upper()
        case "@title":
            return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
        case "@ascii":
            return _ascii(text, language)
        case "@bare":
            return re.sub(r"\s*[?.!,:¿¡]", "", text).strip()
        case "@spaces":
            return f"  {text.replace(' ', '  ', 2)}\n"
        case "@typo":
            return _typo(text, rng)
    raise ValueError(f"no alteration is called {how}")


def _fills(frame: Frame, rng: random.Random) -> list[dict[str, str]]:
    """The ways to fill a frame's slots, in a drawn order; `{x}`, `{x#2}` and `{x#3}` are never the same value."""
    used = {(m[1], int(m[2] or 1)) for m in _SLOT.finditer(frame.a + frame.b)}
    names = sorted({name for name, _ in used})
    counts = {name: max(place for other, place in used if other == name) for name in names}
    draws = [list(itertools.permutations(frame.slots[name], counts[name])) for name in names]
    total = 1
    for draw in draws:
        rng.shuffle(draw)
        total *= len(draw)
    picks = rng.sample(range(total), min(total, FILLS))
    found = []
    for pick in picks:
        chosen, rest = {}, pick
        for name, draw in zip(names, draws, strict=True):
            rest, at = divmod(rest, len(draw))
            chosen.update({f"{name}#{place}": value for place, value in enumerate(draw[at], 1)})
        found.append(chosen)
    return found


def _pairs(frame: Frame, language: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    for chosen in _fills(frame, rng):
        a = _side(frame.a, chosen)
        b = _altered(frame.b, a, language, rng) if frame.b.startswith("@") else _side(frame.b, chosen)
        yield (a, b) if rng.random() < 0.5 else (b, a)


def rows(kinds: list[Kind]) -> Iterator[dict[str, object]]:
    """kind, language, a, b, same; kind by kind."""
    for kind in kinds:
        for language, frames in kind.frames.items():
            rng = random.Random(f"{kind.name}/{language}")
            most = MOST.get(language, MOST_ELSE) if len(kind.frames) > 1 else ALONE
            seen: set[frozenset[str]] = set()
            waiting = [_pairs(frame, language, rng) for frame in frames]
            while waiting and len(seen) < most:
                source = waiting.pop(0)
                for a, b in source:
                    if a != b and frozenset((a, b)) not in seen:
                        seen.add(frozenset((a, b)))
                        yield {"kind": kind.name, "language": language, "a": a, "b": b, "same": kind.same}
                        waiting.append(source)
                        break


def text_of(part: str) -> str:
    """What the part's file holds: JSON lines."""
    kinds = read((HERE / f"{part}.txt").read_text("utf-8"))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(kinds))


def main() -> None:
    for part in (*PARTS, LATER):
        text = text_of(part)
        (HERE / f"{part}.jsonl").write_text(text, "utf-8")
        print(f"{part}.jsonl: {text.count(chr(10))} pairs")


if __name__ == "__main__":
    main()

"""How alike two readings are, as numbers that a small verifier weighs.

Rules kept here:
1. `NAMES` in this order is what a verifier was trained on; a verifier that names others is refused.
2. Finite, bounded (about 0 to 2), and symmetric in the two texts.
3. Guards are not among them: a pair that a guard objects to is a miss whatever it scores.

It decides nothing.
"""

from __future__ import annotations

import bisect
import math

from appliance.similar.alignment import align
from appliance.similar.lexicon import LANGUAGES, lexicon
from appliance.similar.reading import Reading

NAMES: tuple[str, ...] = (
    "cosine",
    "cosine_above_80",
    "cosine_above_90",
    "cosine_not_english",
    "not_english",
    "grams",
    "grams_held",
    "words",
    "weighted",
    "weighted_held",
    "cosine_by_weighted",
    "left_over_more",
    "left_over_less",
    "left_over_rarest",
    "left_over_both",
    "left_over_one_side",
    "left_over_one_for_one",
    "left_over_grams",
    "slips",
    "derived",
    "function_words",
    "same_kind",
    "unlike_kind",
    "same_first",
    "order",
    "pairs",
    "length_ratio",
    "fewest_words",
    "names",
    "names_shared",
    "marks_unlike",
    "persons_unlike",
    "governors_unlike",
    "identical",
)


def measures(stored: Reading, asked: Reading, cosine: float) -> tuple[float, ...]:
    """The measures of NAMES, for two texts whose vectors have this cosine."""
    near = max(-1.0, min(1.0, cosine)) if math.isfinite(cosine) else 0.0
    negated = lexicon(stored.language).negated if stored.language in LANGUAGES else ()
    alignment = align(stored, asked, negated)
    a, b = stored.weights, asked.weights
    whole_a, whole_b = sum(a), sum(b)
    left = [a[at] for at in alignment.left]
    right = [b[at] for at in alignment.right]
    over_a, over_b = sum(left), sum(right)
    half = 0.35 * alignment.derived
    same_words = stored.keys == asked.keys and sorted(stored.empty) == sorted(asked.empty)
    met_a, met_b = max(0.0, whole_a - over_a - half), max(0.0, whole_b - over_b - half)
    most = max(whole_a, whole_b)
    weighted = (met_a + met_b) / (whole_a + whole_b) if whole_a + whole_b else float(same_words)
    held = max(met_a / whole_a, met_b / whole_b) if whole_a and whole_b else float(same_words)
    other = float(stored.language != "en")
    persons = set(stored.persons) ^ set(asked.persons)
    names_a = {name for span in stored.entities for name in span}
    names_b = {name for span in asked.entities for name in span}
    names = len(names_a | names_b)
    return (
        near,
        max(0.0, near - 0.8) * 5.0,
        max(0.0, near - 0.9) * 10.0,
        near * other,
        other,
        _shared(stored.grams, asked.grams),
        _held(stored.grams, asked.grams),
        _shared(stored.content, asked.content),
        weighted,
        held,
        near * weighted,
        min(2.0, max(over_a, over_b) / 3.0),
        min(2.0, min(over_a, over_b) / 3.0),
        max(left + right, default=0.0),
        float(bool(left) and bool(right)),
        float(bool(left) != bool(right)),
        float(len(left) == len(right) == 1),
        _left_over_grams(stored, asked, alignment.left, alignment.right),
        min(1.0, alignment.slips / 2.0),
        min(1.0, alignment.derived / 2.0),
        _shared(frozenset(stored.empty), frozenset(asked.empty)),
        float(stored.kind == asked.kind),
        float(bool(stored.kind) and bool(asked.kind) and stored.kind != asked.kind),
        float(stored.keys[:1] == asked.keys[:1]),
        _in_order(stored.keys, asked.keys),
        _shared(
            frozenset(zip(stored.keys, stored.keys[1:], strict=False)),
            frozenset(zip(asked.keys, asked.keys[1:], strict=False)),
        ),
        min(whole_a, whole_b) / most if most else 1.0,
        min(2.0, math.log1p(min(len(a), len(b)))) / 2.0,
        min(1.0, names / 3.0),
        len(names_a & names_b) / names if names else 1.0,
        min(2.0, len(stored.marks ^ asked.marks) / 3.0),
        min(1.0, len(persons) / 2.0),
        _governors(stored, asked),
        float(same_words and stored.kind == asked.kind),
    )


def _shared(a: frozenset[object] | frozenset[str], b: frozenset[object] | frozenset[str]) -> float:
    """Jaccard's index; two empty sets are alike."""
    if not a and not b:
        return 1.0
    both = len(a & b)
    return both / (len(a) + len(b) - both)


def _held(a: frozenset[str], b: frozenset[str]) -> float:
    fewest = min(len(a), len(b))
    return len(a & b) / fewest if fewest else float(a == b)


def _left_over_grams(stored: Reading, asked: Reading, left: tuple[int, ...], right: tuple[int, ...]) -> float:
    """Dice's index of the pairs of letters in what is left over (of at most 64 letters on each side)."""
    one = "".join(stored.forms[at] for at in left)[:64]
    other = "".join(asked.forms[at] for at in right)[:64]
    if len(one) < 2 or len(other) < 2:
        return 0.0
    a = {one[at : at + 2] for at in range(len(one) - 1)}
    b = {other[at : at + 2] for at in range(len(other) - 1)}
    return 2 * len(a & b) / (len(a) + len(b))


def _in_order(ours: tuple[str, ...], theirs: tuple[str, ...]) -> float:
    """Longest run in the same order, as a share of the words that stand once in both (patience sorting)."""
    if ours == theirs:
        return 1.0
    place = {key: at for at, key in enumerate(theirs)}
    found = [place[key] for key in ours if key in place and ours.count(key) == 1 == theirs.count(key)]
    if len(found) < 2:
        return 1.0
    piles: list[int] = []
    for at in found:
        pile = bisect.bisect_left(piles, at)
        piles[pile : pile + 1] = [at]
    return len(piles) / len(found)


def _governors(stored: Reading, asked: Reading) -> float:
    """Share of the words that stand in both whose prepositions differ."""
    if stored.keys == asked.keys and stored.governors == asked.governors:
        return 0.0
    ours = set(zip(stored.keys, stored.governors, strict=True))
    theirs = set(zip(asked.keys, asked.governors, strict=True))
    unlike = {key for key, _ in ours ^ theirs} & stored.content & asked.content
    return len(unlike) / len(stored.content & asked.content) if unlike else 0.0

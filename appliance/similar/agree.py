"""Judges whether an answer from the cache and a new answer to the same question say the same.

Rules kept here:
1. The first that can say yes or no is believed: the same text, JSON, yes or no, the numbers of a short answer, likeness
   with no objection of a guard, and last a judge whom the caller brings.
2. 'Unsure' is an outcome of its own and never means agreed. A judge that errs is unsure.
3. 'Wrong' is said only where two answers cannot both be right: other values, another number in a short answer, yes and
   no, texts on different matters. What was put into other words is unsure until somebody can judge it.
4. No text is kept or logged.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import orjson

from appliance.similar.guards import objections
from appliance.similar.reading import LANGUAGES, read
from appliance.similar.watch import Outcome

ALIKE, STRANGE = 0.9, 0.2  # cosine of two answers: above the one they say the same, below the other another matter
SHORT = 12  # words: as long as an answer may be for its number to be all of it
LONGEST = 20_000  # characters: what is longer is compared as a whole or not at all
Cosine = Callable[[str, str], float]
Judge = Callable[[str, str], bool | None]

_FENCE = re.compile(r"```\w*\n(.*)\n```", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.,])[-\u2212]?\d+(?:[.,]\d+)*")
_YES = frozenset({"yes", "ja", "oui", "sí", "sì", "true", "wahr", "vrai", "verdadero", "vero"})
_NO = frozenset({"no", "nein", "non", "false", "falsch", "faux", "falso"})


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found, and by what: 'exact', 'json', 'polarity', 'number', 'likeness', 'judge'; '' where unsure."""

    outcome: Outcome
    how: str = ""


UNSURE = Agreement("unsure")


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer made ready to be compared: `bare` is without a fence around all of it, `lines` each in one spacing."""

    text: str
    bare: str
    lines: list[str]


def read_answer(text: str) -> ReadAnswer:
    """Read an answer. Its cost grows with its length."""
    bare = _bare(text)
    return ReadAnswer(text, bare, _spaced(bare))


def agree(
    stored: str, fresh: str, *, language: str, cosine: Cosine | None = None, judge: Judge | None = None
) -> Agreement:
    """Whether both answers say the same. `cosine` compares two texts (-1 to 1), `judge` says yes, no or None."""
    return compared(read_answer(stored), read_answer(fresh), language=language, cosine=cosine, judge=judge)


def compared(
    stored: ReadAnswer, fresh: ReadAnswer, *, language: str, cosine: Cosine | None = None, judge: Judge | None = None
) -> Agreement:
    """`agree`, of answers that were read before."""
    old, new = stored.bare, fresh.bare
    if not old or not new:
        return UNSURE
    if stored.lines == fresh.lines:
        return Agreement("agreed", "exact")
    if max(len(old), len(new)) <= LONGEST:
        found = _json(old, new) or _polarity(old, new) or _number(old, new) or _likeness(old, new, language, cosine)
        if found is not None:
            return found
    return _judged(stored.text, fresh.text, judge)


def _bare(text: str) -> str:
    """Without a fence around all of it."""
    text = unicodedata.normalize("NFC", text).strip()
    fenced = _FENCE.fullmatch(text)
    return fenced[1].strip() if fenced else text


def _spaced(text: str) -> list[str]:
    """Its lines, each in one spacing; case and line breaks may be what was asked for."""
    return [" ".join(line.split()) for line in text.rstrip(".").splitlines() if line.strip()]


def _json(old: str, new: str) -> Agreement | None:
    """Objects and lists only: a bare number or word is compared as a text."""
    if old[0] not in "[{" or new[0] not in "[{":
        return None
    try:
        same = orjson.loads(old) == orjson.loads(new)
    except (orjson.JSONDecodeError, RecursionError):
        return None
    return Agreement("agreed" if same else "wrong", "json")


def _polarity(old: str, new: str) -> Agreement | None:
    """One says yes and the other no. Both saying yes proves nothing: what follows may differ."""
    one, other = (re.match(r"\w+", text.casefold()) for text in (old, new))
    if one is None or other is None:
        return None
    words = {one[0], other[0]}
    return Agreement("wrong", "polarity") if words & _YES and words & _NO else None


def _number(old: str, new: str) -> Agreement | None:
    """Short answers with as many numbers: wrong where one differs; agreed where they are all that is said."""
    if max(len(old.split()), len(new.split())) > SHORT:
        return None
    one, other = _NUMBER.findall(old), _NUMBER.findall(new)
    if not one or len(one) != len(other):
        return None
    if not all(map(_same_number, one, other)):
        return Agreement("wrong", "number")
    words = [_NUMBER.sub(" ", text).casefold().split() for text in (old, new)]
    return Agreement("agreed", "number") if words[0] == words[1] else None


def _same_number(one: str, other: str) -> bool:
    """Equal in one of the ways that each can be read, to as many places as the shorter one has."""
    return any(_rounded_alike(a, b) for a in _values(one) for b in _values(other))


def _values(text: str) -> list[Decimal]:
    """'1.234' and '1,234' may have a point or a mark of thousands in them, whatever the language."""
    text = text.replace("\u2212", "-")
    point_last = text.rfind(".") > text.rfind(",")
    thousands, point = (",", ".") if point_last else (".", ",")
    forms = {text.replace(thousands, "").replace(point, ".")}
    if re.fullmatch(r"-?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*", text):
        forms.add(text.replace(".", "").replace(",", ""))
    found = []
    for form in forms:
        try:
            found.append(Decimal(form))
        except InvalidOperation:
            continue
    return found


def _rounded_alike(a: Decimal, b: Decimal) -> bool:
    if a == b:
        return True
    places = max(int(a.as_tuple().exponent), int(b.as_tuple().exponent))  # both at most 0: the coarser of the two
    return places < 0 and abs(a - b) <= Decimal(1).scaleb(places) / 2


def _likeness(old: str, new: str, language: str, cosine: Cosine | None) -> Agreement | None:
    """By the embedder, and agreed only where no guard that knows the language objects."""
    if cosine is None:
        return None
    try:
        alike = cosine(old, new)
        if alike < STRANGE:
            return Agreement("wrong", "likeness")
        if alike < ALIKE or language not in LANGUAGES or _cased(old, new):
            return None
        if objections(read(old, language), read(new, language)):
            return None
    except Exception:  # noqa: BLE001 - rule 2
        return None
    return Agreement("agreed", "likeness")


def _cased(old: str, new: str) -> bool:
    """Whether they differ in the case of letters alone, beyond the first: the embedder does not see that."""
    return old.casefold() == new.casefold() and old[1:] != new[1:]


def _judged(stored: str, fresh: str, judge: Judge | None) -> Agreement:
    if judge is None:
        return UNSURE
    try:
        word = judge(stored, fresh)
    except Exception:  # noqa: BLE001 - rule 2
        return UNSURE
    return UNSURE if word is None else Agreement("agreed" if word else "wrong", "judge")

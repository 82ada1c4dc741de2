"""Lays the words of two readings side by side: what is shared, what is left over on each side.

Rules kept here:
1. Words meet by key (stem or synonym), then by a slip of one letter in a long word that is known where the other is
   not, by a compound written apart, by a long common beginning ('install', 'installation'); the last counts half.
2. Symmetric: `align(a, b)` and `align(b, a)` leave the same words over.
3. Of very many words left over only the first are tried against each other.

It judges nothing.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from appliance.similar.reading import Reading

MOST_TRIED = 12
LONG_ENOUGH = 7  # letters of a word in which one may slip
LONG_FOR_OTHER = 9
COMMON_BEGINNING = 5


@dataclass(frozen=True, slots=True)
class Alignment:
    """Indexes of the words left over on each side, and how many met in which way."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    slips: int
    derived: int
    turned: str  # the guard that what is left over turns: '', 'negation', 'opposed' or 'substituted'


def one_slip(a: str, b: str) -> bool:
    """One letter more, fewer or other, or two neighbours exchanged; words of fewer than LONG_ENOUGH never.

    Another letter, or one more or fewer that is not doubled, often makes another word: that takes LONG_FOR_OTHER.
    """
    if len(a) > len(b):
        a, b = b, a
    if len(a) < LONG_ENOUGH or len(b) - len(a) > 1 or len(b) > 40:
        return False
    at = 0
    while at < len(a) and a[at] == b[at]:
        at += 1
    if len(a) == len(b):
        if a[at + 1 :] == b[at + 1 :]:
            return len(a) >= LONG_FOR_OTHER
        return a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :]
    doubled = b[at] in {b[at - 1] if at else "", b[at + 1 : at + 2]}
    return a[at:] == b[at + 1 :] and (doubled or len(b) >= LONG_FOR_OTHER)


def _mistyped(a: str, b: str) -> bool:
    """Two neighbours exchanged inside a long word, or one letter typed twice: no other letter, as in 'nitrite'."""
    if len(a) > len(b):
        a, b = b, a
    if len(a) < LONG_FOR_OTHER - 1 or len(b) - len(a) > 1 or len(b) > 40:
        return False
    at = 0
    while at < len(a) and a[at] == b[at]:
        at += 1
    if len(a) == len(b):
        return 0 < at < len(a) - 2 and a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :]
    return at > 0 and b[at] == b[at - 1] and a[at:] == b[at + 1 :]


_PLURALS = frozenset({"s", "es", "en"})
_OPPOSED_BEGINNINGS = frozenset(
    frozenset(pair.split())
    for pair in (
        "pre post", "over under", "hyper hypo", "macro micro", "mono poly", "inter intra", "en de", "in ex", "im ex",
        "in out", "up down", "on off", "anti pro", "maxi mini", "e im", "inner outer", "intro extro", "sub super",
        "multi single", "multi uni", "homo hetero", "endo exo", "ein aus", "an ab", "auf zu", "an aus", "vor nach",
        "zu ab", "hin her", "ober unter", "hinauf hinunter", "in de", "en des", "em de", "em des", "im des", "en dis",
        "in dis", "ap de", "a de", "im dis", "aus zu", "be ent", "ver ent", "ein ab", "auf ab", "be de", "in ent",
    )
)  # fmt: skip


def _turned(a: str, b: str, negated: tuple[str, ...]) -> str:
    """'negation' for 'possible' and 'impossible', 'opposed' for 'upload' and 'download'."""
    if len(a) > len(b):
        a, b = b, a
    if len(a) >= 4 and b.endswith(a) and b[: len(b) - len(a)] in negated:
        return "negation"
    end = 0
    while end < min(len(a), len(b)) and a[-1 - end] == b[-1 - end]:
        end += 1
    if end >= 3:
        for keep in range(end, 2, -1):
            if frozenset((a[: len(a) - keep], b[: len(b) - keep])) in _OPPOSED_BEGINNINGS:
                return "opposed"
    if a.endswith("less") != b.endswith("less") and a[:4] == b[:4] and (a + b).count("ful") == 1:
        return "opposed"
    return ""


def align(a: Reading, b: Reading, negated: tuple[str, ...]) -> Alignment:
    """What of `a` and of `b` has no counterpart in the other; `negated`: the language's negating prefixes."""
    others, own = b.content, a.content
    left = [at for at, key in enumerate(a.keys) if key not in others]
    right = [at for at, key in enumerate(b.keys) if key not in own]
    if not left and not right:
        return Alignment((), (), 0, 0, "")
    slips = derived = 0
    turned = ""
    if left and right and len(left) <= MOST_TRIED and len(right) <= MOST_TRIED:
        pairs: list[tuple[int, int, int]] = []
        named = {key for span in (*a.entities, *b.entities) for key in span}
        for i in left:
            one = a.forms[i]
            for j in right:
                other = b.forms[j]
                if not (one.isalpha() and other.isalpha()):
                    continue
                turn = _turned(one, other, negated)
                if turn:
                    turned = max(turned, turn)
                elif one[0] != other[0] or a.keys[i] in named or b.keys[j] in named:
                    continue
                elif not (a.known[i] or b.known[j]):
                    if _more(one, other) in _PLURALS:
                        pairs.append((1, i, j))
                    elif _mistyped(one, other):
                        pairs.append((0, i, j))
                elif a.known[i] != b.known[j] and one_slip(one, other):
                    pairs.append((0, i, j))
                elif _beginning(one, other, a.language):
                    pairs.append((1, i, j))
        for how, i, j in sorted(pairs, key=lambda pair: (pair[0], *sorted((a.forms[pair[1]], b.forms[pair[2]])))):
            if i in left and j in right:
                left.remove(i)
                right.remove(j)
                if how:
                    derived += 1
                else:
                    slips += 1
        if _apart(a, b, left, right) or _apart(b, a, right, left):
            return Alignment(tuple(left), tuple(right), slips, derived, "substituted")
        left, right = _compounds(a, b, left, right)
        right, left = _compounds(b, a, right, left)
    return Alignment(tuple(left), tuple(right), slips, derived, turned)


def _more(one: str, other: str) -> str:
    """What the longer of two has more at its end, or '-'."""
    if len(one) > len(other):
        one, other = other, one
    return other[len(one) :] if len(one) >= COMMON_BEGINNING and other.startswith(one) else "-"


_ENDINGS = frozenset(
    """s es ed d ing ion ions ation ations ition tion sion cation ment ments al ally ly ity ty ive ance ence ness ful
    able ible ous y ies e ic ics ical ism ize ise ized ised izing ising izes sis ses ze se zing sing zation sation t th
    ant ants ent en ency ancy ia ian ese ish""".split()  # noqa: SIM905
) | {""}  # of English words of one family, after what they have in common


# Endings of him and of her that are no mere letter more: 'serveur', 'serveuse'.
_GENDERS = {
    "fr": (("eur", "euse"), ("teur", "trice"), ("er", "ère"), ("er", "ere")),
    "it": (("tore", "trice"), ("tori", "trici"), ("iere", "iera"), ("ieri", "iere"), ("e", "essa")),
}


def paired(one: str, other: str, language: str) -> bool:
    """Whether two forms differ as him and her, in one of these pairs of endings."""
    return any(
        his.endswith(male) and hers == his.removesuffix(male) + female
        for his, hers in ((one, other), (other, one))
        for male, female in _GENDERS.get(language, ())
    )


# Pronouns that are written on to a verb; not 'lo', 'la' and their plurals, in which nouns end, too.
_ENCLITICS = {
    "es": re.compile(r"\w{3,}[aeirn](le|les|me|te|nos|os)"),
    "it": re.compile(r"\w{3,}[aeir](gli|le|mi|ti|ci|vi)"),
}


def handed(one: str, other: str, language: str) -> bool:
    """Whether two forms of a verb end in different pronouns: 'mandale', 'mandales'."""
    pattern = _ENCLITICS.get(language)
    if pattern is None or one == other:
        return False
    found, beside = pattern.fullmatch(one), pattern.fullmatch(other)
    return found is not None and beside is not None and found[1] != beside[1]


_LESS = re.compile(r"\w{3}los(?:e[nrsm]?)?$")  # German, after a noun: without it


def _beginning(one: str, other: str, language: str) -> bool:
    least = min(len(one), len(other))
    if least < COMMON_BEGINNING:
        return False
    same = 0
    while same < least and one[same] == other[same]:
        same += 1
    if len(one) == len(other) and one[same + 1 :] == other[same + 1 :]:
        return False  # 'ethanal', 'ethanol'
    if language == "de" and {one[same:], other[same:]} & {"in", "innen"}:
        return False  # 'Lehrer', 'Lehrerin'
    if language == "de" and (_LESS.search(one) is None) != (_LESS.search(other) is None):
        return False  # 'arbeitend', 'arbeitslos'
    if paired(one.removesuffix("s"), other.removesuffix("s"), language):
        return False
    if handed(one, other, language):
        return False  # 'compragli', 'compraci'
    if language == "en" and not {one[same:], other[same:]} <= _ENDINGS:
        return False  # 'direct', 'director'; 'commend', 'commence'
    return same >= COMMON_BEGINNING and same >= 0.6 * max(len(one), len(other))


# English words that mean another thing written apart: 'resign' and 're-sign', 'blackbird' and 'black bird'.
_APART = frozenset(
    """resign resigned recover recovered recreate recreation reform reformed resent remark resort repress reserve
    restrain react release return recollect recount redress retire refuse replace petition represent remove
    rebound reprove relay blackbird bluebird greenhouse darkroom whitehouse highchair hotdog catwalk overlook
    overtake overcome undergo uphold redneck highlight greenback bluebell blackboard whiteboard hothouse
    shortbread sweetheart butterfly cupboard redhead longhand shorthand hardware software lightweight
    heavyweight tightrope coop extramarital""".split()  # noqa: SIM905
)


def _apart(a: Reading, b: Reading, left: list[int], right: list[int]) -> bool:
    """Whether two words left over in `a` are one of _APART in `b`."""
    written = _APART.intersection(b.forms[at] for at in right)
    return bool(written) and any(
        second == first + 1 and a.forms[first] + a.forms[second] in written
        for first, second in itertools.pairwise(left)
    )


def _compounds(a: Reading, b: Reading, left: list[int], right: list[int]) -> tuple[list[int], list[int]]:
    """Takes 'data base' left over in `a` off against 'database' in `b`."""
    for first, second in itertools.pairwise(left):
        if second == first + 1:
            whole = a.forms[first] + a.forms[second]
            for j in right:
                if b.forms[j] == whole:
                    return [at for at in left if at not in {first, second}], [at for at in right if at != j]
    return left, right

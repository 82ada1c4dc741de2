"""Whether two readings of the same words order them otherwise and yet say the same.

Rules kept here:
1. Items of one list may change places, each as a whole: 'eggs, green beans and feta', 'green beans, feta and eggs'.
2. English: who gets something may stand before it or after it with 'to': 'lend Ann a book', 'lend a book to Ann'.
3. Where the order may be what is asked (steps, numbers, single letters, 'respectively'), nothing may.

It names no guard.
"""

from __future__ import annotations

import itertools

from appliance.similar.reading import Reading

_ORDERED = frozenset(
    """respectively order sequence then first next alphabetical alphabetically beziehungsweise jeweils reihenfolge dann
    zuerst respectivement ordre puis ensuite respectivamente orden luego rispettivamente ordine poi""".split()  # noqa: SIM905
)
_ANDS, _ORS = frozenset(["and", "und", "et", "y", "e", "ed", "&"]), frozenset(["or", "oder", "ou", "o", "u", "od"])
_GIVING = frozenset(
    """give gave given giving gives lend lent lending lends send sent sending sends hand handed handing hands show shows
    showed shown showing offer offers offered offering sell sells sold selling teach teaches taught teaching tell tells
    told telling pay pays paid paying pass passes passed passing write writes wrote written writing read reads reading
    bring brings brought bringing owe owes owed mail mails mailed email emailed forward forwarded post posted feed feeds
    fed award awarded grant granted serve served throw threw promise promised""".split()  # noqa: SIM905
)


def reordered(stored: Reading, asked: Reading) -> frozenset[str]:
    """The words that changed places without changing what is said; empty where any other did."""
    one, other = stored.keys, asked.keys
    if len(one) != len(other) or one == other or sorted(one) != sorted(other):
        return frozenset()
    begin = next(at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    end = len(one) - next(at for at, (a, b) in enumerate(zip(one[::-1], other[::-1], strict=True)) if a != b)
    if _listed(stored, asked, begin, end) or _given(stored, asked, begin, end) or _given(asked, stored, begin, end):
        return frozenset(one[begin:end])
    return frozenset()


def _listed(stored: Reading, asked: Reading, begin: int, end: int) -> bool:
    """Whether the words from `begin` to `end` are the same items in another order."""
    ours, theirs = _items(stored, begin, end), _items(asked, begin, end)
    if len(ours) < 2 or ours == theirs or sorted(ours) != sorted(theirs):
        return False
    for reading in (stored, asked):
        words, governors = {*reading.empty, *reading.forms}, set(reading.governors[begin:end])
        if not _ORDERED.isdisjoint(words) or _ANDS.isdisjoint(words) == _ORS.isdisjoint(words) or len(governors) > 1:
            return False
        if governors == {""} and (not reading.kind or (reading.kind == "how" and not begin)):
            return False  # 'fold, wait and iron', 'how do I sand and paint it'
    return not any(len(item) == 1 and (item[0][0] in "#`" or len(item[0]) == 1) for item in ours)


def _items(reading: Reading, begin: int, end: int) -> list[tuple[str, ...]]:
    starts = [begin, *[at for at in range(begin + 1, end) if reading.chained[at]], end]
    return [reading.keys[at:to] for at, to in itertools.pairwise(starts)]


def _begins(reading: Reading, at: int) -> bool:
    """Whether a word may be the first of what is given: behind an article, or a number."""
    return reading.gaps[at] or reading.keys[at][0] == "#"


def _given(one: Reading, other: Reading, begin: int, end: int) -> bool:
    """Whether who gets it stands before it in `one`, and after it with 'to' in `other`."""
    if one.language != "en" or not begin or one.forms[begin - 1] not in _GIVING:
        return False
    whom = other.keys.index(one.keys[begin], begin)
    turned = one.keys[begin:end] == other.keys[whom:end] + other.keys[begin:whom]
    if not turned or other.governors[whom] != "to" or not _begins(one, begin + end - whom):
        return False
    return not any(one.governors[begin:end]) and not any(other.governors[begin:whom])

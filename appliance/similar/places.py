"""Where the words that two readings share stand: what prepositions they hang on, and in which order they come.

Rules kept here:
1. Each function adds the guards that object to `found`: 'direction', 'order', 'roles'. The same whichever text is
   stored.
2. Of a language only what its word lists and its reading say is used.

It weighs nothing and looks at no word that one text alone has.
"""

from __future__ import annotations

import itertools

from appliance.similar.lexicon import lexicon
from appliance.similar.reading import Reading
from appliance.similar.reordered import reordered

_OPPOSITE_WAYS = frozenset(
    frozenset(pair.split())
    for pair in ("from to", "before after", "over under", "on under", "with without", "for against", "from for",
                 "in out", "about under")
)  # fmt: skip
# Where a thing is, and which way it goes: two of these do not mean the same, but for those that are used alike.
_PLACING = frozenset(
    [
        *("in", "on", "auf", "an", "under", "sous", "over", "oberhalb", "behind", "front", "beside", "near", "out"),
        *("at", "to", "zu", "from", "by", "against", "between", "with", "without", "before", "after", "during"),
        *("through", "across", "along", "around", "beyond", "within"),
    ]
)
_OTHERWISE = frozenset(
    frozenset(pair.split())
    for pair in ("about to", "about by", "about with", "about from", "about for", "for with", "of by", "of with",
                 "by for", "about against",
                 "about as", "for as", "with as", "of as", "in as", "by as", "to as", "from as", "at as")
)  # fmt: skip
_USED_ALIKE = frozenset(
    frozenset(pair.split())
    for pair in ("by with", "in during", "in within", "during within",
                 "to zu", "in an", "an auf", "beside near", "in between", "at in",
                 "at on", "at within", "at an", "at near", "at during", "at by", "at auf", "at zu")
)  # fmt: skip
_PARTICLES = frozenset({"", "than", "over", "on", "through", "around", "out"})  # may belong to the verb
# English verbs that mean another thing with a preposition, which may stand in one text alone.
_CHANGED = frozenset(
    """cal call reach believ ask search shoot hit approv wait work laugh hear die appli speak turn fight run car stand
    vot argu deal dream salari pai buy cook""".split()  # noqa: SIM905
)
_AFTER_VERBS = frozenset({"on", "from", "against", "over"})
_AT_VERBS = frozenset({"", "for", "in", "on", "at", "of", "to", "with", "from", "against", "over", "by"})
_COMPOUND = frozenset({"", "of", "in", "for"})
MOST_MOVED = 24  # words whose places are compared


def governed(stored: Reading, asked: Reading, found: set[str], *, near: bool, same: bool) -> None:
    """Prepositions of a number that stands in both ('by 5', 'to 5'), and of any word where little else differs."""
    if stored.governors == asked.governors and stored.keys == asked.keys:
        return
    theirs = {key: at for at, key in enumerate(asked.keys)}
    for key, one in zip(stored.keys, stored.governors, strict=True):
        if key not in theirs or stored.keys.count(key) > 1 or asked.keys.count(key) > 1:
            continue
        other = asked.governors[theirs[key]]
        if {one, other} == {"in", "on"} and any(span == (key,) for span in stored.entities):
            continue  # 'on Telegram', 'in Telegram'
        if same and one != other and {one, other} <= _AT_VERBS:
            verbs = {_before(stored, key), _before(asked, key)}
            if len(verbs) == 1 and (
                verbs <= _CHANGED or (_direct(stored, asked, key, one) or _direct(stored, asked, key, other))
            ):
                found.add("direction")  # 'call a friend', 'call for a friend'
        if {one, other} in ({"", "in"}, {"in", "within"}, {"", "within"}) and _span(stored, asked, key):
            found.add("direction")  # 'park an hour', 'park in an hour'
        if key[0] == "#" and {one, other} in ({"", "to"}, {"", "from"}):
            found.add("direction")  # 'save 10 percent', 'save to 10 percent'
        if not one or not other or one == other or frozenset((one, other)) in _USED_ALIKE:
            continue
        placed = one in _PLACING and other in _PLACING
        strict = same and stored.language != "en"
        if (
            key[0] == "#"
            or key.startswith("unit ")
            or strict
            or (near and (placed or frozenset((one, other)) in _OTHERWISE))
        ):
            found.add("direction")
            return


def _direct(stored: Reading, asked: Reading, key: str, preposition: str) -> bool:
    """Whether a preposition alone stands between a verb and `key` in one text: 'paint glass', 'paint on glass'."""
    if preposition not in _AFTER_VERBS or stored.language != "en":
        return False
    asks = stored.kind == asked.kind and stored.kind in {"how", "where", "when", "why"}
    return asks and stored.keys[:2] == asked.keys[:2] and stored.keys[1:2] == (key,)  # the first word is the verb


def _span(stored: Reading, asked: Reading, key: str) -> bool:
    """Whether `key` is a length of time: 'an hour', 'two weeks'."""
    if "count" in (stored.kind, asked.kind):
        return False  # 'how many minutes in an hour'
    periods = lexicon(stored.language).periods
    if key[0] != "#":
        return key in periods
    return any(f"unit {mark[5:]}" in periods for mark in stored.marks & asked.marks if mark.startswith("unit:"))


def _before(reading: Reading, key: str) -> str:
    """The content word before the first `key`, or ''."""
    at = reading.keys.index(key) - 1
    if at < 0:
        return ""
    return "search" if reading.forms[at].startswith("search") else reading.keys[at]


def places(stored: Reading, asked: Reading, found: set[str], *, verbs_move: bool, plain: bool) -> None:
    """Order, roles and direction of the words that stand once in both."""
    if stored.keys == asked.keys and stored.governors == asked.governors and stored.passive == asked.passive:
        return
    ours, theirs = stored.keys, asked.keys
    place = {key: at for at, key in enumerate(theirs)}
    once: list[tuple[int, int]] = [
        (at, place[key]) for at, key in enumerate(ours) if key in place and ours.count(key) == 1 == theirs.count(key)
    ]
    if len(once) < 2:
        changed = {(stored.governors[i], asked.governors[j]) for i, j in once}
        if any(frozenset(pair) in _OPPOSITE_WAYS for pair in changed):
            found.add("direction")
        return
    changed = {(stored.governors[i], asked.governors[j]) for i, j in once if stored.governors[i] != asked.governors[j]}
    swapped_voice = stored.passive != asked.passive
    for one, other in changed:
        if frozenset((one, other)) in _OPPOSITE_WAYS:
            found.add("direction")
        elif (other, one) in changed and not swapped_voice:
            found.add("direction" if "from" in {one, other} or "to" in {one, other} else "roles")
    inverted = any(before[1] > after[1] for before, after in itertools.pairwise(once))
    if inverted and not swapped_voice and not reordered(stored, asked):
        for at, before in enumerate(once[:MOST_MOVED]):
            for after in once[at + 1 : MOST_MOVED]:
                if before[1] > after[1] and not _may_move(
                    stored, asked, before, after, verbs_move=verbs_move, plain=plain
                ):
                    found.add("order" if len(once) == len(ours) == len(theirs) else "roles")
                    return
    if swapped_voice:
        # 'A bites B' is 'B is bitten by A': the voice turned, and so must the places.
        placed = [at for at in once if not verbs_move or stored.nominal[at[0]] or asked.nominal[at[1]]]
        if len(placed) >= (2 if verbs_move else 3) and placed[0][1] < placed[-1][1]:
            found.add("roles")


def _may_move(
    stored: Reading, asked: Reading, before: tuple[int, int], after: tuple[int, int], *, verbs_move: bool, plain: bool
) -> bool:
    """Whether two words that changed places say the same as before."""
    (i, k), (j, m) = before, after
    one, other = (stored.governors[i], stored.governors[j]), (asked.governors[k], asked.governors[m])
    nouns = (stored.nominal[i], asked.nominal[k]), (stored.nominal[j], asked.nominal[m])
    exact = stored.object != asked.object or (stored.relative and asked.relative)
    if exact and {*one, *other} <= _PARTICLES and not (stored.chained[j] and asked.chained[k]):
        return False  # 'who saw him', 'whom he saw'
    adjacent = j == i + 1 and k == m + 1
    doing = [stored.forms[x].endswith("ing") and asked.forms[y].endswith("ing") for x, y in (before, after)]
    if adjacent and plain and any(doing) and not (stored.gaps[j] or asked.gaps[k]):
        return False  # 'nursing home', 'home nursing'
    if verbs_move and not (plain and all(doing)) and not all(map(all if plain else any, nouns)):
        return True
    if adjacent and (stored.keys[i][0] == "#") != (stored.keys[j][0] == "#"):
        return True  # 'March 5', '5 March'
    if j == i + 1 and stored.chained[j] and k == m + 1 and asked.chained[k]:
        return True  # 'cats and dogs', 'dogs and cats'
    if one == other and (one[0] or one[1]) and one[0] != one[1]:
        return True  # 'in Python, sort a list', 'sort a list in Python'
    if one[0] == other[0] and one[1] != other[1] and {one[1], other[1]} <= _COMPOUND:
        return True  # 'the capital of France', 'France's capital'
    if one[1] == other[1] and one[0] != other[0] and {one[0], other[0]} <= _COMPOUND:
        return True
    # 'reset the password', 'password reset': next to each other in both, apart by an article in one.
    return adjacent and stored.gaps[j] != asked.gaps[k]

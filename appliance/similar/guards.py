"""The hard guards: reasons why two texts must not share an answer, however alike they look.

Rules kept here:
1. A guard that objects means a miss. Each is deterministic, and `objections(a, b)` names the same as
   `objections(b, a)`; a text has none against itself.
2. A language that the guards do not know, or two languages, is an objection.
3. What a reading took off (politeness, framing) cannot raise one.

They weigh nothing: what is merely unlike is for the verifier.
"""

from __future__ import annotations

import itertools

from appliance.similar.alignment import Alignment, align
from appliance.similar.lexicon import LANGUAGES, lexicon
from appliance.similar.reading import COMPASS, Reading, read
from appliance.similar.surface import unlike

GUARDS: tuple[str, ...] = (
    "language",
    "long",
    "bare",
    "number",
    "unit",
    "sign",
    "script",
    "spelling",
    "sentence",
    "negation",
    "quantifier",
    "modality",
    "tense",
    "condition",
    "time",
    "degree",
    "particle",
    "opposed",
    "sibling",
    "kind",
    "person",
    "format",
    "code",
    "quote",
    "entity",
    "direction",
    "roles",
    "order",
    "substituted",
)
# One mark more in one text than in the other is enough for these; for the rest (`_CONTRARY`) it is where the texts say
# the same otherwise, and else each text must have one that the other has not.
_STRICT = frozenset({"number", "unit", "sign", "negation", "time", "format"})
_STRICT_MARKS = frozenset(
    {
        "quantifier:all", "quantifier:only", "quantifier:half", "quantifier:both", "quantifier:atleast",
        "quantifier:atmost", "quantifier:over", "quantifier:under", "quantifier:few", "condition:unless",
        "condition:evenif", "modality:optional", "modality:must", "modality:should", "tense:future", "tense:habit",
    }
)  # fmt: skip
_DEGREES = frozenset({"er", "est"})
_CONTRARY = frozenset({"quantifier", "modality", "condition", "degree", "particle"})
_PAST = frozenset({"past", "perfect"})
_KINDS_TOGETHER = frozenset({frozenset({"extent", "what"}), frozenset({"extent", "how"})})
_OPPOSITE_WAYS = frozenset(
    frozenset(pair.split())
    for pair in ("from to", "before after", "over under", "on under", "with without", "for against", "from for",
                 "in out")
)  # fmt: skip
# Where a thing is, and which way it goes: two of these do not mean the same, but for those that are used alike.
_PLACING = frozenset(
    [
        *("in", "on", "auf", "an", "under", "sous", "over", "oberhalb", "behind", "front", "beside", "near", "out"),
        *("to", "zu", "from", "by", "against", "between", "with", "without", "before", "after", "during"),
        *("through", "across", "along", "around"),
    ]
)
_OTHERWISE = frozenset(
    frozenset(pair.split())
    for pair in ("about to", "about by", "about with", "about from", "about for", "for with", "of by", "of with")
)
_USED_ALIKE = frozenset(
    frozenset(pair.split())
    for pair in ("by with", "in during", "to zu", "in an", "an auf", "beside near", "in between")
)  # fmt: skip
LEAST_WEIGHT = 0.5  # of a word that cannot be exchanged
MOST_WORDS = 20  # content words beside which one that differs weighs next to nothing
MOST_MOVED = 24  # words whose places are compared
_COMPOUND = frozenset({"", "of", "in", "for"})


def objections(stored: Reading, asked: Reading) -> tuple[str, ...]:
    """The guards that object to answering `asked` with the answer to `stored`, in the order of GUARDS."""
    if stored.text == asked.text and stored.language == asked.language in LANGUAGES:
        return ()
    if stored.language != asked.language or stored.language not in LANGUAGES:
        return ("language",)
    found = unlike(stored.surface, asked.surface, stored.language)
    if stored.surface.sentences != asked.surface.sentences:
        found |= _sentences(stored, asked)
    if stored.inner != asked.inner and _inner(stored, asked):
        found.add("kind")
    if (stored.long or asked.long) and stored.plain != asked.plain:
        found.add("long")
    if stored.codes != asked.codes:
        found.add("code")
    if stored.quotes != asked.quotes and not _quoted(stored, asked):
        found.add("quote")
    kinds = frozenset((stored.kind, asked.kind))
    if len(kinds) > 1 and "" not in kinds and kinds not in _KINDS_TOGETHER:
        found.add("kind")
    if stored.persons != asked.persons and _persons(stored.persons, asked.persons):
        found.add("person")
    if stored.pronouns != asked.pronouns and stored.persons == asked.persons and stored.content == asked.content:
        found.add("roles")  # 'my boss fired me', 'I fired my boss'
    if not stored.keys and not asked.keys and (stored.empty != asked.empty or stored.kind != asked.kind):
        found.add("bare")
    known = lexicon(stored.language)
    alignment = align(stored, asked, known.negated)
    if alignment.turned:
        found.add(alignment.turned)
    if (alignment.left or alignment.right) and max(len(stored.keys), len(asked.keys)) > MOST_WORDS:
        found.add("long")
    near = len(alignment.left) <= 1 and len(alignment.right) <= 1
    if stored.marks != asked.marks:
        _marks(stored, asked, found, near=near)
    _names(stored, asked, found)
    _places(stored, asked, found, verbs_move=known.words.verbs_move, plain=known.words.nouns_plain)
    _governed(stored, asked, found, near=near)
    if _substituted(stored, asked, alignment):
        found.add("substituted")
    return tuple(guard for guard in GUARDS if guard in found) if found else ()


def _marks(stored: Reading, asked: Reading, found: set[str], *, near: bool) -> None:
    """`near`: at most one content word is left over on each side, so that what else differs makes the difference."""
    of_stored, of_asked = stored.marks - asked.marks, asked.marks - stored.marks
    sides: tuple[set[str], set[str]] = (set(), set())
    for side, own in enumerate((of_stored, of_asked)):
        against = (asked, stored)[side]
        for mark in own:
            guard, _, what = mark.partition(":")
            if guard in _STRICT or mark in _STRICT_MARKS:
                found.add(guard)
            elif guard in _CONTRARY:
                sides[side].add(guard)
            elif guard == "past" and what in against.content:
                if against.tenses.isdisjoint(_PAST):
                    found.add("tense")
            elif guard in _DEGREES:
                sides[side].add(guard)
                if what in against.content:
                    found.add("degree")
    found |= sides[0] | sides[1] if near else sides[0] & sides[1]
    if not found.isdisjoint(_DEGREES):
        found -= _DEGREES
        found.add("degree")
    said = bool(stored.tenses and asked.tenses)
    if said and stored.tenses.isdisjoint(asked.tenses):
        found.add("tense")
    elif near and _when(stored.tenses) != _when(asked.tenses) and (said or stored.language != "en"):
        found.add("tense")  # in English what has no tense has no verb: 'Ada Lovelace born when'
    for mark in of_stored:
        if mark.startswith("opposed:"):
            other = mark[:-1] + ("b" if mark[-1] == "a" else "a")
            if other in of_asked:
                found.add("opposed")
    classes = {mark.partition("=")[0] for mark in of_stored if mark.startswith("sibling:")}
    if classes and any(mark.partition("=")[0] in classes for mark in of_asked if mark.startswith("sibling:")):
        found.add("sibling")


def _when(tenses: frozenset[str]) -> str:
    """The time that the verbs of a text speak of; 'present' where none says another."""
    return "future" if "future" in tenses else "present" if tenses.isdisjoint(_PAST) else "past"


def _governed(stored: Reading, asked: Reading, found: set[str], *, near: bool) -> None:
    """Prepositions of a number that stands in both ('by 5', 'to 5'), and of any word where little else differs."""
    if stored.governors == asked.governors and stored.keys == asked.keys:
        return
    theirs = {key: at for at, key in enumerate(asked.keys)}
    for key, one in zip(stored.keys, stored.governors, strict=True):
        if key not in theirs or stored.keys.count(key) > 1 or asked.keys.count(key) > 1:
            continue
        other = asked.governors[theirs[key]]
        if not one or not other or one == other or frozenset((one, other)) in _USED_ALIKE:
            continue
        placed = one in _PLACING and other in _PLACING
        if key[0] == "#" or (near and (placed or frozenset((one, other)) in _OTHERWISE)):
            found.add("direction")
            return


def _quoted(stored: Reading, asked: Reading) -> bool:
    """Whether each quotation stands in the other text, if without its marks."""
    return all(_stands(quote, asked.plain) for quote in stored.quotes) and all(
        _stands(quote, stored.plain) for quote in asked.quotes
    )


def _stands(quote: str, plain: str) -> bool:
    """Whether `quote` stands in a text as whole words."""
    at = plain.find(quote)
    while at >= 0:
        if not (plain[max(0, at - 1) : at].isalnum() or plain[at + len(quote) : at + len(quote) + 1].isalnum()):
            return True
        at = plain.find(quote, at + 1)
    return False


def _persons(stored: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    """Whether who is spoken of differs: each text has one that the other has not, or the same change places."""
    one, other = set(stored), set(asked)
    if "self" in one | other and not (one | other) & {"he", "she", "they"} and min(len(one), len(other)) < 2:
        return max(len(one), len(other)) > 1
    if one - other and other - one:
        return True
    return one == other and len(one) > 1 and list(dict.fromkeys(stored)) != list(dict.fromkeys(asked))


def _names(stored: Reading, asked: Reading, found: set[str]) -> None:
    for a, b in ((stored, asked), (asked, stored)):
        for span in a.entities:
            missing = [name for name in span if name not in b.names]
            # 'Barack Obama' may be called 'Obama', if nobody else of that name is there.
            called = span[-1] not in missing and COMPASS.isdisjoint(missing)
            alone = all(other[-1:] != span[-1:] or set(other) <= set(span) for other in b.entities)
            if missing and not (called and alone):
                found.add("entity")
                return


def _inner(stored: Reading, asked: Reading) -> bool:
    """Whether the questions inside differ. In three languages the word for 'what' is that for 'that', too."""
    free = frozenset({"what"}) if stored.language in {"fr", "es", "it"} else frozenset()
    return stored.inner - free != asked.inner - free


def _sentences(stored: Reading, asked: Reading) -> set[str]:
    """Of several sentences one may differ, and that must say the same by itself: the others hide what it asks."""
    ours, theirs = stored.surface.sentences, asked.surface.sentences
    if len(ours) != len(theirs):
        return {"sentence"}
    differ = [(one, other) for one, other in zip(ours, theirs, strict=True) if not _even(one, other)]
    if not differ:
        return set()
    if len(differ) > 1:
        return {"sentence"}
    one, other = (read(text, stored.language) for text in differ[0])
    found = set(objections(one, other))
    return found if one.content == other.content else found | {"long"}


def _even(one: str, other: str) -> bool:
    """Whether two sentences are the same but for capitals, spaces and how they end."""
    return (
        one == other
        or " ".join(one.split()).rstrip(".!?… ").casefold() == " ".join(other.split()).rstrip(".!?… ").casefold()
    )


def _places(stored: Reading, asked: Reading, found: set[str], *, verbs_move: bool, plain: bool) -> None:
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
    if inverted and not swapped_voice:
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
    if verbs_move and not all(map(all if plain else any, nouns)):
        return True
    if j == i + 1 and k == m + 1 and (stored.keys[i][0] == "#") != (stored.keys[j][0] == "#"):
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
    return j == i + 1 and k == m + 1 and stored.gaps[j] != asked.gaps[k]


def _substituted(stored: Reading, asked: Reading, alignment: Alignment) -> bool:
    """One word of weight for another and all else the same: look-alikes are made so."""
    if len(alignment.left) != 1 or len(alignment.right) != 1:
        return False
    return min(stored.weights[alignment.left[0]], asked.weights[alignment.right[0]]) >= LEAST_WEIGHT

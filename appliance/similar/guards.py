"""The hard guards: reasons why two texts must not share an answer, however alike they look.

Rules kept here:
1. A guard that objects means a miss. Each is deterministic, and `objections(a, b)` names the same as
   `objections(b, a)`; a text has none against itself.
2. A language that the guards do not know, or two languages, is an objection.
3. What a reading took off (politeness, framing) cannot raise one.

They weigh nothing: what is merely unlike is for the verifier.
"""

from __future__ import annotations

from appliance.similar.alignment import Alignment, align
from appliance.similar.lexicon import LANGUAGES, lexicon
from appliance.similar.places import governed, places
from appliance.similar.reading import COMPASS, Reading, read
from appliance.similar.roles import parts
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
        "quantifier:atmost", "quantifier:over", "quantifier:under", "quantifier:few", "quantifier:but",
        "condition:unless", "condition:evenif", "modality:optional", "modality:must", "modality:should",
        "tense:future", "tense:habit",
    }
)  # fmt: skip
_DEGREES = frozenset({"er", "est"})
_BEST = frozenset({"degree:est", "est:good"})
_CONTRARY = frozenset({"quantifier", "modality", "condition", "degree", "particle"})
_PAST = frozenset({"past", "perfect", "pluperfect"})
_KINDS_TOGETHER = frozenset({frozenset({"extent", "what"}), frozenset({"extent", "how"})})
# Keys of English verbs that say little by themselves and do not stand for each other: 'make', 'take a call'.
_ACTS = frozenset(["creat", "tak", "giv", "use", "cal", "ask", "try", "look_for"])
_HANDING, _GETTING = frozenset({"giv", "creat", "sel", "send"}), frozenset({"get", "gets", "got"})
_OTHERS = frozenset({"he", "she", "they", "they_f", "to_one", "to_many"})
_SURELY = frozenset({"he", "she", "him", "er", "ihn", "ihm", "el", "ella", "ellos", "ellas", "lui", "eux"})
_INFINITIVES = frozenset({"to", "zu", "de", "d'", "di", "a", "ad"})  # what an infinitive stands after
_AFTER_NOUNS = frozenset({"fr", "es", "it"})  # languages whose adjectives stand there
_EACH_ANOTHER = frozenset(
    """different distinct unique verschieden verschiedene verschiedenen unterschiedliche unterschiedlichen differents
    differentes distincts distinctes distintos distintas diferentes diversi diverse differenti distinti
    distinte""".split()  # noqa: SIM905
)
_COUNTING = frozenset(
    ["count", "counts", "number", "zahl", "zahle", "anzahl", "compte", "nombre", "cuenta", "numero", "conta"]
)
LEAST_WEIGHT = 0.5  # of a word that cannot be exchanged
LONGEST_EXPRESSION = 3  # content words
OF_ONE_FAMILY = 3  # letters that words of one family begin with
MOST_FUNCTION_WORDS = 1  # that stands in one text alone, beside an expression that is exchanged
MOST_WORDS = 20  # content words beside which one that differs weighs next to nothing


def objections(stored: Reading, asked: Reading) -> tuple[str, ...]:
    """The guards that object to answering `asked` with the answer to `stored`, in the order of GUARDS."""
    if stored.text == asked.text and stored.language == asked.language in LANGUAGES:
        return ()
    if stored.language != asked.language or stored.language not in LANGUAGES:
        return ("language",)
    found = unlike(stored.surface, asked.surface, stored.language)
    if stored.surface.sentences != asked.surface.sentences and sorted(stored.keys) != sorted(asked.keys):
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
    if _whoever(stored, asked) or _conjugated(stored, asked):
        found.add("person")
    if stored.pronouns != asked.pronouns and stored.persons == asked.persons and stored.content == asked.content:
        found.add("roles")  # 'my boss fired me', 'I fired my boss'
    many = len(stored.persons) == len(asked.persons) > 1
    if many and stored.content == asked.content and sorted(stored.persons) != sorted(asked.persons):
        found.add("person")  # 'did she sell her car', 'did she sell his car'
    if not stored.keys and not asked.keys and (stored.empty != asked.empty or stored.kind != asked.kind):
        found.add("bare")
    known = lexicon(stored.language)
    alignment = align(stored, asked, known.negated)
    same = not alignment.left and not alignment.right
    if alignment.turned:
        found.add(alignment.turned)
    if (alignment.left or alignment.right) and max(len(stored.keys), len(asked.keys)) > MOST_WORDS:
        found.add("long")
    near = len(alignment.left) <= 1 and len(alignment.right) <= 1
    if len(alignment.left) + len(alignment.right) == 1:
        more, less, at = (stored, asked, alignment.left) if alignment.left else (asked, stored, alignment.right)
        _added(more, less, at[0], found)
    if near:
        parts(stored, asked, found, same=same)
    if stored.marks != asked.marks:
        _marks(stored, asked, found, near=near)
    _names(stored, asked, found)
    places(stored, asked, found, verbs_move=known.words.verbs_move, plain=known.words.nouns_plain)
    governed(stored, asked, found, near=near, same=same)
    if _substituted(stored, asked, alignment):
        found.add("substituted")
    return tuple(guard for guard in GUARDS if guard in found) if found else ()


def _marks(stored: Reading, asked: Reading, found: set[str], *, near: bool) -> None:
    """`near`: at most one content word is left over on each side, so that what else differs makes the difference."""
    of_stored, of_asked = stored.marks - asked.marks, asked.marks - stored.marks
    sides: tuple[set[str], set[str]] = (set(), set())
    told = {mark.partition(":")[0]: mark for mark in (*of_stored, *of_asked)}
    if (near and not told.keys().isdisjoint({"reflexive", "voice"})) or (
        "aspect" in told and len(_aspects(stored) | _aspects(asked)) > 1
    ):
        found.add("roles")  # 'hurt him', 'hurt himself'; 'stop to smoke', 'stop smoking'
    if stored.kind == "what" == asked.kind and _best(of_stored | of_asked, stored, asked):
        of_stored, of_asked = of_stored - _BEST, of_asked - _BEST
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
    if not near:
        classes.discard("sibling:causative")
    if classes and any(mark.partition("=")[0] in classes for mark in of_asked if mark.startswith("sibling:")):
        found.add("sibling")


def _best(marks: set[str] | frozenset[str], stored: Reading, asked: Reading) -> bool:
    """Whether all that degrees tell apart is 'what are good' and 'what are the best': one answer serves both."""
    degrees = {mark for mark in marks if mark.partition(":")[0] in {"degree", *_DEGREES}}
    return degrees == _BEST and "good" in stored.content & asked.content


def _aspects(reading: Reading) -> set[str]:
    return {mark for mark in reading.marks if mark.startswith("aspect:")}


def _when(tenses: frozenset[str]) -> str:
    """The time that the verbs of a text speak of; 'present' where none says another."""
    return "future" if "future" in tenses else "present" if tenses.isdisjoint(_PAST) else "past"


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


def _whoever(stored: Reading, asked: Reading) -> bool:
    """Whether one text alone speaks of somebody else, and the other of whoever it may be or of nobody."""
    for known, other in ((stored, asked), (asked, stored)):
        if _OTHERS.isdisjoint(known.persons) or not _OTHERS.isdisjoint(other.persons):
            continue
        if other.anyone and not known.anyone:
            return True  # 'how did he get in', 'how did one get in'
        if not other.persons and known.content == other.content and not _SURELY.isdisjoint(known.pronouns):
            return True  # 'why did he paint it', 'why was it painted'
    return False


def _conjugated(stored: Reading, asked: Reading) -> bool:
    """Whether verbs alone say that somebody else does it: 'cuándo puedo pagar', 'cuándo puede pagar'."""
    if stored.anyone or asked.anyone or "how" in (stored.kind, asked.kind):
        return False
    return bool(stored.subjects and asked.subjects) and stored.subjects.isdisjoint(asked.subjects)


def _added(more: Reading, less: Reading, at: int, found: set[str]) -> None:
    """What the one word that `more` has and `less` has not makes of the rest; `at` is its place."""
    if any(mark.startswith("sibling:period=") for mark in more.marks - less.marks):
        found.add("time")  # 'the hourly wage', 'the wage'
    for place in range(len(more.keys)) if more.language == "de" else range(at + 1, min(at + 2, len(more.keys))):
        key, lead = more.keys[place], more.leads[place]
        if lead in _INFINITIVES and less.keys.count(key) == 1 and less.leads[less.keys.index(key)] != lead:
            found.add("modality")  # 'plan to close the harbour', 'close the harbour'
    before, after = at > 0 and not more.gaps[at], at + 1 < len(more.keys) and not more.gaps[at + 1]
    if more.language == "en" and more.keys[at] in _HANDING and _GETTING & set(less.empty) - set(more.empty):
        found.add("substituted")  # 'I gave a ticket', 'I got a ticket'
    if more.weights[at] < LEAST_WEIGHT and not less.persons and not _OTHERS.isdisjoint(more.persons):
        found.add("person")  # 'tell them about it', 'tell us about it'
    if more.forms[at] in _EACH_ANOTHER and (more.kind == "count" or not _COUNTING.isdisjoint(more.forms)):
        found.add("quantifier")  # 'how many different letters', 'how many letters'
    if more.keys[at] in lexicon(more.language).gradable and (after or (before and more.language in _AFTER_NOUNS)):
        found.add("degree")  # 'small children', 'children'


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


def _substituted(stored: Reading, asked: Reading, alignment: Alignment) -> bool:
    """One word of weight for another, or one expression for another in its place, and all else the same."""
    left, right = alignment.left, alignment.right
    if len(left) + len(right) <= 1:
        left = right = _elsewhere(stored, asked, {stored.keys[at] for at in left} | {asked.keys[at] for at in right})
    if not left or not right:
        return False
    if len(left) != 1 or len(right) != 1:
        return _exchanged(stored, asked, left, right)
    ours, theirs = stored.weights[left[0]], asked.weights[right[0]]
    if stored.language == "en" and stored.keys[left[0]] in _ACTS and asked.keys[right[0]] in _ACTS:
        return True
    if min(ours, theirs) >= LEAST_WEIGHT:
        return True
    known = lexicon(stored.language)
    light = known.light
    same = left == right and _around(stored) == _around(asked) and stored.persons == asked.persons
    if same and stored.kind == asked.kind and stored.keys[left[0]] not in light and asked.keys[right[0]] not in light:
        return max(ours, theirs) >= LEAST_WEIGHT  # 'find the leak', 'mend the leak'
    return False


def _around(reading: Reading) -> list[str]:
    """The function words in order; without articles where these only follow the gender of their noun."""
    articles = frozenset() if reading.language == "en" else lexicon(reading.language).determiners
    return [word for word in reading.empty if word not in articles]


def _elsewhere(stored: Reading, asked: Reading, over: set[str]) -> tuple[int, ...]:
    """The place of the one word that is another, where that one stands elsewhere, too: 'the price per cable'."""
    if len(stored.keys) != len(asked.keys):
        return ()
    places = [at for at, key in enumerate(stored.keys) if key != asked.keys[at]]
    if len(places) != 1:
        return ()
    own, its = stored.keys[places[0]], asked.keys[places[0]]
    return tuple(places) if {own, its} - over <= stored.content & asked.content else ()


def _exchanged(stored: Reading, asked: Reading, left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    """Whether what is left over is one expression on each side, in the same place: 'business class', 'economy'."""
    if max(len(left), len(right)) > LONGEST_EXPRESSION or left[0] != right[0] or stored.kind != asked.kind:
        return False
    apart = (set(stored.empty) ^ set(asked.empty)) - lexicon(stored.language).determiners
    if len(apart) > MOST_FUNCTION_WORDS or stored.persons != asked.persons:
        return False  # another way of putting the question
    if len(stored.keys) - left[-1] != len(asked.keys) - right[-1]:
        return False
    if left[-1] - left[0] >= len(left) or right[-1] - right[0] >= len(right):
        return False
    beginnings = {stored.forms[at][:OF_ONE_FAMILY] for at in left}
    if not beginnings.isdisjoint(asked.forms[at][:OF_ONE_FAMILY] for at in right):
        return False  # 'liberal', 'liberalism'; and slips
    ours, theirs = max(stored.weights[at] for at in left), max(asked.weights[at] for at in right)
    if _around(stored) == _around(asked) and not {stored.keys[at] for at in left} & lexicon(stored.language).light:
        return max(ours, theirs) >= LEAST_WEIGHT  # 'una definición de', 'la traducción inglesa de'
    return min(ours, theirs) >= LEAST_WEIGHT

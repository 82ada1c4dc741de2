"""Who does what to whom: cases, articles and voice of the words two readings share.

Rules kept here:
1. `parts` adds the guards that object to `found`: 'roles', 'order', and what a focus word or a gender tells apart. The
   same whichever of the two texts is stored.
2. Of a language only what its word lists and its reading say is used.

It weighs nothing and looks at no word that one text alone has.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter

from appliance.similar.alignment import handed, paired
from appliance.similar.families import other_word
from appliance.similar.lexicon import lexicon
from appliance.similar.places import MOST_MOVED
from appliance.similar.reading import Reading
from appliance.similar.reordered import reordered

_AT_SOMEBODY = frozenset({"at", "on", "against", "from", "without", "behind", "about", "after"})
_COPULAS = frozenset({"is", "are", "was", "were"})
_GENDERED = frozenset({"de", "fr", "es", "it"})
# Words before a verb that say whom it concerns; before a noun of one form they cannot differ.
_CLITICS = {
    "fr": frozenset("le la les lui leur me te nous vous se".split()),  # noqa: SIM905
    "es": frozenset("lo la los las le les me te nos os el".split()),  # noqa: SIM905
    "it": frozenset("lo la li le gli mi ti vi ci".split()),  # noqa: SIM905
}
_ENDS_OF_VERBS = frozenset(
    "up down off out with on in over away through for into back along around by at after about".split()  # noqa: SIM905
)
_ARTICLES = {"fr": frozenset(["un", "une"]), "es": frozenset(["un", "una"]), "it": frozenset(["il", "la"])}
# German nouns whose article says which of two things is meant, and the articles that cannot be of one gender.
_OF_TWO_GENDERS = frozenset(
    """leiter steuer kiefer see band tor gehalt erbe kunde bund schild verdienst messer mast heide mark weise kaper flur
    golf harz laster mangel pack single tau wehr marsch koppel hut jauche kristall militar otter partikel putte ruin
    stift taube bulle alp fuchtel balg bauer hefe mandel niete nickel ohm positiv elf drilling""".split()  # noqa: SIM905
)
_OF_OTHER_GENDERS = frozenset(
    frozenset(pair.split())
    for pair in ("der die", "der das", "die das", "den die", "den das", "dem der", "einen eine", "ein eine",
                 "einen ein", "einem einer")
)  # fmt: skip
_MOVES_ALONE = frozenset({"quantifier:only", "quantifier:nearly", "particle:even"})
_THIS = frozenset(
    "this these dieser diese dieses diesen diesem questo questa questi queste este esta estos estas".split()  # noqa: SIM905
)
_THAT = frozenset(
    """that those jener jene jenes jenen jenem quello quella quel quei quelle ese esa esos esas aquel aquella aquellos
    aquellas""".split()  # noqa: SIM905
)
_INFINITIVES = frozenset(["to", "a", "por", "da", "zu"])  # without diacritics
_TO_DO = frozenset([("to", "do"), ("a", "faire"), ("por", "hacer"), ("da", "fare"), ("zu", "tun")])
_DONE = frozenset(
    "done fait faits faite faites hecho hechos hecha hechas fatto fatti fatta fatte getan".split()  # noqa: SIM905
)
_SOMEBODY = frozenset(["someon", "somebodi", "quelqu'", "alguien", "qualcuno", "jemanden", "jemandem"])
_BOTH_WAYS = frozenset(["marri", "divorc", "dress", "engag"])  # 'get married' is 'marry'


def parts(stored: Reading, asked: Reading, found: set[str], *, same: bool) -> None:
    """What the same words say in other parts, where at most one on each side differs (`same`: none does)."""
    if stored.focus != asked.focus and len(stored.focus) == len(asked.focus) and _refocused(stored, asked):
        found.add("quantifier")  # 'only I can', 'I can only'
    if _reworded(stored, asked):
        found.add("spelling")  # 'hoping', 'hopping'
    if stored.language in _GENDERED and _regendered(stored, asked):
        found.add("sibling")
    if (
        stored.dangling != asked.dangling
        and not _apart(stored, asked)
        and (_stranded(stored, asked) or _stranded(asked, stored))
    ):
        found.add("roles")  # 'what is it made from', 'what is made from it'
    if _suffered(stored, asked) or _suffered(asked, stored):
        found.add("roles")  # 'is it normal to pay', 'is it normal to be paid'
    if _ahead(stored, asked) or _ahead(asked, stored):
        found.add("tense")  # 'a list of tasks to do', 'a list of tasks done'
    if not same:
        return
    for ours, theirs in ((_repeated(stored.keys), _repeated(asked.keys)), (_joined(stored), _joined(asked))):
        if ours != theirs and sorted(ours) == sorted(theirs):
            found.add("order")
    if stored.keys == asked.keys and stored.language == "en" and _meant(stored, asked):
        found.add("particle")  # 'what does "put up" mean', 'what does "put up with" mean'
    if stored.dangling and asked.dangling and stored.dangling != asked.dangling:
        found.add("direction")  # 'who is it about', 'who is it by'
    if _pointed(stored, asked):
        found.add("sibling")  # 'this road', 'that road'
    if stored.held != asked.held and stored.passive == asked.passive and stored.language == "en":
        _held(stored, asked, found)
    said_of = _COPULAS.isdisjoint(stored.empty) != _COPULAS.isdisjoint(asked.empty)
    if said_of and stored.keys == asked.keys and stored.kind == "who" and not (stored.passive or asked.passive):
        found.add("roles")  # 'who sent it', 'who was sent it'
    if stored.keys == asked.keys and stored.leads != asked.leads and stored.language == "en" and _which(stored, asked):
        found.add("kind")
    if stored.keys == asked.keys and _exchanged(stored.articles, asked.articles):
        found.add("roles")  # 'der Hund den Mann', 'den Hund der Mann'
    if stored.keys == asked.keys and stored.leads != asked.leads and _of_the_other_gender(stored, asked):
        found.add("sibling")  # 'il fine', 'la fine'
    if stored.keys == asked.keys and _elsewhom(stored, asked):
        found.add("person")  # 'comment la contacter', 'comment le contacter'
    if stored.object != asked.object and stored.language != "en" and stored.passive == asked.passive:
        found.add("roles")  # 'wen sah er', 'wer sah ihn'
    if stored.kind == "who" == asked.kind and (_object(stored, asked) or _object(asked, stored)):
        found.add("roles")  # 'who do I call', 'who calls'
    if _for_whom(stored, asked) or _for_whom(asked, stored):
        found.add("roles")  # 'is it rude to hug guests', 'is it rude for guests to hug'
    if _turned_about(stored, asked) or _turned_about(asked, stored):
        found.add("roles")  # 'who was taught by Plato', 'who taught Plato'
    if (stored.doer and asked.passive) or (asked.doer and stored.passive):
        found.add("roles")  # 'by whom was he seen', 'who was seen by him'


def _meant(stored: Reading, asked: Reading) -> bool:
    """English: whether the expression that 'mean' stands behind ends in another particle."""
    if "mean" not in stored.content:
        return False
    at = stored.keys.index("mean")
    one, other = stored.leads[at], asked.leads[at]
    if at == 0:
        return bool(stored.dangling or asked.dangling) and stored.dangling != asked.dangling
    return one != other and not _ENDS_OF_VERBS.isdisjoint({one, other})


def _object(one: Reading, other: Reading) -> bool:
    """English: whether `one` asks for whom somebody does it to, and `other` for who does it."""
    if one.language != "en" or one.object == other.object or one.undergone or other.undergone:
        return False
    return one.object and bool(one.persons) and not other.persons


def _for_whom(one: Reading, other: Reading) -> bool:
    """English: whether who does it in `one` ('for guests to hug') is who it is done to in `other`."""
    if one.language != "en" or set(one.keys) != set(other.keys):
        return False
    return any(
        governor == "for" and lead == "to" and other.keys.index(verb) + 1 == other.keys.index(key)
        for key, governor, verb, lead in zip(one.keys, one.governors, one.keys[1:], one.leads[1:], strict=False)
    )


def _turned_about(one: Reading, other: Reading) -> bool:
    """Whether who does it in the passive of `one` stands behind the verb of `other`, as who it is done to."""
    if not one.passive or other.passive or set(one.keys) != set(other.keys) or other.object:
        return False
    agent = lexicon(one.language).agent
    if one.kind == "who" == other.kind and one.language != "de" and one.keys == other.keys:
        own = zip(one.governors, other.governors, strict=True)
        return any(governor == agent and then in {"", "to"} for governor, then in own)
    for at, (key, governor) in enumerate(zip(one.keys, one.governors, strict=True)):
        if at and governor == agent and one.keys[at - 1] in one.undergone:
            behind, verb = other.keys.index(key), other.keys.index(one.keys[at - 1])
            if behind > verb and other.governors[behind] in {"", "to"} and other.forms[verb][-3:] != "ing":
                return True
    return False


def _suffered(one: Reading, other: Reading) -> bool:
    """Whether somebody does in `other`, with nothing that it is done to, what is done to the same one in `one`."""
    if one.doer or one.persons != other.persons:
        return False  # 'when was it built', 'when did they build it'
    keys = tuple([key for key in other.keys if key not in _SOMEBODY])
    whom = keys != other.keys or not _SOMEBODY.isdisjoint(other.empty)
    if one.keys != keys or (one.anyone != other.anyone and not whom):
        return False
    if one.language == "de":
        return one.kind != "how" and _becomes(one) and not _becomes(other)
    known = lexicon(one.language)
    for key in one.undergone - other.undergone - _BOTH_WAYS:
        at = other.keys.index(key)
        direct = other.governors[at + 1 : at + 2] == ("",) and other.keys[at + 1] not in _SOMEBODY
        both = other.leads[at] in one.empty  # 'questions to be asked'
        told = not both and other.leads[at] in _INFINITIVES and other.kind in {"what", "how", "where", "when"}
        if not (direct or told or known.is_participle(other.forms[at]) or other.leads[at] in known.copulas):
            return True
    return False


def _becomes(reading: Reading) -> bool:
    """German: whether a form of 'werden' stands there."""
    return not lexicon("de").copulas.isdisjoint(reading.empty)


def _ahead(one: Reading, other: Reading) -> bool:
    """Whether what is still to be done in `one` is done in `other`."""
    if one.kind in {"what", "how"}:
        return False  # 'what to do about it', 'what can be done about it'
    if _DONE.isdisjoint((*one.empty, *one.forms)) and not _DONE.isdisjoint((*other.empty, *other.forms)):
        return any(pair in _TO_DO for pair in itertools.pairwise(one.empty))
    if len(one.keys) != len(other.keys) or one.leads == other.leads:
        return False
    known = lexicon(one.language)
    for at, (lead, then) in enumerate(zip(one.leads, other.leads, strict=True)):
        if at and lead in _INFINITIVES and then not in _INFINITIVES and other.keys[at] not in other.undergone:
            form, told = one.forms[at], other.forms[at]
            ahead = form.endswith("enden") or not known.is_participle(form)  # 'zu erledigenden'
            if (one.keys[at] == other.keys[at] or form[:4] == told[:4]) and ahead and known.is_participle(told):
                return True
    return False


def _refocused(stored: Reading, asked: Reading) -> bool:
    """Whether a focus word stands before another word; 'some' and its like only where both texts have both words."""
    ours, theirs = set(stored.focus) - set(asked.focus), set(asked.focus) - set(stored.focus)
    moved = {mark for mark, _ in ours} == {mark for mark, _ in theirs}
    if moved and {word for _, word in ours | theirs} <= reordered(stored, asked):
        return False  # 'only eggs and feta', 'only feta and eggs'
    if any(mark in _MOVES_ALONE for mark, _ in ours | theirs):
        return True
    return {word for _, word in ours} <= asked.content and {word for _, word in theirs} <= stored.content


def _apart(stored: Reading, asked: Reading) -> bool:
    """English: whether a particle stands on the other side of the object: 'plug in the lamp', 'plug the lamp in'."""
    if (
        stored.language != "en"
        or stored.keys != asked.keys
        or stored.kind != asked.kind
        or stored.object
        or asked.object
    ):
        return False
    one, other = (stored, asked) if stored.dangling else (asked, stored)
    if one.kind in {"what", "who", "where"} or one.dangling not in {"in", "on", "over", "out"} or other.dangling:
        return False
    return (*other.governors[:-1], "") == one.governors and other.governors[-1] == one.dangling


def _stranded(one: Reading, other: Reading) -> bool:
    """Whether the preposition at the end of `one` stands before a word in `other`, and not before what is asked for."""
    return (
        bool(one.dangling)
        and not other.dangling
        and any(
            governor == one.dangling and key in one.keys and one.governors[one.keys.index(key)] != governor
            for key, governor in list(zip(other.keys, other.governors, strict=True))[1:]
        )
    )


def _pointed(stored: Reading, asked: Reading) -> bool:
    """Whether one text points at what is near where the other points at what is far."""
    here, there = (
        sum(word in side for word in stored.empty) - sum(word in side for word in asked.empty)
        for side in (_THIS, _THAT)
    )
    return here * there < 0


def _repeated(keys: tuple[str, ...]) -> list[str]:
    """The words that stand more than once, in order: 'how did Nike beat Puma after Puma had copied Nike'."""
    return [key for key in keys if keys.count(key) > 1] if len(set(keys)) < len(keys) <= MOST_MOVED else []


def _joined(reading: Reading) -> list[str]:
    """Where both join, the order of 'and' and 'or': 'a and b, or c', 'a, or b and c'."""
    found = [word for word in reading.empty if word in {"and", "or"}]
    return found if len(set(found)) > 1 else []


def _held(stored: Reading, asked: Reading, found: set[str]) -> None:
    """Adds 'direction' where a person hangs on another preposition: 'work with him', 'work for him'."""
    for person in {person for person, _ in (*stored.held, *asked.held)}:
        ours = sorted([governor for other, governor in stored.held if other == person])
        theirs = sorted([governor for other, governor in asked.held if other == person])
        if len(ours) == len(theirs) and ours != theirs:
            found.add("direction")
        elif len(ours) != len(theirs) and not _AT_SOMEBODY.isdisjoint(set(ours) ^ set(theirs)):
            found.add("direction")  # 'why does it bark', 'why does it bark at me'


def _which(stored: Reading, asked: Reading) -> bool:
    """Whether one asks for one of a kind and one for the one that is known: 'what is a moon', 'what is the moon'."""
    if stored.kind != asked.kind or stored.kind not in {"what", "who"} or (stored.kind == "what" and stored.keys[1:]):
        return False
    theirs = dict(zip(asked.keys, asked.leads, strict=True))
    return any(
        {one, theirs[key]} in ({"a", "the"}, {"an", "the"}) for key, one in zip(stored.keys, stored.leads, strict=True)
    )


def _elsewhom(stored: Reading, asked: Reading) -> bool:
    """Whether a short pronoun before a verb, or grown on to it, is another."""
    clitics = _CLITICS.get(stored.language, frozenset())
    return any(
        (one != other and form == as_asked and one in clitics and other in clitics)
        or handed(form, as_asked, stored.language)
        for form, as_asked, one, other in zip(stored.forms, asked.forms, stored.leads, asked.leads, strict=True)
    )


def _of_the_other_gender(stored: Reading, asked: Reading) -> bool:
    """Whether the article alone says that another thing of the same name is meant."""
    articles = _ARTICLES.get(stored.language, frozenset())
    for form, as_asked, one, other in zip(stored.forms, asked.forms, stored.leads, asked.leads, strict=True):
        if form == as_asked and one != other:
            named = stored.language == "de" and form in _OF_TWO_GENDERS and frozenset((one, other)) in _OF_OTHER_GENDERS
            if named or {one, other} <= articles:
                return True
    return False


def _exchanged(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return one != other and sorted(one) == sorted(other)


_DONE_AS = {"es": re.compile(r"([aiu])d[oa]s?$"), "it": re.compile(r"([aiu])t[oaie]$")}


def _otherwise(one: str, other: str, language: str) -> bool:
    """Whether two forms end as the participles of verbs of two kinds, and are two words: 'nitrato', 'nitrito'."""
    pattern = _DONE_AS.get(language)
    ours, theirs = (pattern.search(one), pattern.search(other)) if pattern else (None, None)
    return bool(ours and theirs and ours[1] != theirs[1])


def _reworded(stored: Reading, asked: Reading) -> bool:
    """Whether a word of one text is in the other one of the same stem that is not the same word."""
    if stored.forms == asked.forms:
        return False
    ours, theirs = Counter(stored.forms), Counter(asked.forms)
    return any(other_word(one, other, stored.language) for one in ours - theirs for other in theirs - ours)


def _regendered(stored: Reading, asked: Reading) -> bool:
    """Whether a word that stands in both has its other gender in one: 'vecino', 'vecina'; 'Arzt', 'Ärztin'."""
    ours, theirs = (dict(zip(of.keys, of.forms, strict=True)) for of in (stored, asked))
    for key, form in ours.items():
        other = theirs.get(key, form)
        if form == other:
            continue
        one, two = sorted((form.removesuffix("s"), other.removesuffix("s")), key=len)
        if stored.language == "de":
            found = two in {one + "in", one + "innen"}
        elif stored.language == "fr":
            found = two in {one + "e", one + one[-1] + "e"}
        else:
            swapped = len(one) == len(two) > 3 and one[:-1] == two[:-1] and {one[-1], two[-1]} == {"a", "o"}
            found = swapped or (stored.language == "es" and two == one + "a")
        if (
            found
            or _otherwise(form, other, stored.language)
            or paired(one, two, stored.language)
            or paired(form, other, stored.language)
        ):
            return True
    return False

"""Reads a short text once, so that comparing it with another costs microseconds.

Rules kept here:
1. Pure: a reading is a function of (text, language).
2. What only dresses a question is taken off before anything is compared (`framing`). What is left is content
   words in order, each with the preposition it hangs on, and marks: what the guards compare.
3. Bounded: of a text longer than LONGEST characters only the beginning is read, and the reading says so.

It compares nothing and keeps nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.similar import numerals
from appliance.similar.framing import Spoken, asking, caused, controlled, spoken
from appliance.similar.lexicon import LANGUAGES, LONGEST_WORD, OF_PLACES, Entry, Lexicon, entry, lexicon
from appliance.similar.scan import Token, normal
from appliance.similar.surface import Surface, surface
from appliance.similar.wording import undecorated, worded

__all__ = ["COMPASS", "LANGUAGES", "LONGEST", "Reading", "read"]

LONGEST = 2_000  # characters
NAME_WEIGHT = 1.4
COMPASS = frozenset(
    """north south east west new old nord sud ost sued norte sur este oeste est ovest democratic federal republic great
    northern southern eastern western lower upper inner outer central greater equatorial lake""".split()  # noqa: SIM905
)
_SHORT_UNITS = {
    "m": "m", "g": "g", "l": "l", "h": "h", "s": "s", "w": "w", "v": "v", "a": "a", "c": "celsius", "f": "fahrenheit",
    "k": "k", "b": "b", "t": "tonne",
}  # fmt: skip
_SIGN_UNITS = {"%": "%", "$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "₹": "inr", "°": "degree", "₿": "btc"}
_ROMAN = {"II": "2", "III": "3", "IV": "4", "VI": "6", "VII": "7", "VIII": "8", "IX": "9", "XI": "11", "XII": "12"}
_WITH = re.compile(r"(?<!\S)w/(o)?(?!\S)|(?<!\S)w/(?=[^\W\d]{2})", re.IGNORECASE)
_AND = re.compile(r"(?<=[^\W\d_]{3}) & (?=[^\W\d_]{3})")  # 'bread & butter', not 'a & b'
_ANDS = {"en": "and", "de": "und", "fr": "et", "es": "y", "it": "e"}
_SPACE = re.compile(r"\s+")
_FOCUS = frozenset({"quantifier:only", "quantifier:nearly", "particle:even"})
_SHARES = frozenset({"some", "all", "most", "many", "few"})  # of what follows; 'usually' may stand anywhere
_POSSESSIVES = frozenset(["my", "your", "his", "our", "their", "its", "mine", "yours", "ours", "theirs"])
_NOTS = frozenset({"not", "nicht", "pas", "no", "non"})
_JOINED = frozenset({"and", "but", "or"})
_RELATIVE = frozenset(["who", "whom", "which", "that", "qui", "que", "che", "quien"])
_CASES = frozenset(["der", "den", "dem", "des", "ein", "einen", "einem", "eines", "er", "ihn", "ihm"])
_MODELS = frozenset({"pro", "max", "mini", "ultra"})
_NEAR = 3  # words between 'have' and its participle
_IDENTIFIER = re.compile(r"[a-z]{2,40}\d*(?:[A-Z][A-Za-z0-9]{0,40})+")  # 'getUser'; not 'iPhone'


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as the guards see it. The tuples from `keys` to `known` have one value per content word, in order."""

    text: str
    language: str
    plain: str  # case-folded, one space between words; of the whole text
    long: bool = False  # more than LONGEST characters: only `plain` speaks for the rest
    keys: tuple[str, ...] = ()  # stem, or what synonyms share
    forms: tuple[str, ...] = ()  # as they stand, without diacritics
    weights: tuple[float, ...] = ()
    governors: tuple[str, ...] = ()  # the preposition that a word hangs on
    chained: tuple[bool, ...] = ()  # joined to the one before by 'and' or a comma alone
    gaps: tuple[bool, ...] = ()  # something stands between it and the one before
    nominal: tuple[bool, ...] = ()  # surely a noun, a name or a number
    known: tuple[bool, ...] = ()
    content: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()  # every key and form: what a name may be found among
    entities: tuple[tuple[str, ...], ...] = ()
    codes: frozenset[str] = frozenset()
    quotes: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()
    tenses: frozenset[str] = frozenset()
    persons: tuple[str, ...] = ()
    anyone: bool = False  # speaks of whoever it may be: 'one', 'man', 'on'
    subjects: frozenset[str] = frozenset()  # persons that a verb alone says, where pronouns are left out
    pronouns: tuple[str, ...] = ()  # as they stand, sorted; empty where one person alone asks
    kind: str = ""
    passive: bool = False
    empty: tuple[str, ...] = ()  # function words that are left, in order
    grams: frozenset[str] = frozenset()  # three letters each, of `forms`
    inner: frozenset[str] = frozenset()  # kinds of question words inside, other than `kind`
    surface: Surface = Surface()
    doer: bool = False  # asks who did it: 'by whom was he seen'
    object: bool = False  # asks for the object: 'whom did he see'
    relative: bool = False  # has a clause that says more of something: 'the man who saw him'
    focus: tuple[tuple[str, str], ...] = ()  # 'only', 'even', 'some', each with the word that it stands before
    held: tuple[tuple[str, str], ...] = ()  # persons, each with the preposition it hangs on
    dangling: str = ""  # the preposition at the end, or before the question word: of what is asked for
    leads: tuple[str, ...] = ()  # the function word right before each content word, or ''
    undergone: frozenset[str] = frozenset()  # keys of participles that a form of 'be' stands right before
    articles: tuple[str, ...] = ()  # that tell cases apart, in order


def read(text: str, language: str) -> Reading:
    """Reads `text`, which is in `language` (ISO 639-1). For one that is not in LANGUAGES only `plain` is made."""
    bare = undecorated(text)
    smooth = worded(normal(bare), language)
    if language == "en" and "/" in smooth:
        smooth = _WITH.sub(lambda found: "without " if found[1] else "with ", smooth)
    if "&" in smooth:
        smooth = _AND.sub(f" {_ANDS.get(language, '&')} ", smooth)
    plain = _SPACE.sub(" ", smooth).strip().casefold()
    if language not in LANGUAGES:
        return Reading(text, language, plain)
    known = lexicon(language)
    said = spoken(smooth[:LONGEST], known)
    walk = _Walk(said, known)
    walk.walk()
    return walk.reading(text, plain, surface(bare, smooth[:LONGEST], known), long=len(smooth) > LONGEST)


class _Walk:
    """One pass over the words of a text, with what is held in mind on the way."""

    def __init__(self, said: Spoken, known: Lexicon) -> None:
        self.said, self.lexicon = said, known
        self.words: list[tuple[str, str, float, str, bool, bool, bool, bool]] = []
        self.marks: list[str] = [f"modality:{said.modality}"] if said.modality else []
        self.persons: list[str] = []
        self.empty: list[str] = []
        self.pronouns: list[str] = []
        self.found: list[str] = []
        self.entities: list[tuple[str, ...]] = []
        self.span: list[str] = []
        self.governor = ""
        self.since = 0  # content words since the governor
        self.joined = self.determined = self.counted = self.passive = False
        self.gap = True
        self.focus: list[tuple[str, str]] = []
        self.held: list[tuple[str, str]] = []
        self.pending = self.lead = ""
        self.leads: list[str] = []
        self.copula, self.have, self.perfect = False, -9, False
        self.being = False  # a form of 'be' stands since the last content word
        self.undergone: list[str] = []
        words = [token.text for token in said.tokens if token.kind == "word"]
        capital = sum([word[0].isupper() for word in words])
        self.titled = len(words) >= 4 and capital >= 0.7 * len(words)  # capitals say nothing then
        self.nouns_capital = known.words.nouns_capital and capital > 1

    def walk(self) -> None:
        """Reads all words."""
        said, known = self.said, self.lexicon
        forms, tokens = said.forms, said.tokens
        self._tense()
        position, end = 0, len(forms)
        while position < end:
            form, token = forms[position], tokens[position]
            if token.kind == "word":
                if form in known.numbers or form in known.multipliers:
                    value, count = numerals.spelled(forms, position, known.numbers, known.multipliers, known.link)
                    if count:
                        self._number(str(value))
                        position += count
                        continue
                if not (self.counted and self._counted(form, tokens[position - 1])):
                    self.counted = False
                    self._word(form, token, position)
            else:
                self._sign(token.kind, form, token, last=position + 1 == end)
            position += 1
        self._end_name()

    def _add(self, key: str, form: str, weight: float, *, noun: bool, common: bool = True) -> None:
        self.words.append((key, form, weight, self.governor, self.joined, self.gap, noun, common))
        self.leads.append(self.lead)
        self.lead = ""
        if self.pending:
            self.focus.append((self.pending, key))
            self.pending = ""
        self.joined = self.gap = self.determined = False
        self.since += 1

    def _number(self, value: str) -> None:
        self._end_name()
        self.marks.append(f"number:{value}")
        self._add(f"#{value}", value, 1.0, noun=True)
        self.counted = True

    def _counted(self, form: str, before: Token) -> bool:
        """Whether `form` belongs to the number before it: a unit, or the ending of an ordinal."""
        unit = self.lexicon.units.get(form) or _SHORT_UNITS.get(form)
        if unit:
            self.marks.append(f"unit:{unit}")
            self.found += (form, f"unit {unit}")
            self.counted = False
            return True
        return form in numerals.ORDINAL.get(self.lexicon.language, ()) and before.kind == "number"

    def _end_name(self) -> None:
        if self.span:
            self.entities.append(tuple(self.span))
            self.span = []

    def _word(self, form: str, token: Token, position: int) -> None:
        known = self.lexicon
        if form == "'s":
            if self.words:
                self.words[-1] = (*self.words[-1][:3], "of", *self.words[-1][4:])
            self.gap = False
            return
        if token.text in _ROMAN:
            self._number(_ROMAN[token.text])
            return
        if token.text == "A" and not (token.begins or self.titled):
            self._end_name()
            self._add("`A", form, 1.0, noun=True)  # 'is A better than B'
            return
        found = entry(known.language, form[:LONGEST_WORD])
        for mark in found.marks:
            shares = form in _SHARES and mark.startswith("quantifier:")
            if mark in _FOCUS or shares or (form in _NOTS and self._alone(token, position)):
                self.pending = mark
            if mark.startswith("person:"):
                if self.pending:
                    self.focus.append((self.pending, mark))
                    self.pending = ""
                if form == "sie" and token.text == form and self._many(position):
                    mark = "person:they"  # noqa: PLW2901
                self.persons.append(mark[7:])
                if found.folded not in _POSSESSIVES:
                    self.held.append((mark[7:], "" if self.since else self.governor))
                self.pronouns.append(found.folded)
            elif self._meant(mark, found, position):
                if mark == "quantifier:exactly" and self._before_number(position):
                    mark = "quantifier:precisely"  # noqa: PLW2901
                self.marks.append(mark)
                if mark == "tense:past" and known.words.past_kept and found.role == "content":
                    self.marks.append(f"past:{found.key}")
        if found.role == "content":
            self._content(form, token, found, position)
            return
        self._end_name()
        self.empty.append(found.folded)
        self.lead = found.folded
        if found.role == "governor":
            self.passive = self.passive or (self.copula and found.governor == known.agent)
            self.governor, self.since, self.joined, self.gap, self.determined = found.governor, 0, False, True, False
        elif found.role == "joiner":
            self.joined, self.gap = bool(self.words), True
        elif found.role == "determiner":
            if self.since and not self.joined:
                self.governor, self.since = "", 0
            self.determined = self.gap = True
        else:
            self.copula = self.copula or found.copula
            self.being = self.being or found.copula
            if form in known.haves:
                self.have = position
            self.governor, self.joined, self.gap, self.determined, self.since = "", False, True, False, 0

    def _alone(self, token: Token, position: int) -> bool:
        """Whether a 'not' stands before what it negates: "isn't it warm" is 'is it not warm'."""
        return token.form in _NOTS or (position > 1 and self.said.forms[position - 2] in _JOINED)

    def _many(self, position: int) -> bool:
        """German: whether a verb beside 'sie' says that it is more than one: 'wohnen sie'."""
        return any(
            form.endswith("en") or form == "sind" for form in self.said.forms[max(0, position - 1) : position + 2]
        )

    def _before_number(self, position: int) -> bool:
        following = self.said.tokens[position + 1 : position + 2]
        return bool(following) and (following[0].kind == "number" or following[0].form in self.lexicon.numbers)

    def _meant(self, mark: str, found: Entry, position: int) -> bool:
        """Whether a mark of time is: 'built' is no past in 'is built', nor 'has' a present in 'has built'."""
        if mark == "tense:past" and found.role == "content":
            return not self.copula and position - self.have > _NEAR
        if mark == "tense:habit":
            return not self.copula
        return mark != "tense:present" or not self.perfect or found.folded not in self.lexicon.haves

    def _content(self, form: str, token: Token, found: Entry, position: int) -> None:
        known, key = self.lexicon, found.key
        if _IDENTIFIER.fullmatch(token.text):
            self._end_name()
            self.said.codes.append(token.text)
            self._add(f"`{token.text}", form, NAME_WEIGHT, noun=True)
            return
        unit = known.units.get(form)
        if unit:
            self.marks.append(f"sibling:unit={unit}")
        name = self._is_name(token, found) or (bool(self.span) and form in OF_PLACES)
        if name:
            self.span.append(key := form if form in COMPASS else key)  # 'Lower Saxony' is no decrease
        else:
            self._end_name()
        if self.being and known.is_participle(form):
            self.undergone.append(key)
        self.being = False
        determined = self.determined
        if determined and self.since and not self.joined:
            self.governor, self.since = "", 0
        noun = name or (
            token.text[:1].isupper() and not token.begins
            if self.nouns_capital
            else determined or bool(self.governor) or self._plain_noun(form)
        )
        self._add(key, found.folded, NAME_WEIGHT if name else found.weight, noun=noun, common=found.known)
        for mark in found.marks:
            if mark.startswith("degree:e"):
                self.marks.append(f"{mark[7:]}:{key}")
        if not self.copula and not determined and position - self.have > _NEAR:
            # Where the ending of a past goes with the stem, the two forms have no key in common.
            if known.future.fullmatch(form):
                self.marks.append("tense:future")
            elif known.past.fullmatch(form):
                self.marks.append(f"past:{key}" if known.words.past_kept else "tense:past")

    def _plain_noun(self, form: str) -> bool:
        known = self.lexicon
        return known.words.nouns_plain and not (form.endswith("ing") or known.is_participle(form))

    def _sign(self, kind: str, form: str, token: Token, *, last: bool) -> None:
        self._end_name()
        counted, self.counted = self.counted, False
        if kind == "number":
            self._number(numerals.digits(form, comma_decimal=self.lexicon.words.comma_decimal))
        elif kind == "time":
            self._number(numerals.clock(form))
        elif kind == "date":
            self._number(numerals.day(form, day_first=self.lexicon.language != "en"))
        elif kind == "code":
            self.said.codes.append(token.text)
            self._add(f"`{token.text}", form, NAME_WEIGHT, noun=True)
        elif kind == "comma":
            self.joined = self.joined or bool(self.words and not last)
            self.gap = True
        elif kind == "stop":
            self.governor, self.joined, self.gap, self.determined, self.since = "", False, True, False, 0
            self.copula = False
        elif form in _SIGN_UNITS:
            self.marks.append(f"unit:{_SIGN_UNITS[form]}")
            self.found.append(f"unit {_SIGN_UNITS[form]}")
        elif form in {"/", "&"}:
            self.joined, self.gap = bool(self.words), True
        elif form != "-":
            self.marks.append(f"sign:{form}")
            self.empty.append(form)
        elif counted:
            self.marks.append("sign:-")

    def _tense(self) -> None:
        """Marks a past made of 'have' and a participle, and a future made of 'will' where no participle is."""
        known, forms = self.lexicon, self.said.forms
        if not known.haves.isdisjoint(forms):
            for at, form in enumerate(forms):
                last = known.language == "de" and at + 1 == len(forms)  # 'wer ihn gebaut hat'
                if form in known.haves and any(
                    map(self._participle, forms[at - 1 : at] if last else forms[at + 1 : at + 6])
                ):
                    self.marks.append("tense:pluperfect" if form == "had" else f"tense:{known.words.perfect}")
                    self.perfect = True
                    break
        if not known.wills.isdisjoint(forms):
            passive = any(known.participle.fullmatch(form) and not known.infinitive.fullmatch(form) for form in forms)
            self.marks.append("tense:present" if passive else "tense:future")

    def _participle(self, form: str) -> bool:
        """Whether `form` is a participle; of irregular forms not 'sings' and 'singing'."""
        known = self.lexicon
        return bool(known.participle.fullmatch(form)) or (
            known.language == "en" and known.is_participle(form) and not form.endswith(("s", "ing"))
        )

    def _is_name(self, token: Token, found: Entry) -> bool:
        if found.name:
            return True
        text = token.text
        if found.folded in _MODELS and self.words[-1:] and self.words[-1][0].startswith("#"):
            return True  # 'iPhone 14 Pro'
        if self.titled or len(text) < 2 or text.islower() or not text[0].isalpha():
            return False
        if not text[1:].islower() and text[1:] != text[1:].lower():
            return True  # an acronym, or a capital inside
        if self.lexicon.words.nouns_capital or token.begins or not text[0].isupper():
            return False
        return not found.listed or found.folded in COMPASS

    def reading(self, text: str, plain: str, written: Surface, *, long: bool) -> Reading:
        """The Reading of all that was walked over."""
        said, marks = self.said, self.marks
        if self.lexicon.language == "en":
            marks = [*marks, *controlled(said.forms)]
        if caused(said, self.lexicon):
            marks = [*marks, "voice:caused"]
        if "tense:future" in marks and "condition:if" in marks and said.kind in {"what", "how"}:
            marks = [mark for mark in marks if mark != "tense:future"]  # 'what will happen if' is 'what happens if'
        if said.kind and said.kind != "polar":  # 'what are some' is 'what are the', and 'how exactly' is 'how'
            marks = [mark for mark in marks if mark not in {"quantifier:some", "quantifier:exactly"}]
        if said.kind == "how":  # 'how can dogs swim' is 'how do dogs swim'
            marks = [mark for mark in marks if mark != "modality:can"]
        keys, forms, weights, governors, chained, gaps, nominal, common = (
            zip(*self.words, strict=True) if self.words else ((),) * 8
        )
        letters = " ".join(forms)
        kinds = self.lexicon.kind_words
        persons = asking((*said.askers, *self.persons), said)
        return Reading(
            text, self.lexicon.language, plain, long, keys, forms, weights, governors, chained, gaps, nominal, common,
            content=frozenset(keys),
            names=frozenset((*keys, *forms, *self.found, *self.empty)),
            entities=tuple(self.entities),
            codes=frozenset(said.codes),
            quotes=frozenset(said.quotes),
            marks=numerals.numbered(marks),
            tenses=frozenset([mark[6:] for mark in marks if mark.startswith("tense:")]),
            persons=persons,
            anyone=said.anyone,
            subjects=frozenset(said.subjects),
            pronouns=() if persons == ("self",) else tuple(sorted(self.pronouns)),
            kind=said.kind,
            passive=self.passive and any(map(self.lexicon.is_participle, said.forms)),
            empty=tuple(self.empty),
            grams=frozenset([letters[at : at + 3] for at in range(max(1, len(letters) - 2))]),
            inner=frozenset([kinds[form] for form in said.forms if form in kinds]) - {said.kind},
            surface=written,
            doer=said.doer,
            object=said.object,
            relative=not _RELATIVE.isdisjoint(said.forms),
            focus=tuple(sorted(self.focus)),
            held=(*[(person, "") for person in said.askers], *self.held),
            dangling=said.asked_by or ("" if self.since else self.governor),
            leads=tuple(self.leads),
            undergone=frozenset(self.undergone),
            articles=tuple([form for form in said.forms if form in _CASES]) if self.lexicon.language == "de" else (),
        )  # fmt: skip

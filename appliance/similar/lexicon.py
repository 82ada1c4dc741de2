"""A language's word lists, compiled: what one word is, in one look-up.

Rules kept here:
1. A word is found as written, else without diacritics, else by its stem; function words never by their stem.
2. What a word is depends on the word and the language alone, so answers are kept for the words seen last.

It reads no text.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from appliance.similar.stems import STEMMERS, fold
from appliance.similar.words.form import Words
from appliance.similar.words.names import NAMES

LANGUAGES: frozenset[str] = frozenset(STEMMERS)
LONGEST_WORD = 40  # characters; a longer one is cut
SEEN_WORDS = 16_384  # words whose entries are kept
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
OF_PLACES = frozenset({"state", "province", "county", "river", "airport", "university"})  # 'Washington state'
FAINT = 0.3
KNOWN = 0.8


@dataclass(frozen=True, slots=True)
class Entry:
    """One word. `role`: content, empty, determiner, governor, joiner; `key`: what synonyms and forms share.

    `weight`: 0 for a function word, up to about 1.5 for a rare one; `marks`: what the guards compare.
    """

    key: str
    weight: float
    role: str = "content"
    marks: tuple[str, ...] = ()
    governor: str = ""
    copula: bool = False
    name: bool = False
    known: bool = True
    listed: bool = False  # as it stands, not by its stem
    folded: str = ""


@dataclass(slots=True)
class _Draft:
    key: str = ""
    weight: float = -1.0
    role: str = "content"
    marks: list[str] = field(default_factory=list)
    governor: str = ""
    copula: bool = False
    name: bool = False


Sequences = dict[str, tuple[tuple[tuple[str, ...], str], ...]]  # first word -> (the words, what they become)


class Lexicon:
    """All that is known of one language. Made once, never changed."""

    def __init__(self, language: str, words: Words) -> None:
        self.language = language
        self.words = words
        self.stem = STEMMERS[language]
        self._forms: dict[str, _Draft] = {}
        self._without: dict[str, _Draft] = {}  # by what is left without diacritics: 'el' is 'él' only where no 'el' is
        self._stems: dict[str, _Draft] = {}
        self._lemma: dict[str, str] = {}
        self._sequences: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self._fill()
        self.sequences: Sequences = {
            first: tuple(sorted(found, key=lambda pair: -len(pair[0]))) for first, found in self._sequences.items()
        }
        self.agent = words.agent
        self.link = frozenset(words.link.split())
        self.persons = {
            fold(word): mark[7:]
            for mark, listed in words.marks.items()
            if mark.startswith("person:")
            for word in listed.split()
        }
        # Adjectives with a comparative of their own, but for those that only praise: 'small', not 'good'.
        degrees = {*words.marks.get("degree:er", "").split()}
        graded = [line[0] for line in _groups(words.irregular) if not degrees.isdisjoint(line)]
        gradable = [self.entry(word) for word in (*graded, *words.gradable.split())]
        self.gradable = frozenset(found.key for found in gradable if found.weight > FAINT)
        periods = words.siblings.get("period", "").replace("/", " ").split()
        self.periods = frozenset(self.entry(word).key for word in periods)
        self.determiners = frozenset([fold(word) for word in words.determiners.split()])
        self.copulas = frozenset([fold(word) for word in words.copulas.split()])
        self.light = frozenset([self.entry(word).key for word in words.light.split()])
        self.objects = frozenset(words.objects.split())
        self.anyone = frozenset(words.anyone.split())
        self.agreement = {
            form: person
            for person, listed in words.agreement.items()
            for word in listed.split()
            for form in (word, fold(word))
        }
        self.separable = frozenset(words.separable.split())
        self.haves = frozenset(words.haves.split())
        self.wills = frozenset(words.wills.split())
        self.participle = re.compile(words.participle)
        self.plurals = frozenset(words.plurals.replace(";", " ").split())
        self.infinitive = re.compile(words.infinitive or r"(?!)")
        self.past = re.compile(words.past)
        self.future = re.compile(words.future or r"(?!)")
        self.numbers = {**{fold(word): value for word, value in words.numbers.items()}, **words.numbers}
        self.multipliers = dict(words.multipliers)
        self.units = {word: unit for unit, listed in words.units.items() for word in listed.split()}
        self.contractions = {
            **{
                word.replace("'", ""): tuple(full.split())
                for word, full in words.contractions.items()
                if "'" in word
                and language == "en"
                and word.replace("'", "") not in {"its", "id", "hell", "shell", "ill", "well", "were", "lets"}
            },
            **{word: tuple(full.split()) for word, full in words.contractions.items()},
        }
        self.negated = tuple(words.negated.split())
        joiners = words.joiners.split()
        self.kind_words = {
            form: kind
            for kind, listed in words.kind_words.items()
            for word in listed.split()
            for form in (word, fold(word))
            if form == word or form not in joiners
        }
        self.yes_no = frozenset(fold(word) for word in words.yes_no.split())
        self.framing = _pattern(words.framing)
        self.closing = re.compile(r"(?: (?:" + fold("|".join(words.closing)) + r"))+ ?$")
        self.kinds = tuple((re.compile(f"(?:{fold(pattern)}) "), kind) for pattern, kind in words.kinds)

    def _fill(self) -> None:
        words = self.words
        irregular = [*_groups(words.irregular), *_groups(words.plurals)]
        for line in irregular:
            for form in line[1:]:
                self._lemma.setdefault(form, line[0])
                self._lemma.setdefault(fold(form), line[0])
        for word in _listed(words.empty):
            self._form(word).weight = 0.0
            self._form(word).role = "empty"
        for role, listed in (("determiner", words.determiners), ("joiner", words.joiners)):
            for word in _listed(listed):
                self._form(word).weight = 0.0
                self._form(word).role = role
        for governor, listed in words.governors.items():
            for word in _listed(listed):
                draft = self._form(word)
                draft.weight, draft.role, draft.governor = 0.0, "governor", governor
        for word in _listed(words.objects):
            if "_" in word:
                self._form(word).role, self._form(word).weight = "empty", 0.0
        for word in _listed(words.copulas):
            draft = self._form(word)
            draft.weight, draft.role, draft.copula = 0.0, "empty", True
        for mark, listed in words.marks.items():
            for word in _listed(listed):
                draft = self._form(word)
                draft.marks.append(mark)
                if draft.weight < 0.0 and not mark.startswith(("tense:", "degree:e", "format:", "sibling:")):
                    draft.weight, draft.role = 0.0, "empty"
        for word in _listed(words.faint):
            self._content(word, "", FAINT)
        for line in _groups(words.same):
            key = self._root(line[0])
            for word in line:
                self._content(word, key, KNOWN)
        for number, line in enumerate(_groups(words.opposed)):
            side = "a"
            for word in line:
                if word == "|":
                    side = "b"
                else:
                    self._content(word, "", KNOWN, f"opposed:{number}{side}")
        claimed: dict[str, str] = {}  # stem -> the member that it belongs to
        for kind, members in words.siblings.items():
            for member in members.split():
                forms = member.split("/")
                for word in forms:
                    self._content(word, "", KNOWN, f"sibling:{kind}={forms[0]}")
                    if claimed.setdefault(self._root(word), forms[0]) != forms[0]:
                        self._form(word).key = fold(forms[0])  # 'hijo' and 'hija' have one stem
        for line in irregular:
            for word in line:
                self._content(word, "", -1.0)
        for word in _listed(words.real):
            self._form(word)
        for unit, listed in words.units.items():
            for word in _listed(listed):
                self._content(word, f"unit {unit}", KNOWN, by_stem=False)
        for line in _groups(NAMES):
            key = fold(line[0])
            for word in line:
                draft = self._form(word)
                if draft.weight < 0.0:
                    draft.weight, draft.key = 1.4, key
                draft.name = draft.role == "content"
                if self.language == "de":
                    self._forms.setdefault(f"{word}s", draft)

    def _root(self, word: str) -> str:
        plain = fold(word)
        return self.stem(fold(self._lemma.get(word, self._lemma.get(plain, plain))))

    def _form(self, word: str) -> _Draft:
        if "_" in word:
            parts = tuple(word.split("_"))
            found = self._sequences.setdefault(parts[0], [])
            if (parts, word) not in found:
                found.append((parts, word))
        draft = self._forms.get(word)
        if draft is None:
            draft = self._forms[word] = _Draft()
            self._without.setdefault(fold(word), draft)
            if self.language == "de":
                self._without.setdefault(word.translate(_SPELT_OUT), draft)
        return draft

    def _content(self, word: str, key: str, weight: float, mark: str = "", *, by_stem: bool = True) -> None:
        root = self._root(word)
        draft = self._form(word)
        drafts = [draft]
        if by_stem and draft.role == "content" and "_" not in word:
            drafts.append(self._stems.setdefault(root, _Draft()))
        for each in drafts:
            if each.role == "content" and each.weight < 0.0:
                each.weight = weight
            if key and not each.key:
                each.key = key
            if mark and mark not in each.marks:
                each.marks.append(mark)

    def is_participle(self, word: str) -> bool:
        """Whether `word` may be a participle: by its ending, or as an irregular form."""
        return word not in self.plurals and (
            bool(self.participle.fullmatch(word)) or self._lemma.get(word, word) != word
        )

    def entry(self, word: str) -> Entry:
        """What a case-folded word is."""
        word = word[:LONGEST_WORD]
        folded = fold(word)
        draft = self._forms.get(word) or self._forms.get(folded) or self._without.get(folded)
        root = self._root(word)
        by_stem = self._stems.get(root)
        rare = 0.7 + 0.08 * min(10, max(0, len(folded) - 3))
        if draft is None and by_stem is None:
            return Entry(root, rare, known=False, folded=folded)
        marks: list[str] = []
        for each in (draft, by_stem):
            if each is not None:
                told = {mark.partition("=")[0] for mark in marks if mark.startswith("sibling:")}  # 'hija' is no 'hijo'
                marks += [mark for mark in each.marks if mark not in marks and mark.partition("=")[0] not in told]
            if each is draft and draft is not None and draft.role != "content":
                break
        first = draft or by_stem
        assert first is not None
        key = first.key or (by_stem.key if by_stem is not None and first.role == "content" else "") or root
        weight = first.weight
        if weight < 0.0 and by_stem is not None and first.role == "content":
            weight = by_stem.weight
        return Entry(
            key, weight if weight >= 0.0 else min(rare, KNOWN), first.role, tuple(marks), first.governor, first.copula,
            first.name, listed=draft is not None, folded=folded,
        )  # fmt: skip


def _listed(text: str) -> Iterable[str]:
    return text.split()


def _groups(text: str) -> list[list[str]]:
    return [group.split() for group in text.split(";") if group.strip()]


def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("(?:" + "|".join(f"(?:{fold(pattern)})" for pattern in patterns) + ") ")


@functools.cache
def lexicon(language: str) -> Lexicon:
    """The lexicon of one of LANGUAGES; compiled at first use."""
    words: Words = importlib.import_module(f"appliance.similar.words.{language}").WORDS
    return Lexicon(language, words)


@functools.lru_cache(maxsize=SEEN_WORDS)
def entry(language: str, word: str) -> Entry:
    """What `word` (case-folded, at most LONGEST_WORD characters) is in `language`."""
    return lexicon(language).entry(word)

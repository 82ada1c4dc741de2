"""The form in which a language's word lists are written.

Rules kept here:
1. A list is text: words apart by spaces, the words of one expression joined by `_`, groups apart by `;`.
2. Words are written with their diacritics; readers of them also find the form without.

It holds no words and looks nothing up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language. Maps go from a mark, or from a preposition's sense, to the words that carry it."""

    determiners: str
    governors: Mapping[str, str]  # prepositions: what a following noun is to the rest
    joiners: str  # and, or, comma words: what stands beside each other
    copulas: str  # forms of be (or become) that a passive is made with
    empty: str  # function words that say nothing of the matter
    faint: str  # content words that say little of it: thing, way, make
    light: str = ""  # of these what many a verb may stand for: make, get
    marks: Mapping[str, str]  # "guard:mark" -> words
    opposed: str  # groups `a b | c d`
    same: str  # groups of synonyms and spellings; the first is the key
    siblings: Mapping[str, str]  # class -> members; forms of one member apart by `/`
    irregular: str  # groups: lemma, then its forms
    plurals: str = ""  # the same of nouns: forms that no verb has
    negated: str  # prefixes that turn a word into its opposite
    units: Mapping[str, str]  # unit -> words
    numbers: Mapping[str, int]  # number words, and ordinals
    multipliers: Mapping[str, int]
    framing: tuple[str, ...]  # patterns over words at the beginning that only dress the question
    closing: tuple[str, ...]  # the same at the end
    kinds: tuple[tuple[str, str], ...]  # pattern at the beginning, kind of question
    kind_words: Mapping[str, str]  # kind -> single question words, anywhere
    yes_no: str  # verbs that begin a question without a question word
    link: str  # what stands inside a number in words
    agent: str  # the governor of who does it in a passive
    families: str = ""  # groups: words of one stem that are not one, the forms of each apart by `/`
    objects: str = ""  # question words that ask for the object
    gradable: str = ""  # adjectives of size, age, heat, weight, where no irregular form tells them
    anyone: str = ""  # words for whoever it may be: 'one', 'somebody'
    agreement: Mapping[str, str] = field(default_factory=dict)  # person -> verb forms that alone say who it is
    real: str = ""  # words of their own that look like a slip in a listed one
    separable: str = ""  # beginnings of verbs that may stand at the end of the clause
    haves: str = ""  # verbs that make a past with a participle
    perfect: str = "past"  # the mark of such a past
    wills: str = ""  # verbs that make a future, if no participle is there
    participle: str = ""  # patterns over one word
    infinitive: str = ""  # of these what looks like a participle and is none after a verb of `wills`
    past: str = ""
    past_kept: bool = False  # the stem of a past is that of the present
    future: str = ""
    contractions: Mapping[str, str] = field(default_factory=dict)
    elided: bool = False  # "l'homme" is two words
    comma_decimal: bool = False
    nouns_capital: bool = False
    nouns_plain: bool = False  # a word is a noun unless it looks like a verb
    verbs_move: bool = False  # a verb's place says little of who does what: only nouns are compared in order

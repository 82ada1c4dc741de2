"""Words that share a stem and are not one word: 'hoping' and 'hopping', 'customs' and 'custom', 'hombre' and 'hombro'.

Rules kept here:
1. Listed words only, those of the language (`words.families`) and, for English, verbs that a silent `e` alone parts:
   a slip of the keys in any other word is still a slip.
2. Symmetric, and no form is another word than itself.

It reads no text.
"""

from __future__ import annotations

import functools

from appliance.similar.lexicon import lexicon
from appliance.similar.stems import fold

# What is left of two English verbs or nouns when an `e` is taken off one: 'plan' and 'plane'.
_SILENT_E = """bar can car cop cub cut din dot fat fil fin fir gap hat hop kit lath loath mad man mat mop pal pan past
    pil pin pip plan pol prim rag rat rid rip rob rol sag scal scar scrap sham shin sit slim slop snip
    sooth spar spin stag star stal strip stil swath tap teeth til ton tot trip tub tun twin urban wad
    wag win"""
# Of these what is written with two consonants by itself: 'fill'.
_ENDING_IN_TWO = frozenset(["fil", "pil", "pol", "rol", "scal", "stal", "stil", "til"])
_ENDINGS = ("ed", "ing", "er", "ers")


def other_word(one: str, other: str, language: str) -> bool:
    """Whether two folded forms of one stem are two words."""
    families = _families(language)
    ours, theirs = families.get(one, ()), families.get(other, ())
    return any(family == another and side != its for family, side in ours for another, its in theirs)


@functools.cache
def _families(language: str) -> dict[str, tuple[tuple[int, int], ...]]:
    """Of each form the families it belongs to, and which of the words of that family it is."""
    groups = [[word.split("/") for word in group.split()] for group in lexicon(language).words.families.split(";")]
    if language == "en":
        groups += [_sides(root) for root in _SILENT_E.split()]
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    for number, words in enumerate(groups):
        for side, forms in enumerate(words):
            for form in map(fold, forms):
                found[form] = (*found.get(form, ()), (number, side))
    return found


def _sides(root: str) -> list[list[str]]:
    """The forms of an English word without a silent `e`, and of that with it."""
    longer = root if root[-2:] in {"th", "st"} else root + root[-1]
    plain = longer if root in _ENDING_IN_TWO else root
    without = [plain, plain + "s"]
    with_e = [root + "e", root + "es"]
    if longer != root:
        without += [longer + ending for ending in _ENDINGS]
        with_e += [root + ending for ending in _ENDINGS]
    return [without, with_e]

"""One wording for what several say alike: dates, degrees, connectives, tags, both genders named, a face at the end.

Rules kept here:
1. Only where nothing hangs on the choice, whoever asks; where it might (a sign that is asked about), the text stays.
2. A text says the same after it as before. What is left is compared by the guards as any other text.
3. Every pattern is bounded: linear, whatever the text.

It compares nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# Faces, hands and the like; no flags and no things, which may be what is meant.
_FACE = (
    "(?:[\U0001f600-\U0001f64f\U0001f910-\U0001f92f\U0001f970-\U0001f97a\U0001f440-\U0001f450\U0001f389\U0001f38a\U0001f525"
    "\U0001f198\U0001f4a1\U0001f493-\U0001f49f\u2728\u263a\u2764\u2753\u2757][\U0001f3fb-\U0001f3ff\ufe0f\u200d]{0,3}"
    r"|(?<=\s)[:;=]-?[)(DPp/|](?=\s|$))"
)
_AT_END = re.compile(rf"(?:\s{{0,3}}{_FACE}){{1,8}}\s*$")
_AT_BEGINNING = re.compile(rf"^(?:\s{{0,3}}{_FACE}){{1,8}}\s*")
_ABOUT_SIGNS = re.compile(
    r"emoji|emoticon|smil|sign|symbol|icon|face|zeichen|gesicht|visage|signe|simbol|símbol|signo|segno|faccin|cara\b"
    r"|mean|bedeut|heißt|veut dire|significa|vuol dire|\b(?:this|these|das hier|ceci|ça|esto|questo)\b",
    re.IGNORECASE,
)

_MONTHS = {
    "en": "january february march april may june july august september october november december",
    "de": "januar februar märz april mai juni juli august september oktober november dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
}
_MONTH = {code: {name: at for at, name in enumerate(names.split(), 1)} for code, names in _MONTHS.items()}
_ORDINALS = {"en": r"(?:st|nd|rd|th)?", "de": r"\.?", "fr": r"(?:er)?", "es": "[º°]?", "it": "[º°]?"}

Change = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _dates(language: str) -> list[Change]:
    months, ordinal = _MONTH[language], _ORDINALS[language]
    name = "|".join(months)

    def iso(found: re.Match[str]) -> str:
        day, month = int(found["day"]), months[found["month"].lower()]
        return f"{found['year']}-{month:02}-{day:02}" if 1 <= day <= 31 else found[0]

    of = r"(?: of| de)?"
    found = [rf"\b(?:the )?(?P<day>\d{{1,2}}){ordinal}{of} (?P<month>{name}){of},? (?P<year>\d{{4}})\b"]
    if language == "en":
        found.append(rf"\b(?P<month>{name}) (?P<day>\d{{1,2}}){ordinal},? (?P<year>\d{{4}})\b")
    return [(re.compile(pattern, re.IGNORECASE), iso) for pattern in found]


def _degrees(degrees: str) -> list[Change]:
    return [
        (re.compile(r"(?<=\d)\s?°\s?C\b"), f" {degrees} Celsius"),
        (re.compile(r"(?<=\d)\s?°\s?F\b"), f" {degrees} Fahrenheit"),
        (re.compile(rf"\b{degrees} (?:centígrados|centigrades|centigradi)\b"), f"{degrees} Celsius"),
    ]


def _plain(*changes: tuple[str, str]) -> list[Change]:
    return [(re.compile(pattern, re.IGNORECASE), becomes) for pattern, becomes in changes]


_PERSONS = r"(?:it|he|she|they|you|we|i|there)"
_SUPPORTS = r"(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had|must|wo|ca)"
_CHANGES: dict[str, list[Change]] = {
    "en": [
        *_dates("en"),
        *_degrees("degrees"),
        *_plain(
            (r"(?<=\d)\s?([ap])\.\s?m\.?(?!\w)", r" \1m"),
            (r"\b(\d{1,2}) o'clock in the morning\b", r"\1 am"),
            (r"\b(\d{1,2}) o'clock in the (?:afternoon|evening)\b", r"\1 pm"),
            (r"\b(?:in order|so as) to\b", "to"),
            (rf",\s(?:{_SUPPORTS}(?:n't| not)?|ain't) {_PERSONS}(?: not)?\s?\?$", "?"),
            (r",\s(?:right|correct|innit|am i right|is that right|is that correct|isn't that so)\s?\?$", "?"),
        ),
    ],
    "de": [
        *_dates("de"),
        *_degrees("Grad"),
        *_plain(
            (r",\s(?:oder|oder nicht|nicht wahr|stimmt's|stimmt das|richtig|gell|ne)\s?\?$", "?"),
        ),
    ],
    "fr": [
        *_dates("fr"),
        *_degrees("degrés"),
        *_plain(
            (r"\bafin (?=de |d')de ", "pour "),
            (r"\bafin d'", "pour "),
            (r",\s(?:non|n'est-ce pas|pas vrai|hein|c'est (?:bien )?(?:ça|exact|vrai))\s?\?$", " ?"),
        ),
    ],
    "es": [
        *_dates("es"),
        *_degrees("grados"),
        *_plain(
            (r"\b(?:con el fin|a fin) de\b", "para"),
            (r",\s{1,3}(?:no|verdad|cierto|no es así|no es verdad|o no)\s?\?$", "?"),
        ),
    ],
    "it": [
        *_dates("it"),
        *_degrees("gradi"),
        *_plain(
            (r"\b(?:al fine|allo scopo) di\b", "per"),
            (r",\s(?:no|vero|giusto|non è vero|non è così|è vero)\s?\?$", "?"),
        ),
    ],
}
# Men and women of one kind named together are that kind, but where the one may be held against the other.
_GENDERS: dict[str, list[Change]] = {
    "de": _plain(
        (r"(?<=[a-zäöüß]{3})(?:[*:_·]|/-?)innen\b", ""),
        (r"\b([a-zäöüß]{4,20}) und \1innen\b", r"\1"),
        (r"\b([a-zäöüß]{4,20})innen und \1n?\b", r"\1"),
    ),
    "fr": _plain(
        (r"(?<=[a-zéè]{3})[·.\-(]e(?:[·.\-)]s|s\)|\)s)(?!\w)", "s"),
        (r"\b([a-zéè]{3,20})s (?:et|ou) (?:les |des )?\1e?es\b", r"\1s"),
    ),
    "es": _plain(
        (r"(?<=[a-zñ]{3})os/as\b", "os"),
        (r"\b([a-zñáéíóú]{3,20})os y (?:las |de las )?\1as\b", r"\1os"),
    ),
    "it": _plain(
        (r"(?<=[a-z]{3})i/e\b", "i"),
        (r"\b([a-zàèéìòù]{3,20})i e (?:le )?\1e\b", r"\1i"),
    ),
}
_HELD_AGAINST = re.compile(
    r"differ|untersch(?:ie|ei)d|zwischen|vergl|différ|diferen|compar|confront|\b(?:entre|tra|fra|oder|ou|o)\b",
    re.IGNORECASE,
)
_OF_FORM = re.compile(
    r"format|notation|convert|\biso\b|spell|pronounc|written|schreibt man|geschrieben|aussprech|s'écri|prononc"
    r"|se escrib|pronunci|si scriv",
    re.IGNORECASE,
)  # asks how something is written or said
_QUOTING = '"`'
_BROUGHT = ':"`«“„'
_LONGEST = 400  # characters of a text that is put into one wording


def undecorated(text: str) -> str:
    """The text without faces at its ends; as it is where it may be about them, or they are another's words."""
    if not (_AT_END.search(text) or _AT_BEGINNING.match(text)):
        return text
    bare = _AT_BEGINNING.sub("", _AT_END.sub("", text))
    return text if not bare or _ABOUT_SIGNS.search(bare) or any(mark in bare for mark in _BROUGHT) else bare


def worded(text: str, language: str) -> str:
    """A normalised text in one wording; as it is where it quotes, or asks how something is written."""
    if (
        len(text) > _LONGEST
        or language not in _CHANGES
        or any(mark in text for mark in _QUOTING)
        or _OF_FORM.search(text)
    ):
        return text
    text = text.strip()
    for pattern, becomes in _CHANGES[language]:
        text = pattern.sub(becomes, text)
    if language in _GENDERS and not _HELD_AGAINST.search(text):
        for pattern, becomes in _GENDERS[language]:
            text = pattern.sub(becomes, text)
    return text

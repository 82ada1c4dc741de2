"""The outward shape of a text as numbers: sizes, shares, counts, and which plain words stand in it.

Rules kept here:
1. Pure, and the same for recipe and node: the task classifier was trained on exactly `NAMES`, in this order.
   A change here needs a new classifier file, which states its names and is refused otherwise.
2. Every value is finite and between 0 and about 2; counts are taken as logarithms, which is what difficulty
   by size needs and what an embedding hardly holds.

It keeps no text and knows English words only.
"""

from __future__ import annotations

import hashlib
import math
import re

import numpy as np
import numpy.typing as npt

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
_CALENDAR = re.compile(r"\b\d{4}-\d\d?-\d\d?\b|\b\d\d?[./]\d\d?[./]\d{2,4}\b")
_ABBREVIATED_UNIT = re.compile(r"\d\s?(?:mm|cm|km|mg|kg|ml|min|lb|oz|ft|°c|°f|[mglhs])\b")

# Counts, as log(1 + count) / scale.
_COUNTED: tuple[tuple[str, str], ...] = (
    ("commas", ","),
    ("semicolons", ";"),
    ("newlines", "\n"),
    ("double_quotes", '"'),
    ("single_quotes", "'"),
    ("colons", ":"),
    ("question_marks", "?"),
    ("exclamation_marks", "!"),
    ("braces", "{"),
    ("brackets", "["),
    ("parentheses", "("),
    ("backticks", "`"),
    ("slashes", "/"),
    ("pipes", "|"),
    ("equals", "="),
    ("underscores", "_"),
)

# One number each: how many different ones of these words occur, as log(1 + count) / log 8.
_WORDS: tuple[tuple[str, str], ...] = (
    ("says_json", "json key keys field fields extract data"),
    (
        "says_sort",
        "sort sorted order ascending descending alphabetical alphabetically arrange smallest largest lowest",
    ),
    (
        "says_filter",
        "filter keep drop remove only greater less above below higher lower than odd even starts",
    ),
    (
        "says_list",
        "list bullets bullet comma commas semicolon semicolons separated items numbered line lines join",
    ),
    (
        "says_case",
        "case lowercase uppercase capital capitals camelcase snake title capitalise capitalize initials",
    ),
    (
        "says_unit",
        "convert metres meters grams litres hours minutes seconds kilometres centimetres dozen celsius unit",
    ),
    (
        "says_date",
        ("date day days earlier january february march april may june july august september october november december"),
    ),
    (
        "says_sum",
        ("sum add plus minus times product multiply divided difference subtract total left many much altogether"),
    ),
    ("says_sentiment", "sentiment positive negative neutral mood tone feeling feel feels"),
    (
        "says_topic",
        "topic category label team billing shipping returns account technical scheduling classify",
    ),
    ("says_urgency", "urgent urgency priority high medium low"),
    ("says_passage", "passage text note notes according question who where which project room shelf"),
    ("says_weir", "weir node bundle header command tier router endpoint generation upgrade cache records"),
    (
        "says_rewrite",
        "rewrite replace swap change put sentence before after name names initial insert word tense",
    ),
    (
        "says_code",
        ("code function python javascript java rust sql script class bug error compile api test refactor regex"),
    ),
    (
        "says_summary",
        "summarise summarize summary shorten tldr condense recap brief main points abstract takeaways",
    ),
    (
        "says_translate",
        "translate translation language german french spanish italian japanese english mean say dutch",
    ),
    (
        "says_write",
        "story poem haiku song joke novel lyrics slogan rhyme character scene verse write chapter dialogue",
    ),
    (
        "says_explain",
        "explain what why how who describe define difference between history invented capital does",
    ),
    (
        "says_compare",
        "compare better pros cons advantages risks recommend plan strategy evaluate analyse budget options",
    ),
    (
        "says_math",
        "prove solve equation integral derivative probability theorem triangle function matrix prime root x",
    ),
    ("says_hello", "hi hello hey thanks thank bye morning good night please sorry you your my me"),
    (
        "says_hard",
        ("prove design implement assumptions rigorous constraints scenarios evidence consistent sources every"),
    ),
)
_WORD_SETS = tuple(frozenset(words.split()) for _, words in _WORDS)

# By these a classifier file tells that it was trained on these words, and on what this code makes of a text.
WORDS_SHA256 = hashlib.sha256(repr((_COUNTED, _WORDS)).encode()).hexdigest()
PROBE = (
    'Sort "3, 1.5, 20" and 2024-05-17; then [5 km] {"a": `x_y`}\n- Über (weir) 今日!\n2) 4 + 5 = 9? '
    "prove / it | 'so'."
)

NAMES: tuple[str, ...] = (
    "characters",
    "words",
    "sentences",
    "longest_line",
    "word_length",
    "digit_share",
    "upper_share",
    "space_share",
    "foreign_share",
    "symbol_share",
    "numbers",
    "longest_number",
    "second_number",
    "decimals",
    "calendar_dates",
    "abbreviated_units",
    "bullets",
    "operators",
    "longest_run",
    *(name for name, _ in _COUNTED),
    *(name for name, _ in _WORDS),
)


def _log(count: float, scale: float) -> float:
    return math.log1p(count) / math.log1p(scale)


def shape(text: str) -> npt.NDArray[np.float32]:
    """float32, len(NAMES). The caller bounds the text's length."""
    size = max(1, len(text))
    words = _WORD.findall(text)
    lower = {word.lower() for word in words}
    numbers = _NUMBER.findall(text)
    digits = [*sorted((sum(c.isdigit() for c in number) for number in numbers), reverse=True), 0, 0]
    lines = text.splitlines() or [""]
    # The longest run of items between commas, semicolons or line ends: how long a list is.
    run = max(len(re.split(r"[,;]|\band\b", line)) for line in lines)
    values = [
        _log(len(text), 2000),
        _log(len(words), 400),
        _log(len(_SENTENCE_END.findall(text)), 30),
        _log(max(len(line) for line in lines), 1000),
        min(2.0, sum(map(len, words)) / max(1, len(words)) / 8),
        sum(c.isdigit() for c in text) / size,
        sum(c.isupper() for c in text) / size,
        sum(c.isspace() for c in text) / size,
        sum(ord(c) > 0x24F for c in text) / size,
        sum(not c.isalnum() and not c.isspace() for c in text) / size,
        _log(len(numbers), 12),
        min(2.0, digits[0] / 4),
        min(2.0, digits[1] / 4),
        _log(sum("." in number for number in numbers), 4),
        _log(len(_CALENDAR.findall(text)), 3),
        _log(len(_ABBREVIATED_UNIT.findall(text.lower())), 3),
        _log(len(_BULLET.findall(text)), 8),
        _log(sum(text.count(c) for c in "+*×÷−") + text.count(" - ") + text.count(" / "), 6),
        _log(run, 12),
    ]
    values += [_log(text.count(mark), 10) for _, mark in _COUNTED]
    values += [_log(len(known & lower), 7) for known in _WORD_SETS]
    return np.minimum(np.array(values, np.float32), np.float32(4.0))


def excerpt(text: str, limit: int = 800) -> str:
    """Head and tail of a long text, `limit` characters and a line break: what is asked stands at either end.

    800 characters are about 180 tokens, so that the tail is not lost to the embedder's cut at 256, and cost some
    40 ms at most; four times a short text's.
    """
    if len(text) <= limit:
        return text
    return text[: limit // 2] + "\n" + text[-(limit // 2) :]

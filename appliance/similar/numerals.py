"""Numbers as one form each, whether written in digits or in words; times and dates likewise.

Rules kept here:
1. No unit is converted: '5 km' and '5000 m' may ask for different answers.
2. Zeros stay ('3.10' is a version, not '3.1', and '007' a name); only signs of thousands go.

It knows the endings of ordinals of each language; the words come from its lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

ORDINAL = {  # by language: what stands after a number in digits
    "en": frozenset({"st", "nd", "rd", "th"}),
    "de": frozenset({"te", "ten", "ter"}),
    "fr": frozenset({"er", "ère", "re", "e", "ème", "eme"}),
    "es": frozenset({"º", "ª", "o", "a", "er"}),
    "it": frozenset({"º", "ª", "o", "a"}),
}
_THOUSANDS_POINT = re.compile(r"\d{1,3}(?:\.\d{3})+")
_THOUSANDS_COMMA = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COUNTED = frozenset({"number", "negation", "unit", "sign"})
_ONE = frozenset(["un", "une", "uno", "one"])
_CLOCK = re.compile(r"(\d{1,2})(?:[:h](\d{2}))?(?::(\d{2}))?\s*([ap])?")


def digits(text: str, *, comma_decimal: bool) -> str:
    """One form of a number in digits."""
    text = text.replace(" ", "").replace("'", "").lstrip("+")
    if comma_decimal:
        if _THOUSANDS_POINT.fullmatch(text):
            text = text.replace(".", "")
        text = text.replace(",", ".")
    elif _THOUSANDS_COMMA.fullmatch(text):
        text = text.replace(",", "")
    return text


def clock(text: str) -> str:
    """A time of day as hh:mm."""
    found = _CLOCK.match(text)
    if found is None:
        return text
    hour, minute, second, half = found.groups()
    hours = int(hour)
    if half == "p" and hours < 12:
        hours += 12
    elif half == "a" and hours == 12:
        hours = 0
    return f"{hours:02}:{minute or '00'}" + (f":{second}" if second else "")


def day(text: str, *, day_first: bool) -> str:
    """A date as year-month-day; where the order is not certain, as written."""
    parts = re.split(r"[./-]", text)
    if len(parts[0]) == 4:
        return f"{int(parts[0])}-{int(parts[1])}-{int(parts[2])}"
    if "." in text or day_first or int(parts[0]) > 12:
        return f"{int(parts[2])}-{int(parts[1])}-{int(parts[0])}"
    return text


def spelled(forms: Sequence[str], at: int, numbers: Mapping[str, int], multipliers: Mapping[str, int],
            link: frozenset[str]) -> tuple[int, int]:  # fmt: skip
    """(value, words read) of the number in words that begins at `at`; (0, 0) where none does."""
    total = current = 0
    last = read = 0
    position = at
    while position < len(forms) and position - at < 16:
        form = forms[position]
        if form in numbers:
            value = numbers[form]
            if read and value >= 1 and (last < value or last < 10) and not (last >= 100 and value < 100):
                # 'quatre vingt' and 'twenty five' go on; 'five six' are two numbers.
                if not (last == 4 and value == 20):
                    break
                current = current - 4 + 80
                last, position, read = 20, position + 1, position + 1 - at
                continue
            current += value
            last = value
        elif form in multipliers:
            factor = multipliers[form]
            if factor == 100:
                current = max(1, current) * 100
            else:
                total += max(1, current) * factor
                current = 0
            last = max(factor, 100)
        elif form in link and read and last >= 20 and position + 1 < len(forms):
            following = forms[position + 1]
            if following in _ONE:
                return total + current + 1, position + 2 - at
            if following not in numbers:
                break
            position += 1
            continue
        else:
            break
        position += 1
        read = position - at
    return total + current, read


def numbered(marks: Iterable[str]) -> frozenset[str]:
    """A second number or negation of the same kind is a mark of its own."""
    seen: dict[str, int] = {}
    for mark in marks:
        seen[mark] = seen.get(mark, 0) + 1
    more = [f"{mark}#{count}" for mark, count in seen.items() if count > 1 and mark.partition(":")[0] in _COUNTED]
    return frozenset([*seen, *more])

"""A regular expression as llama.cpp grammar: the subset that is regular, parsed by Python's own parser.

Rules kept here:
1. A construct that a grammar cannot express is refused by name with PathError('unsupported').
2. `\\d`, `\\w` and `\\s` are ASCII; '.' is any character but a line break.
3. Inside a JSON string, characters are written as JSON writes them.
4. What is written is the expression's automaton, so that a caller's expression cannot keep the worker (`automaton`).
"""

from __future__ import annotations

import re
import warnings
from re import _constants as sre  # type: ignore[attr-defined]  # the parser's names; CPython keeps them for its own tests
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from appliance.paths.contract import PathError
from appliance.paths.llama_cpp.automaton import Automaton, Effort, Ranges

MAX_REPEAT = 2000
MAX_PATTERN = 4096
_TOP = 0x10FFFF
_CLASSES: dict[str, Ranges] = {
    "DIGIT": [(48, 57)],
    "WORD": [(48, 57), (65, 90), (95, 95), (97, 122)],
    "SPACE": [(9, 13), (32, 32)],
}
_NAMES = {
    "ASSERT": "look-ahead or look-behind",
    "ASSERT_NOT": "negative look-ahead or look-behind",
    "GROUPREF": "a back-reference",
    "GROUPREF_EXISTS": "a conditional group",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repetition",
    "AT": "an anchor or word boundary inside the pattern",
}
_JSON_SPECIAL: Ranges = [(0, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0x7F, 0x7F)]
_JSON_SHORT = {0x22: '\\"', 0x5C: "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}


def escape(code: int) -> str:
    """One character inside a GBNF literal or class."""
    char = chr(code)
    if char.isascii() and (char.isalnum() or char in " _,:;.!?/(){}<>=+*#%&$@|~'`"):
        return char
    if code < 0x100:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def to_gbnf(
    pattern: str, prefix: str, effort: Effort, *, whole: bool = False, json_string: bool = False
) -> dict[str, str]:
    """Rules by name, the first of which matches what `pattern` matches. Raises PathError('unsupported').

    `whole`: the pattern covers the whole answer. Otherwise it may match anywhere inside unless it is anchored.
    """
    if len(pattern) > MAX_PATTERN:
        raise PathError("unsupported", f"The regular expression is longer than {MAX_PATTERN} characters.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parser.parse(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise PathError("rejected", f"The regular expression is malformed: {str(error)[:120]}.") from None
    if tree.state.flags & (re.IGNORECASE | re.MULTILINE | re.DOTALL | re.LOCALE):
        raise _refuse("an inline flag")
    items = list(tree)
    begins = bool(items) and items[0][0] is sre.AT and items[0][1] in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING)
    items = items[1:] if begins else items
    ends = bool(items) and items[-1][0] is sre.AT and items[-1][1] in (sre.AT_END, sre.AT_END_STRING)
    items = items[:-1] if ends else items
    reader = _Reader(json_string, effort)
    at = 0 if whole or begins else reader.anything(0)
    at = reader.sequence(items, at, 1)
    sink = None if whole or ends else reader.anything(at)
    return reader.automaton.rules(at if sink is None else sink, prefix, _written, sink=sink)


def _refuse(what: str) -> PathError:
    return PathError("unsupported", f"This path cannot hold an answer to a regular expression with {what}.")


def complement(ranges: Ranges) -> Ranges:
    """All other characters."""
    out, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            out.append((at, low - 1))
        at = max(at, high + 1)
    return out + ([(at, _TOP)] if at <= _TOP else [])


def _minus(ranges: Ranges, other: Ranges) -> Ranges:
    return complement(complement(ranges) + other)


class _Reader:
    """Reads the parsed expression into an automaton. Each method begins at a state and returns the one it ends at."""

    def __init__(self, json_string: bool, effort: Effort) -> None:
        self._json = json_string
        self.automaton = Automaton(effort)

    def sequence(self, items: Any, at: int, times: int) -> int:
        """`times`: how often the enclosing repetitions may write this out."""
        for kind, value in items:
            at = self._item(kind, value, at, times)
        return at

    def anything(self, at: int) -> int:
        """Any characters but line breaks, as many as there are."""
        loop = self.automaton.state()
        self.automaton.skip(at, loop)
        self._characters([(0, 9), (11, 12), (14, _TOP)], loop, loop)
        return loop

    def _item(self, kind: Any, value: Any, at: int, times: int) -> int:
        if kind is sre.LITERAL:
            return self._one([(value, value)], at)
        if kind is sre.NOT_LITERAL:
            return self._one(complement([(value, value)]), at)
        if kind is sre.ANY:
            return self._one(complement([(10, 10), (13, 13)]), at)
        if kind is sre.IN:
            return self._one(_class(value), at)
        if kind is sre.BRANCH:
            end = self.automaton.state()
            for branch in value[1]:
                begin = self.automaton.state()
                self.automaton.skip(at, begin)
                self.automaton.skip(self.sequence(branch, begin, times), end)
            return end
        if kind is sre.SUBPATTERN:
            if value[1] or value[2]:
                raise _refuse("an inline flag")
            return self.sequence(value[3], at, times)
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            low, high, inner = value
            return self._repeat(low, high, inner, at, times)
        raise _refuse(_NAMES.get(str(kind), str(kind).lower()))

    def _repeat(self, low: int, high: Any, items: Any, at: int, times: int) -> int:
        endless = high is sre.MAXREPEAT
        written = max(low if endless else int(high), 1) * times
        if written > MAX_REPEAT:
            raise _refuse(f"repetitions that multiply to over {MAX_REPEAT}")
        automaton, copies = self.automaton, []
        end = automaton.state()

        def copy(at: int) -> int:
            begin = automaton.size
            at = self.sequence(items, at, written)
            copies.append(range(begin, automaton.size))
            return at

        for _ in range(low):
            at = copy(at)
        if endless:
            loop = automaton.state()
            automaton.skip(at, loop)
            automaton.skip(self.sequence(items, loop, written), loop)
            automaton.skip(loop, end)
            return end
        for _ in range(int(high) - low):
            automaton.skip(at, end)
            at = copy(at)
        automaton.skip(at, end)
        automaton.narrowing(copies[max(low - 1, 0) :])
        return end

    def _one(self, ranges: Ranges, at: int) -> int:
        end = self.automaton.state()
        self._characters(ranges, at, end)
        return end

    def _characters(self, ranges: Ranges, at: int, end: int) -> None:
        """One character out of `ranges` leads from `at` to `end`."""
        plain = _minus(ranges, [(0, 0), (0xD800, 0xDFFF)])
        short: list[str] = []
        if self._json:
            listed = [code for low, high in ranges if high - low < 256 for code in range(low, high + 1)]
            short = [_JSON_SHORT[code] for code in listed if code in _JSON_SHORT]
            plain = _minus(plain, _JSON_SPECIAL)
        if not plain and not short:
            raise _refuse("an empty or unwritable character class")
        self.automaton.step(at, plain, end)
        for text in short:
            between, first, second = self.automaton.state(), ord(text[0]), ord(text[1])
            self.automaton.step(at, [(first, first)], between)
            self.automaton.step(between, [(second, second)], end)


def _written(ranges: Ranges) -> str:
    """A class of characters in GBNF."""
    return (
        "["
        + "".join(_in_class(low) if low == high else f"{_in_class(low)}-{_in_class(high)}" for low, high in ranges)
        + "]"
    )


def _in_class(code: int) -> str:
    return escape(code) if chr(code).isascii() and chr(code).isalnum() else (
        f"\\x{code:02X}" if code < 0x100 else escape(code)
    )  # fmt: skip


def _class(items: Any) -> Ranges:
    out: Ranges = []
    negate = False
    for kind, value in items:
        if kind is sre.NEGATE:
            negate = True
        elif kind is sre.LITERAL:
            out.append((value, value))
        elif kind is sre.RANGE:
            out.append(value)
        elif kind is sre.CATEGORY:
            name = str(value).removeprefix("CATEGORY_").removeprefix("UNI_")
            known = _CLASSES.get(name.removeprefix("NOT_"))
            if known is None:
                raise _refuse(f"the class {name.lower()}")
            out.extend(complement(known) if name.startswith("NOT_") else known)
        else:
            raise _refuse(f"{str(kind).lower()} in a class")
    return complement(out) if negate else out

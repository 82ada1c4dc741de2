"""Cedar text, cut into its rules, and the place in it that an error of the engine is about.

Rules kept here:
1. The engine names no line; a place is found from the text alone, never from the wording of a rule's annotations.
2. What the engine cannot read is found as the first word after which no text could follow (the prefix up to there
   is one that the engine calls unfinished).
3. Text is bounded before the engine sees it: size, words of a rule, nesting.

It knows nothing of what rules mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from appliance.records.file_fault import FileFault, Mark

MAX_BYTES = 256 << 10  # of one file
_MAX_WORDS = 2000  # of one rule
_MAX_DEPTH = 32
_WORD = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)|(?P<word>"(?:[^"\\\n]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|[0-9]+|==|!=|<=|>=|&&|\|\||::|.)""",
    re.S,
)
_QUOTED = re.compile(r"`([^`]+)`|'([^']+)'|: ([A-Za-z_][A-Za-z0-9_:, ]*)$")
_UNFINISHED = "unexpected end of input"


@dataclass(frozen=True, slots=True)
class Word:
    """One token of Cedar, with the offset of its first character."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Part:
    """A stretch of a file that ends with its semicolon (the last one may lack it): one rule, or a whole schema."""

    file: str
    text: str  # of the whole file
    words: tuple[Word, ...]

    @property
    def own_text(self) -> str:
        return self.text[self.words[0].start : self.words[-1].end]

    @property
    def mark(self) -> Mark:
        return mark_at(self.text, self.words[0].start)

    def finding(self, message: str, word: Word | None = None) -> FileFault:
        """`message` at a word of this part, by default at its first."""
        return FileFault(mark_at(self.text, (word or self.words[0]).start), "", message)

    def named_in(self, message: str) -> Word | None:
        """The first word that the engine's message quotes, where the part has it outside of annotations."""
        plain = self.words[_annotations(self.words) :]
        quoted = [name for groups in _QUOTED.findall(message) for name in groups if name]
        for name in quoted:
            for piece in (name, *reversed(re.split(r"::|, ", name))):
                for word in plain:
                    if word.text.strip('"') == piece.strip('"'):
                        return word
        return None


def mark_at(text: str, offset: int) -> Mark:
    """Line and column of the character at `offset`."""
    return Mark(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def decoded(raw: bytes) -> tuple[str, FileFault | None]:
    """The text of a file, or what stands in the way of reading it."""
    if len(raw) > MAX_BYTES:
        return "", FileFault(Mark(), "", f"is larger than {MAX_BYTES >> 10} KiB")
    try:
        return raw.decode(), None
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        return "", FileFault(mark_at(before, len(before)), "", "is not UTF-8 text")


def words(text: str) -> Iterator[Word]:
    """The tokens of Cedar text; a character that belongs to none is one by itself."""
    for match in _WORD.finditer(text):
        if match.lastgroup == "word":
            yield Word(match[0], match.start())


def rules(file: str, text: str) -> Iterator[Part]:
    """The rules of a file: its text, cut behind each semicolon."""
    held: list[Word] = []
    for word in words(text):
        held.append(word)
        if word.text == ";":
            yield Part(file, text, tuple(held))
            held = []
    if held:
        yield Part(file, text, tuple(held))


def too_much(part: Part) -> FileFault | None:
    """What makes a rule larger or deeper than any that a person writes."""
    if len(part.words) > _MAX_WORDS:
        return part.finding(f"has more than {_MAX_WORDS} words")
    depth = 0
    for word in part.words:
        depth += (word.text in ("(", "[", "{", "if")) - (word.text in (")", "]", "}"))
        if depth > _MAX_DEPTH:
            return part.finding(f"is nested deeper than {_MAX_DEPTH}", word)
    return None


def unreadable(part: Part, read: Callable[[str], object]) -> FileFault | None:
    """Why `read` refuses the part, at the word where it goes wrong; None where it reads it.

    By bisection over prefixes: all up to the offending word are 'unfinished', all from it on are wrong.
    """
    try:
        read(part.own_text)
    except ValueError as error:
        message = str(error).removeprefix("error parsing schema: ")
    else:
        return None
    if _UNFINISHED in message:
        return part.finding("ends too early: a semicolon, a bracket or a value is missing", part.words[-1])
    start, low, high = part.words[0].start, 0, len(part.words) - 1
    while low < high:
        middle = (low + high) // 2
        if _unfinished(part.text[start : part.words[middle].end], read):
            low = middle + 1
        else:
            high = middle
    # Where only the whole is wrong, it can be read, and means nothing: the message then quotes what it is about.
    whole = low == len(part.words) - 1
    word = (part.named_in(message) if whole else None) or (part.words[0] if whole else part.words[low])
    return part.finding(message, word)


def _unfinished(text: str, read: Callable[[str], object]) -> bool:
    try:
        read(text)
    except ValueError as error:
        return _UNFINISHED in str(error)
    return True


def _annotations(tokens: tuple[Word, ...]) -> int:
    """How many words at the start are annotations: `@name` or `@name("value")`."""
    at = 0
    while at + 1 < len(tokens) and tokens[at].text == "@":
        at += 5 if at + 2 < len(tokens) and tokens[at + 2].text == "(" else 2
    return min(at, len(tokens) - 1)

"""Cuts a text into words, numbers, code, quotations and signs.

Rules kept here:
1. One pass, every repeat bounded: no text can make it slow.
2. Nothing is dropped silently but spaces, plain punctuation and marks without width: a sign that is none of the
   rest is a token, so that two texts that differ in it alone differ.

It knows no language.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_ODD: dict[int, str | None] = {
    **{ord(sign): "'" for sign in "’‘‛ʼ´"},
    **{ord(sign): '"' for sign in "“”„‟«»"},
    **{ord(sign): "-" for sign in "‐‑‒–—−"},
    **dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xFE0F)),
    **{ord(sign): " " for sign in "¿¡\xa0\u202f\u2009"},
}

# The first alternative is what nearly all of a text is; the ones after it look closer.
_TOKEN = re.compile(
    r"""[ \t]{0,8}(?:
    (?P<word> [^\W\d_]+(?:'[^\W\d_]+){0,3}(?=[\s,?!;]|$) )
  | (?P<code>
        (?:https?://|www\.)[^\s<>"]{1,300}
      | [\w.+-]{1,64}@[\w-]{1,64}\.[\w.]{1,64}
      | (?<![\w/.])(?:~|\.{1,2})?/[\w.@-][\w.@/*-]{0,200}
      | \b[A-Za-z]:\\[^\s"']{0,200}
      | (?<![\w-])--?[A-Za-z][\w-]{0,40}
      | \b[A-Za-z]{1,20}(?:\+\+|\#)
      | (?<!\w)\.[A-Za-z]{2,10}\b(?!\.)
      | \b[A-Za-z_]\w{0,60}\(\)
      | \b[A-Za-z]\w{0,60}(?:_\w{1,60})+
      | \b[A-Za-z_]\w{0,60}(?:::\w{1,60})+
      | \b[A-Za-z][\w-]{1,60}\.(?:[a-z]{1,5}|[A-Z]{2,5})\d?\b(?:/[^\s]{0,200})?
      | [@\#][A-Za-z]\w{1,60}
    )
  | (?P<quote> `[^`\n]{1,200}` | "[^"\n]{1,300}" | (?<![\w'])'[^'\n]{2,200}'(?!\w) )
  | (?P<date> \b\d{4}-\d{1,2}-\d{1,2}\b | \b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b )
  | (?P<time> \b\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\b\.?)? | \b\d{1,2}\s?[ap]\.?m\b\.? | \b\d{1,2}h\d{2}\b )
  | (?P<number> (?:(?<![\w)])[+-])?\d{1,30}(?:[.,'](?=\d)\d{1,30}){0,8}(?:\ (?=\d{3}\b)\d{3}){0,4} )
  | (?P<letters> [^\W\d_]+(?:'[^\W\d_]+){0,3} )
  | (?P<stop> [.!?;:\n]+ )
  | (?P<comma> , )
  | (?P<sign> [^\s\w] | \w )
    )""",
    re.VERBOSE,
)
_PLAIN = frozenset("()\"'…_[]{}|`“”")


class Token(NamedTuple):
    """`kind`: code, quote, date, time, number, word, stop, comma, sign. `text`: as written; `form`: case-folded.

    `begins`: the first word of a sentence; of a quotation: code in which capitals mean something.
    """

    kind: str
    text: str
    form: str
    begins: bool


def normal(text: str) -> str:
    """One form for what looks the same: NFKC, one kind of apostrophe, quotation mark, dash and space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_ODD)).translate(_ODD)
    return text.replace('""', '"')


def scan(text: str) -> list[Token]:
    """The tokens of a normalised text, in order; what is quoted stands after its quotation."""
    tokens: list[Token] = []
    begins = True
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "sign"
        found = match[kind]
        if kind in {"word", "letters"}:
            tokens.append(Token("word", found, found.casefold(), begins))
            begins = False
        elif kind == "quote":
            inner = found[1:-1]
            tokens.append(Token(kind, inner, inner.casefold(), found[0] == "`" and inner != inner.casefold()))
            tokens += scan(inner.replace('"', " ").replace("'", " "))
            begins = False
        elif kind == "sign" and (found in _PLAIN or (found == "-" and not (tokens and tokens[-1].kind == "number"))):
            continue
        else:
            tokens.append(Token(kind, found, found.casefold(), begins))
            if kind == "stop":
                begins = True
            elif kind != "comma":
                begins = False
    return tokens

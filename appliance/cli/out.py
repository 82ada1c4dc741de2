"""Writing to a terminal: aligned tables, colour where it is wanted, and nothing that a terminal would obey.

Rules kept here:
1. Text that came from elsewhere is never written raw: control and direction characters are shown as escapes.
2. No colour off a terminal or when NO_COLOR is set.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import Literal

import click

Colour = Literal["green", "yellow", "red", "cyan"]
# Direction marks and overrides make a line read as something that it is not (CVE-2021-42574).
_HIDDEN = {0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF}


def clean(text: object) -> str:
    r"""The text with control characters, lone surrogates and direction marks as `\x1b` or `\u202e`."""
    if text is None:
        return ""
    out = []
    for char in str(text):
        point = ord(char)
        if point < 0x20 or 0x7F <= point < 0xA0:
            out.append(f"\\x{point:02x}")
        elif point in _HIDDEN or 0xD800 <= point < 0xE000:
            out.append(f"\\u{point:04x}")
        else:
            out.append(char)
    return "".join(out)


def emit_json(value: object, *, line: bool = False) -> None:
    """JSON on stdout, ASCII only, so that it is safe on a terminal too. `line` for one value per line."""
    click.echo(json.dumps(value, indent=None if line else 2, ensure_ascii=True, default=str))


def paint(text: str, colour: Colour) -> str:
    """The text in a colour, where stdout is a terminal and nobody asked for none."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        return text
    return click.style(text, fg=colour)


def width(text: str) -> int:
    """Columns that the text takes: two for wide characters, none for combining ones."""
    total = 0
    for char in text:
        if not unicodedata.combining(char):
            total += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return total


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> str:
    """Columns two spaces apart, those named in `right` aligned to the right; cells are cleaned."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(width(line[i]) for line in (list(headers), *cells)) for i in range(len(headers))]
    lines = []
    for line in (list(headers), *cells):
        parts = []
        for index, text in enumerate(line):
            gap = " " * (widths[index] - width(text))
            parts.append(gap + text if headers[index] in right else text + gap)
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def duration(seconds: object) -> str:
    """'3 d 4 h', '5 min 2 s', '4.2 s', '420 ms'; '-' where there is none."""
    if not isinstance(seconds, (int, float)):
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = int(seconds)
    for size, name, small, small_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{whole} s"


def size(count: object) -> str:
    """'412 MiB'; '-' where there is none."""
    if not isinstance(count, (int, float)):
        return "-"
    value = float(count)
    for name in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or name == "GiB":
            return f"{value:.0f} {name}" if name == "B" or value >= 100 else f"{value:.1f} {name}"
        value /= 1024
    return "-"


def number(value: object, digits: int = 3) -> str:
    """A figure in a few significant digits; '-' where there is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}g}"


def money(value: object, currency: str = "") -> str:
    """An amount small enough to matter per request."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "-"
    return (f"{value:.6f}".rstrip("0").rstrip(".") or "0") + (f" {currency}" if currency else "")

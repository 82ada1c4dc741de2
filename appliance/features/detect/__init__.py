"""Finds personal data and secrets in texts: what kind, where, and whether its checksum holds. Never the text itself.

Rules kept here:
1. Pure: no I/O, no clock, no randomness. Equal text, equal findings.
2. Linear in the text, whatever it holds; a long text is looked at in pieces of PIECE characters, between which
   `give_up` is asked, so that nobody waits for more than a piece.
3. Pieces make no difference: a piece owns the matches that begin in it, and sees OVERLAP characters beyond.
4. Of findings that overlap the first detector's stands; secrets go before personal data.

`form` is part of the exact cache's key: raise FORM with every change of what is found here.

Not covered: names, postal addresses, dates of birth, health and faith (they need a model); images, sound and files
(nobody reads them: see `texts.attachments`); text that is encoded, spelt out or spread over several messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from appliance.features.detect import personal, secrets
from appliance.features.detect.pattern import SEVEN_DIGITS, SOME_DIGIT, Detector
from appliance.records.features import FindingKind

FORM = 2
QUICK = 320  # characters
PIECE = 16_384
OVERLAP = 8_192  # more than any pattern matches, its look-ahead included

# Signs that stand for a blank, a dash or a digit as word processors and East Asian keyboards write them, one for one.
_LIKE = (
    ("\u00a0", " "), ("\u2007", " "), ("\u2009", " "), ("\u202f", " "),
    ("\u2010", "-"), ("\u2011", "-"), ("\u2012", "-"), ("\u2013", "-"), ("\u2212", "-"),
    ("\u0130", "I"),  # alone among all characters its lower case is two
    ("\uff20", "@"), ("\uff0e", "."), *zip("０１２３４５６７８９", "0123456789", strict=True),
)  # fmt: skip


class DetectorFailed(Exception):
    """The text was not looked at to its end. Whoever asked must think the worst of it."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Where (offsets of the first character and of the one after the last) and what; `validated`: a checksum or a
    numbering plan holds, not only the form."""

    start: int
    end: int
    kind: FindingKind
    validated: bool


def _never() -> bool:
    return False


@cache
def form() -> str:
    """What these detectors are: FORM, and the version of the numbering plans."""
    return f"{FORM}/{version('phonenumberslite')}"


@cache
def _detectors() -> tuple[Detector, ...]:
    return (*secrets.detectors(), *personal.detectors())


@cache
def _by_sign() -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
    """The needs with the ranks of their detectors, by a sign that is rare in prose and that they hold, '' for none."""
    signs: dict[str, list[tuple[str, int]]] = {}
    for rank, detector in enumerate(_detectors()):
        for need in detector.needs:
            signs.setdefault(next((sign for sign in "_-@:" if sign in need), ""), []).append((need, rank))
    return tuple((sign, tuple(needs)) for sign, needs in signs.items())


@cache
def _by_gate() -> tuple[tuple[re.Pattern[str], tuple[int, ...]], ...]:
    """Each gate with the ranks of the detectors behind it."""
    gates = dict.fromkeys(detector.gate for detector in _detectors() if detector.gate is not None)
    return tuple((gate, tuple(n for n, detector in enumerate(_detectors()) if detector.gate is gate)) for gate in gates)


def _ranks(part: str) -> set[int]:
    """The detectors that may find something in this text, which is in lower case."""
    ranks = {rank for sign, needs in _by_sign() if sign in part for need, rank in needs if need in part}
    if SOME_DIGIT.search(part):
        for gate, behind in _by_gate():
            if gate.search(part):
                ranks.update(behind)
    return ranks


def load() -> None:
    """Compiles the patterns and reads the numbering plans now rather than at the first request."""
    find("+49 30 901820, tel. 030 901820")


def find(text: str, give_up: Callable[[], bool] = _never) -> tuple[Finding, ...]:
    """All findings, by where they begin, none overlapping another. Raises DetectorFailed when told to give up."""
    return in_pieces(text, PIECE, OVERLAP, give_up)


def in_pieces(text: str, piece: int, overlap: int, give_up: Callable[[], bool] = _never) -> tuple[Finding, ...]:
    """`find` with pieces of another size, in characters. The result is the same while no match is over `overlap`."""
    if not text.isascii():
        for sign, plain in _LIKE:
            text = text.replace(sign, plain)
    lowered = text.lower()
    found: list[tuple[Finding, int]] = []
    begun = [0] * len(_detectors())  # where each detector goes on: what a match took is not looked at again
    start, length = 0, len(text)
    while start < length:
        own = start + piece if length - start > piece + overlap else length
        stop = min(length, own + overlap)
        part = lowered if stop - start == length else lowered[start:stop]
        for rank in _ranks(part):
            if give_up():
                raise DetectorFailed
            detector = _detectors()[rank]
            searched = lowered if detector.lowered else text
            for match in detector.pattern.finditer(searched, max(start, begun[rank]), stop):
                if match.start() >= own:
                    break
                begun[rank] = match.end()
                verdict = detector.look(text, match)
                if isinstance(verdict, bool):
                    found.append((Finding(*match.span(), detector.kind, verdict), rank))
                elif verdict is not None:
                    found.append((Finding(*verdict, detector.kind, True), rank))
        start = own
    return _apart(found) if found else ()


def _apart(found: list[tuple[Finding, int]]) -> tuple[Finding, ...]:
    """Without what overlaps something that an earlier detector found, or the same one before it."""
    kept: list[tuple[Finding, int]] = []
    for finding, rank in sorted(found, key=lambda pair: (pair[0].start, pair[1])):
        if not kept or finding.start >= kept[-1][0].end:
            kept.append((finding, rank))
        elif rank < kept[-1][1]:
            kept[-1] = finding, rank
    return tuple(finding for finding, _ in kept)


def quick(texts: Iterable[str]) -> bool:
    """Whether `counts` takes less than 0.3 ms on these: short, and no number that must be looked at closely."""
    left = QUICK
    for text in texts:
        left -= len(text)
        if left < 0 or SEVEN_DIGITS.search(text):
            return False
    return True


def counts(texts: Iterable[str], give_up: Callable[[], bool] = _never) -> tuple[tuple[FindingKind, int], ...]:
    """How many findings of each kind these texts hold, by kind. Raises DetectorFailed."""
    total: dict[FindingKind, int] = {}
    for text in texts:
        for finding in find(text, give_up):
            total[finding.kind] = total.get(finding.kind, 0) + 1
    return tuple(sorted(total.items()))

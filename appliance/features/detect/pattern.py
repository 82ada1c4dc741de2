"""What a detector is: a pattern that proposes, and a look that disposes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from appliance.records.features import FindingKind

Match = re.Match[str]
# None: nothing. True or False: a finding, validated or by its form alone. A span: a validated finding that reaches
# further than what proposed it.
Verdict = bool | tuple[int, int] | None


SEVEN_DIGITS = re.compile(r"\d(?:[ .\-/()]{0,3}\d){6}")  # near each other: the least of most personal numbers
SOME_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Detector:
    """`pattern` matches at most OVERLAP characters, look-ahead included.

    It is tried only on texts that hold one of the `needs` (lower case, met in any case) or a match of `gate`, which
    holds a digit; a detector has the one or the other. With
    `lowered` it is tried on the text in lower case, where literals are found several times as fast; `look` gets the
    text as it is, and the match on the other.
    """

    kind: FindingKind
    pattern: re.Pattern[str]
    look: Callable[[str, Match], Verdict]
    needs: tuple[str, ...] = ()
    gate: re.Pattern[str] | None = None
    lowered: bool = False

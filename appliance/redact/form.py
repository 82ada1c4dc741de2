"""What a placeholder looks like: the kind of what it stands for, and a number, as in [EMAIL_1].

Rules kept here:
1. It begins with '[', ends with ']' and has neither inside: two of them never overlap, whatever text stands around.
2. Plain ASCII without quotes or backslashes: it may stand in any JSON string as it is.
"""

from __future__ import annotations

import re

from appliance.records.features import FindingKind

PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_]{2,62}+\]")
# Whatever a model may take for one, in any case: such a number is not given out again.
LOOKALIKE = re.compile(r"\[([A-Z][A-Z0-9_]{2,62}+)\]", re.ASCII | re.IGNORECASE)


def placeholder(kind: FindingKind, number: int) -> str:
    """The placeholder of the `number`th value of this kind."""
    return f"[{kind.upper().replace('-', '_')}_{number}]"

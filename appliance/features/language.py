"""Which language a text is in, or '' where it is too short or too odd to say.

Rules kept here:
1. Unknown beats wrong: policy and candidates may remove paths by language, so a guess over three words says ''.
2. No network; py3langid carries its model. It is loaded once, at first use, which takes about a second: `load` does it
   early.
"""

from __future__ import annotations

import functools
import re
from typing import Any

FEWEST_LETTERS = 20
READ = 400  # characters; more changes little, and each costs about two microseconds
_CODE = re.compile(r"`[^`]*`|https?://\S+|\S+@\S+|[{}\[\]()<>=;|\\_]+")


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def load() -> None:
    """Reads the model now rather than at the first request."""
    _identifier()


def language(text: str) -> tuple[str, float]:
    """(ISO 639-1 code, probability), or ('', 0.0) for fewer than FEWEST_LETTERS letters."""
    prose = _CODE.sub(" ", text[: 2 * READ])[:READ]
    # Han, kana and hangul say as much with one sign as four Latin letters do.
    letters = sum((4 if ord(c) >= 0x2E80 else 1) for c in prose if c.isalpha())
    if letters < FEWEST_LETTERS:
        return "", 0.0
    code, p = _identifier().classify(prose)
    return str(code), float(p)

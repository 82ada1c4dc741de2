"""Which task's promise holds for a question.

Rules kept here:
1. Tasks that work on a text abstain, because the answer hangs on each word of what the request brings. A plain question
   that a classifier takes for one of them brings nothing, and asks for no work on words: it is of the mixed task, whose
   threshold is certified on all of them.
2. Where that is not plain, the task stays.
"""

from __future__ import annotations

import re

MIXED = "other"
ON_TEXTS = frozenset(
    ["translate", "passage_qa", "summarise", "rewrite", "extract", "casing", "topic", "sentiment", "urgency"]
)
_QUESTION = re.compile(
    r"[\s¿]*[^\d\W](?:[^:;.\"“”„«»‹›`*\n?!¿]|\.(?=\S)){8,200}\?\s*"
)  # one sentence that brings nothing
_WORK = re.compile(
    r"(?:translat|übersetz|traduc|traduis|tradui|tradu[zt]|tradot|rewrit|rephras|summar|umformul|umschreib|zusammenfass"
    r"|reformul|résum|resum|riassu|riformul|riscriv|reescrib|passage|paragraph|absatz|abschnitt|párrafo|paragraf"
    r"|the text|der text|dem text|le texte|el texto|il testo)\w*"
    r"|(?:do|would|to) (?:you|i|we|one|people)? ?say|word for|called in|sagt man|heißt .* auf|dit-on|se dice|si dice"
    r"|wort für|mot pour|palabra para|parola per|upper ?case|lower ?case|capital letters?",
)


def certified_task(task: str, text: str) -> str:
    """The task whose promise holds for the turn `text`; `task` is what a classifier takes it for."""
    if task in ON_TEXTS and _QUESTION.fullmatch(text) and not _WORK.search(text.casefold()):
        return MIXED
    return task

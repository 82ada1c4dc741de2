"""Which of several answers to one question say the same.

Rules kept here:
1. An answer is read once, however often it is counted, and never on the event loop: a long one takes milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from appliance.similar.agree import ReadAnswer, compared, read_answer


class Votes:
    """Those of one question. `read` reads an answer for comparing."""

    def __init__(self, read: Callable[[str], ReadAnswer] = read_answer) -> None:
        self._read = read
        self._known: dict[str, ReadAnswer] = {}

    async def groups(self, texts: Sequence[str]) -> list[list[int]]:
        """The answers that say the same, by their numbers; each is compared with the first of a group. For one caller
        at a time.
        """
        return await asyncio.to_thread(self._groups, texts)

    def _groups(self, texts: Sequence[str]) -> list[list[int]]:
        known = self._known
        for text in texts:
            if text not in known:
                known[text] = self._read(text)
        groups: list[list[int]] = []
        for at, text in enumerate(texts):
            for group in groups:
                if compared(known[texts[group[0]]], known[text], language="").outcome == "agreed":
                    group.append(at)
                    break
            else:
                groups.append([at])
        return groups

"""Claims about which of several answers say the same."""

from __future__ import annotations

import threading

from appliance.similar.agree import ReadAnswer, read_answer
from appliance.votes import Votes


async def test_answers_that_say_the_same_are_together_in_the_order_they_came() -> None:
    assert await Votes().groups(["42", "41", "42.", "41"]) == [[0, 2], [1, 3]]
    assert await Votes().groups([]) == []


async def test_each_answer_is_read_once_and_not_on_the_event_loop() -> None:
    read: list[tuple[str, bool]] = []

    def watched(text: str) -> ReadAnswer:
        read.append((text, threading.current_thread() is threading.main_thread()))
        return read_answer(text)

    votes = Votes(watched)
    assert await votes.groups(["40", "41"]) == [[0], [1]]
    assert await votes.groups(["40", "41", "42"]) == [[0], [1], [2]]
    assert await votes.groups(["40", "41", "42"]) == [[0], [1], [2]]
    assert sorted(read) == [("40", False), ("41", False), ("42", False)]

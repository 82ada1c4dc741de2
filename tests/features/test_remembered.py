"""What was found in texts that came before is what would be found again, and is nobody else's."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.features.detect import DetectorFailed, counts
from appliance.features.detect.remembered import Remembered
from appliance.features.detect.texts import EscapedTooDeeply, meanings

PARTS = (
    "Please write to ann.smith@corp.example about the invoice, ",
    "call +49 30 901820 before noon; ",
    "IBAN DE89 3704 0044 0532 0130 00, ",
    '{"to": "\\\\u0061nn@corp.example"} ',
    "nothing of interest is said in this part of the text. ",
    "é漢\ud800 ",
    "x",
)
texts = st.lists(st.lists(st.sampled_from(PARTS), max_size=4).map("".join), max_size=5)


@given(st.lists(st.tuples(st.sampled_from(["", "t", "tt"]), texts), max_size=6))
def test_it_makes_no_difference(requests: list[tuple[str, list[str]]]) -> None:
    remembered = Remembered(most=3)
    for tenant, read in requests:
        assert remembered.counts(tenant, read) == counts((*read, *meanings(read)))


def test_what_came_before_is_not_looked_at_again_and_another_tenants_is() -> None:
    remembered = Remembered()
    long, short = PARTS[0], "ann@corp.example"
    assert [one.text for one in remembered.known("t", [long, short])[1]] == [long, short]
    remembered.counts("t", [long, short])
    assert remembered.known("t", [long])[0] == ((("email", 1),),)
    assert [one.text for one in remembered.known("t", [long, short, f"{long} "])[1]] == [short, f"{long} "]
    for tenant, text in (("", long), ("u", long), ("", f"t{long}"), ("tP", long[1:])):
        assert remembered.known(tenant, [text])[0] == (), (tenant, text)


def test_the_newest_are_kept_and_one_that_comes_again_is_new() -> None:
    remembered = Remembered(most=2)
    first, second, third = (PARTS[4] + str(n) for n in range(3))
    for text in (first, second, first, third):
        remembered.counts("t", [text])
    assert [bool(remembered.known("t", [text])[0]) for text in (first, second, third)] == [True, False, True]


def test_what_was_not_looked_at_to_its_end_is_not_remembered() -> None:
    remembered = Remembered()
    _, new = remembered.known("t", [PARTS[0]])
    with pytest.raises(DetectorFailed):
        remembered.look(new, lambda: True)
    deep = "a text that hides what it means: " + "\\u005c" + "u005c" * 6 + "n"
    with pytest.raises(EscapedTooDeeply):
        remembered.counts("t", [deep])
    assert remembered.known("t", [PARTS[0], deep])[0] == ()


def test_threads_that_look_at_once_find_the_same() -> None:
    remembered, wrong = Remembered(most=5), []
    expected = {text: counts((text, *meanings((text,)))) for text in PARTS}

    def work() -> None:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            wrong.extend(text for text in PARTS if remembered.counts("t", [text]) != expected[text])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_of_a_conversation_only_the_new_turn_is_looked_at() -> None:
    remembered = Remembered()
    history = [f"{number}: {PARTS[4]}" for number in range(20)]
    for turns in range(1, 21):
        _, new = remembered.known("t", history[:turns])
        remembered.look(new)
        assert [one.text for one in new] == [history[turns - 1]]

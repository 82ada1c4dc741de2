"""Ids of requests: one for each, in the order of time, and not to be foretold from those that were seen."""

from __future__ import annotations

import random
import re

from appliance.web.ids import new_id

WORDS = 624  # of 32 bits: the whole state of a Mersenne Twister


def test_each_is_another_of_one_form_and_later_ones_sort_behind() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"wr_[0-9a-f]{27}", id) for id in ids)
    stamps = [id[:14] for id in ids]
    assert stamps == sorted(stamps)


def test_who_has_seen_many_cannot_tell_the_next() -> None:
    """The attack that Python's own generator falls to: 312 draws of 64 bits are its state."""
    seen: list[int] = []
    for _ in range(WORDS // 2):
        drawn = int(new_id()[-16:], 16)
        seen += [drawn & 0xFFFFFFFF, drawn >> 32]
    twister = random.Random()
    twister.setstate((3, (*map(_untempered, seen), WORDS), None))
    foretold = [f"{twister.getrandbits(64):016x}" for _ in range(100)]
    assert not {new_id()[-16:] for _ in range(100)} & set(foretold)


def test_the_attack_works_where_the_generator_is_pythons() -> None:
    ours = random.Random(7)
    seen = [ours.getrandbits(32) for _ in range(WORDS)]
    twister = random.Random()
    twister.setstate((3, (*map(_untempered, seen), WORDS), None))
    assert [twister.getrandbits(32) for _ in range(10)] == [ours.getrandbits(32) for _ in range(10)]


def _untempered(word: int) -> int:
    """The word of the state that MT19937 gave this output for (Matsumoto and Nishimura, 1998)."""
    word ^= word >> 18
    word ^= (word << 15) & 0xEFC60000
    held = word
    for _ in range(5):
        held = word ^ ((held << 7) & 0x9D2C5680)
    word = held
    for _ in range(3):
        held = word ^ (held >> 11)
    return held & 0xFFFFFFFF

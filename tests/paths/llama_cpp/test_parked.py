"""Parked sequences: sealed, bounded, a tenant's own, and worth nothing to whoever tampers with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.paths.llama_cpp import library
from appliance.paths.llama_cpp.parked import BLOCK, LIFE_S, Parked, Sealed
from appliance.paths.llama_cpp.sequences import Sequences
from appliance.paths.llama_cpp.slots import MIN_PINNED, Placement, Slot, Slots
from tests.standins import tiny_gguf


def tokens(count: int, first: int = 0) -> library.Ints:
    return np.arange(first, first + count, dtype=np.int32) % 400


def state(size: int = 1000, value: int = 7) -> library.Bytes:
    return np.full(size, value, np.uint8)


def only(parked: Parked) -> Sealed:
    (one,) = parked._sealed.values()
    return one


def test_a_sequence_comes_back_as_it_was_and_nothing_of_it_lies_open() -> None:
    parked = Parked(1 << 20)
    given_state = state(value=9)
    parked.put(tokens(200), "a", given_state)
    assert not given_state.any()  # wiped
    (number, shared) = parked.offer(parked.links(tokens(150), "a")) or (0, 0)
    assert shared == 2 * BLOCK
    opened = parked.take(number, "a")
    assert opened is not None
    assert opened[0].tolist() == tokens(200).tolist()
    assert opened[1].tolist() == [9] * 1000
    lying = b"".join(only(parked).sealed) + b"".join(only(parked).links)
    for open_text in (bytes([9]) * 16, tokens(200)[8:16].tobytes()):
        assert open_text not in lying


def test_two_workers_have_two_keys() -> None:
    one, two = Parked(1 << 20), Parked(1 << 20)
    one.put(tokens(200), "a", state())
    assert one.links(tokens(200), "a") != two.links(tokens(200), "a")
    two._sealed[1], two._number = only(one), 1
    assert two.take(1, "a") is None
    assert len(two) == 0


def test_the_same_sequence_is_sealed_differently_each_time() -> None:
    parked = Parked(1 << 20)
    parked.put(tokens(200), "a", state())
    first = only(parked).sealed
    parked.drop(1)
    parked.put(tokens(200), "a", state())
    assert not set(first) & set(only(parked).sealed)


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("how", ["bit", "short", "empty", "longer", "swapped", "other", "older"])
def test_what_was_tampered_with_does_not_open_and_is_gone(part: int, how: str) -> None:
    parked = Parked(1 << 20)
    parked.put(tokens(200), "a", state())
    parked.put(tokens(200, 200), "a", state())
    one, other = parked._sealed.values()
    sealed = list(one.sealed)
    raw = bytearray(sealed[part])
    if how == "bit":
        raw[len(raw) // 2] ^= 1
    elif how == "short":
        del raw[-5:]
    elif how == "empty":
        raw.clear()
    elif how == "longer":
        raw += b"\0"
    elif how == "swapped":
        raw[:] = sealed[1 - part]
    elif how == "other":
        raw[:] = other.sealed[part]
    else:  # what was sealed under an earlier number is put under a later one
        raw[:] = sealed[part]
        one, sealed = other, list(other.sealed)
    sealed[part] = bytes(raw)
    one.sealed = (sealed[0], sealed[1])
    assert parked.take(one.number, "a") is None
    assert parked.take(one.number, "a") is None
    assert len(parked) == 1


def test_another_tenant_neither_finds_nor_opens_it() -> None:
    parked = Parked(1 << 20)
    parked.put(tokens(200), "a", state())
    assert parked.offer(parked.links(tokens(200), "b")) is None
    assert parked.take(1, "b") is None


def test_it_is_forgotten_after_an_hour_however_often_it_was_used() -> None:
    now = [0.0]
    parked = Parked(1 << 20, lambda: now[0])
    parked.put(tokens(200), "a", state())
    now[0] = LIFE_S - 1
    parked.sweep()
    assert parked.take(1, "a") is not None
    now[0] = LIFE_S + 1
    parked.sweep()
    assert len(parked) == 0 == parked.bytes
    assert parked.take(1, "a") is None


def test_what_continues_a_sequence_takes_its_place() -> None:
    parked = Parked(1 << 20)
    parked.put(tokens(128), "a", state())
    parked.put(tokens(256), "a", state())
    assert len(parked) == 1
    assert parked.offer(parked.links(tokens(128), "a")) == (2, 128)


pieces = st.tuples(st.integers(0, 300), st.integers(0, 3).map(lambda k: 100 * k), st.sampled_from(["a", "b"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces, max_size=12), st.integers(0, 4000))
def test_bytes_are_bounded_and_offers_are_true(made: list[tuple[int, int, str]], most: int) -> None:
    parked = Parked(most)
    for count, first, salt in made:
        parked.put(tokens(count, first), salt, state(300))
        assert parked.bytes == sum(one.bytes for one in parked._sealed.values()) <= most
        for length, start, asks in made:
            prompt = tokens(length, start)
            offer = parked.offer(parked.links(prompt, asks))
            if offer is not None:
                opened = parked.take(offer[0], asks)  # it is this tenant's, and it holds what was promised
                assert opened is not None
                assert opened[0][: offer[1]].tolist() == prompt[: offer[1]].tolist()
    assert set(parked._by_link.values()) <= set(parked._sealed)


# -- slots


steps = st.tuples(st.integers(0, 2), st.integers(1, 5), st.sampled_from(["a", "b"]), st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4), st.lists(steps, max_size=25), st.sampled_from([0, 50, 10_000]))
def test_slots_keep_their_promises(count: int, made: list[tuple[int, int, str, bool]], copy_tokens: int) -> None:
    """Prompts have one of three beginnings of 100 tokens and tails of their own; some go on while others come."""
    slots = Slots(count, 1000, copy_tokens)
    salts: dict[int, str] = {}
    for at, (beginning, tail, salt, ends) in enumerate(made):
        prompt = np.concatenate([tokens(100, 100 * beginning), np.full(20 * tail, 500 + at, np.int32)])
        pinned = {slot.id for slot in slots.all if slot.pin}
        free = [slot.id for slot in slots.all if not slot.busy]
        place = slots.place(prompt, salt)
        assert (place is None) == (not free)
        if place is None:
            for slot in slots.all:
                slots.free(slot)
            continue
        check(place, prompt, salt, salts)
        if place.slot.id in pinned and place.kept < MIN_PINNED:
            assert pinned >= set(free)  # nothing else was free
        slot = place.slot
        slot.tokens[: len(prompt)], slot.length = prompt, len(prompt)
        salts[slot.id] = salt
        assert sum(one.pin > 0 for one in slots.all) <= count // 2
        assert all(one.pin <= one.length for one in slots.all)
        if ends:
            slots.free(slot)


def check(place: Placement, prompt: library.Ints, salt: str, salts: dict[int, str]) -> None:
    assert place.former == salts.get(place.slot.id, "")
    assert place.kept < len(prompt)
    holder = place.source or place.slot
    if place.kept:
        assert salts[holder.id] == salt
        assert holder.tokens[: place.kept].tolist() == prompt[: place.kept].tolist()


def test_a_shared_beginning_outlives_many_prompts_that_do_not_have_it() -> None:
    slots = Slots(4, 1000)
    shared = tokens(200)

    def ask(prompt: library.Ints, salt: str = "a") -> int:
        place = slots.place(prompt, salt)
        assert place is not None
        place.slot.tokens[: len(prompt)], place.slot.length = prompt, len(prompt)
        slots.free(place.slot)
        return place.kept

    for at in range(2):
        ask(np.concatenate([shared, np.full(50, 450 + at, np.int32)]))
    for at in range(20):
        ask(np.full(300, 500 + at, np.int32), "ab"[at % 2])
    assert ask(np.concatenate([shared, np.full(50, 460, np.int32)])) == 200


# -- a context under it


class Rig:
    """A tiny model in this process, and its sequences."""

    def __init__(self, model: library.Model, count: int = 1, parked_bytes: int = 1 << 24) -> None:
        self.context = library.Context(model, context=512, sequences=count, batch=512, threads=1)
        each = model.kv_bytes_per_token
        self.sequences = Sequences(self.context, count=count, length=512, token_bytes=each, parked_bytes=parked_bytes)

    def ask(self, prompt: library.Ints, salt: str = "a", *, prefill_s: float = 1.0) -> tuple[int, library.Floats]:
        """How much of a prompt was there, and what the model says to its last token."""
        return self.compute(*self.sequences.place(prompt, salt, prefill_s), prompt)

    def compute(self, slot: Slot, kept: int, prompt: library.Ints) -> tuple[int, library.Floats]:
        context, size = self.context, len(prompt) - kept
        context.token[:size], context.pos[:size] = prompt[kept:], np.arange(kept, len(prompt))
        context.seq[:size], context.want[:size] = slot.id, 0
        context.want[size - 1] = 1
        assert context.decode(size) == 0
        self.sequences.computed()
        slot.tokens[: len(prompt)], slot.length = prompt, len(prompt)
        said = context.logits(1)[0].copy()
        self.sequences.free(slot)
        return kept, said


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> library.Model:
    library.start()
    return library.Model(str(tiny_gguf.write(Path(tmp_path_factory.mktemp("gguf")) / "tiny.gguf")), 0)


PROMPT, OTHER = tokens(300), np.full(300, 77, np.int32)


def test_what_was_parked_and_restored_computes_what_it_would_have(model: library.Model) -> None:
    rig = Rig(model)
    cold, _ = rig.ask(PROMPT)
    kept, said = rig.ask(PROMPT)
    rig.ask(OTHER)
    assert rig.sequences.parked[0] == 1
    warm, again = rig.ask(PROMPT)
    assert (cold, warm) == (0, len(PROMPT) - 1) == (0, kept)
    assert rig.sequences.restored == warm
    assert np.array_equal(said, again)  # bit by bit what it says where nothing had to be parked


def test_a_parked_sequence_of_another_tenant_is_no_start(model: library.Model) -> None:
    rig = Rig(model)
    rig.ask(PROMPT, "a")
    rig.ask(OTHER, "b")
    assert rig.ask(PROMPT, "b")[0] == 0
    assert rig.sequences.restored == 0


@pytest.mark.parametrize("how", ["noise", "half", "empty", "of another sequence"])
def test_a_state_that_llama_cpp_does_not_take_back_whole_is_a_cold_start(model: library.Model, how: str) -> None:
    rig = Rig(model)
    _, said = rig.ask(PROMPT)
    real = rig.context.state(0)
    rig.ask(tokens(100, 7))
    hostile = {
        "noise": np.random.default_rng(5).integers(0, 256, len(real), dtype=np.uint8),
        "half": real[: len(real) // 2],
        "empty": real[:0],
        "of another sequence": rig.context.state(0),
    }[how].copy()
    parked = rig.sequences._parked
    for number in list(parked._sealed):
        parked.drop(number)
    parked.put(PROMPT, "a", hostile)
    kept, again = rig.ask(PROMPT)
    assert kept == 0
    assert len([one for one in parked._sealed.values() if one.links == parked.links(PROMPT, "a")]) == 0
    assert np.array_equal(said, again)


def test_nothing_is_put_where_a_copy_has_yet_to_move_out_of(model: library.Model) -> None:
    rig, alone = Rig(model, count=2), Rig(model)
    long, short = np.concatenate([PROMPT, OTHER[:150]]), np.concatenate([PROMPT[:200], OTHER[:50]])
    waiting = tokens(300, 333)
    for prompt in (waiting, OTHER, long):  # `waiting` is parked by now
        rig.ask(prompt)
    assert rig.sequences.parked[0] > 0
    first = rig.sequences.place(short, "a", 1.0)  # copies from `long`, at the next computation
    second = rig.sequences.place(waiting, "a", 1.0)  # finds room in the slot of `long` only
    assert (first[1], second[1]) == (200, 0)
    for (slot, kept), prompt in ((first, short), (second, waiting)):
        alone.sequences.clear()
        assert np.abs(rig.compute(slot, kept, prompt)[1] - alone.ask(prompt)[1]).max() < 0.2


def test_two_prompts_take_turns_in_one_slot_where_one_of_them_can_be_parked(model: library.Model) -> None:
    size = Rig(model)
    size.ask(PROMPT)
    rig = Rig(model, parked_bytes=int(1.2 * size.context.state(0).nbytes))
    assert [rig.ask(prompt)[0] for prompt in (PROMPT, OTHER, PROMPT, OTHER)] == [0, 0, 299, 299]
    assert rig.sequences.parked[0] == 1


def test_parking_is_not_tried_where_computing_is_quicker(model: library.Model) -> None:
    rig = Rig(model)
    rig.ask(PROMPT, prefill_s=1e-9)
    rig.ask(OTHER, prefill_s=1e-9)
    assert rig.sequences.parked == (0, 0)


def test_nothing_is_parked_where_there_is_no_room_for_it(model: library.Model) -> None:
    rig = Rig(model, parked_bytes=0)
    rig.ask(PROMPT)
    rig.ask(OTHER)
    assert rig.sequences.parked == (0, 0)
    assert rig.ask(PROMPT)[0] == 0


def test_what_nobody_asked_for_in_an_hour_is_forgotten(model: library.Model) -> None:
    rig = Rig(model, count=2)
    rig.ask(PROMPT)
    assert rig.sequences.rest()
    assert rig.ask(PROMPT)[0] > 0
    for slot in rig.sequences._slots.all:
        slot.freed -= LIFE_S + 1
    assert not rig.sequences.rest()
    assert rig.ask(PROMPT)[0] == 0


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from(["a", "b"])), max_size=10))
def test_whatever_comes_before_the_model_says_what_it_says_alone(
    model: library.Model, asked: list[tuple[int, int, str]]
) -> None:
    rig, alone = Rig(model, count=2, parked_bytes=400_000), Rig(model, parked_bytes=0)
    try:
        for beginning, tail, salt in asked:
            prompt = np.concatenate([tokens(150, 130 * beginning), np.full(90, 40 + tail, np.int32)])
            _, said = rig.ask(prompt, salt)
            alone.sequences.clear()
            # Batches of other sizes round otherwise, by some 0.02; another prompt's logits differ by whole units.
            assert np.abs(said - alone.ask(prompt)[1]).max() < 0.2
    finally:
        rig.context.close()
        alone.context.close()

"""Gives a prompt a slot with as much of it computed as can be had: kept, copied or taken back from where it was parked.

Rules kept here:
1. What `slots` decides is done to the context here, and nowhere else.
2. Parking and restoring are tried only where they take far less time than computing would.
3. A parked sequence that is not what it was, that llama.cpp does not take back whole, or that there is no memory for,
   is a cold start.
4. A copy moves at the next computation: until then nothing is parked or put where it goes out of or into.
5. What nobody asked for in an hour is forgotten.
"""

from __future__ import annotations

import time
from contextlib import suppress

from appliance.paths.llama_cpp.library import Bytes, Context, Ints
from appliance.paths.llama_cpp.parked import BLOCK, LIFE_S, Parked
from appliance.paths.llama_cpp.slots import Slot, Slots

COPY_BYTES_PER_S = 3e9
SEAL_BYTES_PER_S = 3e8  # of parking and restoring, until it was measured
PARK_SHARE = 0.1  # of the time of computing it again, which may never be asked for
RESTORE_SHARE = 0.5  # of the time of computing it


class Sequences:
    """The sequences of one context. After every computation `computed` must be called, or `clear` where it failed."""

    def __init__(self, context: Context, *, count: int, length: int, token_bytes: int, parked_bytes: int) -> None:
        """`count` sequences of `length` tokens, each of `token_bytes` bytes."""
        self._context = context
        self._slots = Slots(count, length)
        self._parked = Parked(parked_bytes)
        self._moving: set[int] = set()  # slots that a copy goes out of or into (rule 4)
        self._token_bytes = token_bytes
        self._copy_s = length * token_bytes / COPY_BYTES_PER_S
        self._seal_rate = SEAL_BYTES_PER_S
        self._prefill_s = 0.0
        self.restored = 0  # tokens, since the start

    @property
    def full(self) -> bool:
        """Whether every slot is taken."""
        return self._slots.full

    @property
    def parked(self) -> tuple[int, int]:
        """How many sequences are parked, and their bytes."""
        return len(self._parked), self._parked.bytes

    def place(self, prompt: Ints, salt: str, prefill_s: float) -> tuple[Slot, int]:
        """A slot for a prompt, and how many of its tokens are computed there. `prefill_s` is the time of one token.

        Not where `full`.
        """
        self._prefill_s = prefill_s
        self._slots.copy_tokens = int(self._copy_s / prefill_s)
        number, worth = self._offer(prompt, salt)
        place = self._slots.place(prompt, salt, worth)
        assert place is not None
        slot, kept, source = place.slot, place.kept, place.source
        began = time.perf_counter()
        opened = self._open(slot, number) if place.parked else None  # before what is parked now takes its room
        opening_s = time.perf_counter() - began
        self._park(slot, kept if source is None else 0, place.former)
        if opened is not None:
            kept = self._restore(slot, number, *opened, opening_s, prompt)
        if source is not None:
            self._moving |= {source.id, slot.id}
            self._context.copy(source.id, slot.id)
            slot.tokens[:kept] = source.tokens[:kept]
            slot.length = source.length
        if slot.length > kept and not self._context.forget(slot.id, kept):
            self._context.forget(slot.id, 0)  # this memory cannot be cut: start anew
            kept = 0
        slot.length = kept
        self.restored += kept if place.parked else 0
        return slot, kept

    def free(self, slot: Slot) -> None:
        """The slot keeps what it holds until somebody else needs it."""
        self._slots.free(slot)

    def computed(self) -> None:
        """The context has computed, and with that moved what was to be copied."""
        self._moving.clear()

    def clear(self) -> None:
        """Nothing that slots hold can be relied on."""
        self._context.clear()
        self._slots.clear()
        self._moving.clear()

    def rest(self) -> bool:
        """Forget what is too old; whether anything is left to forget later."""
        self._parked.sweep()
        for slot in self._slots.idle_since(time.monotonic() - LIFE_S):
            if slot.id not in self._moving:
                self._context.forget(slot.id, 0)
                slot.length = slot.pin = 0
        return len(self._parked) > 0 or any(slot.length for slot in self._slots.all)

    def _offer(self, prompt: Ints, salt: str) -> tuple[int, int]:
        """The number of the parked sequence that has most of a prompt, and what it is worth in prompt tokens."""
        if not self._parked:
            return 0, 0
        found = self._parked.offer(self._parked.links(prompt, salt))
        if found is None:
            return 0, 0
        number, shared = found
        return number, shared - int(self._seal_s(self._parked.length(number)) / (RESTORE_SHARE * self._prefill_s))

    def _seal_s(self, tokens: int) -> float:
        """Seconds that a sequence of so many tokens takes to park, or to restore."""
        return tokens * self._token_bytes / self._seal_rate

    def _sealed(self, size: int, seconds: float) -> None:
        self._seal_rate += 0.2 * (size / max(seconds, 1e-6) - self._seal_rate)

    def _park(self, slot: Slot, kept: int, salt: str) -> None:
        """Park what a slot is about to lose beyond `kept` tokens, where that pays."""
        lost = slot.length - kept
        if lost < BLOCK or slot.length * self._token_bytes > self._parked.most or slot.id in self._moving:
            return
        if self._seal_s(slot.length) > PARK_SHARE * lost * self._prefill_s:
            return
        tokens = slot.tokens[: slot.length]
        if self._parked.holds(self._parked.links(tokens, salt)) or self._context.positions(slot.id) != slot.length:
            return
        began = time.perf_counter()
        with suppress(MemoryError):
            state = self._context.state(slot.id)
            self._parked.put(tokens, salt, state)
            self._sealed(state.nbytes, time.perf_counter() - began)

    def _open(self, slot: Slot, number: int) -> tuple[Ints, Bytes] | None:
        """Tokens and state of a parked sequence for a slot; None where nothing may be put there or it does not open."""
        if slot.id in self._moving:
            return None
        try:
            return self._parked.take(number, slot.salt)
        except MemoryError:
            return None

    def _restore(self, slot: Slot, number: int, tokens: Ints, state: Bytes, spent_s: float, prompt: Ints) -> int:
        """Put an opened sequence into a slot; how many tokens of the prompt are there then."""
        began = time.perf_counter()
        self._context.forget(slot.id, 0)
        slot.length = 0
        whole = self._context.restore(slot.id, state) and self._context.positions(slot.id) == len(tokens)
        state.fill(0)
        if not whole:
            self._context.forget(slot.id, 0)
            self._parked.drop(number)
            return 0
        slot.tokens[: len(tokens)] = tokens
        slot.length = len(tokens)
        self._sealed(state.nbytes, time.perf_counter() - began + spent_s)
        return slot.shared(prompt, slot.salt)

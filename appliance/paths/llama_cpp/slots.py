"""Which sequence slot a prompt goes to, and how much of what is already computed it can keep.

Rules kept here:
1. Computed keys and values are reused only between prompts of the same tenant salt.
2. At least the last prompt token is always computed anew: its logits are needed.
3. A finished slot keeps its tokens until somebody else needs it; the least recently used goes first.
4. Slots in use are kept side by side where that is possible: llama.cpp computes only neighbouring streams together.
5. Where different prompts begin alike, the slot that holds that beginning is pinned: prompts of its kind copy from it,
   others take it last. At most half of the slots are pinned, and none is kept from whoever finds no other.

Pure bookkeeping: it decides, and `sequences` moves the bytes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from appliance.paths.llama_cpp.library import Ints

MIN_SHARED = 16  # tokens; a shorter prefix is not worth giving up or copying a slot for
MIN_PINNED = 64  # tokens


@dataclass(slots=True, eq=False)
class Slot:
    """One KV stream. The first `length` of `tokens` are computed, the first `prompt` were asked, the first `pin` are
    the beginning of other prompts too.
    """

    id: int
    tokens: Ints
    length: int = 0
    salt: str = ""
    busy: bool = False
    used: int = 0
    prompt: int = 0
    pin: int = 0
    freed: float = 0.0  # by time.monotonic

    def shared(self, prompt: Ints, salt: str) -> int:
        """How many leading tokens of `prompt` this slot holds, at most all but the last."""
        if salt != self.salt or not self.length:
            return 0
        size = min(self.length, len(prompt) - 1)
        differs = self.tokens[:size] != prompt[:size]
        at = int(differs.argmax()) if size else 0
        return at if size and differs[at] else size


@dataclass(frozen=True, slots=True)
class Placement:
    """Use `slot`, after copying `source` into it if there is one, and keep `kept` tokens. With `parked` put the parked
    sequence there first. What was in it was `former`'s.
    """

    slot: Slot
    kept: int
    source: Slot | None = None
    parked: bool = False
    former: str = ""


@dataclass(slots=True)
class Slots:
    """All slots of a context. `copy_tokens` is the prefill that takes as long as copying a slot."""

    count: int
    context: int
    copy_tokens: int = 0
    all: list[Slot] = field(init=False)
    clock: int = 0

    def __post_init__(self) -> None:
        self.all = [Slot(id, np.zeros(self.context, np.int32)) for id in range(self.count)]

    @property
    def full(self) -> bool:
        """Whether every slot is busy."""
        return all(slot.busy for slot in self.all)

    def place(self, prompt: Ints, salt: str, parked: int = 0) -> Placement | None:
        """Where `prompt` goes; None while every slot is busy. Marks the slot busy.

        `parked` is what restoring a parked sequence is worth, in tokens that are not computed anew.
        """
        free = [slot for slot in self.all if not slot.busy]
        if not free:
            return None
        self.clock += 1
        holds = [(slot.shared(prompt, salt), not slot.busy, -slot.id, slot) for slot in self.all]
        kept, _, _, best = max(holds)
        target: Slot
        source: Slot | None = None
        restored = parked > kept and parked >= MIN_SHARED
        if restored or kept < MIN_SHARED:
            kept, target = 0, self._spare(free)
        elif not best.busy and (2 * kept >= best.length or len(free) == 1):
            target = best
        else:
            others = [slot for slot in free if slot is not best]
            if others and kept > self.copy_tokens:
                target, source = self._spare(others), best
            elif not best.busy:
                target = best
            else:
                kept, target = 0, self._spare(free)
        if MIN_PINNED <= kept < min(best.prompt, len(prompt) - 1):
            self._pin(best, kept)
        target.pin = min(target.pin, kept) if target is best else 0
        former = target.salt
        target.busy, target.salt, target.used, target.prompt = True, salt, self.clock, len(prompt)
        return Placement(target, kept, source, restored, former)

    def _pin(self, slot: Slot, size: int) -> None:
        """Pin a slot, and unpin those that hold no more of the same, or were not used for longest."""
        for other in self.all:
            if other.pin and other.salt == slot.salt and other.pin <= size:
                other.pin *= not np.array_equal(other.tokens[: other.pin], slot.tokens[: other.pin])
        slot.pin, slot.used = size, self.clock
        pinned = sorted((one for one in self.all if one.pin), key=lambda one: -one.used)
        for one in pinned[max(self.count // 2, 0) :]:
            one.pin = 0

    def _spare(self, free: list[Slot]) -> Slot:
        busy = [slot.id for slot in self.all if slot.busy]
        if not busy:
            return min(free, key=lambda slot: (slot.pin > 0, slot.length > 0, slot.used, slot.id))
        low, high = min(busy), max(busy)

        def far(slot: Slot) -> int:
            return max(low - slot.id, slot.id - high, 0)

        return min(free, key=lambda slot: (slot.pin > 0, far(slot), slot.length > 0, slot.used, slot.id))

    def free(self, slot: Slot) -> None:
        slot.busy, slot.freed = False, time.monotonic()

    def idle_since(self, moment: float) -> list[Slot]:
        """Slots that hold something and that nobody used after `moment`."""
        return [slot for slot in self.all if slot.length and not slot.busy and slot.freed < moment]

    def clear(self) -> None:
        """Everything computed is gone."""
        for slot in self.all:
            slot.length = slot.pin = 0

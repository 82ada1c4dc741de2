"""One try at a path: what it said, and what is charged for it however it ended.

Rules kept here:
1. What the provider stated of a whole answer is charged as stated, where it can be (`decide.usage`). What broke off, or
   was abandoned, is charged by what its meter knows; what never reached its path, or did no work there, costs nothing.
2. Where nobody knows how far it got, as much is charged as was expected of it, and `known` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from appliance.decide.price import price_of
from appliance.decide.usage import Seen, checked, possible
from appliance.features.describe import estimated_tokens
from appliance.paths.contract import Chunk, Done, Meter, PathError, Reasoning, Signals, Text, ToolCall, Usage, Vector
from appliance.records.card import ModelCard
from appliance.records.decision import UsageNote
from appliance.records.features import Features

# Faults of a path that may have computed something before it failed.
_MAY_HAVE_WORKED = frozenset({"timeout", "broken_stream", "internal"})


class Charge(NamedTuple):
    """What a try used, what that costs, whether that is known rather than thought, and what is odd about what its
    provider stated.
    """

    usage: Usage
    cost: float
    known: bool
    note: UsageNote = ""


class Try:
    """One try. `begin` when its path is asked, `note` each chunk; `fault` is how it failed, if it did."""

    __slots__ = (
        "_clock",
        "_dimensions",
        "asked",
        "began",
        "called_tools",
        "characters",
        "done",
        "fault",
        "first",
        "meter",
        "signals",
        "text",
        "thought",
        "tokens",
    )

    def __init__(self, began: float) -> None:
        """`began`, as `asked` and `first`, by the clock of its execution."""
        self.began = began
        self.asked: float | None = None  # None: the path never was
        self.first: float | None = None
        self.fault: PathError | None = None
        self.done: Done | None = None
        self.signals: Signals | None = None
        self.text: dict[int, list[str]] = {}
        self.called_tools: set[int] = set()
        self.tokens = 0
        self.characters = 0  # of what is no text
        self.thought = False
        self.meter = Meter()
        self._clock: Callable[[], float] | None = None
        self._dimensions: int | None = None

    def begin(self, clock: Callable[[], float], dimensions: int | None) -> None:
        """The path is asked now; `dimensions` that vectors must have."""
        self._clock = clock
        self._dimensions = dimensions
        self.asked = clock()

    def note(self, chunk: Chunk) -> None:
        """Take in the next chunk. Raises PathError where it is none that was asked for."""
        if self.first is None and not isinstance(chunk, Done):
            assert self._clock is not None
            self.first = self._clock()
        if isinstance(chunk, Text):
            self.text.setdefault(chunk.index, []).append(chunk.text)
            self.tokens += chunk.tokens
        elif isinstance(chunk, Signals):
            # Of several choices the weakest speaks for all.
            if self.signals is None or chunk.mean_logprob < self.signals.mean_logprob:
                self.signals = chunk
        elif isinstance(chunk, ToolCall):
            self.called_tools.add(chunk.index)
            self.characters += _written(chunk.delta)
        elif isinstance(chunk, Reasoning):
            self.thought = True
            self.tokens += chunk.tokens
            self.characters += len(chunk.text)
        elif isinstance(chunk, Vector):
            wanted = self._dimensions
            if wanted is not None and len(chunk.values) != wanted:
                raise PathError("unsupported", f"its vectors have {len(chunk.values)} dimensions, not {wanted}")
        elif isinstance(chunk, Done):
            self.done = chunk

    def charged(self, card: ModelCard, features: Features, now: float) -> Charge:
        """What is charged for it, were it to end `now`."""
        usage, known, note = self._used(card, features)
        if usage is None:
            return Charge(Usage(), 0.0, known)
        seconds = 0.0 if self.asked is None else now - self.asked
        return Charge(usage, price_of(card.price, usage, images=features.images, seconds=seconds), known, note)

    def _used(self, card: ModelCard, features: Features) -> tuple[Usage | None, bool, UsageNote]:
        if self.done is not None:
            if card.endpoint is None:  # a runtime of this host counts for itself
                return self.done.usage, True, ""
            usage, note = checked(self.done.usage, self._seen(features))
            return usage, note in ("", "too-high"), note
        meter, prompt = self.meter, features.estimated_prompt_tokens
        if self.first is not None or meter.stated is not None or meter.text_tokens:
            return possible(meter.used(prompt, self.tokens)), meter.exact, ""
        fault = self.fault
        if (
            self.asked is None
            or meter.sent is False
            or (fault is not None and not (fault.sent and fault.fault in _MAY_HAVE_WORKED))
        ):
            return None, True, ""
        return Usage(prompt, features.estimated_output_tokens), False, ""

    def _seen(self, features: Features) -> Seen:
        return Seen(
            features.estimated_prompt_tokens,
            self.characters + sum([len(piece) for pieces in self.text.values() for piece in pieces]),
            self._count,
            open_ended=features.has_images or features.has_tools or bool(self.called_tools),
            thought=self.thought,
            most=features.most_output_tokens * max(1, len(self.text)),
        )

    def _count(self) -> int:
        """Tokens of the answer: of a stream one a piece and more where it was said, else as estimated."""
        pieces = sum(map(len, self.text.values()))
        if pieces > len(self.text):
            return self.tokens
        texts = ["".join(pieces) for pieces in self.text.values()]
        return max(self.tokens, sum(map(estimated_tokens, texts)) + self.characters // 4)


def _written(delta: dict[str, Any]) -> int:
    """Characters of a piece of a tool call that were sampled."""
    function = delta.get("function")
    if not isinstance(function, dict):
        return 0
    return sum(len(text) for text in (function.get("name"), function.get("arguments")) if isinstance(text, str))

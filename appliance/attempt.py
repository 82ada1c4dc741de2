"""One try at a path: what it said, and what is charged for it however it ended.

Rules kept here:
1. What the provider stated of a whole answer is charged as stated. What broke off, or was abandoned, is charged by what
   its meter knows; what never reached its path, or did no work there, costs nothing.
2. Where nobody knows how far it got, as much is charged as was expected of it, and `known` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from appliance.decide.price import price_of
from appliance.paths.contract import Chunk, Done, Meter, PathError, Reasoning, Signals, Text, ToolCall, Usage, Vector
from appliance.records.card import Price
from appliance.records.features import Features

# Faults of a path that may have computed something before it failed.
_MAY_HAVE_WORKED = frozenset({"timeout", "broken_stream", "internal"})


class Charge(NamedTuple):
    """What a try used, what that costs, and whether that is known rather than thought."""

    usage: Usage
    cost: float
    known: bool


class Try:
    """One try. `begin` when its path is asked, `note` each chunk; `fault` is how it failed, if it did."""

    __slots__ = (
        "_clock",
        "_dimensions",
        "asked",
        "began",
        "called_tools",
        "done",
        "fault",
        "first",
        "meter",
        "signals",
        "text",
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
        elif isinstance(chunk, Reasoning):
            self.tokens += chunk.tokens
        elif isinstance(chunk, Vector):
            wanted = self._dimensions
            if wanted is not None and len(chunk.values) != wanted:
                raise PathError("unsupported", f"its vectors have {len(chunk.values)} dimensions, not {wanted}")
        elif isinstance(chunk, Done):
            self.done = chunk

    def charged(self, price: Price, features: Features) -> Charge:
        """What is charged for it, were it to end now."""
        usage, known = self._used(features)
        if usage is None:
            return Charge(Usage(), 0.0, known)
        return Charge(usage, price_of(price, usage), known)

    def _used(self, features: Features) -> tuple[Usage | None, bool]:
        if self.done is not None:
            return self.done.usage, True
        meter, prompt = self.meter, features.estimated_prompt_tokens
        if self.first is not None or meter.stated is not None or meter.text_tokens:
            return meter.used(prompt, self.tokens), meter.exact
        fault = self.fault
        if (
            self.asked is None
            or meter.sent is False
            or (fault is not None and not (fault.sent and fault.fault in _MAY_HAVE_WORKED))
        ):
            return None, True
        return Usage(prompt, features.estimated_output_tokens), False

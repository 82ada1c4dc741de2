"""Chunks to an Answer and back: the fold of a stream, and the stream of a stored answer.

Rules kept here:
1. `collect` of `replay` of an answer is that answer (property test).
2. Deltas of tool calls are joined by their `index`, as OpenAI's clients do.
3. Thinking that several seals stand under is joined, and has none: no seal holds for the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from appliance.records.answer import Answer, Choice
from appliance.records.chunks import (
    Chunk,
    Done,
    FinishReason,
    Reasoning,
    Signals,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
    Vector,
)

# A word with the blanks behind it; long words (and scripts without blanks) in pieces.
_PIECE = re.compile(r"\S{1,24}\s*|\s+")


class Collector:
    """Folds the chunks of one stream; `answer` may be asked for at any time, also of an unfinished stream."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}
        self._logprobs: dict[int, list[TokenLogprob]] = {}
        self._calls: dict[int, dict[int, dict[str, Any]]] = {}
        self._reasoning: dict[int, list[Reasoning]] = {}
        self._vectors: dict[int, tuple[float, ...]] = {}
        self._signals: list[Signals] = []
        self._done: Done | None = None

    @property
    def finished(self) -> bool:
        """Whether Done has come."""
        return self._done is not None

    def feed(self, chunk: Chunk) -> None:
        """Takes one chunk."""
        if isinstance(chunk, Text):
            self._texts.setdefault(chunk.index, []).append(chunk.text)
            if chunk.logprobs:
                self._logprobs.setdefault(chunk.index, []).extend(chunk.logprobs)
        elif isinstance(chunk, ToolCall):
            _join(self._calls.setdefault(chunk.index, {}), chunk.delta)
        elif isinstance(chunk, Reasoning):
            self._reasoning.setdefault(chunk.index, []).append(chunk)
        elif isinstance(chunk, Vector):
            self._vectors[chunk.index] = chunk.values
        elif isinstance(chunk, Signals):
            self._signals.append(chunk)
        else:
            self._done = chunk

    def answer(self, *, id: str, model: str, created: int) -> Answer:
        """What has come so far; `created` in Unix seconds."""
        done = self._done
        vectors = tuple([self._vectors[index] for index in sorted(self._vectors)]) if self._vectors else ()
        reasons: tuple[FinishReason, ...] = () if done is None else done.finish_reasons
        indexes = {*self._texts, *self._calls, *self._reasoning}
        if not vectors:  # an embedding has no choices
            indexes.update(range(len(reasons)))
        return Answer(
            id=id,
            model=model,
            created=created,
            choices=tuple([self._choice(index, reasons) for index in range(max(indexes, default=-1) + 1)]),
            usage=Usage() if done is None else done.usage,
            vectors=vectors,
            device="" if done is None else done.device,
            signals=tuple(self._signals),
        )

    def _choice(self, index: int, reasons: tuple[FinishReason, ...]) -> Choice:
        calls = self._calls.get(index)
        stops = () if self._done is None else self._done.stops
        thought = self._reasoning.get(index, ())
        seals = [piece.seal for piece in thought if piece.seal] if thought else ()
        return Choice(
            text="".join(self._texts.get(index, ())),
            tool_calls=tuple([calls[place] for place in sorted(calls)]) if calls else (),
            finish_reason=reasons[index] if index < len(reasons) else "stop",
            logprobs=tuple(self._logprobs.get(index, ())),
            reasoning="".join([piece.text for piece in thought]) if thought else "",
            seal=seals[0] if len(seals) == 1 else "",
            stop=stops[index] if index < len(stops) else "",
        )


def _join(calls: dict[int, dict[str, Any]], delta: dict[str, Any]) -> None:
    call = calls.setdefault(delta["index"], {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    if delta.get("id"):
        call["id"] = delta["id"]
    if delta.get("extra_content"):
        call["extra_content"] = delta["extra_content"]
    function = delta.get("function") or {}
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def collect(chunks: Iterable[Chunk], *, id: str, model: str, created: int) -> Answer:
    """The answer that the chunks add up to."""
    collector = Collector()
    for chunk in chunks:
        collector.feed(chunk)
    return collector.answer(id=id, model=model, created=created)


def replay(answer: Answer) -> Iterator[Chunk]:
    """A stored answer as chunks, word by word (token by token where log-probabilities were kept).

    `tokens` is 0 throughout: nothing was sampled.
    """
    for index, choice in enumerate(answer.choices):
        if choice.reasoning or choice.seal:
            yield from _thought(choice, index)
        if choice.logprobs and "".join(token.token for token in choice.logprobs) == choice.text:
            for token in choice.logprobs:
                yield Text(token.token, index, 0, (token,))
        elif choice.logprobs:
            yield Text(choice.text, index, 0, choice.logprobs)
        else:
            for piece in _PIECE.findall(choice.text):
                yield Text(piece, index, 0)
        for place, call in enumerate(choice.tool_calls):
            yield ToolCall({"index": place, **call}, index)
    for index, vector in enumerate(answer.vectors):
        yield Vector(vector, index)
    yield from answer.signals
    reasons = tuple([choice.finish_reason for choice in answer.choices])
    stops = tuple([choice.stop for choice in answer.choices])
    yield Done(answer.usage, reasons, answer.device, stops if any(stops) else ())


def _thought(choice: Choice, index: int) -> Iterator[Chunk]:
    pieces = _PIECE.findall(choice.reasoning) or [""]
    for piece in pieces[:-1]:
        yield Reasoning(piece, index, 0)
    yield Reasoning(pieces[-1], index, 0, choice.seal)

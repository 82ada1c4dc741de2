"""The way back: placeholders in an answer are replaced by what they stand for.

Rules kept here:
1. A placeholder that is cut between two pieces is held back until it is decided, and no more than its beginning is.
   What is held back when the answer ends goes out as it is: no text is lost, none comes twice.
2. Only whole placeholders that this request was given are replaced; whatever else looks like one, or is one in other
   letters, is left as it is. What was put in is not looked at again.
3. Inside JSON (arguments of tool calls, answers in a JSON format) a value is written as JSON writes it.
4. Thinking that something was put back into loses its seal, which is of the text with placeholders.

Log-probabilities stay those of the tokens that were sampled, which are the placeholders'.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import replace

from appliance.records.chunks import Chunk, Done, Reasoning, Text, ToolCall
from appliance.redact.form import PLACEHOLDER


class _Piecewise:
    """One text that comes in pieces."""

    __slots__ = ("_back", "_held", "_names", "restored")

    def __init__(self, back: Mapping[str, str], names: list[str]) -> None:
        self._back = back
        self._names = names
        self._held = ""
        self.restored = False  # whether anything was put back

    def feed(self, piece: str) -> str:
        """What can be said after this piece."""
        text = self._held + piece
        cut = text.rfind("[")
        if cut < 0 or not self._begins_one(text[cut:]):
            cut = len(text)
        self._held = text[cut:]
        return PLACEHOLDER.sub(self._put_back, text[:cut])

    def _put_back(self, match: re.Match[str]) -> str:
        value = self._back.get(match[0])
        if value is None:
            return match[0]
        self.restored = True
        return value

    def _begins_one(self, tail: str) -> bool:
        place = bisect_left(self._names, tail)
        return place < len(self._names) and self._names[place] != tail and self._names[place].startswith(tail)

    def end(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held


class Restorer:
    """Restores the chunks of one answer. `in_json`: its text is JSON."""

    def __init__(self, back: Mapping[str, str], *, in_json: bool = False) -> None:
        self._escaped = {name: json.dumps(value, ensure_ascii=False)[1:-1] for name, value in back.items()}
        self._back = back
        self._plain = self._escaped if in_json else back
        self._names = sorted(back)
        self._texts: dict[int, _Piecewise] = {}
        self._thoughts: dict[int, _Piecewise] = {}
        self._calls: dict[int, dict[int, _Piecewise]] = {}  # of each choice, by the call's index
        self._calling: dict[int, int] = {}  # the call that each choice is at

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        """The chunks that stand for this one."""
        if isinstance(chunk, Text):
            if self._thoughts:
                yield from self._rest_of_thought(chunk.index)
            text = self._texts.setdefault(chunk.index, _Piecewise(self._plain, self._names)).feed(chunk.text)
            yield Text(text, chunk.index, chunk.tokens, chunk.logprobs)
        elif isinstance(chunk, ToolCall):
            yield from self._call(chunk)
        elif isinstance(chunk, Reasoning):
            yield self._thought(chunk)
        else:
            if isinstance(chunk, Done):
                yield from self._end()
                if chunk.stops:  # one that was asked for, and went out with placeholders as all else
                    chunk = replace(chunk, stops=tuple(map(self._whole, chunk.stops)))
            yield chunk

    def _whole(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda match: self._back.get(match[0], match[0]), text)

    def _thought(self, chunk: Reasoning) -> Reasoning:
        thought = self._thoughts.setdefault(chunk.index, _Piecewise(self._back, self._names))
        text, seal = thought.feed(chunk.text), chunk.seal
        if seal:  # its last piece; what comes next is another's
            text += thought.end()
            del self._thoughts[chunk.index]
            seal = "" if thought.restored else seal
        return Reasoning(text, chunk.index, chunk.tokens, seal)

    def _rest_of_thought(self, choice: int) -> Iterator[Chunk]:
        thought = self._thoughts.get(choice)
        if thought is not None and (held := thought.end()):
            yield Reasoning(held, choice, 0)

    def _call(self, chunk: ToolCall) -> Iterator[Chunk]:
        choice, delta = chunk.index, chunk.delta
        calls = self._calls.setdefault(choice, {})
        place = delta["index"]
        yield from self._rest_of_thought(choice)
        yield from self._rest_of_text(choice)
        if self._calling.get(choice, place) != place:
            yield from self._rest_of_call(choice)
        self._calling[choice] = place
        restore = calls.setdefault(place, _Piecewise(self._escaped, self._names))
        function = delta.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if isinstance(function, dict) and isinstance(arguments, str):
            delta = {**delta, "function": {**function, "arguments": restore.feed(arguments)}}
        yield ToolCall(delta, choice)

    def _rest_of_text(self, choice: int) -> Iterator[Chunk]:
        text = self._texts.get(choice)
        if text is not None and (held := text.end()):
            yield Text(held, choice, 0)

    def _rest_of_call(self, choice: int) -> Iterator[Chunk]:
        place = self._calling[choice]
        if held := self._calls[choice][place].end():
            yield ToolCall({"index": place, "function": {"arguments": held}}, choice)

    def _end(self) -> Iterator[Chunk]:
        for choice in self._thoughts:
            yield from self._rest_of_thought(choice)
        for choice in self._texts:
            yield from self._rest_of_text(choice)
        for choice in self._calling:
            yield from self._rest_of_call(choice)


async def restored(chunks: AsyncIterator[Chunk], restorer: Restorer) -> AsyncGenerator[Chunk, None]:
    """The chunks of an answer with its placeholders put back; closing it closes them."""
    try:
        async for chunk in chunks:
            for one in restorer.feed(chunk):
                yield one
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()

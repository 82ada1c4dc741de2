"""A request without its findings: each is replaced by a placeholder that can be put back.

Rules kept here:
1. Pure: equal requests, equal placeholders. The same value of the same kind has the same one throughout a request, and
   numbers count in the order of the messages, so that a conversation that grows keeps them.
2. No placeholder stands in the request already, in upper or lower case.
3. What is left is looked at anew, by the very detectors that looked before: nothing redactable may be in it, nothing of
   a kind that was not found before, and nothing that was found, wherever it stands. Else NotRedactable: it must not
   leave.
4. Names, keys, numbers and patterns stay as they are: a placeholder there would ask for something else. Where one of
   them holds a finding, rule 3 refuses.

It does not decide what is redacted or where that suffices; policy does.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.features.detect import counts, find
from appliance.features.detect.texts import texts
from appliance.records.features import FindingKind
from appliance.records.request import THINKING, Message, Request
from appliance.redact.form import LOOKALIKE, PLACEHOLDER, placeholder

GiveUp = Callable[[], bool]
_ROUNDS = 3  # what one finding overlapped may be found once that one is gone
# In tools and schemas: what names something, or says what a text must look like.
_AS_IT_IS = frozenset(("name", "type", "pattern", "format", "$ref", "$id", "$schema"))
_ESCAPES = {**dict.fromkeys("nrtbf", 1), "u": 5}  # characters that a JSON escape has behind its backslash


class NotRedactable(Exception):
    """Something would be left that must not leave. The message names no text."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A request that may leave in another's place. `back` says what each placeholder stands for, `found` how many
    findings of each kind were replaced."""

    request: Request
    found: tuple[tuple[FindingKind, int], ...]
    back: Mapping[str, str] = field(repr=False)


def _never() -> bool:
    return False


def redact(
    request: Request,
    kinds: Collection[FindingKind],
    known: Collection[FindingKind],
    give_up: GiveUp = _never,
) -> Redaction:
    """The request with every finding of these `kinds` replaced; `known` are all kinds that were found in it.

    Raises NotRedactable, and DetectorFailed when told to give up.
    """
    if any(part.get("type") not in THINKING for message in request.messages for part in message.parts):
        raise NotRedactable("an image, sound or file cannot be redacted")
    left = set(known).difference(kinds)
    swap = _Swap(frozenset(kinds), _taken(request), give_up)
    for _ in range(_ROUNDS):
        try:
            request = swap.request(request)
        except RecursionError:
            raise NotRedactable("it is nested too deeply") from None
        said = list(texts(request))
        still = {kind for kind, _ in counts(said, give_up)}
        elsewhere = any(value in text for text in said for value in swap.back.values())
        if still <= left and not elsewhere:
            return Redaction(request, tuple(sorted(swap.found.items())), swap.back)
    kinds_left = ", ".join(sorted(still - left)) or "what was found, in another place"
    raise NotRedactable(f"something is found in it still: {kinds_left}")


def _taken(request: Request) -> frozenset[str]:
    return frozenset(match[1].upper() for text in texts(request) for match in LOOKALIKE.finditer(text))


class _Swap:
    """One redaction: what was replaced by what. Lives for one call."""

    def __init__(self, kinds: frozenset[FindingKind], taken: frozenset[str], give_up: GiveUp) -> None:
        self._kinds = kinds
        self._taken = taken
        self._give_up = give_up
        self._given: dict[tuple[FindingKind, str], str] = {}
        self._number: dict[FindingKind, int] = {}
        self.back: dict[str, str] = {}
        self.found: dict[FindingKind, int] = {}

    def request(self, request: Request) -> Request:
        """All that a path is sent, and `user`, which stands beside it."""
        sampling, form = request.sampling, request.format
        messages = tuple(map(self._message, request.messages))
        prompt, inputs = self.text(request.prompt), tuple(map(self.text, request.inputs))
        if sampling.stop:
            sampling = replace(sampling, stop=tuple(map(self.text, sampling.stop)))
        if form.kind != "text":
            schema, description = self._shape(form.schema), self.text(form.description)
            form = replace(form, schema=schema, description=description)
        counted = dict(self.found)
        user = self.text(request.user)  # stands in `forwarded` too, where it is counted
        self.found = counted
        return replace(
            request,
            messages=messages,
            prompt=prompt,
            inputs=inputs,
            sampling=sampling,
            format=form,
            tools=tuple(map(self._shape, request.tools)),
            forwarded=self._tree(request.forwarded),
            user=user,
        )

    def _message(self, message: Message) -> Message:
        return replace(
            message,
            marks=(),  # places in a text that is another from here on
            parts=(),  # earlier thinking: its seal holds for the very text only, so that it stays here
            content=self.text(message.content),
            name=message.name and self.text(message.name),
            tool_call_id=message.tool_call_id and self.text(message.tool_call_id),
            tool_calls=tuple(map(self._call, message.tool_calls)),
        )

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        function = call["function"]
        swapped = {**function, "arguments": self._arguments(function["arguments"])}
        return {**call, "id": self.text(call["id"]), "function": swapped}

    def _arguments(self, text: str) -> str:
        """JSON in a text: what its escapes mean is looked at, not how they are written."""
        try:
            value = json.loads(text)
        except ValueError:
            return self._plain(text)
        swapped = self._tree(value)
        return text if swapped == value else json.dumps(swapped, ensure_ascii=False)

    def _shape(self, value: Any) -> Any:
        return self._tree(value, _AS_IT_IS)

    def _tree(self, value: Any, as_it_is: frozenset[str] = frozenset()) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                name: item if name in as_it_is and isinstance(item, str) else self._tree(item, as_it_is)
                for name, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return type(value)(self._tree(item, as_it_is) for item in value)
        return value

    def text(self, text: str) -> str:
        """The text with its findings replaced; of JSON with escapes what these mean is looked at."""
        return self._arguments(text) if "\\u" in text else self._plain(text)

    def _plain(self, text: str) -> str:
        found = [finding for finding in find(text, self._give_up) if finding.kind in self._kinds] if text else ()
        if not found:
            return self._elsewhere(text)
        ours = [match.span() for match in PLACEHOLDER.finditer(text) if match[0] in self.back]
        pieces: list[str] = []
        at = 0
        for finding in found:
            nearest = bisect_left(ours, (finding.end, 0)) - 1
            if nearest >= 0 and ours[nearest][1] > finding.start:
                raise NotRedactable("a finding holds what stands for another one")
            start = _behind_escape(text, finding.start, finding.end)
            pieces += text[at:start], self._placeholder(finding.kind, text[start : finding.end])
            at = finding.end
        return self._elsewhere("".join((*pieces, text[at:])))

    def _elsewhere(self, text: str) -> str:
        """What was found is replaced also where a detector, by what stands around it, takes it for something else."""
        for (kind, value), name in self._given.items():
            if value in text:
                self.found[kind] += text.count(value)
                text = text.replace(value, name)
        return text

    def _placeholder(self, kind: FindingKind, value: str) -> str:
        self.found[kind] = self.found.get(kind, 0) + 1
        given = self._given.get((kind, value))
        while given is None:
            number = self._number[kind] = self._number.get(kind, 0) + 1
            name = placeholder(kind, number)
            if name[1:-1] not in self._taken:
                given = self._given[kind, value] = name
                self.back[name] = value
        return given


def _behind_escape(text: str, start: int, end: int) -> int:
    """Where a value begins whose first letters are a JSON escape's last: of 'to:\\nann@b.example' it is 'ann...'."""
    first = start
    while first and text[first - 1] == "\\":
        first -= 1
    past = start + (_ESCAPES.get(text[start], 0) if (start - first) % 2 else 0)
    return past if past < end else start

"""Every text of a request that detectors must see: whatever a path would be sent.

Rules kept here:
1. Every message counts: system, history, tool calls and their results; the prompt; every input of an embedding;
   tools, formats, stop sequences, and the parameters that are passed on as they came.
2. Whole values and names alike: a secret may stand in a key.
3. What JSON escapes hide is shown too: a text that holds JSON, as arguments of tools do, says what its escapes mean.
4. The bytes of images, sounds and files are not read; `attachments` counts them instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from appliance.records.request import Request

# However many backslashes stand before it: JSON that holds JSON escapes once more.
_ESCAPE = re.compile(r'\\+(?:u([0-9a-fA-F]{4})|([nrtbf"/])|)')
_MEANT = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "": "\\"}  # of the others, themselves
_MOST_ROUNDS = 4  # of escapes that are escapes' meaning
_MEDIA = frozenset({"image_url", "input_image", "image", "input_audio", "file"})


class EscapedTooDeeply(Exception):
    """What the escapes of a text mean are escapes, and so on: nobody writes so who has nothing to hide."""


def texts(request: Request) -> Iterator[str]:
    """In no promised order; empty ones left out. Raises EscapedTooDeeply."""
    for text in written(request):
        yield text
        yield from meanings((text,))


def meanings(texts: Iterable[str]) -> Iterator[str]:
    """What escapes in these texts hide. Takes up to a microsecond for each. Raises EscapedTooDeeply."""
    for text in texts:
        if "\\" in text:
            yield from _meant(text)


def _meant(text: str) -> Iterator[str]:
    """The text with its JSON escapes, of surrogate pairs too, as what they mean; nothing where that is itself."""
    for _ in range(_MOST_ROUNDS):
        shown = _ESCAPE.sub(_meaning, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if shown == text:
            return
        yield shown
        text = shown
    raise EscapedTooDeeply


def _meaning(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    sign = match[2] or ""
    return _MEANT.get(sign, sign)


def written(request: Request) -> Iterator[str]:
    """The same texts as they stand, without what escapes in them hide."""
    for message in request.messages:
        if message.content:
            yield message.content
        if message.name:
            yield message.name
        if message.tool_call_id:
            yield message.tool_call_id
        if message.tool_calls:
            yield from _strings(message.tool_calls)
        if message.parts:
            yield from _strings([_beside_text(part) for part in message.parts])
    if request.prompt:
        yield request.prompt
    yield from request.inputs
    form = request.format
    if form.kind != "text":
        yield from _strings([form.schema, form.name, form.pattern, form.description])
    if request.tools:
        yield from _strings([request.tools, request.tool_choice])
    yield from request.sampling.stop
    if request.forwarded:
        yield from _strings(request.forwarded)
    if request.user:
        yield request.user


def attachments(request: Request) -> int:
    """Images, sounds and files, whether they come as bytes or as addresses."""
    return sum(part.get("type") in _MEDIA for message in request.messages for part in message.parts)


def _strings(value: Any) -> Iterator[str]:
    """Strings of a JSON value, names of fields included, however deep; numbers as digits."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            if item:
                yield item
        elif isinstance(item, dict):
            left += item.keys()
            left += item.values()
        elif isinstance(item, (list, tuple)):
            left += item
        elif isinstance(item, float):
            yield str(int(item)) if item.is_integer() else repr(item)
        elif isinstance(item, int) and not isinstance(item, bool):
            yield str(item)


def _beside_text(part: dict[str, Any]) -> dict[str, Any]:
    """What a part says besides its text, which is in the message's; of an attachment not the bytes that it holds."""
    kind = part.get("type")
    if kind not in _MEDIA:
        return {name: value for name, value in part.items() if name not in ("type", "text")}
    inner = part.get(kind)
    if not isinstance(inner, dict):
        return part
    url = inner.get("url")
    held = {"data", "file_data"} | ({"url"} if isinstance(url, str) and url[:5].lower() == "data:" else set())
    return {**part, kind: {name: value for name, value in inner.items() if name not in held}}

"""What Anthropic's messages hold besides words: images and documents, to parts as chat messages have them.

Rules kept here:
1. A document that is text becomes text, its title and context before it; one that is not (a PDF) a file part, which
   only paths take whose cards say so.
2. Nothing is fetched or looked up: an image's URL is only looked at, other addresses and ids are refused.
"""

from __future__ import annotations

import re
import string
from typing import Any

from appliance.errors import BadRequest, Unsupported
from appliance.intake.fields import array, choice, flag, missing, obj, refused, text
from appliance.intake.limits import Limits

DETAILS = ("auto", "low", "high", "original")  # in which a picture may be looked at, in OpenAI's words
_MEDIA = ("image/jpeg", "image/png", "image/gif", "image/webp")
_BASE64 = f"{string.ascii_letters}{string.digits}+/".encode()
_MOST_PADDING = 2
_URL = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
_SHOWN = re.compile(r"data:image/[^;,]{1,64}(?:;[^;,]{1,64})?;base64,", re.IGNORECASE)


def not_taken(where: str, what: str, next_step: str) -> BadRequest:
    """Something that no path is told."""
    return Unsupported(f"{what} are not supported.", param=where, next_step=next_step)


def image(block: dict[str, Any], where: str, limits: Limits) -> dict[str, Any]:
    """An image block: its own address, or one that holds its bytes."""
    if block.get("transformations") is not None:
        raise not_taken(f"{where}.transformations", "Transformations of images", "Leave them out.")
    where, source, kind = _source(block, where, ("base64", "url"))
    if kind == "url":
        url = text(f"{where}.url", source.get("url"), limits.body_bytes, least=1)
        if not _URL.match(url):
            raise refused(f"{where}.url", "an http(s) URL")
        return _shown(url)
    media = choice(f"{where}.media_type", source.get("media_type"), _MEDIA)
    return _shown(f"data:{media};base64,{_data(source, where, limits)}")


def document(block: dict[str, Any], where: str, limits: Limits) -> list[dict[str, Any]]:
    """The parts of a document block."""
    citations = block.get("citations")
    if citations is not None:
        inner = obj(f"{where}.citations", citations)
        if inner.get("enabled") is not None and flag(f"{where}.citations.enabled", inner["enabled"]):
            raise not_taken(f"{where}.citations", "Citations", "Leave them out.")
    title, context = (_stated(block, where, name, limits) for name in ("title", "context"))
    before = [piece for piece in (title, context) if piece]
    where, source, kind = _source(block, where, ("text", "content", "base64"))
    if kind == "base64":
        choice(f"{where}.media_type", source.get("media_type"), ("application/pdf",))
        data = f"data:application/pdf;base64,{_data(source, where, limits)}"
        file = {"type": "file", "file": {"filename": title[:250] or "document.pdf", "file_data": data}}
        return [*_worded([context] if context else []), file]
    if kind == "text":
        choice(f"{where}.media_type", source.get("media_type"), ("text/plain",))
        return _worded([*before, text(f"{where}.data", source.get("data"), limits.string_chars)])
    content = source.get("content")
    if content is None:
        raise missing(f"{where}.content", "a string or a list of text and image blocks")
    if type(content) is str:
        return _worded([*before, text(f"{where}.content", content, limits.string_chars)])
    parts = _worded(before)
    for index, entry in enumerate(array(f"{where}.content", content, limits.parts)):
        here = f"{where}.content[{index}]"
        inner = obj(here, entry)
        if choice(f"{here}.type", inner.get("type"), ("text", "image")) == "image":
            parts.append(image(inner, here, limits))
        else:
            parts += _worded([text(f"{here}.text", inner.get("text"), limits.string_chars)])
    return parts


def _source(block: dict[str, Any], where: str, kinds: tuple[str, ...]) -> tuple[str, dict[str, Any], str]:
    """Where the source stands, the source, and its kind; its fields are known ones."""
    where = f"{where}.source"
    if block.get("source") is None:
        raise missing(where, "an object of one of the types " + ", ".join(kinds))
    source = obj(where, block["source"])
    if source.get("type") in ("file", "url") and source["type"] not in kinds:
        raise not_taken(f"{where}.type", "Files and documents that are elsewhere", "Send the content itself.")
    kind = choice(f"{where}.type", source.get("type"), kinds)
    known = {"type", kind} if kind in ("url", "content") else {"type", "media_type", "data"}
    if not source.keys() <= known:
        raise refused(where, "an object of only " + ", ".join(sorted(known)), "Leave the others out.")
    return where, source, kind


def _stated(block: dict[str, Any], where: str, name: str, limits: Limits) -> str:
    return "" if block.get(name) is None else text(f"{where}.{name}", block[name], limits.string_chars)


def _data(source: dict[str, Any], where: str, limits: Limits) -> str:
    data = text(f"{where}.data", source.get("data"), limits.body_bytes, least=1)
    if not _is_base64(data):
        raise refused(f"{where}.data", "base64 without blanks")
    return data


def is_image_address(url: str) -> bool:
    """Whether a picture can be had there: over HTTP, or in the address itself as base64."""
    if _URL.match(url):
        return True
    shown = _SHOWN.match(url)
    return shown is not None and _is_base64(url[shown.end() :])


def _is_base64(data: str) -> bool:
    """Its letters and at most two signs at the end; in time that no pattern of `re` comes near."""
    bare = data.rstrip("=")
    padding = len(data) - len(bare)
    return bool(bare) and padding <= _MOST_PADDING and bare.isascii() and not bare.encode().translate(None, _BASE64)


def _shown(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _worded(said: list[str]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": piece} for piece in said]

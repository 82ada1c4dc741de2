"""What a job says, looked at by dialects that have no words for all of it, and what they say alike.

Rules kept here:
1. Nothing is dropped that would change an answer: what a dialect cannot say is refused by name.
2. Left out are hints alone, which tell a provider who asks, what it may keep at what price, or what the answer is
   anyway (`HINTS`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any

import orjson

from appliance.paths.contract import Job, PathError
from appliance.paths.dialect import unsupported
from appliance.records.card import Price
from appliance.records.request import THINKING, Message

HINTS = frozenset(
    ("user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options")
)
_USUAL_TIERS = ("auto", "default", "standard_only")
_SAMPLING = ("top_k", "min_p", "seed", "frequency_penalty", "presence_penalty", "repeat_penalty")
_PDF = re.compile(r"data:application/pdf;base64,", re.IGNORECASE)
_DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]+);base64,", re.IGNORECASE)


def check_said(
    job: Job,
    *,
    sampling: frozenset[str],
    forwarded: frozenset[str],
    formats: frozenset[str],
    continues: bool = False,
    seen_results: bool = False,
) -> None:
    """Raises PathError 'unsupported' for what of the job is beyond these words.

    `sampling` names fields of Sampling besides max_tokens, temperature, top_p and stop; `forwarded` parameters that are
    passed on; `formats` kinds of Format besides 'text'. `continues`: it can go on with an answer; `seen_results`: tools
    may give back images.
    """
    said = job.sampling
    for name in _SAMPLING:
        if name not in sampling and getattr(said, name) is not None:
            raise unsupported(f"'{name}'", name)
    if said.logit_bias:
        raise unsupported("'logit_bias'", "logit_bias")
    if said.logprobs and "logprobs" not in sampling:
        raise unsupported("'logprobs'", "logprobs")
    if job.n != 1:
        raise unsupported("request for several answers at once", "n")
    if job.format.kind not in formats and job.format.kind != "text":
        raise unsupported(f"format '{job.format.kind}'", "response_format")
    if job.continues and not continues:
        raise unsupported("answer that is begun", "messages")
    for at, message in enumerate(job.messages):
        if message.parts and message.role == "tool" and not seen_results:
            raise unsupported("images or documents as a tool's result", f"messages[{at}].content")
    for name, value in job.forwarded.items():
        if name not in forwarded and name not in HINTS and not (name == "modalities" and value == ["text"]):
            raise unsupported("parameter of this name", name if name.isidentifier() else "body")


def check_priced(job: Job, price: Price) -> None:
    """Raises PathError 'unsupported' for what changes what a call costs, where the card's price does not cover it."""
    if not job.forwarded or price.free:
        return
    tier = job.forwarded.get("service_tier")
    if tier is not None and tier not in (*_USUAL_TIERS, *price.covers):
        raise PathError("unsupported", "The card has no price for this tier of service.", param="service_tier")
    if job.forwarded.get("web_search_options") is not None and "web_search" not in price.covers:
        raise PathError("unsupported", "The card has no price for searching the web.", param="web_search_options")


def conversation(
    said: tuple[Message, ...],
    blocks: Callable[[Message, int], list[dict[str, Any]]],
    *,
    model: str = "assistant",
    holds: str = "content",
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The blocks of system messages, wherever they stand, and the turns. Messages of one side in a row are one turn, so
    that the results of tools stand together right behind the calls that they answer; one that says nothing is none.

    `blocks` says a message, `model` is the name of the assistant's side, `holds` that of a turn's blocks. Raises
    PathError.
    """
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    for at, message in enumerate(said):
        role = message.role
        if role in ("system", "developer"):
            system += blocks(message, at)
            continue
        if message.name is not None and role != "tool":
            raise unsupported("names of speakers", f"messages[{at}].name")
        if role not in ("user", "assistant", "tool"):
            raise unsupported("messages of this role", f"messages[{at}].role")
        made, side = blocks(message, at), model if role == "assistant" else "user"
        if made and turns and turns[-1]["role"] == side:
            turns[-1][holds] += made
        elif made:
            turns.append({"role": side, holds: made})
    return system, turns


def texts(message: Message, at: int) -> list[str]:
    """The pieces of a message that may hold nothing but text. Raises PathError."""
    parts = [part for part in pieces(message, at, files=True) if part["type"] != "text" or part.get("text")]
    if any(part["type"] != "text" for part in parts):
        raise unsupported(f"images and files of the role '{message.role}'", f"messages[{at}].content")
    return [part["text"] for part in parts]


def arguments_of(call: dict[str, Any], at: int) -> dict[str, Any]:
    """What an earlier call was made with. Raises PathError where that is no object."""
    try:
        held = orjson.loads(call["function"].get("arguments") or "{}")
    except orjson.JSONDecodeError:
        held = None
    if type(held) is not dict:
        raise PathError("rejected", "A tool was called with what is no object.", param=f"messages[{at}].tool_calls")
    return held


def pieces(message: Message, at: int, *, files: bool = False) -> Iterator[dict[str, Any]]:
    """The text and image parts of a message in their order, with `files` those too, thinking left out. Raises PathError
    for other parts.
    """
    parts = [part for part in message.parts if part.get("type") not in THINKING] if message.parts else []
    if message.content and not any(part.get("type") == "text" for part in parts):
        yield {"type": "text", "text": message.content}
    for part in parts:
        kind = part.get("type")
        if kind not in ("text", "image_url", "refusal") and not (files and kind == "file"):
            raise unsupported(
                "documents" if kind == "file" else "sound" if kind == "input_audio" else "such part of a message",
                f"messages[{at}].content",
            )
        yield {"type": "text", "text": part.get("refusal")} if kind == "refusal" else part


def image_url(part: dict[str, Any], at: int) -> str:
    """The address of an image part."""
    inner = part.get("image_url")
    url = inner.get("url") if isinstance(inner, dict) else inner
    if not isinstance(url, str):
        raise PathError("rejected", "An image has no address.", param=f"messages[{at}].content")
    return url


def text_or_image(part: dict[str, Any], at: int) -> dict[str, Any]:
    """A part as OpenAI has it, for who knows no more: of how closely a picture is looked at, 'original' is 'high'."""
    if part["type"] == "text":
        return {"type": "text", "text": part.get("text") or ""}
    made: dict[str, Any] = {"url": image_url(part, at)}
    inner = part["image_url"]
    if isinstance(inner, dict) and inner.get("detail"):
        made["detail"] = "high" if inner["detail"] == "original" else inner["detail"]
    return {"type": "image_url", "image_url": made}


def image_bytes(part: dict[str, Any], at: int) -> tuple[str, str]:
    """Media type in lower case and base64 of an image part that brings its bytes. Raises PathError for an address."""
    url = image_url(part, at)
    found = _DATA_URL.match(url)
    if found is None:
        raise unsupported("addresses of images, only data URLs", f"messages[{at}].content")
    return found[1].lower(), url[found.end() :]


def pdf(part: dict[str, Any], at: int) -> tuple[str, str]:
    """Name ('' for none) and base64 of a file part that is a PDF. Raises PathError for any other."""
    file = part.get("file")
    data = file.get("file_data") if isinstance(file, dict) else None
    found = _PDF.match(data) if isinstance(data, str) else None
    if found is None or not isinstance(data, str) or not isinstance(file, dict):
        raise unsupported("files but PDFs that bring their bytes", f"messages[{at}].content")
    return str(file.get("filename") or ""), data[found.end() :]


def numbers(found: Sequence[object]) -> tuple[float, ...]:
    """An embedding as a server states it. Raises ValueError where one of it is no finite number."""
    values = [one for one in found if type(one) is float or type(one) is int]
    if len(values) != len(found) or not all(map(isfinite, values)):
        raise ValueError("an embedding is no list of numbers")
    return tuple(map(float, values))

"""Which stored questions a question may be compared with at all: the partition, by equality and never by similarity.

Rules kept here:
1. Everything that may change an answer or who may see it is in the partition, but the last turn of the user. What is
   not known parts too.
2. The text under the hash is JSON, so that no two requests which differ give the same text.
3. None means: neither looked up by similarity nor stored for it. The exact cache still holds.
4. Only a short question of plain text is compared: what carries a passage, a list or code differs in what it carries,
   and that is further than an embedder reads.
5. Pure, and any error is None.

Raw completions are exact only: they continue the very text that was given.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict

import orjson

from appliance.cache.exact import cacheable
from appliance.features.detect import form
from appliance.intake.canon import WITHOUT_INFLUENCE
from appliance.records.request import Request, Sampling

FEWEST_WORDS, FEWEST_CHARACTERS = 3, 12
MOST_CHARACTERS = 1000
MOST_LINES = 2
_FORM = 1  # raised when what is under the hash changes
_UNSTATED = asdict(Sampling())


def last_turn(request: Request) -> str:
    """What the user said last; '' where the request does not end with it."""
    last = request.messages[-1] if request.messages else None
    return last.content if last is not None and last.role == "user" else ""


def partition_of(request: Request, generation: str, embedder: str) -> str | None:
    """SHA-256 (hex) over all that must be equal; None where the request is for the exact cache only.

    `embedder` is the digest of the file that makes the vectors.
    """
    if request.kind != "chat" or not embedder or not cacheable(request) or not _asks_plainly(last_turn(request)):
        return None
    last = request.messages[-1]
    if last.parts:
        return None
    labels = request.labels
    sampling = {name: value for name, value in asdict(request.sampling).items() if value != _UNSTATED[name]}
    parts = [
        _FORM,
        [request.tenant, labels.classification, labels.residency, labels.purpose, labels.rights, labels.locale],
        [generation, form(), embedder],
        [request.kind, request.model, request.preference],
        [request.models, request.providers, request.strategy, labels.strategy],
        [sampling, request.format, request.n, request.dimensions],
        [request.tool_choice, request.parallel_tool_calls],
        {name: value for name, value in request.forwarded.items() if name not in WITHOUT_INFLUENCE},
        request.messages[:-1],
        last.name,
    ]
    if request.thinking is not None:
        parts.append(request.thinking)
    try:
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except TypeError:  # a lone surrogate, or a value that JSON does not know
        return None


def _asks_plainly(text: str) -> bool:
    said = text.strip()
    return (
        FEWEST_CHARACTERS <= len(said) <= MOST_CHARACTERS
        and len(said.split()) >= FEWEST_WORDS
        and sum(1 for line in said.splitlines() if line.strip()) <= MOST_LINES
        and "```" not in said
    )

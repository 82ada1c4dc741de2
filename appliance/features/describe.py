"""From a Request to its Features: everything that routing may know of it, and none of its text.

Rules kept here:
1. Works without any model: the cell is then 'other/medium' with certainty, which weighs priors only.
2. `needs` names what the caller asked for in so many words; nothing is guessed from the text.
3. What is classified is the last user message alone; sizes are of the whole request.

Synchronous and free of I/O once loaded: about 5 ms with a classifier, 0.1 ms without. The caller runs it in a
thread. It raises nothing: a classifier that fails costs the request its cell, never its answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from appliance.features.classify import Classified
from appliance.features.embedder import ModelInvalid
from appliance.features.language import language
from appliance.records.features import UNKNOWN_CELLS, Cells, Features
from appliance.records.request import Message, Request, last_user_text

READ = 100_000  # characters looked at for the token estimate; beyond, the rate of these holds
_PIECE = re.compile(r"[^\W\d_]+|\d|[^\w\s]|_")
# What European languages are written in, without the few signs that are no letters and count as such.
_LATIN = re.compile("[\x00-\x7f¡-©«¬®-±´¶-¸»¿À-ÖØ-öø-ɏ\u2010-\u2027\u2030-\u203e€]*")
_SIGN = b"1"  # stands for every digit and mark, as _PIECE has it
_LATER_BYTES = bytes(range(0x80, 0xC0))  # of a character in UTF-8; its first one says what it is


def _kind_of(first: int) -> int:
    """What a character of _LATIN counts as, by the first byte of it: a letter, a sign or a blank."""
    if first >= 0x80:
        return ord("a") if 0xC3 <= first <= 0xC9 else _SIGN[0]
    if not _PIECE.match(chr(first)):
        return ord(" ")
    return ord("a") if chr(first).isalpha() else _SIGN[0]


_KINDS = bytes(map(_kind_of, range(256)))
_IMAGES = frozenset({"image_url", "input_image", "image"})
OVERHEAD = 4  # tokens that a chat template spends on each message

# Expected answer length in tokens: fixed, and as a share of the prompt, for easy, medium and hard. Rules of
# thumb of the tasks' own forms; live figures replace them where there are some.
_ANSWER: dict[str, tuple[float, float]] = {
    "sentiment": (3, 0.0),
    "topic": (3, 0.0),
    "urgency": (3, 0.0),
    "passage_qa": (8, 0.0),
    "weir_help": (12, 0.0),
    "rewrite": (4, 0.7),
    "extract": (8, 0.6),
    "arithmetic": (5, 0.0),
    "units": (6, 0.0),
    "dates": (8, 0.0),
    "lists": (4, 0.7),
    "sort": (4, 0.6),
    "filter": (4, 0.4),
    "casing": (4, 0.6),
    "code": (220, 0.3),
    "creative": (250, 0.1),
    "knowledge": (180, 0.0),
    "summarise": (60, 0.15),
    "translate": (12, 1.1),
    "chat": (60, 0.1),
    "math": (200, 0.2),
    "analysis": (350, 0.2),
    "other": (120, 0.1),
}
_BY_DIFFICULTY = {"easy": 0.5, "medium": 1.0, "hard": 2.0}
_DESK_FIXED_UNDER = 20  # a fixed part this small is the answer's form and does not grow with difficulty


class Classifies(Protocol):
    """What `describe` asks of a classifier (`classify.Classifier`)."""

    def classify(self, text: str, *, top: int = 3) -> Classified: ...


def estimated_tokens(text: str) -> int:
    """Tokens of an average tokenizer: about 1.3 a word for English, one a sign for digits, marks and Han.

    Meant to err upwards by some 10 % on prose: a context that is judged too small costs a path, one judged
    too large costs an error.
    """
    seen = text[:READ]
    latin = seen if seen.isascii() else seen.replace("\u00a0", " ").replace("\u202f", " ")
    if latin.isascii() or _LATIN.fullmatch(latin):  # the same sum, without a look at every piece
        marked = latin.encode().translate(_KINDS, _LATER_BYTES)
        words = marked.replace(_SIGN, b" ").split()
        long = [length for length in map(len, words) if length > 4]
        total = marked.count(_SIGN) + len(words) - len(long) + sum(long) / 4.5
    else:
        total = sum(map(_tokens_of, _PIECE.findall(seen)))
    if len(text) > READ:
        total *= len(text) / READ
    return int(total + 0.999)


def _tokens_of(piece: str) -> float:
    if ord(piece[0]) >= 0x2E80:
        return len(piece) * 1.2
    return max(1.0, len(piece) / (2.5 if ord(piece[0]) >= 0x250 else 4.5))


def estimated_output(request: Request, cells: tuple[tuple[str, float], ...], prompt_tokens: int) -> int:
    """Expected answer length in tokens: by cell, weighted; at most the caller's limit; 0 for embeddings."""
    if request.kind == "embedding":
        return 0
    weight = expected = 0.0
    for cell, p in cells:
        weight += p
        expected += p * _answer(cell, prompt_tokens)
    tokens = max(1, round(expected / (weight or 1.0)))
    limit = request.sampling.max_tokens
    return tokens if limit is None else max(1, min(tokens, limit))


def _answer(cell: str, prompt_tokens: int) -> float:
    task, _, difficulty = cell.partition("/")
    fixed, share = _ANSWER.get(task, _ANSWER["other"])
    if fixed >= _DESK_FIXED_UNDER:
        fixed *= _BY_DIFFICULTY.get(difficulty, 1.0)
    return fixed + share * min(prompt_tokens, 4000)


def images_in(messages: tuple[Message, ...]) -> int:
    """How many images the messages hold."""
    return sum([part.get("type") in _IMAGES for message in messages for part in message.parts])


def _has(kind: str, messages: tuple[Message, ...]) -> bool:
    return any(part.get("type") == kind for message in messages for part in message.parts)


def longest_of(messages: Sequence[Message]) -> int:
    """Which message is the user's longest, of any if the user said nothing. There must be one."""
    said = [at for at, message in enumerate(messages) if message.role == "user"] or list(range(len(messages)))
    return max(said, key=lambda at: len(messages[at].content))


def earlier_in(messages: Sequence[Message]) -> tuple[int, ...]:
    """Which messages are neither the system's, nor the longest one, nor the last."""
    if len(messages) < 2:
        return ()
    kept = {longest_of(messages), len(messages) - 1}
    return tuple(
        [at for at, message in enumerate(messages) if at not in kept and message.role not in ("system", "developer")]
    )


def needs(request: Request) -> frozenset[str]:
    """Capabilities that the request cannot do without, as `Capabilities` spells them (rule 2)."""
    if request.kind == "embedding":
        return frozenset()
    sampling = request.sampling
    found = set()
    if request.stream:
        found.add("streaming")
    if request.tools:
        found.add("tools")
    for message in request.messages:
        if message.role in ("system", "developer"):
            found.add("system")
        elif message.role == "tool":
            found.add("tools")
        if message.tool_calls:
            found.add("tools")
    if request.format.kind != "text":
        found.add(request.format.kind)
    if images_in(request.messages):
        found.add("images_in")
    if _has("file", request.messages):
        found.add("files_in")
    if request.thinking is not None and request.thinking.budget_tokens is not None:
        found.add("thinks")  # who leaves it to the model is content with none
    if request.continues:
        found.add("prefill")
    if request.n > 1:
        found.add("multiple")
    if sampling.logprobs or sampling.top_logprobs > 0:
        found.add("logprobs")
    if sampling.seed is not None:
        found.add("seed")
    # The value that switches a penalty off (0, or 1 for repetition) asks for nothing.
    if sampling.frequency_penalty or sampling.presence_penalty or sampling.repeat_penalty not in (None, 1):
        found.add("penalties")
    if sampling.logit_bias:
        found.add("logit_bias")
    if sampling.top_k not in (None, 0, -1):
        found.add("top_k")
    return frozenset(found)


def describe(request: Request, classifier: Classifies | None = None) -> Features:
    """The request's Features. Without a classifier, or where it fails, the cells are UNKNOWN_CELLS (rule 1)."""
    text = last_user_text(request)
    cells: Cells = UNKNOWN_CELLS
    embedding: tuple[float, ...] | None = None
    if classifier is not None and request.kind != "embedding":
        try:
            found = classifier.classify(text)
        except ModelInvalid:
            pass  # no cell, but an answer; readiness of the embedder shows in its path's health
        else:
            cells, embedding = found.cells, tuple(found.embedding.tolist())
    # Only a choice among paths asks for the language; who named one gets it whatever they speak.
    code, certainty = language(text) if "auto" in (request.model, *request.models) else ("", 0.0)
    texts = [message.content for message in request.messages] or [request.prompt, *request.inputs]
    images = images_in(request.messages)
    prompt_tokens = sum(estimated_tokens(part) for part in texts) + OVERHEAD * len(request.messages)
    return Features(
        modality=request.kind,
        cells=cells,
        language=code,
        language_p=certainty,
        characters=sum(len(part) for part in texts),
        estimated_prompt_tokens=prompt_tokens,
        estimated_output_tokens=estimated_output(request, cells, prompt_tokens),
        turns=max(1, sum(message.role == "user" for message in request.messages)),
        has_tools=bool(request.tools),
        has_images=images > 0,
        has_sound=_has("input_audio", request.messages),
        images=images,
        earlier=len(earlier_in(request.messages)),
        format_kind=request.format.kind,
        stream=request.stream,
        needs=needs(request),
        embedding=embedding,
    )

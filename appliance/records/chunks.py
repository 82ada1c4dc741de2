"""The chunks that a path yields: pieces of an answer, and what is known of it at its end.

They stand below everything that makes or reads them; `paths.contract` hands them on under the contract's name.
"""

from __future__ import annotations

from typing import Any, Literal

from appliance.records.value import value


@value(slots=True)
class Usage:
    """Tokens, counted by the runtime that did the work.

    Of the prompt's, `cached_tokens` were not prefilled anew and `cache_write_tokens` were kept for later, of these
    `hour_write_tokens` for an hour; of the completion's, `reasoning_tokens` were thinking, shown or not.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    hour_write_tokens: int = 0


@value(slots=True)
class TokenLogprob:
    """One generated token with its log-probability (natural log) and the most probable alternatives."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@value(slots=True)
class Text:
    """A piece of choice `index`'s text. `tokens` is how many were sampled for it."""

    text: str
    index: int = 0
    tokens: int = 1
    logprobs: tuple[TokenLogprob, ...] = ()


@value(slots=True)
class Reasoning:
    """A piece of the thinking that choice `index` shows; no part of its answer. `tokens` is how many were sampled.

    `seal` is what the provider wants back unchanged with this thinking (a signature), '' if none; it comes with the
    last piece of what it seals, and begins with the name of who made it, so that no other provider is sent it. Where
    `REDACTED` stands before that, the rest is thinking that only the provider can read, and there is no text.
    """

    text: str
    index: int = 0
    tokens: int = 1
    seal: str = ""


REDACTED = "redacted:"


@value(slots=True)
class ToolCall:
    """A piece of a tool call in OpenAI's delta form. A provider's seal of it stands in `extra_content`.

    Its place, `index`, a server may leave out; whatever leaves `paths.guard` has one, which is this call's alone.
    """

    delta: dict[str, Any]
    index: int = 0


@value(slots=True)
class Vector:
    """One embedding or class distribution, float32 values."""

    values: tuple[float, ...]
    index: int = 0


@value(slots=True)
class Signals:
    """Token statistics of one finished choice; natural logs, over all generated tokens including the end token.

    `quantiles` are the 10th, 25th and 50th percentile of the token log-probabilities; `entropy` and `margin`
    are means over tokens (margin: best minus second-best log-probability).
    """

    index: int
    tokens: int
    sum_logprob: float
    mean_logprob: float
    min_logprob: float
    quantiles: tuple[float, float, float]
    entropy: float
    margin: float


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@value(slots=True)
class Done:
    """The end. One finish reason per choice; `device` is where it actually ran, as probed, not as asked for.

    `stops`, where a path knows it, is the stop string that ended each choice, '' where none did.
    """

    usage: Usage
    finish_reasons: tuple[FinishReason, ...] = ("stop",)
    device: str = ""
    stops: tuple[str, ...] = ()


Chunk = Text | Reasoning | ToolCall | Vector | Signals | Done

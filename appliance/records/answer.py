"""A whole answer: what a path's chunks add up to, what a body is written from and what the cache keeps.

Rules kept here:
1. Frozen; ids and times are made by the caller.
2. `model` is the id of the path that answered, not the name that was asked for.
"""

from __future__ import annotations

from typing import Any

from appliance.records.chunks import FinishReason, Signals, TokenLogprob, Usage
from appliance.records.value import value

_NOT_COUNTED = Usage()


@value(slots=True)
class Choice:
    """One of n answers. `tool_calls` in OpenAI's form, complete; `reasoning` is the thinking that it showed.

    `seal` is its provider's, of all of `reasoning`; '' where there is none, or several. `stop` is the stop string that
    ended it, '' where none did or nobody knows.
    """

    text: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    finish_reason: FinishReason = "stop"
    logprobs: tuple[TokenLogprob, ...] = ()
    reasoning: str = ""
    seal: str = ""
    stop: str = ""


@value(slots=True)
class Answer:
    """Choices of a chat or completion, or `vectors` of an embedding; `created` in Unix seconds.

    `device` is where it ran, `signals` are the token statistics of the run; neither is written to a body.
    """

    id: str
    model: str
    created: int
    choices: tuple[Choice, ...] = ()
    usage: Usage = _NOT_COUNTED
    vectors: tuple[tuple[float, ...], ...] = ()
    device: str = ""
    signals: tuple[Signals, ...] = ()


@value(slots=True)
class Counted:
    """How many tokens a prompt has, as the tokenizer of `path` has them."""

    tokens: int
    path: str

"""What a provider states of a call's tokens, held against what this node saw of it. Pure.

Rules kept here:
1. What a provider states is charged, because that is what it bills. Where it states nothing, or less than can be, the
   node's own count is: a server that counts badly must not get round a budget.
2. More than can be is charged as stated, and noted.
3. The bounds are wide: no tokenizer is outside them, so that what is noted is worth looking at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from appliance.records.chunks import Usage
from appliance.records.decision import UsageNote

PROMPT_FACTOR = 8  # either way from the estimate
PROMPT_SLACK = 1024  # tokens that a provider may add to any prompt
CHARACTERS_A_TOKEN = 32  # of an answer's text, at most on average
TOKENS_A_CHARACTER = 4  # at most: one for each byte
ANSWER_SLACK = 256
MOST_TOKENS = 100_000_000  # of one call; beyond, a figure is none
_NOTHING = Usage()


class Seen(NamedTuple):
    """What the node saw of a call, `prompt_tokens` as estimated.

    `own` counts the answer's tokens; `characters` are of its text, thinking and tool calls. `open_ended`: the prompt
    holds more than text (images, tools). `thought`: thinking was shown, which may have been longer than it was.
    `most`: the limit of the whole answer in tokens; 0: none.
    """

    prompt_tokens: int
    characters: int
    own: Callable[[], int]
    open_ended: bool = False
    thought: bool = False
    most: int = 0


def checked(stated: Usage, seen: Seen) -> tuple[Usage, UsageNote]:
    """What is charged, and what there is to note of what was stated."""
    stated = possible(stated)
    if stated == _NOTHING:
        return Usage(seen.prompt_tokens, seen.own()), "missing"
    prompt, completion = stated.prompt_tokens, stated.completion_tokens
    note: UsageNote = ""
    if stated.cached_tokens + stated.cache_write_tokens > prompt or stated.reasoning_tokens > completion:
        note = "inconsistent"
    if stated.hour_write_tokens > stated.cache_write_tokens:
        note = "inconsistent"
    if _over(stated, seen):
        note = "too-high"
    if prompt * PROMPT_FACTOR + PROMPT_SLACK < seen.prompt_tokens or (not prompt and seen.prompt_tokens):
        prompt, note = seen.prompt_tokens, "too-low"
    if completion * CHARACTERS_A_TOKEN + ANSWER_SLACK < seen.characters or (not completion and seen.characters):
        completion, note = seen.own(), "too-low"
    if not note:
        return stated, note
    cached = min(stated.cached_tokens, prompt)
    written = min(stated.cache_write_tokens, prompt - cached)
    thought, hour = min(stated.reasoning_tokens, completion), min(stated.hour_write_tokens, written)
    return Usage(prompt, completion, cached, thought, written, hour), note


def possible(stated: Usage) -> Usage:
    """The same with each figure in the range of what can be charged at all: a negative one would give money back, and
    what no database holds would be written nowhere.
    """
    figures = (
        stated.prompt_tokens,
        stated.completion_tokens,
        stated.cached_tokens,
        stated.reasoning_tokens,
        stated.cache_write_tokens,
        stated.hour_write_tokens,
    )
    if min(figures) >= 0 and max(figures) <= MOST_TOKENS:
        return stated
    return Usage(*[min(max(0, one), MOST_TOKENS) for one in figures])


def _over(stated: Usage, seen: Seen) -> bool:
    if not seen.open_ended and stated.prompt_tokens > seen.prompt_tokens * PROMPT_FACTOR + PROMPT_SLACK:
        return True
    if seen.most and stated.completion_tokens > seen.most:
        return True
    said = stated.completion_tokens - stated.reasoning_tokens
    return not seen.thought and said > seen.characters * TOKENS_A_CHARACTER + ANSWER_SLACK

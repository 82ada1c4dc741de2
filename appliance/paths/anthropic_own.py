"""What only callers of Anthropic's own wire say, said to Anthropic: how to think, and what of a prompt to keep.

Rules kept here:
1. A budget is said as it was stated, within the limit of tokens. Where it was left to the model how much to think, one
   that is told by budgets gets the one of its effort, or none where the limit leaves no room for it.
2. A mark ends a block of text where it stands. In a message of more than text it stands at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.paths.dialect import unsupported
from appliance.records.request import THINKING, Message, Thinking

LEAST_BUDGET = 1024  # tokens of thinking that the API takes, at least


def thinking_asked(
    asked: Thinking, budget_of_effort: int, reasoning: str, most: int, *, lost_thread: bool
) -> dict[str, Any]:
    """`thinking` in a body; empty where nothing is said of it. `most` is the limit of tokens, `reasoning` as the card
    has it; `lost_thread`: thinking that the model would insist on is not there.

    Raises PathError 'unsupported' where the budget does not fit.
    """
    if reasoning == "effort":
        return {"thinking": {"type": "adaptive", "display": "summarized" if asked.show else "omitted"}}
    if reasoning != "budget" or lost_thread:
        return {}
    budget = min(asked.budget_tokens or budget_of_effort, most - 1)
    if budget >= LEAST_BUDGET:
        thinking = {"type": "enabled", "budget_tokens": budget}
        return {"thinking": thinking if asked.show else {**thinking, "display": "omitted"}}
    if asked.budget_tokens is not None:
        raise unsupported(f"thinking within {most} tokens", "thinking")
    return {}


def marked(blocks: list[dict[str, Any]], message: Message) -> list[dict[str, Any]]:
    """The blocks of a message, with its marks."""
    if not message.marks or not blocks:
        return blocks
    text = message.content
    if len(blocks) > 1 or blocks[0].get("text") != text:
        if blocks[-1]["type"] in THINKING:
            return blocks
        return [*blocks[:-1], {**blocks[-1], **_hint(message.marks[-1][1])}]
    made: list[dict[str, Any]] = []
    start = 0
    for end, lasts in sorted(message.marks):
        if end > start:
            made.append({**_text(text[start:end]), **_hint(lasts)})
            start = end
    return made if start >= len(text) else [*made, _text(text[start:])]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _hint(lasts: str) -> Mapping[str, Any]:
    return {"cache_control": {"type": "ephemeral"} | ({"ttl": lasts} if lasts == "1h" else {})}

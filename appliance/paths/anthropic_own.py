"""What is said alike to Anthropic's models at Anthropic and at Bedrock: what they can be told, how to think, what of a
prompt to keep.

Rules kept here:
1. A budget is said as it was stated, within the limit of tokens. Where it was left to the model how much to think, one
   that is told by budgets gets the one of its effort, or none where the limit leaves no room for it.
2. A mark ends a block of text where it stands. In a message of more than text it stands at the end.
3. What is kept for an hour costs more, so it is asked for only where the card has a price for it.
4. A text of blanks alone is not said: both refuse a whole conversation for it, and models of others begin calls of
   tools with one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from appliance.paths.contract import Job, PathError
from appliance.paths.dialect import unsupported
from appliance.paths.said import check_said
from appliance.records.card import Price
from appliance.records.request import THINKING, Message, Thinking

LEAST_BUDGET = 1024  # tokens of thinking that the API takes, at least


BUDGETS = {"minimal": LEAST_BUDGET, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768}  # tokens, by effort


def check_told(job: Job) -> None:
    """Raises PathError 'unsupported' for what of the job there are no words for."""
    check_said(
        job,
        sampling=frozenset(("top_k",)),
        forwarded=frozenset(("reasoning_effort", "service_tier")),
        formats=frozenset(("json_schema",)),
        continues=True,
        seen_results=True,
    )


def worded(parts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The parts without texts of blanks alone: rule 4."""
    return (part for part in parts if part["type"] != "text" or str(part.get("text") or "").strip())


def lost_thread(said: tuple[Message, ...], maker: str) -> bool:
    """Whether what comes next follows from calls of which the thinking, under this maker's seal, is not there: a model
    that thinks by a budget insists on it.
    """
    last = next((message for message in reversed(said) if message.role == "assistant"), None)
    if last is None or not last.tool_calls:
        return False
    return not any(sealed(part, maker) for part in last.parts)


def sealed(part: dict[str, Any], maker: str) -> bool:
    """Whether a part is thinking that goes back to this maker."""
    kind = part.get("type")
    seal = part.get("signature") if kind == "thinking" else part.get("data") if kind == "redacted_thinking" else None
    return isinstance(seal, str) and seal.startswith(maker)


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


def check_kept(job: Job, price: Price) -> None:
    """Raises PathError 'unsupported' where a prompt is to be kept for longer than `price` covers: rule 3."""
    if price.free or price.cache_write_1h_per_million is not None:
        return
    if any(lasts == "1h" for message in job.messages for _, lasts in message.marks):
        raise PathError(
            "unsupported", "The card has no price for prompts that are kept for an hour.", param="cache_control"
        )


def marked(
    blocks: list[dict[str, Any]], message: Message, mark: Callable[[dict[str, Any], str], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The blocks of a message, with its marks. `mark` says a block that ends at one, and for how long it is kept."""
    if not message.marks or not blocks:
        return blocks
    text = message.content
    if len(blocks) > 1 or blocks[0].get("text") != text:
        return [*blocks[:-1], *mark(blocks[-1], message.marks[-1][1])]
    made: list[dict[str, Any]] = []
    start = 0
    for end, lasts in sorted(message.marks):
        if text[start:end].strip():  # rule 4
            made += mark({**blocks[0], "text": text[start:end]}, lasts)
            start = end
    return [*made, {**blocks[0], "text": text[start:]}] if text[start:].strip() else made


def hinted(block: dict[str, Any], lasts: str) -> list[dict[str, Any]]:
    """A block that ends at a mark, as the Messages API says it. No mark may stand at thinking."""
    if block["type"] in THINKING:
        return [block]
    return [{**block, "cache_control": {"type": "ephemeral"} | ({"ttl": lasts} if lasts == "1h" else {})}]

"""Whole bodies: an Answer or the cards, as the JSON that OpenAI's SDKs read.

Rules kept here:
1. Every field that OpenAI's types require is there, null where there is nothing.
2. A caller may give a fresh `id` and `created`, so that an answer from the cache is not copied to get them.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from appliance.records.answer import Answer, Choice
from appliance.records.card import ModelCard
from appliance.respond.forms import call_id, chat_logprobs, completion_logprobs, completion_reason, usage_form, write

AUTO = ("auto", "auto:cheap", "auto:fast", "auto:best")


def chat_body(answer: Answer, *, id: str | None = None, created: int | None = None) -> bytes:
    """A chat.completion."""
    return write(
        {
            "id": answer.id if id is None else id,
            "object": "chat.completion",
            "created": answer.created if created is None else created,
            "model": answer.model,
            "choices": [_chat_choice(index, choice) for index, choice in enumerate(answer.choices)],
            "usage": usage_form(answer.usage),
        }
    )


def _chat_choice(index: int, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None}
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["content"] = choice.text or None
        message["tool_calls"] = [{**call, "id": call_id(call, at)} for at, call in enumerate(choice.tool_calls)]
    return {
        "index": index,
        "message": message,
        "logprobs": chat_logprobs(choice.logprobs) if choice.logprobs else None,
        "finish_reason": choice.finish_reason,
    }


def completion_body(answer: Answer, *, id: str | None = None, created: int | None = None) -> bytes:
    """A text_completion."""
    return write(
        {
            "id": answer.id if id is None else id,
            "object": "text_completion",
            "created": answer.created if created is None else created,
            "model": answer.model,
            "choices": [
                {
                    "text": choice.text,
                    "index": index,
                    "logprobs": completion_logprobs(choice.logprobs),
                    "finish_reason": completion_reason(choice.finish_reason),
                }
                for index, choice in enumerate(answer.choices)
            ],
            "usage": usage_form(answer.usage),
        }
    )


def embedding_body(answer: Answer, encoding: Literal["float", "base64"] = "float") -> bytes:
    """A list of embeddings; base64 is of little-endian float32, as OpenAI's SDK decodes it."""
    as_text = encoding == "base64"
    return write(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _packed(vector) if as_text else vector}
                for index, vector in enumerate(answer.vectors)
            ],
            "model": answer.model,
            "usage": {
                "prompt_tokens": answer.usage.prompt_tokens,
                "total_tokens": answer.usage.prompt_tokens,
            },
        }
    )


def _packed(vector: Sequence[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")


def models_body(cards: Iterable[ModelCard], *, created: int) -> bytes:
    """The list of models: `auto` in its forms, then every card. `created` in Unix seconds."""
    entries: list[dict[str, Any]] = [
        {"id": name, "object": "model", "created": created, "owned_by": "weir"} for name in AUTO
    ]
    entries += [
        {
            "id": card.id,
            "object": "model",
            "created": created,
            "owned_by": card.operator or "weir",
            "weir": {
                "tier": card.tier,
                "modalities": card.modalities,
                "context_tokens": card.context_tokens,
                "place": card.place.model_dump(),
            },
        }
        for card in cards
    ]
    return write({"object": "list", "data": entries})

"""The pieces that bodies and streams share: usage, log-probabilities, and JSON of any text.

Rules kept here:
1. Whatever text a runtime produced, something valid is written: a lone surrogate becomes U+FFFD, a
   log-probability that is no finite number becomes OpenAI's floor of -9999.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from appliance.records.chunks import TokenLogprob, Usage

_FLOOR = -9999.0


def write(value: object) -> bytes:
    """JSON bytes; falls back to repaired strings where orjson refuses one."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate somewhere; anything else fails again below
        return orjson.dumps(_repaired(value))


def _repaired(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_repaired(name): _repaired(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_repaired(item) for item in value]
    return value


def usage_form(usage: Usage) -> dict[str, Any]:
    """Token counts as OpenAI states them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    """`logprobs` of a chat choice, null where none were asked for."""
    if not tokens:
        return None
    return {
        "content": [
            _token(token.token, token.logprob) | {"top_logprobs": [_token(name, p) for name, p in token.top]}
            for token in tokens
        ],
        "refusal": None,
    }


def completion_logprobs(tokens: Sequence[TokenLogprob], offset: int = 0) -> dict[str, Any] | None:
    """`logprobs` of a completion choice; `offset` in characters, of the first token in the answer's text."""
    if not tokens:
        return None
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [_finite(token.logprob) for token in tokens],
        "top_logprobs": [{name: _finite(p) for name, p in token.top} for token in tokens],
        "text_offset": offsets,
    }


def call_id(call: Mapping[str, Any], place: int) -> str:
    """What a tool's result is to be told by; some servers leave it out."""
    return call.get("id") or f"call_{place}"


def completion_reason(reason: str) -> str:
    """Completions know no tool calls."""
    return "stop" if reason == "tool_calls" else reason


def _token(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": _finite(logprob), "bytes": list(text.encode("utf-8", "replace"))}


def _finite(logprob: float) -> float:
    return max(logprob, _FLOOR) if math.isfinite(logprob) else _FLOOR

"""What servers of OpenAI's dialect do each in a way of their own, for the stand-in: `Behaviour.flavour` chooses.

| flavour | its peculiarities |
|---|---|
| openai | none |
| vllm | `reasoning` beside the content; an error in a stream is an event before `[DONE]`; `abort` as a finish reason |
| tgi | a tool's arguments as an object; `eos_token` as a finish reason; errors of its own; a format is a grammar |
| llama_server | `timings`; an error in a stream is a field `error:` of its own; a model that is being loaded |
| azure | a first chunk without choices; annotations of its filter, alone too; a filter that refuses the prompt |
| openrouter | comments while it waits; errors inside of a choice; what it cost; moderation |
| huggingface | a model that is being loaded says for how long |
| mistral | refuses what it does not know (`mistral_rules`); content as a list of parts; usage without being asked |

Pure: it changes what the stand-in is about to say.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from tests.standins import mistral_rules

FLAVOURS = ("openai", "vllm", "tgi", "llama_server", "azure", "openrouter", "huggingface", "mistral")
SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
THOUGHT = ("Let me", " see.")
_REASONING = {"vllm": "reasoning", "openrouter": "reasoning", "llama_server": "reasoning_content"}
_MISTRALS: dict[str, tuple[int, dict[str, Any]]] = {
    "too-long": mistral_rules.error(
        400,
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        "invalid_request_prompt",
        "3051",
    ),
    "429": mistral_rules.error(429, "Rate limit exceeded", "rate_limited", "1300"),
    "401": (401, {"detail": "Unauthorized"}),
}


def before(flavour: str, frame: dict[str, Any]) -> list[bytes]:
    """What goes out before the first event of a stream, as it stands on the wire."""
    if flavour == "openrouter":
        return [b": OPENROUTER PROCESSING\n\n"] * 2
    if flavour == "azure":
        first = {"choices": [], "created": 0, "id": "", "model": "", "object": "",
                 "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}]}  # fmt: skip
        return [b"data: " + orjson.dumps(first) + b"\n\n"]
    return []


def between(flavour: str, frame: dict[str, Any]) -> list[bytes]:
    """What goes out before the last event of a stream."""
    if flavour == "openrouter":
        return [b": OPENROUTER PROCESSING\n\n"]
    if flavour == "azure":  # the asynchronous filter tells of a choice without a delta
        note = {"index": 0, "finish_reason": None, "logprobs": None, "content_filter_results": SAFE,
                "content_filter_offsets": {"check_offset": 0, "start_offset": 0, "end_offset": 9}}  # fmt: skip
        return [b"data: " + orjson.dumps({**frame, "choices": [note]}) + b"\n\n"]
    return []


def spoken(flavour: str, choice: dict[str, Any], *, streaming: bool) -> dict[str, Any]:
    """A choice as this server words it."""
    if flavour == "azure":
        choice = {**choice, "content_filter_results": SAFE if choice.get("finish_reason") is None else {}}
    elif flavour == "tgi":
        if choice.get("finish_reason") == "stop":
            choice = {**choice, "finish_reason": "eos_token"}
        calls = (choice.get("message") or {}).get("tool_calls")
        if calls and not streaming:
            shown = [
                {**call, "id": "0", "function": {**call["function"], "description": None,
                                                 "arguments": json.loads(call["function"]["arguments"])}}
                for call in calls
            ]  # fmt: skip
            choice = {**choice, "message": {**choice["message"], "tool_calls": shown}}
    elif flavour == "mistral":
        if choice.get("finish_reason") in ("abort", "length"):
            choice = {**choice, "finish_reason": "error" if choice["finish_reason"] == "abort" else "model_length"}
    elif flavour == "openrouter" and choice.get("finish_reason"):
        choice = {**choice, "native_finish_reason": "STOP"}
    elif flavour == "vllm":
        choice = {**choice, "stop_reason": None}
    return choice


def thinking(flavour: str, *pieces: str) -> dict[str, Any]:
    """What a model thinks, as this server shows it: fields of a message or a delta."""
    if flavour == "mistral":
        return {"content": [mistral_rules.thought(*pieces)]}
    return {_REASONING.get(flavour, "reasoning_content"): "".join(pieces)}


def after_thinking(flavour: str, text: str) -> Any:
    """The content of what follows right behind the thinking."""
    return [{"type": "text", "text": text}] if flavour == "mistral" else text


def call_of(flavour: str, call: dict[str, Any]) -> dict[str, Any]:
    """A tool call, with an id as this server makes them."""
    return {**call, "id": mistral_rules.CALL_ID} if flavour == "mistral" else call


def tells_usage(flavour: str) -> bool:
    """Whether the last event of a stream states the usage though nobody asked."""
    return flavour == "mistral"


def begun(flavour: str, body: dict[str, Any]) -> list[str]:
    """What of the request the answer says again before it goes on."""
    return mistral_rules.begun(body) if flavour == "mistral" else []


def insists(flavour: str, address: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    """The status and body of an error for a request that this server does not take; None where it does."""
    return mistral_rules.refusal(address, body) if flavour == "mistral" else None


def frame_of(flavour: str, frame: dict[str, Any]) -> dict[str, Any]:
    if flavour == "openrouter":
        return {**frame, "provider": "Stand-in"}
    if flavour == "llama_server":
        return {**frame, "timings": {"predicted_per_second": 60.0}}
    return frame


def usage_of(flavour: str, usage: dict[str, Any]) -> dict[str, Any]:
    if flavour == "openrouter":
        return {**usage, "cost": 0.00014, "cost_details": {"upstream_inference_cost": None}, "is_byok": False}
    return {**usage, "prompt_tokens_details": None} if flavour == "vllm" else usage


def inside(flavour: str, frame: dict[str, Any], quoted: str) -> bytes:
    """An error in the middle of a stream."""
    said = f"stand-in: failed on {quoted!r}"
    if flavour == "llama_server":
        body = {"code": 500, "message": said, "type": "server_error"}
        return b"error: " + orjson.dumps(body) + b"\n\n"
    if flavour == "vllm":
        body = {"error": {"message": said, "type": "InternalServerError", "param": None, "code": 500}}
        return b"data: " + orjson.dumps(body) + b"\n\ndata: [DONE]\n\n"
    if flavour == "tgi":
        return b"data: " + orjson.dumps({"error": {"message": said, "http_status_code": 500}}) + b"\n\n"
    if flavour == "mistral":
        return b"data: " + orjson.dumps(mistral_rules.error(500, said, "internal_server_error", "1000")[1]) + b"\n\n"
    if flavour == "openrouter":
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        body = {**frame, "error": {"code": "server_error", "message": said}, "choices": [choice]}
        return b"data: " + orjson.dumps(body) + b"\n\n"
    body = {"error": {"message": said, "type": "server_error", "code": 500}}
    return b"data: " + orjson.dumps(body) + b"\n\n"


def refusal(flavour: str, mode: str, quoted: str) -> tuple[int, dict[str, Any]] | None:
    """The status and body of an error that only this server has, or words in a way of its own; None: as OpenAI does."""
    if flavour == "mistral" and mode in _MISTRALS:
        return _MISTRALS[mode]
    if mode == "filtered":
        if flavour == "openrouter":
            metadata = {"reasons": ["violence"], "flagged_input": quoted, "provider_name": "Stand-in"}
            return 403, {"error": {"code": 403, "message": f"flagged {quoted}", "metadata": metadata}}
        inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": SAFE}
        return 400, {"error": {"code": "content_filter", "message": f"filtered {quoted}", "param": "prompt",
                               "status": 400, "innererror": inner}}  # fmt: skip
    if mode == "loading":
        if flavour == "huggingface":
            return 503, {"error": "Model m is currently loading", "estimated_time": 20.0}
        return 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
    if mode == "no-credit":
        return 402, {"error": {"code": 402, "message": f"Insufficient credits {quoted}"}}
    if mode == "too-long" and flavour == "llama_server":
        said = "the request exceeds the available context size, try increasing it"
        return 400, {"error": {"code": 400, "message": said, "type": "exceed_context_size_error", "n_ctx": 200}}
    if mode == "too-long" and flavour == "tgi":
        said = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 200. Given: 300"
        return 422, {"error": said, "error_type": "validation"}
    if mode == "too-long" and flavour == "vllm":
        said = "This model's maximum context length is 200 tokens. However, you requested 300 tokens"
        return 400, {"object": "error", "message": said, "type": "BadRequestError", "param": None, "code": 400}
    return None

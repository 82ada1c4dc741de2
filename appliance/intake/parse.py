"""The wire border inwards: bytes and headers of one HTTP request become a frozen Request, or a WeirError.

Rules kept here:
1. Pure: no I/O, no clock, no ids; the caller brings the request's id and the tenant.
2. Whatever the bytes are, the only exceptions are BadRequest and its kinds.
3. What spans several parameters is checked here, what concerns one is in `parameters`.

A request of two short messages takes about 20 us (see tests/intake/test_speed.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.errors import Unsupported
from appliance.intake.body import read_object
from appliance.intake.canon import digest
from appliance.intake.fields import array, missing, refused, text, wrong
from appliance.intake.labels import read_labels, tightened
from appliance.intake.limits import Limits
from appliance.intake.messages import read_messages
from appliance.intake.parameters import CHAT, COMPLETION, EMBEDDING, Draft, read_parameters
from appliance.intake.preferences import require_model
from appliance.intake.shapes import chosen_tool, has_tool
from appliance.records.request import LOCAL, Format, Kind, Request, Sampling

_NOTHING_STATED = Sampling()
_ANY_TEXT = Format()


def parse_chat(
    body: bytes, headers: Mapping[str, str], limits: Limits, *, request_id: str, tenant: str = LOCAL
) -> Request:
    """POST /v1/chat/completions. Raises BadRequest (or a kind of it) naming the field."""
    return chat_of(read_object(body, limits), headers, limits, request_id, tenant)


def parse_completion(
    body: bytes, headers: Mapping[str, str], limits: Limits, *, request_id: str, tenant: str = LOCAL
) -> Request:
    """POST /v1/completions; one prompt as text. Raises BadRequest naming the field."""
    return completion_of(read_object(body, limits), headers, limits, request_id, tenant)


def parse_embedding(
    body: bytes, headers: Mapping[str, str], limits: Limits, *, request_id: str, tenant: str = LOCAL
) -> Request:
    """POST /v1/embeddings; one text or several. Raises BadRequest naming the field."""
    return embedding_of(read_object(body, limits), headers, limits, request_id, tenant)


def chat_of(wire: dict[str, Any], headers: Mapping[str, str], limits: Limits, request_id: str, tenant: str) -> Request:
    """A chat's body that was read, and likewise below."""
    if wire.get("messages") is None:
        raise missing("messages", "a list of messages")
    draft = Draft(limits, wire)
    draft.fields["messages"] = read_messages(wire["messages"], limits)
    read_parameters(draft, CHAT)
    fields = draft.fields
    if "tool_choice" in fields or "parallel_tool_calls" in fields:
        tools = fields.get("tools", ())
        if not tools and fields.get("tool_choice", "none") not in ("none", "auto"):
            raise refused("tool_choice", "used together with 'tools'", "Send 'tools' as well.")
        name = chosen_tool(fields.get("tool_choice"))
        if name is not None and not has_tool(tools, name):
            raise refused("tool_choice.function.name", "the name of one of the tools")
    return finish("chat", draft, headers, request_id, tenant)


def completion_of(
    wire: dict[str, Any], headers: Mapping[str, str], limits: Limits, request_id: str, tenant: str
) -> Request:
    """A completion's."""
    prompt = wire.get("prompt")
    if prompt is None:
        raise missing("prompt", "a string")
    if type(prompt) is list:
        if prompt and type(prompt[0]) in (int, list):
            raise Unsupported("Prompts of tokens are not supported.", param="prompt", next_step="Send text.")
        if len(prompt) != 1:
            raise refused("prompt", "a string, or a list of one string", "Send one request for each prompt.")
        prompt = prompt[0]
    draft = Draft(limits, wire)
    draft.fields["prompt"] = text("prompt", prompt, min(limits.string_chars, limits.text_chars), least=1)
    read_parameters(draft, COMPLETION)
    return finish("completion", draft, headers, request_id, tenant)


def embedding_of(
    wire: dict[str, Any], headers: Mapping[str, str], limits: Limits, request_id: str, tenant: str
) -> Request:
    """An embedding's."""
    value = wire.get("input")
    if value is None:
        raise missing("input", "a string or a list of strings")
    if type(value) is str:
        inputs: tuple[str, ...] = (text("input", value, limits.string_chars, least=1),)
    elif type(value) is not list:
        raise wrong("input", "a string or a list of strings", value)
    else:
        entries = array("input", value, limits.inputs, least=1)
        if type(entries[0]) in (int, list):
            raise Unsupported("Inputs of tokens are not supported.", param="input", next_step="Send text.")
        inputs = tuple(
            text(f"input[{index}]", entry, limits.string_chars, least=1) for index, entry in enumerate(entries)
        )
    if sum(map(len, inputs)) > limits.text_chars:
        raise refused("input", f"at most {limits.text_chars} characters in all", "Send less text.")
    draft = Draft(limits, wire)
    draft.fields["inputs"] = inputs
    read_parameters(draft, EMBEDDING)
    return finish("embedding", draft, headers, request_id, tenant)


def finish(kind: Kind, draft: Draft, headers: Mapping[str, str], request_id: str, tenant: str) -> Request:
    """The request of a draft that is complete, with its labels and digest. Raises BadRequest."""
    require_model(draft)
    fields, forwarded = draft.fields, draft.forwarded
    sampling = Sampling(**draft.sampling) if draft.sampling else _NOTHING_STATED
    form = _ANY_TEXT if draft.format is None else draft.format
    labels = read_labels(headers, draft.limits)
    return Request(
        id=request_id,
        kind=kind,
        sampling=sampling,
        format=form,
        labels=labels if not draft.labels else tightened(labels, draft.labels, draft.limits),
        labels_in_body=bool(draft.labels),
        tenant=tenant,
        forwarded=forwarded,
        # Whoever wants nothing stored is looked up nowhere.
        digest="" if labels.cache == "no-store" else digest(kind, fields, draft.sampling, form, forwarded),
        **fields,
    )

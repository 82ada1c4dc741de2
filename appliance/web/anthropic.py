"""Anthropic's dialect: messages, and counting their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.features.count import counted
from appliance.intake.anthropic import parse_count, parse_messages, parse_page
from appliance.records.answer import Answer, Counted
from appliance.records.card import ModelCard
from appliance.records.request import Request
from appliance.respond.anthropic import PING, MessageStream, count_body, error_body, message_body, models_body
from appliance.web.dialect import Dialect, Endpoint, Inquiry


def _message(answer: Answer, request: Request, /, *, id: str, created: int) -> bytes:  # noqa: ARG001 - it says no time
    return message_body(answer, request.thinking, id=id)


def _stream(request: Request, /, *, model: str, created: int) -> MessageStream:  # noqa: ARG001 - it says no time
    return MessageStream(id=request.id, model=model, thinking=request.thinking)


def _count(request: Request, exact: Counted | None) -> bytes:
    return count_body(counted(request)) if exact is None else count_body(exact.tokens, exact.path)


def _models(cards: Sequence[ModelCard], created: int, query: Mapping[str, str] | None) -> bytes:
    if query is None:
        return models_body(cards, created=created)
    limit, after_id, before_id = parse_page(query)
    return models_body(cards, created=created, limit=limit, after_id=after_id, before_id=before_id)


ANTHROPIC = Dialect(
    endpoints=(Endpoint("/v1/messages", "chat", parse_messages, _message, _stream),),
    inquiries=(Inquiry("/v1/messages/count_tokens", parse_count, _count),),
    error=error_body,
    models=_models,
    sign=PING,
    absent={
        "/v1/messages/batches": "Send the messages one by one; several at the same time are welcome.",
        "/v1/files": "No files are kept: send the content itself.",
        "/v1/complete": "POST /v1/messages.",
    },
    header="anthropic-version",
)

"""Anthropic's dialect: messages, and counting their tokens."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.features.count import counted
from appliance.intake.anthropic import parse_count, parse_messages
from appliance.records.answer import Answer
from appliance.records.card import ModelCard
from appliance.records.request import Request
from appliance.respond.anthropic import MessageStream, count_body, error_body, message_body, models_body
from appliance.web.dialect import Dialect, Endpoint, Inquiry


def _message(answer: Answer, _: Request, /, *, id: str, created: int) -> bytes:  # noqa: ARG001 - it says no time
    return message_body(answer, id=id)


def _stream(request: Request, /, *, model: str, created: int) -> MessageStream:  # noqa: ARG001 - it says no time
    return MessageStream(id=request.id, model=model)


def _count(request: Request) -> bytes:
    return count_body(counted(request))


def _models(cards: Sequence[ModelCard], created: int) -> bytes:
    return models_body(cards, created=created)


ANTHROPIC = Dialect(
    endpoints=(Endpoint("/v1/messages", "chat", parse_messages, _message, _stream),),
    inquiries=(Inquiry("/v1/messages/count_tokens", parse_count, _count),),
    error=error_body,
    models=_models,
    header="anthropic-version",
)

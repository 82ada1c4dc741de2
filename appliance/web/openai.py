"""OpenAI's dialect: chat, completions, embeddings, responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.intake.parse import parse_chat, parse_completion, parse_embedding
from appliance.intake.responses import parse_responses
from appliance.records.answer import Answer
from appliance.records.card import ModelCard
from appliance.records.request import Request
from appliance.respond.bodies import chat_body, completion_body, embedding_body, models_body
from appliance.respond.errors import error_body
from appliance.respond.responses import ResponseStream, response_body
from appliance.respond.streams import ChatStream, CompletionStream
from appliance.web.dialect import Dialect, Endpoint


def _chat(answer: Answer, _: Request, *, id: str, created: int) -> bytes:
    return chat_body(answer, id=id, created=created)


def _chat_stream(request: Request, /, *, model: str, created: int) -> ChatStream:
    return ChatStream(id=request.id, model=model, created=created, include_usage=request.stream_usage)


def _completion(answer: Answer, _: Request, *, id: str, created: int) -> bytes:
    return completion_body(answer, id=id, created=created)


def _completion_stream(request: Request, /, *, model: str, created: int) -> CompletionStream:
    return CompletionStream(id=request.id, model=model, created=created, include_usage=request.stream_usage)


def _response(answer: Answer, request: Request, /, *, id: str, created: int) -> bytes:
    return response_body(answer, request.echo, id=id, created=created)


def _response_stream(request: Request, /, *, model: str, created: int) -> ResponseStream:
    return ResponseStream(id=request.id, model=model, created=created, echo=request.echo)


def _embedding(answer: Answer, request: Request, *, id: str, created: int) -> bytes:  # noqa: ARG001 - it has neither
    return embedding_body(answer, request.encoding)


def _models(cards: Sequence[ModelCard], created: int, _: Mapping[str, str] | None) -> bytes:
    return models_body(cards, created=created)


OPENAI = Dialect(
    endpoints=(
        Endpoint("/v1/chat/completions", "chat", parse_chat, _chat, _chat_stream),
        Endpoint("/v1/completions", "completion", parse_completion, _completion, _completion_stream),
        Endpoint("/v1/responses", "chat", parse_responses, _response, _response_stream),
        Endpoint("/v1/embeddings", "embedding", parse_embedding, _embedding),
    ),
    error=error_body,
    models=_models,
    sign=b": \n\n",
    absent={
        "/v1/responses": "No response is kept: ask anew with POST /v1/responses.",
        "/v1/conversations": "No conversation is kept: send all earlier items with each request.",
        "/v1/batches": "Send the requests one by one; several at the same time are welcome.",
        "/v1/files": "No files are kept: send the content itself.",
        "/v1/assistants": "No assistants are kept: POST /v1/responses.",
        "/v1/threads": "No conversation is kept: POST /v1/responses.",
        "/v1/moderations": "What is forbidden here is said by policy, for each request.",
    },
)

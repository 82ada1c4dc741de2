"""Bodies, read back with the types of OpenAI's own SDK."""

from __future__ import annotations

import base64
import struct

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion

from appliance.errors import BadRequest, NoCapacity
from appliance.records.answer import Answer, Choice
from appliance.records.card import ModelCard
from appliance.records.chunks import TokenLogprob, Usage
from appliance.respond import (
    chat_body,
    completion_body,
    embedding_body,
    error_body,
    error_event,
    error_headers,
    models_body,
)

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
TOKENS = (TokenLogprob("Par", -0.1, (("Par", -0.1), ("Lon", float("-inf")))), TokenLogprob("is", float("nan")))
FULL = Answer(
    "id1",
    "site/m",
    1_700_000_000,
    (Choice("Paris", (), "length", TOKENS), Choice("", (CALL,), "tool_calls")),
    Usage(10, 20, 4),
)
# Texts as runtimes may give them, lone surrogates included.
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("\ud800\udbff\udc00\udfff")), max_size=30)


def test_calls_whose_server_gave_no_ids_get_some_to_be_answered_by() -> None:
    unnamed = {**CALL, "id": ""}
    answer = Answer("id1", "site/m", 7, (Choice("", (unnamed, unnamed), "tool_calls"),))
    (choice,) = ChatCompletion.model_validate_json(chat_body(answer)).choices
    assert [call.id for call in choice.message.tool_calls or ()] == ["call_0", "call_1"]


def test_a_chat_body_is_what_the_sdk_reads() -> None:
    read = ChatCompletion.model_validate_json(chat_body(FULL), strict=True)
    assert (read.id, read.model, read.created) == ("id1", "site/m", 1_700_000_000)
    first, second = read.choices
    assert (first.message.content, first.finish_reason) == ("Paris", "length")
    assert first.logprobs is not None
    assert first.logprobs.content is not None
    assert [token.logprob for token in first.logprobs.content] == [-0.1, -9999.0]
    assert first.logprobs.content[0].top_logprobs[1].logprob == -9999.0
    assert first.logprobs.content[0].bytes == [80, 97, 114]
    assert second.message.content is None
    assert second.message.tool_calls is not None
    assert second.message.tool_calls[0].model_dump() == CALL
    assert read.usage is not None
    assert read.usage.total_tokens == 30
    assert read.usage.prompt_tokens_details is not None
    assert read.usage.prompt_tokens_details.cached_tokens == 4


def test_an_answer_from_the_cache_gets_a_new_id_and_time() -> None:
    read = orjson.loads(chat_body(FULL, id="id2", created=5))
    assert (read["id"], read["created"]) == ("id2", 5)
    read = orjson.loads(completion_body(FULL, id="id2", created=5))
    assert (read["id"], read["created"]) == ("id2", 5)


def test_a_completion_body_is_what_the_sdk_reads() -> None:
    read = Completion.model_validate_json(completion_body(FULL), strict=True)
    assert [choice.text for choice in read.choices] == ["Paris", ""]
    assert [choice.finish_reason for choice in read.choices] == ["length", "stop"]
    assert read.choices[0].logprobs is not None
    assert read.choices[0].logprobs.text_offset == [0, 3]


def test_embeddings_are_the_same_numbers_in_both_encodings() -> None:
    answer = Answer("e", "m", 1, usage=Usage(7), vectors=((0.5, -1.25), (3.0, 0.0)))
    read = CreateEmbeddingResponse.model_validate_json(embedding_body(answer))
    assert [entry.embedding for entry in read.data] == [[0.5, -1.25], [3.0, 0.0]]
    assert [entry.index for entry in read.data] == [0, 1]
    assert (read.usage.prompt_tokens, read.usage.total_tokens) == (7, 7)
    packed = orjson.loads(embedding_body(answer, "base64"))["data"]
    assert [struct.unpack("<2f", base64.b64decode(entry["embedding"])) for entry in packed] == list(answer.vectors)


@given(TEXTS, TEXTS)
def test_any_text_makes_a_valid_body(text: str, token: str) -> None:
    answer = Answer("i", "m", 1, (Choice(text, (), "stop", (TokenLogprob(token, -1.0, ((token, -1.0),)),)),))
    written = ChatCompletion.model_validate_json(chat_body(answer)).choices[0].message.content
    Completion.model_validate_json(completion_body(answer))
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert written == text


@pytest.mark.parametrize(
    ("text", "written"),
    [("a\ud800b", "a\ufffdb"), ("\udfff", "\ufffd"), ("x\udbff", "x\ufffd"), ("\ud83d\ude00", "\U0001f600")],
)
def test_a_lone_surrogate_is_replaced_and_nothing_else_is(text: str, written: str) -> None:
    message = ChatCompletion.model_validate_json(chat_body(Answer("i", "m", 1, (Choice(text),)))).choices[0].message
    assert message.content == written


def test_the_list_of_models_begins_with_auto() -> None:
    card = ModelCard(id="site/m", runtime="openai_http", tier="site", modalities=("chat",), operator="Ops")
    entries = orjson.loads(models_body([card], created=9))["data"]
    models = [Model.model_validate(entry) for entry in entries]
    assert [model.id for model in models] == ["auto", "auto:cheap", "auto:fast", "auto:best", "site/m"]
    assert models[-1].owned_by == "Ops"
    assert entries[-1]["weir"]["tier"] == "site"


@pytest.mark.parametrize("write", [error_body, lambda error: error_event(error)[6:-2]])
def test_an_error_has_openais_shape(write: object) -> None:
    assert callable(write)
    error = BadRequest("'n' must be an integer.", param="n", next_step="Correct it.", details=("why",))
    assert orjson.loads(write(error)) == {
        "error": {
            "message": "'n' must be an integer. Correct it.",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_request",
            "weir": {"kind": "bad_request", "reasons": ["why"]},
        }
    }


def test_retry_after_is_told_where_it_is_known() -> None:
    assert error_headers(NoCapacity("Busy.", retry_after_s=3)) == {"Retry-After": "3"}
    assert error_headers(NoCapacity("Busy.")) == {}


def test_thinking_stands_beside_the_content() -> None:
    thought = Answer("i", "m", 1, (Choice("Paris", reasoning="A capital", seal="s"),), Usage(3, 9, 1, 7))
    read = ChatCompletion.model_validate_json(chat_body(thought))
    assert read.choices[0].message.model_dump(exclude_none=True) == {
        "role": "assistant",
        "content": "Paris",
        "reasoning_content": "A capital",
    }
    assert read.usage is not None and read.usage.completion_tokens_details is not None
    assert read.usage.completion_tokens_details.reasoning_tokens == 7
    assert b"reasoning_content" not in chat_body(FULL)

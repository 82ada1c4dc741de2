"""Google's embeddings: what they are for is said, and one vector comes back for each text or none at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.paths.contract import Done, Job, Meter, PathError, Usage, Vector
from appliance.paths.dialect import BrokenAnswer
from appliance.paths.gemini_http import GeminiDialect
from appliance.paths.gemini_vectors import GeminiVectorReading, Method, vectors_body
from appliance.records.card import ModelCard
from tests.paths.gemini_rig import any_json, vertex
from tests.paths.rig import KEY, card_for, collect, fault, started
from tests.standins.gemini_server import EMBEDS, LONGEST, VERTEX, gemini
from tests.standins.google_accounts import account
from tests.standins.openai_answers import Behaviour

METHODS: tuple[Method, ...] = get_args(Method)
EMBED = Job(id="j", kind="embedding", inputs=("one", "two words"), forwarded={"dimensions": 3, "user": "ann"})


@pytest.mark.asyncio
@pytest.mark.parametrize("on_vertex", [False, True])
async def test_vectors_say_what_they_are_for_and_how_wide(on_vertex: bool) -> None:
    async with gemini(Behaviour(key=KEY)) as server:
        over = {"modalities": ("embedding",)}
        card = vertex(server, input_type="search_query") if on_vertex else card_for(server, "gemini_http", **over)
        card = card.model_copy(update=over)
        async with started(card, account() if on_vertex else KEY) as path:
            chunks = await collect(path, EMBED)
            assert [(chunk.index, len(chunk.values)) for chunk in chunks if isinstance(chunk, Vector)] == [
                (0, 3),
                (1, 3),
            ]
            assert chunks[-1] == Done(Usage(3))
    asked = {"model": "models/m", "taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 3}
    assert server.bodies[0] == (
        {
            "instances": [{"content": one, "task_type": "RETRIEVAL_QUERY"} for one in EMBED.inputs],
            "parameters": {"autoTruncate": False, "outputDimensionality": 3},
        }
        if on_vertex
        else {"requests": [{**asked, "content": {"parts": [{"text": one}]}} for one in EMBED.inputs]}
    )


@pytest.mark.parametrize(
    ("over", "on_vertex", "param"),
    [
        ({"inputs": ("x",) * 101}, False, "input"),
        ({"inputs": ("x",) * 251}, True, "input"),
        ({"forwarded": {"odd": 1}}, False, "odd"),
    ],
)
def test_what_google_has_no_word_for_of_embeddings_is_refused_by_name(
    over: dict[str, Any], on_vertex: bool, param: str
) -> None:
    with pytest.raises(PathError) as caught:
        vectors_body(replace(EMBED, **over), "m", "search_document", "predict" if on_vertex else "batchEmbedContents")
    assert caught.value.param == param


ONE = replace(EMBED, inputs=("task: search result | query: two words",))


@pytest.mark.asyncio
@pytest.mark.parametrize("width", [None, 3])
async def test_a_model_that_is_there_by_embed_content_alone_takes_one_text_as_it_is(width: int | None) -> None:
    job = replace(ONE, forwarded={} if width is None else {"dimensions": width, "user": "ann"})
    async with gemini(Behaviour(key=KEY)) as server:
        card = vertex(server, EMBEDS, embed_content=True).model_copy(update={"modalities": ("embedding",)})
        async with started(card, account()) as path:
            (vector, done) = await collect(path, job)
            assert isinstance(vector, Vector) and len(vector.values) == (width or 8)
            assert done == Done(Usage(7))
            assert server.bills.rows[-1].prompt_tokens == 7
            error = await fault(path, replace(ONE, inputs=("one", "two")))
            assert (error.fault, error.param) == ("rejected", "input")
            assert server.seen[f"{VERTEX}/models/{EMBEDS}:embedContent"] == 1, "nothing was sent of it"
    config = {} if width is None else {"embedContentConfig": {"outputDimensionality": width}}
    assert server.bodies[0] == {"content": {"parts": [{"text": ONE.inputs[0]}]}, **config}


@pytest.mark.asyncio
async def test_a_text_that_was_cut_short_has_no_vector_and_is_paid_for() -> None:
    async with gemini(Behaviour(key=KEY)) as server:
        card = vertex(server, EMBEDS, embed_content=True).model_copy(update={"modalities": ("embedding",)})
        async with started(card, account()) as path:
            job = replace(ONE, inputs=("word " * (LONGEST + 1),), meter=Meter())
            assert (await fault(path, job)).fault == "context_too_long"
            assert job.meter.stated == Usage(LONGEST)


@pytest.mark.asyncio
async def test_usage_of_embed_content_that_is_not_stated_is_not_guessed() -> None:
    async with gemini(Behaviour(key=KEY)) as server:
        card = vertex(server, "mode:no-usage", embed_content=True).model_copy(update={"modalities": ("embedding",)})
        async with started(card, account()) as path:
            assert (await collect(path, ONE))[-1] == Done(Usage())


@pytest.mark.parametrize("over", [{"input_type": "search_query"}, {"base_url": "https://generativelanguage.example"}])
def test_a_card_that_says_more_than_embed_content_can_be_told_is_refused(over: dict[str, Any]) -> None:
    where = {"base_url": f"https://vertex.example{VERTEX}", "model": EMBEDS, "embed_content": True, **over}
    base = {"id": "up", "runtime": "gemini_http", "tier": "frontier", "modalities": ("embedding",)}
    with pytest.raises(ValueError, match="embed_content"):
        GeminiDialect(ModelCard.model_validate({**base, "endpoint": where}))


@pytest.mark.parametrize(
    "found",
    [
        {"embeddings": [{"values": [1]}]},
        {"embeddings": [{"values": [1]}, {"values": ["x"]}]},
        {"embeddings": [{"values": [1]}, {"values": "12"}]},
        {"embeddings": [{"values": [1]}, {"values": ["1"]}]},
        {"embeddings": [{"values": [1]}, {"values": ["nan"]}]},
        {"embeddings": [{"values": [1]}, {"values": [True]}]},
        {"embeddings": [{"values": [1]}, {"values": []}]},
        {"predictions": [{"embeddings": {"values": [1]}}]},
        {"predictions": [{"embeddings": []}, {}]},
        {"embedding": {"values": [1]}},
        {"embedding": {"values": "12"}, "truncated": False},
        {"predictions": 3},
        {},
        [],
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_anything_but_one_vector_for_each_text_is_no_answer(found: Any, method: Method) -> None:
    with pytest.raises(BrokenAnswer):
        GeminiVectorReading(2, method).whole(orjson.dumps(found))


@given(any_json, st.sampled_from(METHODS))
def test_whatever_json_arrives_it_is_vectors_or_broken(found: Any, method: Method) -> None:
    for one in (
        found,
        {"embeddings": found, "usageMetadata": found},
        {"embedding": found, "truncated": False},
        {"embedding": {"values": found}, "usageMetadata": found},
        {"predictions": [{"embeddings": found}]},
    ):
        with suppress(BrokenAnswer):
            GeminiVectorReading(1, method).whole(orjson.dumps(one))


def test_usage_that_is_not_stated_of_every_text_is_not_stated() -> None:
    rows = [{"embeddings": {"values": [1], "statistics": {"token_count": 4}}}, {"embeddings": {"values": [1]}}]
    reading = GeminiVectorReading(2, "predict")
    reading.whole(orjson.dumps({"predictions": rows}))
    assert reading.usage is None

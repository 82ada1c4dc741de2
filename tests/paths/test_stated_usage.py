"""What a provider states of usage together with its failure is on the meter all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import web

from appliance.paths.cohere_wire import EmbedReading
from appliance.paths.contract import Job, PathError, Usage
from appliance.paths.dialect import BrokenAnswer
from appliance.paths.http import _read_whole
from appliance.paths.meter import Meter
from tests.paths.running import HELLO, collect
from tests.paths.upstream import card_for, started, streamed

STATED = {"prompt_tokens": 900, "completion_tokens": 5000, "completion_tokens_details": {"reasoning_tokens": 4990}}
HI = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}
GAVE_UP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}], "usage": STATED}


@asynccontextmanager
async def answering(body: bytes, media: str) -> AsyncIterator[str]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=media)

    app = web.Application()
    app.router.add_post("/v1/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def used(body: bytes, media: str, job: Job) -> Meter:
    async with answering(body, media) as url, started(card_for(url)) as path:
        with pytest.raises(PathError):
            await collect(path, job)
    return job.meter


def events(*found: object) -> bytes:
    return b"".join(b"data: %b\n\n" % orjson.dumps(one) for one in found)


@pytest.mark.parametrize(
    "found",
    [(HI, GAVE_UP), (GAVE_UP,), (HI, {"error": {"message": "no"}, "usage": STATED})],
    ids=["after text", "alone", "as an error"],
)
async def test_usage_in_the_event_that_ends_a_stream_in_error(found: tuple[object, ...]) -> None:
    meter = await used(events(*found), "text/event-stream", streamed(meter=Meter()))
    assert meter.used(10, 1) == Usage(900, 5000, 0, 4990)


@pytest.mark.parametrize(
    "found",
    [
        {"choices": [{"index": 0, "message": {"content": 7}, "finish_reason": "stop"}], "usage": STATED},
        {"choices": [], "usage": STATED},
        {"error": {"message": "no"}, "usage": STATED},
    ],
    ids=["no text", "no choice", "an error"],
)
async def test_usage_of_a_whole_answer_that_is_broken(found: object) -> None:
    meter = await used(orjson.dumps(found), "application/json", streamed(stream=False, meter=Meter()))
    assert meter.used(10) == Usage(900, 5000, 0, 4990)


async def test_usage_of_embeddings_that_are_broken() -> None:
    job = Job(id="j", kind="embedding", inputs=("a", "b"), meter=Meter())
    found = {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 900}}
    assert (await used(orjson.dumps(found), "application/json", job)).stated == Usage(900)


def test_usage_of_cohere_s_embeddings_that_are_broken() -> None:
    meter = Meter()
    found = {"embeddings": {"float": []}, "meta": {"billed_units": {"input_tokens": 9}}}
    with pytest.raises(BrokenAnswer):
        _read_whole(EmbedReading(2), orjson.dumps(found), meter)
    assert meter.stated == Usage(9)


async def test_usage_of_a_whole_answer_is_known_while_it_is_given_out() -> None:
    whole = {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": STATED}
    job = streamed(HELLO, stream=False, meter=Meter())
    async with answering(orjson.dumps(whole), "application/json") as url, started(card_for(url)) as path:
        stream = path.stream(job)
        await anext(stream)
        assert job.meter.stated == Usage(900, 5000, 0, 4990)
        await stream.aclose()  # type: ignore[attr-defined]

"""The upstream path survives bad servers and tells nobody its key."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.paths.contract import Done, Job, Meter, PathError, Text, TokenLogprob, Usage, Vector
from appliance.paths.guard import Guarded
from appliance.paths.http import HttpPath
from appliance.paths.openai_http import OpenAIDialect
from appliance.paths.secrets import resolve_secret
from appliance.records.card import Capabilities
from appliance.records.request import Format, Message, Sampling
from tests.paths.running import FAULTS, HELLO, KEY, PROMPT, collect, egress_to
from tests.paths.upstream import SHORT, card_for, served, started, streamed, text
from tests.standins.numbered import NumberedStandIn
from tests.standins.openai_server import MODES, Behaviour, OpenAIStandIn

LIMITED = Job(id="j", kind="chat", messages=HELLO.messages, sampling=Sampling(max_tokens=3))


async def fault(path: Any, job: Job = HELLO) -> PathError:
    with pytest.raises(PathError) as caught:
        await collect(Guarded(path), job)
    assert PROMPT not in caught.value.message
    assert KEY not in caught.value.message
    assert len(caught.value.message) <= 300
    return caught.value


@pytest.mark.asyncio
async def test_a_pattern_goes_only_to_servers_whose_card_claims_it() -> None:
    job = Job(id="j", kind="chat", messages=HELLO.messages, format=Format("regex", pattern="a+"))
    async with served() as (server, path):
        assert (await fault(path, job)).fault == "unsupported"
        assert not server.seen
    async with served(capabilities=Capabilities(regex=True)) as (server, path):
        await collect(path, job)
        assert server.bodies[0]["guided_regex"] == "a+"


@pytest.mark.asyncio
async def test_azure_is_spoken_to_by_deployment_with_its_own_header() -> None:
    async with OpenAIStandIn() as server:
        base = server.base_url.removesuffix("/v1")
        card = card_for(base, "my deploy", flavour="azure", api_version="2024-10-21", api_key_ref="env:K")
        async with started(card) as path:
            assert text(await collect(path)) == PROMPT
        assert server.headers[0]["api-key"] == KEY
        assert "Authorization" not in server.headers[0]
        assert card.endpoint is not None
        call = OpenAIDialect().call(LIMITED, card.endpoint, streaming=False)
        assert call.url.raw_path_qs == "/openai/deployments/my%20deploy/chat/completions?api-version=2024-10-21"
        assert json.loads(call.body)["max_completion_tokens"] == 3


@pytest.mark.parametrize(
    ("base", "address", "limit"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions", "max_completion_tokens"),
        ("https://eu.api.openai.com", "https://eu.api.openai.com/v1/chat/completions", "max_completion_tokens"),
        ("https://notapi.openai.com", "https://notapi.openai.com/v1/chat/completions", "max_tokens"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/chat/completions", "max_tokens"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1/chat/completions", "max_tokens"),
        ("https://gw.example/openai/v2/", "https://gw.example/openai/v2/chat/completions", "max_tokens"),
    ],
)
def test_the_address_and_the_name_of_the_limit(base: str, address: str, limit: str) -> None:
    endpoint = card_for(base).endpoint
    assert endpoint is not None
    call = OpenAIDialect().call(LIMITED, endpoint, streaming=False)
    assert str(call.url) == address
    assert json.loads(call.body)[limit] == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["drip", "crlf", "no-done"])
async def test_odd_but_whole_streams_are_read(mode: str) -> None:
    async with served(f"mode:{mode}", Behaviour(answers={PROMPT: "naïve 😀 text"})) as (_, path):
        chunks = await collect(path, streamed())
        assert text(chunks) == "naïve 😀 text"
        assert chunks[-1] == Done(Usage(6, 3))


@pytest.mark.asyncio
async def test_logprobs_arrive_in_both_forms() -> None:
    async with served() as (_, path):
        for kind in ("chat", "completion"):
            for stream in (False, True):
                job = Job(
                    id="j",
                    kind=kind,
                    messages=(Message("user", "a b"),),
                    prompt="a b",
                    sampling=Sampling(logprobs=True, top_logprobs=2),
                    stream=stream,
                )
                found = [lp for chunk in await collect(path, job) if isinstance(chunk, Text) for lp in chunk.logprobs]
                assert found == [
                    TokenLogprob("a", -0.1, (("a", -0.1), ("a0", -1.1))),
                    TokenLogprob(" b", -0.1, ((" b", -0.1), (" b0", -1.1))),
                ]


@pytest.mark.asyncio
async def test_a_refusal_is_text_that_nobody_takes_for_an_answer_in_form() -> None:
    async with served("mode:refuse") as (_, path):
        for job in (HELLO, streamed()):
            chunks = await collect(path, job)
            assert "I will not" in text(chunks)
            assert isinstance(chunks[-1], Done)
            assert chunks[-1].finish_reasons == ("content_filter",)


@pytest.mark.asyncio
async def test_missing_usage_is_zero_and_counted() -> None:
    async with served("mode:no-usage") as (_, path):
        for job in (HELLO, streamed()):
            assert (await collect(path, job))[-1] == Done(Usage())
        assert path.usage_missing == 2


@pytest.mark.asyncio
async def test_embeddings_come_in_the_order_of_their_inputs() -> None:
    async with served() as (server, path):
        job = Job(id="j", kind="embedding", inputs=("a", "bb"), forwarded={"dimensions": 3})
        chunks = await collect(path, job)
        assert [chunk.index for chunk in chunks if isinstance(chunk, Vector)] == [0, 1]
        assert isinstance(chunks[0], Vector)
        assert len(chunks[0].values) == 3
        assert server.bodies[0]["input"] == ["a", "bb"]


STREAM_FAULTS = FAULTS | {"no-end": "broken_stream", "no-done-no-usage": "broken_stream", "error-event": "unavailable"}


def test_every_mode_of_the_stand_in_is_tried() -> None:
    assert set(MODES) == set(STREAM_FAULTS) | {"no-usage", "no-done", "drip", "crlf", "refuse"}


@pytest.mark.asyncio
@pytest.mark.parametrize(("mode", "stream"), [*((m, False) for m in FAULTS), *((m, True) for m in STREAM_FAULTS)])
async def test_each_failure_has_its_fault_and_leaves_the_path_usable(mode: str, stream: bool) -> None:
    clocks = SHORT if STREAM_FAULTS[mode] == "timeout" else {}
    async with served(f"mode:{mode}", api_key_ref="env:K", **clocks) as (server, path):
        begun = time.monotonic()
        error = await fault(path, streamed(stream=stream))
        assert time.monotonic() - begun < 5.0
        assert error.fault == STREAM_FAULTS[mode]
        assert error.param == {"400": "temperature", "404": "model", "too-long": "messages"}.get(mode)
        assert error.retry_after_s == (7.0 if mode == "429" else None)
        assert path.ready().ok
        assert path.ready().busy == 0
        assert sum(server.seen.values()) == 1, "one job is one request"


@pytest.mark.asyncio
async def test_a_redirect_is_not_followed_even_to_the_same_server() -> None:
    async with served("mode:redirect", Behaviour(redirect_to="/v1/completions")) as (server, path):
        assert (await fault(path)).fault == "unavailable"
        assert server.seen == {"chat/completions": 1}


@pytest.mark.asyncio
async def test_the_job_s_deadline_bounds_the_whole_however_lively_the_stream() -> None:
    async with served(behaviour=Behaviour(tokens_per_s=20.0)) as (_, path):
        job = streamed(messages=(Message("user", "word " * 100),), deadline_s=0.3)
        begun = time.monotonic()
        with pytest.raises(PathError) as caught:
            await collect(path, job)
        assert caught.value.fault == "timeout"
        assert 0.2 < time.monotonic() - begun < 3.0


@pytest.mark.asyncio
async def test_a_slow_reader_is_not_taken_for_a_slow_server() -> None:
    async with served(**SHORT) as (_, path):
        got = []
        async for chunk in path.stream(streamed()):
            got.append(chunk)
            await asyncio.sleep(0.6 if len(got) == 1 else 0)
        assert isinstance(got[-1], Done)


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [True, False])
async def test_closing_early_hangs_up_on_the_server(stream: bool) -> None:
    async with served(behaviour=Behaviour(tokens_per_s=10.0)) as (server, path):
        task = asyncio.create_task(collect(path, streamed(stream=stream, messages=(Message("user", "word " * 50),))))
        while not server.open_now:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(100):
            if not server.open_now:
                break
            await asyncio.sleep(0.01)
        assert server.open_now == 0
        assert server.cancelled == 1
        assert path.ready().busy == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [0, 1, 5])
async def test_what_is_on_its_way_when_a_client_leaves_is_counted_however_often_it_is_cancelled(again: int) -> None:
    async with NumberedStandIn(tokens=1_000, pause_s=0.002, lingers_s=0.03) as server:
        async with started(card_for(server.base_url, continuous_usage=True, max_concurrent=1)) as path:
            for _ in range(10):  # a machine that pauses for longer than one waits makes an estimate of it
                meter = Meter()
                task = asyncio.create_task(collect(path, streamed(meter=meter)))
                while meter.text_tokens < 3:
                    await asyncio.sleep(0.002)
                task.cancel()
                before = meter.text_tokens
                for _ in range(again):
                    await asyncio.sleep(0.003)
                    task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                if meter.exact:
                    break
        while server.open_now:
            await asyncio.sleep(0.002)
        assert meter.exact
        assert meter.used(0).completion_tokens == server.calls[-1].completion_tokens > before


@pytest.mark.asyncio
async def test_jobs_beyond_the_slots_are_overloaded_not_queued() -> None:
    async with served(behaviour=Behaviour(delay_first_s=0.3), max_concurrent=2) as (server, path):
        tasks = [asyncio.create_task(collect(path)) for _ in range(2)]
        while server.open_now < 2:
            await asyncio.sleep(0.01)
        assert (path.ready().ok, path.ready().slots) == (True, 2)  # who may wait for a turn is not told to go elsewhere
        assert path.ready().busy == 2
        assert (await fault(path)).fault == "overloaded"
        await asyncio.gather(*tasks)
        assert path.ready().ok
        assert server.most_open == 2


@pytest.mark.asyncio
async def test_connections_are_kept_after_whole_and_streamed_answers() -> None:
    async with served() as (_, path):
        for job in (HELLO, streamed(), HELLO, streamed()):
            await collect(path, job)
        assert path._access is not None
        assert path._access.session.idle == 1


@pytest.mark.asyncio
async def test_an_unlisted_server_is_not_spoken_to() -> None:
    async with OpenAIStandIn() as server:
        egress = egress_to("https://elsewhere.example")
        path = HttpPath(card_for(server.base_url), egress, OpenAIDialect())
        with pytest.raises(PathError) as caught:
            await path.start()
        assert caught.value.fault == "unavailable"
        assert egress.door.refused == 1
        assert not path.ready().ok
        assert not server.seen


@pytest.mark.asyncio
async def test_the_key_is_resolved_at_start_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_TEST_KEY", f" {KEY}\n")
    async with OpenAIStandIn(Behaviour(key=KEY)) as server:
        async with started(card_for(server.base_url, api_key_ref="env:WEIR_TEST_KEY"), resolve_secret) as path:
            assert text(await collect(path)) == PROMPT
            assert KEY not in repr(path) + repr(path.card)
        assert path._access is None
        async with started(card_for(server.base_url, api_key_ref="env:X"), lambda _: "sk-wrong-key") as path:
            error = await fault(path)
            assert error.fault == "auth"
            assert "sk-wrong-key" not in error.message


def test_a_key_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert resolve_secret(f"file:{tmp_path / 'key'}") == KEY
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert resolve_secret("credential:key") == KEY
    (tmp_path / "account").write_text('{\n "private_key": "a\\nb"\n}')
    assert resolve_secret("credential:account") == '{"private_key": "a\\nb"}'
    monkeypatch.setenv("WEIR_TEST_KEY", "a\nb")
    for reference in (
        "env:WEIR_TEST_KEY",
        "env:WEIR_NOT_SET",
        f"file:{tmp_path}",
        f"file:{tmp_path / 'none'}",
        "credential:none",
        f"credential:../{tmp_path.name}/key",
        "secret:not-in-the-configuration",
        "sk-value",
    ):
        with pytest.raises(PathError) as caught:
            resolve_secret(reference)
        assert caught.value.fault == "auth"
        assert not any(said in caught.value.message for said in ("a\nb", "WEIR_NOT", str(tmp_path), "sk-value"))


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "piece"),
    [("200 OK", b" "), ("200 OK", b"1"), ("500 Internal Server Error", b" "), ("400 Bad Request", b"1")],
)
async def test_a_body_that_drips_is_not_waited_for_without_end(
    status: str, piece: bytes, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BODY_S", "ERROR_BODY_S"):
        monkeypatch.setattr(f"appliance.paths.http.{name}", 0.3)

    gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            writer.write(head.encode())
            while not writer.is_closing():
                writer.write(b"1\r\n%b\r\n" % piece)
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        gone.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server, started(card_for(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", **SHORT)) as path:
        begun = time.monotonic()
        assert (await fault(path, streamed(stream=stream))).fault == "timeout"
        assert time.monotonic() - begun < 2.0
        assert path.ready().busy == 0
        await asyncio.wait_for(gone.wait(), 5.0)

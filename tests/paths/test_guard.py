"""The guard keeps the contract for runtimes that do not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.decide.usage import MOST_TOKENS
from appliance.egress import Egress
from appliance.paths.contract import Chunk, Done, Job, PathError, Readiness, Text, ToolCall, Usage
from appliance.paths.guard import Guarded
from appliance.paths.registry import PathContext, build_path
from appliance.records.card import ModelCard
from appliance.records.request import Message
from appliance.respond.collect import collect
from tests import factories
from tests.standins.ledger import MemoryLedger

JOB = Job(id="j", kind="chat")
SECRET = "sk-the-prompt-or-the-key"


class Runtime:
    """A path that does what `body` does; `closed` counts how often its iterator was closed."""

    def __init__(self, body: Callable[[], AsyncIterator[Any]]) -> None:
        self.card = ModelCard(id="r", runtime="test", tier="device", modalities=("chat",))
        self.body = body
        self.closed = 0

    async def start(self) -> None:
        raise ValueError(SECRET)

    async def stop(self) -> None:
        raise ValueError(SECRET)

    def ready(self) -> Readiness:
        raise ValueError(SECRET)

    async def stream(self, job: Job) -> AsyncIterator[Chunk]:
        try:
            async for chunk in self.body():
                yield chunk
        finally:
            self.closed += 1


def saying(*chunks: Any) -> Callable[[], AsyncIterator[Any]]:
    async def body() -> AsyncIterator[Any]:
        for chunk in chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            if isinstance(chunk, float):
                await asyncio.sleep(chunk)
            else:
                yield chunk

    return body


async def said(runtime: Runtime, job: Job = JOB) -> tuple[list[Chunk], PathError | None]:
    got: list[Chunk] = []
    try:
        async for chunk in Guarded(runtime).stream(job):
            got.append(chunk)
    except PathError as error:
        return got, error
    return got, None


@pytest.mark.asyncio
async def test_a_well_behaved_path_passes_unchanged() -> None:
    chunks = [Text("a"), Text("b"), Done(Usage(1, 2))]
    runtime = Runtime(saying(*chunks))
    assert await said(runtime) == (chunks, None)
    assert runtime.closed == 1


@pytest.mark.asyncio
async def test_usage_that_cannot_be_is_brought_to_what_can() -> None:
    got, error = await said(Runtime(saying(Text("a"), Done(Usage(-5, 10**30, 7)))))
    assert (got[-1], error) == (Done(Usage(0, MOST_TOKENS, 7)), None)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("chunks", "passed"),
    [
        ((Text("a"),), 1),
        ((), 0),
        ((Done(Usage()), Done(Usage())), 0),
        ((Done(Usage()), Text("late")), 0),
        ((Text("a"), "not a chunk"), 1),
        ((Text("a"), None), 1),
    ],
)
async def test_anything_but_one_done_at_the_end_is_a_broken_stream(chunks: tuple[Any, ...], passed: int) -> None:
    runtime = Runtime(saying(*chunks))
    got, error = await said(runtime)
    assert error is not None
    assert error.fault == "broken_stream"
    assert len(got) == passed
    assert not any(isinstance(chunk, Done) for chunk in got), (
        "a Done was let out before the stream was known to be whole"
    )
    assert runtime.closed == 1


def call(name: Any, place: Any = 0, choice: int = 0) -> ToolCall:
    return ToolCall({"index": place, "function": {"name": name, "arguments": "{"}}, choice)


def offering(*names: Any) -> Job:
    return Job(id="j", kind="chat", tools=tuple({"type": "function", "function": {"name": name}} for name in names))


ARGUMENTS = ToolCall({"index": 0, "function": {"arguments": "}"}})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("calls", "passed"),
    [
        ([call("launch")], 0),
        ([call("weather"), ARGUMENTS, call("launch", 1)], 2),
        ([call("weather", 0, 1), call("launch")], 1),
        ([call("wea"), call("pon")], 1),
        ([call("wea"), ARGUMENTS], 2),
        ([ARGUMENTS], 1),
        ([call("")], 1),  # with arguments
        ([call(None)], 1),
        ([call(3)], 0),
        ([call(["weather"])], 0),
        ([call("weather", "0")], 0),
        ([call("weather", [])], 0),
        ([ToolCall({"index": 0, "function": "weather"})], 0),
    ],
)
async def test_a_call_of_what_nobody_offered_is_a_broken_answer(calls: list[ToolCall], passed: int) -> None:
    runtime = Runtime(saying(*calls, Done(Usage())))
    got, error = await said(runtime, offering("weather", "now"))
    assert error is not None
    assert (error.fault, len(got), runtime.closed) == ("broken_stream", passed, 1)
    assert "launch" not in error.message, "what a model wrote is in no error"
    nothing_offered = await said(Runtime(saying(call("weather"), Done(Usage()))))
    assert nothing_offered[1] is not None


def piece(name: str | None = None, arguments: str = "", id: str | None = None, place: Any = 0) -> ToolCall:
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return ToolCall({**({} if place is None else {"index": place}), **({"id": id} if id else {}), "function": function})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("calls", "made"),
    [
        ([piece("weather", "{"), piece(None, "}"), piece("now", "{}", place=1)], [("weather", "{}"), ("now", "{}")]),
        ([piece("wea"), piece("ther", "{"), piece(None, "}")], [("weather", "{}")]),
        ([piece("wea", "{"), piece("weather", "}")], [("weather", "{}")]),  # longer with each piece
        ([piece("weather", "{"), piece("weather", "}")], [("weather", "{}")]),  # again with each piece
        ([piece("weather", "{", "a"), piece("weather", "}", "a")], [("weather", "{}")]),
        ([piece("weather", "{}"), piece("now", "{}")], [("weather", "{}"), ("now", "{}")]),  # two in one place
        ([piece("now", "1", "a"), piece("now", "2", "b"), piece(None, "3")], [("now", "1"), ("now", "23")]),
        ([piece("now", "1", "a", None), piece(None, "2", None, None)], [("now", "12")]),  # no place at all
        ([piece("now", "1", "a", None), piece("now", "2", "b", None)], [("now", "1"), ("now", "2")]),
        ([piece("now", "{}", "a"), piece("", "", None, 1)], [("now", "{}")]),  # an empty piece at the end
        ([piece("now", "1", "a", 3), piece("weather", "2", "b", 7)], [("now", "1"), ("weather", "2")]),
    ],
)
async def test_calls_of_what_was_offered_are_told_once_each_however_they_come(
    calls: list[ToolCall], made: list[tuple[str, str]]
) -> None:
    got, error = await said(Runtime(saying(*calls, Done(Usage()))), offering("weather", "now"))
    assert error is None
    places = [chunk.delta["index"] for chunk in got if isinstance(chunk, ToolCall)]
    assert sorted(set(places)) == list(range(len(made)))
    answer = collect(got, id="d", model="m", created=0)
    functions = [told["function"] for told in answer.choices[0].tool_calls]
    assert [(function["name"], function["arguments"]) for function in functions] == made


@pytest.mark.asyncio
async def test_every_call_has_an_id_that_no_other_of_its_conversation_has() -> None:
    earlier = {"id": "0", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    said_before = (Message("user", "q"), Message("assistant", "", tool_calls=(earlier,)))
    answers = [
        [piece("now", "1", "0"), piece(None, "2"), piece("weather", "3", "w", 1), piece("now", "4", "w", 2)],
        [piece("now", "1"), piece(None, "2", "late"), piece("weather", "3", None, 1), piece(None, "4", None, 1)],
    ]
    ids: list[str] = ["0"]
    for number, calls in enumerate(answers):
        job = replace(offering("weather", "now"), id=f"j{number}", messages=said_before)
        got, error = await said(Runtime(saying(*calls, Done(Usage()))), job)
        assert error is None
        told = {chunk.delta["id"] for chunk in got if isinstance(chunk, ToolCall) and chunk.delta.get("id")}
        made = [call["id"] for call in collect(got, id="d", model="m", created=0).choices[0].tool_calls]
        assert told == set(made)
        ids += made
    assert len(ids) == 6 and len(set(ids)) == 6 and "w" in ids
    assert all(len(id) <= 40 for id in ids)  # OpenAI takes no longer ones


@pytest.mark.asyncio
@pytest.mark.parametrize("raised", [ValueError(SECRET), KeyError(SECRET), MemoryError(), RuntimeError(SECRET)])
async def test_other_errors_become_internal_and_their_text_goes_nowhere(
    raised: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        got, error = await said(Runtime(saying(Text("a"), raised)))
    assert len(got) == 1
    assert error is not None
    assert error.fault == "internal"
    assert SECRET not in error.message
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert type(raised).__name__ in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.asyncio
async def test_a_path_error_passes_as_it_is() -> None:
    raised = PathError("overloaded", "full", retry_after_s=3.0)
    assert (await said(Runtime(saying(raised))))[1] is raised


@pytest.mark.asyncio
async def test_closing_the_iterator_closes_the_runtime_s() -> None:
    runtime = Runtime(saying(Text("a"), 60.0, Done(Usage())))
    stream = Guarded(runtime).stream(JOB)
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert runtime.closed == 1


@pytest.mark.asyncio
async def test_cancelling_the_consumer_closes_the_runtime_s() -> None:
    runtime = Runtime(saying(Text("a"), 60.0, Done(Usage())))
    task = asyncio.create_task(said(runtime))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert runtime.closed == 1


@pytest.mark.asyncio
async def test_the_deadline_ends_a_runtime_that_has_no_clock() -> None:
    runtime = Runtime(saying(Text("a"), 60.0, Done(Usage())))
    got, error = await said(runtime, Job(id="j", kind="chat", deadline_s=0.05))
    assert len(got) == 1
    assert error is not None
    assert error.fault == "timeout"
    assert runtime.closed == 1


@pytest.mark.asyncio
async def test_the_deadline_never_cancels_the_consumer() -> None:
    runtime = Runtime(saying(Text("a"), Text("b"), 60.0, Done(Usage())))
    stream = Guarded(runtime).stream(Job(id="j", kind="chat", deadline_s=0.02))
    await anext(stream)
    await asyncio.sleep(0.05)  # would raise CancelledError here, were the clock left running
    assert await anext(stream) == Text("b")  # already there: given, though late
    with pytest.raises(PathError) as caught:
        await anext(stream)
    assert caught.value.fault == "timeout"


@pytest.mark.asyncio
async def test_start_stop_and_ready_are_guarded_too(caplog: pytest.LogCaptureFixture) -> None:
    guarded = Guarded(Runtime(saying()))
    with pytest.raises(PathError) as caught:
        await guarded.start()
    assert caught.value.fault == "internal"
    await guarded.stop()
    assert not guarded.ready().ok
    assert SECRET not in caplog.text
    assert SECRET not in repr(guarded)


class Counts(Runtime):
    """One with a tokenizer that fails on this."""

    async def count(self, job: Job) -> int:
        raise ValueError(SECRET)


@pytest.mark.asyncio
async def test_a_tokenizer_that_fails_says_nothing_of_the_prompt_and_who_has_none_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(PathError) as caught:
        await Guarded(Counts(saying())).count(JOB)
    assert caught.value.fault == "internal" and SECRET not in caught.value.message + caplog.text
    assert await Guarded(Runtime(saying())).count(JOB) is None


@pytest.mark.parametrize("members", [[], [{"name": "a"}, {"name": "b"}]])
def test_every_path_that_is_built_is_guarded(members: list[dict[str, str]]) -> None:
    card = factories.card("m", endpoint={"base_url": "http://127.0.0.1:9/v1", "model": "m", "members": members})
    assert isinstance(build_path(card, PathContext(Path(), Egress(frozenset(), MemoryLedger()))), Guarded)

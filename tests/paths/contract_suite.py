"""The same questions to every execution path: what `paths.contract` promises, as claims that hold or do not.

A runtime plugs in with a `Subject`: how to open one, and what it serves. `test_contract.py` asks every claim
of every subject; a claim names the kinds of job it is about and is not asked of a path that serves none of
them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from appliance.paths.contract import (
    Chunk,
    Done,
    ExecutionPath,
    Job,
    PathError,
    Readiness,
    Text,
    ToolCall,
    Vector,
)
from appliance.records.request import Format, Message, Sampling

PROMPT = "The weir holds the water back and lets over only what is meant to pass, day and night, all year."
SETTLED_S = 5.0


@dataclass(frozen=True)
class Opened:
    """A path as the registry builds it, not started, and a prompt longer than it takes ('' if it has no such
    limit).
    """

    path: ExecutionPath
    too_long: str = ""


@dataclass(frozen=True)
class Subject:
    """One path under test. `kinds` is what its card claims to serve; `missing` says why it cannot be asked
    here.
    """

    name: str
    kinds: frozenset[str]
    open: Callable[[Path], AbstractAsyncContextManager[Opened]]
    missing: str = ""


class NotClaimed(Exception):
    """The card does not claim what is asked about."""


Claim = Callable[[Opened], Awaitable[None]]
CLAIMS: dict[str, tuple[frozenset[str], Claim]] = {}
GENERATIVE = frozenset({"chat", "completion"})
EMBEDDING = frozenset({"embedding"})
ANY = frozenset({"chat", "completion", "embedding", "classification"})


def claim(kinds: frozenset[str]) -> Callable[[Claim], Claim]:
    def keep(function: Claim) -> Claim:
        CLAIMS[getattr(function, "__name__", "")] = (kinds, function)
        return function

    return keep


def kind_of(opened: Opened, wanted: frozenset[str]) -> Any:
    """The first of the `wanted` kinds that the path serves."""
    return next(kind for kind in ("chat", *sorted(wanted)) if kind in wanted and kind in opened.path.card.modalities)


def generative(opened: Opened, prompt: str = PROMPT, **over: Any) -> Job:
    """A greedy job of a dozen tokens."""
    kind = kind_of(opened, GENERATIVE)
    base = Job(
        id="contract",
        kind=kind,
        messages=(Message("user", prompt),) if kind == "chat" else (),
        prompt="" if kind == "chat" else prompt,
        sampling=Sampling(max_tokens=12, temperature=0.0),
        deadline_s=60.0,
    )
    return replace(base, **over)


def simplest(opened: Opened) -> Job:
    """A job of any kind that the path serves."""
    if GENERATIVE & set(opened.path.card.modalities):
        return generative(opened)
    return Job(id="contract", kind=kind_of(opened, ANY), inputs=(PROMPT,), deadline_s=60.0)


async def collect(path: ExecutionPath, job: Job) -> list[Chunk]:
    return [chunk async for chunk in path.stream(job)]


def text_of(chunks: list[Chunk], index: int = 0) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text) and chunk.index == index)


def done_of(chunks: list[Chunk]) -> Done:
    """The one Done, last."""
    assert [type(chunk) for chunk in chunks].count(Done) == 1, "not exactly one Done"
    assert isinstance(chunks[-1], Done), "Done is not last"
    return chunks[-1]


async def fault_of(path: ExecutionPath, job: Job) -> PathError:
    try:
        chunks = await collect(path, job)
    except PathError as error:
        assert error.message  # noqa: PT017
        return error
    raise AssertionError(f"no PathError, but {chunks[-1]!r}")


async def settled(path: ExecutionPath) -> Readiness:
    """Readiness once nothing is busy, or after SETTLED_S whatever it is then."""
    until = time.monotonic() + SETTLED_S
    while path.ready().busy and time.monotonic() < until:
        await asyncio.sleep(0.01)
    return path.ready()


@claim(GENERATIVE)
async def text_arrives_and_usage_is_positive(opened: Opened) -> None:
    await opened.path.start()
    chunks = await collect(opened.path, generative(opened))
    done = done_of(chunks)
    assert text_of(chunks)
    assert done.usage.prompt_tokens > 0
    assert done.usage.completion_tokens > 0
    assert done.usage.cached_tokens <= done.usage.prompt_tokens


@claim(GENERATIVE)
async def what_was_computed_before_is_counted_and_stays_within_a_salt(opened: Opened) -> None:
    endpoint = opened.path.card.endpoint
    if endpoint is not None and not endpoint.cache_salt:
        raise NotClaimed("that its prefixes can be parted")
    await opened.path.start()
    cached = [
        done_of(await collect(opened.path, generative(opened, tenant_salt=salt, stream=stream))).usage.cached_tokens
        for salt, stream in (("a", False), ("b", False), ("a", True), ("b", True), ("c", True))
    ]
    assert cached[0] == cached[1] == cached[4] == 0
    assert cached[2] == cached[3] > 0


@claim(GENERATIVE)
async def every_choice_has_a_finish_reason(opened: Opened) -> None:
    await opened.path.start()
    n = 2 if opened.path.card.capabilities.multiple else 1
    chunks = await collect(opened.path, generative(opened, n=n))
    assert len(done_of(chunks).finish_reasons) == n
    assert {chunk.index for chunk in chunks if isinstance(chunk, Text)} == set(range(n))


@claim(GENERATIVE)
async def a_streamed_answer_equals_the_whole_one(opened: Opened) -> None:
    await opened.path.start()
    whole = await collect(opened.path, generative(opened))
    streamed = await collect(opened.path, generative(opened, stream=True))
    assert text_of(streamed) == text_of(whole)
    assert done_of(streamed).finish_reasons == done_of(whole).finish_reasons
    assert done_of(streamed).usage.completion_tokens == done_of(whole).usage.completion_tokens


@claim(GENERATIVE)
async def a_stop_sequence_ends_the_answer_before_it(opened: Opened) -> None:
    await opened.path.start()
    full = text_of(await collect(opened.path, generative(opened)))
    stop = full[len(full) // 2 : len(full) // 2 + 3]
    assert stop.strip(), "the greedy answer is too short to cut"
    for stream in (False, True):
        stopped = generative(opened, sampling=Sampling(max_tokens=12, temperature=0.0, stop=(stop,)), stream=stream)
        chunks = await collect(opened.path, stopped)
        assert text_of(chunks) == full[: full.index(stop)]
        assert done_of(chunks).finish_reasons == ("stop",)


@claim(GENERATIVE)
async def max_tokens_ends_the_answer_with_length(opened: Opened) -> None:
    await opened.path.start()
    for stream in (False, True):
        short = generative(opened, sampling=Sampling(max_tokens=2, temperature=0.0), stream=stream)
        done = done_of(await collect(opened.path, short))
        assert done.finish_reasons == ("length",)
        assert done.usage.completion_tokens == 2


@claim(GENERATIVE)
async def closing_the_iterator_cancels_and_leaves_the_path_usable(opened: Opened) -> None:
    await opened.path.start()
    long = generative(opened, PROMPT * 3, sampling=Sampling(max_tokens=64, temperature=0.0), stream=True)
    for _ in range(3):
        stream = opened.path.stream(long)
        await anext(stream)
        assert opened.path.ready().busy == 1
        await stream.aclose()  # type: ignore[attr-defined]
        assert (await settled(opened.path)).busy == 0
    assert text_of(await collect(opened.path, generative(opened)))


@claim(ANY)
async def cancelling_the_task_leaves_the_path_usable(opened: Opened) -> None:
    await opened.path.start()
    task = asyncio.ensure_future(collect(opened.path, simplest(opened)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert (await settled(opened.path)).busy == 0
    done_of(await collect(opened.path, simplest(opened)))


@claim(ANY)
async def sixteen_jobs_at_once_all_end_well(opened: Opened) -> None:
    await opened.path.start()
    answers = await asyncio.gather(*(collect(opened.path, simplest(opened)) for _ in range(16)))
    for chunks in answers:
        done_of(chunks)
    assert (await settled(opened.path)).busy == 0


@claim(ANY)
async def a_kind_that_the_card_does_not_claim_is_unsupported(opened: Opened) -> None:
    await opened.path.start()
    other: Any = next(kind for kind in sorted(ANY) if kind not in opened.path.card.modalities)
    job = Job(id="contract", kind=other, messages=(Message("user", PROMPT),), prompt=PROMPT, inputs=(PROMPT,))
    assert (await fault_of(opened.path, job)).fault == "unsupported"


@claim(ANY)
async def a_path_that_was_not_started_or_was_stopped_is_unavailable(opened: Opened) -> None:
    assert (await fault_of(opened.path, simplest(opened))).fault == "unavailable"
    await opened.path.start()
    await opened.path.stop()
    assert (await fault_of(opened.path, simplest(opened))).fault == "unavailable"


@claim(GENERATIVE)
async def a_prompt_that_does_not_fit_is_context_too_long(opened: Opened) -> None:
    if not opened.too_long:
        raise NotClaimed("a limit of its context")
    await opened.path.start()
    for stream in (False, True):
        error = await fault_of(opened.path, generative(opened, opened.too_long, stream=stream))
        assert error.fault == "context_too_long"
        assert opened.too_long[:12] not in error.message
    assert text_of(await collect(opened.path, generative(opened)))


@claim(ANY)
async def ready_tells_the_truth_and_is_cheap(opened: Opened) -> None:
    before = opened.path.ready()
    assert not before.ok
    assert before.reason
    await opened.path.start()
    assert opened.path.ready().ok
    begun = time.perf_counter()
    for _ in range(1000):
        opened.path.ready()
    assert time.perf_counter() - begun < 0.25, "a thousand looks took more than a quarter of a second"
    await opened.path.stop()
    assert not opened.path.ready().ok


@claim(ANY)
async def start_and_stop_may_be_called_again(opened: Opened) -> None:
    await opened.path.stop()
    await opened.path.start()
    await opened.path.start()
    done_of(await collect(opened.path, simplest(opened)))
    await opened.path.stop()
    await opened.path.stop()
    await opened.path.start()
    done_of(await collect(opened.path, simplest(opened)))


@claim(ANY)
async def a_deadline_that_has_passed_is_a_timeout(opened: Opened) -> None:
    await opened.path.start()
    assert (await fault_of(opened.path, replace(simplest(opened), deadline_s=0.0))).fault == "timeout"
    assert (await settled(opened.path)).busy == 0


@claim(EMBEDDING)
async def there_is_one_vector_for_each_input_in_order(opened: Opened) -> None:
    await opened.path.start()
    texts = ("one", "two and two", PROMPT)
    together = await collect(opened.path, Job(id="contract", kind="embedding", inputs=texts))
    assert done_of(together).usage.prompt_tokens > 0
    vectors = [chunk for chunk in together if isinstance(chunk, Vector)]
    assert sorted(vector.index for vector in vectors) == [0, 1, 2]
    alone = await collect(opened.path, Job(id="contract", kind="embedding", inputs=texts[1:2]))
    single = next(chunk for chunk in alone if isinstance(chunk, Vector))
    same = next(vector for vector in vectors if vector.index == 1)
    assert all(abs(a - b) < 1e-3 for a, b in zip(single.values, same.values, strict=True))


@claim(GENERATIVE)
async def a_required_tool_is_called_in_delta_form(opened: Opened) -> None:
    if not opened.path.card.capabilities.tools:
        raise NotClaimed("tools")
    await opened.path.start()
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "weather", "parameters": parameters}}
    for stream in (False, True):
        job = generative(opened, tools=(tool,), tool_choice="required", stream=stream, sampling=Sampling(max_tokens=64))
        chunks = await collect(opened.path, job)
        calls = [chunk.delta for chunk in chunks if isinstance(chunk, ToolCall)]
        assert done_of(chunks).finish_reasons == ("tool_calls",)
        assert calls[0]["function"]["name"] == "weather"
        assert all(call["index"] == 0 for call in calls)
        assert "city" in "".join(call["function"].get("arguments", "") for call in calls)


_texts = st.text(max_size=40) | st.sampled_from(["\0", "\ud800", "<|im_end|>", "{{", "\u202e", "a" * 3000])
_numbers = st.none() | st.sampled_from([-1, 0, 1, 2**31, 2**70])
_floats = st.none() | st.sampled_from([-1.0, 0.0, 0.5, 1e9, float("nan"), float("inf")])
_things = st.dictionaries(
    st.sampled_from(["model", "stream", "user", "weird"]), _texts | st.integers() | st.none(), max_size=2
)

JUNK = st.builds(
    Job,
    id=st.just("junk"),
    kind=st.sampled_from(sorted(ANY)),
    messages=st.lists(
        st.builds(
            Message,
            role=st.sampled_from(["user", "system", "tool", "nobody"]),
            content=_texts,
            name=st.none() | _texts,
        ),
        max_size=3,
    ).map(tuple),
    prompt=_texts,
    inputs=st.lists(_texts, max_size=3).map(tuple),
    sampling=st.builds(
        Sampling,
        max_tokens=st.sampled_from([None, -1, 0, 1, 4]),
        temperature=_floats,
        top_p=_floats,
        top_k=_numbers,
        seed=_numbers,
        stop=st.lists(_texts, max_size=2).map(tuple),
        logprobs=st.booleans(),
        top_logprobs=st.sampled_from([-1, 0, 1, 100]),
    ),
    format=st.builds(
        Format,
        kind=st.sampled_from(["text", "json_object", "json_schema", "regex"]),
        schema=st.sampled_from([None, {}, {"type": "nonsense"}, {"type": "object", "properties": 3}]),
        pattern=st.sampled_from([None, "(", "a+"]),
    ),
    tools=st.sampled_from([(), ({},), ({"type": "function"},)]),
    tool_choice=st.sampled_from([None, "required", {"function": 3}, 7]),
    n=st.sampled_from([-1, 0, 1, 2]),
    signals=st.booleans(),
    stream=st.booleans(),
    deadline_s=st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
    forwarded=_things,
)


async def only_path_errors_escape(path: ExecutionPath, job: Job) -> None:
    """Whatever the job, the answer is well-formed or a PathError, and nothing stays busy."""
    try:
        done_of(await collect(path, job))
    except PathError as error:
        assert len(error.message) <= 300  # noqa: PT017
    assert (await settled(path)).busy == 0

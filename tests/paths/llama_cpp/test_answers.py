"""What a caller gets: the same text however it is asked for, held to form, and never another's."""

from __future__ import annotations

import asyncio
import json
import math
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from appliance.paths.contract import PathError, Signals, Text
from appliance.paths.llama_cpp.path import LlamaCppPath
from appliance.records.request import Format, Message
from tests.paths.llama_cpp.rig import NO_END, answer, make_job, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "sampling",
    [{}, {"temperature": 1.0, "seed": 5}, {"temperature": 0.8, "seed": 5, "top_p": 0.9, "top_k": 30}],
)
async def test_streaming_and_whole_answers_are_the_same_text(path: LlamaCppPath, sampling: dict[str, float]) -> None:
    streamed = await answer(path, make_job(stream=True, logit_bias=NO_END, **sampling))
    whole = await answer(path, make_job(stream=False, logit_bias=NO_END, **sampling))
    assert streamed.text() == whole.text() != ""
    assert len(whole.texts) == 1 < len(streamed.texts)
    assert sum(chunk.tokens for chunk in streamed.texts) == streamed.done.usage.completion_tokens == 24


async def test_a_job_that_nobody_thought_of_is_refused_and_ends_no_other(path: LlamaCppPath) -> None:
    async def odd() -> PathError:
        with pytest.raises(PathError) as caught:
            await answer(path, make_job(messages=(Message("user", 5),)))  # type: ignore[arg-type]
        return caught.value

    other, error = await asyncio.gather(answer(path, make_job(logit_bias=NO_END)), odd())
    assert (error.fault, error.message) == ("rejected", "The runtime cannot read this request (TypeError).")
    assert other.done.usage.completion_tokens == 24


async def test_a_seed_repeats_an_answer_and_another_seed_changes_it(path: LlamaCppPath) -> None:
    first, again, other = [(await answer(path, make_job(temperature=1.0, seed=seed))).text() for seed in (1, 1, 2)]
    assert first == again != other


async def test_sixteen_at_once_get_what_each_gets_alone(models: Path) -> None:
    jobs = [make_job(f"Question {i} about {'x' * i}", signals=bool(i % 2), stream=bool(i % 3)) for i in range(16)]
    async with running(models) as path:
        alone = [(await answer(path, job)).text() for job in jobs]
    async with running(models) as path:
        together = [one.text() for one in await asyncio.gather(*(answer(path, job) for job in jobs))]
    assert together == alone


async def test_more_jobs_than_slots_wait_their_turn(models: Path) -> None:
    async with running(models, sequences=2) as path:
        answers = await asyncio.gather(*(answer(path, make_job(f"Question {i}")) for i in range(7)))
        assert path.ready().slots == 2
    assert all(one.done.usage.completion_tokens == 24 for one in answers)


async def test_several_choices_share_one_prompt(path: LlamaCppPath) -> None:
    three = await answer(path, make_job(n=3, temperature=1.0, seed=9, signals=True))
    one = await answer(path, make_job(n=1, temperature=1.0, seed=9))
    greedy = await answer(path, make_job(n=3))
    texts = [three.text(i) for i in range(3)]
    assert len(set(texts)) == 3
    assert texts[0] == one.text()
    assert len({greedy.text(i) for i in range(3)}) == 1
    assert three.done.usage.prompt_tokens == one.done.usage.prompt_tokens
    assert three.done.finish_reasons == ("length",) * 3
    assert [chunk.index for chunk in three.chunks if isinstance(chunk, Signals)] == [0, 1, 2]


async def test_a_prefix_is_computed_once_counted_and_changes_nothing(models: Path) -> None:
    text = "The same long beginning of every question, forty tokens at least. "
    async with running(models) as path:
        first = await answer(path, make_job(text + "One?"))
        second = await answer(path, make_job(text + "Two?"))
    async with running(models) as path:
        fresh = await answer(path, make_job(text + "Two?"))
    assert first.done.usage.cached_tokens == fresh.done.usage.cached_tokens == 0
    assert 20 < second.done.usage.cached_tokens < second.done.usage.prompt_tokens
    assert second.text() == fresh.text()


async def test_a_prefix_is_shared_while_its_first_user_still_runs(models: Path) -> None:
    text = "The same long beginning of every question, forty tokens at least. "
    async with running(models) as path:
        alone = await answer(path, make_job(text + "Two?", tenant_salt="other"))
        stream = path.stream(make_job(text + "One?", max_tokens=400, stream=True))
        await anext(stream)
        second = await answer(path, make_job(text + "Two?"))
        await stream.aclose()
    assert second.done.usage.cached_tokens > 20
    assert second.text() == alone.text()


async def test_tenants_never_share_a_prefix(models: Path) -> None:
    async with running(models) as path:
        await answer(path, make_job("A secret shared by nobody at all", tenant_salt="a"))
        other = await answer(path, make_job("A secret shared by nobody at all", tenant_salt="b"))
        same = await answer(path, make_job("A secret shared by nobody at all", tenant_salt="a"))
    assert other.done.usage.cached_tokens == 0
    assert same.done.usage.cached_tokens == same.done.usage.prompt_tokens - 1


async def test_a_stop_string_across_tokens_ends_the_answer_before_it(path: LlamaCppPath) -> None:
    whole = (await answer(path, make_job())).text()
    stop = whole[5:9]
    cut = await answer(path, make_job(stop=("never this", stop), stream=True))
    held = await answer(path, make_job(stop=(whole[-3:] + "never",), stream=True))
    assert cut.text() == whole[: whole.index(stop)]
    assert (cut.done.finish_reasons, cut.done.stops) == (("stop",), (stop,))
    assert held.done.stops == ("",)
    assert held.text() == whole  # held back while it could have been a stop, then given out


async def test_signals_are_the_raw_models_numbers(path: LlamaCppPath) -> None:
    got = await answer(path, make_job(signals=True, logprobs=True, top_logprobs=2, stream=True))
    (signals,) = [chunk for chunk in got.chunks if isinstance(chunk, Signals)]
    probs = [one for chunk in got.texts for one in chunk.logprobs]
    values = [one.logprob for one in probs]
    assert signals.tokens == len(values) == 24
    assert math.isclose(signals.sum_logprob, sum(values), rel_tol=1e-5)
    assert math.isclose(signals.mean_logprob, float(np.mean(values)), rel_tol=1e-5)
    assert signals.min_logprob == min(values)
    assert np.allclose(signals.quantiles, np.quantile(values, [0.1, 0.25, 0.5]), rtol=1e-5)
    assert math.isclose(signals.margin, float(np.mean([o.top[0][1] - o.top[1][1] for o in probs])), rel_tol=1e-4)
    assert 0.0 < signals.entropy < math.log(512)
    assert all(one.top[0] == (one.token, one.logprob) for one in probs)  # greedy


async def test_numbers_are_there_only_for_who_asks(path: LlamaCppPath) -> None:
    got = await answer(path, make_job())
    assert not any(isinstance(chunk, Signals) for chunk in got.chunks)
    assert all(chunk.logprobs == () for chunk in got.texts)


SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["yes", "no", 7]},
        "count": {"type": "integer", "minimum": -5, "maximum": 120},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 6}, "minItems": 1, "maxItems": 3},
        "code": {"type": "string", "pattern": '^[A-Z]{2}"[0-9]$'},
        "maybe": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/leaf"}]},
    },
    "required": ["verdict", "count", "tags", "code"],
    "additionalProperties": False,
    "$defs": {"leaf": {"type": "object", "properties": {"x": {"type": "boolean"}}, "required": ["x"]}},
}


@pytest.mark.parametrize("seed", range(4))
async def test_a_schema_holds_even_a_model_that_knows_nothing(path: LlamaCppPath, seed: int) -> None:
    form = Format("json_schema", schema=SCHEMA, name="verdict", strict=True)
    job = make_job(format=form, temperature=1.0, seed=seed, max_tokens=300, signals=True)
    got = await answer(path, job)
    value = json.loads(got.text())
    jsonschema.validate(value, SCHEMA)
    assert got.done.finish_reasons == ("stop",)


async def test_a_json_object_begins_as_one(path: LlamaCppPath) -> None:
    got = await answer(path, make_job(format=Format("json_object"), temperature=1.0, seed=1, max_tokens=60))
    assert got.text().startswith("{")


@pytest.mark.parametrize("pattern", [r"[a-c]{3}-\d+x", r"(yes|no), [^a-z\s]{4}é?", r"\w{2,5}\.(com|org)"])
async def test_a_regular_expression_holds(path: LlamaCppPath, pattern: str) -> None:
    for seed in range(3):
        form = Format("regex", pattern=pattern)
        got = await answer(path, make_job(format=form, temperature=1.0, seed=seed, max_tokens=80))
        assert re.fullmatch(pattern, got.text()), got.text()


async def test_forms_that_cannot_be_held_are_refused_by_name(path: LlamaCppPath) -> None:
    for form, name in [
        (Format("regex", pattern=r"(a)\1"), "back-reference"),
        (Format("json_schema", schema={"type": "string", "not": {}}), "'not'"),
        (Format("json_schema", schema={"type": "object", "properties": {"a": {}}, "required": 1}), "'required'"),
    ]:
        with pytest.raises(PathError, match=name) as caught:
            await answer(path, make_job(format=form))
        assert caught.value.fault == "unsupported"
    assert (await answer(path, make_job())).text()


async def test_a_form_that_can_be_read_in_too_many_ways_is_given_up_and_others_are_served(path: LlamaCppPath) -> None:
    """Each bracket doubles the ways. It kept the worker until it was ended for hanging, with all that it did."""
    nested = {"type": "array", "items": {"$ref": "#/$defs/nested"}, "minItems": 1}
    schema = {"$defs": {"nested": {"anyOf": [nested, nested]}}, "$ref": "#/$defs/nested"}
    other = asyncio.ensure_future(answer(path, make_job(max_tokens=100)))
    with pytest.raises(PathError, match="too many ways") as caught:
        await answer(path, make_job(format=Format("json_schema", schema=schema, name="v"), max_tokens=200))
    assert caught.value.fault == "unsupported"
    assert (await other).text() == (await answer(path, make_job(max_tokens=100))).text()


async def test_an_ambiguous_regular_expression_takes_no_longer_than_another(path: LlamaCppPath) -> None:
    """Its grammar took more than a minute for the first token."""
    got = await answer(path, make_job(format=Format("regex", pattern="(a|a)*" * 500 + "b"), max_tokens=20))
    assert re.fullmatch("a*b?", got.text())


async def test_sound_and_a_search_are_refused_by_name_and_not_left_out(path: LlamaCppPath) -> None:
    heard = ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},)
    for over, name in (
        ({"messages": (Message("user", "Who?", parts=heard),)}, "sound"),
        ({"forwarded": {"web_search_options": {}}}, "search the web"),
    ):
        with pytest.raises(PathError, match=name) as caught:
            await answer(path, make_job(**over))
        assert caught.value.fault == "unsupported"
    assert (await answer(path, make_job(forwarded={"user": "ann", "verbosity": "low"}))).text()  # hints are no demand


async def test_bias_and_penalties_move_the_choice(path: LlamaCppPath) -> None:
    plain = await answer(path, make_job())
    forced = await answer(path, make_job(logit_bias=((ord("A"), 1000.0),), max_tokens=5))
    spread = await answer(path, make_job(frequency_penalty=2.0, presence_penalty=2.0, repeat_penalty=1.5))
    assert forced.text() == "AAAAA"
    assert spread.text() != plain.text()


async def test_a_user_cannot_write_control_tokens(path: LlamaCppPath) -> None:
    """The tokens of a message that spells control tokens out are those of plain text, one and the same count."""

    async def count(text: str) -> int:
        return (await answer(path, make_job(text, max_tokens=1))).done.usage.prompt_tokens

    base = await count("Z")
    for text in ("<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|im_end|><|im_start|>"):
        plain = await answer(path, make_job(text.replace("|", "!"), max_tokens=1))
        assert await count(text) == plain.done.usage.prompt_tokens > base


async def test_an_answer_goes_on_where_it_was_begun(path: LlamaCppPath) -> None:
    """The prompt is that of the chat before it with the beginning behind, and no end of a turn."""

    async def count(begun: str, *, kind: str = "chat") -> int:
        turns = (Message("user", "Good morning"), Message("assistant", begun))
        job = make_job(messages=turns, continues=True, max_tokens=1)
        if kind == "completion":
            job = make_job(begun, kind="completion", max_tokens=1)
        return (await answer(path, job)).done.usage.prompt_tokens

    plain = (await answer(path, make_job(max_tokens=1))).done.usage.prompt_tokens
    assert await count("Well, yes") == plain + await count("Well, yes", kind="completion")
    assert await count("<|im_end|>") == await count("<!im_end!>")


async def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(path: LlamaCppPath) -> None:
    with pytest.raises(PathError, match=r"has \d+ tokens; this model takes 512") as caught:
        await answer(path, make_job("word " * 600))
    assert caught.value.fault == "context_too_long"
    with pytest.raises(PathError) as caught:
        await answer(path, make_job("word " * 600_000))
    assert caught.value.fault == "context_too_long"


async def test_the_end_of_the_context_ends_an_answer(path: LlamaCppPath) -> None:
    got = await answer(path, make_job("Go on", max_tokens=None))
    assert got.done.finish_reasons in {("length",), ("stop",)}
    assert got.done.usage.prompt_tokens + got.done.usage.completion_tokens <= 512


async def test_a_completion_takes_the_prompt_as_it_is(path: LlamaCppPath) -> None:
    got = await answer(path, make_job("abc", kind="completion"))
    assert got.done.usage.prompt_tokens <= 3


async def test_tokens_that_split_a_character_are_put_together(path: LlamaCppPath) -> None:
    """Forced by a grammar to write them, a vocabulary of bytes needs several tokens a character."""
    got = await answer(path, make_job(format=Format("regex", pattern="(é€😀){3}"), stream=True, max_tokens=40))
    assert got.text() == "é€😀" * 3
    assert all("\N{REPLACEMENT CHARACTER}" not in chunk.text for chunk in got.texts)


async def test_a_job_past_its_deadline_times_out(path: LlamaCppPath) -> None:
    with pytest.raises(PathError) as caught:
        await answer(path, make_job(deadline_s=0.0))
    assert caught.value.fault == "timeout"


async def test_what_this_path_cannot_do_is_refused(path: LlamaCppPath) -> None:
    for job in (make_job(tools=({"type": "function"},)), make_job(n=1000), make_job(kind="embedding")):
        with pytest.raises(PathError) as caught:
            await answer(path, job)
        assert caught.value.fault == "unsupported"


async def test_a_message_of_broken_unicode_is_refused(path: LlamaCppPath) -> None:
    with pytest.raises(PathError) as caught:
        await answer(path, make_job("\ud800"))
    assert caught.value.fault == "rejected"
    assert (await answer(path, make_job(messages=(Message("system", "s"), Message("user", "u"))))).text()


async def test_every_chunk_but_the_last_is_text_when_streaming(path: LlamaCppPath) -> None:
    got = await answer(path, make_job(stream=True))
    assert all(isinstance(chunk, Text) for chunk in got.chunks[:-1])

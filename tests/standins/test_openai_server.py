"""The stand-in keeps the real contract."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.paths.running import PROMPT, collect
from tests.paths.upstream import card_for, started, text
from tests.standins.openai_server import Behaviour, OpenAIStandIn


@pytest.mark.asyncio
async def test_the_openai_sdk_takes_the_stand_in_for_a_server() -> None:
    import openai

    async with OpenAIStandIn(Behaviour(answers={"hi": "there you are"})) as server:  # noqa: SIM117 -- too long
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
            whole = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            assert whole.choices[0].message.content == "there you are"
            assert whole.system_fingerprint == "stand-in"
            stream = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
            events = [event async for event in stream]
            assert "".join(e.choices[0].delta.content or "" for e in events if e.choices) == "there you are"
            assert events[-1].usage is not None
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(model="mode:429", messages=[{"role": "user", "content": "hi"}])
            assert (await client.embeddings.create(model="m", input=["a"], encoding_format="float")).data[0].embedding
            assert [model.id async for model in client.models.list()] == ["stand-in"]


@pytest.mark.asyncio
async def test_the_stand_in_runs_as_a_program(tmp_path: Path) -> None:
    import sys

    book = tmp_path / "answers.jsonl"
    book.write_text(json.dumps({"id": "1", "prompt": PROMPT, "answer": "by the book"}) + "\n")
    arguments = ("-m", "tests.standins.openai_server", "--answers", str(book), "--delay-first", "0.2")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        base_url = json.loads(await process.stdout.readline())["base_url"]
        async with started(card_for(base_url)) as path:
            begun = time.monotonic()
            assert text(await collect(path)) == "by the book"
            assert time.monotonic() - begun >= 0.2
    finally:
        process.terminate()
        assert await process.wait() == 0

"""Streams of a running node that are silent for long: real clients see the answer and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic

from appliance.paths.contract import PathError
from tests.node.conftest import Start, fake_card, until
from tests.node.doubles import FakePath, answer

HELLO: Any = [{"role": "user", "content": "one two"}]
LATE = [0.25, *answer("one two", pause=0.15)]
ADDRESSES = {
    "/v1/chat/completions": ({"messages": HELLO}, b": \n\n"),
    "/v1/responses": ({"input": "one two"}, b": \n\n"),
    "/v1/messages": ({"messages": HELLO, "max_tokens": 9}, b'event: ping\ndata: {"type":"ping"}\n\n'),
}


@pytest.mark.parametrize("address", ADDRESSES)
async def test_signs_of_life_come_before_and_between_the_words(start: Start, address: str) -> None:
    over, sign = ADDRESSES[address]
    async with start(fakes=(FakePath(fake_card("device/a"), LATE),), silence_s=0.05) as weir:
        body = {"model": "auto", "stream": True, **over}
        async with weir.session.post(weir.url + address, json=body) as response:
            headers, raw = response.headers, await response.read()
    assert raw.startswith(sign)
    assert raw.count(sign) >= 4
    assert "x-weir-path" not in headers
    assert headers["x-weir-decision"].startswith("wr_")


async def test_clients_see_the_answer_alone(start: Start) -> None:
    async with (
        start(fakes=(FakePath(fake_card("device/a"), LATE),), silence_s=0.05, cache={"enabled": False}) as weir,
        weir.client() as ours,
        AsyncAnthropic(base_url=weir.url, api_key="unused", max_retries=0) as theirs,
    ):
        chat = await ours.chat.completions.create(model="auto", messages=HELLO, stream=True)
        said = [event.choices[0].delta.content or "" async for event in chat if event.choices]
        async with ours.responses.stream(model="auto", input="one two") as stream:
            final = await stream.get_final_response()
        async with theirs.messages.stream(model="auto", max_tokens=9, messages=HELLO) as message:
            text = "".join([piece async for piece in message.text_stream])
    assert "".join(said) == final.output_text == text == "one two"


async def test_what_fails_after_a_sign_of_life_is_an_event(start: Start) -> None:
    script = [0.15, PathError("internal", "it broke")]
    async with (
        start(fakes=(FakePath(fake_card("device/a"), script),), silence_s=0.05) as weir,
        weir.client() as ours,
        AsyncAnthropic(base_url=weir.url, api_key="unused", max_retries=0) as theirs,
    ):
        chat = await ours.chat.completions.create(model="auto", messages=HELLO, stream=True)
        with pytest.raises(openai.APIError, match="failed"):
            await anext(aiter(chat))
        message = await theirs.messages.create(model="auto", max_tokens=9, messages=HELLO, stream=True)
        with pytest.raises(anthropic.APIStatusError, match="failed"):
            await anext(aiter(message))


async def test_who_goes_away_in_the_silence_leaves_nothing_behind(start: Start) -> None:
    path = FakePath(fake_card("device/a"), [5.0, *answer("late")])
    async with start(fakes=(path,), silence_s=0.05) as weir:
        before = len(asyncio.all_tasks())
        for _ in range(5):
            async with weir.chat(stream=True) as response:
                assert await response.content.readany() == b": \n\n"
        await until(lambda: path.running == 0 and weir.node.active == 0)
        await until(lambda: len(asyncio.all_tasks()) <= before)

"""Anthropic's own client against a node: thinking, answers that are begun, and what models read besides text."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from appliance.paths.contract import Done, Reasoning, Text, Usage
from appliance.records.request import Thinking
from tests.node.anthropic_rig import HELLO, PIXEL, TOOL, ask, client_of
from tests.node.conftest import Running, Start, fake_card
from tests.node.doubles import FakePath
from tests.standins.openai_server import OpenAIStandIn

THINKER = {"capabilities": {"reasoning": "budget", "prefill": True, "images_in": True, "tools": True}}
THOUGHT = [Reasoning("Let me"), Reasoning(" see.", seal="SEAL"), Text("Four."), Done(Usage(3, 9, 0, 7))]


async def test_thinking_is_asked_for_shown_and_goes_back_sealed(start: Start) -> None:
    path = FakePath(fake_card("device/a", **THINKER), THOUGHT)
    budget: Any = {"type": "enabled", "budget_tokens": 2048}
    async with start(fakes=(path,)) as weir, client_of(weir) as client:
        first = await ask(client, max_tokens=4096, thinking=budget)
        async with client.messages.stream(
            model="auto", max_tokens=4096, thinking=budget, messages=[{"role": "user", "content": "again"}]
        ) as stream:
            final = await stream.get_final_message()
        turns = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": "Sure?"}]
        await ask(client, max_tokens=4096, thinking=budget, messages=turns)
        plain = await ask(client, max_tokens=4096)
    for message in (first, final):
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert (message.content[0].thinking, message.content[0].signature) == ("Let me see.", "SEAL")
        assert message.usage.output_tokens_details.thinking_tokens == 7
    assert [block.type for block in plain.content] == ["text"]
    assert path.jobs[0].thinking == Thinking(2048)
    sent = path.jobs[2].messages[1]
    assert sent.parts == ({"type": "thinking", "thinking": "Let me see.", "signature": "SEAL"},)


async def test_a_budget_of_thinking_is_for_paths_that_think_and_adaptive_for_all(weir: Running) -> None:
    async with client_of(weir) as client:
        with pytest.raises(anthropic.BadRequestError, match="No path can serve") as caught:
            await ask(client, max_tokens=4096, thinking={"type": "enabled", "budget_tokens": 2048})
        answer = await ask(client, thinking={"type": "adaptive"})
    assert "cannot do: thinks" in str(caught.value.body)
    assert [block.type for block in answer.content] == ["text"]


async def test_an_answer_is_begun_only_where_a_path_can_go_on(weir: Running) -> None:
    turns = [*HELLO, {"role": "assistant", "content": "The answer is"}]
    async with client_of(weir) as client:
        with pytest.raises(anthropic.BadRequestError) as caught:
            await ask(client, messages=turns)
    assert "cannot do: prefill" in str(caught.value.body)


async def test_an_answer_that_is_begun_goes_on(start: Start) -> None:
    path = FakePath(fake_card("device/a", **THINKER), [Text(" four."), Done(Usage(3, 2))])
    async with start(fakes=(path,)) as weir, client_of(weir) as client:
        answer = await ask(client, messages=[*HELLO, {"role": "assistant", "content": "The answer is"}])
    assert answer.content[0].text == " four."
    assert path.jobs[0].continues
    assert path.jobs[0].messages[-1].content == "The answer is"


async def test_the_stop_sequence_that_was_met_is_told(start: Start) -> None:
    path = FakePath(fake_card("device/a"), [Text("one"), Done(Usage(3, 2), ("stop",), "", ("END",))])
    async with start(fakes=(path,)) as weir, client_of(weir) as client:
        for _ in range(2):  # from the path, and from the cache
            answer = await ask(client, stop_sequences=["END"])
            assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "END")
            events = [event async for event in await ask(client, stop_sequences=["END"], stream=True)]
            assert (events[-2].delta.stop_reason, events[-2].delta.stop_sequence) == ("stop_sequence", "END")


async def test_what_a_tool_gives_back_may_be_an_image(start: Start) -> None:
    path = FakePath(fake_card("device/a", **THINKER), [Text("A dot."), Done(Usage(3, 2))])
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    use = {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Bern"}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "seen"}, image]}
    turns = [*HELLO, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    async with start(fakes=(path,)) as weir, client_of(weir) as client:
        await ask(client, messages=turns, tools=[TOOL])
    sent = path.jobs[0].messages[-1]
    assert (sent.role, sent.content, [part["type"] for part in sent.parts]) == ("tool", "seen", ["text", "image_url"])


async def test_documents_are_text_and_pdfs_for_paths_that_take_them(weir: Running, upstream: OpenAIStandIn) -> None:
    text: Any = {"type": "text", "media_type": "text/plain", "data": "Cows moo."}
    pdf: Any = {"type": "base64", "media_type": "application/pdf", "data": PIXEL}
    async with client_of(weir) as client:
        answer = await ask(
            client, messages=[{"role": "user", "content": [{"type": "document", "source": text, "title": "Farms"}]}]
        )
        with pytest.raises(anthropic.BadRequestError) as caught:
            await ask(client, messages=[{"role": "user", "content": [{"type": "document", "source": pdf}]}])
    assert answer.content[0].text == "Farms\nCows moo."
    assert "cannot do: files_in" in str(caught.value.body)

"""A body that is remembered keeps its own labels, and one that detectors found something in is not remembered."""

from __future__ import annotations

import gc

import pytest

from appliance.intake.repeats import Repeats
from appliance.records.card import Place
from tests.node.conftest import Start, upstream_card
from tests.standins.openai_server import OpenAIStandIn


def remembered(text: str) -> int:
    """How many bodies with this text any node of this process remembers."""
    held = (one for one in gc.get_objects() if isinstance(one, Repeats))
    return sum(text.encode() in body for repeats in held for _, body in repeats._requests)


async def test_a_label_in_the_body_holds_each_time_the_body_comes(start: Start, upstream: OpenAIStandIn) -> None:
    abroad = upstream_card(upstream.base_url, place=Place(country="US"))
    async with start(abroad) as weir:
        for _ in range(3):
            status, _, _ = await weir.ask("stay here", metadata={"weir_residency": "country:CH"})
            assert status == 403
        assert (await weir.ask("stay here"))[0] == 200
    assert upstream.seen["chat/completions"] == 1


async def test_a_label_in_a_body_that_was_answered_holds_the_next_time(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url, place=Place(country="CH"))) as weir:
        for _ in range(3):
            assert (await weir.ask("stay here", metadata={"weir_residency": "country:CH"}))[0] == 200
        rows = await weir.records()
    assert [row["asked"]["labels"]["residency"] for row in rows] == ["country:CH"] * 3


@pytest.mark.parametrize(("text", "kept"), [("an everyday question", 1), ("mail to one@else.example at once", 0)])
async def test_what_raised_a_label_is_not_remembered(
    start: Start, upstream: OpenAIStandIn, text: str, kept: int
) -> None:
    async with start(upstream_card(upstream.base_url)) as weir:
        for _ in range(2):
            await weir.ask(text)
        assert remembered(text) == kept

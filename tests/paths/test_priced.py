"""What changes the price of a call goes only to paths whose card has a price for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appliance.paths.contract import PathError
from tests.paths.running import HELLO, collect
from tests.paths.upstream import card_for, started
from tests.standins.openai_server import OpenAIStandIn

PRICE = {"input_per_million": 1.0}


@pytest.mark.parametrize(
    ("price", "asked", "param"),
    [
        (PRICE, {"service_tier": "priority"}, "service_tier"),
        (PRICE, {"service_tier": "flex"}, "service_tier"),
        (PRICE, {"web_search_options": {}}, "web_search_options"),
        (PRICE | {"covers": ["flex"]}, {"service_tier": "priority"}, "service_tier"),
        (PRICE | {"covers": ["flex"]}, {"service_tier": "flex"}, ""),
        (PRICE | {"covers": ["web_search"]}, {"web_search_options": {}}, ""),
        (PRICE, {"service_tier": "auto"}, ""),
        (PRICE, {"service_tier": "default", "user": "u"}, ""),
        ({}, {"service_tier": "flex", "web_search_options": {}}, ""),
    ],
)
async def test_what_has_no_price_is_refused_by_name_before_the_call(
    price: dict[str, Any], asked: dict[str, Any], param: str
) -> None:
    async with OpenAIStandIn() as server:
        plain = card_for(server.base_url)
        card = type(plain).model_validate(plain.model_dump() | {"price": price})
        async with started(card) as path:
            if not param:
                await collect(path, replace(HELLO, forwarded=asked))
                return
            with pytest.raises(PathError) as caught:
                await collect(path, replace(HELLO, forwarded=asked))
        assert (caught.value.fault, caught.value.param) == ("unsupported", param)
        assert not server.seen

"""What the tests of failing upstreams share: cards of numbered stand-ins, and how an answer is told to be whole."""

from __future__ import annotations

import re
from typing import Any

from appliance.records.card import ModelCard
from tests.node.conftest import upstream_card
from tests.standins.numbered import NumberedStandIn, Remote

IN, OUT = 1.0, 2.0  # of a million tokens, as upstream_card has it
FAST = {"retries": {"first_wait_s": 0.01, "patience_s": 0.05, "longest_wait_s": 0.2}}
SHORT = {"first_byte_timeout_s": 0.8, "gap_timeout_s": 0.8, "connect_timeout_s": 1.0}


def card_of(server: NumberedStandIn | Remote, *, cost: float = 0.0, **over: Any) -> ModelCard:
    """A path to it. The dearer by `cost` a path is, the later it is tried."""
    endpoint = {"continuous_usage": True, **SHORT, **over.pop("endpoint", {})}
    price = over.pop("price", {"input_per_million": IN, "output_per_million": OUT, "per_request": cost})
    speed = {"first_token_s": 0.005, "first_token_p95_s": 0.01, "decode_tokens_per_s": 100_000.0}
    over = {"speed": speed, **over}
    return upstream_card(server.base_url, f"site/{server.name}", price=price, endpoint=endpoint, **over)


def due(server: NumberedStandIn, cost: float = 0.0) -> float:
    """What the ledger of a stand-in comes to, at the card's price."""
    tokens_in, tokens_out = server.billed
    asked = sum(1 for one in server.calls if one.prompt_tokens)
    return (tokens_in * IN + tokens_out * OUT) / 1e6 + asked * cost


def whose(text: str) -> tuple[str, int]:
    """Who said it, and how many tokens. Fails where one is lost, doubled, or another's."""
    found = re.findall(r"([a-z]+)(\d+) ", text)
    assert "".join(f"{name}{k} " for name, k in found) == text, text
    assert len({name for name, _ in found}) <= 1, f"two answers in one: {text}"
    assert [int(k) for _, k in found] == list(range(len(found))), f"lost or doubled: {text}"
    return (found[0][0] if found else ""), len(found)

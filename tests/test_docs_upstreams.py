"""docs/upstreams.md: its cards are cards that paths are built from, and what it says is refused is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from appliance.egress import Destination, Egress
from appliance.paths.anthropic_http import AnthropicDialect
from appliance.paths.bedrock_http import BedrockDialect
from appliance.paths.cohere_http import CohereDialect
from appliance.paths.contract import Job, PathError
from appliance.paths.gemini_http import GeminiDialect
from appliance.paths.openai_http import OpenAIDialect
from appliance.paths.registry import RUNTIMES, PathContext, build_path
from appliance.records.card import Flavour, ModelCard
from appliance.records.request import Message, Sampling
from tests.standins.ledger import MemoryLedger

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "upstreams.md").read_text(encoding="utf-8")
CARDS = [ModelCard.model_validate_json(block) for block in re.findall(r"^```json\n(.*?)^```$", PAGE, re.S | re.M)]
DIALECTS: dict[str, Any] = {
    "anthropic_http": AnthropicDialect,
    "gemini_http": GeminiDialect,
    "bedrock_http": BedrockDialect,
    "cohere_http": CohereDialect,
    "mistral": OpenAIDialect,
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SAMPLING: dict[str, Any] = {
    "seed": 1, "min_p": 0.1, "frequency_penalty": 1.0, "presence_penalty": 1.0, "repeat_penalty": 1.1,
    "logit_bias": ((1, 1.0),), "logprobs": True, "top_k": 4,
}  # fmt: skip
FORWARDED: dict[str, Any] = {
    "verbosity": "low", "prediction": {}, "web_search_options": {}, "chat_template_kwargs": {}, "service_tier": "auto",
}  # fmt: skip


def refused() -> list[tuple[str, str]]:
    """Who refuses, a runtime or a flavour, and what."""
    table = PAGE.split("| `runtime` | parameters |", 1)[1].split("\n\n", 1)[0]
    rows = [[re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:3]] for line in table.splitlines()[2:]]
    return [(whose[-1], name) for whose, names in rows for name in names]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_path_is_built_from_each_card(card: ModelCard, tmp_path: Path) -> None:
    assert card.endpoint is not None
    egress = Egress(frozenset(map(Destination.parse, card.endpoint.addresses)), MemoryLedger())
    assert build_path(card, PathContext(tmp_path, egress)).card == card


def test_every_adapter_over_http_is_in_the_table() -> None:
    named = set(re.findall(r"^\| `(\w+_http)` \|", PAGE, re.M))
    assert {name for name in RUNTIMES if name.endswith("_http")} == named


@pytest.mark.parametrize(("whose", "name"), refused())
def test_what_is_said_to_be_refused_is_refused_by_its_name(whose: str, name: str) -> None:
    card = next(card for card in CARDS if card.endpoint and whose in (card.runtime, card.endpoint.flavour))
    assert card.endpoint is not None
    job = Job(id="j", kind="chat", messages=(Message("user", "a"),))
    if name in SAMPLING:
        job = replace(job, sampling=Sampling(**{name: SAMPLING[name]}))
    elif name in FORWARDED:
        job = replace(job, forwarded={name: FORWARDED[name]})
    elif name == "n":
        job = replace(job, n=2)
    else:
        job = replace(job, tools=(TOOL,), parallel_tool_calls=False)
    with pytest.raises(PathError) as caught:
        DIALECTS[whose](card).call(job, card.endpoint, streaming=False)
    assert (caught.value.fault, caught.value.param) == ("unsupported", name)


def test_every_flavour_is_in_the_table_of_those_who_speak_openai_s_dialect() -> None:
    table = PAGE.split("| `flavour` |", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == set(get_args(Flavour))


def test_hints_that_stay_here_are_those_of_the_code() -> None:
    from appliance.paths.said import HINTS

    said = PAGE.split("stay here:", 1)[1].split(".", 1)[0]
    assert set(re.findall(r"`([^`]+)`", said)) == HINTS

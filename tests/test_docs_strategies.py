"""docs/strategies.md: its examples decide what stands beside them, and its tables are those of the code."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest

from appliance.decide import decide
from appliance.decide.strategies import Composed, Ordering, Strategies
from appliance.intake import Limits, parse_chat
from appliance.intake.preferences import KEYS, SUFFIXES
from appliance.records.decision import Decision, Step
from appliance.records.request import Labels
from tests import factories as make

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "strategies.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^### (\w+):.*?^```json\n(.*?)^```\n\n```text\n(.*?)\n```", PAGE, re.S | re.M)
CARDS = (
    make.card("desk", context_tokens=2000, gate="g", accuracy_default=0.85),
    make.card(
        "lab", tier="site", price={"output_per_million": 1.0}, speed={"first_token_p95_s": 1.0}, context_tokens=2500
    ),
    make.card(
        "cloud",
        tier="frontier",
        price={"output_per_million": 9.0},
        speed={"first_token_p95_s": 2.0},
        context_tokens=4500,
    ),
)


def words(step: Step) -> str:
    inside = step.composition
    if inside is None:
        return f"{step.path} ({step.why})"
    members = ", ".join(f"{one.path} ({one.why})" for one in inside.members)
    return f"{inside.kind}, at last by {step.path} ({step.why}): {members}"


def said(decision: Decision) -> str:
    plan = " then ".join(map(words, decision.steps))
    spare = ", ".join(map(words, decision.fallbacks))
    return f"{plan}, else {spare}" if spare else plan


@pytest.mark.parametrize(("kind", "stated", "text"), EXAMPLES, ids=[kind for kind, *_ in EXAMPLES])
def test_an_example_decides_what_stands_beside_it(kind: str, stated: str, text: str) -> None:
    (name,) = json.loads(stated)
    strategies = Strategies.model_validate({"strategies": json.loads(stated)})
    assert strategies.strategies[name].kind == kind
    content = make.generation(*CARDS, gates=(make.gate("g", "desk", floor=0.8),), quality_floor=0.8)
    features = make.features(estimated_prompt_tokens=5000 if kind == "partition" else 50)
    asked = make.asked(strategy=name, thread="2", labels=Labels(classification="public"))
    decision = decide(asked, features, replace(content, strategies=strategies), make.snapshot("desk", "lab", "cloud"))
    assert said(decision) == text


def test_every_kind_has_an_example() -> None:
    kinds = {get_args(one.model_fields["kind"].annotation)[0] for one in get_args(Ordering) + get_args(Composed)}
    assert {kind for kind, *_ in EXAMPLES} == kinds


def test_its_preferences_are_those_that_are_read() -> None:
    table = PAGE.split("| Of `provider` |", 1)[1].split("\n\n", 1)[0]
    named = {key for line in table.splitlines()[2:] for key in re.findall(r"`([^`]+)`", line.split("|")[1])}
    assert named == KEYS
    assert set(re.findall(r"`:(\w+)`", PAGE)) == set(SUFFIXES)
    body: dict[str, Any] = json.loads(re.findall(r"^```json\n(.*?)^```", PAGE, re.S | re.M)[0])
    request = parse_chat(orjson.dumps(body), {}, Limits(), request_id="r")
    assert request.models == ("lab/small", "cloud/big", "auto") and request.providers is not None

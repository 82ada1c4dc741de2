"""docs/publishing.md: its recipe is one, its cards are cards, and the strategies that it adds name them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ruamel.yaml import YAML

from appliance.decide.strategies import Strategies
from appliance.records.card import ModelCard
from signing.recipe import Recipe

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_recipe_with_servers_can_be_read_and_its_strategies_name_its_cards() -> None:
    (stated,) = re.findall(r"^```yaml\n(name: .*?)^```", (DOCS / "publishing.md").read_text("utf-8"), re.S | re.M)
    recipe = Recipe.model_validate(YAML(typ="safe").load(stated))
    cards = [ModelCard.model_validate(card) for card in recipe.cards]
    assert list(recipe.add) == ["router/strategies.json"]
    (whole,) = re.findall(
        r"^```json\n(\{\n  \"default\".*?)^```", (DOCS / "strategies.md").read_text("utf-8"), re.S | re.M
    )
    strategies = Strategies.model_validate(json.loads(whole))
    assert strategies.default in strategies.strategies
    assert not strategies.strangers({card.id for card in cards})

"""What the model team works from is what the node reads."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from appliance.records.card import ModelCard

ROOT = Path(__file__).resolve().parents[2]
CARDS = sorted((ROOT / "bundles/starter/cards").glob("*.json"))


def test_the_published_schema_is_that_of_the_card() -> None:
    written = json.loads((ROOT / "models/contract/card.schema.json").read_text())
    assert written == ModelCard.model_json_schema(), "run: python models/contract/generate.py"


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_every_starter_card_fits_schema_and_class(path: Path) -> None:
    content = json.loads(path.read_text())
    jsonschema.validate(content, ModelCard.model_json_schema())
    card = ModelCard.model_validate_json(path.read_bytes())
    assert card.licence or card.tier == "cache"


def test_no_folder_that_must_stay_plain_became_a_package() -> None:
    """`packaging/__init__.py` would shadow the library of that name; models and bundles hold nothing to import."""
    for name in ("packaging", "models", "bundles"):
        assert not (ROOT / name / "__init__.py").exists()

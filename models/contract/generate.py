"""Writes the JSON Schema of the model card, so that a team that owns models can work without the node's code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from appliance.records.card import ModelCard  # noqa: E402


def schema() -> str:
    return json.dumps(ModelCard.model_json_schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    (HERE / "card.schema.json").write_text(schema())

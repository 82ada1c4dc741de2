"""A generation as this host has it: the content in a folder, narrowed by what the host states of itself."""

from __future__ import annotations

from pathlib import Path

from appliance.bundle.content import load_generation
from appliance.config import Config
from appliance.decide.generation import Generation
from appliance.errors import ConfigInvalid
from appliance.records.card import Place


def generation_of(config: Config, content: Path) -> Generation:
    """The generation. Raises ConfigInvalid with every finding."""
    generation = load_generation(
        content,
        home=Place(node="local", site=config.place.site, country=config.place.country, region=config.place.region),
        weights={name: getattr(config.routing, name) for name in _stated(config)},
    )
    if not generation.cards:
        raise ConfigInvalid(f"{content} holds no cards.", next_step="Import a bundle.")
    return generation


def _stated(config: Config) -> list[str]:
    fields = ("business_value", "latency_weight", "quality_floor")
    return [name for name in fields if getattr(config.routing, name) is not None]

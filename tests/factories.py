"""Values for tests, with keyword overrides."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from appliance.decide.generation import Gate, GateCell, GateLevel, Generation, Weights
from appliance.judge import FEATURES
from appliance.records.card import Capabilities, CellAccuracy, ModelCard, Place, Price, Speed
from appliance.records.decision import Asked, CacheHit, PathState, Snapshot
from appliance.records.features import Features
from appliance.records.request import Labels
from tests import policies

CELLS = ("arithmetic/easy", "arithmetic/hard", "topic/easy", "other/medium")
HOME = policies.HOME
NEEDS = ("tools", "json_schema", "logprobs", "images_in")


def card(id: str = "m", **over: Any) -> ModelCard:
    base: dict[str, Any] = {
        "id": id,
        "runtime": "openai_http",
        "tier": "device",
        "modalities": ("chat",),
        "place": HOME,
        "retention": "none",
        "trains_on_input": "no",
        "accuracy_default": 0.9,
        "accuracy_default_n": 200,
    }
    return ModelCard.model_validate(base | over)


def gate(id: str = "g", model: str = "m", *, floor: float = 0.95, accept: float = 0.5, **over: Any) -> Gate:
    zeros = (0.0,) * len(FEATURES)
    level = GateLevel(floor=floor, threshold=0.8, accept=accept, right=max(floor, 0.97), cells=over.pop("cells", {}))
    base: dict[str, Any] = {
        "id": id,
        "model": model,
        "features": FEATURES,
        "mean": zeros,
        "scale": (1.0,) * len(FEATURES),
        "weights": zeros,
        "bias": 0.0,
        "levels": (level,),
    }
    return Gate.model_validate(base | over)


def generation(*cards: ModelCard, gates: tuple[Gate, ...] = (), **over: Any) -> Generation:
    return Generation(
        id=over.pop("id", "g1"),
        policy=over.pop("policy", None) or policies.policy(),
        cards=cards,
        gates=gates,
        weights=Weights.model_validate(over),
    )


def asked(**over: Any) -> Asked:
    labels = over.pop("labels", Labels())
    base: dict[str, Any] = {
        "id": "r1", "kind": "chat", "model": "auto", "preference": "balanced", "labels": labels, "tenant": "local"
    }  # fmt: skip
    return Asked(**(base | over))


def features(**over: Any) -> Features:
    base: dict[str, Any] = {
        "modality": "chat",
        "cells": (("topic/easy", 1.0),),
        "estimated_prompt_tokens": 50,
        "estimated_output_tokens": 20,
    }
    return Features(**(base | over))


def snapshot(*paths: str, **over: Any) -> Snapshot:
    base: dict[str, Any] = {
        "now": 1000.0,
        "draw": 0.5,
        "paths": tuple(PathState(path, True) for path in paths),
    }
    return Snapshot(**(base | over))


# ---- strategies -----------------------------------------------------------------------------------------------

probabilities = st.floats(0.0, 1.0).map(lambda p: round(p, 3))
amounts = st.floats(0.0, 100.0).map(lambda x: round(x, 3))
places = st.builds(
    Place,
    node=st.sampled_from(["", "n1", "n2"]),
    site=st.sampled_from(["", "s1", "s2"]),
    country=st.sampled_from(["", "CH", "US"]),
    region=st.sampled_from(["", "EU", "NA"]),
)


@st.composite
def cards(draw: st.DrawFn, id: str) -> ModelCard:
    stated = draw(st.lists(st.sampled_from(CELLS), unique=True, max_size=3))
    return card(
        id,
        tier=draw(st.sampled_from(["device", "site", "sovereign", "frontier"])),
        modalities=draw(st.sampled_from([("chat",), ("chat", "completion"), ("embedding",)])),
        place=draw(places),
        retention=draw(st.sampled_from(["none", "transient", "logged", "unknown"])),
        trains_on_input=draw(st.sampled_from(["no", "yes", "unknown"])),
        context_tokens=draw(st.sampled_from([0, 40, 4096])),
        languages=draw(st.sampled_from([{}, {"en": 1.0}, {"de": 0.8}])),
        capabilities=Capabilities.model_validate({need: draw(st.booleans()) for need in NEEDS}),
        price=Price(input_per_million=draw(amounts), output_per_million=draw(amounts)),
        speed=Speed(first_token_s=draw(st.sampled_from([0.01, 0.5, 3.0])), first_token_p95_s=draw(amounts)),
        accuracy=tuple(CellAccuracy(cell=c, p=draw(probabilities), n=draw(st.integers(0, 500))) for c in stated),
        accuracy_default=draw(probabilities),
        accuracy_default_n=draw(st.integers(0, 500)),
        gate=f"gate-{id}" if draw(st.booleans()) else "",
    )


@st.composite
def generations(draw: st.DrawFn) -> Generation:
    ids = [f"m{i}" for i in range(draw(st.integers(1, 5)))]
    made = [draw(cards(id)) for id in ids]
    cache_card = card("cache/exact", runtime="exact_cache", tier="cache")
    gates = tuple(
        gate(
            c.gate,
            c.id,
            floor=draw(st.sampled_from([0.8, 0.9, 0.95])),
            accept=draw(probabilities),
            cells={"topic/easy": GateCell(accept=draw(probabilities), right=draw(probabilities), n=50)},
        )
        for c in made
        if c.gate
    )
    return generation(*made, cache_card, gates=gates, quality_floor=draw(probabilities))


labels = st.builds(
    Labels,
    classification=st.sampled_from(["public", "internal", "restricted", "secret"]),
    residency=st.sampled_from(["", "node", "site", "country:CH", "region:EU"]),
    deadline_s=st.none() | st.sampled_from([0.05, 1.0, 10.0, 60.0]),
    quality_floor=st.none() | probabilities,
    below_floor=st.sampled_from(["serve", "refuse"]),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Asked, Features, Generation, Snapshot]:
    content = draw(generations())
    ids = [c.id for c in content.cards if c.tier != "cache"]
    shares = draw(st.lists(st.sampled_from(CELLS), unique=True, min_size=1, max_size=3))
    what = features(
        cells=tuple((cell, round(0.9 / len(shares), 3)) for cell in shares),
        language=draw(st.sampled_from(["", "en", "de", "fr"])),
        language_p=draw(probabilities),
        estimated_prompt_tokens=draw(st.integers(0, 5000)),
        needs=frozenset(draw(st.lists(st.sampled_from(NEEDS), max_size=2))),
    )
    who = asked(
        kind=draw(st.sampled_from(["chat", "completion", "embedding"])),
        model=draw(st.sampled_from(["auto", "auto", "nobody", *ids])),
        preference=draw(st.sampled_from(["balanced", "cheap", "fast", "best"])),
        labels=draw(labels),
        n=draw(st.integers(1, 3)),
    )
    states = tuple(
        PathState(id, draw(st.booleans()), "down", queued=draw(st.integers(0, 9)), slots=draw(st.integers(1, 4)))
        for id in ids
        if draw(st.booleans())
    )
    hit = CacheHit("cache/exact", "k", draw(amounts), draw(st.sampled_from(ids)), draw(probabilities))
    moment = Snapshot(
        now=1000.0,
        draw=draw(probabilities),
        paths=states,
        cache=hit if draw(st.booleans()) else None,
        budget_left=draw(st.none() | amounts),
    )
    return who, what, content, moment

"""Verifiers and promises for tests, with keyword overrides."""

from __future__ import annotations

from typing import Any

from appliance.decide.similar import CellPromise, Evidence, Promise, Rung, Verifier
from appliance.similar.bounds import clopper_pearson_upper
from appliance.similar.measures import NAMES

EMBEDDER = "e" * 64


def verifier(**over: Any) -> Verifier:
    """Scores by the cosine alone: 0.5 at a cosine of 0.5."""
    weights = tuple(10.0 if name == "cosine" else 0.0 for name in NAMES)
    width = len(NAMES)
    facts: dict[str, Any] = {
        "embedder_sha256": EMBEDDER, "names": NAMES, "low": (-1.0,) * width, "high": (2.0,) * width,
        "bias": -5.0, "weights": weights,
    }  # fmt: skip
    return Verifier(**{**facts, **over})


def rung(delta: float, threshold: float, *, look_ups: int = 2000, hits: int = 400, wrong: int = 0) -> Rung:
    upper = clopper_pearson_upper(wrong, look_ups)
    return Rung(
        delta=delta,
        threshold=threshold,
        evidence=Evidence(look_ups=look_ups, hits=hits, wrong=wrong, upper=upper),
    )


def cell(*rungs: Rung, delta: float = 0.01, reason: str = "") -> CellPromise:
    return CellPromise(delta=delta, ladder=rungs, reason=reason or ("" if rungs else "no labels"))


def promise(made: Verifier | None = None, **cells: CellPromise) -> Promise:
    return Promise(verifier=(made or verifier()).digest, embedder=EMBEDDER, cells=cells)

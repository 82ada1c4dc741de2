"""Embeddings, readings and measures of many texts, for the scripts beside this file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from appliance.features.embedder import Embedder
from appliance.similar.guards import objections
from appliance.similar.measures import NAMES, measures
from appliance.similar.reading import Reading, read

Array = np.ndarray[Any, np.dtype[Any]]


class Texts:
    """What is known of each text, made once. Vectors are kept in `cache` by text, one file an embedder."""

    def __init__(self, embedder: Embedder, cache: Path) -> None:
        self._embedder, self._file = embedder, cache / f"embeddings-{embedder.digest[:16]}.npz"
        self._vectors: dict[str, Array] = {}
        self._readings: dict[tuple[str, str], Reading] = {}
        if self._file.is_file():
            with np.load(self._file) as stored:
                self._vectors = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))

    def vectors(self, texts: Sequence[str]) -> Array:
        """len(texts) × 384, float32, rows of norm 1."""
        keys = [hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24] for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        if missing:
            self._vectors |= zip(missing, self._embedder.encode(list(missing.values())), strict=True)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(self._file, keys=np.array(list(self._vectors)), vectors=np.stack(list(self._vectors.values())))
        return np.stack([self._vectors[key] for key in keys])

    def reading(self, text: str, language: str) -> Reading:
        if (text, language) not in self._readings:
            self._readings[text, language] = read(text, language)
        return self._readings[text, language]

    def compare(self, pairs: Iterable[tuple[str, str, str, float]]) -> tuple[Array, list[tuple[str, ...]]]:
        """Measures (n × NAMES) and objections of pairs (stored, asked, language, cosine)."""
        rows, objected = [], []
        for stored, asked, language, cosine in pairs:
            one, other = self.reading(stored, language), self.reading(asked, language)
            rows.append(measures(one, other, cosine))
            objected.append(objections(one, other))
        return np.array(rows, np.float64).reshape(-1, len(NAMES)), objected

"""Names the task and difficulty of a text: embedder and task classifier together, about 4 ms on one core.

Rules kept here:
1. The classifier's file states which embedder, shape features and cells it belongs to; any other embedder is
   refused, because thresholds and weights belong to one file.
2. Synchronous: the caller runs it in a thread (`asyncio.to_thread`), and it may be called from several at
   once.
3. The embedding is computed once and handed on: the semantic cache needs the same one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.features.embedder import Embedder, Floats, ModelInvalid, session
from appliance.features.shape import NAMES, PROBE, WORDS_SHA256, excerpt, shape

FEWEST = 0.02  # a cell less probable than this is not worth a line in a record


@dataclass(frozen=True, slots=True)
class Classified:
    """Cells with their probabilities, best first, sum at most 1; and the embedding they were read from."""

    cells: tuple[tuple[str, float], ...]
    embedding: Floats
    tokens: int


class TaskClassifier:
    """The head alone: embedding and text in, probabilities of cells out."""

    def __init__(self, path: Path, *, embedder_digest: str) -> None:
        """Raises ModelInvalid where the file is missing, does not load, or belongs to another embedder."""
        if not path.is_file():
            raise ModelInvalid(f"{path.name} is missing")
        self._session = session(path)
        try:
            stated = self._session.get_modelmeta().custom_metadata_map
            self.cells = tuple(str(cell) for cell in json.loads(stated["cells"]))
            names, belongs = tuple(json.loads(stated["shape"])), stated["embedder_sha256"]
            words, probed = stated["words_sha256"], np.array(json.loads(stated["probe"]), np.float32)
        except (KeyError, ValueError, TypeError) as error:
            raise ModelInvalid(f"{path.name} does not state its cells, shape or embedder") from error
        alike = names == NAMES and words == WORDS_SHA256 and np.allclose(shape(PROBE), probed, atol=1e-3)
        if not alike:
            raise ModelInvalid(f"{path.name} was trained on other shape features than this program computes")
        if belongs != embedder_digest:
            raise ModelInvalid(f"{path.name} belongs to the embedder {belongs[:12]}, not {embedder_digest[:12]}")

    def probabilities(self, embedding: Floats, text: str) -> Floats:
        """float32, one probability a cell in the order of `cells`; `text` as it was embedded."""
        feeds = {"embedding": embedding[None, :], "shape": shape(text)[None, :]}
        try:
            (rows,) = self._session.run(None, feeds)
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise ModelInvalid(f"the task classifier failed: {type(error).__name__}") from error
        return np.asarray(rows[0], np.float32)

    def predict(self, embedding: Floats, text: str, *, top: int = 3) -> tuple[tuple[str, float], ...]:
        """The `top` most probable cells, best first. The best is always there, others only from FEWEST on."""
        scores = self.probabilities(embedding, text)
        order = np.argsort(-scores, kind="stable")[: max(1, top)]
        found = [(self.cells[i], min(1.0, float(scores[i]))) for i in order]
        return tuple(pair for rank, pair in enumerate(found) if rank == 0 or pair[1] >= FEWEST)


class Classifier:
    """Embedder and head, loaded together."""

    def __init__(self, embedder: Embedder, head: TaskClassifier) -> None:
        self.embedder = embedder
        self.head = head

    @classmethod
    def load(cls, embedder_directory: Path, head: Path) -> Classifier:
        """Raises ModelInvalid; half a second, of which reading 23 MB is most."""
        embedder = Embedder(embedder_directory)
        return cls(embedder, TaskClassifier(head, embedder_digest=embedder.digest))

    def classify(self, text: str, *, top: int = 3) -> Classified:
        """Any text, also empty or very long: head and tail of it are read. Raises ModelInvalid."""
        seen = excerpt(text)
        embedded = self.embedder.embed(seen)
        return Classified(self.head.predict(embedded.vector, seen, top=top), embedded.vector, embedded.tokens)

"""A graph (HNSW) over the older vectors of one large partition, and its file.

Rules kept here:
1. A file is believed only whole: its digest, its length, the database, partition and rows that it was made of are in
   the note beside it, and a sample of its vectors is that of the rows. What does not fit is removed and made anew.
2. The file holds vectors and row numbers, and no text. It is written under another name first, graph before note.
3. Not for several threads at once; who holds it locks.

HNSW: Malkov and Yashunin, arXiv 1603.09320, as in hnswlib, M 16, efConstruction 200, ef 100. Of vectors of norm 1 the
inner product is the cosine.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.cache.index import Proposed, Rows
from appliance.features.embedder import Floats

M, EF_CONSTRUCTION, EF = 16, 200, 100
ELEMENT_BYTES = 160  # beside the vector: links, label and what goes around them
_SAMPLE = 32


class Note(BaseModel):
    """What is said of a graph's file. `identity` is the database's; the graph holds rows up to `up_to`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: str
    partition: str
    dimensions: int
    up_to: int
    count: int
    sha256: str


class Unfit(Exception):
    """The file is damaged, of something else, or not there."""


class Graph:
    """Rows `up_to` a number, as far as they were added."""

    def __init__(self, dimensions: int, index: Any) -> None:
        self._index = index
        self._index.set_ef(EF)
        self._dead: set[int] = set()
        self.dimensions = dimensions
        self.up_to = 0
        self.saved = 0  # how many it held when it was last written or read
        self.number = -1  # of the erasures that it was compared with the rows after
        self.found_gone: set[int] = set()  # by look-ups, since then

    @classmethod
    def begun(cls, dimensions: int, room: int) -> Graph:
        """An empty one with room for so many rows; more is made when it is needed."""
        index = _new(dimensions)
        index.init_index(room, M=M, ef_construction=EF_CONSTRUCTION)
        return cls(dimensions, index)

    def __len__(self) -> int:
        """How many rows it has, those that were marked dead included."""
        return int(self._index.element_count)

    @property
    def bytes(self) -> int:
        return int(self._index.max_elements) * (4 * self.dimensions + ELEMENT_BYTES)

    @property
    def worn(self) -> bool:
        """Whether a third of it is dead."""
        return 3 * len(self._dead) > len(self)

    def rows(self) -> set[int]:
        """The rows that may be proposed."""
        return set(map(int, self._index.get_ids_list())) - self._dead

    def add(self, rows: Rows, vectors: Floats) -> None:
        """float32, len(rows) × dimensions, norm 1; rows ascending, above `up_to`."""
        room = len(self) + len(rows)
        if room > self._index.max_elements:
            self._index.resize_index(room + room // 4)
        self._index.add_items(vectors, rows, num_threads=1)
        self.up_to = int(rows[-1])

    def forget(self, row: int) -> None:
        """Never propose this one again."""
        if row not in self._dead:
            self._dead.add(row)
            self.found_gone.add(row)
            with suppress(RuntimeError):  # its file knew already
                self._index.mark_deleted(row)

    def nearest(self, query: Floats, most: int) -> Proposed:
        """Up to `most` rows, nearest first."""
        wanted = min(most, len(self) - len(self._dead))
        if wanted <= 0:
            return []
        rows, distances = self._index.knn_query(query.reshape(1, -1), k=wanted, num_threads=1)
        return [(int(row), 1.0 - float(distance)) for row, distance in zip(rows[0], distances[0], strict=True)]

    def vectors(self, rows: list[int]) -> Floats:
        """float32, len(rows) × dimensions. Raises RuntimeError for a row that is not here."""
        return np.asarray(self._index.get_items(rows), np.float32)

    # ---- the file -------------------------------------------------------------------------------------------

    def save(self, file: Path, identity: str, partition: str) -> None:
        """Write graph and note. Raises OSError, also where the disk took only a part of it."""
        file.parent.mkdir(mode=0o700, exist_ok=True)
        draft = file.with_suffix(".draft")
        try:
            draft.touch(mode=0o600)
            self._index.save_index(str(draft))
            if draft.stat().st_size != self._index.index_file_size():  # the library does not say that a disk is full
                raise OSError(28, "No space left on device")
            note = Note(
                identity=identity,
                partition=partition,
                dimensions=self.dimensions,
                up_to=self.up_to,
                count=len(self),
                sha256=_digest(draft),
            )
            draft.replace(file)
            draft.touch(mode=0o600)
            draft.write_text(note.model_dump_json(), encoding="ascii")
            draft.replace(note_of(file))
            self.saved = len(self)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, file: Path, identity: str, partition: str, dimensions: int) -> Graph:
        """Raises Unfit."""
        try:
            note = Note.model_validate_json(note_of(file).read_bytes())
            if (note.identity, note.partition, note.dimensions) != (identity, partition, dimensions):
                raise Unfit("it is of another database, partition or embedder")
            if _digest(file) != note.sha256:
                raise Unfit("it is damaged")
            index = _new(dimensions)
            index.load_index(str(file), max_elements=note.count + note.count // 8)
            if index.element_count != note.count:
                raise Unfit("it does not hold what its note says")
        except (OSError, ValueError, ValidationError, RuntimeError) as error:
            raise Unfit(f"it cannot be read ({type(error).__name__})") from None
        graph = cls(dimensions, index)
        graph.up_to, graph.saved = note.up_to, note.count
        return graph

    def sample(self) -> list[int]:
        """Some of its rows, spread evenly."""
        rows = sorted(self.rows())
        return rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]


def note_of(file: Path) -> Path:
    """Where the note of a graph's file is."""
    return file.with_suffix(".json")


def remove(file: Path) -> None:
    """Note first: without it the graph is not read. Raises OSError."""
    note_of(file).unlink(missing_ok=True)
    file.unlink(missing_ok=True)


def _new(dimensions: int) -> Any:
    import hnswlib  # lazily: read-only commands never need it

    return hnswlib.Index(space="ip", dim=dimensions)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    return digest

"""Proposes which rows of one partition lie nearest to a vector. It proposes only: who asks reads the rows themselves.

Rules kept here:
1. Whatever is here can be made anew from the table `semantic`, and is never believed: a row that is gone, another's, or
   over its time is no hit, whatever the index says.
2. New rows are fetched when a look-up comes, by their number, which grows and is never used twice: writing touches no
   index, and no transaction that failed leaves anything here.
3. A few thousand vectors of a partition are compared one by one; of more a graph (HNSW) holds the older ones and is
   built on a thread of its own. Until it stands, only the newest are seen.
4. What is dead is marked, never filtered by a callback; a third of dead ones, and it is made anew.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from appliance.features.embedder import Floats

if TYPE_CHECKING:
    from appliance.cache.graph import Graph

FLAT_MOST = 5000
Rows = npt.NDArray[np.int64]
Proposed = list[tuple[int, float]]  # row and cosine, nearest first


class FlatIndex:
    """Vectors side by side, compared one by one, the newest `most`. Not for several threads at once."""

    def __init__(self, dimensions: int, most: int = FLAT_MOST) -> None:
        self._most = most
        self._matrix: Floats = np.empty((0, dimensions), np.float32)
        self._rows: Rows = np.empty(0, np.int64)
        self._count = 0
        self._dead: set[int] = set()

    def __len__(self) -> int:
        return self._count

    @property
    def bytes(self) -> int:
        return self._matrix.nbytes + self._rows.nbytes

    @property
    def worn(self) -> bool:
        """Whether a third of it is dead."""
        return 3 * len(self._dead) > self._count

    def add(self, rows: Rows, vectors: Floats) -> None:
        """float32, len(rows) × dimensions, norm 1, in the order of their rows."""
        room = self._count + len(rows)
        if room > len(self._rows):
            width = min(max(room, 2 * self._count, 8), max(room, self._most))
            matrix = np.empty((width, self._matrix.shape[1]), np.float32)
            numbers = np.empty(width, np.int64)
            matrix[: self._count], numbers[: self._count] = self._matrix[: self._count], self._rows[: self._count]
            self._matrix, self._rows = matrix, numbers
        self._matrix[self._count : room], self._rows[self._count : room] = vectors, rows
        self._count = room
        if self._count > self._most:
            self.drop(self._count - self._most)

    def drop_to(self, row: int) -> None:
        """Forget those up to this row."""
        self.drop(int(np.searchsorted(self._rows[: self._count], row, side="right")))

    def drop(self, count: int) -> None:
        """Forget the oldest `count`."""
        kept = self._count - count
        self._matrix[:kept] = self._matrix[count : self._count].copy()
        self._dead -= set(self._rows[:count].tolist())
        self._rows[:kept] = self._rows[count : self._count].copy()
        self._count = kept

    def forget(self, row: int) -> None:
        """Never propose this one again."""
        (at,) = np.nonzero(self._rows[: self._count] == row)
        if len(at):
            self._matrix[at[0]] = 0.0
            self._dead.add(row)

    def nearest(self, query: Floats, most: int) -> Proposed:
        """Up to `most` rows."""
        if not self._count:
            return []
        cosines = self._matrix[: self._count] @ query
        wanted = min(most + len(self._dead), self._count)
        best = np.argpartition(-cosines, wanted - 1)[:wanted] if wanted < self._count else np.arange(self._count)
        best = best[np.argsort(-cosines[best], kind="stable")]
        found = ((int(self._rows[at]), float(cosines[at])) for at in best)
        return [one for one in found if one[0] not in self._dead][:most]


class PartitionIndex:
    """What is in memory of one partition: its newest vectors, and the graph of the others where there are many. Whoever
    uses it holds `lock`.
    """

    def __init__(self, dimensions: int, most: int = FLAT_MOST) -> None:
        self.lock = threading.Lock()
        self.flat = FlatIndex(dimensions, most)
        self.graph: Graph | None = None
        self.up_to = 0  # the newest row that was looked at
        self.asked = False  # whether its graph is going to be tended
        self.counted = 0  # bytes that were added to what all hold
        self._dimensions, self._most = dimensions, most

    @property
    def bytes(self) -> int:
        graph = self.graph  # who counts holds no lock
        return self.flat.bytes + (graph.bytes if graph is not None else 0)

    def propose(self, query: Floats, most: int) -> Proposed:
        """Up to `most` rows, nearest first."""
        found = self.flat.nearest(query, most)
        if self.graph is not None:  # some may be in both, while it grows
            both = {**dict(self.graph.nearest(query, most)), **dict(found)}
            found = sorted(both.items(), key=lambda one: -one[1])[:most]
        return found

    def forget(self, row: int) -> None:
        """Never propose this one again."""
        if self.graph is not None and row <= self.graph.up_to:
            self.graph.forget(row)
        self.flat.forget(row)

    def take(self, graph: Graph | None) -> None:
        """The graph holds what it holds; the rest is beside it, or is read anew."""
        self.graph = graph
        if graph is None:
            self.start_anew()
        else:
            self.flat.drop_to(graph.up_to)
            self.up_to = max(self.up_to, graph.up_to)

    def start_anew(self) -> None:
        """Read anew what is not in the graph."""
        self.flat = FlatIndex(self._dimensions, self._most)
        self.up_to = self.graph.up_to if self.graph is not None else 0

"""Embeddings as servers answer them: in one piece, one vector for each text. A dialect says where they stand in it."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson

from appliance.paths.contract import Chunk, FinishReason, PathError, Vector
from appliance.paths.dialect import MALFORMED, BrokenAnswer, EventReading


class VectorReading(EventReading):
    """What has been read of `wanted` embeddings."""

    __slots__ = ()
    whose: ClassVar[str]  # form it is, for people

    def whole(self, raw: bytes) -> list[Chunk]:
        """Vectors in the order of their texts. Raises BrokenAnswer unless there is exactly one for each, and what
        `rows` raises.
        """
        try:
            rows = self.rows(orjson.loads(raw))
            if len(rows) != self.wanted:
                raise BrokenAnswer("not one embedding for each text")
            return [Vector(self.values(row), at) for at, row in enumerate(rows)]
        except (BrokenAnswer, PathError):
            raise
        except MALFORMED:
            raise BrokenAnswer(f"not in the form of {self.whose}'s embeddings") from None

    def rows(self, found: Any) -> list[Any]:
        """What the answer has of each text, in their order; `usage` is read on the way. May raise PathError, and as
        anything does that reads what has another form.
        """
        raise NotImplementedError

    def values(self, row: Any) -> tuple[float, ...]:
        """The vector of one."""
        raise NotImplementedError

    def reasons(self) -> tuple[FinishReason, ...]:
        return ("stop",)

"""Google's embeddings from the client's side: `batchEmbedContents` of the Gemini API, `predict` of Vertex AI.

Rules kept here:
1. Faithful: what the vectors are for is said as the endpoint has it, how wide they are as the caller has it; anything
   else is refused by name. Vertex is told to cut no text short; the Gemini API has no word for that.
2. Usage is what the API states: the Gemini API for all texts together, where it does, Vertex for each.
3. Whatever does not look like the format raises BrokenAnswer.
"""

from __future__ import annotations

from typing import Any

import orjson

from appliance.paths.contract import Chunk, FinishReason, Job, PathError, Usage, Vector
from appliance.paths.dialect import BrokenAnswer, EventReading, unsupported
from appliance.paths.said import numbers

MOST_TEXTS = 100  # of one call to the Gemini API
MOST_INSTANCES = 250  # of one call to Vertex

_PURPOSES = {
    "search_document": "RETRIEVAL_DOCUMENT",
    "search_query": "RETRIEVAL_QUERY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


def vectors_body(job: Job, model: str, input_type: str, *, vertex: bool) -> dict[str, Any]:
    """The JSON body for embeddings. Raises PathError 'unsupported' or 'rejected' for what the API cannot be told."""
    most = MOST_INSTANCES if vertex else MOST_TEXTS
    if len(job.inputs) > most:
        raise PathError("rejected", f"Google takes {most} texts at once.", param="input")
    for name in job.forwarded:
        if name not in ("dimensions", "user"):
            raise unsupported("parameter of this name", name if name.isidentifier() else "body")
    purpose, width = _PURPOSES[input_type], job.forwarded.get("dimensions")
    wide = {} if width is None else {"outputDimensionality": width}
    if vertex:
        instances = [{"content": text, "task_type": purpose} for text in job.inputs]
        return {"instances": instances, "parameters": {"autoTruncate": False, **wide}}
    named = {"model": f"models/{model}", "taskType": purpose, **wide}
    return {"requests": [{**named, "content": {"parts": [{"text": text}]}} for text in job.inputs]}


class VectorReading(EventReading):
    """What has been read of `wanted` embeddings, which come in one piece."""

    __slots__ = ("_vertex",)

    def __init__(self, wanted: int, *, vertex: bool) -> None:
        super().__init__(wanted)
        self._vertex = vertex

    def whole(self, raw: bytes) -> list[Chunk]:
        """Vectors in the order of their texts. Raises BrokenAnswer unless there is exactly one for each."""
        try:
            found = orjson.loads(raw)
            if self._vertex:
                rows = [row["embeddings"] for row in found["predictions"]]
                counts = [int((row.get("statistics") or {}).get("token_count") or 0) for row in rows]
                self.usage = Usage(sum(counts)) if all(counts) else None
            else:
                rows = found["embeddings"]
                count = (found.get("usageMetadata") or {}).get("promptTokenCount")
                self.usage = Usage(int(count)) if count else None
            if len(rows) != self.wanted:
                raise BrokenAnswer("not one embedding for each text")
            return [Vector(_values(row["values"]), at) for at, row in enumerate(rows)]
        except BrokenAnswer:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            raise BrokenAnswer("not in the form of Google's embeddings") from None

    def reasons(self) -> tuple[FinishReason, ...]:
        return ("stop",)


def _values(found: Any) -> tuple[float, ...]:
    if type(found) is not list or not found:
        raise BrokenAnswer("an embedding is no list of numbers")
    return numbers(found)

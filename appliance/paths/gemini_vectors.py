"""Google's embeddings from the client's side: `batchEmbedContents` of the Gemini API, `predict` and `embedContent` of
Vertex AI.

Rules kept here:
1. Faithful: what the vectors are for is said as the endpoint has it, how wide they are as the caller has it; anything
   else is refused by name. Models of `embedContent` read from the text itself what it is for, and the text goes as it
   is.
2. No text is cut short: `predict` is told so, and of `embedContent`, which says it of its answer, such an answer is
   none. The Gemini API has no word for that.
3. Usage is what the API states: `predict` for each text, the others for the whole, where they do.
4. Whatever does not look like the format raises BrokenAnswer.
"""

from __future__ import annotations

from typing import Any, Literal

from appliance.paths.contract import Job, PathError, Usage
from appliance.paths.dialect import BrokenAnswer, unsupported
from appliance.paths.said import numbers
from appliance.paths.vectors import VectorReading

Method = Literal["batchEmbedContents", "predict", "embedContent"]
_MOST: dict[Method, int] = {"batchEmbedContents": 100, "predict": 250, "embedContent": 1}  # texts of one call

_PURPOSES = {
    "search_document": "RETRIEVAL_DOCUMENT",
    "search_query": "RETRIEVAL_QUERY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


def vectors_body(job: Job, model: str, input_type: str, method: Method) -> dict[str, Any]:
    """The JSON body for embeddings. Raises PathError 'unsupported' or 'rejected' for what the API cannot be told."""
    most = _MOST[method]
    if len(job.inputs) > most:
        raise PathError("rejected", f"Google takes no more than {most} here at once.", param="input")
    for name in job.forwarded:
        if name not in ("dimensions", "user"):
            raise unsupported("parameter of this name", name if name.isidentifier() else "body")
    purpose, width = _PURPOSES[input_type], job.forwarded.get("dimensions")
    wide = {} if width is None else {"outputDimensionality": width}
    if method == "embedContent":
        content: dict[str, Any] = {"content": {"parts": [{"text": text} for text in job.inputs]}}
        return {**content, "embedContentConfig": wide} if wide else content
    if method == "predict":
        instances = [{"content": text, "task_type": purpose} for text in job.inputs]
        return {"instances": instances, "parameters": {"autoTruncate": False, **wide}}
    named = {"model": f"models/{model}", "taskType": purpose, **wide}
    return {"requests": [{**named, "content": {"parts": [{"text": text}]}} for text in job.inputs]}


class GeminiVectorReading(VectorReading):
    """What has been read of `wanted` embeddings. Raises PathError 'context_too_long' for one that was cut short."""

    __slots__ = ("_method",)
    whose = "Google"

    def __init__(self, wanted: int, method: Method) -> None:
        super().__init__(wanted)
        self._method = method

    def rows(self, found: Any) -> list[Any]:
        rows: list[Any]
        if self._method == "predict":
            rows = [row["embeddings"] for row in found["predictions"]]
            counts = [int((row.get("statistics") or {}).get("token_count") or 0) for row in rows]
            self.usage = Usage(sum(counts)) if all(counts) else None
        else:
            rows = [found["embedding"]] if self._method == "embedContent" else found["embeddings"]
            count = (found.get("usageMetadata") or {}).get("promptTokenCount")
            self.usage = Usage(int(count)) if count else None
        if self._method == "embedContent" and found.get("truncated"):
            raise PathError("context_too_long", "The text is longer than the model takes, and was cut short.")
        return rows

    def values(self, row: Any) -> tuple[float, ...]:
        found = row["values"]
        if type(found) is not list or not found:
            raise BrokenAnswer("an embedding is no list of numbers")
        return numbers(found)

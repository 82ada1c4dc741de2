"""What is known of a request without keeping its text."""

from __future__ import annotations

from dataclasses import field

from appliance.records.request import Kind
from appliance.records.value import value

UNKNOWN_CELL = "other/medium"


@value
class Features:
    """Input of `decide`, and part of every record.

    `cells` are the most probable task cells ('task/difficulty') with probabilities that sum to at most 1, best
    first. `language` is an ISO 639-1 code, '' when unknown. `needs` names the capabilities that the request
    cannot do without, spelled as in `Capabilities`. `embedding` never enters a record.
    """

    modality: Kind
    cells: tuple[tuple[str, float], ...] = ((UNKNOWN_CELL, 1.0),)
    language: str = ""
    language_p: float = 0.0
    characters: int = 0
    estimated_prompt_tokens: int = 0
    estimated_output_tokens: int = 0
    turns: int = 1
    has_tools: bool = False
    has_images: bool = False
    format_kind: str = "text"
    stream: bool = False
    needs: frozenset[str] = frozenset()
    embedding: tuple[float, ...] | None = field(default=None, repr=False, compare=False)

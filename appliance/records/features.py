"""What is known of a request without keeping its text."""

from __future__ import annotations

from dataclasses import field
from typing import Literal, get_args

from appliance.records.request import Kind
from appliance.records.value import value

Cells = tuple[tuple[str, float], ...]  # task cells with their probabilities, as `Features` says
UNKNOWN_CELLS: Cells = (("other/medium", 1.0),)
# What detectors find, spelled as in `detectors.json`.
FindingKind = Literal[
    "email",
    "phone",
    "iban",
    "card",
    "de-tax-id",
    "fr-nir",
    "es-dni",
    "it-codice-fiscale",
    "nl-bsn",
    "pl-pesel",
    "us-ssn",
    "gb-nino",
    "private-key",
    "aws-key",
    "api-key",
    "jwt",
    "bearer-token",
    "password",
    "attachment",  # an image, sound or file, which no detector reads
    "unscanned",  # a detector failed, or did not end in time
]

FINDING_KINDS: tuple[FindingKind, ...] = get_args(FindingKind)


@value
class Features:
    """Input of `decide`, and part of every record.

    `cells` are the most probable task cells ('task/difficulty') with probabilities that sum to at most 1, best
    first. `language` is an ISO 639-1 code, '' when unknown. `needs` names the capabilities that the request
    cannot do without, spelled as in `Capabilities`. `findings` counts what detectors found, by kind, of all texts
    of the request. `embedding` never enters a record.

    `earlier` counts the messages that a reading in parts would leave out: not the system's, the longest or the last.

    `most_prompt_tokens` is a bound, no estimate, and `most_output_tokens` the caller's limit for each choice; both are
    looked at for tenants with a budget only, and 0 where they were not, or nothing was stated. `most_beside_tokens` is,
    where the content has such readings, the bound of what each call of a reading in parts is shown besides its part.
    """

    modality: Kind
    cells: Cells = UNKNOWN_CELLS
    language: str = ""
    language_p: float = 0.0
    characters: int = 0
    estimated_prompt_tokens: int = 0
    estimated_output_tokens: int = 0
    turns: int = 1
    has_tools: bool = False
    has_images: bool = False
    has_sound: bool = False
    format_kind: str = "text"
    stream: bool = False
    needs: frozenset[str] = frozenset()
    findings: tuple[tuple[FindingKind, int], ...] = ()
    images: int = 0
    earlier: int = 0
    most_prompt_tokens: int = 0
    most_output_tokens: int = 0
    most_beside_tokens: int = 0
    embedding: tuple[float, ...] | None = field(default=None, repr=False, compare=False)

"""The model card: what an execution path is, may do, costs and is worth, as stated by whoever brought it.

Rules kept here:
1. A card is content of a bundle; unknown fields are refused, values are frozen.
2. A place is stated, never guessed from a name or an address.
3. Accuracy carries its sample size; a claim without one weighs as a weak prior (see `decide.estimate`).

The JSON Schema under `models/contract/` is generated from these classes.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Tier = Literal["cache", "reuse", "device", "site", "sovereign", "frontier"]
TIERS: tuple[Tier, ...] = ("cache", "reuse", "device", "site", "sovereign", "frontier")
Flavour = Literal["openai", "azure", "vllm", "tgi", "llama_server", "openrouter", "huggingface", "mistral", "weir"]
Modality = Literal["chat", "completion", "embedding", "classification", "image", "video"]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]


class Frozen(BaseModel):
    """Base of every value that crosses an edge. Its numbers are finite: JSON can carry no other."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Place(Frozen):
    """Where a path computes: node, in site, in country, in region; empty means 'not stated'."""

    node: str = ""
    site: str = ""
    country: str = ""
    region: str = ""


class Capabilities(Frozen):
    """What a path honours; anything not listed is refused by name, never dropped."""

    streaming: bool = True
    system: bool = True
    tools: bool = False
    json_object: bool = False
    json_schema: bool = False
    regex: bool = False
    logprobs: bool = False
    signals: bool = False
    images_in: bool = False
    files_in: bool = False  # documents that are no text, such as PDFs
    prefill: bool = False  # goes on with an answer that is begun for it
    seed: bool = False
    multiple: bool = False  # n > 1
    penalties: bool = False
    logit_bias: bool = False
    top_k: bool = False
    reasoning: Literal["none", "effort", "budget"] = "none"  # how it is told how much to think

    @property
    def thinks(self) -> bool:
        """Whether it thinks where it is asked to."""
        return self.reasoning != "none"


def _of_six_places(value: float) -> float:
    return _of_places(value, 6)


def _of_twelve_places(value: float) -> float:
    return _of_places(value, 12)


def _of_places(value: float, places: int) -> float:
    if _scaled(value, places) != Decimal(repr(value)).scaleb(places):
        raise ValueError(f"has more than {places} decimal places, so that costs could not be exact")
    return value


def _scaled(value: float, places: int) -> int:
    """The number as it was written, times ten to the power of `places`."""
    return int(Decimal(repr(value)).scaleb(places))


def _else(stated: float | None, other: float) -> float:
    return other if stated is None else stated


PerMillion = Annotated[float, Field(ge=0.0, le=1e6, allow_inf_nan=False), AfterValidator(_of_six_places)]
PerOne = Annotated[float, Field(ge=0.0, le=1e6, allow_inf_nan=False), AfterValidator(_of_twelve_places)]


class Rates(NamedTuple):
    """A price in picos: of one token, one request, one image in, one second."""

    input: int
    cached: int
    write: int
    hour_write: int
    output: int
    reasoning: int
    request: int
    image: int
    second: int


class Price(Frozen):
    """Money in `currency`; tokens per million, to the sixth decimal place, all else for one, to the twelfth.

    What is not stated of cached, written and reasoning tokens costs what input and output do; 0 is free. `covers` names
    what else a request may ask for at these prices: tiers of service, and 'web_search'. `as_of` is the day on which it
    was read from `source`, such as a provider's page; `weir doctor` warns of prices that are old.
    """

    currency: Annotated[str, Field(max_length=16)] = "USD"
    input_per_million: PerMillion = 0.0
    cached_input_per_million: PerMillion | None = None
    cache_write_per_million: PerMillion | None = None
    cache_write_1h_per_million: PerMillion | None = None
    output_per_million: PerMillion = 0.0
    reasoning_per_million: PerMillion | None = None
    per_request: PerOne = 0.0
    per_image: PerOne = 0.0
    per_second: PerOne = 0.0
    covers: Annotated[tuple[str, ...], Field(max_length=8)] = ()
    as_of: date | None = None
    source: Annotated[str, Field(max_length=200)] = ""

    @cached_property
    def rates(self) -> Rates:
        """What is computed with; a price per million in millionths is one of a token in picos."""
        write = _else(self.cache_write_per_million, self.input_per_million)
        tokens = (
            self.input_per_million,
            _else(self.cached_input_per_million, self.input_per_million),
            write,
            _else(self.cache_write_1h_per_million, write),
            self.output_per_million,
            _else(self.reasoning_per_million, self.output_per_million),
        )
        ones = (self.per_request, self.per_image, self.per_second)
        return Rates(*(_scaled(price, 6) for price in tokens), *(_scaled(price, 12) for price in ones))

    @cached_property
    def free(self) -> bool:
        """Whether nothing costs anything."""
        return not any(self.rates)


class Speed(Frozen):
    """As measured by whoever wrote the card: the start until live figures exist."""

    first_token_s: NonNegative = 0.5
    first_token_p95_s: NonNegative = 1.5
    prefill_tokens_per_s: Annotated[float, Field(gt=0)] = 1000.0
    decode_tokens_per_s: Annotated[float, Field(gt=0)] = 50.0


class CellAccuracy(Frozen):
    """P(right) of this path in one task cell, over `n` examples of the named set."""

    cell: str
    p: Probability
    n: Annotated[int, Field(ge=0)]
    source: str = ""


class File(Frozen):
    """One file of a model, relative to the content directory."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


def _address(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.port == 0:
        raise ValueError("must name a host, and carry no credentials")
    return url


class Member(Frozen):
    """One of several addresses, or keys, of one provider, in the place that the card declares.

    What it leaves out is as the endpoint says. `weight`: how much it takes beside the others.
    """

    name: str = ""
    base_url: Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_address)] | None = None
    api_key_ref: Annotated[str, Field(pattern=r"^(env|file|secret|credential):.+")] | None = None
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]*$")] = ""
    weight: Annotated[float, Field(gt=0)] = 1.0


class Endpoint(Frozen):
    """Where and how a server is spoken to. The key is a reference, never a value:

    `secret:NAME` is what the host's configuration calls so; `env:NAME`, `file:/path` and `credential:NAME` (systemd's)
    are direct.
    """

    base_url: Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_address)]
    model: str
    api_key_ref: Annotated[str | None, Field(pattern=r"^(env|file|secret|credential):.+")] = None
    flavour: Flavour = "openai"
    api_version: str = ""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]*$")] = ""  # AWS's name of it, which calls to it are signed for
    input_type: Literal["search_document", "search_query", "classification", "clustering"] = "search_document"
    embed_content: bool = False  # its embeddings are had by Vertex AI's `embedContent`, one text a call
    # Where the key, a service account, is exchanged for the tokens that calls are authorized with (Google's Vertex).
    token_url: Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_address)] | None = None
    connect_timeout_s: Annotated[float, Field(gt=0)] = 5.0
    first_byte_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    gap_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    max_concurrent: Annotated[int, Field(ge=1)] = 64
    cache_salt: bool = False  # it takes vLLM's `cache_salt`: prefixes are reused within a tenant's salt only
    continuous_usage: bool = False  # it takes vLLM's `continuous_usage_stats`: every chunk says what was used so far
    metrics: Literal["", "vllm", "tgi"] = ""  # whose figures of its load it shows, under /metrics
    members: tuple[Member, ...] = ()  # none: itself alone

    @property
    def addresses(self) -> tuple[str, ...]:
        """All that is spoken to for its sake."""
        return (*(one.base_url for one in self.pool), *((self.token_url,) if self.token_url else ()))

    @property
    def names(self) -> tuple[str, ...]:
        """Of its members, in their order; '' where it is itself alone."""
        return tuple(one.name or str(at) for at, one in enumerate(self.members, 1)) or ("",)

    @property
    def pool(self) -> tuple[Endpoint, ...]:
        """The endpoint of each of its members, `max_concurrent` at each."""
        return tuple(
            self.model_copy(
                update={
                    "base_url": one.base_url or self.base_url,
                    "api_key_ref": one.api_key_ref or self.api_key_ref,
                    "region": one.region or self.region,
                    "members": (),
                }
            )
            for one in self.members
        ) or (self,)


class LlamaSettings(Frozen):
    """How a local generative model is loaded. Zero means 'as the model or the host says'."""

    context_per_sequence: Annotated[int, Field(ge=0)] = 0
    sequences: Annotated[int, Field(ge=1, le=256)] = 16
    batch_tokens: Annotated[int, Field(ge=32)] = 512
    threads: Annotated[int, Field(ge=0)] = 0
    gpu_layers: Annotated[int, Field(ge=0)] = 0
    parked_bytes: Annotated[int, Field(ge=0)] = 256 << 20  # sealed sequences that no slot has room for; 0: none


class ModelCard(Frozen):
    """All that routing knows of a path before it runs."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]
    runtime: str
    tier: Tier
    modalities: tuple[Modality, ...]
    description: str = ""
    place: Place = Place()
    operator: str = ""
    jurisdiction: str = ""
    retention: Literal["none", "transient", "logged", "unknown"] = "unknown"
    trains_on_input: Literal["no", "yes", "unknown"] = "unknown"
    licence: str = ""
    provenance: str = ""
    architecture: str = ""
    parameters: Annotated[int, Field(ge=0)] = 0
    quantisation: str = ""
    context_tokens: Annotated[int, Field(ge=0)] = 0
    max_output_tokens: Annotated[int, Field(ge=0)] = 0
    dimensions: Annotated[int, Field(ge=0)] = 0
    languages: dict[str, Probability] = Field(default_factory=dict)
    accelerator: Literal["none", "cpu", "npu", "gpu", "unknown"] = "unknown"
    memory_bytes: Annotated[int, Field(ge=0)] = 0
    watts: NonNegative = 0.0
    capabilities: Capabilities = Capabilities()
    price: Price = Price()
    speed: Speed = Speed()
    accuracy: tuple[CellAccuracy, ...] = ()
    accuracy_default: Probability = 0.5  # for cells that are not stated
    accuracy_default_n: Annotated[int, Field(ge=0)] = 0  # examples behind it; 0: an unproven claim
    files: tuple[File, ...] = ()
    endpoint: Endpoint | None = None
    llama: LlamaSettings = LlamaSettings()
    gate: str = ""  # id of the confidence gate that judges its answers; empty: answers are taken as they come
    known_failures: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _accuracy_cells_are_unique(self) -> ModelCard:
        cells = [row.cell for row in self.accuracy]
        if len(cells) != len(set(cells)):
            raise ValueError("accuracy: a cell is stated twice")
        return self

    @cached_property
    def priced(self) -> bool:
        """Whether what it costs is known. Zeros of who is neither this host nor the site need a day or a source."""
        price = self.price
        known = not price.free or price.as_of is not None or bool(price.source)
        return known or self.tier not in ("sovereign", "frontier")

    @cached_property
    def accuracy_by_cell(self) -> dict[str, CellAccuracy]:
        return {row.cell: row for row in self.accuracy}

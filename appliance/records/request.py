"""The request as Weir understands it, whichever wire it came in on.

Rules kept here:
1. Frozen and complete: later stages never look at the wire again.
2. Text lives here and in the Job only; Features, Decisions and Records carry none of it.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from appliance.records.value import value

Kind = Literal["chat", "completion", "embedding"]
Preference = Literal["balanced", "cheap", "fast", "best"]
Priced = Literal["prompt", "completion", "request", "image"]
Classification = Literal["public", "internal", "restricted", "secret"]
Purpose = Literal["", "commercial", "research", "high-risk"]
Rights = Literal["", "licensed", "reserved"]
AND = " & "  # between residencies that are demanded together
THINKING = frozenset(("thinking", "redacted_thinking"))  # types of parts that only providers that ask for them get
LOCAL = "local"  # the tenant of a node that has none: whoever is on this host
# Each tighter than the last.
CLASSIFICATIONS: tuple[Classification, ...] = ("public", "internal", "restricted", "secret")
RIGHTS: tuple[Rights, ...] = ("", "licensed", "reserved")


@value(slots=True)
class Message:
    """One chat turn. `content` is text; `parts` keeps the wire form of non-text content for paths that take it.

    Earlier thinking of an assistant stands in `parts` in Anthropic's form (`THINKING`), and in `content` not at all.
    `marks` are ends in `content`, in characters, up to which a provider is to keep the prompt, and for how long ('5m',
    '1h'): no answer depends on them, so they are in no digest.
    """

    role: str
    content: str
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    parts: tuple[dict[str, Any], ...] = ()
    marks: tuple[tuple[int, str], ...] = ()


@value(slots=True)
class Sampling:
    """How to sample; None means that the caller said nothing and the path's default holds."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    stop: tuple[str, ...] = ()
    logit_bias: tuple[tuple[int, float], ...] = ()
    logprobs: bool = False
    top_logprobs: int = 0


@value(slots=True)
class Thinking:
    """A model is to think before it answers. `budget_tokens` of an explicit budget, None
    where the model decides; `show`: as text, else only what seals it.
    """

    budget_tokens: int | None = None
    show: bool = True


@value(slots=True)
class Format:
    """The form that the answer must have. `schema` for json_schema, `pattern` for regex."""

    kind: Literal["text", "json_object", "json_schema", "regex"] = "text"
    schema: dict[str, Any] | None = None
    name: str = ""
    strict: bool = False
    pattern: str | None = None
    description: str = ""  # of a json_schema, as the caller words it for the model


@value
class Labels:
    """What policy is asked about. A caller may only tighten them."""

    classification: Classification = "internal"
    residency: str = ""  # '' (no demand), 'node', 'site', 'country:XX', 'region:NAME'; 'A & B' demands both
    deadline_s: float | None = None
    quality_floor: float | None = None
    below_floor: Literal["serve", "refuse"] = "serve"
    cache: Literal["default", "no-cache", "no-store"] = "default"
    cache_max_age_s: int | None = None
    cache_score: float | None = None  # of an answer to a similar question, at least; 1: to the very same only
    variation: str = ""
    purpose: Purpose = ""  # what the answer is for; '' (not stated)
    rights: Rights = ""  # what others hold in the content
    locale: str = ""  # where the answer is for, such as 'de-CH'; '' (not stated)
    strategy: str = ""  # of the content, that chooses the paths; '' (not stated)
    conversation: str = field(default="", repr=False)  # whose label it has at least; '' (not stated). In no record
    via: tuple[str, ...] = field(default=(), repr=False)  # nodes that it came through, each by its id. In no record


@value(slots=True)
class Echo:
    """What of a request its answer is written with, on a wire that gives a request back in its answer. Part of no
    digest and of no record.

    `fields` are JSON members as text, without the outer brackets; `summary` and `seal` say how thinking is shown.
    """

    fields: str = field(repr=False)
    summary: bool = False
    seal: bool = False


@value
class Providers:
    """Whose paths a caller wants, in which order and at what price: OpenRouter's `provider` object. Every field narrows
    or orders, none widens.

    `order`, `only` and `ignore` name operators of paths, or how their ids begin (see `decide.preferences.bears`).
    `max_price` has the content's money per million prompt and completion tokens, per request and per image.
    """

    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    quantisations: tuple[str, ...] = ()
    allow_fallbacks: bool = True
    require_parameters: bool = False
    data_collection: Literal["allow", "deny"] = "allow"
    zdr: bool = False
    max_price: tuple[tuple[Priced, float], ...] = ()
    sort: Literal["", "price", "throughput", "latency"] = ""
    partition: Literal["model", "none"] = "model"  # 'none': what `models` lists is sorted too

    @property
    def stands_in(self) -> bool:
        """Whether others may stand in for a path that failed; those of an order always may."""
        return self.allow_fallbacks or bool(self.order)


@value
class Request:
    """One parsed request.

    `model` is 'auto' or a concrete path id; `preference` comes from the suffix. `models`, where several are stated, are
    what is tried one after the other, `model` first. `forwarded` holds parameters that Weir does not interpret and
    passes on to paths that speak the same dialect.
    """

    id: str
    kind: Kind
    model: str
    preference: Preference = "balanced"
    models: tuple[str, ...] = ()
    providers: Providers | None = None
    strategy: str = ""  # of the content, where the model's name states one
    messages: tuple[Message, ...] = ()
    prompt: str = ""
    inputs: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    format: Format = Format()
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    thinking: Thinking | None = None
    continues: bool = False  # the last message is the assistant's own, and the answer goes on where it ends
    n: int = 1
    stream: bool = False
    stream_usage: bool = False
    dimensions: int | None = None
    encoding: Literal["float", "base64"] = "float"
    labels: Labels = Labels()
    labels_in_body: bool = False  # some of them are the metadata's, not the headers'
    tenant: str = LOCAL
    user: str = ""
    forwarded: dict[str, Any] = field(default_factory=dict)
    echo: Echo | None = None
    digest: str = ""  # SHA-256 of the canonical content, the exact cache's key material; '' under no-store


def last_user_text(request: Request) -> str:
    """What says what is wanted: the last user message, the prompt, or the first input."""
    for message in reversed(request.messages):
        if message.role == "user":
            return message.content
    if request.messages:
        return request.messages[-1].content
    return request.prompt or (request.inputs[0] if request.inputs else "")


def text_field(request: Request) -> str:
    """What the caller's wire calls the text that is asked about."""
    if request.kind == "chat":
        return "messages" if request.echo is None else "input"
    return "prompt" if request.kind == "completion" else "input"

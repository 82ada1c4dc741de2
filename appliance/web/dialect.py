"""A dialect: how one family of SDKs asks and is answered, as one value.

Rules kept here:
1. What differs between dialects stands in their values (`openai`, `anthropic`) and nowhere else; the data plane knows
   none by name. Another dialect is another file and its place in `dialects`.
2. Nothing here decides anything about a request: a dialect reads bytes into a Request and writes an Answer, chunks and
   errors as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from appliance.errors import WeirError
from appliance.intake.limits import Limits
from appliance.records.answer import Answer, Counted
from appliance.records.card import ModelCard
from appliance.records.chunks import Chunk
from appliance.records.request import Kind, Request


class Parse(Protocol):
    """Bytes and headers to a Request. Raises BadRequest naming the field."""

    def __call__(
        self, body: bytes, headers: Mapping[str, str], limits: Limits, *, request_id: str, tenant: str
    ) -> Request: ...


class Stream(Protocol):
    """One answer as events."""

    def feed(self, chunk: Chunk) -> bytes:
        """The events of one chunk; empty for what callers do not see."""

    def fail(self, error: WeirError) -> bytes:
        """The last event of a stream that broke off."""


class Write(Protocol):
    """An answer as a body. `id` and `created` may be holes of a mould (`records.mould`); what else of the request it
    depends on must be in the request's digest, or the answer in no cache.
    """

    def __call__(self, answer: Answer, request: Request, /, *, id: str, created: int) -> bytes: ...


class Begin(Protocol):
    """The stream that answers a request, made when it is known which path does: `model` is its id, `created` Unix
    seconds.
    """

    def __call__(self, request: Request, /, *, model: str, created: int) -> Stream: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address at which answers are asked for. `stream` None: they come in one piece always."""

    address: str
    kind: Kind
    parse: Parse
    body: Write
    stream: Begin | None = None


@dataclass(frozen=True, slots=True)
class Inquiry:
    """An address at which is asked how long a prompt is. `body` is given what a tokenizer of this host says, None where
    none can; nothing runs.
    """

    address: str
    parse: Parse
    body: Callable[[Request, Counted | None], bytes]


@dataclass(frozen=True, slots=True)
class Dialect:
    """`sign` of life of a stream is what its clients leave out. `absent` says what to do instead of what its servers
    offer at addresses that begin so. `header` is one that its clients alone send, '' for none: it tells them where an
    address is everybody's.
    """

    endpoints: tuple[Endpoint, ...]
    error: Callable[[WeirError], bytes]
    # Cards, Unix seconds, and the query that asks for a page, None for all: {"data": [{"id": ...}, ...], ...}
    models: Callable[[Sequence[ModelCard], int, Mapping[str, str] | None], bytes]
    sign: bytes
    inquiries: tuple[Inquiry, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    header: str = ""

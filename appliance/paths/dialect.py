"""What differs between providers: where a job is posted, how it is said, and how what comes back is read.

Rules kept here:
1. A dialect is pure: no I/O and no clock; whoever signs is given the time.
2. What cannot be said in a dialect is refused by name (`PathError` 'unsupported' or 'rejected', with its `param`),
   never dropped.
3. Whatever is not in the provider's form raises BrokenAnswer; no guess fills a gap.
4. What was read before something went wrong goes out before the error does.

`http.HttpPath` is the transport that they all share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from yarl import URL

from appliance.paths.contract import Chunk, FinishReason, Job, PathError, Usage
from appliance.paths.sse import EventParser
from appliance.records.card import Endpoint
from appliance.records.value import value

# What reading an answer raises where it is not in the form that is expected: no JSON, another type, a name that is not
# there, a number that is too large. `BrokenAnswer` is one of them.
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError)


class BrokenAnswer(ValueError):
    """The provider's answer is not in its form."""


class ErrorEvent(Exception):
    """The provider sent an error where an answer was due; `raw` is its body."""

    def __init__(self, raw: bytes) -> None:
        super().__init__("the provider sent an error")
        self.raw = raw


@value(slots=True)
class Call:
    """One POST. `headers` are those of this call alone, beside the session's."""

    url: URL
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Reading(Protocol):
    """What has been read of one answer.

    `stops` are the stop strings that ended choices, by choice, where the provider tells.
    `usage` is None until the provider states it, and may grow. `ended` is set once nothing more is to be read;
    `failed` is what went wrong behind the chunks that `feed` returned, to be raised once they are out.
    """

    usage: Usage | None
    ended: bool
    failed: Exception | None
    stops: dict[int, str]

    @property
    def complete(self) -> bool:
        """Whether every choice said why it ended."""
        ...

    @property
    def partial(self) -> bool:
        """Whether a piece of the answer has begun to come that is not whole."""
        ...

    def head(self, headers: Mapping[str, str]) -> None:
        """What the answer's head says, before anything of it is read."""
        ...

    def feed(self, block: bytes) -> list[Chunk]:
        """The chunks that a block of a stream completes. Raises BrokenAnswer, ErrorEvent or EventTooLarge."""
        ...

    def whole(self, raw: bytes) -> list[Chunk]:
        """The chunks of an answer that came in one piece. Raises as `feed`."""
        ...

    def end(self) -> None:
        """The stream has no more bytes. Raises BrokenAnswer where the answer is not whole."""
        ...

    def reasons(self) -> tuple[FinishReason, ...]:
        """One finish reason per choice. Raises BrokenAnswer if one is missing."""
        ...


class Dialect(Protocol):
    """How one provider is spoken to."""

    kinds: frozenset[str]  # of jobs that can be said in it
    stream_type: str  # the media type of a streamed answer
    signs: bool  # whether each call is authorized by itself, instead of by a header of the session

    def headers(self, endpoint: Endpoint, key: str) -> dict[str, str]:
        """What goes with every request. `key` is '' where the card refers to none."""
        ...

    def call(self, job: Job, endpoint: Endpoint, streaming: bool) -> Call:
        """The request for `job`. Raises PathError; a TypeError, ValueError, KeyError or AttributeError stands for a job
        that is in no form, and becomes one.
        """
        ...

    def reading(self, job: Job) -> Reading: ...

    def error(self, status: int, headers: Mapping[str, str], raw: bytes, hidden: str) -> PathError:
        """The PathError for what a provider says. `status` 200: it came inside of an answer that had begun.

        Nothing that contains `hidden` (the key) may be shown.
        """
        ...

    def authorize(self, call: Call, secret: str, now: float) -> Mapping[str, str]:
        """The headers that authorize this call, where `signs`. `now` in Unix seconds."""
        ...


class EventReading:
    """A `Reading` of server-sent events: a dialect says what one event holds."""

    __slots__ = ("_parse", "_parser", "ended", "failed", "finished", "stops", "usage", "wanted")

    def __init__(self, wanted: int = 1) -> None:
        self._parser = EventParser()
        self._parse = self._parser.feed
        self.wanted = wanted
        self.usage: Usage | None = None
        self.finished: dict[int, FinishReason] = {}
        self.stops: dict[int, str] = {}
        self.ended = False
        self.failed: Exception | None = None

    def head(self, headers: Mapping[str, str]) -> None:
        """Nothing that matters."""

    @property
    def complete(self) -> bool:
        return len(self.finished) >= self.wanted

    @property
    def partial(self) -> bool:
        return self._parser.partial

    def feed(self, block: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for name, data in self._parse(block):
                self.event(name, data, chunks)
                if self.ended:
                    break
        except (BrokenAnswer, ErrorEvent) as error:
            if not chunks:
                raise
            self.failed = error
        return chunks

    def event(self, name: bytes, data: bytes, chunks: list[Chunk]) -> None:
        """Add the chunks of one event."""
        raise NotImplementedError

    def end(self) -> None:
        if not (self.complete and self.usage is not None):
            raise BrokenAnswer("the stream ended before the answer did")

    def reasons(self) -> tuple[FinishReason, ...]:
        try:
            return tuple([self.finished[index] for index in range(self.wanted)])
        except KeyError:
            raise BrokenAnswer("a choice has no finish reason") from None


def unsupported(what: str, param: str) -> PathError:
    """What cannot be said in a dialect."""
    return PathError("unsupported", f"The provider takes no {what}.", param=param)

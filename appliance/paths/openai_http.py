"""The path to any server that speaks OpenAI's HTTP dialect: OpenAI, Azure, vLLM, TGI, llama-server.

Rules kept here:
1. One job is one HTTP request, through a session that Egress made; redirects are not followed.
2. Four clocks: connecting, the first byte, the gap between bytes (the card's), and the job's deadline over
   all.
3. The key is resolved at `start`, lives in the session's headers, and is in no error, log or repr.
4. After repeated failures to connect the path rests, and one job at a time tries whether the server is back.

When the provider states no usage, Done carries `Usage()`, all zero: the caller counts, `usage_missing` says
how often. It does not retry, fall back or count money.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from appliance.egress import Egress, EgressRefused
from appliance.errors import AuditUnavailable
from appliance.outbound import Answer, Session
from appliance.paths.clock import Clock
from appliance.paths.contract import Chunk, Done, Job, PathError, Readiness, Usage
from appliance.paths.openai_errors import error_event, error_of
from appliance.paths.openai_wire import (
    BrokenAnswer,
    ErrorEvent,
    Reading,
    build_body,
    read_embeddings,
)
from appliance.paths.sse import EventParser, EventTooLarge
from appliance.records.card import Endpoint, ModelCard

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_SECRET_BYTES = 16 * 1024
DRAIN_S = 0.02  # how long a finished stream may take to close, so that its connection is kept
FAILURES_TO_OPEN = 5
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0

_ADDRESS = {"chat": "chat/completions", "completion": "completions", "embedding": "embeddings"}
_NEWER_AZURE = "2024-09-01"  # api_version from which Azure knows max_completion_tokens


def resolve_secret(reference: str) -> str:
    """The value behind 'env:NAME' or 'file:/path', without surrounding blanks. May block; raises PathError
    'auth'.
    """
    scheme, _, name = reference.partition(":")
    value = ""
    if scheme == "env":
        value = os.environ.get(name, "")
    elif scheme == "file":
        try:
            with Path(name).open("rb") as file:
                value = file.read(MAX_SECRET_BYTES).decode("utf-8")
        except (OSError, ValueError):
            value = ""
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable():
        raise PathError("auth", f"The key that the card refers to ({scheme}:...) is missing or unusable on this host.")
    return value


class Breaker:
    """Rests after FAILURES_TO_OPEN consecutive failures to connect: 5 s, doubling to 60 s, then one probe."""

    __slots__ = ("_clock", "_failures", "_pause", "_probing", "_until")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_PAUSE_S
        self._probing = False
        self._until = 0.0

    def wait_s(self) -> float:
        """Seconds until a job may pass: 0 when one may now."""
        if self._failures < FAILURES_TO_OPEN:
            return 0.0
        left = self._until - self._clock()
        return left if left > 0 else 1.0 if self._probing else 0.0

    def enter(self) -> None:
        if self._failures >= FAILURES_TO_OPEN:
            self._probing = True

    def reached(self) -> None:
        if self._failures:
            self._failures = 0
            self._pause = FIRST_PAUSE_S
            self._probing = False

    def missed(self) -> None:
        self._failures += 1
        self._probing = False
        if self._failures >= FAILURES_TO_OPEN and self._until <= self._clock():
            self._until = self._clock() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE_S)

    def given_up(self) -> None:
        """The job ended before it was known whether the server can be reached."""
        self._probing = False


_SHUT = "This server may not be reached: egress.deny_all stands in weir.yaml, or no card names it."


class OpenAIHttpPath:
    """One model behind one OpenAI-compatible server, as its card's `endpoint` says.

    A `base_url` without a path gets `/v1`. `secrets` turns the card's key reference into the key. Raises ValueError
    for a card without an endpoint.
    """

    def __init__(
        self,
        card: ModelCard,
        egress: Egress,
        secrets: Callable[[str], str] = resolve_secret,
        *,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if card.endpoint is None:
            raise ValueError("a card of runtime openai_http has an endpoint")
        self._card = card
        self._endpoint = card.endpoint
        self._egress = egress
        self._secrets = secrets
        self._limit = max_response_bytes
        self._breaker = Breaker(clock)
        self._session: Session | None = None
        self._key = ""
        self._busy = 0
        self.usage_missing = 0
        self._max_key = _max_key(self._endpoint)
        self._urls = {kind: _address(self._endpoint, tail) for kind, tail in _ADDRESS.items()}
        takes = {"chat": "chat", "completion": "completion", "embedding": "embedding"}
        self._kinds = frozenset(kind for kind, modality in takes.items() if modality in card.modalities)

    @property
    def card(self) -> ModelCard:
        return self._card

    def __repr__(self) -> str:
        return f"OpenAIHttpPath({self._card.id!r})"

    async def start(self) -> None:
        """Resolve the key and make the session; connects to nothing. Raises PathError 'auth' or
        'unavailable'.
        """
        if self._session is not None:
            return
        endpoint = self._endpoint
        # The server's bodies are small and often local: unpacking them costs more than it saves.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "weir"}
        if endpoint.api_key_ref is not None:
            self._key = await asyncio.to_thread(self._secrets, endpoint.api_key_ref)
            name, value = (
                ("api-key", self._key) if endpoint.flavour == "azure" else ("Authorization", f"Bearer {self._key}")
            )
            headers[name] = value
        try:
            self._session = self._egress.session_for(
                endpoint.base_url,
                limit=endpoint.max_concurrent,
                connect_timeout_s=endpoint.connect_timeout_s,
                headers=headers,
            )
        except EgressRefused:
            raise PathError(
                "unavailable",
                _SHUT,
            ) from None

    async def stop(self) -> None:
        """Close the session; jobs still running end with an error."""
        session, self._session, self._key = self._session, None, ""
        if session is not None:
            await session.close()

    def ready(self) -> Readiness:
        busy, slots = self._busy, self._endpoint.max_concurrent
        if self._session is None or self._session.closed:
            return Readiness(False, "not started", busy, 0, slots)
        if self._breaker.wait_s():
            return Readiness(False, "resting after failures to connect", busy, 0, slots)
        return Readiness(True, "", busy, 0, slots)

    async def stream(self, job: Job) -> AsyncIterator[Chunk]:
        session = self._admit(job)
        self._busy += 1
        self._breaker.enter()
        response: Answer | aiohttp.ClientResponse | None = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        ends_at = now + job.deadline_s if job.deadline_s is not None else float("inf")
        gap = self._endpoint.gap_timeout_s
        clock = Clock(min(now + self._endpoint.first_byte_timeout_s, ends_at))
        try:
            streaming = job.stream and job.kind != "embedding" and self._card.capabilities.streaming
            body = self._body(job, streaming)
            raw = b""
            with clock:
                response = await session.post(self._urls[job.kind], body)
                self._breaker.reached()
                streaming = (
                    streaming
                    and response.status == 200
                    and response.headers.get("Content-Type", "").startswith("text/event-stream")
                )
                if not streaming:
                    raw = await self._whole(response, clock, ends_at)
            if not streaming:
                for chunk in self._read(job, raw):
                    yield chunk
                return
            content = response.content
            parser, reading = EventParser(), Reading(job)
            size = 0
            while not reading.ended:
                block = content.read_nowait(-1)
                if not block:
                    if size:  # the first piece has the first byte's time
                        clock.move(min(loop.time() + gap, ends_at))
                    with clock:
                        block = await content.readany()
                    if not block:
                        break
                size += len(block)
                if size > self._limit:
                    raise EventTooLarge
                for name, data in parser.feed(block):
                    for chunk in reading.event(name, data):
                        yield chunk
            if not reading.ended and not (reading.complete and reading.usage is not None):
                raise BrokenAnswer("the stream ended before the answer did")
            done = self._done(reading.usage, reading)
            if not content.at_eof():
                clock.move(loop.time() + DRAIN_S)
                await _drain(content, clock)
            yield done
        except (PathError, asyncio.CancelledError, GeneratorExit):
            raise
        except AuditUnavailable as error:
            raise PathError("audit", error.message) from None
        except ErrorEvent as error:
            raise error_event(error.found, hidden=self._key) from None
        except (BrokenAnswer, EventTooLarge):
            raise PathError("broken_stream", "The server's answer is malformed, cut short or too large.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._fault(error, begun=response is not None) from None
        finally:
            clock.stop()
            self._busy -= 1
            self._breaker.given_up()
            if response is not None:
                response.close()  # without effect once all was read: the connection is back in its pool

    def _admit(self, job: Job) -> Session:
        session = self._session
        if session is None or session.closed:
            raise PathError("unavailable", "The path is not started.")
        if job.kind not in self._kinds:
            raise PathError("unsupported", f"The path does not serve {job.kind}.", param="model")
        claims = self._card.capabilities
        if job.format.kind == "regex" and not claims.regex:
            raise PathError("unsupported", "The path does not constrain answers to a pattern.", param="response_format")
        if job.signals and not claims.signals:
            raise PathError("unsupported", "The path gives no token statistics.")
        wait = self._breaker.wait_s()
        if wait:
            raise PathError("unavailable", "The server could not be reached repeatedly.", retry_after_s=wait)
        if self._busy >= self._endpoint.max_concurrent:
            raise PathError("overloaded", "Every slot of the path is busy.")
        return session

    def _body(self, job: Job, streaming: bool) -> bytes:
        try:
            body = build_body(job, self._endpoint.model, max_key=self._max_key, streaming=streaming)
            if self._endpoint.cache_salt and job.kind != "embedding":
                body["cache_salt"] = job.tenant_salt
            return orjson.dumps(body)
        except (TypeError, ValueError):
            raise PathError("rejected", "The request holds a value that JSON cannot carry.") from None

    async def _whole(self, response: Answer | aiohttp.ClientResponse, clock: Clock, ends_at: float) -> bytes:
        """The body of an answer that is not streamed. Raises PathError for every status but 200."""
        content = response.content
        limit = self._limit if response.status == 200 else MAX_ERROR_BYTES
        blocks: list[bytes] = []
        size = 0
        loop = asyncio.get_running_loop()
        while True:
            if not content.is_eof():
                clock.move(min(loop.time() + self._endpoint.gap_timeout_s, ends_at))
            block = await content.readany()
            if not block:
                break
            blocks.append(block)
            size += len(block)
            if size > limit:
                if response.status == 200:
                    raise EventTooLarge
                break
            if content.at_eof():
                break
        raw = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        if response.status != 200:
            raise error_of(response.status, response.headers, raw[:MAX_ERROR_BYTES], hidden=self._key)
        return raw

    def _read(self, job: Job, raw: bytes) -> list[Chunk]:
        if job.kind == "embedding":
            vectors, usage = read_embeddings(raw, len(job.inputs))
            return [*vectors, self._done(usage)]
        reading = Reading(job)
        chunks = reading.whole(raw)
        chunks.append(self._done(reading.usage, reading))
        return chunks

    def _done(self, usage: Usage | None, reading: Reading | None = None) -> Done:
        if usage is None:
            self.usage_missing += 1
            usage = Usage()
        return Done(usage, reading.reasons()) if reading is not None else Done(usage)

    def _fault(self, error: Exception, *, begun: bool) -> PathError:
        """In our words: aiohttp's name addresses."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            self._breaker.missed()
            return PathError("timeout", "The server did not accept the connection in time.")
        if isinstance(error, aiohttp.ClientSSLError):  # before its base, whose os_error it lacks
            self._breaker.missed()
            return PathError("unavailable", "The server's certificate or TLS is not acceptable.")
        if isinstance(error, aiohttp.ClientConnectorError):
            if isinstance(error.os_error, EgressRefused):
                return PathError(
                    "unavailable",
                    _SHUT,
                )
            self._breaker.missed()
            return PathError("unavailable", "The server could not be reached.")
        if isinstance(error, TimeoutError):
            return PathError("timeout", "The server did not answer in time.")
        if begun:
            return PathError("broken_stream", "The server's answer broke off.")
        if isinstance(error, aiohttp.ClientResponseError):
            return PathError("broken_stream", "The server does not speak HTTP.")
        self._breaker.missed()
        return PathError("unavailable", "The server closed the connection before it answered.")


async def _drain(content: aiohttp.StreamReader, clock: Clock) -> None:
    try:
        with clock:
            while await content.readany():
                pass
    except (TimeoutError, aiohttp.ClientError):
        return  # the connection is closed instead of kept


def _address(endpoint: Endpoint, tail: str) -> URL:
    base = endpoint.base_url.rstrip("/")
    if endpoint.flavour == "azure":
        url = f"{base}/openai/deployments/{quote(endpoint.model, safe='')}/{tail}"
        return URL(f"{url}?api-version={quote(endpoint.api_version, safe='')}", encoded=True)
    if URL(base).path in ("", "/"):
        base += "/v1"
    return URL(f"{base}/{tail}", encoded=True)


def _max_key(endpoint: Endpoint) -> str:
    """OpenAI renamed the limit of a chat and its newer models refuse the old name; other servers know the old
    one.
    """
    newer = endpoint.flavour == "azure" and endpoint.api_version >= _NEWER_AZURE
    return "max_completion_tokens" if newer or URL(endpoint.base_url).host == "api.openai.com" else "max_tokens"

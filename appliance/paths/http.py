"""The path to any server that answers over HTTP: one transport for all, what differs is said by a `Dialect`.

Rules kept here:
1. One job is one HTTP request, through a session that Egress made; redirects are not followed.
2. Four clocks: connecting, the first token, the gap (the card's), and the job's deadline over all. The first token's
   begins when the job is sent, and nothing but a token moves it: a role, a comment or a ping is none. Later any byte
   moves the gap's, because a server that pings is alive; but without a token it may go on no longer than for its first.
   Of an answer in one piece the first byte that is no blank counts as its first token; from there it is given BODY_S.
   What stands behind another status than 200 is given ERROR_BODY_S in all.
3. A job whose key was refused, and is another by now (`keyed`), may be tried again at once.
4. A stream that nobody wants any more, or that came to nothing, is hung up by half: the server learns of it at once,
   and what it had sent by then is read for a moment, and counted by the job's meter.
5. An answer that came to its end and has nothing in it is a fault, and its meter has none of an answer's tokens.

When the provider states no usage, Done carries `Usage()`, all zero: the caller counts, `usage_missing` says
how often. It does not retry, fall back or count money.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import aiohttp

from appliance.egress import Egress, EgressRefused
from appliance.errors import AuditUnavailable
from appliance.outbound import Answer, rest_of
from appliance.paths.clock import Clock
from appliance.paths.contract import Chunk, Done, Job, Meter, PathError, Readiness, Reasoning, Text, Usage
from appliance.paths.dialect import BrokenAnswer, Call, Dialect, ErrorEvent, Reading
from appliance.paths.keyed import SHUT, Access, Keyed, Tokens
from appliance.paths.said import check_priced
from appliance.paths.secrets import resolve_secret
from appliance.paths.sse import EventTooLarge
from appliance.records.card import ModelCard

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
BODY_S = 60.0  # from the first byte of an answer in one piece to its last
ERROR_BODY_S = 3.0
DRAIN_S = 0.02  # how long a finished stream may take to close, so that its connection is kept
HANG_UP_S = 0.08  # how long a stream that was hung up is read
LATE_HANG_UP_S = 0.03  # where the caller's deadline has passed
HANG_UP_BYTES = 256 * 1024
# With these a server says that it did nothing: what it refuses, and what it has no room for.
_NO_WORK = frozenset({400, 401, 403, 404, 405, 413, 415, 422, 429, 503, 529})


class HttpPath(Keyed):
    """One model behind one server, as its card's `endpoint` says, spoken to in `dialect`.

    `secrets` turns the key's reference on this host into the key; `wall` is the signer's time, in Unix seconds;
    `tokens` makes of the key what signs in its place; `names` and `member` as in `Keyed`. Raises ValueError for a card
    without an endpoint.
    """

    def __init__(
        self,
        card: ModelCard,
        egress: Egress,
        dialect: Dialect,
        secrets: Callable[[str], str] = resolve_secret,
        *,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        wall: Callable[[], float] = time.time,
        tokens: Callable[[Egress, str], Tokens] | None = None,
        names: Mapping[str, str] = MappingProxyType({}),
        member: str = "",
    ) -> None:
        super().__init__(card, egress, dialect, secrets, tokens, names, member)
        self._card = card
        self._limit = max_response_bytes
        self._wall = wall
        self._busy = 0
        self.usage_missing = 0
        self._kinds = dialect.kinds & frozenset(card.modalities)

    @property
    def card(self) -> ModelCard:
        return self._card

    def __repr__(self) -> str:
        return f"HttpPath({self._card.id!r})"

    def ready(self) -> Readiness:
        busy, slots = self._busy, self._endpoint.max_concurrent
        if self._access is None or self._access.session.closed:
            return Readiness(False, self._trouble or "not started", busy, 0, slots)
        return Readiness(True, "", busy, 0, slots, self._trouble)

    async def stream(self, job: Job) -> AsyncIterator[Chunk]:
        access = self._admit(job)
        self._busy += 1
        access.calls += 1
        response: Answer | aiohttp.ClientResponse | None = None
        loop = asyncio.get_running_loop()
        began = loop.time()
        ends_at = began + job.deadline_s if job.deadline_s is not None else float("inf")
        gap, patience = self._endpoint.gap_timeout_s, self._endpoint.first_byte_timeout_s
        clock = Clock(min(began + self._endpoint.connect_timeout_s + patience, ends_at))
        meter, reading, listening = job.meter, self._dialect.reading(job), False
        meter.sent = False
        secret, writing = "", False  # it is waited for this host's disk

        def written() -> None:
            nonlocal writing
            writing = False
            clock.move(min(loop.time() + self._endpoint.connect_timeout_s + patience, ends_at))

        def sending() -> None:
            meter.sent = True
            clock.move(min(loop.time() + patience, ends_at))

        try:
            dialect = self._dialect
            streaming = job.stream and job.kind != "embedding" and self._card.capabilities.streaming
            call = self._call(job, streaming)
            headers, raw = call.headers, b""
            with clock:
                if dialect.signs:
                    secret = access.key if access.tokens is None else await access.tokens.current(self._wall())
                    headers = {**headers, **dialect.authorize(call, secret, self._wall())}
                writing = True
                response = await access.session.post(call.url, call.body, headers, sending, written)
                if response.status == 200 and response.headers.get("Content-Encoding", "identity") != "identity":
                    raise BrokenAnswer("packed, though it was asked not to be")
                reading.head(response.headers)
                streaming = (
                    streaming
                    and response.status == 200
                    and response.headers.get("Content-Type", "").startswith(dialect.stream_type)
                )
                if not streaming:
                    raw = await self._whole(response, clock, ends_at, access.key)
                    if not raw or raw.isspace():
                        raise _nothing(meter, response.status)
            if not streaming:
                for chunk in _read_whole(reading, raw, meter):
                    yield chunk
                yield self._done(reading, access, began)
                return
            listening = True
            content = response.content
            size, heard, fresh = 0, 0.0, False  # when a token came last, and whether one came since
            while not reading.ended:
                block = content.read_nowait(-1)
                if not block:
                    if fresh or heard:
                        now = loop.time()
                        heard, fresh = now if fresh else heard, False
                        clock.move(min(now + gap, heard + max(gap, patience), ends_at))
                    with clock:
                        block = await content.readany()
                    if not block:
                        break
                size += len(block)
                if size > self._limit:
                    raise EventTooLarge
                for chunk in _read(reading, block, meter):
                    fresh = True
                    yield chunk
                if reading.failed is not None:
                    raise reading.failed
            if not reading.ended:
                if not size:
                    raise _nothing(meter, 200)
                reading.end()
            done = self._done(reading, access, began)
            if not content.at_eof():
                clock.move(loop.time() + DRAIN_S)
                await _drain(content, clock)
            yield done
        except PathError as error:
            if error.fault == "auth":
                if access.tokens is not None:
                    access.tokens.refused(secret)
                if not (error.sent and meter.sent) and await self._replaced(access):  # the server is not to blame
                    raise PathError("overloaded", "The key was refused, and is another by now.", sent=False) from None
                self._note_refused(access, error.message)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except AuditUnavailable as error:
            raise PathError("audit", error.message) from None
        except ErrorEvent as error:
            told = self._dialect.error(200, {}, error.raw, access.key)
            if told.fault == "auth":  # no other key is tried: what came before it may have gone out
                if access.tokens is not None:
                    access.tokens.refused(secret)
                self._note_refused(access, told.message)
            raise told from None
        except (BrokenAnswer, EventTooLarge):
            raise PathError("broken_stream", "The server's answer is malformed, cut short or too large.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if writing and isinstance(error, TimeoutError) and loop.time() < ends_at:  # the server is not to blame
                raise PathError("audit", "It was not written down in time, so it did not leave.", sent=False) from None
            if listening and response is not None and (block := rest_of(response.content)):
                with suppress(PathError, BrokenAnswer, ErrorEvent, EventTooLarge):
                    for chunk in _read(reading, block, meter):  # it had come before the connection broke
                        yield chunk
            error.__traceback__ = None  # the body keeps its error, which would know this frame, which knows the body
            raise self._fault(error, begun=response is not None, sent=meter.sent) from None
        finally:
            clock.stop()
            self._busy -= 1
            try:
                if response is not None and listening and not reading.ended:
                    if isinstance(response, Answer) and response.content.exception() is None:
                        within_s = LATE_HANG_UP_S if loop.time() >= ends_at else HANG_UP_S
                        await _to_its_end(_hang_up(response, reading, meter, within_s))
                    meter.cut = reading.partial
            finally:
                if response is not None:
                    response.close()  # without effect once all was read: the connection is back in its pool
                access.calls -= 1
                if access is not self._access:
                    await self._let_go(access)

    def _admit(self, job: Job) -> Access:
        access = self._access
        if access is None or access.session.closed:
            raise PathError("unavailable", self._trouble or "The path is not started.", sent=False)
        if job.kind not in self._kinds:
            raise PathError("unsupported", f"The path does not serve {job.kind}.", param="model")
        check_priced(job, self._card.price)
        claims = self._card.capabilities
        if job.format.kind == "regex" and not claims.regex:
            raise PathError("unsupported", "The path does not constrain answers to a pattern.", param="response_format")
        if job.signals and not claims.signals:
            raise PathError("unsupported", "The path gives no token statistics.")
        if self._busy >= self._endpoint.max_concurrent:
            raise PathError("overloaded", "Every slot of the path is busy.", sent=False)
        return access

    def _call(self, job: Job, streaming: bool) -> Call:
        try:
            return self._dialect.call(job, self._endpoint, streaming)
        except (TypeError, ValueError, KeyError, AttributeError):
            raise PathError("rejected", "The request holds a value that JSON cannot carry.") from None

    async def _whole(
        self, response: Answer | aiohttp.ClientResponse, clock: Clock, ends_at: float, hidden: str
    ) -> bytes:
        """The body of an answer that is not streamed. Raises PathError for every status but 200, and but for one that
        says of an empty body that all went well; what is `hidden` is in none.
        """
        content = response.content
        limit = self._limit if response.status == 200 else MAX_ERROR_BYTES
        blocks: list[bytes] = []
        size = 0
        loop = asyncio.get_running_loop()
        begun = response.status != 200
        if begun:
            ends_at = min(loop.time() + ERROR_BODY_S, ends_at)
        while True:
            if begun and not content.is_eof():
                clock.move(min(loop.time() + self._endpoint.gap_timeout_s, ends_at))
            block = await content.readany()
            if not block:
                break
            if not begun and not block.isspace():
                begun, ends_at = True, min(loop.time() + BODY_S, ends_at)
            blocks.append(block)
            size += len(block)
            if size > limit:
                if response.status == 200:
                    raise EventTooLarge
                break
            if content.at_eof():
                break
        raw = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        if response.status >= 300 or (response.status != 200 and raw):
            error = self._dialect.error(response.status, response.headers, raw[:MAX_ERROR_BYTES], hidden)
            error.sent = response.status not in _NO_WORK
            raise error
        return raw

    def _done(self, reading: Reading, access: Access, began: float) -> Done:
        if access.refused:
            self._note_accepted(access, began)
        usage = reading.usage
        if usage is None:
            self.usage_missing += 1
            usage = Usage()
        reasons = reading.reasons()
        stops = reading.stops
        return Done(usage, reasons, "", tuple([stops.get(at, "") for at in range(len(reasons))]) if stops else ())

    def _fault(self, error: Exception, *, begun: bool, sent: bool) -> PathError:
        """In our words: aiohttp's name addresses."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return PathError("timeout", "The server did not accept the connection in time.", sent=False)
        if isinstance(error, aiohttp.ClientSSLError):  # before its base, whose os_error it lacks
            return PathError("unavailable", "The server's certificate or TLS is not acceptable.", sent=False)
        if isinstance(error, aiohttp.ClientConnectorError):
            shut = isinstance(error.os_error, EgressRefused)
            return PathError("unavailable", SHUT if shut else "The server could not be reached.", sent=False)
        if isinstance(error, TimeoutError):
            said = "answer in time" if sent else "let itself be asked in time"
            return PathError("timeout", f"The server did not {said}.", sent=sent)
        if begun:
            return PathError("broken_stream", "The server's answer broke off.")
        if isinstance(error, aiohttp.ClientResponseError):
            return PathError("broken_stream", "The server does not speak HTTP.")
        return PathError("unavailable", "The server closed the connection before it answered.")


def _read(reading: Reading, block: bytes, meter: Meter) -> list[Chunk]:
    """The chunks of a block, with what they tell of usage on the meter. Raises as `Reading.feed`."""
    known = meter.stated
    try:
        chunks = reading.feed(block)
    finally:
        _take(reading, meter)
    if chunks and meter.stated is known:
        meter.exact = False
    for chunk in chunks:
        meter.text_tokens += chunk.tokens if isinstance(chunk, Text | Reasoning) else 1
    return chunks


def _read_whole(reading: Reading, raw: bytes, meter: Meter) -> list[Chunk]:
    """The same of an answer in one piece."""
    try:
        return reading.whole(raw)
    finally:
        _take(reading, meter)


def _nothing(meter: Meter, status: int) -> PathError:
    """An answer came to its end with nothing in it: the provider may have read the prompt, and said no more."""
    meter.stated = Usage()
    return PathError("broken_stream", f"The server's answer is empty. (HTTP {status})")


def _take(reading: Reading, meter: Meter) -> None:
    """What the provider stated of usage, also where it stated it together with its failure."""
    if reading.usage is not meter.stated:
        meter.stated, meter.exact = reading.usage, True


async def _hang_up(answer: Answer, reading: Reading, meter: Meter, within_s: float) -> None:
    """Let the server know that it may stop, and count what it sent before it did."""
    content, size, ended = answer.content, 0, False
    try:
        if answer.hang_up():
            with suppress(TimeoutError, PathError, BrokenAnswer, ErrorEvent, EventTooLarge):
                async with asyncio.timeout(within_s):
                    while size < HANG_UP_BYTES and not ended:
                        try:
                            block = await content.readany()
                        except (aiohttp.ClientError, OSError) as error:  # it closed the connection, as it should
                            error.__traceback__ = None  # as above
                            block, ended = rest_of(content), True
                        size += len(block)
                        _read(reading, block, meter)
                        ended = ended or not block or reading.ended
    finally:  # also where the loop ends meanwhile
        meter.exact = meter.exact and ended


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do it all. Whoever waits may be cancelled meanwhile, as by a client that goes away and so breaks off the writing
    first and its request's task a moment later: he is once it is done.
    """
    task, cancelled = asyncio.create_task(work), False
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def _drain(content: aiohttp.StreamReader, clock: Clock) -> None:
    try:
        with clock:
            while await content.readany():
                pass
    except (TimeoutError, aiohttp.ClientError):
        return  # the connection is closed instead of kept

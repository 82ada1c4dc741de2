"""AWS Bedrock as a dialect: where a Converse is posted, how it is signed, and how its event stream is framed.

Rules kept here:
1. A key that is a JSON object holds AWS credentials (`access_key_id`, `secret_access_key`, and `session_token` where
   they are temporary; the names of AWS's own `credential_process` are understood too), and each call is signed with
   them (SigV4, by botocore). Any other key is a Bedrock API key and goes as a bearer token.
2. A frame is refused by its first twelve bytes, before any more of it is kept: a wrong checksum, a length beyond
   `MAX_FRAME_BYTES`, headers longer than the frame.
3. A prompt is kept for later where its caller marked it and the card has a price for what is read from the cache:
   models that keep none refuse the mark.
4. botocore is imported where such a card exists, and of it only what signs and what reads a frame.

What is said and read is `bedrock_wire`'s, what failed `bedrock_errors`'s.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson
from yarl import URL

from appliance.paths.anthropic_own import check_kept
from appliance.paths.bedrock_errors import fault_of
from appliance.paths.bedrock_wire import ConverseReading, build_body
from appliance.paths.contract import Chunk, FinishReason, Job, PathError
from appliance.paths.dialect import BrokenAnswer, Call, Reading
from appliance.paths.openai_errors import error_of, retry_after
from appliance.records.card import Endpoint, ModelCard

SERVICE = "bedrock"
MAX_FRAME_BYTES = 8 * 1024 * 1024
_PRELUDE = 12  # total length, length of the headers, CRC-32 of these two
_AROUND = 16  # prelude and the CRC-32 of the whole


class BedrockDialect:
    """Converse and ConverseStream, for `card`'s model. Raises ValueError where its endpoint states no region."""

    kinds = frozenset(("chat",))
    stream_type = "application/vnd.amazon.eventstream"
    signs = True

    def __init__(self, card: ModelCard) -> None:
        if card.endpoint is None or not card.endpoint.region:
            raise ValueError("a card of runtime bedrock_http has an endpoint that states its region")
        self._region = card.endpoint.region
        self._words, self._price = card.capabilities.reasoning, card.price
        _frame_reader()  # imports botocore now, not within a request

    def headers(self, endpoint: Endpoint, key: str) -> dict[str, str]:  # noqa: ARG002 - the protocol's
        return {}

    def call(self, job: Job, endpoint: Endpoint, streaming: bool) -> Call:
        price = self._price
        keeps = price.cached_input_per_million is not None and price.cache_write_per_million is not None
        if keeps:
            check_kept(job, self._price)
        body = build_body(job, self._words, keeps=keeps)
        return Call(_address(endpoint.base_url, endpoint.model, streaming), orjson.dumps(body))

    def reading(self, job: Job) -> Reading:
        return BedrockReading(job.sampling.stop, job.tools)

    def error(self, status: int, headers: Mapping[str, str], raw: bytes, hidden: str) -> PathError:
        try:
            found = orjson.loads(raw) if raw else {}
        except ValueError:
            found = {}
        found = found if isinstance(found, dict) else {}
        kind = str(headers.get("x-amzn-ErrorType") or found.get("__type") or found.get("code") or "")
        prose = str(found.get("message") or found.get("Message") or "")
        error = fault_of(kind, prose, f"HTTP {status}")
        if error is None:
            return error_of(status, headers, b"", hidden=hidden)
        error.retry_after_s = retry_after(headers)
        return error

    def authorize(self, call: Call, secret: str, now: float) -> Mapping[str, str]:
        """Rule 1. Raises PathError 'auth' for a JSON object that holds no credentials."""
        if not secret.startswith("{"):
            return {"Authorization": f"Bearer {secret}"}
        return sign(call, credentials_of(secret), self._region, now)


@lru_cache(maxsize=64)
def _address(base_url: str, model: str, streaming: bool) -> URL:
    tail = "converse-stream" if streaming else "converse"
    return URL(f"{base_url.rstrip('/')}/model/{quote(model, safe='-._~')}/{tail}", encoded=True)


@dataclass(frozen=True, slots=True)
class Credentials:
    """As botocore's signer reads them."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)


def credentials_of(secret: str) -> Credentials:
    """Raises PathError 'auth'."""
    try:
        found = orjson.loads(secret)
        access = found.get("access_key_id") or found["AccessKeyId"]
        key = found.get("secret_access_key") or found["SecretAccessKey"]
        token = found.get("session_token") or found.get("SessionToken")
        if not all(isinstance(value, str) for value in (access, key, token or "")):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PathError("auth", "What the card refers to holds no AWS credentials.") from None
    return Credentials(access, key, token)


def sign(call: Call, credentials: Credentials, region: str, now: float) -> dict[str, str]:
    """The headers that sign this POST: AWS Signature Version 4. `now` in Unix seconds."""
    from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
    from botocore.awsrequest import AWSRequest

    stamp = datetime.fromtimestamp(now, UTC).strftime(SIGV4_TIMESTAMP)
    headers = {"X-Amz-Date": stamp}
    if credentials.token:
        headers["X-Amz-Security-Token"] = credentials.token
    request = AWSRequest(method="POST", url=str(call.url), data=call.body, headers=headers)
    request.context["timestamp"] = stamp
    signer = SigV4Auth(credentials, SERVICE, region)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    scope = signer.scope(request)
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={signature}"
    return headers


@lru_cache(maxsize=1)
def _frame_reader() -> tuple[Any, type[Exception]]:
    from botocore.eventstream import EventStreamBuffer, ParserError

    return EventStreamBuffer, ParserError


class Frames:
    """Feed it bytes, take frames: headers by name, and the payload. Raises BrokenAnswer."""

    __slots__ = ("_held", "_size", "_wanted")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._wanted = _PRELUDE  # bytes until there is something to look at

    def feed(self, block: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        self._held.append(block)
        self._size += len(block)
        if self._size < self._wanted:
            return
        raw = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        at = 0
        while (left := len(raw) - at) >= _PRELUDE:
            total = _total(raw, at)
            if left < total:
                self._wanted = total
                break
            yield _frame(raw[at : at + total])
            at += total
        else:
            self._wanted = _PRELUDE
        self._held = [raw[at:]]
        self._size = len(raw) - at

    @property
    def empty(self) -> bool:
        """Whether no frame is begun."""
        return not self._size


def _total(raw: bytes, at: int) -> int:
    """The length of the frame that begins here: rule 2."""
    total = int.from_bytes(raw[at : at + 4], "big")
    headers = int.from_bytes(raw[at + 4 : at + 8], "big")
    if crc32(raw[at : at + 8]) != int.from_bytes(raw[at + 8 : at + 12], "big"):
        raise BrokenAnswer("the lengths of a frame do not match their checksum")
    if not _AROUND + headers <= total <= MAX_FRAME_BYTES:
        raise BrokenAnswer("a frame is too large")
    return total


def _frame(raw: bytes) -> tuple[dict[str, Any], bytes]:
    buffer, parser_error = _frame_reader()
    reader = buffer()
    reader.add_data(raw)
    try:
        message = reader.next()
        return message.headers, message.payload
    except (parser_error, StopIteration, ValueError, IndexError, KeyError, LookupError):
        raise BrokenAnswer("a frame is malformed") from None


class BedrockReading(ConverseReading):
    """What has been read of one Converse, as `dialect.Reading` has it."""

    __slots__ = ("_frames", "ended", "failed")

    def __init__(self, stop_strings: tuple[str, ...] = (), tools: tuple[dict[str, Any], ...] = ()) -> None:
        super().__init__(stop_strings, tools)
        self._frames = Frames()
        self.ended = False
        self.failed: Exception | None = None

    def head(self, headers: Mapping[str, str]) -> None:
        """Nothing that matters."""

    @property
    def complete(self) -> bool:
        return self.finish is not None

    @property
    def partial(self) -> bool:
        return not self._frames.empty

    def feed(self, block: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for headers, payload in self._frames.feed(block):
                kind = headers.get(":message-type")
                if kind != "event":
                    raise _exception(kind, headers, payload)
                self.event(str(headers.get(":event-type")), payload, chunks)
                if self.complete and self.usage is not None:
                    self.ended = True
                    break
        except (BrokenAnswer, PathError) as error:
            if not chunks:
                raise
            self.failed = error
        return chunks

    def end(self) -> None:
        if not (self.complete and self.usage is not None and self._frames.empty):
            raise BrokenAnswer("the stream ended before the answer did")

    def reasons(self) -> tuple[FinishReason, ...]:
        if self.finish is None:
            raise BrokenAnswer("the answer has no stop reason")
        return (self.finish,)


def _exception(kind: object, headers: Mapping[str, Any], payload: bytes) -> Exception:
    """What a frame that is no event stands for: an exception of the service, or an error of the stream itself."""
    if kind == "exception":
        name = str(headers.get(":exception-type", ""))
    elif kind == "error":
        name = str(headers.get(":error-code", ""))
    else:
        return BrokenAnswer("a frame is neither event nor exception")
    error = fault_of(name, payload[:2000].decode("utf-8", "replace"), "inside the stream")
    return error or PathError("unavailable", "The server failed. (inside the stream)")

"""A bundle's tree on a static web server inside the house: one more source, and one that is asked again where it fails.

Rules kept here (numbers of bundles/FORMAT.md):
1. Every request goes through the door (`egress`) to the one address that the operator configured, and is in the audit
   before its first byte. Nothing but GET without a body; no cookies, no proxy, no redirect, not even to the same host
   (M1, M2).
2. A file's length is known before anything of it is read, and nothing is read beyond it (L10, M3).
3. What fails in between (a reset, a stall, a cut or wrong answer, a file that is gone of a sudden) is asked for again
   from the byte that was reached, a bounded number of times, with growing pauses (M4).
4. A stall is when a step of `_STEP` bytes, or what is left, does not arrive within `stall_s`: dripping is a stall too.
5. Nothing that arrives is believed: whoever reads it checks digests and signatures.

A source blocks, and so does this one: its event loop runs within each call, in the thread that calls.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from aiohttp import ClientResponse, hdrs
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from appliance.bundle.media import Stream
from appliance.bundle.refusal import BundleRefused
from appliance.egress import Destination, Egress, EgressRefused
from appliance.outbound import Ledger, Session, is_loopback
from appliance.records.card import Place
from appliance.records.departure import Departure, departing

T = TypeVar("T")
_STEP = 1 << 16  # bytes
_PATH = re.compile(r"[A-Za-z0-9_%][A-Za-z0-9._~+%-]*(/[A-Za-z0-9_%][A-Za-z0-9._~+%-]*)*")
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
_EMPTY = "bytes */0"
_STRONG = re.compile(r'"[!#-~]{1,200}"')  # an ETag that may be sent back
_MISSING = (403, 404)  # servers that must not list what they have say 403 of what they have not
_PASSING = (408, 425, 429)  # and all from 500 on
_HEADERS: Mapping[str, str] = {hdrs.ACCEPT: "*/*", hdrs.ACCEPT_ENCODING: "identity", hdrs.USER_AGENT: "weir"}
# Inside the house is all that is stated of a mirror's place.
_DEPARTURE = Departure("sync", "", "", "", "mirror", "site", Place(), ("bundles.mirror",), "")


@dataclass(frozen=True)
class Patience:
    """How long a mirror is waited for, in seconds: for the next bytes, and before a file is asked for again."""

    connect_s: float = 10.0
    stall_s: float = 60.0
    pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class _Stated:
    """What the mirror says of a file: its length in bytes, and a strong ETag, '' where it gives none."""

    size: int
    tag: str


@dataclass
class _Answer:
    """An answer of which the head was read; `over` bytes of its body come before what was asked for."""

    response: ClientResponse
    stated: _Stated
    over: int


class _Fault(Exception):
    """The mirror failed in a way that may pass."""


class _Tries:
    """How often one file may still be asked for again."""

    def __init__(self, path: str, patience: Patience) -> None:
        self._path = path
        self._left = list(patience.pauses_s)
        self._asked = 1 + len(self._left)

    @property
    def over(self) -> bool:
        return not self._left

    async def pause(self, fault: _Fault) -> None:
        """Wait before the next try. Raises BundleRefused where there is none."""
        if not self._left:
            raise BundleRefused("mirror_failed", f"{self._path}: {fault}; it was asked for {self._asked} times.")
        await asyncio.sleep(self._left.pop(0))


class Mirror:
    """The tree at a base URL, to be closed.

    Raises EgressRefused where `deny_all` stands and the URL is not of this host, ValueError where it is none. Every
    call may raise BundleRefused, and AuditUnavailable where what would leave cannot be written down. For one thread at
    a time, which runs no event loop.
    """

    def __init__(
        self, base_url: str, ledger: Ledger, *, deny_all: bool = False, patience: Patience = Patience()
    ) -> None:
        self.label = base_url.rstrip("/")
        destination = Destination.parse(base_url)
        if deny_all and not is_loopback(destination.host):
            raise EgressRefused(
                f"The mirror {destination} is not on this host, and egress.deny_all stands.",
                next_step="Set 'egress: {deny_all: false}' in weir.yaml, or bring the bundle on a medium.",
            )
        self._egress = Egress(frozenset({destination}), ledger)
        self._patience = patience
        self._runner = asyncio.Runner()
        self._session: Session | None = None
        self._seen: dict[str, _Stated] = {}
        self._ranges = True  # until an answer to a range is wrong

    def close(self) -> None:
        self._run(self._egress.close())
        self._runner.close()

    def names(self, folder: str) -> frozenset[str] | None:  # noqa: ARG002  a static web server lists nothing
        return None

    def size(self, path: str) -> int | None:
        return self._run(self._size(path))

    @contextmanager
    def open(self, path: str, at: int = 0) -> Iterator[Stream | None]:
        tries = _Tries(path, self._patience)
        answer = self._run(self._asked(tries, path, at))
        if answer is None:
            yield None
            return
        body = _Body(self, path, at, answer, tries)
        try:
            yield body
        finally:
            self._run(body.end())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _size(self, path: str) -> int | None:
        """By asking for the first byte: a server that knows ranges then sends no more than that."""
        answer = await self._asked(_Tries(path, self._patience), path, 0, first_only=True)
        if answer is None:
            return None
        answer.response.release()
        return answer.stated.size

    async def _asked(self, tries: _Tries, path: str, at: int, *, first_only: bool = False) -> _Answer | None:
        """An answer from byte `at` on, however often that takes; None where there is no such file."""
        while True:
            try:
                return await self._ask(path, at, first_only=first_only)
            except _Fault as fault:
                await tries.pause(fault)

    async def _ask(self, path: str, at: int, *, first_only: bool = False) -> _Answer | None:
        """One request. Raises _Fault where another may do better."""
        if not _PATH.fullmatch(path):
            raise BundleRefused("not_a_plain_file", f"{path!r} is no name of a bundle's file.")
        if self._session is None:
            self._session = self._egress.session_for(
                self.label, limit=1, connect_timeout_s=self._patience.connect_s, headers=_HEADERS
            )
        headers: dict[str, str] = {}
        ranged = self._ranges and (at > 0 or first_only)
        if ranged:
            headers[hdrs.RANGE] = f"bytes={at}-{at if first_only else ''}"
            if path in self._seen and self._seen[path].tag:
                headers[hdrs.IF_RANGE] = self._seen[path].tag
        url = URL(f"{self.label}/{path}", encoded=True)
        with departing(_DEPARTURE), _faults():
            async with asyncio.timeout(self._patience.stall_s):
                response = await self._session.get(url, allow_redirects=False, headers=headers)
        try:
            answer = self._judged(response, path, at, ranged=ranged, first_only=first_only)
        except BaseException:
            response.close()
            raise
        if answer is None:
            response.close()
        return answer

    def _judged(
        self, response: ClientResponse, path: str, at: int, *, ranged: bool, first_only: bool
    ) -> _Answer | None:
        status, headers = response.status, response.headers
        if status in _MISSING:
            if path in self._seen:
                raise _Fault(f"it was there before, and now the answer is {status}")
            return None
        if 300 <= status < 400:
            raise BundleRefused("mirror_moved", f"{path}: the answer is {status}, a redirect.")
        if headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
            raise BundleRefused("mirror_wrong", f"{path}: the answer is compressed, which nobody asked for.")
        tag = headers.get(hdrs.ETAG, "")
        tag = tag if _STRONG.fullmatch(tag) else ""
        if status == 206 and ranged:
            return _Answer(response, self._stated(path, self._part(response, at, first_only=first_only), tag), 0)
        if status == 416 and first_only and headers.get(hdrs.CONTENT_RANGE) == _EMPTY:
            return _Answer(response, self._stated(path, 0, tag), 0)
        if status in (206, 416):
            self._ranges = False
            raise _Fault(f"the answer is {status}")
        if status in _PASSING or status >= 500:
            raise _Fault(f"the answer is {status}")
        if status != 200:
            raise BundleRefused("mirror_wrong", f"{path}: the answer is {status}.")
        if response.content_length is None:
            raise BundleRefused("mirror_wrong", f"{path}: the answer does not state its length.")
        return _Answer(response, self._stated(path, response.content_length, tag), at)

    def _part(self, response: ClientResponse, at: int, *, first_only: bool) -> int:
        """The length of the whole file, by an answer that must be the part that was asked for."""
        found = _RANGE.fullmatch(response.headers.get(hdrs.CONTENT_RANGE, ""))
        if found is not None:
            first, last, size = map(int, found.groups())
            wanted = (at, at if first_only else size - 1)
            if (first, last) == wanted and response.content_length == last - first + 1:
                return size
        self._ranges = False
        raise _Fault("another part than was asked for came")

    def _stated(self, path: str, size: int, tag: str) -> _Stated:
        """Rule 2: what is stated first holds."""
        seen = self._seen.setdefault(path, _Stated(size, tag))
        if seen.size != size or (seen.tag and tag and seen.tag != tag):
            raise _Fault(f"it has {size} bytes and had {seen.size}, or is another file now")
        return seen


class _Body:
    """A file's bytes from `at` on, to their end, however many answers that takes."""

    def __init__(self, mirror: Mirror, path: str, at: int, answer: _Answer, tries: _Tries) -> None:
        self.size = answer.stated.size
        self._mirror = mirror
        self._path = path
        self._at = at
        self._answer: _Answer | None = answer
        self._tries = tries
        self._last: _Fault | None = None

    def readinto(self, buffer: memoryview) -> int:
        return self._mirror._run(self._read(buffer))

    async def end(self) -> None:
        if self._answer is not None:
            self._answer.response.release()  # closes the connection where something of the body is left
            self._answer = None

    async def _read(self, buffer: memoryview) -> int:
        if self._last is not None:
            await self._tries.pause(self._last)
        begin, end = self._at, min(self._at + len(buffer), self.size)
        while self._at < end:
            try:
                if self._answer is None:
                    self._answer = await self._mirror._ask(self._path, self._at)
                await self._step(buffer, begin, end)
            except _Fault as fault:
                await self.end()
                if self._at > begin and self._tries.over:
                    self._last = fault  # what came before it is the caller's first
                    break
                await self._tries.pause(fault)
        return max(0, self._at - begin)

    async def _step(self, buffer: memoryview, begin: int, end: int) -> None:
        """At most `_STEP` bytes further, those included that are read over."""
        answer = self._answer
        if answer is None:
            raise _Fault("it was there before, and is gone")
        left = min(_STEP, answer.over + end - self._at)
        with _faults():
            async with asyncio.timeout(self._mirror._patience.stall_s):
                while left:
                    data = await answer.response.content.read(left)
                    if not data:
                        raise _Fault(f"it ended after {self._at} of {self.size} bytes")
                    left -= len(data)
                    passed = min(answer.over, len(data))
                    answer.over -= passed
                    data = data[passed:]
                    buffer[self._at - begin : self._at - begin + len(data)] = data
                    self._at += len(data)


@contextmanager
def _faults() -> Iterator[None]:
    """Whatever the network does, as a fault."""
    try:
        yield
    except EgressRefused:
        raise
    except TimeoutError:
        raise _Fault("nothing more came in time") from None
    except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
        raise _Fault(f"{type(error).__name__}: {error}"[:300]) from None

"""Bodies in: read up to the limit and within the time allowed, parsed, labelled, and remembered where they may be.

Rules kept here:
1. A body is read up to the limit and within the time allowed, no further; all that is on its way, or waits to be read,
   is bounded too.
2. A request that is none leaves a record all the same, unless nothing was asked to be answered.
3. Reading a body holds the loop for milliseconds at most; a long one is read on a thread, one after the other.
4. What is remembered of a body is for the wire it came on: the same bytes may mean something else on another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import structlog
from aiohttp import web

from appliance.cache.exact import cacheable
from appliance.errors import BadRequest, BodyTooLarge, NoCapacity, RateLimited, SlowClient, WeirError
from appliance.intake.labels import read_labels
from appliance.intake.limits import Limits
from appliance.intake.repeats import Repeats
from appliance.node import Node
from appliance.records.decision import Asked
from appliance.records.request import Kind, Labels, Request
from appliance.records.value import changed
from appliance.serve import Serving
from appliance.tenancy.accounts import Account
from appliance.tenancy.labels import tightened
from appliance.web.callers import Callers
from appliance.web.dialect import Parse
from appliance.web.ids import new_id

log = structlog.get_logger("weir.web")
ID = web.RequestKey("weir-id", str)  # of the request that is in work, where it got one
_BODY = web.RequestKey("weir-body", bytes)  # of a request that may be remembered
_ARRIVING_BYTES = 128 << 20
LONG_BYTES = 64 << 10  # of a body: a longer one is read beside the loop, which goes on meanwhile
_LABELS_KEPT = 256  # combinations that a tenant's callers stated


class Reader:
    """What comes in to one node."""

    def __init__(self, node: Node, callers: Callers) -> None:
        stated = node.config.limits
        self._node = node
        self._callers = callers
        self._body_bytes = stated.body_bytes
        self._body_timeout_s = stated.body_timeout_s
        self._arriving = 0  # bytes of bodies that are on their way, as stated
        self._most_arriving = max(_ARRIVING_BYTES, 2 * stated.body_bytes)
        self._limits = Limits(
            body_bytes=stated.body_bytes,
            messages=stated.messages,
            string_chars=stated.text_chars,
            text_chars=stated.text_chars,
        )
        self._repeats = Repeats()
        node.cache.erasures.tell(self._repeats.let_go)

    async def _body(self, request: web.BaseRequest) -> bytes:
        """A body that is still on its way."""
        if request.content_length is not None and request.content_length > self._body_bytes:
            raise self._too_large()
        try:
            with self._taking(self._callers.account(request), request.content_length or self._body_bytes):
                async with asyncio.timeout(self._body_timeout_s):
                    return await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise self._too_large() from None
        except TimeoutError:
            raise SlowClient(
                f"The body did not arrive within {self._body_timeout_s:g} s.", next_step="Send it faster."
            ) from None
        except (web.HTTPException, web.RequestPayloadError):
            raise BadRequest("The body could not be read.", next_step="Check Content-Encoding and framing.") from None

    @contextmanager
    def _taking(self, account: Account, size: int) -> Iterator[None]:
        """So many bytes of a body are on their way, or wait to be read. Raises NoCapacity."""
        share = self._most_arriving if account.tenant is None else self._most_arriving // 2
        if self._arriving and (self._arriving + size > self._most_arriving or account.arriving + size > share):
            raise NoCapacity("Too much is on its way to this node.", next_step="Try again shortly.", retry_after_s=1)
        self._arriving += size
        account.arriving += size
        try:
            yield
        finally:
            self._arriving -= size
            account.arriving -= size

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body is over the limit of {self._body_bytes} bytes.", next_step="Send a smaller request."
        )

    async def read(self, request: web.BaseRequest, parse: Parse, wire: str, kind: Kind | None) -> Request:
        """The request as Weir understands it, by the address `wire`. One that is none leaves a record, unless it has
        no `kind`.
        """
        began, id, account = time.time(), new_id(), self._callers.account(request)
        request[ID] = id
        try:
            account.admit()
            content, headers = request.content, request.headers
            # Mostly all of it is here already, and no clock is needed.
            arrived = content.is_eof() and content.exception() is None
            body = content.read_nowait(-1) if arrived else await self._body(request)
            if len(body) > self._body_bytes:
                raise self._too_large()
            if kind is not None and self._repeats.knows(wire, body):
                labels = self._labels(account, read_labels(headers, self._limits))
                return self._repeats.again(wire, body, labels, request_id=id, tenant=account.name)
            if len(body) <= LONG_BYTES:
                parsed = parse(body, headers, self._limits, request_id=id, tenant=account.name)
            else:
                work = partial(parse, body, headers, self._limits, request_id=id, tenant=account.name)
                with self._taking(account, len(body)):
                    parsed = await asyncio.get_running_loop().run_in_executor(self._node.reading, work)
            if account.tenant is not None:
                parsed = changed(parsed, labels=self._labels(account, parsed.labels))
            if self._node.config.cache.enabled and cacheable(parsed) and not parsed.labels_in_body:
                request[_BODY] = body
            return parsed
        except BaseException as error:
            if isinstance(error, WeirError) and not isinstance(error, NoCapacity):
                self._node.tally.counters.bad_requests += 1
                log.info("bad-request", code=error.code, route=wire)
            if isinstance(error, RateLimited):
                self._node.tally.counters.limited += 1
                kind = kind if account.tells() else None
            if kind is not None:
                self._node.tally.note_unserved(Asked(id, kind, "", "balanced", Labels(), account.name), began, error)
            raise

    def _labels(self, account: Account, labels: Labels) -> Labels:
        """The labels with those of the tenant. Raises LabelConflict."""
        if account.tenant is None:
            return labels
        key = (self._node.generation.id, labels)
        known = account.labels.get(key)
        if known is None:
            if len(account.labels) >= _LABELS_KEPT:
                account.labels.clear()
            known = account.labels[key] = tightened(account.tenant, labels, self._node.generation.policy)
        return known

    def remember(self, request: web.BaseRequest, parsed: Request, wire: str, serving: Serving) -> None:
        """Keep a body that may be kept and that detectors found nothing in."""
        body = request.get(_BODY)
        if body is None or serving.asked.raised is not None:
            return
        looked_at = serving.entry is None or not (parsed.forwarded or parsed.user)  # a hit's text was, once; not these
        if looked_at:
            self._repeats.keep(wire, body, parsed)

"""The data plane: HTTP in, HTTP out. Reads bytes, calls the node, writes bytes.

Rules kept here:
1. Whatever comes in, the answer is JSON in the caller's dialect; no traceback or prompt leaves, or enters a log.
2. A client that goes away cancels its request down to the runtime.
3. A body is read up to the limit and within the time allowed, no further.
4. Stream headers are sent with the first chunk, when it is known which path answers.

It stands directly on aiohttp's connections, without its application, router and responses (ADR 0007).
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from urllib.parse import unquote

import orjson
import structlog
from aiohttp import web
from aiohttp.http import HttpVersion11

from appliance.cache.exact import cacheable
from appliance.errors import (
    BadRequest,
    BodyTooLarge,
    ForeignOrigin,
    NoCapacity,
    NotAdmitted,
    RateLimited,
    SlowClient,
    Unauthorized,
    UnknownModel,
    UnknownRoute,
    WeirError,
)
from appliance.intake.labels import read_labels
from appliance.intake.limits import Limits
from appliance.intake.parse import parse_chat, parse_completion, parse_embedding, parse_route
from appliance.intake.repeats import Repeats
from appliance.node import Node
from appliance.records.card import ModelCard
from appliance.records.decision import Asked, Decision
from appliance.records.record import encode
from appliance.records.request import LOCAL, Kind, Labels, Request
from appliance.records.tenant import Scope
from appliance.records.value import changed
from appliance.respond.bodies import chat_body, completion_body, embedding_body, models_body
from appliance.respond.errors import error_body, error_headers
from appliance.respond.headers import HeaderFacts, lines, weir_headers, weir_lines
from appliance.respond.streams import ChatStream, CompletionStream
from appliance.serve import Serving, asked_of
from appliance.tenancy.accounts import Account
from appliance.tenancy.keys import presented
from appliance.tenancy.labels import tightened
from appliance.web.ids import new_id
from appliance.web.reply import SERVER, Reply

log = structlog.get_logger("weir.web")
_OUR_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", ""})
_SSE = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
    "Server": SERVER,
}
_MOST_RECORDS = 1000
_LONGEST_WAIT_S = 30.0
_BODY = web.RequestKey("weir-body", bytes)  # of a request that may be remembered
_ID = web.RequestKey("weir-id", str)  # of the request that is in work, where it got one
_ACCOUNT = web.RequestKey("weir-account", Account)  # of the tenant, where keys are needed
_OPEN = ("/healthz", "/readyz")  # to whoever reaches the node: they say whether it serves, and no more
_OPERATORS, _TENANTS = "/weir/", "/v1/"
_ARRIVING_BYTES = 128 << 20
_LABELS_KEPT = 256  # combinations that a tenant's callers stated
Answered = Reply | web.StreamResponse
Handler = Callable[[web.BaseRequest], Awaitable[Answered]]
OfId = Callable[[str, web.BaseRequest], Awaitable[Reply]]
Parse = Callable[..., Request]


class Plane:
    """The routes of one node. The node is started and stopped by whoever made it."""

    def __init__(self, node: Node) -> None:
        stated = node.config.limits
        self._node = node
        self._loopback = ipaddress.ip_address(node.listen_host).is_loopback
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
        self._routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/completions"): self._completion,
            ("POST", "/v1/embeddings"): self._embedding,
            ("POST", "/v1/route"): self._route,
            ("GET", "/v1/models"): self._models,
            ("GET", "/healthz"): self._healthz,
            ("GET", "/readyz"): self._readyz,
            ("GET", "/weir/v1/status"): self._status,
            ("GET", "/weir/v1/records"): self._records,
        }
        self._by_id: dict[str, OfId] = {
            "/v1/models/": self._model,
            "/v1/decisions/": self._decision,
        }

    def server(self) -> web.Server:
        """What aiohttp's connections hand their requests to."""
        # Of a Reply they ask no more than it has; aiohttp's types ask for its own class.
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] = self.handle  # type: ignore[assignment]
        made = partial(web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=self._body_bytes)
        return web.Server(handle, request_factory=made, handler_cancellation=True)

    async def handle(self, request: web.BaseRequest) -> Answered:
        """The answer to one request. Raises only where its client is gone."""
        handler = self._routes.get((request.method, request.raw_path)) or self._find(request)
        try:
            headers = request.headers
            self._no_stranger(headers)
            if self._node.roll.needed:
                self._know(request)
            if "Expect" in headers:
                await _expect(request)
            return await handler(request)
        except WeirError as error:
            return _error(error, self._headers_of(request))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - the last line: nothing of it may reach the caller
            return _error(self._internal(request, error), self._headers_of(request))

    def _find(self, request: web.BaseRequest) -> Handler:
        """The handler of an address that is not stated in so many words: with a query, an id, or none of ours."""
        method, path = request.method, request.rel_url.raw_path
        found = self._routes.get((method, path))
        if found is not None:
            return found
        prefix = self._prefix(path) if method == "GET" else ""
        return partial(_of_id, self._by_id[prefix], unquote(path.removeprefix(prefix))) if prefix else _nowhere

    def _prefix(self, path: str) -> str:
        return next((prefix for prefix in self._by_id if path.startswith(prefix) and path != prefix), "")

    def _address(self, request: web.BaseRequest) -> str:
        """Which of our addresses it is, without what a caller made of it; '' for any other."""
        path = request.rel_url.raw_path
        return path if (request.method, path) in self._routes else self._prefix(path)

    def _no_stranger(self, headers: Mapping[str, str]) -> None:
        """Refuse what a web page of somebody else's makes a browser send here. Applications send no Origin.

        On loopback the Host must be a name of this host: a page that rebinds its own name to 127.0.0.1 may not read.
        """
        host = headers.get("Host", "")
        origin = headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise ForeignOrigin("Requests from pages of another origin are refused.", next_step="Call from a program.")
        name, colon, port = host.rpartition(":")
        if self._loopback and (name if colon and port.isdigit() else host) not in _OUR_NAMES:
            raise ForeignOrigin(
                "This node listens on loopback and knows no such host name.", next_step="Address it as 127.0.0.1."
            )

    def _know(self, request: web.BaseRequest) -> None:
        """Whose request it is, by its key. Raises Unauthorized, or NotAdmitted where the address is the operators'."""
        path = request.raw_path
        if not path.startswith(_TENANTS):  # mostly it does, and taking an address apart is dear
            path = request.rel_url.raw_path
            if path in _OPEN:
                return
        node = self._node
        try:
            tenant = node.roll.whose(presented(request.headers), time.time())
        except Unauthorized:
            node.counters.unauthorized += 1
            raise
        if tenant != LOCAL and path.startswith(_OPERATORS):
            raise NotAdmitted("This address is for the node's operators.", next_step="Use the commands on its host.")
        account = request[_ACCOUNT] = node.accounts.of(tenant)
        if request.method == "GET":
            account.admit()  # what is asked to be answered is counted when it is read

    def _account(self, request: web.BaseRequest) -> Account:
        if not self._node.roll.needed:
            return self._node.accounts.local  # a look for what is not there would cost more than the rest of this
        account: Account | None = request.get(_ACCOUNT)
        return self._node.accounts.local if account is None else account

    def _headers_of(self, request: web.BaseRequest) -> dict[str, str]:
        """What is known of a request that came to nothing; empty where it was none."""
        id = request.get(_ID)
        if id is None:
            return {}
        return weir_headers(HeaderFacts(decision=id, cache="bypass", policy=self._node.generation.id))

    def _internal(self, request: web.BaseRequest, error: Exception) -> WeirError:
        """Logs the kind and place of what nobody foresaw; the error that stands for it has neither."""
        log.error("internal-error", kind=type(error).__name__, route=self._address(request), where=_where(error))
        return WeirError("The node failed on this request.", next_step="Its log names the place.")

    # ---- reading --------------------------------------------------------------------------------------------

    async def _body(self, request: web.BaseRequest) -> bytes:
        """A body that is still on its way."""
        if request.content_length is not None and request.content_length > self._body_bytes:
            raise self._too_large()
        size, account = request.content_length or self._body_bytes, self._account(request)
        share = self._most_arriving if account.tenant is None else self._most_arriving // 2
        if self._arriving and (self._arriving + size > self._most_arriving or account.arriving + size > share):
            raise NoCapacity("Too much is on its way to this node.", next_step="Try again shortly.", retry_after_s=1)
        self._arriving += size
        account.arriving += size
        try:
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
        finally:
            self._arriving -= size
            account.arriving -= size

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body is over the limit of {self._body_bytes} bytes.", next_step="Send a smaller request."
        )

    async def _parse(self, request: web.BaseRequest, parse: Parse, kind: Kind | None) -> Request:
        """The request as Weir understands it. One that is none leaves a record, unless it has no `kind`."""
        began, id, account = time.time(), new_id(), self._account(request)
        request[_ID] = id
        try:
            account.admit()
            content, headers = request.content, request.headers
            # Mostly all of it is here already, and no clock is needed.
            arrived = content.is_eof() and content.exception() is None
            body = content.read_nowait(-1) if arrived else await self._body(request)
            if len(body) > self._body_bytes:
                raise self._too_large()
            if kind is not None and self._repeats.knows(kind, body):
                labels = self._labels(account, read_labels(headers, self._limits))
                return self._repeats.again(kind, body, labels, request_id=id, tenant=account.name)
            parsed = parse(body, headers, self._limits, request_id=id, tenant=account.name)
            if account.tenant is not None:
                parsed = changed(parsed, labels=self._labels(account, parsed.labels))
            if self._node.config.cache.enabled and cacheable(parsed) and not parsed.labels_in_body:
                request[_BODY] = body
            return parsed
        except BaseException as error:
            if isinstance(error, WeirError) and not isinstance(error, NoCapacity):
                self._node.counters.bad_requests += 1
                log.info("bad-request", code=error.code, route=self._address(request))
            if isinstance(error, RateLimited):
                self._node.counters.limited += 1
                kind = kind if account.tells() else None
            if kind is not None:
                self._node.note_unserved(Asked(id, kind, "", "balanced", Labels(), account.name), began, error)
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

    def _remember(self, request: web.BaseRequest, parsed: Request, serving: Serving) -> None:
        """Keep a body that may be kept and that detectors found nothing in."""
        body = request.get(_BODY)
        if body is None or serving.asked.raised is not None:
            return
        looked_at = serving.entry is None or not (parsed.forwarded or parsed.user)  # a hit's text was, once; not these
        if looked_at:
            self._repeats.keep(body, parsed)

    def _take(self, parsed: Request) -> Serving:
        """The request in work. One too many leaves its record here, because there is no Serving to leave it."""
        try:
            return self._node.serving(parsed)
        except NoCapacity as error:
            self._node.note_unserved(asked_of(parsed), time.time(), error)
            raise

    # ---- what applications ask ------------------------------------------------------------------------------

    async def _chat(self, request: web.BaseRequest) -> Answered:
        parsed = await self._parse(request, parse_chat, "chat")
        if parsed.stream:
            return await self._stream(request, parsed, ChatStream)
        return await self._whole(request, parsed)

    async def _completion(self, request: web.BaseRequest) -> Answered:
        parsed = await self._parse(request, parse_completion, "completion")
        if parsed.stream:
            return await self._stream(request, parsed, CompletionStream)
        return await self._whole(request, parsed)

    async def _embedding(self, request: web.BaseRequest) -> Answered:
        return await self._whole(request, await self._parse(request, parse_embedding, "embedding"))

    async def _whole(self, request: web.BaseRequest, parsed: Request) -> Reply:
        again = self._node.hits.again(parsed, self._account(request))
        if again is not None:
            return Reply(again[0], lines=again[1])
        serving = self._take(parsed)
        failure: BaseException | None = None
        try:
            answer = serving.stored() or await serving.answer()
            self._remember(request, parsed, serving)
            if parsed.kind == "embedding":
                body = embedding_body(answer, parsed.encoding)
            else:
                write = chat_body if parsed.kind == "chat" else completion_body
                body = write(answer, id=parsed.id, created=int(time.time()))
                self._node.hits.keep(parsed, serving, write)
            return Reply(body, lines=weir_lines(serving.facts()))
        except WeirError as error:
            failure = error
            return _error(error, weir_headers(serving.facts()))
        except BaseException as error:
            failure = error
            raise
        finally:
            serving.close(failure)
            failure = None  # it knows this frame, which would know it

    async def _stream(
        self, request: web.BaseRequest, parsed: Request, dialect: type[ChatStream] | type[CompletionStream]
    ) -> Answered:
        serving = self._take(parsed)
        failure: BaseException | None = None
        response: web.StreamResponse | None = None
        stream: ChatStream | CompletionStream | None = None
        try:
            async with aclosing(serving.chunks()) as chunks:
                async for chunk in chunks:
                    if response is None or stream is None:
                        response, stream = await _open_stream(request, serving, parsed, dialect)
                    data = stream.feed(chunk)
                    if data:
                        await response.write(data)
            assert response is not None, "a stream ends with Done, so it has begun"
            await response.write_eof()
            self._remember(request, parsed, serving)
            return response
        except WeirError as error:
            failure = error
            if response is None or stream is None:
                return _error(error, weir_headers(serving.facts()))
            return await _break_off(response, stream, error)
        except (asyncio.CancelledError, ConnectionError) as error:
            failure = error
            raise
        except Exception as error:
            failure = error
            if response is None or stream is None:
                raise
            return await _break_off(response, stream, self._internal(request, error))
        except BaseException as error:
            failure = error
            raise
        finally:
            serving.close(failure)
            failure = None  # it knows this frame, which would know it

    async def _route(self, request: web.BaseRequest) -> Reply:
        """Decide and explain, run nothing; leaves no record, because nothing was asked to be answered."""
        parsed = await self._parse(request, parse_route, None)
        serving = self._node.serving(parsed)
        try:
            explained = serving.explained(await serving.decided(watched=False))
            account = self._account(request)
            return _json(explained if account.tenant is None else _of_tenant(explained, account.scope or Scope()))
        finally:
            serving.drop()

    async def _models(self, request: web.BaseRequest) -> Reply:
        return Reply(models_body(self._listed(request), created=int(self._node.began)))

    async def _model(self, id: str, request: web.BaseRequest) -> Reply:
        body = orjson.loads(models_body(self._listed(request), created=int(self._node.began)))
        for entry in body["data"]:
            if entry["id"] == id:
                return _json(entry)
        raise UnknownModel(
            "No model of that name is on this node.", param="model", next_step="GET /v1/models lists them."
        )

    def _listed(self, request: web.BaseRequest) -> list[ModelCard]:
        """The paths that the key covers."""
        scope = self._account(request).scope or Scope()
        cards = [card for card in self._node.generation.cards if card.tier not in ("cache", "reuse")]
        return [card for card in cards if _covered(card.id, card.tier, scope)]

    # ---- what operators ask ---------------------------------------------------------------------------------

    async def _decision(self, id: str, request: web.BaseRequest) -> Reply:
        """A record; a tenant sees its own only."""
        node, account = self._node, self._account(request)
        found = await asyncio.to_thread(node.reader.record, id)
        if found is None:
            await asyncio.to_thread(node.store.writer.flush)
            found = await asyncio.to_thread(node.reader.record, id)
        if found is None or (account.tenant is not None and found["asked"]["tenant"] != account.name):
            raise UnknownRoute("No decision of that id is on record.", next_step="`weir tail` lists the newest.")
        return _json(found)

    async def _healthz(self, _: web.BaseRequest) -> Reply:
        return _json({"state": self._node.readiness()[0]})

    async def _readyz(self, _: web.BaseRequest) -> Reply:
        state, reasons = self._node.readiness()
        status = 200 if state in ("ready", "degraded") else 503
        # Where strangers may ask, they are not told what is wrong; `weir status` tells operators.
        return _json({"state": state, "reasons": [] if self._node.roll.needed else reasons}, status=status)

    async def _status(self, _: web.BaseRequest) -> Reply:
        return _json(self._node.status())

    async def _records(self, request: web.BaseRequest) -> Reply:
        """Records after one id, oldest first; waits up to `wait` seconds for news where there is none yet."""
        node, query = self._node, request.query
        try:
            limit = min(_MOST_RECORDS, max(1, int(query.get("limit", "50"))))
            wait = min(_LONGEST_WAIT_S, max(0.0, float(query.get("wait", "0"))))
        except ValueError:
            raise BadRequest("'limit' and 'wait' must be numbers.", param="limit") from None
        after = query.get("after")
        deadline = time.monotonic() + wait
        while True:
            node.news.clear()
            await asyncio.to_thread(node.store.writer.flush)
            rows = await asyncio.to_thread(_rows, node, after, limit)
            left = deadline - time.monotonic()
            if rows or left <= 0:
                return _json({"records": [row for _, row in rows]})
            try:
                async with asyncio.timeout(left):
                    await node.news.wait()
            except TimeoutError:
                return _json({"records": []})


def _covered(path: str, tier: str, scope: Scope) -> bool:
    return (not scope.models or path in scope.models) and (not scope.tiers or tier in scope.tiers)


def _of_tenant(explained: dict[str, object], scope: Scope) -> dict[str, object]:
    """An explained decision without what a tenant need not know: paths that its keys do not cover, others' load."""
    decision = explained["decision"]
    assert isinstance(decision, Decision)
    seen = tuple(one for one in decision.candidates if _covered(one.path, one.tier, scope))
    return {**explained, "decision": replace(decision, candidates=seen), "snapshot": None}


async def _of_id(handler: OfId, id: str, request: web.BaseRequest) -> Reply:
    return await handler(id, request)


async def _expect(request: web.BaseRequest) -> None:
    """RFC 9110, 10.1.1: 100-continue is answered, anything else refused."""
    if request.headers["Expect"].lower() != "100-continue":
        raise BadRequest("Only the expectation 100-continue is known.", param="Expect", next_step="Leave it out.")
    if request.version < HttpVersion11:
        return
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # as aiohttp's own handler does: this was no part of the answer


def _where(error: BaseException) -> str:
    """File and line of the innermost frame; never a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""  # noqa: PTH119


def _error(error: WeirError, headers: Mapping[str, str]) -> Reply:
    return Reply(error_body(error), error.status, lines({**headers, **error_headers(error)}))


async def _break_off(
    response: web.StreamResponse, stream: ChatStream | CompletionStream, error: WeirError
) -> web.StreamResponse:
    """End what was begun with an event that says why; a second answer behind it would be read as part of it."""
    await response.write(stream.fail(error))
    await response.write_eof()
    return response


async def _open_stream(
    request: web.BaseRequest,
    serving: Serving,
    parsed: Request,
    dialect: type[ChatStream] | type[CompletionStream],
) -> tuple[web.StreamResponse, ChatStream | CompletionStream]:
    response = web.StreamResponse(headers={**_SSE, **weir_headers(serving.facts())})
    await response.prepare(request)
    stream = dialect(id=parsed.id, model=serving.model, created=int(time.time()), include_usage=parsed.stream_usage)
    return response, stream


def _rows(node: Node, after: str | None, limit: int) -> list[tuple[int, dict[str, object]]]:
    if after is None:
        return node.reader.newest(limit)
    seq = node.reader.seq_of(after)
    return node.reader.newest(limit) if seq is None else node.reader.after(seq, limit)


async def _nowhere(_: web.BaseRequest) -> Reply:
    raise UnknownRoute(
        "There is nothing at this address, or not with this method.",
        next_step="POST /v1/chat/completions, /v1/completions, /v1/embeddings; GET /v1/models.",
    )


def _json(value: object, status: int = 200) -> Reply:
    return Reply(orjson.dumps(value, default=encode), status)

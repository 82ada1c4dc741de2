"""The data plane: HTTP in, HTTP out. Reads bytes, calls the node, writes bytes.

Rules kept here:
1. Whatever comes in, the answer is JSON in the caller's dialect; no traceback or prompt leaves, or enters a log.
2. A client that goes away cancels its request down to the runtime.
3. Stream headers are sent with the first chunk, when it is known which path answers (`web.line`).
4. No dialect is known by name here: what differs between them is in their values (`web.dialect`).

It stands directly on aiohttp's connections, without its application, router and responses (ADR 0007).
"""

from __future__ import annotations

import asyncio
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

from appliance.errors import BadRequest, NoCapacity, UnknownModel, UnknownRoute, WeirError, WrongMethod
from appliance.intake.route import parse_route
from appliance.node import Node
from appliance.recorded import asked_of
from appliance.records.answer import Counted
from appliance.records.decision import Decision
from appliance.records.request import Echo, Request
from appliance.records.tenant import Scope
from appliance.respond.errors import error_headers
from appliance.respond.headers import HeaderFacts, lines, weir_headers, weir_lines
from appliance.serve import Serving
from appliance.web.callers import Callers, covers
from appliance.web.dialect import Begin, Dialect, Endpoint, Inquiry, Parse, Stream
from appliance.web.dialects import DIALECTS
from appliance.web.line import SILENCE_S, Line
from appliance.web.operators import Operators
from appliance.web.reader import ID, LONG_BYTES, Reader
from appliance.web.reply import Reply, json_reply

log = structlog.get_logger("weir.web")
_ROUTE = "/v1/route"
_HERE = "POST /v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings, /v1/messages; GET /v1/models."
Answered = Reply | web.StreamResponse
Handler = Callable[[web.BaseRequest], Awaitable[Answered]]
OfId = Callable[[str, web.BaseRequest], Awaitable[Reply]]


class Plane:
    """The routes of one node. The node is started and stopped by whoever made it."""

    def __init__(self, node: Node, *, silence_s: float = SILENCE_S) -> None:
        """`silence_s`: after which a stream is given a sign of life."""
        self._node = node
        self._silence_s = silence_s
        self._callers = Callers(node)
        self._reader = Reader(node, self._callers)
        operators = Operators(node, self._callers)
        self._routes: dict[tuple[str, str], Handler] = {
            ("POST", _ROUTE): self._route,
            ("GET", "/v1/models"): self._models,
            ("GET", "/healthz"): operators.healthz,
            ("GET", "/readyz"): operators.readyz,
            ("GET", "/weir/v1/status"): operators.status,
            ("GET", "/weir/v1/records"): operators.records,
        }
        self._by_id: dict[str, OfId] = {
            "/v1/models/": self._model,
            "/v1/decisions/": operators.decision,
        }
        self._spoken: dict[str, Dialect] = {}  # by the address that is one dialect's
        self._parses: dict[str, Parse] = {}  # by the address whose bodies it reads
        self._absent: dict[str, str] = {}  # what to do instead, by how an address begins
        for dialect in DIALECTS:
            self._absent |= dialect.absent
            for endpoint in dialect.endpoints:
                self._spoken[endpoint.address] = dialect
                self._parses[endpoint.address] = endpoint.parse
                self._routes["POST", endpoint.address] = partial(self._answer, dialect, endpoint)
            for inquiry in dialect.inquiries:
                self._spoken[inquiry.address] = dialect
                self._routes["POST", inquiry.address] = partial(self._inquire, inquiry)

    def server(self) -> web.Server:
        """What aiohttp's connections hand their requests to."""
        # Of a Reply they ask no more than it has; aiohttp's types ask for its own class.
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] = self.handle  # type: ignore[assignment]
        largest = self._node.config.limits.body_bytes
        made = partial(web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=largest)
        return web.Server(handle, request_factory=made, handler_cancellation=True)

    async def handle(self, request: web.BaseRequest) -> Answered:
        """The answer to one request. Raises only where its client is gone."""
        handler = self._routes.get((request.method, request.raw_path)) or self._find(request)
        try:
            headers = request.headers
            self._callers.no_stranger(headers)
            if self._node.roll.needed:
                self._callers.know(request)
            if "Expect" in headers:
                await _expect(request)
            return await handler(request)
        except WeirError as error:
            return _error(self._dialect(request), error, self._headers_of(request))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - the last line: nothing of it may reach the caller
            return _error(self._dialect(request), self._internal(request, error), self._headers_of(request))

    def _find(self, request: web.BaseRequest) -> Handler:
        """The handler of an address that is not stated in so many words: with a query, an id, or none of ours."""
        path = request.rel_url.raw_path
        method = "GET" if request.method == "HEAD" else request.method  # of whose answer `Reply` sends the head alone
        found = self._routes.get((method, path))
        if found is not None:
            return found
        prefix = self._prefix(path)
        if prefix and method == "GET":
            return partial(_of_id, self._by_id[prefix], unquote(path.removeprefix(prefix)))
        absent = (why for address, why in self._absent.items() if path == address or path.startswith(f"{address}/"))
        allowed = ("GET",) if prefix else tuple(known for known, address in self._routes if address == path)
        if allowed:
            return partial(_otherwise, allowed, next(absent, ""))
        return partial(_nowhere, next(absent, _HERE))

    def _prefix(self, path: str) -> str:
        return next((prefix for prefix in self._by_id if path.startswith(prefix) and path != prefix), "")

    def _address(self, request: web.BaseRequest) -> str:
        """Which of our addresses it is, without what a caller made of it; '' for any other."""
        path = request.rel_url.raw_path
        return path if (request.method, path) in self._routes else self._prefix(path)

    def _dialect(self, request: web.BaseRequest) -> Dialect:
        """In which its caller speaks: that of the address, or where that is everybody's, of the headers."""
        spoken = self._spoken.get(request.rel_url.raw_path)
        if spoken is not None:
            return spoken
        marked = (one for one in DIALECTS if one.header and one.header in request.headers)
        return next(marked, DIALECTS[0])

    def _headers_of(self, request: web.BaseRequest) -> dict[str, str]:
        """What is known of a request that came to nothing; empty where it was none."""
        id = request.get(ID)
        if id is None:
            return {}
        return weir_headers(HeaderFacts(decision=id, cache="bypass", policy=self._node.generation.id))

    def _internal(self, request: web.BaseRequest, error: Exception) -> WeirError:
        """Logs the kind and place of what nobody foresaw; the error that stands for it has neither."""
        log.error("internal-error", kind=type(error).__name__, route=self._address(request), where=_where(error))
        return WeirError("The node failed on this request.", next_step="Its log names the place.")

    def _take(self, parsed: Request) -> Serving:
        """The request in work. One too many leaves its record here, because there is no Serving to leave it."""
        try:
            return self._node.serving(parsed)
        except NoCapacity as error:
            self._node.tally.note_unserved(asked_of(parsed), time.time(), error)
            raise

    # ---- what applications ask ------------------------------------------------------------------------------

    async def _answer(self, dialect: Dialect, endpoint: Endpoint, request: web.BaseRequest) -> Answered:
        parsed = await self._reader.read(request, endpoint.parse, endpoint.address, endpoint.kind)
        if parsed.stream and endpoint.stream is not None:
            return await self._stream(request, parsed, dialect, endpoint, endpoint.stream)
        return await self._whole(request, parsed, dialect, endpoint)

    async def _whole(self, request: web.BaseRequest, parsed: Request, dialect: Dialect, endpoint: Endpoint) -> Reply:
        wire = endpoint.address
        said = wire if parsed.echo is None else f"{wire} {_written(parsed.echo)}"
        again = self._node.hits.again(parsed, self._callers.account(request), said)
        if again is not None:
            return Reply(again[0], lines=again[1])
        serving = self._take(parsed)
        failure: BaseException | None = None
        try:
            answer = serving.stored() or await serving.answer()
            self._reader.remember(request, parsed, wire, serving)
            body = endpoint.body(answer, parsed, id=parsed.id, created=int(time.time()))
            self._node.hits.keep(parsed, serving, said, endpoint.body)
            return Reply(body, lines=weir_lines(serving.facts()))
        except WeirError as error:
            failure = error
            return _error(dialect, error, serving.headers())
        except BaseException as error:
            failure = error
            raise
        finally:
            serving.close(failure)
            failure = None  # it knows this frame, which would know it

    async def _stream(
        self,
        request: web.BaseRequest,
        parsed: Request,
        dialect: Dialect,
        endpoint: Endpoint,
        begin: Begin,
    ) -> Answered:
        serving = self._take(parsed)
        failure: BaseException | None = None
        stream: Stream | None = None
        line = Line(request, serving.early_headers, dialect.sign, silence_s=self._silence_s)
        try:
            async with aclosing(serving.chunks()) as chunks:
                async for chunk in chunks:
                    if stream is None:
                        response = await line.open(serving.headers)
                        stream = begin(parsed, model=serving.model, created=int(time.time()))
                    data = stream.feed(chunk)
                    if data:
                        await response.write(data)
                        line.moved()
            assert stream is not None, "a stream ends with Done, so it has begun"
            await line.end()
            self._reader.remember(request, parsed, endpoint.address, serving)
            return response
        except WeirError as error:
            failure = error
            if not line.is_open:
                return _error(dialect, error, serving.headers())
            return await _break_off(line, stream or begin(parsed, model="", created=int(time.time())), error)
        except (asyncio.CancelledError, ConnectionError) as error:
            failure = error
            raise
        except Exception as error:
            failure = error
            if not line.is_open:
                raise
            broken = stream or begin(parsed, model="", created=int(time.time()))
            return await _break_off(line, broken, self._internal(request, error))
        except BaseException as error:
            failure = error
            raise
        finally:
            line.drop()
            serving.close(failure)
            failure = None  # it knows this frame, which would know it

    async def _inquire(self, inquiry: Inquiry, request: web.BaseRequest) -> Reply:
        """Say how long the prompt is; leaves no record, because nothing was asked to be answered."""
        parsed = await self._reader.read(request, inquiry.parse, inquiry.address, None)
        exact = await self._counted(parsed)
        if exact is not None or (request.content_length or LONG_BYTES) < LONG_BYTES:
            return Reply(inquiry.body(parsed, exact))
        written = partial(inquiry.body, parsed, exact)  # an estimate of a long one takes its time
        return Reply(await asyncio.get_running_loop().run_in_executor(self._node.reading, written))

    async def _counted(self, parsed: Request) -> Counted | None:
        """What the path says that would be asked; None where it cannot be known without sending anything."""
        stored = replace(parsed, labels=replace(parsed.labels, cache="no-store"))  # its answer counts nothing
        try:
            serving = self._node.serving(stored)
        except NoCapacity:
            return None
        try:
            return await serving.counted()
        finally:
            serving.drop()

    async def _route(self, request: web.BaseRequest) -> Reply:
        """Decide and explain, run nothing; leaves no record, because nothing was asked to be answered.

        `for` is the address that the body is for; where it is not stated, the body tells.
        """
        address = request.query.get("for")
        parse = parse_route if address is None else self._parses.get(address)
        if parse is None:
            known = ", ".join(self._parses)
            raise BadRequest("No requests are answered at that address.", param="for", next_step=f"One of {known}.")
        parsed = await self._reader.read(request, parse, _ROUTE, None)
        serving = self._node.serving(parsed)
        try:
            explained = serving.explained(await serving.decided(watched=False))
            account = self._callers.account(request)
            return json_reply(explained if account.tenant is None else _of_tenant(explained, account.scope or Scope()))
        finally:
            serving.drop()

    async def _models(self, request: web.BaseRequest) -> Reply:
        return Reply(self._listing(request, request.query))

    async def _model(self, id: str, request: web.BaseRequest) -> Reply:
        for entry in orjson.loads(self._listing(request))["data"]:
            if entry["id"] == id:
                return json_reply(entry)
        raise UnknownModel(
            "No model of that name is on this node.", param="model", next_step="GET /v1/models lists them."
        )

    def _listing(self, request: web.BaseRequest, query: Mapping[str, str] | None = None) -> bytes:
        """The paths that the key covers, as its caller's dialect lists them: the page of `query`, or all."""
        scope = self._callers.account(request).scope or Scope()
        cards = [card for card in self._node.generation.cards if card.tier not in ("cache", "reuse")]
        covered = [card for card in cards if covers(scope, card.id, card.tier)]
        return self._dialect(request).models(covered, int(self._node.began), query)


def _of_tenant(explained: dict[str, object], scope: Scope) -> dict[str, object]:
    """An explained decision without what a tenant need not know: paths that its keys do not cover, others' load."""
    decision = explained["decision"]
    assert isinstance(decision, Decision)
    seen = tuple(one for one in decision.candidates if covers(scope, one.path, one.tier))
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


def _error(dialect: Dialect, error: WeirError, headers: Mapping[str, str]) -> Reply:
    return Reply(dialect.error(error), error.status, lines({**headers, **error_headers(error)}))


async def _break_off(line: Line, stream: Stream, error: WeirError) -> web.StreamResponse:
    """End what was begun with an event that says why; a second answer behind it would be read as part of it."""
    response = await line.open(dict)
    await response.write(stream.fail(error))
    await line.end()
    return response


def _written(echo: Echo) -> str:
    """What the body of an answer depends on besides the question."""
    return f"{echo.summary} {echo.seal} {echo.fields}"


async def _nowhere(next_step: str, _: web.BaseRequest) -> Reply:
    raise UnknownRoute("There is nothing at this address.", next_step=next_step)


async def _otherwise(allowed: tuple[str, ...], next_step: str, _: web.BaseRequest) -> Reply:
    methods = (*allowed, "HEAD") if "GET" in allowed else allowed  # see `_find`
    raise WrongMethod("This address takes another method.", next_step=next_step or f"{allowed[0]} it.", allow=methods)

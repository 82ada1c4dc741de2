"""The data plane: HTTP in, HTTP out. Reads bytes, calls the node, writes bytes.

Rules kept here:
1. Whatever comes in, the answer is JSON in the caller's dialect; no traceback or prompt leaves, or enters a log.
2. A client that goes away cancels its request down to the runtime.
3. A body is read up to the limit and within the time allowed, no further.
4. Stream headers are sent with the first chunk, when it is known which path answers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial

import orjson
import structlog
from aiohttp import web

from appliance.config import Config
from appliance.egress import install_audit_hook
from appliance.errors import (
    BadRequest,
    BodyTooLarge,
    ForeignOrigin,
    NoCapacity,
    SlowClient,
    UnknownModel,
    UnknownRoute,
    WeirError,
)
from appliance.intake.limits import Limits
from appliance.intake.parse import parse_chat, parse_completion, parse_embedding, parse_route
from appliance.node import Node
from appliance.paths.llama_cpp.supervisor import is_worker
from appliance.records.card import ModelCard
from appliance.records.decision import Asked
from appliance.records.record import encode
from appliance.records.request import Kind, Labels, Request
from appliance.respond.bodies import chat_body, completion_body, embedding_body, models_body
from appliance.respond.errors import error_body, error_headers
from appliance.respond.headers import HeaderFacts, weir_headers
from appliance.respond.streams import ChatStream, CompletionStream
from appliance.serve import Serving, asked_of
from appliance.web.connection import Connection

log = structlog.get_logger("weir.web")
NODE = web.AppKey("node", Node)
LIMITS = web.AppKey("limits", Limits)
LOOPBACK = web.AppKey("loopback", bool)
_OUR_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", ""})
_JSON = "application/json"
_SSE = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
_MOST_RECORDS = 1000
_LONGEST_WAIT_S = 30.0
_DRAIN_S = 20.0
_KEEPALIVE_S = 75.0
_ID = web.RequestKey("weir-id", str)  # of the request that is in work, where it got one
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Parse = Callable[..., Request]


def new_id() -> str:
    """Sortable by time, 64 random bits."""
    return f"wr_{time.time_ns() // 1_000_000:011x}{os.urandom(8).hex()}"


def build_app(node: Node) -> web.Application:
    """The application. The node is started and stopped by whoever made it."""
    stated = node.config.limits
    app = web.Application(client_max_size=stated.body_bytes, middlewares=[_in_our_words])
    app[NODE] = node
    app[LOOPBACK] = node.config.listen.host in ("127.0.0.1", "::1")
    app[LIMITS] = Limits(
        body_bytes=stated.body_bytes,
        messages=stated.messages,
        string_chars=stated.text_chars,
        text_chars=stated.text_chars,
    )
    routes: list[tuple[str, str, Handler]] = [
        ("POST", "/v1/chat/completions", _chat),
        ("POST", "/v1/completions", _completion),
        ("POST", "/v1/embeddings", _embedding),
        ("GET", "/v1/models", _models),
        ("GET", "/v1/models/{id:.+}", _model),
        ("POST", "/v1/route", _route),
        ("GET", "/v1/decisions/{id}", _decision),
        ("GET", "/healthz", _healthz),
        ("GET", "/readyz", _readyz),
        ("GET", "/weir/v1/status", _status),
        ("GET", "/weir/v1/records", _records),
        ("*", "/{path:.*}", _nowhere),
    ]
    for method, address, handler in routes:
        app.router.add_route(method, address, _guarded(handler), expect_handler=_expectation)
    return app


@web.middleware
async def _in_our_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What aiohttp refuses by itself, such as targets that are no path, is told like all else."""
    try:
        return await handler(request)
    except web.HTTPException:
        return _error(UnknownRoute("There is nothing at this address.", next_step="GET /v1/models is a start."))


async def _expectation(request: web.Request) -> web.Response | None:
    """RFC 9110, 10.1.1: 100-continue is answered, anything else refused."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as aiohttp's own handler does: this was no part of the answer
        return None
    return _error(BadRequest("Only the expectation 100-continue is known.", param="Expect", next_step="Leave it out."))


def _no_stranger(request: web.Request) -> None:
    """Refuse what a web page of somebody else's makes a browser send here. Applications send no Origin.

    On loopback the Host must be a name of this host: a page that rebinds its own name to 127.0.0.1 may not read.
    """
    headers = request.headers
    host = headers.get("Host", "")
    origin = headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != host:
        raise ForeignOrigin("Requests from pages of another origin are refused.", next_step="Call from a program.")
    name, colon, port = host.rpartition(":")
    if request.app[LOOPBACK] and (name if colon and port.isdigit() else host) not in _OUR_NAMES:
        raise ForeignOrigin(
            "This node listens on loopback and knows no such host name.", next_step="Address it as 127.0.0.1."
        )


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            _no_stranger(request)
            return await handler(request)
        except WeirError as error:
            return _error(error, _headers_of(request))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - the last line: nothing of it may reach the caller
            return _error(_internal(request, error), _headers_of(request))

    return guarded


def _internal(request: web.Request, error: Exception) -> WeirError:
    """Logs the kind and place of what nobody foresaw; the error that stands for it has neither."""
    log.error("internal-error", kind=type(error).__name__, route=_address(request), where=_where(error))
    return WeirError("The node failed on this request.", next_step="Its log names the place.")


def _address(request: web.Request) -> str:
    """The pattern of the route, because a path may hold anything."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def _headers_of(request: web.Request) -> dict[str, str]:
    """What is known of a request that came to nothing; empty where it was none."""
    id = request.get(_ID)
    if id is None:
        return {}
    return weir_headers(HeaderFacts(decision=id, cache="bypass", policy=request.app[NODE].generation.id))


def _where(error: BaseException) -> str:
    """File and line of the innermost frame; never a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""  # noqa: PTH119


def _error(error: WeirError, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=error_body(error),
        status=error.status,
        content_type=_JSON,
        headers={**(headers or {}), **error_headers(error)},
    )


async def _body(request: web.Request) -> bytes:
    node = request.app[NODE]
    limits = node.config.limits
    if request.content_length is not None and request.content_length > limits.body_bytes:
        raise BodyTooLarge(
            f"The body is over the limit of {limits.body_bytes} bytes.", next_step="Send a smaller request."
        )
    try:
        if request.content.is_eof() and request.content.total_bytes:
            return await request.read()  # all of it is here already: no timer
        async with asyncio.timeout(limits.body_timeout_s):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BodyTooLarge(
            f"The body is over the limit of {limits.body_bytes} bytes.", next_step="Send a smaller request."
        ) from None
    except TimeoutError:
        raise SlowClient(
            f"The body did not arrive within {limits.body_timeout_s:g} s.", next_step="Send it faster."
        ) from None
    except (web.HTTPException, web.RequestPayloadError):
        raise BadRequest("The body could not be read.", next_step="Check Content-Encoding and framing.") from None


async def _parse(request: web.Request, parse: Parse, kind: Kind | None) -> Request:
    """The request as Weir understands it. One that is none leaves a record, unless it has no `kind`."""
    node, began, id = request.app[NODE], time.time(), new_id()
    request[_ID] = id
    failure: BaseException | None = None
    try:
        return parse(await _body(request), request.headers, request.app[LIMITS], request_id=id)
    except WeirError as error:
        failure = error
        node.counters.bad_requests += 1
        log.info("bad-request", code=error.code, route=_address(request))
        raise
    except BaseException as error:
        failure = error
        raise
    finally:
        if failure is not None and kind is not None:
            node.note_unserved(Asked(id, kind, "", "balanced", Labels(), "local"), began, failure)


def _take(request: web.Request, parsed: Request) -> Serving:
    """The request in work. One too many leaves its record here, because there is no Serving to leave it."""
    node = request.app[NODE]
    try:
        return node.serving(parsed)
    except NoCapacity as error:
        node.note_unserved(asked_of(parsed), time.time(), error)
        raise


async def _chat(request: web.Request) -> web.StreamResponse:
    parsed = await _parse(request, parse_chat, "chat")
    if parsed.stream:
        return await _stream(request, parsed, ChatStream)
    return await _whole(request, parsed)


async def _completion(request: web.Request) -> web.StreamResponse:
    parsed = await _parse(request, parse_completion, "completion")
    if parsed.stream:
        return await _stream(request, parsed, CompletionStream)
    return await _whole(request, parsed)


async def _embedding(request: web.Request) -> web.StreamResponse:
    return await _whole(request, await _parse(request, parse_embedding, "embedding"))


async def _whole(request: web.Request, parsed: Request) -> web.Response:
    serving = _take(request, parsed)
    failure: BaseException | None = None
    try:
        answer = await serving.answer()
        created = int(time.time())
        if parsed.kind == "chat":
            body = chat_body(answer, id=parsed.id, created=created)
        elif parsed.kind == "completion":
            body = completion_body(answer, id=parsed.id, created=created)
        else:
            body = embedding_body(answer, parsed.encoding)
        return web.Response(body=body, content_type=_JSON, headers=weir_headers(serving.facts()))
    except WeirError as error:
        failure = error
        return _error(error, weir_headers(serving.facts()))
    except BaseException as error:
        failure = error
        raise
    finally:
        serving.close(failure)


async def _stream(
    request: web.Request, parsed: Request, dialect: type[ChatStream] | type[CompletionStream]
) -> web.StreamResponse:
    serving = _take(request, parsed)
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
        return await _break_off(response, stream, _internal(request, error))
    except BaseException as error:
        failure = error
        raise
    finally:
        serving.close(failure)


async def _break_off(
    response: web.StreamResponse, stream: ChatStream | CompletionStream, error: WeirError
) -> web.StreamResponse:
    """End what was begun with an event that says why; a second answer behind it would be read as part of it."""
    await response.write(stream.fail(error))
    await response.write_eof()
    return response


async def _open_stream(
    request: web.Request,
    serving: Serving,
    parsed: Request,
    dialect: type[ChatStream] | type[CompletionStream],
) -> tuple[web.StreamResponse, ChatStream | CompletionStream]:
    response = web.StreamResponse(headers={**_SSE, **weir_headers(serving.facts())})
    await response.prepare(request)
    stream = dialect(id=parsed.id, model=serving.model, created=int(time.time()), include_usage=parsed.stream_usage)
    return response, stream


async def _route(request: web.Request) -> web.Response:
    """Decide and explain, run nothing; leaves no record, because nothing was asked to be answered."""
    parsed = await _parse(request, parse_route, None)
    serving = request.app[NODE].serving(parsed)
    try:
        decision = await serving.decided()
        return _json(serving.explained(decision))
    finally:
        serving.drop()


async def _decision(request: web.Request) -> web.Response:
    node, id = request.app[NODE], request.match_info["id"]
    found = await asyncio.to_thread(node.reader.record, id)
    if found is None:
        await asyncio.to_thread(node.store.writer.flush)
        found = await asyncio.to_thread(node.reader.record, id)
    if found is None:
        raise UnknownRoute("No decision of that id is on record.", next_step="`weir tail` lists the newest.")
    return _json(found)


async def _models(request: web.Request) -> web.Response:
    node = request.app[NODE]
    return web.Response(body=models_body(_listed(node), created=int(node.began)), content_type=_JSON)


async def _model(request: web.Request) -> web.Response:
    node, wanted = request.app[NODE], request.match_info["id"]
    body = orjson.loads(models_body(_listed(node), created=int(node.began)))
    for entry in body["data"]:
        if entry["id"] == wanted:
            return _json(entry)
    raise UnknownModel("No model of that name is on this node.", param="model", next_step="GET /v1/models lists them.")


def _listed(node: Node) -> list[ModelCard]:
    return [card for card in node.generation.cards if card.tier not in ("cache", "reuse")]


async def _healthz(request: web.Request) -> web.Response:
    return _json({"state": request.app[NODE].readiness()[0]})


async def _readyz(request: web.Request) -> web.Response:
    state, reasons = request.app[NODE].readiness()
    status = 200 if state in ("ready", "degraded") else 503
    return _json({"state": state, "reasons": reasons}, status=status)


async def _status(request: web.Request) -> web.Response:
    return _json(request.app[NODE].status())


async def _records(request: web.Request) -> web.Response:
    """Records after one id, oldest first; waits up to `wait` seconds for news where there is none yet."""
    node, query = request.app[NODE], request.query
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


def _rows(node: Node, after: str | None, limit: int) -> list[tuple[int, dict[str, object]]]:
    if after is None:
        return node.reader.newest(limit)
    seq = node.reader.seq_of(after)
    return node.reader.newest(limit) if seq is None else node.reader.after(seq, limit)


async def _nowhere(_: web.Request) -> web.Response:
    raise UnknownRoute(
        "There is nothing at this address, or not with this method.",
        next_step="POST /v1/chat/completions, /v1/completions, /v1/embeddings; GET /v1/models.",
    )


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value, default=encode), status=status, content_type=_JSON)


def run(config: Config) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Returns the exit code."""
    import uvloop

    code: int = uvloop.run(_serve(config))
    return code


async def _serve(config: Config) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    node = Node(config)
    install_audit_hook(node.egress.door, state_dir=config.state_dir, unix_paths=_notify_socket(), children=is_worker)
    async with listening(node) as port:
        started = asyncio.create_task(node.start())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({started, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            started.result()
            _settle_memory()
            log.info("ready", host=config.listen.host, port=port, generation=node.generation.id)
        await stopped
        log.info("draining", active=node.active)
        started.cancel()
    return 0


def _settle_memory() -> None:
    """What was loaded stays: the collector need not walk it again and again while requests wait."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _notify_socket() -> frozenset[str]:
    """Where systemd wants to be told that the node is ready, if anywhere."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    return frozenset({path}) if path else frozenset()


@asynccontextmanager
async def listening(node: Node) -> AsyncIterator[int]:
    """Listen as the node's configuration says; yields the port. On leaving: drain requests, then stop the node."""
    config = node.config
    runner = web.AppRunner(
        build_app(node),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=_DRAIN_S,
    )
    await runner.setup()
    server = runner.server
    assert server is not None, "set up just now"
    loop = asyncio.get_running_loop()
    made = partial(
        Connection,
        server,
        loop=loop,
        header_timeout_s=config.limits.header_timeout_s,
        keepalive_s=_KEEPALIVE_S,
    )
    listener: asyncio.Server | None = None
    try:
        listener = await loop.create_server(made, config.listen.host, config.listen.port, backlog=1024)
        yield listener.sockets[0].getsockname()[1]
    finally:
        if listener is not None:
            listener.close()
        await runner.cleanup()
        await node.stop()

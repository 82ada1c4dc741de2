"""The life of a serving node: listen, start, wait for a signal, drain, stop.

Rules kept here:
1. It listens before its paths are up, so that `/readyz` can say what is missing.
2. On SIGTERM or SIGINT no connection is taken any more; what is in work gets `_DRAIN_S` to end.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog

from appliance.bundle.discover import Watch
from appliance.bundle.in_force import InForce
from appliance.config import Config
from appliance.egress import install_audit_hook
from appliance.node import Node
from appliance.paths.llama_cpp.supervisor import is_worker
from appliance.web.connection import Connection
from appliance.web.line import SILENCE_S
from appliance.web.plane import Plane

log = structlog.get_logger("weir.web")
_DRAIN_S = 20.0
_KEEPALIVE_S = 75.0


def run(config: Config, found: InForce) -> int:
    """Serve what is in force until SIGTERM or SIGINT, then drain. Returns the exit code."""
    import uvloop

    code: int = uvloop.run(_serve(config, found))
    return code


async def _serve(config: Config, found: InForce) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    media, children = _media(config)
    node = Node(config, found, media)
    for warning in node.warnings:
        log.warning("loopback-only", why=warning)
    install_audit_hook(node.egress.door, state_dir=config.state_dir, unix_paths=_notify_socket(), children=children)
    async with listening(node) as port:
        started = asyncio.create_task(node.start())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({started, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            started.result()
            _settle_memory()
            log.info("ready", host=node.listen_host, port=port, generation=node.generation.id)
        await stopped
        log.info("draining", active=node.active)
        started.cancel()
    return 0


def _media(config: Config) -> tuple[Watch | None, Callable[[object, Sequence[object]], bool]]:
    """Who looks for media that are plugged in, if anybody does, and which child processes the node may start."""
    if not config.bundles.media:
        return None, is_worker
    from appliance.doctor.medium import examiner, is_examiner

    watch = Watch(config.bundles.media, examiner(config))
    return watch, lambda program, words: is_worker(program, words) or is_examiner(program, words)


def _settle_memory() -> None:
    """What was loaded stays: the collector need not walk it again and again while requests wait."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # what waits to be written down is young and many


def _notify_socket() -> frozenset[str]:
    """Where systemd wants to be told that the node is ready, if anywhere."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    return frozenset({path}) if path else frozenset()


@asynccontextmanager
async def listening(node: Node, *, silence_s: float = SILENCE_S) -> AsyncIterator[int]:
    """Listen as the node's configuration says; yields the port. On leaving: drain requests, then stop the node."""
    config, server = node.config, Plane(node, silence_s=silence_s).server()
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
        listener = await loop.create_server(made, node.listen_host, config.listen.port, backlog=1024)
        yield listener.sockets[0].getsockname()[1]
    finally:
        if listener is not None:
            listener.close()
        await asyncio.sleep(0)  # what has arrived by now is begun, and so waited for
        server.pre_shutdown()
        await server.shutdown(_DRAIN_S)
        await node.stop()

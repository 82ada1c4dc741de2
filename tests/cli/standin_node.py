"""A stand-in for a running node: the HTTP surface that the commands ask, nothing behind it.

    python -m tests.cli.standin_node --port 8377 --state degraded

It runs in a thread inside tests, so that they can change what it says and look at what it was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

ROOM = "sovereign/acme-\x1b[31mred\x1b[0m\x07"  # a path id that a terminal must not obey


def decision(id: str = "dec-1", *steps: str, **over: Any) -> dict[str, Any]:
    """A decision as the node explains it."""
    planned = list(steps or ("device/tiny", "frontier/big"))
    return {
        "decision_id": id,
        "chosen": {"steps": planned},
        "reason": "best-utility",
        "candidates": [
            {
                "path": "device/tiny",
                "tier": "device",
                "eligible": True,
                "reasons": [],
                "p_good": 0.93,
                "p_good_low": 0.91,
                "cost": 0.0,
                "latency_p50_s": 0.04,
                "latency_p95_s": 0.2,
                "utility": 0.0092,
            },
            {
                "path": ROOM,
                "tier": "sovereign",
                "eligible": False,
                "reasons": [{"code": "policy", "text": "retention 'logged' is not accepted", "rule": "class/secret"}],
            },
        ],
        "features": {
            "cells": [["arithmetic/easy", 0.9], ["other/easy", 0.1]],
            "language": "en",
            "tools": False,
        },
        **over,
    }


def record(
    id: str, *, path: str = "device/tiny", tier: str = "device", status: str = "answered", **over: Any
) -> dict[str, Any]:
    """A decision with its outcome."""
    step = {
        "path": path,
        "status": status,
        "seconds": 0.042,
        "tokens": 57,
        "cost": 0.0,
        "judged": 0.97,
        "device": "cpu",
    }
    outcome = {
        "status": status,
        "path": path,
        "tier": tier,
        "steps": [step],
        "seconds": 0.05,
        "cost": 0.0,
        "frontier_cost": 0.0021,
    }
    return decision(id, path, time=1_780_000_000.0, model="auto", outcome=outcome, **over)


class StandInNode:
    """Start it with `with`. `records` are served oldest first; `asked` are the requests that came."""

    def __init__(self, port: int = 0) -> None:
        self.state = "ready"
        self.reasons: list[str] = []
        self.trouble = ""  # of its first path, which is ready
        self.records: list[dict[str, Any]] = [record(f"dec-{n}") for n in range(1, 6)]
        self.answer: dict[str, Any] = decision()
        self.error: tuple[int, dict[str, Any]] | None = None
        self.raw: bytes | None = None
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._start())
        self._up.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/weir/v1/status", self._status)
        app.router.add_get("/weir/v1/records", self._records)
        app.router.add_post("/v1/route", self._route)
        app.router.add_get("/v1/decisions/{id}", self._decision)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    def _reply(self, body: Any, status: int = 200) -> web.Response:
        if self.raw is not None:
            return web.Response(body=self.raw)
        if self.error is not None:
            return web.json_response(self.error[1], status=self.error[0])
        return web.json_response(body, status=status)

    async def _healthz(self, request: web.Request) -> web.Response:
        return self._reply({"state": self.state})

    async def _readyz(self, request: web.Request) -> web.Response:
        body = {"state": self.state, "reasons": self.reasons}
        return self._reply(body, 200 if self.state == "ready" else 503)

    async def _status(self, request: web.Request) -> web.Response:
        paths = [
            {
                "id": "device/tiny",
                "tier": "device",
                "runtime": "llama_cpp",
                "place": {"node": "n1", "site": "", "country": "CH", "region": "EU"},
                "ready": True,
                "trouble": self.trouble,
                "reason": "",
                "busy": 1,
                "queued": 0,
                "slots": 16,
                "device": "cpu",
            },
            {
                "id": ROOM,
                "tier": "sovereign",
                "runtime": "openai_http",
                "ready": False,
                "reason": "auth\nrefused",
            },
        ]
        counters = {"requests": 1234, "kept_off_frontier_share": 0.871, "by_path": {"device/tiny": 1000}}
        body = {
            "version": "0.1.0",
            "state": self.state,
            "uptime_s": 11520.0,
            "generation": "2248fb19a08466bb",
            "trusted_root": None,
            "paths": paths,
            "counters": counters,
            "memory_bytes": 432013312,
        }
        return self._reply(body)

    async def _records(self, request: web.Request) -> web.Response:
        limit, after = int(request.query.get("limit", 100)), request.query.get("after")
        end = time.monotonic() + min(float(request.query.get("wait", 0)), 1.0)
        while True:
            ids = [item["decision_id"] for item in self.records]
            if after is None:
                return self._reply({"records": self.records[-limit:]})
            start = ids.index(after) + 1 if after in ids else 0
            if fresh := self.records[start : start + limit]:
                return self._reply({"records": fresh})
            if time.monotonic() > end:
                return self._reply({"records": []})
            await asyncio.sleep(0.02)

    async def _route(self, request: web.Request) -> web.Response:
        self.asked.append((request.raw_path, dict(request.headers), await request.json()))
        return self._reply(self.answer)

    async def _decision(self, request: web.Request) -> web.Response:
        for item in self.records:
            if item["decision_id"] == request.match_info["id"]:
                return self._reply(item)
        error = {"message": "There is no such decision.", "type": "invalid_request_error", "param": None}
        return self._reply({"error": {**error, "code": "not_found", "weir": {"kind": "bad_request"}}}, 404)


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8377)
    parser.add_argument("--state", default="ready", choices=["starting", "ready", "degraded", "safe-mode"])
    options = parser.parse_args()
    with StandInNode(options.port) as node:
        node.state = options.state
        print(f"a stand-in for a node at {node.url}, from {Path(__file__).name}; Ctrl-C ends it")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

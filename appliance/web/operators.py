"""What operators ask a node: whether it serves, what it does, and what it did."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from appliance.errors import BadRequest, UnknownRoute
from appliance.node import Node
from appliance.records.tenant import Scope
from appliance.status import readiness_of, status_of
from appliance.web.callers import Callers, covers
from appliance.web.reply import Reply, json_reply

_MOST_RECORDS = 1000
_LONGEST_WAIT_S = 30.0


class Operators:
    """Health, status and records of one node."""

    def __init__(self, node: Node, callers: Callers) -> None:
        self._node = node
        self._callers = callers

    async def decision(self, id: str, request: web.BaseRequest) -> Reply:
        """A record. A tenant sees its own only, without what it need not know: see `_of_tenant`."""
        node, account = self._node, self._callers.account(request)
        found = await asyncio.to_thread(node.reader.record, id)
        if found is None:
            await asyncio.to_thread(node.store.writer.flush)
            found = await asyncio.to_thread(node.reader.record, id)
        if found is None or (account.tenant is not None and found["asked"]["tenant"] != account.name):
            raise UnknownRoute("No decision of that id is on record.", next_step="`weir tail` lists the newest.")
        return json_reply(found if account.tenant is None else _of_tenant(found, account.scope or Scope()))

    async def healthz(self, _: web.BaseRequest) -> Reply:
        return json_reply({"state": readiness_of(self._node)[0]})

    async def readyz(self, _: web.BaseRequest) -> Reply:
        state, reasons = readiness_of(self._node)
        status = 200 if state in ("ready", "degraded") else 503
        # Where strangers may ask, they are not told what is wrong; `weir status` tells operators.
        return json_reply({"state": state, "reasons": [] if self._node.roll.needed else reasons}, status=status)

    async def status(self, _: web.BaseRequest) -> Reply:
        return json_reply(status_of(self._node))

    async def records(self, request: web.BaseRequest) -> Reply:
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
            node.tally.news.clear()
            await asyncio.to_thread(node.store.writer.flush)
            rows = await asyncio.to_thread(_rows, node, after, limit)
            left = deadline - time.monotonic()
            if rows or left <= 0:
                return json_reply({"records": [row for _, row in rows]})
            try:
                async with asyncio.timeout(left):
                    await node.tally.news.wait()
            except TimeoutError:
                return json_reply({"records": []})


def _of_tenant(record: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """A record without paths that its tenant's keys do not cover, and without others' load."""
    decision = record["decision"]
    seen = [one for one in decision["candidates"] if covers(scope, one["path"], one["tier"])]
    return {**record, "decision": {**decision, "candidates": seen}, "snapshot": None}


def _rows(node: Node, after: str | None, limit: int) -> list[tuple[int, dict[str, object]]]:
    if after is None:
        return node.reader.newest(limit)
    seq = node.reader.seq_of(after)
    return node.reader.newest(limit) if seq is None else node.reader.after(seq, limit)

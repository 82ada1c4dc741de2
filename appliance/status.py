"""What a node says of itself to its operators: whether it serves, why it does not in full, and what it has done.

Rules kept here:
1. Reads, and changes nothing; every reason says what is wrong in words.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from appliance import __version__
from appliance.paths.contract import ExecutionPath
from appliance.records.money import amount_of

if TYPE_CHECKING:
    from appliance.node import Node


def readiness_of(node: Node) -> tuple[str, list[str]]:
    """The node's state and why it is not simply 'ready'."""
    if node.state != "ready":
        return node.state, [f"the node is {node.state}"]
    reasons = list(node.fleet.problems)
    if node.fleet.safe:
        reasons.append(f"safe mode: {node.fleets.in_force.id} failed, and nothing older may run; bring a newer bundle")
    if node.fleets.not_taken_over:
        reasons.append(node.fleets.not_taken_over)
    if node.store.writer.trouble:
        reasons.append(f"what happens is not written down: {node.store.writer.trouble}")
    if node.audit.trouble:
        reasons.append(f"nothing leaves this host, because the audit is not written: {node.audit.trouble}")
    serving = 0
    for name in node.paths:
        ready = node.fleet.ready(name)
        serving += ready.ok
        if not ready.ok:
            reasons.append(f"{name}: {ready.reason or 'not ready'}")
        elif ready.trouble:
            reasons.append(f"{name}: {ready.trouble}")
    if node.fleet.safe or (node.paths and not serving):
        return "unavailable", reasons
    return ("degraded" if reasons else "ready"), reasons


def status_of(node: Node) -> dict[str, object]:
    """The body of GET /weir/v1/status."""
    state, reasons = readiness_of(node)
    counters = node.tally.counters
    return {
        "version": __version__,
        "state": state,
        "reasons": reasons,
        "uptime_s": round(time.time() - node.began, 1),
        "generation": node.generation.id,
        "bundle": node.fleets.in_force.id,
        "policy": node.generation.policy.id,
        "trusted_root": asdict(node.fleets.in_force.root) if node.fleets.in_force.root is not None else None,
        "media": [found.model_dump() for found in node.media.found] if node.media is not None else [],
        "warnings": _root_warnings(node)
        + ["paths.unconfined_workers: local models may run unconfined"] * node.config.paths.unconfined_workers
        + node.warnings
        + _usage_warnings(node)
        + node.accounts.warnings(time.time()),
        "paths": [_path_status(node, name, path) for name, path in node.paths.items()],
        "counters": {
            "requests": counters.requests,
            "answered": counters.answered,
            "refused": counters.refused,
            "failed": counters.failed,
            "cancelled": counters.cancelled,
            "bad_requests": counters.bad_requests,
            "unauthorized": counters.unauthorized,
            "limited": counters.limited,
            "kept_off_frontier_share": counters.off_frontier / counters.answered if counters.answered else None,
            "cost": amount_of(counters.cost),
            "frontier_cost": amount_of(counters.frontier_cost),
            "by_path": dict(node.tally.by_path),
        },
        "memory_bytes": _resident_bytes(),
    }


def _usage_warnings(node: Node) -> list[str]:
    return [
        f"{path}: the usage that its provider stated of {count} calls was {note}; see docs/costs.md"
        for (path, note), count in sorted(node.tally.usage_notes.items())
    ]


def _root_warnings(node: Node) -> list[str]:
    root = node.fleets.in_force.root
    return [f"{root.words}: its keys are nobody's"] if root is not None and root.evaluation else []


def _path_status(node: Node, name: str, path: ExecutionPath) -> dict[str, object]:
    card, ready = path.card, node.fleet.ready(name)
    upstream = node.fleet.upstreams.get(name)
    return {
        "id": name,
        "tier": card.tier,
        "runtime": card.runtime,
        "place": card.place.model_dump(),
        "ready": ready.ok,
        "reason": ready.reason,
        "trouble": ready.trouble,
        "busy": ready.busy,
        "queued": ready.queued,
        "slots": ready.slots,
        "device": node.tally.devices.get(name, ""),
        "usage_noted": {note: count for (path, note), count in node.tally.usage_notes.items() if path == name},
        "accelerator_claimed": card.accelerator,
        "members": upstream.told() if upstream is not None else [],
    }


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - one read of a kernel file
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0

"""`weir status`: how the running node is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.cli.client import Node, expect, find
from appliance.cli.common import NEGATIVE, OK, WeirCommand, json_option, node_options
from appliance.cli.out import Colour, clean, duration, emit_json, money, number, paint, size, table

_COLOURS: dict[str, Colour] = {"ready": "green", "starting": "cyan", "degraded": "yellow", "safe-mode": "red"}


@click.command(
    "status",
    cls=WeirCommand,
    short_help="Show how the running node is.",
    examples=("weir status", "weir status --json", "weir status --url http://127.0.0.1:9000"),
)
@node_options
@json_option
def command(state: Path | None, config_file: Path | None, url: str | None, as_json: bool) -> int:
    """Show how the running node is.

    Ends with 0 when the node is ready, with 1 when it is starting, degraded or in safe mode, and with 3
    when none runs.
    """
    node = Node(find(state, config_file, url))
    status = expect(node.get("/weir/v1/status"))
    name = str(status.get("state", ""))
    if name != "ready" and "reasons" not in status:
        ready = node.get("/readyz").body
        if isinstance(ready, dict):
            status["reasons"] = ready.get("reasons", [])
    if as_json:
        emit_json(status)
    else:
        click.echo(_text(status, node.url))
    return OK if name == "ready" else NEGATIVE


def _text(status: dict[str, Any], url: str) -> str:
    name = clean(status.get("state", "unknown"))
    counters = status.get("counters") if isinstance(status.get("counters"), dict) else {}
    counters = counters or {}
    up = duration(status.get("uptime_s"))
    lines = [f"weir {clean(status.get('version'))}  {paint(name, _COLOURS.get(name, 'red'))}  up {up}  {url}"]
    lines += [f"  {paint('because', 'yellow')} {clean(reason)}" for reason in status.get("reasons") or ()]
    root = status.get("trusted_root")
    lines.append(f"{clean(status.get('bundle') or 'no bundle')}  generation {clean(status.get('generation') or '-')}")
    lines.append(_root(root) if isinstance(root, dict) else paint("trusts no root", "yellow"))
    kept = counters.get("kept_off_frontier_share")
    cost, frontier = money(counters.get("cost")), money(counters.get("frontier_cost"))
    share = f"{kept * 100:.1f} %" if isinstance(kept, (int, float)) else "-"
    lines.append(f"requests {number(counters.get('requests'))}  kept off the frontier {share}")
    lines.append(f"cost {cost}  all of it at the frontier {frontier}")
    lines.append(f"memory {size(status.get('memory_bytes'))}")
    lines += [f"{paint('warning', 'yellow')} {clean(warning)}" for warning in status.get("warnings") or ()]
    lines += [_medium(found) for found in status.get("media") or () if isinstance(found, dict)]
    rows = [_row(path, counters) for path in status.get("paths") or () if isinstance(path, dict)]
    if rows:
        headers = ("PATH", "TIER", "RUNTIME", "PLACE", "DEVICE", "BUSY", "QUEUED", "REQUESTS", "READY")
        lines += ["", table(headers, rows, right=("BUSY", "QUEUED", "REQUESTS"))]
    else:
        lines += ["", "no paths"]
    return "\n".join(lines)


def _root(root: dict[str, Any]) -> str:
    said = f"trusts root {number(root.get('version'))}, {clean(root.get('name'))}"
    return said + (paint(", FOR EVALUATION ONLY", "yellow") if root.get("evaluation") else "")


def _medium(found: dict[str, Any]) -> str:
    if found.get("reason") == "more_bundles":
        return f"{clean(found.get('place'))}: {clean(found.get('message'))}"
    said = f"bundle {clean(found.get('id') or found.get('path'))} at {clean(found.get('place'))}: "
    if found.get("same"):
        said += "in use already"
    else:
        said += "would be taken" if found.get("taken") else f"refused ({clean(found.get('reason'))})"
    return said + (", FOR EVALUATION ONLY" if found.get("evaluation") else "")


def _row(path: dict[str, Any], counters: dict[str, Any]) -> tuple[object, ...]:
    ready = "yes" if path.get("ready") else f"no: {path.get('reason') or 'no reason given'}"
    if path.get("ready") and path.get("trouble"):
        ready = f"yes, but: {path['trouble']}"
    by_path = counters.get("by_path")
    count = by_path.get(path.get("id"), 0) if isinstance(by_path, dict) else None
    if isinstance(count, dict):
        count = count.get("requests")
    return (
        path.get("id"),
        path.get("tier"),
        path.get("runtime"),
        _place(path.get("place")),
        path.get("device") or "-",
        f"{number(path.get('busy'))}/{number(path.get('slots'))}",
        number(path.get("queued")),
        number(count),
        ready,
    )


def _place(place: object) -> str:
    if isinstance(place, dict):
        return "/".join(str(place[key]) for key in ("region", "country", "site", "node") if place.get(key)) or "-"
    return str(place or "-")

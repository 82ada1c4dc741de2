"""`weir tail`: the latest requests, one line each, and those that follow."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from appliance.cli.client import Node, expect, find
from appliance.cli.common import NO_NODE, CliError, WeirCommand, json_option, node_options
from appliance.cli.out import clean, duration, emit_json, money, number, paint, width
from appliance.cli.view import Brief, brief, clock, identity

WAIT_S = 20
PAGE = 200
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_HEAD = f"{'TIME':19}  {'STATUS':9}  {'TIER':9}  {'PATH':24}  {'TOOK':>8}  {'TOKENS':>10}  {'COST':>9}  {'ID':30}  WHY"


@click.command(
    "tail",
    cls=WeirCommand,
    short_help="List the latest requests, and follow them.",
    examples=("weir tail", "weir tail -f --tier frontier", "weir tail --refused --limit 100 --json"),
)
@node_options
@click.option("-f", "--follow", is_flag=True, help="Go on with requests as they come, until Ctrl-C.")
@click.option("--limit", type=click.IntRange(0, 10_000), default=20, show_default=True, help="Requests to look back.")
@click.option("--path", "paths", multiple=True, help="Only requests answered by this path; may be repeated.")
@click.option("--tier", "tiers", multiple=True, help="Only requests answered in this tier; may be repeated.")
@click.option("--refused", is_flag=True, help="Only requests that were refused or failed.")
@json_option
def command(
    state: Path | None,
    config_file: Path | None,
    url: str | None,
    follow: bool,
    limit: int,
    paths: tuple[str, ...],
    tiers: tuple[str, ...],
    refused: bool,
    as_json: bool,
) -> None:
    """List the latest requests, and follow them.

    The filters choose among the requests looked at. With --json each line is one record.
    """
    headed = as_json or not sys.stdout.isatty()
    node = Node(find(state, config_file, url))
    for record in _records(node, limit, follow):
        line = brief(record)
        if paths and line.path not in paths:
            continue
        if tiers and line.tier not in tiers:
            continue
        if refused and line.status not in ("refused", "failed"):
            continue
        if as_json:
            emit_json(record, line=True)
            continue
        if not headed:
            click.echo(_HEAD)
            headed = True
        click.echo(_line(line))


def _records(node: Node, limit: int, follow: bool) -> Iterator[dict[str, Any]]:
    """Oldest first. A node that goes away while it is followed is waited for."""
    latest = _page(node, {"limit": max(limit, 1)})
    yield from latest[-limit:] if limit else ()
    last = identity(latest[-1]) if latest else None
    lost = 0
    while follow:
        try:
            query = {"after": last, "limit": PAGE, "wait": WAIT_S}
            fresh = _page(node, query, timeout_s=WAIT_S + 10)
        except CliError as error:
            if error.exit_code != NO_NODE:
                raise
            if not lost:
                click.echo(f"weir: lost the node at {node.url}; waiting for it", err=True)
            time.sleep(RETRY_S[min(lost, len(RETRY_S) - 1)])
            lost += 1
            continue
        lost = 0
        yield from fresh
        last = identity(fresh[-1]) if fresh else last


def _page(node: Node, query: Mapping[str, object], *, timeout_s: float | None = None) -> list[dict[str, Any]]:
    reply = node.get("/weir/v1/records", query, timeout_s=timeout_s)
    found = reply.body if isinstance(reply.body, list) and reply.status < 400 else expect(reply).get("records")
    return [record for record in found or () if isinstance(record, dict)]


def _line(line: Brief) -> str:
    status = clean(line.status)
    shown = status if status in ("answered", "planned") else paint(status, "red")
    path = clean(line.path or "-")
    parts = (
        clock(line.time),
        shown + " " * max(0, 9 - len(status)),
        clean(line.tier or "-").ljust(9),
        path + " " * max(0, 24 - width(path)),
        duration(line.seconds).rjust(8),
        f"{number(line.tokens)} tok".rjust(10),
        money(line.cost).rjust(9),
        clean(line.id),
        clean(line.reason),
    )
    return "  ".join(parts).rstrip()

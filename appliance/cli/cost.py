"""`weir cost`: what requests cost, by tenant, path, task and day, with the fixed counterfactual beside it."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import OK, WeirCommand, json_option, where_options
from appliance.cli.out import clean, emit_json, money, number, table
from appliance.config_places import state_dir_of

if TYPE_CHECKING:
    from appliance.records.totals import Sums
    from appliance.spent import Row

_BY = ("tenant", "path", "task", "day")
_DAY = click.DateTime(formats=["%Y-%m-%d"])
_FIGURES = ("REQUESTS", "IN", "CACHED", "OUT", "REASONING", "COST", "AT FRONTIER", "SAVED", "OFF FRONTIER")


@click.command(
    "cost",
    cls=WeirCommand,
    short_help="Show what was spent, by tenant, path, task and day.",
    examples=("weir cost", "weir cost --by day --by tenant --since 2026-11-01", "weir cost --tenant newsroom --json"),
)
@where_options
@click.option(
    "--by", "by", type=click.Choice(_BY), multiple=True, help="Group by this; may be repeated. [default: path]"
)
@click.option("--since", type=_DAY, metavar="DAY", help="From this UTC day on, such as 2026-11-21.")
@click.option("--until", type=_DAY, metavar="DAY", help="Up to this UTC day, included.")
@click.option("--tenant", metavar="NAME", help="Only this tenant; 'local' is this host.")
@json_option
def command(
    state: Path | None,
    config_file: Path | None,
    by: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    tenant: str | None,
    as_json: bool,
) -> int:
    """Show what was spent, by tenant, path, task and day.

    Reads daily totals from the state directory, changes nothing and needs no running node. They outlive the records.
    A request counts at the path that answered it, its tokens and money at each path that used them, also where a call
    failed, was tried again, was hedged or was abandoned. AT FRONTIER is what the same tokens of answered requests cost
    at the frontier model that the content names, none of them cached. A figure with ~ is estimated in part, because a
    call ended before its provider stated what it had used.
    """
    from appliance.spent import BY, read

    state_dir = _state_dir(state, config_file)
    chosen = tuple(name for name in BY if name in by) or ("path",)
    rows = read(state_dir, chosen, _day(since), _day(until), tenant)
    frontier = _frontier(state_dir)
    if as_json:
        emit_json({"by": chosen, "frontier": frontier, "rows": [_facts(row, chosen) for row in rows]})
        return OK
    if not rows:
        click.echo("No request is on record that this holds for.")
        return OK
    click.echo(_shown(rows, chosen))
    if any(row.sums.estimated_tokens for row in rows):
        click.echo("\n~ estimated in part: no provider stated all of it.")
    click.echo(
        f"\nAT FRONTIER: everything answered by {clean(frontier) or 'the frontier model that the content names'}."
    )
    return OK


def _state_dir(state: Path | None, config_file: Path | None) -> Path:
    """The directory that is named, and only else that of the configuration, which takes longer to read."""
    if state is not None:
        return state_dir_of(state)
    from appliance.config import load

    return load(None, file=config_file).state_dir


def _day(at: datetime | None) -> date | None:
    return None if at is None else at.date()


def _frontier(state_dir: Path) -> str:
    """The name of the counterfactual as the content in force has it; '' where there is none to read."""
    import json

    try:
        weights = json.loads((state_dir / "current" / "router" / "weights.json").read_bytes())
        return str(weights["frontier"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _shown(rows: list[Row], by: tuple[str, ...]) -> str:
    currencies = sorted({row.currency for row in rows})
    lines = [_line([_named(row, name) for name in by], row.sums, row.currency) for row in rows]
    for currency in currencies:
        whole = [row.sums for row in rows if row.currency == currency]
        total = whole[0]
        for one in whole[1:]:
            total = total.plus(one)
        lines.append(_line(["total", *[""] * (len(by) - 1)], total, currency))
    headers = (*(name.upper() for name in by), *_FIGURES)
    return table(headers, lines, right=_FIGURES)


def _named(row: Row, name: str) -> str:
    return str(getattr(row, name)) or "-"


def _line(names: list[str], sums: Sums, currency: str) -> list[object]:
    from appliance.records.money import amount_of

    about, guessed = "~" * bool(sums.estimated_tokens), "~" * bool(sums.estimated_picos)
    return [
        *names,
        number(sums.requests),
        about + number(sums.prompt_tokens),
        number(sums.cached_tokens),
        about + number(sums.completion_tokens),
        number(sums.reasoning_tokens),
        guessed + money(amount_of(sums.picos), currency),
        money(amount_of(sums.frontier_picos), currency),
        guessed + money(amount_of(sums.frontier_picos - sums.picos), currency),
        f"{sums.off_frontier / sums.answered:.1%}" if sums.answered else "-",
    ]


def _facts(row: Row, by: tuple[str, ...]) -> dict[str, Any]:
    """Money in units of the currency; `cost_picos` is the exact integer (10^-12 of one)."""
    from appliance.records.money import amount_of

    sums = row.sums
    return {
        **{name: getattr(row, name) for name in by},
        "currency": row.currency,
        "requests": sums.requests,
        "answered": sums.answered,
        "calls": sums.calls,
        "prompt_tokens": sums.prompt_tokens,
        "cached_tokens": sums.cached_tokens,
        "cache_write_tokens": sums.cache_write_tokens,
        "completion_tokens": sums.completion_tokens,
        "reasoning_tokens": sums.reasoning_tokens,
        "estimated_tokens": sums.estimated_tokens,
        "cost": amount_of(sums.picos),
        "cost_picos": sums.picos,
        "estimated_cost": amount_of(sums.estimated_picos),
        "frontier_cost": amount_of(sums.frontier_picos),
        "saved": amount_of(sums.frontier_picos - sums.picos),
        "off_frontier": sums.off_frontier,
        "off_frontier_share": sums.off_frontier / sums.answered if sums.answered else None,
    }

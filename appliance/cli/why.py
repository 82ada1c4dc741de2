"""`weir why`: where a past request went, and why. Asks the node, or reads telemetry.db when none runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.cli.client import Node, expect, find, segment
from appliance.cli.common import NEGATIVE, NO_NODE, CliError, WeirCommand, all_option, json_option, node_options
from appliance.cli.out import emit_json
from appliance.cli.view import explanation


@click.command(
    "why",
    cls=WeirCommand,
    short_help="Explain where a past request went, and why.",
    examples=("weir why wr_1a1fc47eb21e179f4bf5f2f0f9f", "weir why --json wr_1a1fc47eb21e179f4bf5f2f0f9f"),
)
@click.argument("decision_id", metavar="ID")
@node_options
@all_option
@json_option
def command(
    decision_id: str, state: Path | None, config_file: Path | None, url: str | None, show_all: bool, as_json: bool
) -> None:
    """Explain where a past request went, and why.

    ID is the value of the response header x-weir-decision. When no node runs, the records in the state
    directory are read. Ends with 1 when there is no such record.
    """
    if not decision_id:
        raise CliError("There is no id.", next_step="It is the value of x-weir-decision; 'weir tail' lists the newest.")
    where = find(state, config_file, url)
    try:
        record = expect(Node(where).get(f"/v1/decisions/{segment(decision_id)}"))
    except CliError as error:
        if error.exit_code != NO_NODE or url:
            raise
        record = _offline(where.state_dir, decision_id)
    if as_json:
        emit_json(record)
    else:
        click.echo(explanation(record, show_all=show_all))


def _offline(state_dir: Path, decision_id: str) -> dict[str, Any]:
    from appliance.store import open_reader

    click.echo(f"weir: no node is running; reading the records in {state_dir}", err=True)
    record = open_reader(state_dir).record(decision_id)
    if record is None:
        raise CliError(
            f"There is no record {decision_id}.",
            code="not_found",
            exit_code=NEGATIVE,
            next_step="It may be older than records.keep_days.",
        )
    return dict(record)

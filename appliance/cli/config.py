"""`weir config check` and `weir config show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.cli.common import OK, WeirCommand, json_option, say_invalid, where_options
from appliance.cli.out import clean, emit_json
from appliance.errors import ConfigInvalid


@click.group("config", short_help="Check and show the configuration.")
def command() -> None:
    """Check and show the configuration."""


@command.command(
    "check",
    cls=WeirCommand,
    short_help="Name everything that is wrong in weir.yaml.",
    examples=("weir config check", "weir config check ./weir.yaml"),
)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@where_options
@json_option
def check(file: Path | None, state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Name everything that is wrong in weir.yaml.

    Each finding has the form FILE:LINE:COLUMN: KEY: what is wrong.
    Ends with 4 when anything is.
    """
    from appliance.config import load_with_origin

    try:
        loaded = load_with_origin(state, file=file or config_file)
    except ConfigInvalid as error:
        return say_invalid(error, as_json=as_json)
    if as_json:
        emit_json({"valid": True, "file": str(loaded.file) if loaded.file else None, "findings": []})
    elif loaded.file:
        click.echo(f"{clean(loaded.file)} is valid.")
    else:
        click.echo("There is no weir.yaml; the defaults hold. 'weir init' writes one.")
    return OK


@command.command(
    "show",
    cls=WeirCommand,
    short_help="Show the settings in effect and where each comes from.",
    examples=("weir config show --effective", "weir config show --changed", "weir config show --json"),
)
@where_options
@click.option(
    "--effective", is_flag=True, expose_value=False, help="Every setting in effect; so it is without options too."
)
@click.option("--changed", is_flag=True, help="Only settings that differ from the default.")
@json_option
def show(state: Path | None, config_file: Path | None, changed: bool, as_json: bool) -> None:
    """Show the settings in effect and where each comes from.

    The output without --json is a valid weir.yaml. Secrets are shown as the references that they are.
    """
    from appliance import config_show
    from appliance.config import load_with_origin

    loaded = load_with_origin(state, file=config_file)
    shown = [item for item in config_show.effective(loaded) if item.changed or not changed]
    if as_json:
        values: dict[str, Any] = {}
        for item in shown:
            at = values
            *path, last = item.name.split(".")
            for part in path:
                at = at.setdefault(part, {})
            at[last] = item.value
        emit_json({"file": str(loaded.file) if loaded.file else None, "values": values, "origin": _origins(shown)})
        return
    section = ""
    for item in shown:
        head, _, key = item.name.rpartition(".")
        if head != section:
            click.echo(f"{head}:")
            section = head
        # The text is JSON, which is YAML, so control characters are escaped already.
        line = f"{'  ' if head else ''}{key}: {item.text}"
        click.echo(f"{line.ljust(44)}  # {clean(item.origin)}")
    if not shown:
        click.echo("# Every setting has its default.")


def _origins(shown: list[Any]) -> dict[str, str]:
    return {item.name: item.origin for item in shown}

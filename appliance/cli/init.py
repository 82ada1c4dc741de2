"""`weir init`: a state directory with a commented weir.yaml and the node's id. Nothing is overwritten."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from appliance.cli.common import CliError, WeirCommand, json_option
from appliance.config_places import FILE_NAME, state_dir_of

NODE_ID = "node-id"


@click.command(
    "init",
    cls=WeirCommand,
    short_help="Make a state directory with a commented weir.yaml.",
    examples=("weir init", "weir init --state /srv/weir"),
)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="Directory to make.")
@json_option
def command(state: Path | None, as_json: bool) -> None:
    """Make a state directory with a commented weir.yaml.

    The directory is readable by its owner only. An existing weir.yaml is left alone and the command fails.
    """
    from appliance.config_show import example

    directory = state_dir_of(state)
    file = directory / FILE_NAME
    if os.path.lexists(file):
        raise CliError(f"{file} is there already.", code="exists", next_step="Edit it, or name another --state.")
    node_id = prepare(directory)
    try:
        _write_new(file, example())
    except OSError as error:
        raise CliError(f"{file} cannot be written: {error.strerror}.") from None
    if as_json:
        from appliance.cli.out import emit_json

        emit_json({"state_dir": str(directory), "config": str(file), "node_id": node_id})
        return
    click.echo(f"Made {directory} for {node_id}.")
    click.echo(f"Settings: {file} (all at their defaults)")
    again = f" --state {directory}" if state else ""
    click.echo(f"Next: weir bundle apply PLACE --root ROOT{again}, then weir serve{again}")


def prepare(directory: Path) -> str:
    """Makes the state directory (mode 0700), the node's id, key and audit where they are missing; returns the id.

    Raises CliError or StateInvalid where that is not possible.
    """
    try:
        # Only the last directory is private: its parents may be shared ones such as ~/.local.
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        file = directory / NODE_ID
        if not file.exists():
            _write_new(file, f"node-{secrets.token_hex(8)}\n")
        _begin_audit(directory)
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CliError(
            f"{directory} cannot be used as a state directory: {error.strerror}.",
            code="state_invalid",
            next_step="Name another with --state DIR.",
        ) from None


def _begin_audit(directory: Path) -> None:
    """The node's key and the first entry of its audit, where there is none yet."""
    from appliance.store.audit.log import DATABASE, Audit

    if not (directory / DATABASE).exists():
        Audit(directory).close()


def _write_new(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)

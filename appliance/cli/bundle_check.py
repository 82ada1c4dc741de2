"""`weir bundle check`: what a node would have against a content that nobody has signed yet."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.common import NEGATIVE, OK, CliError, WeirCommand, json_option
from appliance.cli.out import clean, emit_json

if TYPE_CHECKING:
    from appliance.bundle.manifest import Health


@click.command(
    "check",
    cls=WeirCommand,
    short_help="Name what a node would have against a content.",
    examples=("weir bundle check build/starter", "weir bundle check ./content --health health.json --json"),
)
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option(
    "--health",
    "health_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The health set that it would have, as JSON: its denials are tried too.",
)
@json_option
def check(folder: Path, health_file: Path | None, as_json: bool) -> int:
    """Name what a node would have against a content.

    FOLDER is a content directory, which nobody need have signed: cards, policy with its tests, router, detectors, all
    JSON. 'weir-sign press' asks this before it presses. No model is loaded. Ends with 1 when anything is wrong.
    """
    from appliance.bundle import check as checking

    found = checking.findings(folder, _health(health_file), time.time())
    if as_json:
        emit_json({"usable": not found, "findings": list(found)})
        return NEGATIVE if found else OK
    for each in found:
        click.echo(clean(each))
    if not found:
        click.echo(f"A node could use {clean(folder)}. Its models were not loaded.")
    return NEGATIVE if found else OK


def _health(file: Path | None) -> Health:
    from pydantic import ValidationError

    from appliance.bundle.manifest import MAX_MANIFEST, Health

    if file is None:
        return Health()
    try:
        with file.open("rb") as stream:
            return Health.model_validate_json(stream.read(MAX_MANIFEST + 1))
    except OSError as error:
        raise CliError(
            f"{file}: {error.strerror}.", code="not_found", next_step="Name a file with a health set."
        ) from None
    except ValidationError as error:
        finding = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in finding["loc"]) or "(file)"
        raise CliError(
            f"{file}: {where}: {finding['msg']}.", next_step="bundles/FORMAT.md, G8, has its form."
        ) from None

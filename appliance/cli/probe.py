"""`weir probe NAME`, hidden: what doctor runs in a process of its own because it may crash or hang."""

from __future__ import annotations

import click

from appliance.cli.common import WeirCommand


@click.command(
    "probe",
    cls=WeirCommand,
    hidden=True,
    short_help="Run one check of doctor in this process.",
    examples=("weir probe egress '{}'",),
)
@click.argument("name")
@click.argument("argument", default="{}")
@click.option("--parent", type=int, help="End with this process, which started it.")
def command(name: str, argument: str, parent: int | None) -> None:
    """Run one check of doctor in this process.

    Writes one line of JSON. Not for people: doctor calls it.
    """
    import json

    from appliance.cli.out import emit_json
    from appliance.doctor.probes import PROBES
    from appliance.paths.confine.parent import end_with

    if name not in PROBES:
        raise click.UsageError(f"There is no probe {name!r}.")
    if parent is not None:
        end_with(parent)
    emit_json(PROBES[name](json.loads(argument)), line=True)

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
def command(name: str, argument: str) -> None:
    """Run one check of doctor in this process.

    Writes one line of JSON. Not for people: doctor calls it.
    """
    import json

    from appliance.cli.out import emit_json
    from appliance.doctor.probes import PROBES

    if name not in PROBES:
        raise click.UsageError(f"There is no probe {name!r}.")
    emit_json(PROBES[name](json.loads(argument)), line=True)

"""`weir sync`: the mirror's newest bundle, by the same way as one from a stick."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.bundle import node_of, refusing, say_verdict
from appliance.cli.bundle_apply import acknowledge_option, asking, audited, means_of, root_option, say_end, terms_of
from appliance.cli.common import CliError, WeirCommand, json_option, where_options

if TYPE_CHECKING:
    from appliance.bundle.mirror import Mirror
    from appliance.config import Config
    from appliance.store.audit.log import Audit


@click.command(
    "sync",
    cls=WeirCommand,
    short_help="Fetch the newest bundle from the mirror and take it into use.",
    examples=("weir sync", "weir sync --check --json", "weir sync --root root.json"),
)
@click.option("--check", is_flag=True, help="Only say what would change, as 'weir bundle verify' does.")
@root_option
@acknowledge_option
@where_options
@json_option
def command(
    check: bool,
    root_file: Path | None,
    acknowledge: bool,
    state: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Fetch the newest bundle from the mirror and take it into use.

    The mirror is `bundles.mirror` in weir.yaml. Everything goes the way of 'weir bundle apply'; the same bundle again
    is no change. Interrupted at any point, it goes on from there the next time. Ends with 0 when the mirror's bundle is
    in use or was before, with 1 when it is refused or was taken back.
    """
    from appliance.bundle import fetch, witness
    from appliance.cli.logs import configure
    from appliance.doctor.child import give_way

    config, trusts = node_of(state, config_file, root_file if check else None)
    if not config.bundles.mirror:
        raise CliError(
            "No mirror is configured.",
            code="no_mirror",
            next_step="Set 'bundles: {mirror: ADDRESS}' in weir.yaml, or use 'weir bundle apply'.",
        )
    configure(config.logging)
    give_way()
    with audited(config) as audit, refusing(mirror=True):
        mirror = closing(_mirror(config, audit))
        if check:
            return say_verdict(
                mirror, config, trusts, acknowledge=acknowledge, read_blobs=False, as_json=as_json, mirror=True
            )
        terms = terms_of(config, acknowledge=acknowledge, root_file=root_file, thorough=False)
        with asking(config, config_file) as asker:
            means = means_of(config, audit, asker, quiet=as_json)
            with mirror as source:
                ended = fetch.sync(source, witness.mirror(config.bundles.mirror), means, terms)
    return say_end(ended, asker, as_json=as_json, mirror=True)


def _mirror(config: Config, audit: Audit) -> Mirror:
    from appliance.bundle.mirror import Mirror

    return Mirror(config.bundles.mirror, audit, deny_all=config.egress.deny_all)

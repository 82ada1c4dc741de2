"""`weir serve`: the node in the foreground."""

from __future__ import annotations

import errno
import importlib
import os
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance import __version__
from appliance.cli.common import CliError, WeirCommand, no_generation, where_options
from appliance.cli.out import clean

if TYPE_CHECKING:
    from appliance.bundle.in_force import InForce
    from appliance.config import Config


@click.command(
    "serve",
    cls=WeirCommand,
    short_help="Run the node in the foreground.",
    examples=("weir serve", "weir serve --state /srv/weir --port 9000"),
)
@where_options
@click.option("--host", help="IP address to listen on, instead of listen.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port to listen on, instead of listen.port.")
def command(state: Path | None, config_file: Path | None, host: str | None, port: int | None) -> object:
    """Run the node in the foreground.

    It runs on the generation in force, which 'weir bundle apply' put there, and takes another one over when that
    changes. Without any configuration it listens on loopback and lets nothing out. Without a tenant it listens on
    loopback only. Where it listens is said on stderr. SIGTERM and Ctrl-C let requests in flight finish; then it ends
    with 0.
    """
    from appliance.cli.init import prepare
    from appliance.cli.logs import configure
    from appliance.config import listening_on, load

    config = listening_on(load(state, file=config_file), host, port)
    configure(config.logging)
    prepare(config.state_dir)
    try:
        server = importlib.import_module("appliance.web.server")
    except ModuleNotFoundError as error:
        if error.name != "appliance.web.server":
            raise
        raise CliError("This build of Weir holds no server.", next_step="Install the full package.") from None
    click.echo(f"weir {__version__}: state {clean(config.state_dir)}, starting on {config.url}", err=True)
    found = _settled(config)
    try:
        return server.run(config, found)
    except OSError as error:
        unknown = isinstance(error, socket.gaierror)  # as of an interface that is not there: fe80::1%eth7
        if not unknown and error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise
        where = f"{config.listen.host}:{config.listen.port}"
        raise CliError(
            f"The node cannot listen on {where}: {error.strerror if unknown else os.strerror(error.errno or 0)}.",
            code="cannot_listen",
            next_step=f"'{_look(state, config_file, host, port)}' says what holds it; --port takes another.",
        ) from None


def _settled(config: Config) -> InForce:
    """What is in force, an import that was cut off brought to its end before. Says who vouches for it."""
    from appliance.bundle import activate
    from appliance.bundle.in_force import in_force
    from appliance.bundle.refusal import BundleRefused
    from appliance.cli.bundle_apply import audited, means_of
    from appliance.errors import AuditUnavailable, DiskFull

    if activate.unsettled(config.state_dir):
        try:
            with audited(config) as audit:
                said = activate.settle(means_of(config, audit, quiet=True))[1]
        except BundleRefused as error:  # another import is at work, or what was lost is restored now
            said = error.message
        except (DiskFull, AuditUnavailable) as error:  # the node runs what was good, and settles it when there is room
            said = f"what an import left is not brought to its end: {error.message}"
        if said:
            click.echo(f"weir: {clean(said)}", err=True)
    found = in_force(config.state_dir)
    if found.folder is None:
        raise no_generation()
    if found.root is not None:
        click.echo(f"weir: {clean(found.id)}, under {clean(found.root.words)}", err=True)
    if found.safe:
        click.echo("weir: SAFE MODE: policy and cache only; bring a newer bundle", err=True)
    return found


def _look(state: Path | None, config_file: Path | None, host: str | None, port: int | None) -> str:
    """The command by which doctor examines the same address."""
    given = {"--state": state, "--config": config_file, "--host": host, "--port": port}
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    return shlex.join(["weir", "doctor", "--only", "port", *words])

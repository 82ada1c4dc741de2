"""The command `weir`: finds the subcommand and imports only that.

Rules kept here:
1. `weir --help` and `weir version` import neither pydantic nor aiohttp.
2. The short help in the table below is the first sentence of the command's own; a test compares them.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from appliance import __version__
from appliance.cli.common import FAILED, INTERRUPTED

# name: (module, short help, hidden)
COMMANDS: dict[str, tuple[str, str, bool]] = {
    "init": ("appliance.cli.init", "Make a state directory with a commented weir.yaml.", False),
    "serve": ("appliance.cli.serve", "Run the node in the foreground.", False),
    "status": ("appliance.cli.status", "Show how the running node is.", False),
    "route": ("appliance.cli.route", "Show where a request would go, and run nothing.", False),
    "why": ("appliance.cli.why", "Explain where a past request went, and why.", False),
    "tail": ("appliance.cli.tail", "List the latest requests, and follow them.", False),
    "audit": ("appliance.cli.audit", "Verify, export and question the log of what left.", False),
    "cost": ("appliance.cli.cost", "Show what was spent, by tenant, path, task and day.", False),
    "cache": ("appliance.cli.cache", "List, measure and erase the answers that are kept.", False),
    "models": ("appliance.cli.models", "List the models that the node knows.", False),
    "strategy": ("appliance.cli.strategy", "List and show the strategies that are in force.", False),
    "tenant": ("appliance.cli.tenant", "Make, show, change and revoke tenants and their keys.", False),
    "policy": ("appliance.cli.policy", "Check, test and explain the rules of the policy.", False),
    "bundle": ("appliance.cli.bundle", "Verify signed bundles and take them into use.", False),
    "sync": ("appliance.cli.sync", "Fetch the newest bundle from the mirror and take it into use.", False),
    "config": ("appliance.cli.config", "Check and show the configuration.", False),
    "doctor": ("appliance.cli.doctor", "Check the host, the content and the node.", False),
    "version": ("appliance.cli.version", "Show the version, the build and the model digests.", False),
    "completion": ("appliance.cli.completion", "Write the completion script for a shell.", False),
    "probe": ("appliance.cli.probe", "Run one check of doctor in this process.", True),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click names it
        return [name for name, (_, _, hidden) in COMMANDS.items() if not hidden]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])
        with formatter.section("Examples"):
            for example in ("weir init", "weir serve", "weir route 'What is 2 + 2?'", "weir doctor --json"):
                formatter.write(f"  {example}\n")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="weir", message="%(prog)s %(version)s")
def cli() -> None:
    """Weir answers each AI request down the cheapest path that policy permits and that is good enough."""


def main(arguments: list[str] | None = None) -> None:
    """The entry point. Ends the process with one of the documented exit codes."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Like `main`, and returns the exit code."""
    try:
        result: Any = cli.main(args=arguments, prog_name="weir", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.Abort:
        click.echo("weir: interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # Whoever read us has seen enough; the interpreter would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return result if isinstance(result, int) else 0  # click hands back the code of an Exit


if __name__ == "__main__":
    main()

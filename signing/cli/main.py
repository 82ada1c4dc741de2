"""The command `weir-sign`: finds the subcommand and imports only that."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from signing import __version__
from signing.cli.common import FAILED, INTERRUPTED

# name: (module, short help)
COMMANDS: dict[str, tuple[str, str]] = {
    "key": ("signing.cli.key", "Make and show keys."),
    "station": ("signing.cli.ceremony", "Make a publishing station."),
    "declare": ("signing.cli.ceremony", "Draft what roles.yaml asks for."),
    "show": ("signing.cli.ceremony", "Show a draft and its difference from what is published."),
    "sign": ("signing.cli.ceremony", "Add a signature to a draft."),
    "collect": ("signing.cli.ceremony", "Take the signatures of a copy that came back."),
    "status": ("signing.cli.ceremony", "Show what is published, drafted and due."),
    "renew": ("signing.cli.ceremony", "Draft a role again with a new expiry."),
    "seal": ("signing.cli.ceremony", "Publish complete drafts under a new snapshot and timestamp."),
    "recipe": ("signing.cli.bundles", "Write a recipe for a GGUF of one's own."),
    "press": ("signing.cli.bundles", "Press a content directory or a recipe."),
    "bundle": ("signing.cli.bundles", "Write what is published as a bundle."),
    "inspect": ("signing.cli.bundles", "Verify a bundle, a mirror or a station, and show what it holds."),
    "diff": ("signing.cli.bundles", "Show what is different between two bundles."),
    "mirror": ("signing.cli.bundles", "Publish to a static directory, in a safe order."),
    "evaluate": ("signing.cli.ceremony", "Make a station with throw-away keys, marked as such."),
}


class BenchGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click names it
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=BenchGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="weir-sign", message="%(prog)s %(version)s")
def cli() -> None:
    """The publisher's bench: keys, the root ceremony, signing in rounds, bundles and mirrors."""


def main(arguments: list[str] | None = None) -> None:
    """The entry point. Ends the process with one of the documented exit codes."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Like `main`, and returns the exit code."""
    try:
        result: Any = cli.main(args=arguments, prog_name="weir-sign", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("weir-sign: interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()

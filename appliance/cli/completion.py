"""`weir completion`: the script that makes a shell complete `weir`."""

from __future__ import annotations

import click

from appliance.cli.common import WeirCommand


@click.command(
    "completion",
    cls=WeirCommand,
    short_help="Write the completion script for a shell.",
    examples=(
        "weir completion bash > ~/.local/share/bash-completion/completions/weir",
        "weir completion zsh > ~/.zfunc/_weir",
        "weir completion fish > ~/.config/fish/completions/weir.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Write the completion script for a shell."""
    from click.shell_completion import get_completion_class

    from appliance.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:  # a plugin of click removed it
        raise click.UsageError(f"There is no completion for {shell}.")
    complete = kind(cli, {}, "weir", "_WEIR_COMPLETE")
    # Not `source()`: for bash that starts a shell only to look at its version.
    click.echo(complete.source_template % complete.source_vars())

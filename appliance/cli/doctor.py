"""`weir doctor`: runs the checks and says what was found and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.common import CliError, WeirCommand, json_option, where_options
from appliance.cli.out import Colour, clean, emit_json, paint

if TYPE_CHECKING:
    from appliance.doctor import Result

_COLOURS: dict[str, Colour] = {"pass": "green", "warn": "yellow", "fail": "red", "skip": "cyan"}


@click.command(
    "doctor",
    cls=WeirCommand,
    short_help="Check the host, the content and the node.",
    examples=("weir doctor", "weir doctor --json", "weir doctor --only egress-tcp --only disk"),
)
@where_options
@click.option("--host", help="IP address of the node, instead of listen.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port of the node, instead of listen.port.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this check; may be repeated.")
@click.option("--list", "list_only", is_flag=True, help="List the checks and run none.")
@json_option
def command(
    state: Path | None,
    config_file: Path | None,
    host: str | None,
    port: int | None,
    only: tuple[str, ...],
    list_only: bool,
    as_json: bool,
) -> int:
    """Check the host, the content and the node.

    Every check passes, warns, fails or is skipped, with what was seen and what to do, said as it ends. Ends with
    0 when nothing warns or fails, with 1 on warnings and with 2 when a check failed.
    """
    from appliance.doctor import CHECKS, Subject, examine, verdict

    if unknown := [name for name in only if name not in CHECKS]:
        raise CliError(f"There is no check {unknown[0]!r}.", next_step=f"Checks: {', '.join(CHECKS)}.")
    chosen = [name for name in CHECKS if not only or name in only]
    if list_only:
        about = {name: CHECKS[name].about for name in chosen}
        if as_json:
            emit_json({"checks": about})
        else:
            for name, text in about.items():
                click.echo(f"{name.ljust(16)}{text}")
        return 0
    results = examine(Subject.of(state, config_file, host, port), chosen, (lambda _: None) if as_json else _say)
    if as_json:
        emit_json({"verdict": verdict(results).word, "checks": [result.as_json() for result in results]})
        return verdict(results).exit_code
    counts = {word: sum(r.state == word for r in results) for word in _COLOURS}
    click.echo("  ".join(f"{count} {word}" for word, count in counts.items() if count))
    return verdict(results).exit_code


def _say(result: Result) -> None:
    state_word = paint(result.state.ljust(5), _COLOURS[result.state])
    click.echo(f"{state_word} {result.name.ljust(15)} {clean(result.seen)}")
    if result.fix and result.state in ("warn", "fail"):
        click.echo(f"{' ' * 22}{clean(result.fix)}")

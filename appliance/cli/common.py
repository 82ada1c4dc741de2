"""What every command shares: exit codes, errors in words and as JSON, `--state`, `--config` and `--json`.

Rules kept here:
1. Exit codes are stable; scripts rely on them.
2. With `--json`, stdout holds JSON and nothing else, for an error too; sentences go to stderr.
3. Every command has an example, shown by `--help`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from appliance.errors import ConfigInvalid, WeirError

OK = 0
NEGATIVE = 1
FAILED = 2
NO_NODE = 3
BAD_CONFIG = 4
INTERRUPTED = 130
EXIT_CODES = {
    OK: "Done; the answer is good.",
    NEGATIVE: "Done, but the answer is negative: not ready, refused, not found, a digest differs, a warning.",
    FAILED: "Wrong usage, or the command failed. `doctor`: a check failed.",
    NO_NODE: "No node answers at the address.",
    BAD_CONFIG: "The configuration is not valid.",
    INTERRUPTED: "Interrupted with Ctrl-C; `serve` instead finishes what is in flight and ends with 0.",
}

F = TypeVar("F", bound=Callable[..., Any])
# Options that label a request, and the headers that they become.
LABEL_HEADERS = {
    "classification": "X-Weir-Classification",
    "residency": "X-Weir-Residency",
    "purpose": "X-Weir-Purpose",
    "rights": "X-Weir-Rights",
    "locale": "X-Weir-Locale",
    "deadline": "X-Weir-Deadline",
    "quality_floor": "X-Weir-Quality-Floor",
    "below_floor": "X-Weir-Below-Floor",
    "strategy": "X-Weir-Strategy",
}


_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0}


class Span(click.ParamType[float]):
    """'90d', '12h', '30m' as seconds."""

    name = "SPAN"

    def __init__(self, *, empty: bool = True) -> None:
        """`empty`: whether no time at all will do."""
        self._empty = empty

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"([0-9]{1,5})([mhd])", str(value))
        if found is None or not (self._empty or int(found[1])):
            least = "" if self._empty else " above 0"
            self.fail(f"must be a number{least} with m, h or d, such as 90d", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


def content_in_force(state_dir: Path) -> Path:
    """The folder of the generation in force. Raises CliError where there is none."""
    from appliance.bundle.in_force import in_force

    folder = in_force(state_dir).folder
    if folder is None:
        raise no_generation()
    return folder


def no_generation() -> CliError:
    """What is said where nothing was imported yet."""
    return CliError(
        "No generation is in force.",
        code="no_generation",
        next_step="The first comes with the root to be trusted: weir bundle apply PLACE --root ROOT.",
    )


class CliError(click.ClickException):
    """What a command says when it cannot do its work. `code` names the kind for scripts."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "failed",
        exit_code: int = FAILED,
        next_step: str = "",
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        vars(self)["exit_code"] = exit_code  # a constant of the class in click; here each error has its own
        self.next_step = next_step
        self.details = details
        self.as_json = False

    def show(self, file: Any = None) -> None:
        from appliance.cli.out import clean, emit_json

        if self.as_json:
            error = {
                "code": self.code,
                "message": self.message,
                "next_step": self.next_step,
                "details": list(self.details),
            }
            emit_json({"error": error})
        out = file or sys.stderr
        click.echo(f"weir: {clean(' '.join((self.message, self.next_step)).strip())}", file=out)
        for detail in self.details:
            click.echo(f"  {clean(detail)}", file=out)


def say_invalid(error: ConfigInvalid, *, as_json: bool) -> int:
    """What a `check` command says where there are findings: these on stdout, one a line. Returns the exit code."""
    from appliance.cli.out import clean, emit_json

    if as_json:
        emit_json({"valid": False, "message": error.message, "findings": list(error.details)})
    else:
        for detail in error.details:
            click.echo(clean(detail))
        click.echo(f"weir: {clean(error.message)} {error.next_step}", err=True)
    return BAD_CONFIG


class WeirCommand(click.Command):
    """A command with examples, whose errors are Weir's; an int that it returns is its exit code."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
        except CliError as error:
            error.as_json = bool(ctx.params.get("as_json"))
            raise
        except WeirError as error:
            invalid = isinstance(error, ConfigInvalid)
            wrapped = CliError(
                error.message,
                code=error.code,
                exit_code=BAD_CONFIG if invalid else FAILED,
                next_step=error.next_step,
                details=error.details,
            )
            wrapped.as_json = bool(ctx.params.get("as_json"))
            raise wrapped from error
        if isinstance(result, int) and result:
            ctx.exit(result)
        return result

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")


def where_options(command: F) -> F:
    """Adds `--state` and `--config`."""
    directory = click.Path(file_okay=False, path_type=Path)
    file = click.Path(dir_okay=False, path_type=Path)
    command = click.option("--config", "config_file", type=file, help="Configuration file to read.")(command)
    return click.option("--state", type=directory, help="State directory of the node.")(command)


def node_options(command: F) -> F:
    """Adds `--state`, `--config` and `--url`: how to find the running node."""
    command = click.option("--url", help="Address of the node; by default the one that is configured.")(command)
    return where_options(command)


all_option = click.option(
    "--all", "show_all", is_flag=True, help="Also candidates that are for other requests or were not named."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout and nothing else.")

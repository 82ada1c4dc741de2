"""What every command of the bench shares: exit codes, errors in words and as JSON, passphrases and keys.

Rules kept here:
1. Exit codes are stable: 0 done, 1 done but the answer is negative, 2 failed or wrong usage, 130 interrupted.
2. With `--json`, stdout holds JSON and nothing else, for an error too; sentences go to stderr.
3. Text that came from a file is never written raw to a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from signing.errors import BenchError

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

    from signing.station import Signed

OK, NEGATIVE, FAILED, INTERRUPTED = 0, 1, 2, 130
_NEGATIVE = ("threshold_missed", "bundle_invalid")
F = TypeVar("F", bound=Callable[..., Any])


class BenchCommand(click.Command):
    """A command with examples, whose errors are the bench's; an int that it returns is its exit code."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
        except BenchError as error:
            ctx.exit(refuse(error, as_json=bool(ctx.params.get("as_json"))))
        if isinstance(result, int) and result:
            ctx.exit(result)
        return result

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")


def refuse(error: BenchError, *, as_json: bool) -> int:
    """Says what is wrong; returns the exit code."""
    if as_json:
        emit(
            {
                "error": {
                    "code": error.code,
                    "message": error.message,
                    "next_step": error.next_step,
                    "details": list(error.details),
                }
            }
        )
    sentence = f"{error.message} {error.next_step}".strip()
    click.echo(f"weir-sign: {clean(sentence)} [{error.code}]", err=True)
    for detail in error.details:
        click.echo(f"  {clean(detail)}", err=True)
    return NEGATIVE if error.code in _NEGATIVE else FAILED


def clean(text: object) -> str:
    """The text with everything that a terminal would obey as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))


def emit(value: object) -> None:
    """JSON on stdout, ASCII only."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))


def say(lines: Iterable[object]) -> None:
    for line in lines:
        click.echo(clean(line))


def progress_line(progress: Signed) -> str:
    """'signed by anna; 1 missing, may still sign: boris, chen'."""
    signed = f"signed by {', '.join(progress.signed)}" if progress.signed else "signed by nobody"
    if not progress.missing:
        return f"{signed}; complete"
    return f"{signed}; {progress.missing} missing, may still sign: {', '.join(progress.open) or 'nobody'}"


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def unlocked(paths: Iterable[Path], descriptor: int | None) -> dict[str, Signer]:
    """The signers of key files and tokens, by key id. Raises BenchError."""
    from signing import hardware, keys
    from signing.passphrase import Passphrases

    source = Passphrases(descriptor)
    found = {}
    for path in paths:
        if path.suffix == ".pub":
            signer: Signer = hardware.unlock(keys.read_public(path), source.ask(f"the token of {path.stem}"))
        else:
            keys.sealed(path)  # what is wrong with the file is said before anybody types
            signer = keys.unlock(path, source.ask(str(path)))
        found[signer.public_key.keyid] = signer
    return found


def key_option(command: F) -> F:
    return click.option(
        "--key",
        "key_files",
        type=click.Path(path_type=Path),
        multiple=True,
        help="A key to sign with: NAME.key, or NAME.pub of a key on a token. Repeat for more.",
    )(command)


def passphrase_option(command: F) -> F:
    return click.option(
        "--passphrase-fd",
        "descriptor",
        type=click.IntRange(0, 1023),
        help="File descriptor with a line for each key's passphrase, instead of the terminal.",
    )(command)


def station_argument(command: F) -> F:
    return click.argument("station", type=click.Path(file_okay=False, path_type=Path))(command)


json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout and nothing else.")


def no_terminal() -> bool:
    return not sys.stdin.isatty()

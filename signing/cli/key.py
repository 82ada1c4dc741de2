"""`weir-sign key`: make and show keys."""

from __future__ import annotations

from pathlib import Path

import click

from signing import hardware, keys
from signing.cli.common import OK, BenchCommand, emit, json_option, passphrase_option, say
from signing.passphrase import Passphrases

_directory = click.Path(file_okay=False, path_type=Path)


@click.group("key", short_help="Make and show keys.")
def key() -> None:
    """Make and show keys."""


@key.command(
    "new",
    cls=BenchCommand,
    short_help="Make an ed25519 key: NAME.key and NAME.pub.",
    examples=("weir-sign key new anna --dir /media/anna",),
)
@click.argument("name")
@click.option("--dir", "directory", type=_directory, default=Path(), help="Where it is put; by default here.")
@passphrase_option
@json_option
def new(name: str, directory: Path, descriptor: int | None, as_json: bool) -> int:
    """Make an ed25519 key: NAME.key and NAME.pub.

    NAME.key is encrypted with the passphrase and readable by you alone. NAME.pub is for everybody.
    """
    holder = keys.create(directory, name, Passphrases(descriptor).ask(f"the new key {name}", new=True))
    return _said(holder, as_json)


@key.command(
    "token",
    cls=BenchCommand,
    short_help="Take over a P-256 key on a PKCS#11 token: NAME.pub.",
    examples=("weir-sign key token anna --module /usr/lib/softhsm/libsofthsm2.so --label anna --number 2",),
)
@click.argument("name")
@click.option("--module", type=click.Path(path_type=Path), required=True, help="The PKCS#11 module, with its path.")
@click.option("--label", required=True, help="The token's label.")
@click.option("--number", type=click.IntRange(0, 2**31 - 1), default=2, show_default=True, help="The key's id on it.")
@click.option("--dir", "directory", type=_directory, default=Path(), help="Where NAME.pub is put; by default here.")
@passphrase_option
@json_option
def from_token(
    name: str, module: Path, label: str, number: int, directory: Path, descriptor: int | None, as_json: bool
) -> int:
    """Take over a P-256 key on a PKCS#11 token: NAME.pub.

    The private half stays on the token. Sign with `--key NAME.pub`; the PIN is asked for like a passphrase.
    """
    holder = hardware.take_over(name, module, label, number, Passphrases(descriptor).ask(f"the token {label}"))
    keys.write_public(directory / f"{name}.pub", holder)
    return _said(holder, as_json)


@key.command(
    "show",
    cls=BenchCommand,
    short_help="Show a public key: its holder and its id.",
    examples=("weir-sign key show anna.pub",),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def show(file: Path, as_json: bool) -> int:
    """Show a public key: its holder and its id.

    The id is what is written on paper at the ceremony.
    """
    return _said(keys.read_public(file), as_json)


def _said(holder: keys.Holder, as_json: bool) -> int:
    if as_json:
        emit({"holder": holder.name, "id": holder.id, "scheme": holder.key.scheme, "token": bool(holder.token)})
    else:
        say([f"{holder.name}  {holder.key.scheme}", f"id {holder.id}"])
    return OK

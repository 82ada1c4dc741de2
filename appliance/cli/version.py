"""`weir version`: the program, how it was built, what it computes with. Reads little, so that it is quick.

The digests shown are those that the cards state; `weir models --verify` computes them.
"""

from __future__ import annotations

import json
import platform
import sqlite3
import sys
from pathlib import Path
from typing import Any

import click

from appliance import __version__
from appliance.cli.common import WeirCommand, json_option
from appliance.cli.out import clean, emit_json
from appliance.config_places import state_dir_of

LIBRARIES = (
    "aiohttp",
    "click",
    "hnswlib",
    "llama-cpp-python",
    "numpy",
    "onnxruntime",
    "pydantic",
    "tokenizers",
    "uvloop",
)
BUILD_FILE = "build.json"


@click.command(
    "version",
    cls=WeirCommand,
    short_help="Show the version, the build and the model digests.",
    examples=("weir version", "weir version --json"),
)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="State directory of the node.")
@json_option
def command(state: Path | None, as_json: bool) -> None:
    """Show the version, the build and the model digests."""
    about = describe(state_dir_of(state))
    if as_json:
        emit_json(about)
        return
    click.echo(f"weir {about['version']}")
    click.echo(f"python {about['python']}, {about['platform']}, generation {clean(about['generation'])}")
    for name, value in about["build"].items():
        click.echo(f"{name}: {clean(value)}")
    for name, version in about["libraries"].items():
        click.echo(f"{name} {clean(version)}")
    for file in about["models"]:
        click.echo(f"{clean(file['model'])}  {clean(file['path'])}  sha256 {clean(file['sha256'])}")


def describe(state_dir: Path) -> dict[str, Any]:
    """All of it as plain values."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()} {' '.join(platform.libc_ver())}".strip(),
        "build": _build(),
        "generation": _generation(state_dir),
        "libraries": _libraries(),
        "models": _models(state_dir / "current"),
    }


def _build() -> dict[str, Any]:
    """What the packaging wrote beside the package, and what the interpreter says of itself."""
    build: dict[str, Any] = {
        "frozen": bool(getattr(sys, "frozen", False)),
        "implementation": sys.implementation.name,
        "optimize": sys.flags.optimize,
        "sqlite": sqlite3.sqlite_version,
    }
    try:
        written = json.loads((Path(__file__).resolve().parent.parent / BUILD_FILE).read_bytes())
    except (OSError, ValueError):
        return build
    return {**build, **written} if isinstance(written, dict) else build


def _generation(state_dir: Path) -> str:
    """The name that `current` points at; 'none' while no bundle was applied."""
    try:
        return (state_dir / "current").readlink().name
    except OSError:
        return "none"


def _libraries() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _models(content_dir: Path) -> list[dict[str, str]]:
    """The files that the cards state, read without the card's model: this command does not check, it says."""
    stated = []
    for card in sorted((content_dir / "cards").glob("*.json")):
        try:
            value = json.loads(card.read_bytes())
            for file in value.get("files", ()):
                stated.append({"model": value["id"], "path": file["path"], "sha256": file["sha256"]})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            stated.append({"model": card.name, "path": "", "sha256": "unreadable"})
    return stated

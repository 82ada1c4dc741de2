"""`weir models`: the cards that the node knows, and whether their files are there and the right ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.cli.client import Node, Where
from appliance.cli.common import NEGATIVE, OK, CliError, WeirCommand, content_in_force, json_option, where_options
from appliance.cli.out import Colour, clean, emit_json, paint, size, table
from appliance.config_places import operator_key_of

_COLOURS: dict[str, Colour] = {
    "ready": "green",
    "present": "green",
    "verified": "green",
    "not ready": "yellow",
}


@click.command(
    "models",
    cls=WeirCommand,
    short_help="List the models that the node knows.",
    examples=("weir models", "weir models --verify", "weir models --json"),
)
@where_options
@click.option("--verify", is_flag=True, help="Compute the digest of every file and compare it with the card's.")
@json_option
def command(state: Path | None, config_file: Path | None, verify: bool, as_json: bool) -> int:
    """List the models that the node knows.

    The cards are those of the generation in force; a running
    node is asked which of them are ready. Ends with 1 when a file is missing or differs from its card, or
    when a card cannot be read.
    """
    from appliance.config import load
    from appliance.doctor.shelf import CardFile, check_file, read_cards

    config = load(state, file=config_file)
    content = content_in_force(config.state_dir)
    cards, findings = read_cards(content)
    running = live(Where(config.state_dir, config.url, operator_key_of(config.state_dir)))

    def describe(item: CardFile) -> dict[str, Any]:
        card = item.card
        files = [check_file(content, file, digest=verify) for file in card.files]
        bad = [f"{file.path}: {file.problem}" for file in files if file.problem]
        path = running.get(card.id)
        if bad:
            state_of = "files wrong"
        elif path is not None:
            state_of = "ready" if path.get("ready") else "not ready"
        elif not card.files:
            state_of = "remote" if card.endpoint else "no files"
        else:
            state_of = "verified" if verify else "present"
        return {
            "id": card.id,
            "runtime": card.runtime,
            "tier": card.tier,
            "modalities": list(card.modalities),
            "parameters": card.parameters,
            "bytes": sum(file.bytes for file in card.files),
            "licence": card.licence,
            "state": state_of,
            "reason": "; ".join(bad) or str((path or {}).get("reason") or ""),
            "card": str(item.file),
            "files": [
                {
                    "path": f.path,
                    "sha256": f.sha256,
                    "problem": f.problem,
                    "verified": verify and not f.problem,
                }
                for f in files
            ],
        }

    described = [describe(item) for item in cards]
    if as_json:
        emit_json({"generation": content.name, "models": described, "findings": list(findings)})
    else:
        _show(content.name, described, findings)
    bad = bool(findings) or any(item["state"] == "files wrong" for item in described)
    return NEGATIVE if bad else OK


def live(where: Where) -> dict[str, dict[str, Any]]:
    """The paths of the running node by id; empty when none runs. Nothing here depends on one."""
    try:
        body = Node(where, timeout_s=2.0).get("/weir/v1/status").body
    except CliError:
        return {}
    paths = body.get("paths") if isinstance(body, dict) else None
    return {str(path.get("id")): path for path in paths or () if isinstance(path, dict)}


def _show(generation: str, described: list[dict[str, Any]], findings: tuple[str, ...]) -> None:
    if not described:
        click.echo(f"There are no cards in {clean(generation)}.")
    rows = [
        (
            item["id"],
            item["tier"],
            item["runtime"],
            ",".join(item["modalities"]),
            size(item["bytes"]) if item["bytes"] else "-",
            item["licence"] or "-",
            item["state"],
        )
        for item in described
    ]
    if rows:
        click.echo(table(("ID", "TIER", "RUNTIME", "FOR", "SIZE", "LICENCE", "STATE"), rows, right=("SIZE",)))
    for item in described:
        if item["reason"]:
            click.echo(f"{clean(item['id'])}: {paint(clean(item['reason']), _COLOURS.get(item['state'], 'red'))}")
        for file in item["files"]:
            if file["verified"]:
                click.echo(f"{clean(item['id'])}: {clean(file['path'])} sha256 {clean(file['sha256'])}")
    for finding in findings:
        click.echo(paint(clean(finding), "red"))

"""The commands of the ceremony: station, declare, show, sign, collect, status, renew, seal, evaluate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from signing import declare as declaring
from signing import evaluate as evaluation
from signing import roles, rounds
from signing import seal as sealing
from signing import station as stations
from signing.cli.common import (
    FAILED,
    NEGATIVE,
    OK,
    BenchCommand,
    emit,
    json_option,
    key_option,
    no_terminal,
    now,
    passphrase_option,
    progress_line,
    say,
    station_argument,
    unlocked,
)
from signing.errors import BenchError

_role = click.argument("role", type=click.Choice(roles.OFFLINE))


@click.command(
    "station",
    cls=BenchCommand,
    short_help="Make a publishing station.",
    examples=("weir-sign station /srv/weir --publisher 'Example Ltd'",),
)
@station_argument
@click.option("--publisher", required=True, help="The name that nodes show.")
def station(station: Path, publisher: str) -> int:
    """Make a publishing station.

    It is a directory with a roles.yaml to fill in and a place for the holders' public keys.
    """
    made = stations.Station.make(station, publisher)
    say(
        [
            f"Made {made.directory}. Fill in roles.yaml and put each NAME.pub into holders/.",
            f"Then: weir-sign declare {station}",
        ]
    )
    return OK


@click.command(
    "declare",
    cls=BenchCommand,
    short_help="Draft what roles.yaml asks for.",
    examples=("weir-sign declare /srv/weir",),
)
@station_argument
@json_option
def declare(station: Path, as_json: bool) -> int:
    """Draft what roles.yaml asks for.

    A new root where who signs what has changed, new delegations, and every role that must be signed again because its
    keys changed. Signatures that a draft has collected are kept where its content stays the same.
    """
    opened = stations.Station(station)
    made = declaring.declare(opened, now())
    if as_json:
        emit({"drafted": list(made), "waiting": list(opened.drafted())})
    else:
        say([_waiting(opened, role) for role in opened.drafted()] or ["Nothing has changed; there is nothing to sign."])
    return OK


@click.command(
    "show",
    cls=BenchCommand,
    short_help="Show a draft and its difference from what is published.",
    examples=("weir-sign show /media/stick/weir root",),
)
@station_argument
@_role
@json_option
def show(station: Path, role: str, as_json: bool) -> int:
    """Show a draft and its difference from what is published.

    Compare the digest with what the others read aloud: it covers everything that a signature covers.
    """
    draft = rounds.look(stations.Station(station), role)
    if as_json:
        emit(asdict(draft))
    else:
        say(_described(draft))
    return OK


@click.command(
    "sign",
    cls=BenchCommand,
    short_help="Add a signature to a draft.",
    examples=(
        "weir-sign sign /media/stick/weir root --key anna.key",
        "weir-sign sign /media/stick/weir root --key anna.key --yes --passphrase-fd 3",
    ),
)
@station_argument
@_role
@key_option
@passphrase_option
@click.option("--yes", is_flag=True, help="Do not ask whether the difference is what you mean to sign.")
def sign(station: Path, role: str, key_files: tuple[Path, ...], descriptor: int | None, yes: bool) -> int:
    """Add a signature to a draft.

    Shows the difference first and asks. A holder counts once.
    """
    opened = stations.Station(station)
    draft = rounds.look(opened, role)
    say(_described(draft))
    if not key_files:
        raise BenchError("key_missing", "No key was named.", next_step="Name it with --key.")
    if not yes and no_terminal():
        click.echo(
            "weir-sign: There is no terminal to ask on. Say --yes once you have read 'weir-sign show'.", err=True
        )
        return FAILED
    if not yes and not click.confirm("Sign this?"):
        return NEGATIVE
    for signer in unlocked(key_files, descriptor).values():
        progress = rounds.sign(opened, role, signer, draft.digest)
        say([f"{role}: {progress_line(progress)}"])
    return OK


@click.command(
    "collect",
    cls=BenchCommand,
    short_help="Take the signatures of a copy that came back.",
    examples=("weir-sign collect /srv/weir /media/stick/weir",),
)
@station_argument
@click.argument("copy", type=click.Path(file_okay=False, path_type=Path))
def collect(station: Path, copy: Path) -> int:
    """Take the signatures of a copy that came back.

    Nothing is taken where the copy's draft is not the one that was handed out, or a signature does not fit.
    """
    found = rounds.collect(stations.Station(station), stations.Station(copy))
    say([f"{role}: {progress_line(progress)}" for role, progress in found.items()] or ["The copy has no drafts."])
    return OK


@click.command(
    "status",
    cls=BenchCommand,
    short_help="Show what is published, drafted and due.",
    examples=("weir-sign status /srv/weir", "weir-sign status /srv/weir --json"),
)
@station_argument
@json_option
def status(station: Path, as_json: bool) -> int:
    """Show what is published, drafted and due.

    Ends with 1 where something has expired.
    """
    opened, at = stations.Station(station), now()
    found = []
    for role in roles.ROLES:
        published = opened.published(role)
        if published is not None:
            days = (published.signed.expires - at).days
            found.append((role, published.signed.version, f"{published.signed.expires:%Y-%m-%d}", days))
    if as_json:
        emit(
            {
                "evaluation": opened.evaluation,
                "published": [dict(zip(("role", "version", "expires", "days"), row, strict=True)) for row in found],
                "drafts": [asdict(rounds.look(opened, role)) for role in opened.drafted()],
            }
        )
    else:
        if opened.evaluation:
            say(["EVALUATION: throw-away keys; what they sign may come from anybody."])
        say([f"{role} {version}: good until {expires}, {days} days" for role, version, expires, days in found])
        say([_waiting(opened, role) for role in opened.drafted()])
    return NEGATIVE if any(days < 0 for *_, days in found) else OK


@click.command(
    "renew",
    cls=BenchCommand,
    short_help="Draft a role again with a new expiry.",
    examples=("weir-sign renew /srv/weir models",),
)
@station_argument
@_role
def renew(station: Path, role: str) -> int:
    """Draft a role again with a new expiry.

    Its content stays the same. Snapshot and timestamp need no draft: `weir-sign seal` makes them anew.
    """
    opened = stations.Station(station)
    declaring.renew(opened, role, now())
    say([_waiting(opened, role)])
    return OK


@click.command(
    "seal",
    cls=BenchCommand,
    short_help="Publish complete drafts under a new snapshot and timestamp.",
    examples=("weir-sign seal /srv/weir --key station.key",),
)
@station_argument
@key_option
@passphrase_option
def seal(station: Path, key_files: tuple[Path, ...], descriptor: int | None) -> int:
    """Publish complete drafts under a new snapshot and timestamp.

    Where a threshold is missed, nothing is published. Without drafts it renews snapshot and timestamp.
    """
    opened = stations.Station(station)
    if opened.evaluation and not key_files:
        signers = evaluation.signers_of(opened)
        rounds.sign_all(opened, signers)
    else:
        signers = unlocked(key_files, descriptor)
    sealing.seal(opened, signers, now())
    for role in roles.ROLES:
        published = opened.published(role)
        assert published is not None
        say([f"{role} {published.signed.version}"])
    return OK


@click.command(
    "evaluate",
    cls=BenchCommand,
    short_help="Make a station with throw-away keys, marked as such.",
    examples=("weir-sign evaluate build/evaluation",),
)
@station_argument
def evaluate(station: Path) -> int:
    """Make a station with throw-away keys, marked as such.

    For trying things out: all roles, real thresholds, and a root that says 'evaluation' on every node that trusts it.
    """
    made = evaluation.evaluate(station, now())
    say([f"Made {made.directory} with throw-away keys. Nodes that trust its root say so everywhere."])
    return OK


def _described(draft: rounds.Draft) -> list[str]:
    head = f"{draft.role} version {draft.version}, good until {draft.expires}"
    changes = [f"  {line}" for line in draft.changes]
    return [head, f"digest {draft.digest}", *changes, progress_line(draft.progress)]


def _waiting(opened: stations.Station, role: str) -> str:
    draft = rounds.look(opened, role)
    return f"{role} {draft.version}: draft, {progress_line(draft.progress)}"

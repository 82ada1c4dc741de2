"""`weir bundle apply`, `list`, `rollback` and `acknowledge`: which generation this node runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.bundle import go_offline, refusing
from appliance.cli.common import NEGATIVE, OK, CliError, WeirCommand, json_option, where_options
from appliance.cli.out import clean, duration, emit_json, money, paint, size, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.bundle.activate import ActivationResult, Means, Terms
    from appliance.bundle.stage import Progress
    from appliance.config import Config
    from appliance.doctor.asker import Asker
    from appliance.records.record import Record
    from appliance.store.audit.log import Audit

_RECORDS = 1000  # the newest are decided again
root_option = click.option(
    "--root",
    "root_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What a node trusts that trusts nothing yet; for the first bundle only.",
)
acknowledge_option = click.option(
    "--acknowledge", is_flag=True, help="Take it although its timestamp is late; the audit keeps that."
)


@click.command(
    "apply",
    cls=WeirCommand,
    short_help="Verify a bundle, rehearse it and take it into use.",
    examples=(
        "weir bundle apply /media/usb",
        "weir bundle apply weir-starter-2026.1.bundle.tar --root root.json",
        "weir bundle apply /media/usb --acknowledge --json",
    ),
)
@click.argument("place", type=click.Path(path_type=Path))
@root_option
@acknowledge_option
@where_options
@json_option
def apply(
    place: Path,
    root_file: Path | None,
    acknowledge: bool,
    state: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Verify a bundle, rehearse it and take it into use.

    PLACE is a bundle, or the directory that has exactly one. What is refused changes nothing that runs. A generation
    that fails its health check is marked bad, and the node returns to the one before. Ends with 0 when the bundle is in
    use or was before, with 1 when it is refused or was taken back.
    """
    from appliance.bundle import activate

    with _means(state, config_file, quiet=as_json) as (config, means, asker), refusing():
        go_offline(config)
        terms = terms_of(config, acknowledge=acknowledge, root_file=root_file)
        ended = activate.apply(place, means, terms)
    return say_end(ended, asker, as_json=as_json)


@click.command(
    "rollback",
    cls=WeirCommand,
    short_help="Return to the generation before.",
    examples=("weir bundle rollback", "weir bundle rollback --json"),
)
@where_options
@json_option
def rollback(state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Return to the generation before.

    It must pass its health check again. What runs now is kept, and a second rollback returns to it. Floors stay where
    they are, so no older bundle can be imported after it. Ends with 1 when that is refused or the check fails.
    """
    from appliance.bundle import activate

    with _means(state, config_file, quiet=as_json) as (config, means, asker), refusing():
        go_offline(config)
        ended = activate.roll_back(means)
    return say_end(ended, asker, as_json=as_json)


@click.command(
    "acknowledge",
    cls=WeirCommand,
    short_help="Let a generation that was marked bad be tried again.",
    examples=("weir bundle acknowledge weir-starter-2026.2",),
)
@click.argument("id")
@where_options
@json_option
def acknowledge(id: str, state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Let a generation that was marked bad be tried again.

    Nothing is tried here: apply the bundle again after it. The audit keeps who did so. Ends with 1 when no generation
    of this name is marked bad.
    """
    from appliance.bundle import activate

    with _means(state, config_file, quiet=as_json) as (config, means, _), refusing():
        go_offline(config)
        reason = activate.acknowledge(id, means)
    if as_json:
        emit_json({"id": id, "was_bad": reason})
    else:
        click.echo(f"{clean(id)} may be tried again. It was bad: {clean(reason)}")
    return OK


@click.command(
    "list",
    cls=WeirCommand,
    short_help="List the generations of this node, and what it trusts.",
    examples=("weir bundle list", "weir bundle list --json"),
)
@where_options
@json_option
def list_(state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """List the generations of this node, and what it trusts.

    Reads the state directory and changes nothing. Ends with 0 when a generation is in use, with 1 when there is none or
    the node is in safe mode.
    """
    from appliance.config import load

    told = _told(load(state, file=config_file).state_dir)
    if as_json:
        emit_json(told)
    else:
        _say_list(told)
    sound = told["runs"] and told["runs"] not in told["damaged"] and not told["safe_mode"]
    return OK if sound else NEGATIVE


def _told(state_dir: Path) -> dict[str, Any]:
    from appliance.bundle import generations
    from appliance.bundle.in_force import root_in
    from appliance.store import floors
    from appliance.store import slots as kept
    from appliance.store.floors import Lost

    found = floors.read(state_dir)
    trusts = found.state if isinstance(found, Lost) else found
    slots = kept.read(state_dir) or kept.Slots()
    roles = {slots.previous: "previous", slots.fallen: "safe mode", slots.good: "good", slots.trial: "trial"}
    there = generations.listed(state_dir)
    rows: list[dict[str, Any]] = [
        {
            "id": id,
            "state": "bad" if id in slots.bad and id != slots.fallen else roles.get(id, "not in use"),
            "epoch": manifest.security_epoch,
            "bytes": manifest.stored,
        }
        for id, manifest in there.items()
    ]
    damaged = slots.kept - there.keys()
    rows += [{"id": id, "state": "missing or damaged", "epoch": None, "bytes": 0} for id in sorted(damaged)]
    rows += [{"id": id, "state": "bad", "epoch": None, "bytes": 0} for id in slots.bad if id not in there]
    root = root_in(found)
    return {
        "runs": slots.trial or slots.good,
        "current": generations.current(state_dir),
        "tries": slots.tries,
        "damaged": sorted(damaged),
        "safe_mode": bool(slots.fallen) and not slots.trial,
        "generations": rows,
        "bad": dict(slots.bad),
        "root": None if root is None else asdict(root),
        "state_lost": found.why if isinstance(found, Lost) else "",
        "floors": asdict(trusts.floors) if trusts is not None else None,
    }


def _say_list(told: dict[str, Any]) -> None:
    root = told["root"]
    if root is None:
        click.echo("This node trusts no root yet.")
    else:
        trusted = f"Root {root['version']}: {clean(root['name'])}"
        click.echo(trusted + (paint(", FOR EVALUATION ONLY", "yellow") if root["evaluation"] else ""))
        click.echo(f"Security epoch: {told['floors']['epoch']}")
    rows = [
        (row["id"], row["state"], "" if row["epoch"] is None else row["epoch"], size(row["bytes"]))
        for row in told["generations"]
    ]
    if rows:
        click.echo(table(("GENERATION", "STATE", "EPOCH", "SIZE"), rows, right=("EPOCH", "SIZE")))
    for id, reason in told["bad"].items():
        click.echo(f"{clean(id)} is bad: {clean(reason)}")
    for id in told["damaged"]:
        click.echo(paint(f"{clean(id)} is not as it was signed: check the disk, and apply its bundle again.", "red"))
    if told["safe_mode"]:
        click.echo(paint("SAFE MODE: policy and cache only; bring a newer bundle.", "red"))
    elif not told["runs"]:
        click.echo("No generation is in use.")
    if told["state_lost"]:
        click.echo(paint(f"The next import restores what this node trusts: {clean(told['state_lost'])}.", "yellow"))


def say_end(ended: ActivationResult, asker: Asker | None = None, *, as_json: bool, mirror: bool = False) -> int:
    """Say how it ended, and what servers said; 0 where the wanted generation runs."""
    from appliance.bundle.refusal import next_step

    reason = {"returned": "health_failed", "safe_mode": "safe_mode"}.get(ended.outcome, "")
    age = None if ended.age is None else round(ended.age.age.total_seconds())
    if as_json:
        told: dict[str, Any] = {
            "id": ended.id,
            "outcome": ended.outcome,
            "runs": ended.runs,
            "copied": ended.copied,
            "age_s": age,
            "acknowledged": ended.age is not None and ended.age.acknowledged,
            "settled": ended.settled,
            "servers": None if asker is None else {"asked": asker.asked, "unreached": list(asker.unreached)},
            "rehearsal": None if ended.rehearsal is None else asdict(ended.rehearsal),
        }
        if reason:
            told["refused"] = {
                "reason": reason,
                "message": ended.problem,
                "next_step": next_step(reason, mirror=mirror),
            }
        emit_json(told)
        return NEGATIVE if reason else OK
    if ended.settled:
        click.echo(clean(ended.settled).capitalize() + ".")
    if ended.rehearsal is not None:
        found = ended.rehearsal
        denials = f", {found.denials} denials" if found.denials else ""
        click.echo(f"Rehearsed: {found.cards} cards, {found.policy_tests} policy tests{denials} hold.")
        if found.records:
            click.echo(
                f"Of {found.records} recent requests {found.otherwise} would go another way: "
                f"{found.refused} newly refused, {found.admitted} newly answered; expected cost "
                f"{money(found.cost_before, found.currency)} before, {money(found.cost_after, found.currency)} now."
            )
        for example in found.examples:
            click.echo(f"  {clean(example)}")
    if asker is not None and (asker.asked or asker.unreached):
        click.echo(f"Asked {asker.asked} golden prompts of servers.")
        for each in asker.unreached:
            click.echo(f"  {clean(each)}")
    if reason:
        click.echo(
            f"weir: {reason}: {clean(ended.id)}: {clean(ended.problem)}. {next_step(reason, mirror=mirror)}", err=True
        )
        return NEGATIVE
    said = {
        "good": "is in use",
        "no_change": "was in use already: no change",
        "mended": "was not as it was signed on this disk, and is again; start the node anew, and check the disk",
        "renewed": "was in use; its metadata is newer now",
    }
    click.echo(paint(f"{clean(ended.id)} {said[ended.outcome]}.", "green"))
    if age is not None:
        click.echo(f"Signed {duration(age) if age >= 60 else 'less than a minute'} before the time that counts.")
    return OK


@contextmanager
def _means(
    state: Path | None, config_file: Path | None, *, quiet: bool
) -> Iterator[tuple[Config, Means, Asker | None]]:
    """The configuration, what activation needs of this node, and who asks servers; its audit is open meanwhile."""
    from appliance.cli.logs import configure
    from appliance.config import load
    from appliance.doctor.child import give_way

    config = load(state, file=config_file)
    configure(config.logging)
    give_way()
    with audited(config) as audit, asking(config, config_file) as asker:
        yield config, means_of(config, audit, asker, quiet=quiet), asker


@contextmanager
def asking(config: Config, config_file: Path | None) -> Iterator[Asker | None]:
    """Who asks golden prompts of servers, begun while this process has a network; None where the host asks none."""
    from appliance.doctor.asker import Asker

    if not config.bundles.ask_servers:
        yield None
        return
    asker = Asker(config.state_dir, config_file)
    try:
        yield asker
    finally:
        asker.close()


@contextmanager
def audited(config: Config) -> Iterator[Audit]:
    """The node's audit, open. Raises CliError where there is no state directory, DiskFull where there is no room."""
    from appliance.store import room
    from appliance.store.audit.log import Audit

    if not config.state_dir.is_dir():
        raise CliError(f"{config.state_dir} is not there.", code="state_invalid", next_step="Make it with 'weir init'.")
    room.demand(config.state_dir)  # said before anything is begun
    audit = Audit(config.state_dir)
    try:
        yield audit
    finally:
        audit.close()


def means_of(config: Config, audit: Audit, asker: Asker | None = None, *, quiet: bool) -> Means:
    """What activation needs of this node."""
    from appliance.bundle import health
    from appliance.bundle.activate import Means
    from appliance.bundle.manifest import ManifestInvalid
    from appliance.doctor.child import ask
    from appliance.errors import ConfigInvalid
    from appliance.hosted import generation_of

    def check(folder: Path, known: Path | None) -> str:
        return models(folder, known) or (asker.ask(folder, known) if asker is not None else "")

    def models(folder: Path, known: Path | None) -> str:
        now, unconfined = datetime.now(UTC).timestamp(), config.paths.unconfined_workers
        with suppress(OSError, ManifestInvalid, ConfigInvalid):  # the check says it better
            if not health.unproven(folder, known):  # nothing runs that could crash or hang
                return "; ".join(health.check(folder, now, known=known).problems)
        argument = {"folder": str(folder), "known": str(known or ""), "now": now, "unconfined": unconfined}
        return ask("generation", argument, timeout_s=health.LIMIT_S, aside=True).problem

    return Means(
        config.state_dir,
        load=lambda folder: generation_of(config, folder),
        check=check,
        note=lambda facts: audit.write("admin", facts),
        records=lambda: _records(config.state_dir),
        show=_shown(quiet=quiet),
    )


def terms_of(config: Config, *, acknowledge: bool, root_file: Path | None, thorough: bool = True) -> Terms:
    """On which terms this node takes a bundle now."""
    from appliance.bundle.activate import Terms
    from appliance.bundle.freshness import Moment
    from appliance.cli.bundle import root_of

    rules = config.bundles
    return Terms(
        Moment(datetime.now(UTC), rules.clock_trusted),
        rules.freshness,
        timedelta(days=rules.max_age_days),
        acknowledge,
        root_of(root_file) if root_file else None,
        thorough,
    )


def _records(state_dir: Path) -> Iterable[Record]:
    """The newest records that this program can read; none where there are none yet."""
    import orjson

    from appliance.errors import StateInvalid
    from appliance.records.record import from_json
    from appliance.store import open_reader

    try:
        rows = open_reader(state_dir).newest(_RECORDS)
    except StateInvalid:
        return
    for _, row in rows:
        try:
            record = from_json(orjson.dumps(row))
        except ValueError:
            continue  # of another schema
        yield record


def _shown(*, quiet: bool) -> Any:
    """How staging shows its progress: one line on a terminal, in whole percents."""
    if quiet or not sys.stderr.isatty():
        return lambda _: None
    last = -1

    def show(progress: Progress) -> None:
        nonlocal last
        percent = 100 * progress.done // max(1, progress.total)
        if percent != last:
            last = percent
            click.echo(f"\r{percent} %, {size(progress.done)} of {size(progress.total)}", err=True, nl=percent == 100)

    return show

"""`weir bundle find`, `verify` and `show`: what a medium holds, changing nothing. `bundle_apply` has the others."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import NEGATIVE, OK, CliError, WeirCommand, json_option, where_options
from appliance.cli.out import clean, duration, emit_json, paint, size, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from appliance.bundle.freshness import Freshness
    from appliance.bundle.media import Source
    from appliance.bundle.preflight import Preflight
    from appliance.bundle.refusal import BundleRefused
    from appliance.bundle.trust import Trusted
    from appliance.config import Config
    from appliance.store.floors import Lost, TrustState

_place = click.argument("place", type=click.Path(path_type=Path))
_root = click.option(
    "--root",
    "root_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Judge as a node would that trusts this root.json and nothing else.",
)


_ELSEWHERE = ("apply", "list", "rollback", "acknowledge", "check")


class _Group(click.Group):
    """Commands that change what runs, and what judges content, are in modules of their own, imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        from appliance.cli import bundle_apply, bundle_check

        found: dict[str, click.Command] = {
            "check": bundle_check.check,
            "apply": bundle_apply.apply,
            "list": bundle_apply.list_,
            "rollback": bundle_apply.rollback,
            "acknowledge": bundle_apply.acknowledge,
        }
        return found[cmd_name]


@click.group("bundle", cls=_Group, short_help="Verify signed bundles and take them into use.")
def command() -> None:
    """Verify signed bundles and take them into use."""


@command.command(
    "find",
    cls=WeirCommand,
    short_help="List the bundles at a place.",
    examples=("weir bundle find /media/usb", "weir bundle find . --json"),
)
@_place
@json_option
def find(place: Path, as_json: bool) -> int:
    """List the bundles at a place.

    PLACE is a bundle, or a directory that has some directly in it, such as a medium's mount point. Nothing is verified.
    Ends with 1 when there is none.
    """
    from appliance.bundle import media
    from appliance.bundle.discover import MAX_BUNDLES

    go_offline(None)
    with refusing():
        found = media.find(place)
    if as_json:
        emit_json({"bundles": [{"path": str(each.path), "kind": each.kind} for each in found]})
    for each in found if not as_json else ():
        click.echo(f"{clean(each.path)}  {each.kind}")
    if len(found) > MAX_BUNDLES and not as_json:
        click.echo(
            f"Of these {len(found)} a node that looks for media examines the first {MAX_BUNDLES} only.", err=True
        )
    if not found and not as_json:
        click.echo(f"There is no bundle at {clean(place)}.", err=True)
    return OK if found else NEGATIVE


@command.command(
    "verify",
    cls=WeirCommand,
    short_help="Say whether this node would take a bundle, who signed it and what it changes.",
    examples=(
        "weir bundle verify /media/usb",
        "weir bundle verify weir-starter-2026.1.bundle.tar --json",
        "weir bundle verify ./weir-starter-2026.1.bundle --root root.json",
    ),
)
@_place
@_root
@click.option("--acknowledge", is_flag=True, help="Judge as if the late timestamp were acknowledged. Keeps nothing.")
@click.option("--blobs", "read_blobs", is_flag=True, help="Also read every blob and compare it with what was signed.")
@where_options
@json_option
def verify(
    place: Path,
    root_file: Path | None,
    acknowledge: bool,
    read_blobs: bool,
    state: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Say whether this node would take a bundle, who signed it and what it changes.

    PLACE is a bundle, or the directory that has exactly one. Nothing is written, and no network is used. Ends with 1
    when the bundle is refused; the reason has a code, listed in bundles/FORMAT.md.
    """
    from appliance.bundle import media

    config, trusts = node_of(state, config_file, root_file)
    go_offline(config)
    return say_verdict(
        media.opened(place), config, trusts, acknowledge=acknowledge, read_blobs=read_blobs, as_json=as_json
    )


def say_verdict(
    opening: AbstractContextManager[Source],
    config: Config,
    trusts: TrustState | Lost | None,
    *,
    acknowledge: bool,
    read_blobs: bool,
    as_json: bool,
    mirror: bool = False,
) -> int:
    """Whether this node would take the bundle of a source, who signed it and what it changes; 0 where it would."""
    from appliance.bundle import preflight
    from appliance.bundle import verify as verifying
    from appliance.bundle.refusal import next_step

    told: dict[str, Any] = {"taken": False}
    refusal: BundleRefused | None = None
    with refusing(mirror=mirror), opening as source:
        bundle = verifying.trusted(source, trusts)
        told |= _facts(bundle, source)
        age, refusal = _age(bundle, config, acknowledge=acknowledge)
        told |= {"age": _age_facts(bundle, age)}
        known = _state(trusts)
        told |= {"changes": _change_facts(known, bundle), "same": verifying.same(known, bundle)}
        room, refusal = _either(
            lambda: preflight.check(bundle, source, verifying.host_of(_existing(config.state_dir), known)), refusal
        )
        if read_blobs and refusal is None:
            _, refusal = _either(lambda: verifying.read_blobs(bundle.manifest, source), refusal)
            told["blobs_read"] = refusal is None
    if room is not None:
        told["room"] = {"total": room.total, "to_copy": room.to_copy, "needed": room.needed}
    told["taken"] = refusal is None
    if refusal is not None:
        step = next_step(refusal.reason, mirror=mirror)
        told["refused"] = {
            "reason": refusal.reason,
            "message": refusal.message,
            "next_step": step,
            "details": list(refusal.details),
        }
    if as_json:
        emit_json(told)
        return OK if refusal is None else NEGATIVE
    _say(told, room)
    if refusal is None:
        click.echo(paint("This node would take it.", "green"))
        return OK
    for detail in refusal.details:
        click.echo(f"  {clean(detail)}")
    click.echo(f"weir: refused ({refusal.reason}): {clean(refusal.message)} {step}", err=True)
    return NEGATIVE


@command.command(
    "show",
    cls=WeirCommand,
    short_help="Show what is in a bundle, once its signatures hold.",
    examples=("weir bundle show /media/usb", "weir bundle show x.bundle.tar --root root.json --json"),
)
@_place
@_root
@where_options
@json_option
def show(place: Path, root_file: Path | None, state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Show what is in a bundle, once its signatures hold.

    Files with their sizes and the role that signed each, the health checks, the changelog. Age, completeness and
    whether this node would take it are for `verify`.
    """
    from appliance.bundle import manifest as form
    from appliance.bundle import media
    from appliance.bundle import verify as verifying

    config, trusts = node_of(state, config_file, root_file)
    go_offline(config)
    with refusing(), media.opened(place) as source:
        bundle = verifying.trusted(source, trusts)
        told = _facts(bundle, source)
    manifest = bundle.manifest
    rows = [(path, form.length_of(pieces), len(pieces), bundle.signer[path]) for path, pieces in manifest.files.items()]
    if as_json:
        files = [{"path": path, "length": length, "blobs": count, "role": role} for path, length, count, role in rows]
        emit_json(told | {"files": files, "manifest": manifest.model_dump(mode="json", exclude={"files"})})
        return OK
    _say(told, None)
    click.echo(table(("FILE", "SIZE", "BLOBS", "ROLE"), [(p, size(n), c, r) for p, n, c, r in rows], right=("SIZE",)))
    click.echo(
        f"Needs weir {clean(manifest.least_appliance)} on {', '.join(manifest.architectures)} and "
        f"{size(manifest.disk_bytes)} of disk. Security epoch {manifest.security_epoch}. "
        f"Health: {len(manifest.health.prompts)} prompts, {len(manifest.health.denials)} denials."
    )
    if manifest.changelog:
        click.echo("\n".join(clean(line) for line in manifest.changelog.splitlines()))
    return OK


@contextmanager
def refusing(*, mirror: bool = False) -> Iterator[None]:
    """A refusal before anything is known of the bundle: exit code 1, its reason as the code."""
    from appliance.bundle.refusal import BundleRefused, next_step

    try:
        yield
    except BundleRefused as error:
        raise CliError(
            f"Refused ({error.reason}): {error.message}",
            code=error.reason,
            exit_code=NEGATIVE,
            next_step=next_step(error.reason, mirror=mirror),
            details=error.details,
        ) from error


def go_offline(config: Config | None) -> None:
    """Give up every socket before anything of a medium is read; what a command starts has none either.

    Raises CliError where the kernel sets no filter, unless the host's file permits local models unconfined: what they
    could reach, an import may too. Without a configuration, where names alone are read, that is said and no more.
    """
    from appliance.paths import confine

    try:
        confine.offline()
    except confine.NoFilter as error:
        if config is not None and not config.paths.unconfined_workers:
            raise CliError(
                f"The kernel cannot keep this command off the network: {error}.",
                code="unconfined",
                next_step="Use a kernel with seccomp, or permit it: 'paths.unconfined_workers: true' in weir.yaml.",
            ) from None
        click.echo(f"weir: warning: nothing but this program keeps it off the network: {error}.", err=True)


def node_of(
    state: Path | None, config_file: Path | None, root_file: Path | None
) -> tuple[Config, TrustState | Lost | None]:
    """The node's configuration and what it trusts."""
    from appliance.bundle import verify as verifying
    from appliance.config import load
    from appliance.store import floors

    config = load(state, file=config_file)
    if root_file is None:
        return config, floors.read(config.state_dir)
    with refusing():
        return config, verifying.begin(root_of(root_file))


def root_of(file: Path) -> bytes:
    """The root.json that somebody named, as bytes; one byte more than it may have shows that it is too long."""
    from appliance.bundle import manifest as form

    try:
        with file.open("rb") as stream:
            return stream.read(form.MAX_ROOT + 1)
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}.", code="not_found", next_step="Name a root.json.") from error


def _state(trusts: TrustState | Lost | None) -> TrustState:
    from appliance.store.floors import TrustState

    assert isinstance(trusts, TrustState)  # a bundle was verified against it
    return trusts


def _existing(directory: Path) -> Path:
    """The directory, or the nearest above it that is there: its disk is the one that counts."""
    while not directory.is_dir() and directory != directory.parent:
        directory = directory.parent
    return directory


def _age(bundle: Trusted, config: Config, *, acknowledge: bool) -> tuple[Freshness | None, BundleRefused | None]:
    from datetime import UTC, datetime, timedelta

    from appliance.bundle import freshness

    rules = config.bundles
    moment = freshness.Moment(datetime.now(UTC), rules.clock_trusted)
    return _either(
        lambda: freshness.judge(
            bundle, moment, rules.freshness, acknowledged=acknowledge, max_age=timedelta(days=rules.max_age_days)
        ),
        None,
    )


def _either(ask: Any, refusal: BundleRefused | None) -> tuple[Any, BundleRefused | None]:
    """What was asked, or why not; of two refusals the first stays."""
    from appliance.bundle.refusal import BundleRefused

    try:
        return ask(), refusal
    except BundleRefused as error:
        return None, refusal or error


def _facts(bundle: Trusted, source: Source) -> dict[str, Any]:
    roles = [
        {
            "role": role.name,
            "version": role.version,
            "threshold": role.threshold,
            "keys": list(role.keys),
            "expires": role.expires.isoformat(),
        }
        for role in bundle.roles
    ]
    return {
        "source": source.label,
        "id": bundle.manifest.id,
        "root": {"name": bundle.root_name, "evaluation": bundle.evaluation, "version": bundle.role["root"].version},
        "issued": bundle.issued.isoformat(),
        "roles": roles,
        "recovered": bundle.recovered,
    }


def _age_facts(bundle: Trusted, age: Freshness | None) -> dict[str, Any]:
    """`by_clock` is the age by this host's clock, which may be wrong; `judged` the one that counts."""
    from datetime import UTC, datetime

    by_clock = (datetime.now(UTC) - bundle.issued).total_seconds()
    judged = None if age is None else age.age.total_seconds()
    return {"by_clock_s": round(by_clock), "judged_s": judged, "expired": list(age.expired) if age else []}


def _change_facts(state: TrustState, bundle: Trusted) -> dict[str, Any]:
    from appliance.bundle import verify as verifying

    before = verifying.manifest_of(state)
    changes = verifying.changes(before, bundle.manifest)
    return {
        "against": before.id if before else "",
        "added": list(changes.added),
        "changed": list(changes.changed),
        "removed": list(changes.removed),
    }


def _say(told: dict[str, Any], room: Preflight | None) -> None:
    """The facts as a person reads them."""
    root = told["root"]
    click.echo(f"{clean(told['id'])}, issued {told['issued']}")
    trusted = f"Root {root['version']}: {clean(root['name'])}"
    click.echo(trusted + (paint(", FOR EVALUATION ONLY", "yellow") if root["evaluation"] else ""))
    rows = []
    for role in told["roles"]:
        keys = ", ".join(key[:16] for key in role["keys"])
        rows.append((role["role"], role["version"], role["threshold"], len(role["keys"]), keys))
    click.echo(table(("ROLE", "VERSION", "NEEDS", "HAS", "KEYS"), rows, right=("VERSION", "NEEDS", "HAS")))
    if told["recovered"]:
        click.echo("The root took away keys that set floors; those floors are forgotten.")
    if "age" in told:
        click.echo(f"Age by this host's clock: {duration(max(0, told['age']['by_clock_s']))}")
    if "changes" in told:
        changes = told["changes"]
        against = changes["against"] or "nothing accepted yet"
        click.echo(f"Against {clean(against)}:" + (" no change" if told["same"] else ""))
        for mark, name in (("+", "added"), ("~", "changed"), ("-", "removed")):
            for path in changes[name]:
                click.echo(f"  {mark} {clean(path)}")
    if room is not None:
        click.echo(f"To copy: {size(room.to_copy)} of {size(room.total)}; free must be {size(room.needed)}.")

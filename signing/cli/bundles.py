"""The commands that make and look at bundles: recipe, press, bundle, inspect, diff, mirror."""

from __future__ import annotations

from pathlib import Path

import click

from signing import compare, evaluate, judged, publish, rounds, tree
from signing import press as pressing
from signing import recipe as recipes
from signing import seal as sealing
from signing import station as stations
from signing.cli.common import (
    NEGATIVE,
    OK,
    BenchCommand,
    clean,
    emit,
    json_option,
    key_option,
    now,
    passphrase_option,
    progress_line,
    say,
    station_argument,
    unlocked,
)
from signing.errors import BenchError

_path = click.Path(path_type=Path)
_out = click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Directory to write the bundle to.")
_tar = click.option("--tar", "as_tar", is_flag=True, help="Write the bundle as a tar too.")


@click.command(
    "recipe",
    cls=BenchCommand,
    short_help="Write a recipe for a GGUF of one's own.",
    examples=("weir-sign recipe /srv/models/my-model.gguf --content bundles/starter.yaml > my-model.yaml",),
)
@click.argument("gguf", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--content", type=_path, required=True, help="What it is added to: a recipe or a content directory.")
@click.option("--id", "name", help="The id to ask for it by, instead of the file's name.")
def recipe(gguf: Path, content: Path, name: str | None) -> int:
    """Write a recipe for a GGUF of one's own.

    The recipe goes to stdout: the content with the model and a card for it, to be edited and pressed. What another
    recipe says stays as it is, its golden prompts too; a content directory has none. The card claims no accuracy: fill
    in `accuracy` per task cell, with sample sizes, for `auto` to consider it.
    """
    click.echo(recipes.for_model(gguf, content, name), nl=False)
    return OK


@click.command(
    "press",
    cls=BenchCommand,
    short_help="Press a content directory or a recipe.",
    examples=(
        "weir-sign press build/evaluation bundles/starter.yaml --out build/bundles",
        "weir-sign press /srv/weir my-site.yaml",
        "weir-sign press /srv/weir my-site.yaml --key anna.key --key boris.key --key station.key --out /media/stick",
    ),
)
@station_argument
@click.argument("content", type=_path)
@click.option("--name", help="The bundle's name without year and number.")
@click.option("--unchecked", is_flag=True, help="Do not ask the node's program what it would have against the content.")
@_out
@_tar
@key_option
@passphrase_option
@json_option
def press(
    station: Path,
    content: Path,
    name: str | None,
    unchecked: bool,
    out: Path | None,
    as_tar: bool,
    key_files: tuple[Path, ...],
    descriptor: int | None,
    as_json: bool,
) -> int:
    """Press a content directory or a recipe.

    What a node would refuse is refused first. Cuts files into blobs and drafts what must be signed. With the keys of
    enough holders, or in a station of evaluation keys, it signs and seals too; otherwise the drafts travel, and it ends
    with 1. Where nothing has changed nothing is signed: `weir-sign seal` issues the same generation anew.
    """
    opened = stations.Station(station)
    signers = evaluate.signers_of(opened) if opened.evaluation and not key_files else unlocked(key_files, descriptor)
    contents = recipes.read(content, name)
    if unchecked:
        click.echo("weir-sign: NOT CHECKED: whether a node would take this content, nobody was asked.", err=True)
    else:
        judged.judge(contents)
    manifest, _ = pressing.press(opened, contents, now())
    rounds.sign_all(opened, signers)
    waiting = {role: rounds.look(opened, role).progress for role in opened.drafted()}
    if signers and not sealing.sealed(opened) and not any(progress.missing for progress in waiting.values()):
        sealing.seal(opened, signers, now())
    sealed = sealing.sealed(opened)
    written = _write(opened, out, as_tar) if out and sealed else []
    if as_json:
        emit(
            {
                "id": manifest.id,
                "files": len(manifest.files),
                "bytes": manifest.stored,
                "checked": not unchecked,
                "sealed": sealed,
                "waiting": {role: progress.missing for role, progress in waiting.items()} if not sealed else {},
                "written": [str(path) for path in written],
            }
        )
    else:
        say([f"{manifest.id}: {len(manifest.files)} files, {manifest.stored} bytes in {len(manifest.blobs)} blobs"])
        if not sealed:
            say([f"{role}: {progress_line(progress)}" for role, progress in waiting.items()])
            say([f"Next: each holder runs 'weir-sign sign' on a copy; then weir-sign seal {station}"])
        say(f"Wrote {path}" for path in written)
    return OK if sealed else NEGATIVE


@click.command(
    "bundle",
    cls=BenchCommand,
    short_help="Write what is published as a bundle.",
    examples=("weir-sign bundle /srv/weir /media/stick", "weir-sign bundle /srv/weir /media/stick --tar"),
)
@station_argument
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@_tar
def bundle(station: Path, out: Path, as_tar: bool) -> int:
    """Write what is published as a bundle.

    The bundle gets its name when it is complete; an older issue of the same generation gives way.
    """
    say(f"Wrote {path}" for path in _write(stations.Station(station), out, as_tar))
    return OK


@click.command(
    "inspect",
    cls=BenchCommand,
    short_help="Verify a bundle, a mirror or a station, and show what it holds.",
    examples=(
        "weir-sign inspect build/bundles/weir-starter-2026.1.bundle",
        "weir-sign inspect my-site-2026.1.bundle.tar",
    ),
)
@click.argument("bundle", type=_path)
@json_option
def inspect(bundle: Path, as_json: bool) -> int:
    """Verify a bundle, a mirror or a station, and show what it holds.

    Reads every blob. Ends with 1 where something is missing, damaged or not signed as it must be.
    """
    source = tree.open_tree(bundle)
    found = tree.verify(source)
    wrong = {"missing": list(found.missing), "damaged": list(tree.damaged(source, found))}
    roles = [
        (role, metadata.signed.version, f"{metadata.signed.expires:%Y-%m-%d}", found.signed[role])
        for role, metadata in found.metadata.items()
    ]
    manifest = found.manifest
    if as_json:
        emit(
            {
                "id": manifest.id,
                "publisher": found.name,
                "evaluation": found.evaluation,
                "issued": found.issued,
                "roles": [
                    {"role": role, "version": version, "expires": expires, "signed": list(signed)}
                    for role, version, expires, signed in roles
                ],
                "files": {path: sum(blob.length for blob in pieces) for path, pieces in manifest.files.items()},
                "bytes": manifest.stored,
                **wrong,
            }
        )
    else:
        say([f"{manifest.id} of {found.name}, issued {found.issued}"])
        if found.evaluation:
            say(["EVALUATION: throw-away keys; it may come from anybody."])
        say(
            f"{role} {version}: good until {expires}, signed by {', '.join(who)}"
            for role, version, expires, who in roles
        )
        say([f"{len(manifest.files)} files, {manifest.stored} bytes in {len(manifest.blobs)} blobs"])
        say(f"{what}: {digest}" for what, digests in wrong.items() for digest in digests)
    return NEGATIVE if any(wrong.values()) else OK


@click.command(
    "diff",
    cls=BenchCommand,
    short_help="Show what is different between two bundles.",
    examples=("weir-sign diff my-site-2026.1.bundle my-site-2026.2.bundle",),
)
@click.argument("before", type=_path)
@click.argument("after", type=_path)
@json_option
def diff(before: Path, after: Path, as_json: bool) -> int:
    """Show what is different between two bundles.

    Files with how many of their bytes are new, the manifest, and who signs what. Ends with 1 where they differ.
    """
    found = compare.compare(*(tree.verify(tree.open_tree(path)) for path in (before, after)))
    if as_json:
        emit(
            {
                "generation": list(found.generation),
                "files": list(found.files),
                "trust": list(found.trust),
                "new_bytes": found.new_bytes,
            }
        )
    else:
        say((*found.generation, *found.files, *found.trust))
        say(["The same." if found.same else f"{found.new_bytes} bytes are new."])
    return OK if found.same else NEGATIVE


@click.command(
    "mirror",
    cls=BenchCommand,
    short_help="Publish to a static directory, in a safe order.",
    examples=("weir-sign mirror /srv/weir /var/www/weir", "weir-sign mirror my-site-2026.1.bundle /var/www/weir"),
)
@click.argument("source", type=_path)
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--at-once", is_flag=True, help="For a revoked key: the new root need not accept what the mirror holds.")
def mirror(source: Path, directory: Path, at_once: bool) -> int:
    """Publish to a static directory, in a safe order.

    Blobs first, the timestamp last, each file by renaming. Interrupted anywhere, clients go on with what was there; run
    it again to finish.
    """
    written = publish.mirror(tree.open_tree(source), directory, at_once=at_once)
    click.echo(f"Wrote {written} files to {clean(directory)}." if written else "Nothing is new.")
    return OK


def _write(opened: stations.Station, out: Path, as_tar: bool) -> list[Path]:
    if opened.drafted():
        raise BenchError(
            "threshold_missed",
            f"{', '.join(opened.drafted())} still wait for signatures or to be sealed.",
            next_step=f"weir-sign seal {opened.directory}",
        )
    source = tree.Folder(opened.directory)
    return [publish.bundle(source, out), *([publish.tar(source, out)] if as_tar else [])]

"""Pressing: a content becomes blobs, a manifest, and drafts that wait for signatures.

Rules kept here (numbers of bundles/FORMAT.md):
1. Nothing is published here: blobs and the manifest lie in the station, and count once a snapshot names them.
2. A role whose files did not change gets no draft, keeps its version and its signatures (R11).
3. An id is never used for two contents (G3): a new content takes the next number, an unchanged one keeps its id.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from pydantic import ValidationError
from tuf.api.metadata import TargetFile, Targets

from appliance.bundle import manifest as form
from signing import blobs, files, recipe
from signing.blobs import Cut
from signing.errors import BenchError
from signing.recipe import Contents
from signing.station import Station


def press(station: Station, contents: Contents, now: datetime) -> tuple[form.Manifest, tuple[str, ...]]:
    """The manifest, and the roles that have a draft now. Raises BenchError."""
    with files.alone(station.directory):
        return _press(station, contents, now)


def _press(station: Station, contents: Contents, now: datetime) -> tuple[form.Manifest, tuple[str, ...]]:
    _ready(station, now)
    cut = {path: _cut(station, path, source) for path, source in contents.files.items()}
    recipe.check_cards(
        {path: _bytes(source) for path, source in contents.files.items() if path.startswith("cards/")},
        {path: (each.sha256, each.length) for path, each in cut.items()},
    )
    owners = {path: _owner(path) for path in cut}
    manifest = _manifest(station, contents, cut, now)
    content = form.write_manifest(manifest)
    target = TargetFile.from_data(form.MANIFEST, content, ["sha256"])
    place = station.directory / form.target_path(form.MANIFEST, target.hashes["sha256"])
    if not place.exists():
        try:
            files.write(place, content)
        except OSError as error:
            raise BenchError(
                "write_failed", f"{place}: {error.strerror}.", next_step="Make room, then press again."
            ) from None
    made = []
    for each in form.DELEGATIONS:
        wanted = {path: _target(path, cut[path]) for path, owner in owners.items() if owner == each.role}
        made += [each.role] if _draft(station, each.role, wanted, now) else []
    made += ["targets"] if _draft(station, "targets", {form.MANIFEST: target}, now) else []
    return manifest, tuple(made)


def _ready(station: Station, now: datetime) -> None:
    """The station was sealed once, and its root and targets are good for longer than today."""
    for role in ("root", "targets"):
        published = station.published(role)
        if published is None:
            raise BenchError(
                "draft_missing", f"{station.directory} has no {role} yet.", next_step="Follow signing/ceremony.md."
            )
        if published.signed.is_expired(now) and station.draft(role) is None:
            raise BenchError(
                "expired",
                f"{role} expired on {published.signed.expires:%Y-%m-%d}.",
                next_step=f"weir-sign renew {station.directory} {role}",
            )


def _cut(station: Station, path: str, source: Path | bytes) -> Cut:
    if isinstance(source, bytes):
        return blobs.cut_stream(io.BytesIO(source), station.directory, "the recipe")
    return blobs.cut(source, station.directory, model=path.endswith(".gguf"))


def _bytes(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else files.read(source, "recipe_invalid")


def _owner(path: str) -> str:
    for each in form.DELEGATIONS:
        if any(path.startswith(prefix) if prefix.endswith("/") else path == prefix for prefix in each.prefixes):
            return each.role
    raise BenchError(
        "recipe_invalid", f"No role answers for {path}.", next_step="bundles/FORMAT.md, rule R4, has the paths."
    )


def _manifest(station: Station, contents: Contents, cut: Mapping[str, Cut], now: datetime) -> form.Manifest:
    said = contents.recipe
    before = _generations(station)
    stem = f"{said.name}-{now:%Y}."
    used = [int(each.id.removeprefix(stem)) for each in before if each.id.startswith(stem)]
    fields = {
        "id": f"{stem}{max(used, default=0) + 1}",
        "security_epoch": said.security_epoch,
        "least_appliance": said.least_appliance,
        "architectures": said.architectures,
        "files": {path: each.blobs for path, each in sorted(cut.items())},
        "disk_bytes": sum(each.length for each in cut.values()),
        "health": said.health,
        "sbom_sha256": contents.sbom_sha256,
        "changelog": said.changelog,
    }
    try:
        made = form.Manifest.model_validate(fields)
    except ValidationError as error:
        raise BenchError(
            "recipe_invalid",
            "The manifest cannot be made.",
            details=tuple(
                f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False)
            ),
        ) from None
    newest = next((each for each in before if each.id == f"{stem}{max(used, default=0)}"), None)
    return newest if newest and newest.model_copy(update={"id": made.id}) == made else made


def _generations(station: Station) -> list[form.Manifest]:
    """Every manifest that was ever pressed here, published or not."""
    found = []
    for path in sorted((station.directory / form.TARGETS).glob(f"*.{form.MANIFEST}")):
        try:
            found.append(form.read_manifest(files.read(path, "station_invalid", form.MAX_MANIFEST)))
        except form.ManifestInvalid as error:
            raise BenchError("station_invalid", f"{path}: {error}.", next_step="Restore it from a copy.") from None
    return found


def _target(path: str, cut: Cut) -> TargetFile:
    return TargetFile(cut.length, {"sha256": cut.sha256}, path, {"custom": {"blobs": form.blobs_of(cut.blobs)}})


def _draft(station: Station, role: str, wanted: dict[str, TargetFile], now: datetime) -> bool:
    """Whether the role has a draft that waits for signatures."""
    published, latest = station.published(role), station.latest(role)
    assert latest is not None
    said, _ = station.declared()
    if latest.signed.targets != wanted or station.draft(role) is not None:
        expires = now + timedelta(days=said.roles[role].days)
        version = published.signed.version + 1 if published else 1
        delegations = cast("Targets", latest.signed).delegations
        station.place_draft(role, Targets(version, None, expires, wanted, delegations))
    return station.draft(role) is not None

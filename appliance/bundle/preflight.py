"""Before anything is copied: is the bundle complete, and can this host take it.

Rules kept here:
1. Everything that is missing is named at once, with the file that needs it.
2. Disk: what is not yet in the store, times 1.1, must be free.
3. Nothing is written, no blob is read; what a blob holds is proved while it is copied (`stage`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.bundle import manifest as form
from appliance.bundle.manifest import Manifest
from appliance.bundle.media import Source
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.trust import Trusted

_ROOM = 11, 10  # of what must be copied; integers, so that the sum is exact at any size


@dataclass(frozen=True)
class Host:
    """What of this host decides: `version` of the program, `free` bytes where the store is (`place`), and what it
    accepted last.

    `held` says whether the store has a blob of that length already.
    """

    architecture: str
    version: str
    free: int
    held: Callable[[str, int], bool]
    place: str = "the state directory"
    generation: str = ""  # id of the newest accepted manifest
    manifest_sha256: str = ""


@dataclass(frozen=True)
class Preflight:
    """What taking the bundle costs, in bytes: `total` of its blobs, of these `to_copy`; `needed` free on the disk."""

    total: int
    to_copy: int
    needed: int


def check(bundle: Trusted, source: Source, host: Host) -> Preflight:
    """Raises BundleRefused; where several things stand in the way, the one that no other medium would change first."""
    manifest = bundle.manifest
    _check_host(bundle, host)
    missing, to_copy = _missing(manifest, source, host)
    if missing:
        raise BundleRefused("incomplete", f"{len(missing)} of the bundle's files are missing.", details=missing)
    extra = max(0, manifest.disk_bytes - manifest.stored)
    needed = -(-(to_copy + extra) * _ROOM[0] // _ROOM[1])
    if needed > host.free:
        raise BundleRefused("no_space", f"{needed} bytes must be free in {host.place}; {host.free} are.")
    return Preflight(manifest.stored, to_copy, needed)


def _check_host(bundle: Trusted, host: Host) -> None:
    manifest = bundle.manifest
    if manifest.security_epoch < bundle.before.epoch:
        raise BundleRefused(
            "epoch_below_floor",
            f"The bundle is of security epoch {manifest.security_epoch}; this node has accepted {bundle.before.epoch}.",
        )
    if manifest.id == host.generation and bundle.manifest_sha256 != host.manifest_sha256:
        raise BundleRefused("id_reused", f"{manifest.id} was accepted before with other content (G3).")
    if "any" not in manifest.architectures and host.architecture not in manifest.architectures:
        raise BundleRefused(
            "wrong_architecture", f"The bundle is for {', '.join(manifest.architectures)}, not {host.architecture}."
        )
    if _numbers(host.version) < _numbers(manifest.least_appliance):
        raise BundleRefused(
            "program_too_old", f"The bundle needs version {manifest.least_appliance}; this is {host.version}."
        )


def _missing(manifest: Manifest, source: Source, host: Host) -> tuple[tuple[str, ...], int]:
    """What the source lacks, in words, and the bytes to copy."""
    findings, to_copy = [], 0
    seen: set[str] = set()
    for path, pieces in manifest.files.items():
        for blob in pieces:
            if blob.sha256 in seen:
                continue
            seen.add(blob.sha256)
            if host.held(blob.sha256, blob.length):
                continue
            to_copy += blob.length
            name = form.blob_path(blob.sha256)
            size = source.size(name)
            if size is None:
                findings.append(f"{name}, of {path}: missing")
            elif size != blob.length:
                findings.append(f"{name}, of {path}: has {size} bytes and must have {blob.length}")
    return tuple(findings), to_copy


def _numbers(version: str) -> tuple[int, ...]:
    """'1.2.3' as numbers, three of them; what follows a '+', '-' or letter says nothing about age."""
    numbers = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or 0))
    return (*numbers, *(0,) * (3 - len(numbers)))

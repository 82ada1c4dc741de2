"""One bundle against one node: what it says once verified, what it would change, and the state after accepting it.

Rules kept here:
1. Every metadata file of the source is read once; the bytes that were verified are those that are kept.
2. Nothing is written here. `accepted` says what to write; whoever activates writes it.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance import __version__
from appliance.bundle import manifest as form
from appliance.bundle import media, stage, trust
from appliance.bundle.manifest import Manifest
from appliance.bundle.media import Source
from appliance.bundle.preflight import Host
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.trust import Trusted
from appliance.bundle.workflow import Verification, drive
from appliance.store.floors import Floors, Lost, TrustState


@dataclass(frozen=True)
class Changes:
    """Paths of a generation against another, each sorted."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def begin(root: bytes) -> TrustState:
    """What a node trusts that was given this root and nothing else yet. Raises BundleRefused."""
    version, _, _ = trust.root_facts(root)
    return TrustState(1, {version: root}, floors=Floors({"root": version}))


def trusted(source: Source, state: TrustState | Lost | None) -> Trusted:
    """What the bundle says, with every signature, digest and version holding. Raises BundleRefused."""
    if state is None:
        raise BundleRefused("no_root")
    if isinstance(state, Lost):
        raise BundleRefused("state_lost", f"{state.why}.".capitalize())
    newest = state.roots[max(state.roots)]
    verification = Verification(newest, state.metadata, state.floors, listed_roots=_roots_listed(source))
    return drive(trust.generation(verification), lambda want: media.read(source, want.name, want.limit))


def host_of(state_dir: Path, state: TrustState) -> Host:
    """This host, as preflight asks for it. Raises OSError where the state directory is missing."""
    current = manifest_of(state)
    return Host(
        architecture=platform.machine(),
        version=__version__,
        free=shutil.disk_usage(state_dir).free,
        held=lambda sha256, length: stage.held(state_dir, sha256, length),
        place=str(state_dir),
        generation=current.id if current else "",
        manifest_sha256=hashlib.sha256(state.manifest).hexdigest() if current else "",
    )


def manifest_of(state: TrustState) -> Manifest | None:
    """The newest accepted manifest; None before the first."""
    return form.read_manifest(state.manifest) if state.manifest else None


def changes(before: Manifest | None, after: Manifest) -> Changes:
    """What of the files is new, other and gone."""
    old: Mapping[str, object] = before.files if before else {}
    new = after.files
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(path for path in new.keys() & old.keys() if new[path] != old[path])),
        removed=tuple(sorted(old.keys() - new.keys())),
    )


def read_blobs(manifest: Manifest, source: Source) -> None:
    """Compare every blob that the source has with what was signed. Raises BundleRefused that names all which differ."""
    findings = []
    buffer = memoryview(bytearray(1 << 20))
    for sha256, length in manifest.blobs.items():
        name = form.blob_path(sha256)
        digest, done = hashlib.sha256(), 0
        with source.open(name) as stream:
            if stream is None:
                continue  # preflight knows whether the store has it
            while done <= length and (count := stream.readinto(buffer)):
                digest.update(buffer[:count])
                done += count
        if done != length or digest.hexdigest() != sha256:
            findings.append(f"{name} is not what was signed")
    if findings:
        raise BundleRefused("damaged_blob", f"{len(findings)} blobs are not what was signed.", details=tuple(findings))


def same(state: TrustState, bundle: Trusted) -> bool:
    """Whether the node has accepted exactly this release before: there is nothing to do."""
    return state.floors == bundle.floors and state.manifest == bundle.manifest_bytes


def accepted(state: TrustState, bundle: Trusted) -> TrustState:
    """The state that holds once the bundle is accepted, one revision on."""
    metadata = {role.name: role.data for role in bundle.roles if role.name != "root"}
    return TrustState(
        state.revision + 1, dict(state.roots) | dict(bundle.roots), metadata, bundle.floors, bundle.manifest_bytes
    )


def _roots_listed(source: Source) -> frozenset[int] | None:
    """The versions of the roots that the source has; None where it cannot say."""
    names = source.names(form.METADATA)
    if names is None:
        return None
    versions = (name.removesuffix(".root.json") for name in names if name.endswith(".root.json"))
    return frozenset(
        int(version) for version in versions if version.isascii() and version.isdecimal() and len(version) < 10
    )

"""What a bundle says, believed only where metadata, delegations and manifest agree.

Rules kept here (numbers of bundles/FORMAT.md):
1. Nothing is returned before all of it holds, as TUF's workflow has it (`workflow`) and as a generation must be (R1 to
   R9, G1 to G9).
2. A file of the generation is what its own role signed (R8), and roles sign within their paths only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from appliance.bundle import manifest as form
from appliance.bundle.manifest import Manifest, ManifestInvalid
from appliance.bundle.python_tuf import refusing, trusted_set
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.workflow import NEVER, Role, Verification, Want, missing
from appliance.store.floors import Floors


@dataclass(frozen=True)
class Trusted:
    """A bundle whose every signature, digest and version holds. Says nothing of age or completeness.

    `roots` are the root trusted before and those that followed it. `floors` are those that hold once this is accepted,
    `before` those that held for it: the node's own, less what a rotation took away (`recovered`).
    """

    root_name: str
    evaluation: bool
    roots: Mapping[int, bytes] = field(repr=False)
    roles: tuple[Role, ...]
    issued: datetime
    manifest: Manifest
    manifest_bytes: bytes = field(repr=False)
    manifest_sha256: str
    floors: Floors
    before: Floors
    recovered: bool
    signer: Mapping[str, str]  # path -> the role that answers for it

    @property
    def role(self) -> Mapping[str, Role]:
        return {role.name: role for role in self.roles}


def generation(verification: Verification) -> Generator[Want, bytes | None, Trusted]:
    """All steps of a bundle: metadata, delegations and the manifest, which must agree (R1 to R9, G1 to G9)."""
    yield from verification.top_level()
    yield from verification.all_delegated()
    root, targets = verification.root, verification.targets()
    if not root.consistent_snapshot:
        raise BundleRefused("bad_metadata", "The root does not state consistent snapshots (R1).")
    if set(targets.targets) != {form.MANIFEST}:
        raise BundleRefused("bad_metadata", f"Role targets must list {form.MANIFEST} and nothing else (R2).")
    listed = targets.targets[form.MANIFEST]
    digest = listed.hashes.get("sha256", "")
    if not form.is_digest(digest):
        raise BundleRefused("bad_metadata", f"Role targets states no SHA-256 of {form.MANIFEST} (L4).")
    name = form.target_path(form.MANIFEST, digest)
    data = yield Want(name, min(listed.length, form.MAX_MANIFEST))
    if data is None:
        raise missing(name)
    with refusing(name):
        listed.verify_length_and_hashes(data)
    try:
        manifest = form.read_manifest(data)
    except ManifestInvalid as error:
        raise BundleRefused("bad_manifest", f"{error}.") from None
    _check_vouched(verification, manifest)
    issued = _issued(verification.timestamp)
    before = verification.before
    versions = {Root.type: root.version, Timestamp.type: verification.timestamp.version}
    versions[Snapshot.type] = verification.snapshot.version
    versions |= {name.removesuffix(".json"): meta.version for name, meta in verification.snapshot.meta.items()}
    if over := sorted(name for name, version in versions.items() if version > form.MAX_VERSION):
        raise BundleRefused("bad_metadata", f"{', '.join(over)}: the version is above {form.MAX_VERSION} (R11).")
    role = {each.name: each for each in verification.roles}
    floors = Floors(
        versions,
        {name: role[name].keys for name in (Timestamp.type, Snapshot.type)},
        max(before.issued, int(issued.timestamp())),
        max(before.epoch, manifest.security_epoch),
    )
    name, evaluation = _named(root)
    return Trusted(
        root_name=name,
        evaluation=evaluation,
        roots=dict(verification.roots),
        roles=verification.roles,
        issued=issued,
        manifest=manifest,
        manifest_bytes=data,
        manifest_sha256=hashlib.sha256(data).hexdigest(),
        floors=floors,
        before=before,
        recovered=verification.recovered,
        signer={path: found[0] for path in manifest.files if (found := verification.target(path))},
    )


def root_facts(data: bytes) -> tuple[int, str, bool]:
    """Version, name and whether it is for evaluation, of a root that signs itself. Raises BundleRefused."""
    with refusing("root.json"):
        root = trusted_set(data, NEVER).root
    return (root.version, *_named(root))


def _check_vouched(verification: Verification, manifest: Manifest) -> None:
    """R8, with every finding named."""
    outside, other = [], []
    for role in verification.roles:
        if role.name in (Root.type, Timestamp.type, Snapshot.type, Targets.type):
            continue
        for path in verification.targets(role.name).targets:
            found = verification.target(path)
            if found is None or found[0] != role.name:
                outside.append(f"{path}: listed by role {role.name}, which does not answer for it")
            elif path not in manifest.files:
                other.append(f"{path}: listed by role {role.name}, but not part of the generation")
    for path, pieces in manifest.files.items():
        found = verification.target(path)
        if found is None:
            other.append(f"{path}: listed by no role that answers for it")
            continue
        target = found[1]
        custom = target.custom if isinstance(target.custom, dict) else {}
        if (
            target.length != form.length_of(pieces)
            or custom.get("blobs") != form.blobs_of(pieces)
            or (len(pieces) == 1 and target.hashes.get("sha256") != pieces[0].sha256)
        ):
            other.append(f"{path}: role {found[0]} signed other content")
    if outside:
        raise BundleRefused("outside_prefix", details=tuple(outside))
    if other:
        raise BundleRefused("not_vouched", details=tuple(other))


def _named(root: Root) -> tuple[str, bool]:
    name = root.unrecognized_fields.get(form.NAME, "")
    if not isinstance(name, str) or not 1 <= len(name) <= 64 or not name.isprintable():
        raise BundleRefused("bad_metadata", f"The root's {form.NAME} is not 1 to 64 printable characters (R7).")
    evaluation = root.unrecognized_fields.get(form.EVALUATION, False)
    if not isinstance(evaluation, bool):
        raise BundleRefused("bad_metadata", f"The root's {form.EVALUATION} is not true or false (R7).")
    return name, evaluation


def _issued(timestamp: Timestamp) -> datetime:
    stated = timestamp.unrecognized_fields.get(form.ISSUED)
    try:
        return datetime.strptime(str(stated), form.TIME_FORM).replace(tzinfo=UTC)
    except ValueError:
        raise BundleRefused("bad_metadata", f"The timestamp does not state {form.ISSUED} (R6).") from None

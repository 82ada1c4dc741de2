"""From what a node trusts to what a bundle says: TUF's client workflow as a state machine without files and clock.

Rules kept here (numbers of TUF 1.0 and of bundles/FORMAT.md):
1. Bytes in, trusted objects out: a step asks for a file by name and limit and is given bytes, or None. Whoever drives
   it reads a directory, a tar or a web server; see `drive`.
2. Signatures, thresholds, root rotation, versions, lengths and digests are python-tuf's (`TrustedMetadataSet`), in the
   order of 5.3 to 5.6. Nothing is returned before all of it holds; `accepted` grows role by role.
3. Versions never go below the floors, whatever local metadata there is (5.4.3, 5.5.5 with the metadata lost). Floors of
   timestamp, snapshot and targets fall only where the root took away the keys that set them (5.3.11).
4. A threshold counts keys and not ids (R9).
5. A file of the generation is what its own role signed (R8), and roles sign within their paths only.
6. Expiry is judged at `reference`; a node leaves that out and judges all expiries together (`freshness`).

It names no private key and signs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.exceptions import Error as SecureSystemsError
from tuf.api.exceptions import (
    BadVersionNumberError,
    EqualVersionNumberError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Key, Metadata, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError, SerializationError
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from appliance.bundle import manifest as form
from appliance.bundle.manifest import Manifest, ManifestInvalid
from appliance.bundle.refusal import BundleRefused
from appliance.store.floors import Floors

T = TypeVar("T")
NEVER = datetime.min.replace(tzinfo=UTC)  # a reference time at which nothing has expired


@dataclass(frozen=True)
class Want:
    """A file of the tree that is needed next, and the most bytes that it may have. One byte more is refused."""

    name: str
    limit: int


Steps = Generator[Want, bytes | None, None]


@dataclass(frozen=True)
class Role:
    """One role's metadata as it was verified: the ids of the keys that met the threshold, of all that count."""

    name: str
    version: int
    expires: datetime
    keys: tuple[str, ...]
    threshold: int
    data: bytes = field(repr=False)


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


class Verification:
    """One verification: from trusted roots, local metadata and floors to what a repository says.

    `root` is the newest root that is trusted; `local` is metadata accepted before, by role. `listed_roots` are the
    versions that the repository has, where it can say. Steps are made in this order: `top_level`, then `all_delegated`
    or `delegated`. Raises BundleRefused at any step; what was accepted up to there stands in `accepted`, by role, and
    in `roots`, by version.
    """

    def __init__(
        self,
        root: bytes,
        local: Mapping[str, bytes] | None = None,
        floors: Floors | None = None,
        *,
        reference: datetime = NEVER,
        listed_roots: frozenset[int] | None = None,
    ) -> None:
        with _refusing("the trusted root"):
            self._set = TrustedMetadataSet(root, EnvelopeType.METADATA)
        self._set.reference_time = reference
        self._local = dict(local or {})
        self._listed = listed_roots
        self._floors = floors or Floors()
        self.before = self._floors
        self.accepted: dict[str, bytes] = {}
        self.roots: dict[int, bytes] = {self._set.root.version: root}
        self._roles: dict[str, Role] = {}

    @property
    def root(self) -> Root:
        return self._set.root

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles verified so far."""
        return tuple(self._roles.values())

    def top_level(self) -> Steps:
        """Root, timestamp, snapshot and targets (5.3 to 5.6)."""
        yield from self._follow_roots()
        self._recover()
        yield from self._timestamp()
        yield from self._snapshot()
        yield from self._targets(Targets.type, Root.type)

    def all_delegated(self) -> Steps:
        """Every delegated role, in the order in which a search would come to them."""
        queue = self._children(Targets.type)
        seen: set[tuple[str, str]] = set()
        while queue:
            role, delegator = pair = queue.pop(0)
            if pair in seen:
                continue
            seen.add(pair)
            if len(seen) > form.MAX_ROLES:
                raise BundleRefused("bad_metadata", f"There are more than {form.MAX_ROLES} delegated roles.")
            yield from self._targets(role, delegator)
            queue = self._children(role) + queue

    def delegated(self, path: str) -> Steps:
        """The roles that a search for one target needs (5.6.7), at most `MAX_ROLES` of them; see `target`."""
        for role, delegator in self._walk(path):
            yield from self._targets(role, delegator)
            if path in self._delegate(role).targets:
                return

    def target(self, path: str) -> tuple[str, TargetFile] | None:
        """The role that answers for this path among those loaded, and what it says of it; None where none does."""
        for role, _ in self._walk(path):
            found = self._delegate(role).targets.get(path)
            if found is not None:
                return role, found
        return None

    def _walk(self, path: str) -> Iterator[tuple[str, str]]:
        """Roles that may speak for a path, each with who delegates to it, in preorder; nothing behind a terminating one
        (5.6.7). A role must be loaded before the next is asked for."""
        visit = [(Targets.type, Root.type)]
        seen: set[str] = set()
        while visit and len(seen) <= form.MAX_ROLES:
            name, delegator = visit.pop(0)
            if name in seen:
                continue
            yield name, delegator
            seen.add(name)
            delegations = self._delegate(name).delegations
            children = []
            for child, ends in delegations.get_roles_for_target(path) if delegations else ():
                children.append((child, name))
                if ends:
                    visit = []
                    break
            visit = children + visit

    def _follow_roots(self) -> Steps:
        begin = self._set.root.version
        for version in range(begin + 1, begin + 1 + form.MAX_ROOTS):
            data = yield Want(_metadata("root", version), form.MAX_ROOT)
            if data is None:
                break
            before = self._set.root
            with _refusing(f"{version}.root.json"):
                self._set.update_root(data)
            self._count(data, before, Root.type)
            self._count(data, self._set.root, Root.type)
            self.roots[version] = data
        else:
            raise BundleRefused("too_many_roots", f"There are more than {form.MAX_ROOTS} new roots.")
        at = self._set.root.version
        beyond = sorted(version for version in self._listed or () if version > at)
        if beyond:
            raise BundleRefused(
                "root_gap",
                f"{at + 1}.root.json is missing: this node trusts root {at}, and the bundle goes on at {beyond[0]}.",
            )
        if at < self._floors.versions.get(Root.type, 0):
            raise BundleRefused(
                "state_lost", f"Root {self._floors.versions[Root.type]} was accepted; here is root {at}."
            )
        self._keep(Root.type, self.roots[at], self._set.root)

    def _recover(self) -> None:
        """5.3.11: what was set with keys that the root no longer names is forgotten."""
        held = self._floors
        for role in (Timestamp.type, Snapshot.type):
            named = self._set.root.roles[role]
            signed = held.keys.get(role, ())
            if signed and len(set(signed) & set(named.keyids)) < named.threshold:
                self.before = Floors({Root.type: held.versions.get(Root.type, 0)}, {}, 0, held.epoch)
                self._local = {}
                return

    def _timestamp(self) -> Steps:
        local = self._local.get(Timestamp.type)
        if local is not None:
            # A local file that does not verify any more is as if there were none; the floors still hold.
            self._holds(self._set.update_timestamp, local)
        data = yield Want(_metadata(Timestamp.type), form.MAX_TIMESTAMP)
        if data is None:
            raise _missing(_metadata(Timestamp.type))
        kept = data
        with _refusing("timestamp.json", older=(BadVersionNumberError,)):
            try:
                self._set.update_timestamp(data)
            except EqualVersionNumberError:  # 5.4.3: the one that is trusted stays
                kept = local or data
        stamp = self._set.timestamp
        self._not_below(Timestamp.type, stamp.version)
        self._not_below(Snapshot.type, stamp.snapshot_meta.version)
        self._keep(Timestamp.type, kept, self._set.root)

    def _snapshot(self) -> Steps:
        meta = self._set.timestamp.snapshot_meta
        data = self._local.get(Snapshot.type)
        if data is None or not self._holds(lambda local: self._set.update_snapshot(local, trusted=True), data):
            name = self._versioned(Snapshot.type, meta.version)
            data = yield Want(name, min(meta.length or form.MAX_SNAPSHOT, form.MAX_SNAPSHOT))
            if data is None:
                raise _missing(name)
            with _refusing(name):
                stated = Metadata[Any].from_bytes(data).signed.version
            if stated != meta.version:
                raise BundleRefused("mixed_metadata", f"{name} states version {stated}, the timestamp {meta.version}.")
            with _refusing(name, older=(BadVersionNumberError, RepositoryError)):  # lower, or without a role
                self._set.update_snapshot(data)
        for name in self.before.versions:
            if name in (Root.type, Timestamp.type, Snapshot.type):
                continue
            listed = self._set.snapshot.meta.get(f"{name}.json")
            if listed is None:
                raise BundleRefused(
                    "older_bundle", f"The snapshot does not have role {name}, which was accepted before."
                )
            self._not_below(name, listed.version)
        self._keep(Snapshot.type, data, self._set.root)

    def _targets(self, role: str, delegator: str) -> Steps:
        if self._set.contains(role, delegator):
            return
        meta = self._set.snapshot.meta.get(f"{role}.json")
        if meta is None:
            raise BundleRefused("mixed_metadata", f"The snapshot does not have role {role}.")
        data = self._local.get(role)
        if data is None or not self._holds(
            lambda local: self._set.update_delegated_targets(local, role, delegator), data
        ):
            name = self._versioned(role, meta.version)
            data = yield Want(name, min(meta.length or form.MAX_TARGETS, form.MAX_TARGETS))
            if data is None:
                raise _missing(name)
            with _refusing(name):
                self._set.update_delegated_targets(data, role, delegator)
        above = self._set[delegator]
        assert isinstance(above, Root | Targets)
        self._keep(role, data, above)

    def _versioned(self, role: str, version: int) -> str:
        return _metadata(role, version if self._set.root.consistent_snapshot else None)

    def _holds(self, load: Callable[[bytes], object], local: bytes) -> bool:
        try:
            load(local)
        except (RepositoryError, SecureSystemsError, ValueError):
            return False
        return True

    def _delegate(self, role: str) -> Targets:
        signed = self._set[role]
        assert isinstance(signed, Targets)
        return signed

    def _children(self, role: str) -> list[tuple[str, str]]:
        """The roles that a role delegates to, each with it (R4)."""
        delegations = self._delegate(role).delegations
        if delegations is None:
            return []
        if delegations.roles is None or any(child.paths is None for child in delegations.roles.values()):
            raise BundleRefused("bad_metadata", f"Role {role} delegates by digests and not by paths (R4).")
        return [(name, role) for name in delegations.roles]

    def _not_below(self, role: str, version: int) -> None:
        floor = self.before.versions.get(role, 0)
        if version < floor:
            raise BundleRefused("older_bundle", f"{role} is at version {version}; this node has accepted {floor}.")

    def _keep(self, role: str, data: bytes, delegator: Root | Targets) -> None:
        keys, threshold = self._count(data, delegator, role)
        signed: Signed = self._set[role]
        self._roles[role] = Role(role, signed.version, signed.expires, keys, threshold, data)
        self.accepted[role] = data

    def _count(self, data: bytes, delegator: Root | Targets, role: str) -> tuple[tuple[str, ...], int]:
        """The ids that met the threshold, one per key (R9)."""
        with _refusing(f"{role}.json"):
            metadata = Metadata[Any].from_bytes(data)
            result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
            by_key = {_public(key): id for id, key in sorted(result.signed.items(), reverse=True)}
        if len(by_key) < result.threshold:
            raise BundleRefused(
                "threshold_missed", f"{role} needs {result.threshold} different keys and is signed by {len(by_key)}."
            )
        return tuple(sorted(by_key.values())), result.threshold


def generation(verification: Verification) -> Generator[Want, bytes | None, Trusted]:
    """All steps of a bundle: metadata, delegations and the manifest, which must agree (R1 to R9, G1 to G9)."""
    yield from verification.top_level()
    yield from verification.all_delegated()
    root, targets = verification.root, verification._delegate(Targets.type)
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
        raise _missing(name)
    with _refusing(name):
        listed.verify_length_and_hashes(data)
    try:
        manifest = form.read_manifest(data)
    except ManifestInvalid as error:
        raise BundleRefused("bad_manifest", f"{error}.") from None
    _check_vouched(verification, manifest)
    issued = _issued(verification._set.timestamp)
    before = verification.before
    versions = {Root.type: root.version, Timestamp.type: verification._set.timestamp.version}
    versions[Snapshot.type] = verification._set.snapshot.version
    versions |= {name.removesuffix(".json"): meta.version for name, meta in verification._set.snapshot.meta.items()}
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
        recovered=before != verification._floors,
        signer={path: found[0] for path in manifest.files if (found := verification.target(path))},
    )


def drive(steps: Generator[Want, bytes | None, T], read: Callable[[Want], bytes | None]) -> T:
    """Run steps to their end, every wanted file read by `read` (None where there is none)."""
    try:
        want = next(steps)
        while True:
            want = steps.send(read(want))
    except StopIteration as ended:
        value: T = ended.value
        return value


def root_facts(data: bytes) -> tuple[int, str, bool]:
    """Version, name and whether it is for evaluation, of a root that signs itself. Raises BundleRefused."""
    with _refusing("root.json"):
        root = TrustedMetadataSet(data, EnvelopeType.METADATA).root
    return (root.version, *_named(root))


def _check_vouched(verification: Verification, manifest: Manifest) -> None:
    """R8, with every finding named."""
    outside, other = [], []
    for role in verification.roles:
        signed = verification._set[role.name]
        if not isinstance(signed, Targets) or role.name == Targets.type:
            continue
        for path in signed.targets:
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


def _public(key: Key) -> bytes:
    """The public key itself, however it was written down."""
    text = str(key.keyval["public"])
    if key.keytype == "ed25519":
        return bytes.fromhex(text)
    return load_pem_public_key(text.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


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


def _metadata(role: str, version: int | None = None) -> str:
    encoded = quote(role, safe="")
    return f"{form.METADATA}/{encoded}.json" if version is None else f"{form.METADATA}/{version}.{encoded}.json"


def _missing(name: str) -> BundleRefused:
    return BundleRefused("missing_metadata", f"{name} is missing.")


@contextmanager
def _refusing(name: str, *, older: tuple[type[RepositoryError], ...] = ()) -> Iterator[None]:
    """python-tuf's errors about one file as refusals; those of exactly the types in `older` mean an older bundle."""
    try:
        yield
    except EqualVersionNumberError:
        raise
    except UnsignedMetadataError as error:
        raise BundleRefused("threshold_missed", f"{name}: {error}.") from None
    except ExpiredMetadataError as error:
        raise BundleRefused("expired_root" if "root" in str(error) else "expired", f"{error}.") from None
    except BadVersionNumberError as error:
        raise BundleRefused("older_bundle" if older else "mixed_metadata", f"{name}: {error}.") from None
    except (DeserializationError, SerializationError) as error:
        raise BundleRefused("bad_metadata", f"{name} cannot be read: {type(error).__name__}.") from None
    except LengthOrHashMismatchError as error:
        raise BundleRefused("mixed_metadata", f"{name} is not the file that was signed: {error}.") from None
    except RepositoryError as error:
        raise BundleRefused("older_bundle" if type(error) in older else "bad_metadata", f"{name}: {error}.") from None
    except (SecureSystemsError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleRefused("bad_metadata", f"{name} cannot be read: {type(error).__name__}.") from None

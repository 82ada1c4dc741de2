"""TUF's client workflow as a state machine without files and clock: from what is trusted to what a repository says.

Rules kept here (numbers of TUF 1.0 and of bundles/FORMAT.md):
1. Bytes in, trusted objects out: a step asks for a file by name and limit and is given bytes, or None. Whoever drives
   it reads a directory, a tar or a web server; see `drive`.
2. Signatures, thresholds, root rotation, versions, lengths and digests are python-tuf's (`TrustedMetadataSet`), in the
   order of 5.3 to 5.6. `accepted` grows role by role.
3. Versions never go below the floors, whatever local metadata there is (5.4.3, 5.5.5 with the metadata lost). Floors of
   timestamp, snapshot and targets fall only where the root took away the keys that set them (5.3.11).
4. A threshold counts keys and not ids (R9).
5. Expiry is judged at `reference`; a node leaves that out and judges all expiries together (`freshness`).

It names no private key and signs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from tuf.api.exceptions import BadVersionNumberError, EqualVersionNumberError, RepositoryError
from tuf.api.metadata import Key, Metadata, Root, Signed, Snapshot, TargetFile, Targets, Timestamp

from appliance.bundle import manifest as form
from appliance.bundle.python_tuf import NOT_HELD, refusing, trusted_set
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
        with refusing("the trusted root"):
            self._set = trusted_set(root, reference)
        self._local = dict(local or {})
        self._listed = listed_roots
        self._floors = floors or Floors()  # the node's own
        self.before = self._floors
        self.accepted: dict[str, bytes] = {}
        self.roots: dict[int, bytes] = {self._set.root.version: root}
        self._roles: dict[str, Role] = {}

    @property
    def root(self) -> Root:
        return self._set.root

    @property
    def timestamp(self) -> Timestamp:
        return self._set.timestamp

    @property
    def snapshot(self) -> Snapshot:
        return self._set.snapshot

    @property
    def recovered(self) -> bool:
        """Whether floors fell (5.3.11)."""
        return self.before != self._floors

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles verified so far."""
        return tuple(self._roles.values())

    def targets(self, role: str = Targets.type) -> Targets:
        """What a role signs for, one of those loaded."""
        signed = self._set[role]
        assert isinstance(signed, Targets)
        return signed

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
            if path in self.targets(role).targets:
                return

    def target(self, path: str) -> tuple[str, TargetFile] | None:
        """The role that answers for this path among those loaded, and what it says of it; None where none does."""
        for role, _ in self._walk(path):
            found = self.targets(role).targets.get(path)
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
            delegations = self.targets(name).delegations
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
            with refusing(f"{version}.root.json"):
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
            raise missing(_metadata(Timestamp.type))
        kept = data
        with refusing("timestamp.json", older=(BadVersionNumberError,)):
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
                raise missing(name)
            with refusing(name):
                stated = Metadata[Any].from_bytes(data).signed.version
            if stated != meta.version:
                raise BundleRefused("mixed_metadata", f"{name} states version {stated}, the timestamp {meta.version}.")
            with refusing(name, older=(BadVersionNumberError, RepositoryError)):  # lower, or without a role
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
                raise missing(name)
            with refusing(name):
                self._set.update_delegated_targets(data, role, delegator)
        above = self._set[delegator]
        assert isinstance(above, Root | Targets)
        self._keep(role, data, above)

    def _versioned(self, role: str, version: int) -> str:
        return _metadata(role, version if self._set.root.consistent_snapshot else None)

    def _holds(self, load: Callable[[bytes], object], local: bytes) -> bool:
        try:
            load(local)
        except NOT_HELD:
            return False
        return True

    def _children(self, role: str) -> list[tuple[str, str]]:
        """The roles that a role delegates to, each with it (R4)."""
        delegations = self.targets(role).delegations
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
        with refusing(f"{role}.json"):
            metadata = Metadata[Any].from_bytes(data)
            result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
            by_key = {_public(key): id for id, key in sorted(result.signed.items(), reverse=True)}
        if len(by_key) < result.threshold:
            raise BundleRefused(
                "threshold_missed", f"{role} needs {result.threshold} different keys and is signed by {len(by_key)}."
            )
        return tuple(sorted(by_key.values())), result.threshold


def drive(steps: Generator[Want, bytes | None, T], read: Callable[[Want], bytes | None]) -> T:
    """Run steps to their end, every wanted file read by `read` (None where there is none)."""
    try:
        want = next(steps)
        while True:
            want = steps.send(read(want))
    except StopIteration as ended:
        value: T = ended.value
        return value


def _public(key: Key) -> bytes:
    """The public key itself, however it was written down."""
    text = str(key.keyval["public"])
    if key.keytype == "ed25519":
        return bytes.fromhex(text)
    return load_pem_public_key(text.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _metadata(role: str, version: int | None = None) -> str:
    encoded = quote(role, safe="")
    return f"{form.METADATA}/{encoded}.json" if version is None else f"{form.METADATA}/{version}.{encoded}.json"


def missing(name: str) -> BundleRefused:
    return BundleRefused("missing_metadata", f"{name} is missing.")

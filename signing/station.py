"""A publishing station: the directory in which metadata comes to be, is signed in rounds and is sealed.

    roles.yaml            who signs what
    holders/NAME.pub      public keys
    drafts/ROLE.json      metadata that still collects signatures
    metadata/             what is complete: N.root.json, N.ROLE.json, N.snapshot.json, timestamp.json
    targets/, blobs/      content

Rules kept here:
1. Only metadata that met its threshold is ever under metadata/, and a version there is never written again.
2. A draft is made against the version that is published; where that moved on, the draft is stale.
3. Sealing checks everything first; then it writes offline roles, snapshot, timestamp, in this order. Interrupted
   anywhere, it is run again and completes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key, Signer, SSlibKey
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from appliance.bundle.manifest import DELEGATIONS, EVALUATION, ISSUED, NAME, TIME_FORM
from signing import difference, files, keys, roles
from signing.errors import BenchError

Delegator = Root | Targets


@dataclass(frozen=True)
class Signed:
    """How far a draft is: who signed, who may still, and how many signatures it lacks."""

    signed: tuple[str, ...]
    open: tuple[str, ...]
    missing: int


class Station:
    """The directory. Reads on every call: several people work on copies of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.metadata = directory / "metadata"
        self.drafts = directory / "drafts"
        if not self.metadata.is_dir() or not self.drafts.is_dir():
            raise BenchError(
                "station_invalid",
                f"{directory} is no publishing station.",
                next_step=f"Make one: weir-sign station {directory}",
            )

    @classmethod
    def make(cls, directory: Path, publisher: str) -> Station:
        """A new station with a roles.yaml to fill in. Raises BenchError."""
        if (directory / "roles.yaml").exists():
            raise BenchError(
                "station_invalid", f"{directory} is a station already.", next_step="Choose a new directory."
            )
        try:
            for name in ("holders", "drafts", "metadata", "targets", "blobs"):
                (directory / name).mkdir(parents=True, exist_ok=True)
            files.write_new(directory / "roles.yaml", roles.TEMPLATE.format(publisher=publisher).encode(), 0o644)
        except OSError as error:
            raise BenchError("write_failed", f"{directory}: {error.strerror}.") from None
        return cls(directory)

    def declared(self) -> tuple[roles.Roles, dict[str, keys.Holder]]:
        """Raises BenchError."""
        return roles.read(self.directory / "roles.yaml", self.directory / "holders")

    @property
    def evaluation(self) -> bool:
        """Whether the root says that its keys are throw-away keys."""
        root = self.published("root") or self.draft("root")
        return root is not None and root.signed.unrecognized_fields.get(EVALUATION) is True

    def published_file(self, role: str) -> Path | None:
        """The newest complete metadata of a role."""
        if role == "timestamp":
            file = self.metadata / "timestamp.json"
            return file if file.exists() else None
        pattern = re.compile(rf"([1-9][0-9]{{0,9}})\.{re.escape(role)}\.json")
        found = {int(match[1]): path for path in self.metadata.iterdir() if (match := pattern.fullmatch(path.name))}
        return found[max(found)] if found else None

    def published(self, role: str) -> Metadata[Any] | None:
        """Raises BenchError where it is damaged."""
        file = self.published_file(role)
        return parse(file) if file else None

    def draft(self, role: str) -> Metadata[Any] | None:
        """Raises BenchError where it is damaged."""
        file = self.drafts / f"{role}.json"
        return parse(file) if file.exists() else None

    def drafted(self) -> tuple[str, ...]:
        """The roles that have a draft, in the order in which they are sealed."""
        return tuple(role for role in roles.OFFLINE if (self.drafts / f"{role}.json").exists())

    def latest(self, role: str) -> Metadata[Any] | None:
        """The draft, or else what is published."""
        return self.draft(role) or self.published(role)

    def delegators(self, role: str) -> tuple[Delegator, ...]:
        """Whose keys count for the role: all of them must be satisfied. A new root answers to the old one too."""
        if role == "root":
            both = (self.published("root"), self.draft("root"))
        elif role in roles.DELEGATED:
            both = (self.latest("targets"), None)
        else:
            both = (self.latest("root"), None)
        found = tuple(each.signed for each in both if each is not None)
        if not found:
            raise BenchError(
                "draft_missing", f"Nothing says yet whose keys count for {role}.", next_step="weir-sign declare"
            )
        return found

    def progress(self, role: str, metadata: Metadata[Any]) -> Signed:
        """Raises BenchError."""
        signed: dict[str, str] = {}
        still: dict[str, str] = {}
        missing = 0
        for delegator in self.delegators(role):
            names = difference.names_of(delegator.to_dict())
            result = verification(delegator, role, metadata)
            signed |= {id: names.get(id, id[:8]) for id in result.signed}
            still |= {id: names.get(id, id[:8]) for id in result.unsigned}
            missing = max(missing, result.missing)
        return Signed(tuple(sorted(signed.values())), tuple(sorted(still.values())), missing)

    def place_draft(self, role: str, signed: Any) -> bool:
        """Put a draft there, unless one with the same content collects signatures already. Says whether it did."""
        before = self.draft(role)
        if before is not None and _content(before.signed) == _content(signed):
            return False
        self.save(self.drafts / f"{role}.json", to_bytes(Metadata(signed)))
        return True

    def save_draft(self, role: str, metadata: Metadata[Any]) -> None:
        """Raises BenchError."""
        self.save(self.drafts / f"{role}.json", to_bytes(metadata))

    def save(self, path: Path, content: bytes) -> None:
        try:
            files.write(path, content)
        except OSError as error:
            raise BenchError(
                "write_failed", f"{path}: {error.strerror}.", next_step="Make room, then run it again."
            ) from None


def declare(station: Station, now: datetime) -> tuple[str, ...]:
    """Draft what roles.yaml asks for, and what must be signed again because its keys changed.

    Returns the roles that have a new draft. Raises BenchError.
    """
    said, holders = station.declared()
    made = []
    published = station.published("root")
    if published is None or _rights(published.signed) != _rights(_root(said, holders, 1, now)):
        version = published.signed.version + 1 if published else 1
        if published is not None and published.signed.unrecognized_fields.get(EVALUATION, False) != said.evaluation:
            raise BenchError(
                "roles_invalid",
                "A root of evaluation keys never becomes a real one, nor the other way.",
                next_step="Make a new station.",
            )
        made += ["root"] if station.place_draft("root", _root(said, holders, version, now)) else []
    elif (draft := station.draft("root")) is not None and _rights(draft.signed) != _rights(published.signed):
        (station.drafts / "root.json").unlink()  # roles.yaml went back to what is published
    for role in ("targets", *roles.DELEGATED):
        before, draft = station.published(role), station.draft(role)
        version = before.signed.version + 1 if before else 1
        expires = now + timedelta(days=said.roles[role].days)
        delegations = _delegations(said, holders) if role == "targets" else None
        stands = before is not None and not station.progress(role, before).missing
        if stands and all(each is None or each.signed.delegations == delegations for each in (before, draft)):
            continue
        latest = draft or before
        targets = latest.signed.targets if latest else {}
        if station.place_draft(role, Targets(version, None, expires, dict(targets), delegations)):
            made.append(role)
    return tuple(made)


def renew(station: Station, role: str, now: datetime) -> None:
    """Draft the same content again with a new expiry. Raises BenchError."""
    said, _ = station.declared()
    before = station.published(role)
    if before is None:
        raise BenchError("draft_missing", f"{role} was never published.", next_step="weir-sign declare")
    if station.draft(role) is None:
        before.signed.version += 1
        before.signed.expires = now + timedelta(days=said.roles[role].days)
        station.place_draft(role, before.signed)


def seal(station: Station, signers: Mapping[str, Signer], now: datetime) -> None:
    """Publish complete drafts, and sign a new snapshot and timestamp over all there is. Raises BenchError.

    `signers` by key id; those of the station are used.
    """
    with files.alone(station.directory):
        _seal(station, signers, now)


def _seal(station: Station, signers: Mapping[str, Signer], now: datetime) -> None:
    said, _ = station.declared()
    issued = station.published("timestamp")
    if issued is not None and now.strftime(TIME_FORM) < issued.signed.unrecognized_fields[ISSUED]:
        raise BenchError(
            "clock_behind",
            f"The last timestamp was issued at {issued.signed.unrecognized_fields[ISSUED]}, which is still to come.",
            next_step="Set the clock of the station.",
        )
    complete = _complete(station, now)
    root = complete["root"].signed
    online = {role: _online(root, role, signers) for role in roles.ONLINE}
    for role, metadata in complete.items():
        target = station.metadata / f"{metadata.signed.version}.{role}.json"
        if not target.exists():
            station.save(target, to_bytes(metadata))
        (station.drafts / f"{role}.json").unlink(missing_ok=True)
    meta = {}
    for role in ("targets", *roles.DELEGATED):
        content = (station.metadata / f"{complete[role].signed.version}.{role}.json").read_bytes()
        meta[f"{role}.json"] = MetaFile.from_data(complete[role].signed.version, content, ["sha256"])
    before = station.published("snapshot")
    snapshot = Metadata(
        Snapshot(
            before.signed.version + 1 if before else 1,
            None,
            now + timedelta(days=said.roles["snapshot"].days),
            meta,
        )
    )
    content = _signed(snapshot, online["snapshot"])
    station.save(station.metadata / f"{snapshot.signed.version}.snapshot.json", content)
    before = station.published("timestamp")
    timestamp = Metadata(
        Timestamp(
            before.signed.version + 1 if before else 1,
            None,
            now + timedelta(days=said.roles["timestamp"].days),
            MetaFile.from_data(snapshot.signed.version, content, ["sha256"]),
            {ISSUED: now.strftime(TIME_FORM)},
        )
    )
    station.save(station.metadata / "timestamp.json", _signed(timestamp, online["timestamp"]))


def sealed(station: Station) -> bool:
    """Whether all that is there is published: no draft waits, and timestamp and snapshot name the newest of all."""
    snapshot, timestamp = station.published("snapshot"), station.published("timestamp")
    if station.drafted() or snapshot is None or timestamp is None:
        return False
    newest = {role: station.published(role) for role in ("targets", *roles.DELEGATED)}
    named = {role: snapshot.signed.meta.get(f"{role}.json") for role in newest}
    return bool(
        timestamp.signed.snapshot_meta.version == snapshot.signed.version
        and all(each and named[role] and named[role].version == each.signed.version for role, each in newest.items())
    )


def parse(file: Path) -> Metadata[Any]:
    """Raises BenchError."""
    try:
        return Metadata.from_bytes(files.read(file, "station_invalid"))
    except RepositoryError:
        raise BenchError("station_invalid", f"{file} is no metadata.", next_step="Restore it from a copy.") from None


def to_bytes(metadata: Metadata[Any]) -> bytes:
    return metadata.to_bytes(JSONSerializer(compact=True))


def add_signature(metadata: Metadata[Any], signer: Signer) -> None:
    """Raises BenchError: token_failed where the key is on a token that refuses."""
    try:
        metadata.sign(signer, append=True)
    except UnsignedMetadataError as error:
        raise BenchError(
            "token_failed",
            f"The token did not sign: {type(error.__cause__).__name__}.",
            next_step="Check that it is plugged in, and its PIN; a token locks itself after a few wrong ones.",
        ) from None


def verification(delegator: Delegator, role: str, metadata: Metadata[Any]) -> Any:
    """Who signed, of those whom the delegator names. Raises BenchError."""
    try:
        return delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    except ValueError:
        raise BenchError("station_invalid", f"{role} is delegated to nobody.", next_step="weir-sign declare") from None


def _complete(station: Station, now: datetime) -> dict[str, Metadata[Any]]:
    """Every offline role as it will be published, verified. Raises BenchError with all that is missing."""
    found: dict[str, Metadata[Any]] = {}
    lacking = []
    for role in roles.OFFLINE:
        published, draft = station.published(role), station.draft(role)
        if draft is not None and published is not None and draft.signed == published.signed:
            draft = None  # sealed before, and interrupted
        latest = draft or published
        if latest is None:
            raise BenchError("draft_missing", f"There is no {role} yet.", next_step="weir-sign declare")
        if draft is not None and draft.signed.version != (published.signed.version + 1 if published else 1):
            raise BenchError(
                "draft_stale",
                f"The draft of {role} is version {draft.signed.version}, made before the last one was published.",
                next_step="Remove it and make it again.",
            )
        progress = station.progress(role, latest)
        if progress.missing:
            who = f"; may still sign: {', '.join(progress.open)}" if draft else "; its keys changed: weir-sign declare"
            lacking.append(f"{role}: {progress.missing} signature(s) missing{who}")
        if latest.signed.is_expired(now):
            raise BenchError(
                "expired", f"{role} expired on {latest.signed.expires:%Y-%m-%d}.", next_step=f"weir-sign renew {role}"
            )
        if draft is not None:
            known = {id for each in station.delegators(role) for id in verification(each, role, draft).signed}
            latest.signatures = {id: each for id, each in draft.signatures.items() if id in known}
        found[role] = latest
    if lacking:
        raise BenchError(
            "threshold_missed",
            "Not enough holders have signed; nothing was published.",
            next_step="weir-sign sign",
            details=tuple(lacking),
        )
    return found


def _online(root: Root, role: str, signers: Mapping[str, Signer]) -> list[Signer]:
    declared = root.roles[role]
    usable = [signers[id] for id in declared.keyids if id in signers]
    if len(usable) < declared.threshold:
        names = difference.names_of(root.to_dict())
        raise BenchError(
            "threshold_missed",
            f"{role} is signed by {', '.join(names[id] for id in declared.keyids)}, and that key is not here.",
            next_step="Name it with --key.",
        )
    return usable


def _signed(metadata: Metadata[Any], signers: list[Signer]) -> bytes:
    for signer in signers:
        add_signature(metadata, signer)
    return to_bytes(metadata)


def _root(said: roles.Roles, holders: Mapping[str, keys.Holder], version: int, now: datetime) -> Root:
    top = ("root", "targets", *roles.ONLINE)
    used = {name for role in top for name in said.roles[role].holders}
    return Root(
        version,
        None,
        now + timedelta(days=said.roles["root"].days),
        {holders[name].id: _named(holders[name]) for name in sorted(used)},
        {
            role: Role([holders[name].id for name in said.roles[role].holders], said.roles[role].threshold)
            for role in top
        },
        True,
        {NAME: said.publisher, EVALUATION: said.evaluation},  # rule R7
    )


def _delegations(said: roles.Roles, holders: Mapping[str, keys.Holder]) -> Delegations:
    used = {name for role in roles.DELEGATED for name in said.roles[role].holders}
    return Delegations(
        {holders[name].id: _named(holders[name]) for name in sorted(used)},
        {
            each.role: DelegatedRole(
                each.role,
                [holders[name].id for name in said.roles[each.role].holders],
                said.roles[each.role].threshold,
                True,
                list(each.patterns),
            )
            for each in DELEGATIONS  # rules R4 and R5
        },
    )


def _named(holder: keys.Holder) -> Key:
    key = holder.key
    return SSlibKey(key.keyid, key.keytype, key.scheme, key.keyval, {difference.HOLDER: holder.name})


def _rights(root: Root) -> dict[str, Any]:
    """A root without its version and its dates: what it grants."""
    plain: dict[str, Any] = root.to_dict()
    return {key: value for key, value in plain.items() if key not in ("version", "expires")}


def _content(signed: Any) -> dict[str, Any]:
    plain: dict[str, Any] = signed.to_dict()
    return {key: value for key, value in plain.items() if key != "expires"}

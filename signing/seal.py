"""Sealing: complete drafts become published, under a new snapshot and timestamp.

Rules kept here (numbers of bundles/FORMAT.md):
1. Everything is checked first, and all that is missing is named at once: signatures, versions, expiry.
2. Then offline roles are written, the snapshot, the timestamp, in this order. Interrupted anywhere, it is run again and
   completes.
3. Snapshot and timestamp state length and digest of what they name (R3), the timestamp its time of issue (R6), which
   never goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Timestamp

from appliance.bundle.manifest import ISSUED, TIME_FORM
from signing import difference, files, roles
from signing.errors import BenchError
from signing.station import Station, add_signature, to_bytes, verification


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

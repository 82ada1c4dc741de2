"""From roles.yaml to drafts: the root and the delegations that it asks for, and whatever must be signed again.

Rules kept here (numbers of bundles/FORMAT.md):
1. Delegations have the format's paths (R4, R5); root and targets only say whose keys count.
2. A role whose keys changed so that its metadata no longer verifies is drafted again with the same content.
3. A draft keeps its signatures where its content stays the same.
4. A root of evaluation keys never becomes a real one, nor the other way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.signer import Key, SSlibKey
from tuf.api.metadata import DelegatedRole, Delegations, Role, Root, Targets

from appliance.bundle.manifest import DELEGATIONS, EVALUATION, NAME
from signing import difference, files, keys, roles
from signing.errors import BenchError
from signing.station import Station


def declare(station: Station, now: datetime) -> tuple[str, ...]:
    """Draft what roles.yaml asks for, and what must be signed again because its keys changed.

    Returns the roles that have a new draft. Raises BenchError.
    """
    with files.alone(station.directory):
        return _declare(station, now)


def _declare(station: Station, now: datetime) -> tuple[str, ...]:
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
    with files.alone(station.directory):
        said, _ = station.declared()
        before = station.published(role)
        if before is None:
            raise BenchError("draft_missing", f"{role} was never published.", next_step="weir-sign declare")
        if station.draft(role) is None:
            before.signed.version += 1
            before.signed.expires = now + timedelta(days=said.roles[role].days)
            station.place_draft(role, before.signed)


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

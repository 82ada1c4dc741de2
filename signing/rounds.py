"""Signing in rounds: a copy of the station travels to each holder, who sees the difference and adds a signature.

Rules kept here:
1. A holder counts once: a second signature of the same key is refused, not ignored.
2. What is signed is what was shown, by its digest.
3. What comes back is taken only where it is the draft that was handed out, to the byte; only its signatures are used,
   and only those that fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata

from appliance.bundle import manifest as form
from signing import compare, difference, files
from signing.errors import BenchError
from signing.station import Signed, Station, add_signature, verification


@dataclass(frozen=True)
class Draft:
    """What a holder looks at before signing. `digest` is SHA-256 of what is signed, hexadecimal: to be read aloud."""

    role: str
    version: int
    expires: str
    digest: str
    changes: tuple[str, ...]
    progress: Signed


def look(station: Station, role: str) -> Draft:
    """Raises BenchError: draft_missing, station_invalid."""
    draft, before = _draft(station, role), station.published(role)
    changes = difference.lines(before.signed.to_dict() if before else None, draft.signed.to_dict())
    if role == "targets" and draft.signed.targets:
        changes += _generation(station, before, draft)
    return Draft(
        role,
        draft.signed.version,
        f"{draft.signed.expires:%Y-%m-%d}",
        hashlib.sha256(draft.signed_bytes).hexdigest(),
        changes,
        station.progress(role, draft),
    )


def sign(station: Station, role: str, signer: Signer, digest: str) -> Signed:
    """Add a signature to the draft with this digest, as `look` gave it. Returns how far it is.

    Raises BenchError: draft_differs, not_a_holder, already_signed, token_failed.
    """
    with files.alone(station.directory):
        return _sign(station, role, signer, digest)


def _sign(station: Station, role: str, signer: Signer, digest: str) -> Signed:
    draft = _draft(station, role)
    if hashlib.sha256(draft.signed_bytes).hexdigest() != digest:
        raise BenchError(
            "draft_differs",
            f"The draft of {role} changed while it was looked at; nothing was signed.",
            next_step="Look at it again: weir-sign show",
        )
    id = signer.public_key.keyid
    results = [verification(each, role, draft) for each in station.delegators(role)]
    if any(id in result.signed for result in results):
        raise BenchError(
            "already_signed",
            f"This key has signed {role} version {draft.signed.version} before; a holder counts once.",
            next_step="Hand it to the next holder.",
        )
    if not any(id in result.unsigned for result in results):
        raise BenchError(
            "not_a_holder",
            f"This key may not sign {role}.",
            next_step=f"May still sign: {', '.join(station.progress(role, draft).open) or 'nobody'}.",
        )
    add_signature(draft, signer)
    station.save_draft(role, draft)
    return station.progress(role, draft)


def sign_all(station: Station, signers: Mapping[str, Signer]) -> None:
    """Sign every draft with these keys, by id, until its threshold is met or no key is left. Raises BenchError."""
    for role in station.drafted():
        draft = _draft(station, role)
        results = [verification(each, role, draft) for each in station.delegators(role)]
        signed = {id for result in results for id in result.signed}
        wanted = {id for result in results for id in result.unsigned} - signed
        for id in sorted(wanted & signers.keys()):
            if not station.progress(role, _draft(station, role)).missing:
                break
            sign(station, role, signers[id], hashlib.sha256(draft.signed_bytes).hexdigest())


def collect(station: Station, copy: Station) -> dict[str, Signed]:
    """Take the signatures of a copy that came back. Returns how far each draft is. Raises BenchError."""
    with files.alone(station.directory):
        return _collect(station, copy)


def _collect(station: Station, copy: Station) -> dict[str, Signed]:
    found = {}
    for role in copy.drafted():
        ours, theirs = _draft(station, role), _draft(copy, role)
        if ours.signed_bytes != theirs.signed_bytes:
            raise BenchError(
                "draft_differs",
                f"The draft of {role} in {copy.directory} is not the one that was handed out.",
                next_step="Find out who changed it; nothing was taken.",
            )
        taken = dict(ours.signatures)
        valid = {id for each in station.delegators(role) for id in verification(each, role, theirs).signed}
        for id, signature in theirs.signatures.items():
            if id not in valid:
                raise BenchError(
                    "signature_invalid",
                    f"A signature by key {id[:8]} in {copy.directory} does not fit {role}.",
                    next_step="Ask its holder to sign again; nothing was taken.",
                )
            taken[id] = signature
        ours.signatures = taken
        found[role] = ours
    for role, draft in found.items():
        station.save_draft(role, draft)
    return {role: station.progress(role, draft) for role, draft in found.items()}


def _generation(station: Station, before: Metadata[Any] | None, draft: Metadata[Any]) -> tuple[str, ...]:
    """What would become active: these keys decide it (rule R2 of bundles/FORMAT.md)."""
    old, new = (_manifest(station, each) if each and each.signed.targets else None for each in (before, draft))
    if new is None:
        return ("! generation.json is not in this copy, or not what would be signed: carry targets/ along",)
    fields = [each.model_dump(mode="json", exclude={"files"}) if each else None for each in (old, new)]
    assert fields[1] is not None
    lines = (*difference.lines(fields[0], fields[1]), *compare.files(old, new))
    return tuple(f"{line[:2]}generation: {line[2:]}" for line in lines)


def _manifest(station: Station, targets: Metadata[Any]) -> form.Manifest | None:
    target = targets.signed.targets[form.MANIFEST]
    try:
        place = station.directory / form.target_path(form.MANIFEST, target.hashes["sha256"])
        content = files.read(place, "station_invalid", form.MAX_MANIFEST)
        target.verify_length_and_hashes(content)
        return form.read_manifest(content)
    except (BenchError, RepositoryError, KeyError, form.ManifestInvalid):
        return None


def _draft(station: Station, role: str) -> Metadata[Any]:
    draft = station.draft(role)
    if draft is None:
        raise BenchError(
            "draft_missing", f"{station.directory} has no draft of {role}.", next_step="Check the name of the role."
        )
    return draft

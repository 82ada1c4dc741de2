"""What is different between two verified trees, in lines for people and as bytes that must travel.

Rules kept here:
1. A file that changed is shown with how much of it is new: blobs that the other tree has need not be carried again.
2. Who signs what is compared too; a change of keys is no less a change than one of files.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.bundle.manifest import Manifest, length_of
from signing import difference
from signing.tree import Verified


@dataclass(frozen=True)
class Comparison:
    """`new_bytes` is what the second holds in blobs that the first does not have."""

    generation: tuple[str, ...]
    files: tuple[str, ...]
    trust: tuple[str, ...]
    new_bytes: int

    @property
    def same(self) -> bool:
        return not (self.generation or self.files or self.trust)


def compare(before: Verified, after: Verified) -> Comparison:
    """From the first to the second."""
    old, new = before.manifest, after.manifest
    fields = [each.model_dump(mode="json", exclude={"files"}) for each in (old, new)]
    trust = []
    for role in ("root", "targets"):
        parts = [_rights(each.metadata[role].signed.to_dict()) for each in (before, after)]
        trust += [f"{line[:2]}{role}: {line[2:]}" for line in difference.lines(parts[0], parts[1])]
    return Comparison(
        difference.lines(fields[0], fields[1]),
        files(old, new),
        tuple(trust),
        sum(length for digest, length in new.blobs.items() if digest not in old.blobs),
    )


def files(old: Manifest | None, new: Manifest) -> tuple[str, ...]:
    """`+`, `-` and `~` for each file, with its bytes and how many of them are new."""
    had = old.files if old else {}
    known = old.blobs if old else {}
    lines = []
    for path in sorted(had.keys() | new.files.keys()):
        if path not in new.files:
            lines.append(f"- {path}")
        elif path not in had:
            lines.append(f"+ {path}: {length_of(new.files[path])} bytes")
        elif had[path] != new.files[path]:
            fresh = sum(blob.length for blob in new.files[path] if blob.sha256 not in known)
            lines.append(f"~ {path}: {length_of(had[path])} -> {length_of(new.files[path])} bytes, {fresh} new")
    return tuple(lines)


def _rights(signed: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in signed.items() if key not in ("version", "expires", "targets")}

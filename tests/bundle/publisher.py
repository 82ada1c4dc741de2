"""A whole publisher in memory: keys, roles and releases, good and bad, with real signatures."""

from __future__ import annotations

import copy
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from appliance.bundle import manifest as form
from appliance.bundle.manifest import Blob, Manifest

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
FILES = {
    "cards/desk.json": b'{"id": "desk"}\n',
    "models/desk.gguf": b"GGUF" + bytes(range(256)) * 40,
    "models/embedder/tokenizer.json": b"{}\n",
    "policy/policy.json": b'{"id": "p"}\n',
    "policy/places.json": b"",
    "detectors.json": b"{}\n",
    "router/weights.json": b'{"currency": "USD"}\n',
    "evals/desk.jsonl": b"{}\n" * 7,
    "taxonomy.json": b"[]\n",
}
# Where the tests cut, so that a small file has several blobs.
CUT = 4096
Tree = dict[str, bytes]
Change = Callable[[dict[str, Metadata[Any]]], None]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + CUT] for at in range(0, len(data), CUT)]


def blobs(data: bytes) -> tuple[Blob, ...]:
    return tuple(Blob(sha256(piece), len(piece)) for piece in pieces(data))


@dataclass
class Publisher:
    """Keys by role, and the metadata of the last release. `roots` are all roots so far, as bytes."""

    roles: dict[str, tuple[int, int]] = field(
        default_factory=lambda: {
            "root": (2, 3),
            "targets": (2, 3),
            "snapshot": (1, 1),
            "timestamp": (1, 1),
            "models": (1, 2),
            "policies": (2, 3),
            "appliance": (2, 3),
        }
    )
    expires: datetime = NOW + timedelta(days=3650)
    late: datetime = NOW + timedelta(days=120)  # timestamp and snapshot
    keys: dict[str, list[CryptoSigner]] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    evaluation: bool = True

    def __post_init__(self) -> None:
        for role, (_, count) in self.roles.items():
            self.keys.setdefault(role, [CryptoSigner.generate_ed25519() for _ in range(count)])
        self.sign_root(1)

    @property
    def root(self) -> bytes:
        return self.roots[max(self.roots)]

    def root_metadata(self, version: int) -> Metadata[Root]:
        top = ("root", "targets", "snapshot", "timestamp")
        roles = {name: Role([key.public_key.keyid for key in self.keys[name]], self.roles[name][0]) for name in top}
        keys = {key.public_key.keyid: key.public_key for name in top for key in self.keys[name]}
        extra = {form.NAME: "Test publisher", form.EVALUATION: self.evaluation}
        return Metadata(Root(version, None, self.expires, keys, roles, True, extra))

    def sign_root(self, version: int, *more: Signer) -> bytes:
        """Signs with the keys of now and with `more`, those of before."""
        metadata = self.root_metadata(version)
        signed = sign(metadata, *self.keys["root"], *more)
        self.roots[version] = signed
        return signed

    def rotate(self, role: str) -> None:
        """New keys for a role, in a new root that the old root keys sign too."""
        before = list(self.keys["root"])
        self.keys[role] = [CryptoSigner.generate_ed25519() for _ in self.keys[role]]
        self.sign_root(max(self.roots) + 1, *(before if role == "root" else ()))

    def next(self, role: str) -> int:
        self.versions[role] = self.versions.get(role, 0) + 1
        return self.versions[role]

    def manifest(self, files: Mapping[str, bytes], **over: Any) -> Manifest:
        listed = {path: blobs(data) for path, data in files.items()}
        stated = {
            "id": "test-2026.1",
            "security_epoch": 1,
            "least_appliance": "0.1.0",
            "architectures": ("any",),
            "files": listed,
            "disk_bytes": sum({blob.sha256: blob.length for each in listed.values() for blob in each}.values()),
        }
        return Manifest(**(stated | over))

    def release(
        self,
        files: Mapping[str, bytes] = FILES,
        *,
        issued: datetime = NOW,
        change: Change | None = None,
        signers: Mapping[str, list[CryptoSigner]] | None = None,
        manifest: bytes | None = None,
        **over: Any,
    ) -> Tree:
        """The tree of one release. `change` may alter targets and delegated roles before anything is signed;
        `signers` replaces who signs; `over` replaces fields of the manifest.
        """
        who = self.keys | dict(signers or {})
        data = manifest if manifest is not None else form.write_manifest(self.manifest(files, **over))
        listed = {form.MANIFEST: TargetFile(len(data), {"sha256": sha256(data)}, form.MANIFEST)}
        delegated = {
            each.role: DelegatedRole(
                each.role,
                [key.public_key.keyid for key in self.keys[each.role]],
                self.roles[each.role][0],
                True,
                list(each.patterns),
            )
            for each in form.DELEGATIONS
        }
        keys = {key.public_key.keyid: key.public_key for name in delegated for key in self.keys[name]}
        parts: dict[str, Metadata[Any]] = {
            "targets": Metadata(Targets(self.next("targets"), None, self.expires, listed, Delegations(keys, delegated)))
        }
        for each in form.DELEGATIONS:
            of_role = {
                path: target(path, files[path]) for path in files if delegated[each.role].is_delegated_path(path)
            }
            parts[each.role] = Metadata(Targets(self.next(each.role), None, self.expires, of_role))
        if change is not None:
            change(parts)
        tree: Tree = {}
        metas = {}
        for role, metadata in parts.items():
            signed = sign(metadata, *who[role])
            version = metadata.signed.version
            tree[f"metadata/{version}.{role}.json"] = signed
            metas[f"{role}.json"] = MetaFile(version, len(signed), {"sha256": sha256(signed)})
        snapshot = sign(Metadata(Snapshot(self.next("snapshot"), None, self.late, metas)), *who["snapshot"])
        version = self.versions["snapshot"]
        tree[f"metadata/{version}.snapshot.json"] = snapshot
        meta = MetaFile(version, len(snapshot), {"sha256": sha256(snapshot)})
        stamp = Timestamp(self.next("timestamp"), None, self.late, meta, {form.ISSUED: issued.strftime(form.TIME_FORM)})
        tree["metadata/timestamp.json"] = sign(Metadata(stamp), *who["timestamp"])
        tree |= {f"metadata/{version}.root.json": root for version, root in self.roots.items()}
        tree[form.target_path(form.MANIFEST, sha256(data))] = data
        for content in files.values():
            tree |= {form.blob_path(sha256(piece)): piece for piece in pieces(content)}
        tree["README.txt"] = b"A bundle for tests.\n"
        return tree


def target(path: str, data: bytes) -> TargetFile:
    custom = {"blobs": form.blobs_of(blobs(data))}
    return TargetFile(len(data), {"sha256": sha256(data)}, path, {"custom": custom})


def sign(metadata: Metadata[Any], *signers: Signer) -> bytes:
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def again(data: bytes, change: Callable[[Any], None], *signers: Signer) -> bytes:
    """Metadata with its signed part changed, signed anew by these."""
    metadata = copy.deepcopy(Metadata[Any].from_bytes(data))
    change(metadata.signed)
    return sign(metadata, *signers)


def write_tree(tree: Tree, folder: Path) -> Path:
    """The tree as a directory."""
    for path, data in tree.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder


def write_tar(tree: Tree, file: Path, top: str = "test-2026.1.bundle") -> Path:
    """The tree as a plain tar."""
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data in tree.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file

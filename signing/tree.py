"""A bundle, a mirror or a station read as what it is: a tree of signed metadata with blobs beside it.

Rules kept here (numbers of bundles/FORMAT.md):
1. All that is shown or copied was verified from the first root on: signatures, thresholds, lengths and digests (R1 to
   R9).
2. A threshold counts keys, not key ids (R9).
3. Expiry is shown, not judged: a bundle lies in a drawer for as long as it likes.

The node verifies on its own (`appliance/bundle/workflow.py`); this is the publisher's look before anything leaves.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Targets

from appliance.bundle import manifest as form
from signing import difference
from signing.errors import BenchError

_CHUNK = 1024 * 1024


class Tree(Protocol):
    """Something with the files of a bundle. Paths are relative, with '/'."""

    @property
    def place(self) -> str:
        """What to call it in a sentence."""

    def size(self, path: str) -> int:
        """Bytes of a file; -1 where there is no regular file."""

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Raises BenchError: bundle_invalid."""

    def roots(self) -> tuple[int, ...]:
        """The versions of the roots that are there, rising."""


_ROOT = re.compile(r"metadata/([1-9][0-9]{0,8})\.root\.json")


class Folder:
    """A directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.place = str(directory)

    def size(self, path: str) -> int:
        file = self.directory / path
        return file.stat().st_size if file.is_file() and not file.is_symlink() else -1

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        try:
            with (self.directory / path).open("rb") as stream:
                yield stream
        except FileNotFoundError:
            raise _invalid(self, f"{path} is missing") from None

    def roots(self) -> tuple[int, ...]:
        found = [f"{form.METADATA}/{path.name}" for path in (self.directory / form.METADATA).glob("*.root.json")]
        return _versions(found)


class Tar:
    """A transport tar, read through its index."""

    def __init__(self, file: Path) -> None:
        self.place = str(file)
        self._file = file
        try:
            with tarfile.open(file, "r:") as archive:
                members = archive.getmembers()
        except (tarfile.TarError, OSError) as error:
            raise BenchError("bundle_invalid", f"{file} is no tar of a bundle: {error}.") from None
        self._members = {member.name.partition("/")[2]: member for member in members if member.isreg()}

    def size(self, path: str) -> int:
        member = self._members.get(path)
        return member.size if member else -1

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        member = self._members.get(path)
        if member is None:
            raise _invalid(self, f"{path} is missing")
        with tarfile.open(self._file, "r:") as archive, archive.extractfile(member) or nullcontext() as stream:
            yield cast("BinaryIO", stream)

    def roots(self) -> tuple[int, ...]:
        return _versions(list(self._members))


class WithRoots:
    """A tree as it would be with these roots added: what a client sees in the middle of a publication."""

    def __init__(self, tree: Tree, other: Tree) -> None:
        self.place = tree.place
        self._tree, self._other = tree, other

    def size(self, path: str) -> int:
        return (self._other if _ROOT.fullmatch(path) else self._tree).size(path)

    def open(self, path: str) -> Any:
        return (self._other if _ROOT.fullmatch(path) else self._tree).open(path)

    def roots(self) -> tuple[int, ...]:
        return self._other.roots()


@dataclass(frozen=True)
class Verified:
    """What a tree holds, after every signature and digest in its metadata was found good.

    `files` are its metadata and manifest as bytes by path, `missing` the blobs that are not there or have another
    length. `signed` says by role who signed.
    """

    metadata: Mapping[str, Metadata[Any]]
    files: Mapping[str, bytes]
    signed: Mapping[str, tuple[str, ...]]
    manifest: form.Manifest
    manifest_path: str
    missing: tuple[str, ...]

    @property
    def root(self) -> Root:
        return cast("Root", self.metadata["root"].signed)

    @property
    def evaluation(self) -> bool:
        return self.root.unrecognized_fields.get(form.EVALUATION) is True

    @property
    def name(self) -> str:
        return str(self.root.unrecognized_fields.get(form.NAME, ""))

    @property
    def issued(self) -> str:
        return str(self.metadata["timestamp"].signed.unrecognized_fields.get(form.ISSUED, ""))


def open_tree(path: Path) -> Tree:
    """A bundle's directory, its tar, a mirror or a station. Raises BenchError: bundle_invalid."""
    if path.is_dir():
        if not (path / form.METADATA).is_dir():
            raise BenchError("bundle_invalid", f"{path} has no metadata/.", next_step="Name the bundle itself.")
        return Folder(path)
    return Tar(path)


def verify(tree: Tree) -> Verified:
    """Raises BenchError: bundle_invalid, with the first thing that is wrong."""
    chain = _chain(tree)
    kept = {f"{form.METADATA}/{at + 1}.root.json": content for at, (content, _) in enumerate(chain)}
    root = chain[-1][1]
    metadata, signed = {"root": root}, {}
    for role in ("root", "timestamp"):
        if role == "timestamp":
            path = f"{form.METADATA}/timestamp.json"
            kept[path] = _read(tree, path, form.MAX_TIMESTAMP)
            metadata[role] = _parse(tree, path, kept[path], role)
        signed[role] = _signers(tree, root.signed, role, metadata[role])
    timestamp = metadata["timestamp"].signed
    _require(tree, form.ISSUED in timestamp.unrecognized_fields, "timestamp states no time of issue")
    steps: list[tuple[str, MetaFile, Any, int]] = [
        ("snapshot", timestamp.snapshot_meta, root.signed, form.MAX_SNAPSHOT),
    ]
    while steps:
        role, meta, delegator, limit = steps.pop(0)
        path = f"{form.METADATA}/{meta.version}.{role}.json"
        kept[path] = content = _read(tree, path, limit)
        _require(tree, bool(meta.hashes) and meta.length is not None, f"{role} is named without length and digest")
        try:
            meta.verify_length_and_hashes(content)
        except RepositoryError:
            raise _invalid(tree, f"{path} is not what was signed") from None
        metadata[role] = found = _parse(tree, path, content, "snapshot" if role == "snapshot" else "targets")
        _require(tree, found.signed.version == meta.version, f"{path} states another version")
        signed[role] = _signers(tree, delegator, role, found)
        if role == "snapshot":
            steps.append(("targets", _meta(tree, found, "targets"), root.signed, form.MAX_TARGETS))
        elif role == "targets":
            roles = found.signed.delegations.roles if found.signed.delegations else {}
            steps += [(name, _meta(tree, metadata["snapshot"], name), found.signed, form.MAX_TARGETS) for name in roles]
    manifest, path, content = _manifest(tree, metadata["targets"].signed)
    kept[path] = content
    _consistent(tree, manifest, metadata["targets"].signed, metadata)
    missing = tuple(digest for digest, length in manifest.blobs.items() if tree.size(form.blob_path(digest)) != length)
    return Verified(metadata, kept, signed, manifest, path, missing)


def timestamp(tree: Tree, root: Root) -> int:
    """The version of the tree's timestamp, where the root accepts it; else 0."""
    path = f"{form.METADATA}/timestamp.json"
    try:
        found = _parse(tree, path, _read(tree, path, form.MAX_TIMESTAMP), "timestamp")
        _signers(tree, root, "timestamp", found)
    except BenchError:
        return 0
    return int(found.signed.version)


def damaged(tree: Tree, verified: Verified) -> tuple[str, ...]:
    """The blobs whose bytes are not what their name says. Reads all of them."""
    found = []
    for digest in verified.manifest.blobs:
        if digest in verified.missing:
            continue
        with tree.open(form.blob_path(digest)) as stream:
            whole = hashlib.sha256()
            while chunk := stream.read(_CHUNK):
                whole.update(chunk)
        if whole.hexdigest() != digest:
            found.append(digest)
    return tuple(found)


def _versions(paths: list[str]) -> tuple[int, ...]:
    return tuple(sorted(int(match[1]) for path in paths if (match := _ROOT.fullmatch(path))))


def _chain(tree: Tree) -> list[tuple[bytes, Metadata[Any]]]:
    """Rules L2 and R1: every root since the first, each signed by the one before and by itself."""
    versions = tree.roots()
    if not versions or versions != tuple(range(1, len(versions) + 1)):
        raise _invalid(tree, f"the roots from 1 on are not all there, only {', '.join(map(str, versions)) or 'none'}")
    found: list[tuple[bytes, Metadata[Any]]] = []
    for version in versions:
        path = f"{form.METADATA}/{version}.root.json"
        content = _read(tree, path, form.MAX_ROOT)
        root = _parse(tree, path, content, "root")
        _require(tree, root.signed.version == version, f"{path} states another version")
        for delegator in (found[-1][1] if found else root, root):
            _signers(tree, delegator.signed, "root", root)
        found.append((content, root))
    return found


def _signers(tree: Tree, delegator: Root | Targets, role: str, metadata: Metadata[Any]) -> tuple[str, ...]:
    try:
        result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    except ValueError:
        raise _invalid(tree, f"{role} is delegated to nobody") from None
    distinct = {str(sorted(key.keyval.items())) for key in result.signed.values()}
    if len(distinct) < result.threshold:
        raise _invalid(tree, f"{role} has {len(distinct)} of {result.threshold} signatures")
    names = difference.names_of(delegator.to_dict())
    return tuple(sorted(names.get(id, id[:8]) for id in result.signed))


def _meta(tree: Tree, snapshot: Metadata[Any], role: str) -> MetaFile:
    found = snapshot.signed.meta.get(f"{role}.json")
    if not isinstance(found, MetaFile):
        raise _invalid(tree, f"the snapshot does not name {role}")
    return found


def _manifest(tree: Tree, targets: Targets) -> tuple[form.Manifest, str, bytes]:
    if set(targets.targets) != {form.MANIFEST}:
        raise BenchError(
            "bundle_invalid", f"{tree.place} has no generation yet.", next_step="Press one: weir-sign press"
        )
    target = targets.targets[form.MANIFEST]
    path = form.target_path(form.MANIFEST, target.hashes.get("sha256", ""))
    content = _read(tree, path, form.MAX_MANIFEST)
    try:
        target.verify_length_and_hashes(content)
        return form.read_manifest(content), path, content
    except (RepositoryError, form.ManifestInvalid) as error:
        raise _invalid(tree, f"{path}: {error}") from None


def _consistent(tree: Tree, manifest: form.Manifest, targets: Targets, metadata: Mapping[str, Metadata[Any]]) -> None:
    """Rule R8: the delegated roles list exactly the files of the manifest, each within its paths."""
    listed = {}
    for name, role in (targets.delegations.roles or {}).items() if targets.delegations else ():
        for path, target in metadata[name].signed.targets.items():
            _require(tree, role.is_delegated_path(path), f"{name} answers for {path}, which lies outside its paths")
            pieces = (target.custom or {}).get("blobs")
            whole = target.hashes.get("sha256") if pieces and len(pieces) == 1 else ""
            listed[path] = (target.length, whole, pieces)
    stated = {
        path: (form.length_of(pieces), pieces[0].sha256 if len(pieces) == 1 else "", form.blobs_of(pieces))
        for path, pieces in manifest.files.items()
    }
    odd = sorted(path for path in listed.keys() | stated.keys() if listed.get(path) != stated.get(path))
    _require(tree, not odd, f"the manifest and the roles differ in {', '.join(odd[:3])}")


def _read(tree: Tree, path: str, limit: int) -> bytes:
    with tree.open(path) as stream:
        content = stream.read(limit + 1)
    _require(tree, len(content) <= limit, f"{path} is longer than {limit} bytes")
    return content


def _parse(tree: Tree, path: str, content: bytes, kind: str) -> Metadata[Any]:
    try:
        found: Metadata[Any] = Metadata.from_bytes(content)
    except RepositoryError:
        raise _invalid(tree, f"{path} is no metadata") from None
    _require(tree, found.signed.type == kind, f"{path} is of another role")
    return found


def _require(tree: Tree, good: bool, why: str) -> None:
    if not good:
        raise _invalid(tree, why)


def _invalid(tree: Tree, why: str) -> BenchError:
    return BenchError("bundle_invalid", f"{tree.place}: {why}.", next_step="Take it anew from where it was made.")

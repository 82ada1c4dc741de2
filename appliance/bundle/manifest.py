"""The form of a bundle: names and limits of its tree, the delegations, and the manifest generation.json.

Rules kept here (numbers of bundles/FORMAT.md):
1. A path is a few plain components, so that no file system and no archive can read it as something else (P1 to P4).
2. A manifest has one byte form; other bytes that mean the same are refused (G1, G2).
3. Nothing here opens a file, signs, or trusts: the publisher's bench imports this module, and no other of the node's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

FORMAT = 1

# The tree (rules L1 to L9).
SUFFIX = ".bundle"
TAR_SUFFIX = ".bundle.tar"
METADATA = "metadata"
TARGETS = "targets"
BLOBS = "blobs/sha256"
MANIFEST = "generation.json"  # the one target of the top-level role `targets`

# Fields of our own in signed metadata (rules R6 and R7).
ISSUED = "x-weir-issued"  # timestamp: when it was signed, as `expires` is written
NAME = "x-weir-name"  # root: what people call this root
EVALUATION = "x-weir-evaluation"  # root: true where the keys were made for trying things out
TIME_FORM = "%Y-%m-%dT%H:%M:%SZ"

# Limits (rule L10), in bytes where nothing else is said.
MAX_ROOT = 512_000
MAX_TIMESTAMP = 16_384
MAX_SNAPSHOT = 2_000_000
MAX_TARGETS = 5_000_000
MAX_MANIFEST = 8 * 1024 * 1024
MAX_BLOB = 1024**3
MAX_ROOTS = 256  # new roots followed in one import
MAX_ROLES = 32  # delegated roles
MAX_VERSION = 2**53 - 1  # of any role: beyond it readers of JSON disagree, and the audit takes no number
MAX_FILES = 10_000
MAX_BLOBS = 100_000
MAX_DEPTH = 4  # components of a path
MAX_COMPONENT = 128  # characters
MAX_LENGTH = 16 * 1024**4  # a file

_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,47}-[0-9]{4}\.[0-9]{1,4}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5}){0,2}")
# What FAT and its relatives keep for devices.
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


class ManifestInvalid(ValueError):
    """The bytes are no manifest, or one that breaks a rule; the message says where and how."""


@dataclass(frozen=True)
class Delegation:
    """A delegated role as every bundle has it: which paths of a generation it answers for, and who must sign.

    `prefixes` end in '/' for a folder; another is a single file. `threshold` of at least `keys` keys must sign.
    """

    role: str
    prefixes: tuple[str, ...]
    threshold: int
    keys: int

    @property
    def patterns(self) -> tuple[str, ...]:
        """The prefixes as TUF's path patterns, in which '*' stands for characters within one component (rule R5)."""
        found: list[str] = []
        for prefix in self.prefixes:
            if prefix.endswith("/"):
                found += [prefix + "/".join("*" * depth) for depth in range(1, MAX_DEPTH)]
            else:
                found.append(prefix)
        return tuple(found)


# Rule R4. Another publisher is one more delegation, named before these, with narrower patterns.
DELEGATIONS = (
    Delegation("models", ("models/", "cards/", "router/", "similar/", "calibration/", "evals/", "taxonomy.json"), 1, 2),
    Delegation("policies", ("policy/", "detectors.json"), 2, 3),
    Delegation("appliance", ("appliance/",), 2, 3),
)


class Blob(NamedTuple):
    """A piece of a file: its SHA-256 in lower-case hex, and its length in bytes."""

    sha256: str
    length: int


def check_path(path: str) -> str:
    """The path, where it is one that a generation may hold (rules P1 to P3). Raises ValueError."""
    parts = path.split("/")
    if len(parts) > MAX_DEPTH:
        raise ValueError(f"{path!r} has more than {MAX_DEPTH} components")
    for part in parts:
        if not _COMPONENT.fullmatch(part):
            raise ValueError(f"{path!r} has a component with characters that a path may not have")
        if len(part) > MAX_COMPONENT:
            raise ValueError(f"{path!r} has a component of more than {MAX_COMPONENT} characters")
        if part.endswith(".") or _RESERVED.fullmatch(part):
            raise ValueError(f"{path!r} has a component that some file systems read as another")
    return path


def check_id(id: str) -> str:
    """The id, where it is of the form NAME-YEAR.N (rule G3). Raises ValueError."""
    if not _ID.fullmatch(id):
        raise ValueError(f"{id!r} is not of the form name-2026.1")
    return id


def is_digest(text: str) -> bool:
    """Whether the text is a SHA-256 in lower-case hex."""
    return bool(_DIGEST.fullmatch(text))


def bundle_name(id: str) -> str:
    """The name of the directory that holds the bundle with this id (rule L1)."""
    return check_id(id) + SUFFIX


def blob_path(sha256: str) -> str:
    """Where a blob is in the tree (rule L5)."""
    return f"{BLOBS}/{sha256[:2]}/{sha256}"


def target_path(path: str, sha256: str) -> str:
    """Where a target's file is in the tree, its digest before the last component (rule L4)."""
    folder, _, name = path.rpartition("/")
    return "/".join(part for part in (TARGETS, folder, f"{sha256}.{name}") if part)


def cuts(length: int, head: int = 0) -> tuple[tuple[int, int], ...]:
    """Where to cut a file of `length` bytes into blobs: (offset, length) of each, in order (rule B2).

    `head` is where the large part begins: for a GGUF file the offset of its tensor data, else 0.
    """
    if not 0 <= head <= length:
        raise ValueError(f"the head of {head} bytes does not lie within the file of {length}")
    pieces = []
    for begin, end in ((0, head), (head, length)):
        pieces += [(offset, min(MAX_BLOB, end - offset)) for offset in range(begin, end, MAX_BLOB)]
    return tuple(pieces)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Text = Annotated[str, Field(max_length=16_384)]
_Words = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1_000)], ...], Field(max_length=32, strict=False)
]


class Prompt(_Frozen):
    """A golden prompt: what a model of the generation must answer, in properties rather than words (rule G8)."""

    name: _Name
    card: _Name  # the id of the card that is asked
    prompt: Annotated[str, Field(min_length=1, max_length=16_384)]
    max_tokens: Annotated[int, Field(ge=1, le=1_024)] = 32
    contains: _Words = ()  # each must be in the answer
    lacks: _Words = ()  # none may be in it
    min_characters: Annotated[int, Field(ge=0, le=65_536)] = 1


class Denial(_Frozen):
    """A request that the generation's policy must refuse on this path (rule G8). Labels are as headers have them."""

    name: _Name
    card: _Name
    labels: Annotated[
        dict[Literal["classification", "residency", "purpose", "rights", "locale"], str], Field(max_length=5)
    ]


class Health(_Frozen):
    """What is tried before a generation counts as good."""

    prompts: Annotated[tuple[Prompt, ...], Field(max_length=64, strict=False)] = ()
    denials: Annotated[tuple[Denial, ...], Field(max_length=64, strict=False)] = ()


class Manifest(_Frozen):
    """generation.json: one signed manifest, the unit of activation (rules G1 to G9)."""

    format: Literal[1] = 1
    id: str
    security_epoch: Annotated[int, Field(ge=0, le=2**31)]
    least_appliance: str
    architectures: Annotated[
        tuple[Literal["any", "x86_64", "aarch64"], ...], Field(min_length=1, max_length=2, strict=False)
    ]
    files: dict[str, tuple[Blob, ...]]
    disk_bytes: Annotated[int, Field(ge=0, le=MAX_LENGTH)]
    health: Health = Health()
    sbom_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    changelog: _Text = ""

    @field_validator("id")
    @classmethod
    def _id(cls, id: str) -> str:
        return check_id(id)

    @field_validator("least_appliance")
    @classmethod
    def _version(cls, version: str) -> str:
        if not _VERSION.fullmatch(version):
            raise ValueError(f"{version!r} is not of the form 1.2.3")
        return version

    @field_validator("files", mode="before")
    @classmethod
    def _files(cls, files: object) -> dict[str, tuple[Blob, ...]]:
        """Read by hand: a manifest may list a hundred thousand blobs."""
        if not isinstance(files, Mapping) or not 0 < len(files) <= MAX_FILES:
            raise ValueError(f"must be 1 to {MAX_FILES} files by path")
        read = {check_path(str(path)): _blobs(path, pieces) for path, pieces in files.items()}
        _no_twins(read)
        if sum(len(pieces) for pieces in read.values()) > MAX_BLOBS:
            raise ValueError(f"more than {MAX_BLOBS} blobs")
        return read

    @model_validator(mode="after")
    def _disk(self) -> Manifest:
        if self.disk_bytes < self.stored:
            raise ValueError(f"disk_bytes is {self.disk_bytes}, below the {self.stored} bytes of the blobs")
        if "any" in self.architectures and len(self.architectures) > 1:
            raise ValueError("architectures has 'any' and another")
        return self

    @property
    def blobs(self) -> dict[str, int]:
        """The length of each blob, once each, in the order in which they are first named."""
        return {blob.sha256: blob.length for pieces in self.files.values() for blob in pieces}

    @property
    def stored(self) -> int:
        """Bytes of all blobs, each counted once."""
        return sum(self.blobs.values())


def length_of(pieces: tuple[Blob, ...]) -> int:
    """Bytes of a file that is made of these pieces."""
    return sum(blob.length for blob in pieces)


def write_manifest(manifest: Manifest) -> bytes:
    """The one byte form of a manifest (rule G2)."""
    return _canonical(manifest.model_dump(mode="json"))


def read_manifest(data: bytes) -> Manifest:
    """The manifest that these bytes are. Raises ManifestInvalid for any others than `write_manifest` makes."""
    if len(data) > MAX_MANIFEST:
        raise ManifestInvalid(f"{MANIFEST} has more than {MAX_MANIFEST} bytes")
    try:
        manifest = Manifest.model_validate(json.loads(data))
    except ValidationError as error:
        finding = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in finding["loc"]) or "(file)"
        raise ManifestInvalid(f"{MANIFEST}: {where}: {finding['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{MANIFEST} is not JSON: {type(error).__name__}") from None
    if write_manifest(manifest) != data:
        raise ManifestInvalid(f"{MANIFEST} is not in canonical form")
    return manifest


def blobs_of(pieces: tuple[Blob, ...]) -> list[list[Any]]:
    """The pieces as `custom.blobs` of a delegated target lists them (rule R8)."""
    return [[blob.sha256, blob.length] for blob in pieces]


def _canonical(value: object) -> bytes:
    return (json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n").encode("ascii")


def _blobs(path: object, pieces: object) -> tuple[Blob, ...]:
    if not isinstance(pieces, list | tuple):
        raise ValueError(f"{path!r} must be a list of [SHA-256, length]")  # noqa: TRY004  what pydantic collects
    return tuple(_blob(path, piece) for piece in pieces)


def _blob(path: object, piece: object) -> Blob:
    match piece:
        case [str(digest), int(length)] if (
            _DIGEST.fullmatch(digest) and not isinstance(length, bool) and 0 < length <= MAX_BLOB
        ):
            return Blob(digest, length)
    raise ValueError(f"{path!r} must be made of [SHA-256, length], the length 1 to {MAX_BLOB}")


def _no_twins(files: Mapping[str, tuple[Blob, ...]]) -> None:
    """Rule P4: no two names that some file system takes for one, and no file where another has its folder."""
    seen: dict[str, str] = {}
    for path in _with_folders(files):
        other = seen.setdefault(path.casefold(), path)
        if other != path:
            raise ValueError(f"{path!r} and {other!r} differ in case only")
    lengths: dict[str, int] = {}
    for path, pieces in files.items():
        if any(folder in files for folder in _folders(path)):
            raise ValueError(f"{path!r} lies in what is itself a file")
        for blob in pieces:
            if lengths.setdefault(blob.sha256, blob.length) != blob.length:
                raise ValueError(f"{path!r} gives a blob another length than before")


def _folders(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _with_folders(files: Mapping[str, object]) -> Iterator[str]:
    for path in files:
        yield from _folders(path)
        yield path

"""A publishing station: the directory in which metadata comes to be, is signed in rounds and is sealed.

    roles.yaml            who signs what
    holders/NAME.pub      public keys
    drafts/ROLE.json      metadata that still collects signatures
    metadata/             what is complete: N.root.json, N.ROLE.json, N.snapshot.json, timestamp.json
    targets/, blobs/      content

Rules kept here:
1. Only metadata that met its threshold is ever under metadata/, and a version there is never written again.
2. A draft is made against the version that is published; where that moved on, the draft is stale.
3. It says how far a draft is, and decides nothing: `declare` makes drafts, `rounds` signs them, `seal` publishes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import (
    Metadata,
    Root,
    Targets,
)
from tuf.api.serialization.json import JSONSerializer

from appliance.bundle.manifest import EVALUATION
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


def _content(signed: Any) -> dict[str, Any]:
    plain: dict[str, Any] = signed.to_dict()
    return {key: value for key, value in plain.items() if key != "expires"}

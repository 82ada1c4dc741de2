"""What a node trusts and never goes below: roots, metadata and version floors, kept twice.

Rules kept here:
1. Two copies, a file and a row in SQLite (`synchronous=FULL`), each written whole or not at all, the row first.
2. Every accepted change raises `revision` by one; a writer that read another revision than there is now is refused.
3. Copies that differ, or one that is missing, are never silently used: the caller gets `Lost` with the newer one, and
   `restore` writes it to both.
4. A floor falls only where the root took away the keys that set it (TUF 5.3.11); root version and epoch never fall.

Whoever can set back both copies at once (a restored backup of the whole state directory) is not noticed here; the root
that a release brings along and the time of its build still hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from appliance.errors import StateInvalid
from appliance.store.node_db import DATABASE, opened
from appliance.store.room import FULL, full

FILE = Path("trust") / "state.json"
_MAX_BYTES = 256 * 1024 * 1024
_ABSENT = "is missing"

_SCHEMA = """CREATE TABLE IF NOT EXISTS bundle_trust (
    one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL, body TEXT NOT NULL)"""
REVISION = "SELECT revision FROM bundle_trust"


@dataclass(frozen=True)
class Floors:
    """Below what no bundle is accepted.

    `versions` by role ('root', 'timestamp', …); `keys` the ids that signed the timestamp and the snapshot which set
    them; `issued` the newest accepted issue time, in seconds since 1970; `epoch` the highest accepted security epoch.
    """

    versions: Mapping[str, int] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    issued: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class TrustState:
    """One accepted state: roots by version and the other metadata by role, as they were signed."""

    revision: int
    roots: Mapping[int, bytes]
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    floors: Floors = Floors()
    manifest: bytes = b""  # the newest accepted generation.json; b'' before the first


@dataclass(frozen=True)
class Lost:
    """The copy that is missing, damaged or behind, and what the other one holds."""

    copy: Literal["file", "database"]
    why: str
    state: TrustState


def read(state_dir: Path) -> TrustState | Lost | None:
    """What the node trusts; None where nothing was ever written. Raises StateInvalid where no copy can be read."""
    row, row_why = _read_row(state_dir / DATABASE)
    file, file_why = _read_file(state_dir / FILE)
    if row is not None and file is not None:
        if row == file:
            return row
        if row.revision >= file.revision:
            return Lost("file", f"{FILE} is at revision {file.revision}, {DATABASE} at {row.revision}", row)
        return Lost("database", f"{DATABASE} is at revision {row.revision}, {FILE} at {file.revision}", file)
    if row is not None:
        return Lost("file", file_why, row)
    if file is not None:
        return Lost("database", row_why, file)
    if not (row_why.endswith(_ABSENT) and file_why.endswith(_ABSENT)):
        raise StateInvalid(
            f"Neither {FILE} nor {DATABASE} in {state_dir} says what this node trusts.",
            next_step="Restore the state directory from a backup.",
        )
    return None


def write(state_dir: Path, state: TrustState) -> None:
    """Make `state` what the node trusts; its revision must be one above what is there. Raises StateInvalid."""
    before = read(state_dir)
    if isinstance(before, Lost):
        raise StateInvalid(f"{before.why}.", next_step="The copies must be made equal first.")
    if state.revision != (before.revision if before else 0) + 1:
        raise StateInvalid("Another import finished in the meantime.", next_step="Run the command again.")
    if before is not None and (
        state.floors.epoch < before.floors.epoch
        or max(state.roots) < max(before.roots)
        or state.floors.versions.get("root", 0) < before.floors.versions.get("root", 0)
    ):
        raise StateInvalid("A floor that never falls would fall.", next_step="This is a fault of the program.")
    _write_both(state_dir, state)


def restore(state_dir: Path, lost: Lost) -> None:
    """Write what the remaining copy holds to both places. Raises StateInvalid."""
    _write_both(state_dir, lost.state)


def to_text(state: TrustState) -> str:
    """The state as canonical JSON with its own digest in front."""
    body = json.dumps(
        {
            "revision": state.revision,
            "roots": {str(version): data.decode("utf-8") for version, data in state.roots.items()},
            "metadata": {role: data.decode("utf-8") for role, data in state.metadata.items()},
            "versions": dict(state.floors.versions),
            "keys": {role: list(ids) for role, ids in state.floors.keys.items()},
            "issued": state.floors.issued,
            "epoch": state.floors.epoch,
            "manifest": state.manifest.decode("ascii"),
        },
        sort_keys=True,
    )
    return f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}\n"


def from_text(text: str) -> TrustState:
    """Raises ValueError where the text is not what `to_text` made."""
    digest, _, body = text.removesuffix("\n").partition("\n")
    if hashlib.sha256(body.encode()).hexdigest() != digest:
        raise ValueError("is damaged")
    try:
        value: dict[str, Any] = json.loads(body)
        return TrustState(
            revision=value["revision"],
            roots={int(version): text.encode() for version, text in value["roots"].items()},
            metadata={role: text.encode() for role, text in value["metadata"].items()},
            floors=Floors(
                value["versions"],
                {role: tuple(ids) for role, ids in value["keys"].items()},
                value["issued"],
                value["epoch"],
            ),
            manifest=value["manifest"].encode("ascii"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("is of another form") from error


def _read_file(path: Path) -> tuple[TrustState | None, str]:
    try:
        with path.open("rb") as stream:
            return from_text(stream.read(_MAX_BYTES).decode("utf-8")), ""
    except FileNotFoundError:
        return None, f"{FILE} {_ABSENT}"
    except OSError as error:
        raise StateInvalid(f"{path} cannot be read: {error.strerror}.", next_step="Check its owner.") from None
    except ValueError as error:
        return None, f"{FILE} {error}"


def _read_row(path: Path) -> tuple[TrustState | None, str]:
    if not path.exists():
        return None, f"{DATABASE} {_ABSENT}"
    with opened(path, to_write=False) as db:
        there = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'bundle_trust'").fetchone()
        row = db.execute("SELECT body FROM bundle_trust").fetchone() if there else None
    if row is None:
        return None, f"the row in {DATABASE} {_ABSENT}"
    try:
        return from_text(row[0]), ""
    except ValueError as error:
        return None, f"the row in {DATABASE} {error}"


def _write_both(state_dir: Path, state: TrustState) -> None:
    text = to_text(state)
    try:  # others keep secrets in the same database
        os.close(os.open(state_dir / DATABASE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StateInvalid(
            f"{state_dir / DATABASE} cannot be opened: {error.strerror}.", next_step="Check its owner and the disk."
        ) from None
    with opened(state_dir / DATABASE) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        db.execute(_SCHEMA)
        db.execute("INSERT OR REPLACE INTO bundle_trust VALUES (1, ?, ?)", (state.revision, text))
        db.execute("COMMIT")
    try:
        _replace(state_dir / FILE, text.encode())
    except OSError as error:
        if error.errno in FULL:
            raise full(state_dir) from None
        raise StateInvalid(
            f"{state_dir / FILE} cannot be written: {error.strerror}.", next_step="Check its owner and the disk."
        ) from None


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, durably."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

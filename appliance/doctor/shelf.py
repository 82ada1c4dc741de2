"""The cards on the shelf and the files that they name, read for `weir models` and for doctor.

`bundle.content` reads the same files to decide by; this one goes on after a bad card, to show all the others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from appliance.records.card import File, ModelCard

BLOCK = 1 << 20


@dataclass(frozen=True)
class CardFile:
    """A card and where it stands."""

    card: ModelCard
    file: Path


@dataclass(frozen=True)
class CheckedFile:
    """A file as a card names it; `problem` in words, or ''."""

    path: str
    sha256: str
    bytes: int
    problem: str


def read_cards(content_dir: Path) -> tuple[tuple[CardFile, ...], tuple[str, ...]]:
    """The readable cards, and one sentence for each that is not."""
    cards: list[CardFile] = []
    findings: list[str] = []
    for path in sorted((content_dir / "cards").glob("*.json")):
        card, problems = read_card(path)
        findings += (f"{path}: {problem}" for problem in problems)
        if card is not None:
            cards.append(CardFile(card, path))
    return tuple(cards), tuple(findings)


def read_card(path: Path) -> tuple[ModelCard | None, tuple[str, ...]]:
    """The card in a file, or in words why there is none."""
    try:
        return ModelCard.model_validate_json(path.read_bytes()), ()
    except OSError as error:
        return None, (str(error.strerror),)
    except ValidationError as error:
        items = error.errors(include_input=False, include_url=False)
        return None, tuple(f"{'.'.join(str(part) for part in i['loc']) or '(file)'}: {i['msg']}" for i in items)


def check_file(content_dir: Path, file: File, *, digest: bool) -> CheckedFile:
    """Whether the file is there, of the stated length and, with `digest`, of the stated SHA-256."""
    return CheckedFile(file.path, file.sha256, file.bytes, _problem(content_dir, file, digest=digest))


def _problem(content_dir: Path, file: File, *, digest: bool) -> str:
    path = content_dir / file.path
    try:
        if not path.resolve().is_relative_to(content_dir.resolve()):
            return "lies outside the content directory"
        length = path.stat().st_size
        if length != file.bytes:
            return f"has {length} bytes, the card says {file.bytes}"
        if digest and (found := _sha256(path)) != file.sha256:
            return f"has SHA-256 {found}, the card says {file.sha256}"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()

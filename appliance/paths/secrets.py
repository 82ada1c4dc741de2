"""The value behind a card's reference to a secret.

Rules kept here:
1. An error names the kind of reference, never what was read.
2. What may stand in a header is one line of plain ASCII. A secret that is a JSON object (a service account, a pair of
   keys) is made one line first.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from appliance.paths.contract import PathError

MAX_SECRET_BYTES = 16 * 1024


def resolve_secret(reference: str) -> str:
    """The value behind 'env:NAME', 'file:/path' or 'credential:NAME' (systemd's), without surrounding blanks.

    May block; raises PathError 'auth'.
    """
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        value = os.environ.get(name, "")
    elif scheme == "file":
        value = _read(Path(name))
    elif scheme == "credential" and (directory := os.environ.get("CREDENTIALS_DIRECTORY")):
        value = _read(Path(directory, name)) if name == Path(name).name else ""
    else:
        value = ""
    value = _one_line(value.strip())
    if not value or not value.isascii() or not value.isprintable():
        raise PathError("auth", f"The key that the card refers to ({scheme}:...) is missing or unusable on this host.")
    return value


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SECRET_BYTES).decode("utf-8")
    except (OSError, ValueError):
        return ""


def _one_line(value: str) -> str:
    if value.startswith("{"):
        try:
            return json.dumps(json.loads(value))
        except ValueError:
            return ""
    return value

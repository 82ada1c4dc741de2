"""The value behind a card's reference to a secret, as a header can carry it.

Rules kept here:
1. An error names the kind of reference, never what was read.
2. What may stand in a header is one line of plain ASCII. A secret that is a JSON object (a service account, a pair of
   keys) is made one line first.
"""

from __future__ import annotations

import json

from appliance import config
from appliance.paths.contract import PathError


def resolve_secret(reference: str) -> str:
    """The value behind 'env:NAME', 'file:/path' or 'credential:NAME'. May block; raises PathError 'auth'."""
    value, lacking = config.secret_of(reference)
    if value.startswith("{"):
        try:
            value = json.dumps(json.loads(value))
        except ValueError:
            lacking = "begins as a JSON object and is none"
    if not lacking and not (value.isascii() and value.isprintable()):
        lacking = "is not one line of plain ASCII"
    if lacking:
        kind = reference.partition(":")[0]
        scheme = kind if kind in ("env", "file", "credential", "secret") else "?"
        raise PathError("auth", f"The key that the card refers to ({scheme}:...) {lacking}, on this host.")
    return value

"""The value behind a card's reference to a secret, as a header can carry it.

Rules kept here:
1. An error names the kind of reference, never what was read.
2. What may stand in a header is one line of plain ASCII. A secret that is a JSON object (a service account, a pair of
   keys) is made one line first.
"""

from __future__ import annotations

import json

from appliance import config
from appliance.errors import ConfigInvalid
from appliance.paths.contract import PathError


def resolve_secret(reference: str) -> str:
    """The value behind 'env:NAME', 'file:/path' or 'credential:NAME'. May block; raises PathError 'auth'."""
    try:
        value = config.resolve_secret(reference)
        if value.startswith("{"):
            value = json.dumps(json.loads(value))
    except (ConfigInvalid, ValueError):
        value = ""
    if not value or not value.isascii() or not value.isprintable():
        scheme = reference.partition(":")[0]
        raise PathError("auth", f"The key that the card refers to ({scheme}:...) is missing or unusable on this host.")
    return value

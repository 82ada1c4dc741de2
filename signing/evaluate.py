"""Throw-away keys of all roles, made on the spot and marked as such in the root.

Rules kept here:
1. The thresholds are those of a real station, and are met by as many keys; nothing about trust is shortened.
2. The root says that it is for evaluation, and can never be rotated into one that does not.
3. The passphrase of these keys is public; they protect nothing, and a README beside them says so.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from securesystemslib.signer import Signer

from signing import declare as declaring
from signing import files, keys, rounds, station
from signing import seal as sealing
from signing.errors import BenchError

PASSPHRASE: Final = "these keys protect nothing"  # noqa: S105  rule 3
_README = """\
EVALUATION KEYS. They were made by one command, lie side by side on one disk, and their passphrase is public:

    these keys protect nothing

Whatever they sign may come from anybody. Every status surface of a node that trusts this root says so.
For real keys follow the ceremony: signing/ceremony.md
"""
_HOLDERS = ("evaluation-one", "evaluation-two", "evaluation-three")
_ROLES = f"""\
# EVALUATION: throw-away keys. See keys/README.txt
publisher: Evaluation, no publisher
evaluation: true
roles:
  root:      {{holders: [{", ".join(_HOLDERS)}], threshold: 2, days: 365}}
  targets:   {{holders: [{", ".join(_HOLDERS)}], threshold: 2, days: 365}}
  models:    {{holders: [{", ".join(_HOLDERS[:2])}], threshold: 1, days: 365}}
  policies:  {{holders: [{", ".join(_HOLDERS)}], threshold: 2, days: 365}}
  appliance: {{holders: [{", ".join(_HOLDERS)}], threshold: 2, days: 365}}
  snapshot:  {{holders: [evaluation-station], threshold: 1, days: 180}}
  timestamp: {{holders: [evaluation-station], threshold: 1, days: 180}}
"""


def evaluate(directory: Path, now: datetime) -> station.Station:
    """Make a station with throw-away keys, its root and empty roles signed and sealed. Raises BenchError."""
    if directory.exists():
        raise BenchError("station_invalid", f"{directory} is there already.", next_step="Choose a new directory.")
    fresh = files.part(directory)
    try:
        made = station.Station.make(fresh, "Evaluation")
        files.write(fresh / "roles.yaml", _ROLES.encode())
        for name in (*_HOLDERS, "evaluation-station"):
            holder = keys.create(fresh / "keys", name, PASSPHRASE)
            keys.write_public(fresh / "holders" / f"{name}.pub", holder)
        files.write_new(fresh / "keys" / "README.txt", _README.encode(), 0o644)
        declaring.declare(made, now)
        signers = signers_of(made)
        rounds.sign_all(made, signers)
        sealing.seal(made, signers, now)
        fresh.rename(directory)
        files.settle(directory.parent)
    except OSError as error:
        raise BenchError("write_failed", f"{directory}: {error.strerror}.") from None
    return station.Station(directory)


def signers_of(made: station.Station) -> dict[str, Signer]:
    """The evaluation keys beside a station that is marked so. Raises BenchError: not_evaluation."""
    if not made.evaluation:
        raise BenchError(
            "not_evaluation",
            f"{made.directory} is a real station: its holders sign themselves.",
            next_step="weir-sign sign",
        )
    found = [keys.unlock(path, PASSPHRASE) for path in sorted((made.directory / "keys").glob("*.key"))]
    return {signer.public_key.keyid: signer for signer in found}

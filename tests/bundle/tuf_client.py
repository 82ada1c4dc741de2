"""The node's verification driven over HTTP with the command line that the TUF conformance suite expects.

    tuf_client.py --metadata-dir DIR init ROOT
    tuf_client.py --metadata-dir DIR --metadata-url URL refresh
    tuf_client.py --metadata-dir DIR --metadata-url URL \\
        --target-name NAME --target-base-url URL --target-dir DIR download

Ends with 0 when all of it succeeded, else with 1 (bundles/FORMAT.md, C1 to C4).
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import TargetFile

from appliance.bundle import media
from appliance.bundle.mirror import Mirror, Patience
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.workflow import Steps, Verification, Want, drive
from tests.standins.ledger import MemoryLedger

PATIENCE = Patience(stall_s=30, pauses_s=(0.1,))


def fetch(base_url: str, name: str, limit: int) -> bytes | None:
    """The bytes of a file at a URL, as a node reads a mirror; None where there is none. Raises BundleRefused."""
    plain = "/".join(f"%2E{part[1:]}" if part.startswith(".") else part for part in name.split("/"))  # M1 has no such
    with closing(Mirror(base_url, MemoryLedger(), patience=PATIENCE)) as mirror:
        return media.read(mirror, plain, limit)


class Client:
    """One run: trusted metadata from a directory, everything else from a server."""

    def __init__(self, metadata_dir: Path, metadata_url: str) -> None:
        self.directory = metadata_dir
        self.url = metadata_url
        local = {unquote(file.stem): file.read_bytes() for file in metadata_dir.glob("*.json") if file.stem != "root"}
        root = (metadata_dir / "root.json").read_bytes()
        self.verification = Verification(root, local, reference=datetime.now(UTC))

    def refresh(self) -> None:
        self.run(self.verification.top_level())

    def download(self, name: str, base_url: str, folder: Path) -> None:
        self.refresh()
        self.run(self.verification.delegated(name))
        found = self.verification.target(name)
        if found is None:
            raise BundleRefused("missing_metadata", f"No role lists {name}.")
        target = found[1]
        place = folder / quote(name, safe="")
        if place.exists() and _fits(target, place.read_bytes()):
            return
        above, _, last = name.rpartition("/")
        if self.verification.root.consistent_snapshot:
            last = f"{next(iter(target.hashes.values()))}.{last}"
        data = fetch(base_url, quote("/".join(part for part in (above, last) if part)), target.length)
        if data is None:
            raise BundleRefused("incomplete", f"{name} is missing.")
        target.verify_length_and_hashes(data)
        place.write_bytes(data)

    def run(self, steps: Steps) -> None:
        """Make the steps; whatever was accepted stays, also where a later step is refused."""
        try:
            drive(steps, self.read)
        finally:
            for role, data in self.verification.accepted.items():
                (self.directory / f"{quote(role, safe='')}.json").write_bytes(data)
            newest = self.verification.roots[max(self.verification.roots)]
            (self.directory / "root.json").write_bytes(newest)

    def read(self, want: Want) -> bytes | None:
        return fetch(self.url, want.name.removeprefix("metadata/"), want.limit)


def _fits(target: TargetFile, data: bytes) -> bool:
    try:
        target.verify_length_and_hashes(data)
    except RepositoryError:
        return False
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    for option in ("--metadata-url", "--target-name", "--target-base-url"):
        parser.add_argument(option, default="")
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    given = parser.parse_args(arguments)
    try:
        if given.command == "init":
            (given.metadata_dir / "root.json").write_bytes(given.root.read_bytes())
            return 0
        client = Client(given.metadata_dir, given.metadata_url)
        if given.command == "refresh":
            client.refresh()
        else:
            client.download(given.target_name, given.target_base_url, given.target_dir)
    except (BundleRefused, RepositoryError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

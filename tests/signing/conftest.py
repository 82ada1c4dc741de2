"""A publisher of one's own: real keys, a real station, holders who sign."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from securesystemslib.signer import Signer

from signing import keys, rounds, station
from signing.cli.main import run
from signing.station import Station

PASSPHRASE = "six words that nobody puts together"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOLDERS = ("anna", "boris", "chen", "dora", "emil", "station")


@dataclass
class Publisher:
    """A station beside the keys of all its holders."""

    station: Station
    keys: Path
    signers: dict[str, Signer] = field(default_factory=dict)

    def holder(self, name: str) -> Signer:
        """The signer of a holder; the key is made where there is none."""
        if name not in self.signers:
            made = keys.create(self.keys, name, PASSPHRASE)
            keys.write_public(self.station.directory / "holders" / f"{name}.pub", made)
            self.signers[name] = keys.unlock(self.keys / f"{name}.key", PASSPHRASE)
        return self.signers[name]

    def sign(self, role: str, *names: str) -> int:
        """How many signatures are missing afterwards."""
        return [rounds.sign(self.station, role, self.holder(name)).missing for name in names][-1]

    def sign_all(self) -> None:
        for role in self.station.drafted():
            for name in self.station.declared()[0].roles[role].holders:
                if rounds.look(self.station, role).progress.missing:
                    self.sign(role, name)

    def seal(self, now: datetime = NOW) -> None:
        by_id = {signer.public_key.keyid: signer for signer in self.signers.values()}
        station.seal(self.station, by_id, now)

    def roles(self, old: str, new: str) -> None:
        """Edit roles.yaml."""
        file = self.station.directory / "roles.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


@pytest.fixture
def drafted(tmp_path: Path) -> Publisher:
    """Declared, and signed by nobody."""
    publisher = Publisher(Station.make(tmp_path / "station", "Example"), tmp_path / "keys")
    for name in HOLDERS:
        publisher.holder(name)
    station.declare(publisher.station, NOW)
    return publisher


@pytest.fixture
def publisher(drafted: Publisher) -> Publisher:
    """Signed and sealed."""
    drafted.sign_all()
    drafted.seal()
    return drafted


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Bench = Callable[..., Ended]


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Bench:
    """`weir-sign` in this process; `passphrases` come in on a descriptor."""

    def call(*arguments: object, passphrases: tuple[str, ...] = ()) -> Ended:
        words = [str(word) for word in arguments]
        reading = -1
        if passphrases:
            reading, writing = os.pipe()
            os.write(writing, "".join(f"{line}\n" for line in passphrases).encode())
            os.close(writing)
            words += ["--passphrase-fd", str(reading)]
        try:
            code = run(words)
        finally:
            if reading >= 0:
                os.close(reading)
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return call

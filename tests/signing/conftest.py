"""A publisher of one's own: real keys, a real station, holders who sign."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from securesystemslib.signer import Signer

from appliance.bundle.manifest import Manifest
from signing import declare as declaring
from signing import keys, recipe, rounds
from signing import press as pressing
from signing import seal as sealing
from signing.cli.main import run
from signing.station import Station

PASSPHRASE = "six words that nobody puts together"
NOW = datetime.now(UTC).replace(microsecond=0)  # commands that a test runs read the clock themselves
YEAR = f"{NOW:%Y}"
STARTER = Path(__file__).resolve().parents[2] / "bundles" / "starter"
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
        digest = rounds.look(self.station, role).digest
        return [rounds.sign(self.station, role, self.holder(name), digest).missing for name in names][-1]

    def sign_all(self) -> None:
        for role in self.station.drafted():
            for name in self.station.declared()[0].roles[role].holders:
                if rounds.look(self.station, role).progress.missing:
                    self.sign(role, name)

    def seal(self, now: datetime = NOW) -> None:
        by_id = {signer.public_key.keyid: signer for signer in self.signers.values()}
        sealing.seal(self.station, by_id, now)

    def press(self, content: Path, now: datetime = NOW, name: str = "site") -> Manifest:
        """Pressed, signed and sealed."""
        made, _ = pressing.press(self.station, recipe.read(content, name), now)
        self.sign_all()
        self.seal(now)
        return made

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
    declaring.declare(publisher.station, NOW)
    return publisher


@pytest.fixture
def publisher(drafted: Publisher) -> Publisher:
    """Signed and sealed."""
    drafted.sign_all()
    drafted.seal()
    return drafted


def gguf(chat: bytes = b"hello", tensors: int = 1, alignment: int = 64, data: int = 256) -> bytes:
    """A small GGUF: an alignment, a chat template, nested arrays, and tensors without meaning."""

    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    pairs = (
        text(b"general.alignment") + struct.pack("<II", 4, alignment),
        text(b"tokenizer.chat_template") + struct.pack("<I", 8) + text(chat),
        text(b"words") + struct.pack("<IIQ", 9, 8, 2) + text(b"one") + text(b"two"),
        text(b"numbers") + struct.pack("<IIQ", 9, 6, 3) + bytes(12),
    )
    names = b"".join(text(b"t%d" % at) + struct.pack("<IQQIQ", 2, 4, 4, 0, 0) for at in range(tensors))
    head = b"GGUF" + struct.pack("<IQQ", 3, tensors, len(pairs)) + b"".join(pairs) + names
    return head + bytes(-len(head) % alignment) + os.urandom(data)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A content directory that a node could use: a model with its card, the starter's policy, an evaluation set."""
    where = tmp_path / "content"
    for folder in ("models", "cards", "evals"):
        (where / folder).mkdir(parents=True)
    place_model(where, gguf())
    shutil.copytree(STARTER / "policy", where / "policy")
    shutil.copy(STARTER / "detectors.json", where)
    (where / "evals" / "empty.jsonl").write_bytes(b"")
    (where / "evals" / "._mac").write_bytes(b"not content")
    return where


def place_model(where: Path, model: bytes) -> None:
    (where / "models" / "small.gguf").write_bytes(model)
    stated = {"path": "models/small.gguf", "sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)}
    card = {"id": "small", "runtime": "llama_cpp", "tier": "device", "modalities": ["chat"], "files": [stated]}
    (where / "cards" / "small.json").write_text(json.dumps(card))


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """In memory where the host has that: what is killed at a hundred points waits for no disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    where = Path(tempfile.mkdtemp(dir=memory))
    yield where
    shutil.rmtree(where)


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

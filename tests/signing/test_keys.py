"""Claims about keys: how they are made, what protects them, and what is refused."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from signing import keys
from signing.errors import BenchError
from tests.signing.conftest import PASSPHRASE, Bench
from tests.signing.interrupted import points


def place(path: Path, private: object, protection: KeySerializationEncryption) -> Path:
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))  # type: ignore[attr-defined]
    path.chmod(0o600)
    return path


def code_of(error: pytest.ExceptionInfo[BenchError]) -> str:
    assert PASSPHRASE not in error.value.message + error.value.next_step
    return error.value.code


def test_a_new_key_is_encrypted_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = keys.create(tmp_path, "anna", PASSPHRASE)
    finally:
        os.umask(old)
    file = tmp_path / "anna.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    with pytest.raises(TypeError):
        load_pem_private_key(file.read_bytes(), None)
    assert keys.unlock(file, PASSPHRASE).public_key.keyid == made.id
    assert keys.read_public(tmp_path / "anna.pub").id == made.id
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anna.key", "anna.pub"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    keys.create(tmp_path, "anna", PASSPHRASE)
    before = (tmp_path / "anna.key").read_bytes()
    with pytest.raises(BenchError) as refused:
        keys.create(tmp_path, "anna", PASSPHRASE)
    assert code_of(refused) == "key_exists"
    assert (tmp_path / "anna.key").read_bytes() == before


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o601, 0o777])
def test_a_key_that_others_can_reach_is_refused_and_not_repaired(tmp_path: Path, mode: int) -> None:
    keys.create(tmp_path, "anna", PASSPHRASE)
    (tmp_path / "anna.key").chmod(mode)
    with pytest.raises(BenchError) as refused:
        keys.unlock(tmp_path / "anna.key", PASSPHRASE)
    assert code_of(refused) == "key_exposed"
    assert f"{mode:04o}" in refused.value.message
    assert stat.S_IMODE((tmp_path / "anna.key").stat().st_mode) == mode


def test_a_link_a_pipe_and_a_directory_are_no_keys(tmp_path: Path) -> None:
    keys.create(tmp_path, "anna", PASSPHRASE)
    (tmp_path / "link.key").symlink_to("anna.key")
    os.mkfifo(tmp_path / "pipe.key", 0o600)
    (tmp_path / "folder.key").mkdir(0o700)
    for name in ("link", "pipe", "folder"):
        with pytest.raises(BenchError) as refused:
            keys.unlock(tmp_path / f"{name}.key", PASSPHRASE)
        assert code_of(refused) == "key_exposed"


@pytest.mark.parametrize("given", ["", "not the one", PASSPHRASE.upper(), PASSPHRASE + " "])
def test_a_wrong_passphrase_is_said_to_be_one(tmp_path: Path, given: str) -> None:
    codes = []
    for name in ("anna", "bert", "cleo"):
        keys.create(tmp_path, name, PASSPHRASE)
        with pytest.raises(BenchError) as refused:
            keys.unlock(tmp_path / f"{name}.key", given)
        codes.append(code_of(refused))
        assert not given or given not in refused.value.message
    # Once in 256 times what comes out ends as a padding would, and only what is in it is no key.
    assert codes.count("passphrase_wrong") >= 2
    assert set(codes) <= {"passphrase_wrong", "key_unusable"}


def test_a_key_without_a_passphrase_counts_as_lost(tmp_path: Path) -> None:
    file = place(tmp_path / "bare.key", Ed25519PrivateKey.generate(), NoEncryption())
    with pytest.raises(BenchError) as refused:
        keys.unlock(file, PASSPHRASE)
    assert code_of(refused) == "key_unprotected"


def test_another_kind_of_key_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    other = place(tmp_path / "ec.key", generate_ec(SECP256R1()), BestAvailableEncryption(PASSPHRASE.encode()))
    keys.create(tmp_path, "anna", PASSPHRASE)
    whole = (tmp_path / "anna.key").read_bytes()
    for content in (b"", b"junk", whole[: len(whole) // 2], whole.replace(b"M", b"!", 3)):
        (tmp_path / "anna.key").write_bytes(content)
        with pytest.raises(BenchError) as refused:
            keys.unlock(tmp_path / "anna.key", PASSPHRASE)
        assert code_of(refused) == "key_unusable"
    with pytest.raises(BenchError) as refused:
        keys.unlock(other, PASSPHRASE)
    assert code_of(refused) == "key_unusable"
    with pytest.raises(BenchError) as refused:
        keys.unlock(tmp_path / "nobody.key", PASSPHRASE)
    assert code_of(refused) == "key_missing"


@pytest.mark.parametrize("name", ["", "../anna", "Anna", "a b", "-a", "a" * 33, "anna\n"])
def test_a_name_is_a_plain_word(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError) as refused:
        keys.create(tmp_path / "keys", name, PASSPHRASE)
    assert code_of(refused) == "key_unusable"
    assert list(tmp_path.iterdir()) == []


def test_a_short_passphrase_makes_no_key(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as refused:
        keys.create(tmp_path, "anna", PASSPHRASE[: keys.SHORTEST - 1])
    assert code_of(refused) == "passphrase_short"
    assert list(tmp_path.iterdir()) == []


def test_killed_at_any_point_there_is_a_whole_key_or_none(tmp_path: Path) -> None:
    for at in points(lambda at: lambda: keys.create(tmp_path / str(at), "anna", PASSPHRASE)):
        file = tmp_path / str(at) / "anna.key"
        if file.exists():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            keys.unlock(file, PASSPHRASE)
        for left in (tmp_path / str(at)).glob(".anna.key*"):
            assert stat.S_IMODE(left.stat().st_mode) == 0o600


def test_the_id_is_computed_from_the_key_and_not_believed(tmp_path: Path) -> None:
    made = keys.create(tmp_path, "anna", PASSPHRASE)
    said = json.loads((tmp_path / "anna.pub").read_text())
    (tmp_path / "more.pub").write_text(json.dumps({**said, "keyid": "0" * 64}))
    (tmp_path / "other.pub").write_text(json.dumps({**said, "public": said["public"].upper()}))
    with pytest.raises(BenchError):
        keys.read_public(tmp_path / "more.pub")
    assert keys.read_public(tmp_path / "other.pub").id == made.id


def test_a_damaged_public_key_is_refused(tmp_path: Path) -> None:
    keys.create(tmp_path, "anna", PASSPHRASE)
    said = json.loads((tmp_path / "anna.pub").read_text())
    from cryptography.hazmat.primitives.serialization import PublicFormat

    large = generate_ec(SECP384R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for wrong in (
        {**said, "public": said["public"][:-2]},
        {**said, "public": "zz" * 32},
        {**said, "scheme": "ecdsa-sha2-nistp256"},
        {**said, "keytype": "rsa"},
        {**said, "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "public": large},
        {**said, "holder": "\u202eanna"},
        [],
    ):
        (tmp_path / "x.pub").write_text(json.dumps(wrong))
        with pytest.raises(BenchError) as refused:
            keys.read_public(tmp_path / "x.pub")
        assert code_of(refused) == "key_unusable"


def test_the_command_makes_a_key_and_shows_it(tmp_path: Path, bench: Bench) -> None:
    made = bench("key", "new", "anna", "--dir", tmp_path, "--json", passphrases=(PASSPHRASE,))
    assert made.code == 0
    shown = bench("key", "show", tmp_path / "anna.pub", "--json")
    assert json.loads(shown.out) == json.loads(made.out)
    again = bench("key", "new", "anna", "--dir", tmp_path, passphrases=(PASSPHRASE,))
    assert (again.code, again.out) == (2, "")
    assert again.err.endswith("[key_exists]\n")

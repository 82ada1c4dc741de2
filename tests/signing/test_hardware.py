"""A key on a PKCS#11 token signs like any other; SoftHSM stands in for the token."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.bundle import trust
from signing import keys, rounds
from signing.station import Station
from tests.signing.conftest import PASSPHRASE, Ended, Publisher

MODULE = next(
    (
        path
        for path in map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"))
        if path.exists()
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None or importlib.util.find_spec("pkcs11") is None,
    reason="SoftHSM is not installed here",
)
PIN = "123456"
_MAKE = """
import sys, pkcs11
from pkcs11.util.ec import encode_named_curve_parameters
token = pkcs11.lib(sys.argv[1]).get_token(token_label="anna")
with token.open(rw=True, user_pin=sys.argv[2]) as session:
    for number, curve in ((2, "secp256r1"), (3, "secp384r1")):
        form = session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
        )
        form.generate_keypair(store=True, id=bytes([number]))
"""
Command = Callable[..., Ended]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`weir-sign` in a process of its own, with a token 'anna' that has P-256 under 2 and P-384 under 3."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    env = {**os.environ, "SOFTHSM2_CONF": str(tmp_path / "softhsm.conf")}
    init = ["softhsm2-util", "--init-token", "--free", "--label", "anna", "--so-pin", "12345678", "--pin", PIN]
    subprocess.run(init, env=env, check=True, capture_output=True, timeout=60)
    subprocess.run([sys.executable, "-c", _MAKE, str(MODULE), PIN], env=env, check=True, timeout=60)

    def call(*arguments: object, pin: str = PIN) -> Ended:
        reading, writing = os.pipe()
        os.write(writing, f"{pin}\n".encode())
        os.close(writing)
        words = [sys.executable, "-m", "signing.cli.main", *map(str, arguments), "--passphrase-fd", str(reading)]
        done = subprocess.run(
            words, env=env, pass_fds=(reading,), capture_output=True, text=True, timeout=60, check=False
        )
        os.close(reading)
        return Ended(done.returncode, done.stdout, done.stderr)

    return call


def take_over(command: Command, where: Path, number: int = 2, **more: str) -> Ended:
    return command(
        "key", "token", "anna", "--module", MODULE, "--label", "anna", "--number", number, "--dir", where, **more
    )


def test_a_key_on_a_token_is_a_holder_like_any_other(command: Command, drafted: Publisher) -> None:
    holders = drafted.station.directory / "holders"
    (holders / "anna.pub").unlink()
    made = take_over(command, holders)
    assert made.code == 0, made.err
    holder = keys.read_public(holders / "anna.pub")
    assert holder.key.scheme == "ecdsa-sha2-nistp256"
    declared = subprocess.run(
        [sys.executable, "-m", "signing.cli.main", "declare", str(drafted.station.directory)], check=False, timeout=60
    )
    assert declared.returncode == 0
    wrong = command("sign", drafted.station.directory, "root", "--key", holders / "anna.pub", "--yes", pin="000000")
    assert wrong.err.endswith("[token_failed]\n")
    assert rounds.look(drafted.station, "root").progress.missing == 2
    signed = command("sign", drafted.station.directory, "root", "--key", holders / "anna.pub", "--yes")
    assert signed.code == 0, signed.err
    assert signed.out.splitlines()[-1] == "root: signed by anna; 1 missing, may still sign: boris, chen"
    assert drafted.sign("root", "chen") == 0
    assert trust.root_facts((drafted.station.drafts / "root.json").read_bytes()) == (1, "Example", False)
    again = command("sign", drafted.station.directory, "root", "--key", holders / "anna.pub", "--yes")
    assert again.err.endswith("[already_signed]\n")


def test_a_wrong_curve_a_missing_key_and_a_key_without_a_token_are_said(
    command: Command, drafted: Publisher, tmp_path: Path
) -> None:
    assert take_over(command, tmp_path, 3).err.endswith("[key_unusable]\n")
    assert take_over(command, tmp_path, 9).err.endswith("[token_failed]\n")
    assert take_over(command, tmp_path).code == 0
    before = (drafted.station.drafts / "root.json").read_bytes()
    file_key = command(
        "sign", drafted.station.directory, "root", "--key", drafted.keys / "boris.pub", "--yes", pin=PASSPHRASE
    )
    assert file_key.err.endswith("[key_unusable]\n")
    assert (Station(drafted.station.directory).drafts / "root.json").read_bytes() == before

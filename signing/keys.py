"""Keys of holders: made, protected, unlocked.

Rules kept here:
1. ed25519 in an encrypted PKCS#8 PEM, mode 0600, never overwritten; there is no unencrypted form.
2. A key file that others may read is refused, not repaired: whoever could read it may have done so.
3. A key's id is computed from the key itself, so that one key cannot count as two.

The PEM's own key derivation is PBKDF2 with few rounds (`cryptography` offers no other), so that the passphrase must
be long. A PEM that `openssl pkcs8 -topk8 -scrypt` wrote is read as well.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from securesystemslib.signer import CryptoSigner, Signer, SSlibKey

from signing import files
from signing.errors import BenchError

SHORTEST = 16  # characters
_KEY_BYTES = 16 * 1024
NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"


class PublicKey(BaseModel):
    """A holder's public key as it is handed around. `public` is hexadecimal for ed25519, a PEM for P-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    holder: Annotated[str, Field(pattern=NAME)]
    keytype: Literal["ed25519", "ecdsa"]
    scheme: Literal["ed25519", "ecdsa-sha2-nistp256"]
    public: Annotated[str, Field(max_length=1024)]
    token: str = ""  # where a PKCS#11 token keeps the private half


@dataclass(frozen=True)
class Holder:
    """Who signs, with which key."""

    name: str
    key: SSlibKey
    token: str = ""

    @property
    def id(self) -> str:
        return str(self.key.keyid)


def create(directory: Path, name: str, passphrase: str) -> Holder:
    """Make `NAME.key` and `NAME.pub`. Raises BenchError: passphrase_short, key_exists, write_failed."""
    if not re.fullmatch(NAME, name):
        raise BenchError("key_unusable", f"{name!r} is no name for a key.", next_step="Use a-z, 0-9 and '-'.")
    if len(passphrase) < SHORTEST:
        raise BenchError(
            "passphrase_short",
            f"The passphrase has fewer than {SHORTEST} characters.",
            next_step="Use six words or more that nobody would put together.",
        )
    private = Ed25519PrivateKey.generate()
    sealed = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode("utf-8"))
    )
    holder = Holder(name, SSlibKey.from_crypto(private.public_key()))
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_new(directory / f"{name}.key", sealed, 0o600)
    except FileExistsError:
        raise BenchError(
            "key_exists", f"{directory / name}.key is there already.", next_step="Choose a new name."
        ) from None
    except OSError as error:
        raise BenchError("write_failed", f"{directory / name}.key: {error.strerror}.") from None
    write_public(directory / f"{name}.pub", holder)
    return holder


def unlock(path: Path, passphrase: str) -> Signer:
    """The signer of a key file. Raises BenchError: key_missing, key_exposed, key_unprotected, key_unusable,
    passphrase_wrong."""
    try:
        private = load_pem_private_key(sealed(path), passphrase.encode("utf-8"))
    except TypeError:
        raise BenchError(
            "key_unprotected" if passphrase else "passphrase_wrong",
            f"{path} is not protected by a passphrase." if passphrase else f"{path} needs a passphrase.",
            next_step="Treat it as lost: make a new one and revoke it." if passphrase else "",
        ) from None
    except UnsupportedAlgorithm:
        raise _unusable(path) from None
    except ValueError as error:
        # The library tells a wrong passphrase from a damaged file only in its words.
        if "password" in str(error).lower():
            raise BenchError(
                "passphrase_wrong", f"The passphrase does not open {path}.", next_step="Try again; nothing was signed."
            ) from None
        raise _unusable(path) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise _unusable(path)
    return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))


def sealed(path: Path) -> bytes:
    """The bytes of a key file that nobody but its owner can read. Raises BenchError: key_missing, key_exposed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BenchError("key_missing", f"There is no key {path}.", next_step="Check its name.") from None
    except OSError as error:
        raise BenchError("key_exposed", f"{path} cannot be opened as a key: {error.strerror}.") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077 or found.st_uid not in (os.geteuid(), 0):
            raise BenchError(
                "key_exposed",
                f"{path} can be read or written by others (mode {stat.S_IMODE(found.st_mode):04o}).",
                next_step="Find out who could have read it. If nobody did: chmod 600. Otherwise revoke it.",
            )
        return os.read(descriptor, _KEY_BYTES)
    finally:
        os.close(descriptor)


def write_public(path: Path, holder: Holder) -> None:
    """Raises BenchError: key_exists, write_failed."""
    said = PublicKey(
        holder=holder.name,
        keytype=holder.key.keytype,
        scheme=holder.key.scheme,
        public=holder.key.keyval["public"],
        token=holder.token,
    )
    try:
        files.write_new(path, f"{said.model_dump_json(indent=1)}\n".encode(), 0o644)
    except FileExistsError:
        raise BenchError("key_exists", f"{path} is there already.", next_step="Choose a new name.") from None
    except OSError as error:
        raise BenchError("write_failed", f"{path}: {error.strerror}.") from None


def read_public(path: Path) -> Holder:
    """The holder of a `.pub` file. Raises BenchError: key_missing, key_unusable."""
    content = files.read(path, "key_missing", _KEY_BYTES)
    try:
        said = PublicKey.model_validate_json(content)
        return Holder(said.holder, _public(said), said.token)
    except (ValidationError, ValueError, UnsupportedAlgorithm):
        raise BenchError(
            "key_unusable", f"{path} is no public key of a holder.", next_step="Ask the holder for NAME.pub again."
        ) from None


def _public(said: PublicKey) -> SSlibKey:
    if said.keytype == "ed25519":
        found: Ed25519PublicKey | EllipticCurvePublicKey = Ed25519PublicKey.from_public_bytes(
            bytes.fromhex(said.public)
        )
    else:
        loaded = load_pem_public_key(said.public.encode("ascii"))
        if not isinstance(loaded, EllipticCurvePublicKey) or not isinstance(loaded.curve, SECP256R1):
            raise ValueError(said.keytype)
        found = loaded
    key = SSlibKey.from_crypto(found)
    if key.scheme != said.scheme:
        raise ValueError(said.scheme)
    return key


def _unusable(path: Path) -> BenchError:
    return BenchError(
        "key_unusable",
        f"{path} is not an ed25519 key in an encrypted PKCS#8 PEM, or, once in 256 times, the passphrase is wrong.",
        next_step="Try the passphrase again, then restore the file from its copy.",
    )

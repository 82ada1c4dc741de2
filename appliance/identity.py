"""The node's key: who signs the audit, and the salt under which it digests bodies.

Rules kept here:
1. Made once, mode 0600, never overwritten; a crash while they are made leaves whole files or none.
2. The salt is a file of its own: handing it over lets somebody compare a body they hold with an entry, and no more.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from appliance.errors import StateInvalid

KEY, PUBLIC, SALT = "audit.key", "audit.pub", "audit.salt"
_MAX_BYTES = 16 * 1024


@dataclass(frozen=True)
class NodeKey:
    """What the node signs and salts with."""

    private: Ed25519PrivateKey = field(repr=False)
    public: Ed25519PublicKey
    salt: bytes = field(repr=False)


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the raw public key, hexadecimal: what an auditor writes down on the first day."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def pem(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def make(directory: Path) -> None:
    """Make what is missing of key, public key and salt. Raises OSError."""
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _place(directory / KEY, private)
    _place(directory / SALT, f"{secrets.token_hex(32)}\n".encode())
    _place(directory / PUBLIC, pem(_private(directory).public_key()).encode())


def load(directory: Path) -> NodeKey:
    """Raises StateInvalid where a file is missing or is not what it should be."""
    private = _private(directory)
    try:
        salt = bytes.fromhex((directory / SALT).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        salt = b""
    if len(salt) != 32:
        raise _unusable(directory / SALT)
    return NodeKey(private, private.public_key(), salt)


def load_public(file: Path) -> Ed25519PublicKey:
    """A public key in PEM. Raises StateInvalid."""
    try:
        with file.open("rb") as stream:
            key = load_pem_public_key(stream.read(_MAX_BYTES))
    except (OSError, ValueError):
        raise _unusable(file) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _unusable(file)
    return key


def _private(directory: Path) -> Ed25519PrivateKey:
    try:
        with (directory / KEY).open("rb") as stream:
            key = load_pem_private_key(stream.read(_MAX_BYTES), None)
    except (OSError, ValueError, TypeError):
        raise _unusable(directory / KEY) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(directory / KEY)
    return key


def _unusable(file: Path) -> StateInvalid:
    return StateInvalid(
        f"{file} is missing, unreadable or no key of the audit.", next_step="Restore it from a backup of this node."
    )


def _place(file: Path, content: bytes) -> None:
    if file.exists():
        return
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, file)  # fails where somebody was faster
    except FileExistsError:
        pass
    finally:
        draft.unlink()

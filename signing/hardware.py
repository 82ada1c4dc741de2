"""Keys on a PKCS#11 token: P-256, named by their public half.

Rules kept here:
1. The private half never leaves the token; the PIN is asked for like a passphrase.
2. The module to load is named once, when the key is taken over, and is written beside the public key.

Needs `python-pkcs11`, which the extra `token` of weir-sign brings.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import HSMSigner, Signer

from signing.errors import BenchError
from signing.keys import Holder

_MODULE = "PYKCS11LIB"  # where the library looks for the path of the module


def take_over(name: str, module: Path, label: str, number: int, pin: str) -> Holder:
    """The holder of a P-256 key that the token has. Raises BenchError: token_failed, key_unusable."""
    if not module.is_absolute() or not module.is_file():
        raise BenchError("token_failed", f"{module} is no PKCS#11 module.", next_step="Name it with its whole path.")
    os.environ[_MODULE] = str(module)
    try:
        _, key = HSMSigner.import_(number, label, lambda _: pin)
    except UnsupportedLibraryError:
        raise _no_library() from None
    except Exception as error:  # noqa: BLE001  the library passes on what the module throws
        raise _failed(error) from None
    if key.scheme != "ecdsa-sha2-nistp256":
        raise BenchError("key_unusable", f"The key on the token is {key.scheme}; P-256 is needed.")
    return Holder(name, key, f"hsm:{number}?{urlencode({'label': label, 'module': str(module)})}")


def unlock(holder: Holder, pin: str) -> Signer:
    """The signer of a key on a token. Raises BenchError: token_failed, key_unusable."""
    parts = urlsplit(holder.token)
    said = dict(parse_qsl(parts.query))
    if parts.scheme != "hsm" or "label" not in said or "module" not in said:
        raise BenchError(
            "key_unusable", f"{holder.name}.pub names no token.", next_step=f"Sign with {holder.name}.key instead."
        )
    os.environ[_MODULE] = said["module"]
    try:
        signer = HSMSigner.from_priv_key_uri(
            f"hsm:{parts.path}?{urlencode({'label': said['label']})}", holder.key, lambda _: pin
        )
    except UnsupportedLibraryError:
        raise _no_library() from None
    except Exception as error:  # noqa: BLE001  as above
        raise _failed(error) from None
    return signer


def _no_library() -> BenchError:
    return BenchError("token_failed", "Tokens need python-pkcs11.", next_step="pip install 'weir-sign[token]'")


def _failed(error: Exception) -> BenchError:
    return BenchError(
        "token_failed",
        f"The token refused: {type(error).__name__}.",
        next_step="Check its label, the key's number, the module and the PIN.",
    )

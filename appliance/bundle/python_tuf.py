"""python-tuf as a node uses it: the class that holds what is verified, and the library's errors as refusals.

The class is internal to the library. Its public client, `tuf.ngclient.Updater`, reads the clock itself, writes metadata
before the whole is known to hold, and keeps the class to itself; `tuf.api` has the pieces, but the order of 5.3 to 5.6
would then be ours to get right, and reviewed by nobody else (ADR 14). So it is named here and nowhere else, and
tests/bundle/test_python_tuf.py says what of it is relied upon.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from securesystemslib.exceptions import Error as SecureSystemsError
from tuf.api.exceptions import (
    BadVersionNumberError,
    EqualVersionNumberError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.serialization import DeserializationError, SerializationError
from tuf.ngclient import UpdaterConfig
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet

from appliance.bundle.refusal import BundleRefused

NOT_HELD = (RepositoryError, SecureSystemsError, ValueError)  # what metadata that does not verify raises


def trusted_set(root: bytes, reference: datetime) -> TrustedMetadataSet:
    """What is verified, begun with a root that signs itself; expiry is judged at `reference`. Raises as `refusing`."""
    verified = TrustedMetadataSet(root, UpdaterConfig().envelope_type)
    verified.reference_time = reference
    return verified


@contextmanager
def refusing(name: str, *, older: tuple[type[RepositoryError], ...] = ()) -> Iterator[None]:
    """The library's errors about one file as refusals; those of exactly the types in `older` mean an older bundle."""
    try:
        yield
    except EqualVersionNumberError:
        raise
    except UnsignedMetadataError as error:
        raise BundleRefused("threshold_missed", f"{name}: {error}.") from None
    except ExpiredMetadataError as error:
        raise BundleRefused("expired_root" if "root" in str(error) else "expired", f"{error}.") from None
    except BadVersionNumberError as error:
        raise BundleRefused("older_bundle" if older else "mixed_metadata", f"{name}: {error}.") from None
    except (DeserializationError, SerializationError) as error:
        raise BundleRefused("bad_metadata", f"{name} cannot be read: {type(error).__name__}.") from None
    except LengthOrHashMismatchError as error:
        raise BundleRefused("mixed_metadata", f"{name} is not the file that was signed: {error}.") from None
    except RepositoryError as error:
        raise BundleRefused("older_bundle" if type(error) in older else "bad_metadata", f"{name}: {error}.") from None
    except (SecureSystemsError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleRefused("bad_metadata", f"{name} cannot be read: {type(error).__name__}.") from None

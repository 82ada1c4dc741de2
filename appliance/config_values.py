"""How single settings of `weir.yaml` are written: paths, sizes, times, addresses, names, references to secrets.

What is wrong with a value is said in a sentence that shows the right form. The sections are in `config`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
REFERENCE = re.compile(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|credential:[A-Za-z0-9_][A-Za-z0-9_.-]*)$")


@dataclass(frozen=True)
class Unit:
    """What a number counts; shown in the reference and used to print it readably."""

    name: str


@dataclass(frozen=True)
class DefaultText:
    """How the reference states a default that depends on the host."""

    text: str


def _expand(value: object, info: ValidationInfo) -> object:
    """`~` becomes the home directory; a relative path counts from the directory of the file that says it."""
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise ValueError("must name a file or directory")
    base = (info.context or {}).get("base", ".")
    try:
        return Path(base, Path(value).expanduser()).absolute()
    except RuntimeError:
        raise ValueError("names a home directory that this host does not know") from None


def _size(value: object) -> object:
    """Bytes, as a number or as '512 MiB', '2GB'."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", value.strip())
    if found is None or found[2].lower() not in _UNITS:
        raise ValueError("must be a number of bytes, or a number with KiB, MiB, GiB, kB, MB or GB")
    try:
        return int(float(found[1]) * _UNITS[found[2].lower()])
    except OverflowError:
        raise ValueError("must be a smaller number of bytes") from None


def _address(value: str) -> str:
    if value == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address, such as 127.0.0.1, ::1 or 0.0.0.0") from None


def _country(value: str) -> str:
    # YAML 1.1 readers turn `country: no` into False; ours keeps the string, and the hint says how to write.
    if re.fullmatch(r"[A-Z]{2}|", value):
        return value
    if re.fullmatch(r"[A-Za-z]{2}", value):
        raise ValueError(f"must be an ISO 3166 code in capitals: write {value.upper()}")
    raise ValueError("must be a two-letter ISO 3166 code, such as CH")


def _reference(value: str) -> str:
    if REFERENCE.match(value):
        return value
    raise ValueError("must be a reference, env:NAME, file:/path or credential:NAME, never the secret itself")


def _mirror(value: str) -> str:
    wrong = "must be an address such as https://mirror.site.example/weir, without credentials, '?' or '#'"
    if not value:
        return value
    try:
        parts = urlsplit(value)
        plain = parts.port != 0 and value.isascii() and value.isprintable() and " " not in value
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain or set(value) & set("@?#\\"):
        raise ValueError(wrong)
    return value.rstrip("/")


def _name(value: str) -> str:
    if re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", value):
        return value
    raise ValueError("must be a host name in small letters, such as weir.site.example, without a port")


HostPath = Annotated[Path, BeforeValidator(_expand)]
Size = Annotated[int, BeforeValidator(_size), Field(ge=0), Unit("bytes")]
Seconds = Annotated[float, Field(gt=0, le=86_400 * 3650, allow_inf_nan=False), Unit("seconds")]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False), Unit("currency")]
Address = Annotated[str, AfterValidator(_address)]
HostName = Annotated[str, AfterValidator(_name)]
Country = Annotated[str, AfterValidator(_country)]
MirrorUrl = Annotated[str, AfterValidator(_mirror)]
SecretReference = Annotated[str, AfterValidator(_reference)]

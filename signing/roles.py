"""Who signs what: roles.yaml, as people write it down and the bench checks it.

Rules kept here:
1. Every role of the format is declared, none beside it; no threshold is below the format's.
2. A holder stands once in a role, and no two names share a key.
3. A key that signs snapshot or timestamp lies on a machine that is switched on: it signs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from appliance.bundle import manifest
from signing import files, keys
from signing.errors import BenchError

DELEGATED = tuple(each.role for each in manifest.DELEGATIONS)
OFFLINE = ("root", "targets", *DELEGATED)
ONLINE = ("snapshot", "timestamp")
ROLES = (*OFFLINE, *ONLINE)
# Signatures that a role needs at least (rules R1, R2, R4).
LEAST = {"root": 2, "targets": 2, "snapshot": 1, "timestamp": 1} | {
    each.role: each.threshold for each in manifest.DELEGATIONS
}
TEMPLATE = """\
# Who signs what. Change it, then run: weir-sign declare STATION
# Every holder's public key lies in holders/NAME.pub. `days`: how long a signature of the role is good for.
publisher: {publisher}
roles:
  root:      {{holders: [anna, boris, chen], threshold: 2, days: 1095}}
  targets:   {{holders: [anna, boris, chen], threshold: 2, days: 1095}}
  models:    {{holders: [dora, emil], threshold: 1, days: 365}}
  policies:  {{holders: [anna, boris, chen], threshold: 2, days: 365}}
  appliance: {{holders: [anna, boris, chen], threshold: 2, days: 365}}
  snapshot:  {{holders: [station], threshold: 1, days: 180}}
  timestamp: {{holders: [station], threshold: 1, days: 180}}
"""


class Declared(BaseModel):
    """One role."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    holders: Annotated[tuple[Annotated[str, Field(pattern=keys.NAME)], ...], Field(min_length=1)]
    threshold: Annotated[int, Field(ge=1)]
    days: Annotated[int, Field(ge=1, le=3650)]


class Roles(BaseModel):
    """The whole of roles.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    publisher: Annotated[str, Field(min_length=1, max_length=64)]
    roles: dict[str, Declared]
    evaluation: bool = False

    @field_validator("publisher")
    @classmethod
    def _printable(cls, name: str) -> str:
        """Rule R7 of bundles/FORMAT.md."""
        if not name.isprintable():
            raise ValueError("must be printable")
        return name


def read(file: Path, holders: Path) -> tuple[Roles, dict[str, keys.Holder]]:
    """What the file declares, and every holder that it names. Raises BenchError."""
    text = files.read(file, "station_invalid", 1024 * 1024)
    try:
        said = Roles.model_validate(YAML(typ="safe", pure=True).load(text.decode("utf-8")))
    except ValidationError as error:
        findings = [
            f"{'.'.join(str(part) for part in item['loc']) or '(file)'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise _invalid(file, findings) from None
    except (YAMLError, UnicodeDecodeError):
        raise _invalid(file, ["it is not YAML"]) from None
    if findings := _findings(said):
        raise _invalid(file, findings)
    for role, least in LEAST.items():
        if said.roles[role].threshold < least:
            raise BenchError(
                "threshold_low", f"{file}: {role} needs {least} signatures at least.", next_step="Raise its threshold."
            )
    named = {name: keys.read_public(holders / f"{name}.pub") for name in _names(said)}
    _distinct(named)
    return said, named


def _findings(said: Roles) -> list[str]:
    found = [f"roles.{name}: missing" for name in ROLES if name not in said.roles]
    found += [f"roles.{name}: no such role" for name in said.roles if name not in ROLES]
    if found:
        return found
    for name, role in said.roles.items():
        if len(set(role.holders)) != len(role.holders):
            found.append(f"roles.{name}: a holder stands twice")
        if role.threshold > len(set(role.holders)):
            found.append(f"roles.{name}: the threshold is higher than there are holders")
    switched_on = {holder for name in ONLINE for holder in said.roles[name].holders}
    for name in OFFLINE:
        for holder in said.roles[name].holders:
            if holder in switched_on:
                found.append(f"roles.{name}: {holder} signs snapshot or timestamp and can be no holder of it")
    return found


def _names(said: Roles) -> list[str]:
    return sorted({holder for role in said.roles.values() for holder in role.holders})


def _distinct(named: Mapping[str, keys.Holder]) -> None:
    seen: dict[str, str] = {}
    for name, holder in named.items():
        if holder.name != name:
            raise BenchError("key_counted_twice", f"holders/{name}.pub is the key of {holder.name}.")
        if other := seen.get(holder.id):
            raise BenchError(
                "key_counted_twice",
                f"{other} and {name} have the same key.",
                next_step="Each holder makes a key of their own.",
            )
        seen[holder.id] = name


def _invalid(file: Path, findings: list[str]) -> BenchError:
    return BenchError("roles_invalid", f"{file} cannot be used.", details=tuple(findings))

"""What the audit is told of an import: who, from which medium, when by every clock there is, and who signed.

Rules kept here:
1. Whole numbers and text that JSON can carry, whatever a medium or a user is called.
2. Facts as they were found; nothing here decides.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from appliance.bundle.freshness import Freshness
from appliance.bundle.rehearse import Rehearsal
from appliance.bundle.trust import Trusted

Facts = dict[str, object]
_BY_UUID = Path("/dev/disk/by-uuid")
_LONGEST = 500  # characters of a sentence


def text(value: object) -> str:
    """The text as UTF-8 can carry it, cut to what an entry takes."""
    return str(value).encode("utf-8", "backslashreplace").decode()[:_LONGEST]


def who() -> Facts:
    """The user whose process this is, and the one who called sudo for it."""
    user = os.getuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = ""
    return {"user": user, "name": text(name), "sudo": text(os.environ.get("SUDO_USER", ""))}


def medium(path: Path) -> Facts:
    """The file system that a place lies on: its device number, and its id where the host knows one."""
    try:
        device = path.stat().st_dev
    except OSError:
        return {"place": text(path), "device": "", "uuid": ""}
    return {"place": text(path), "device": f"{os.major(device)}:{os.minor(device)}", "uuid": _uuid(device)}


def mirror(url: str) -> Facts:
    """A mirror in the same form: its address, and no device."""
    return {"place": text(url), "device": "", "uuid": ""}


def clocks() -> Facts:
    """This host's clock, in seconds since 1970, and how long it has been up, in milliseconds."""
    return {"clock": int(time.time()), "monotonic_ms": time.monotonic_ns() // 1_000_000}


def verified(bundle: Trusted, age: Freshness) -> Facts:
    """Who signed what, how old it is, and the versions before and after."""
    return {
        "id": bundle.manifest.id,
        "manifest": bundle.manifest_sha256,
        "root": text(bundle.root_name),
        "evaluation": bundle.evaluation,
        "roles": [
            {"role": text(r.name), "version": r.version, "threshold": r.threshold, "keys": list(r.keys)}
            for r in bundle.roles
        ],
        "before": _versions(bundle.before.versions),
        "after": _versions(bundle.floors.versions),
        "epoch": bundle.floors.epoch,
        "recovered": bundle.recovered,
        "time": int(age.time.timestamp()),
        "floor": int(age.floor.timestamp()),
        "issued": int(age.issued.timestamp()),
        "age_s": int(age.age.total_seconds()),
        "expired": list(age.expired),
        "acknowledged": age.acknowledged,
    }


def rehearsed(found: Rehearsal) -> Facts:
    """A rehearsal, money in millionths."""
    facts: Facts = asdict(found)
    for name in ("cost_before", "cost_after"):
        facts[f"{name}_millionths"] = round(float(str(facts.pop(name))) * 1_000_000)
    return facts | {"examples": [text(example) for example in found.examples]}


def _versions(versions: Mapping[str, int]) -> Facts:
    """Keys of an entry are ASCII; a role's name need not be."""
    return {text(role).encode("ascii", "backslashreplace").decode(): version for role, version in versions.items()}


def _uuid(device: int) -> str:
    try:
        for link in _BY_UUID.iterdir():
            if link.stat().st_rdev == device:
                return text(link.name)
    except OSError:
        pass
    return ""

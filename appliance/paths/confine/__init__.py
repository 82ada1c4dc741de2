"""A process gives up, for good, what a worker never needs: the network, other processes, writing, most of the files.

Rules kept here:
1. It happens before the process parses anything from outside, and nothing takes it back.
2. The seccomp filter is what a worker must have; without it `confine` raises, unless the host's file permits that.
3. Landlock is set where the kernel offers it. What is missing is said, never passed over.

The order matters: the filter comes last, because it also forbids what the other steps need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.paths.confine import landlock, seccomp
from appliance.paths.confine.seccomp import NoFilter
from appliance.paths.confine.syscalls import offline_rules

__all__ = ["Confinement", "NoFilter", "confine", "offline"]


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds this process from now on, such as 'seccomp, landlock 7', and in a sentence what does not."""

    by: str
    lacking: str


def confine(readable: Sequence[Path], *, devices: bool = False, unfiltered: bool = False) -> Confinement:
    """Confine this process, its threads and all that it might become.

    It may then read `readable` (files) and what programs and libraries consist of. `devices` leaves the device files
    of accelerators usable. Raises NoFilter where the kernel sets no filter, or with `unfiltered` says so instead.
    """
    by: list[str] = []
    lacking: list[str] = []
    try:
        by.append(f"landlock {landlock.restrict(readable, devices=devices)}")
    except landlock.Unavailable as error:
        lacking.append(str(error))
    try:
        seccomp.restrict(devices=devices)
        by.insert(0, "seccomp")
    except NoFilter as error:
        if not unfiltered:
            raise
        lacking.insert(0, str(error))
    return Confinement(", ".join(by), "; ".join(lacking))


def offline() -> None:
    """Give up every socket, for this process, its threads and all children to come; nothing else changes.

    For commands that read a medium: they start children and write the state directory. Raises NoFilter.
    """
    here = seccomp.architecture()
    seccomp.install(seccomp.program(offline_rules(), here), here)

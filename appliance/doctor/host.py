"""Checks of the host: interpreter, clock, memory, open files."""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import sys
import time
from pathlib import Path

from appliance.doctor.check import Check, CheckOutcome, Subject, failed, passed, skipped, warned

# 2026-01-01 UTC: no clock is right that shows less than the year of this program.
EARLIEST = 1_767_225_600
LATEST = EARLIEST + 30 * 365 * 86_400
OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 35, 0)
FILES_PER_REQUEST = 2  # one socket of the caller, one towards a path
FILES_BESIDES = 256
_GIB = 1 << 30


def _python(_: Subject) -> CheckOutcome:
    seen = (
        f"{platform.python_implementation()} {platform.python_version()} on {sys.platform} "
        f"{platform.machine()}, "
        f"{' '.join(platform.libc_ver()).strip() or 'no glibc'}, SQLite {sqlite3.sqlite_version}"
    )
    if sys.version_info < OLDEST_PYTHON or sys.implementation.name != "cpython":
        return failed(seen, "Run Weir on CPython 3.11 or newer, or install the full package, which brings its own.")
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return failed(seen, "Install the full package, which brings a newer SQLite.")
    if sys.platform != "linux":
        return warned(seen, "Linux is what Weir is built and tested for.")
    if platform.machine() not in ("x86_64", "aarch64"):
        return warned(seen, "Models are built for x86_64 and aarch64; expect none to load.")
    return passed(seen)


def _clock(subject: Subject) -> CheckOutcome:
    now = time.time()
    seen = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if not EARLIEST <= now <= LATEST:
        return failed(f"the clock shows {seen}", "Set the clock: expiry of bundles and caches depends on it.")
    newest = _newest_record(subject.config.state_dir / "telemetry.db")
    if newest is not None and newest > now + 300:
        ahead = (newest - now) / 60
        return warned(
            f"{seen}; the newest record is {ahead:.0f} min in the future",
            "The clock went back: set it, use NTP.",
        )
    return passed(seen)


def _newest_record(path: Path) -> float | None:
    if not path.is_file():
        return None
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            row = connection.execute("SELECT time FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return None  # the check of the databases says what is wrong with it
    return float(row[0]) if row else None


def _memory(subject: Subject) -> CheckOutcome:
    facts = _meminfo()
    if facts is None:
        return skipped("/proc/meminfo cannot be read")
    total, available = facts
    if (group := _cgroup_limit()) is not None:
        total = min(total, group)
    limit = min(total, subject.config.hardware.memory_limit or total)
    local = [item.card for item in subject.shelf[0] if item.card.files and not item.card.endpoint]
    need = sum(card.memory_bytes or sum(file.bytes for file in card.files) for card in local)
    seen = (
        f"{len(local)} local models need {need / _GIB:.2f} GiB; {available / _GIB:.2f} GiB available "
        f"of {limit / _GIB:.2f} GiB"
    )
    more = {"need_bytes": need, "available_bytes": available, "limit_bytes": limit}
    if need > limit:
        return failed(seen, "Take models out, choose smaller ones, or add memory.", **more)
    if need > available:
        return warned(seen, "Free memory first, unless the node that holds it is running already.", **more)
    return passed(seen, **more)


def _meminfo() -> tuple[int, int] | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if ":" in line}
        return found["MemTotal"], found["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _cgroup_limit() -> int | None:
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().rpartition("::")[2]
        text = Path(f"/sys/fs/cgroup{group}/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _open_files(subject: Subject) -> CheckOutcome:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = subject.config.limits.concurrent_requests * FILES_PER_REQUEST + FILES_BESIDES
    seen = f"{soft} open files allowed (at most {hard}), {need} needed for limits.concurrent_requests"
    if soft < need:
        return warned(seen, f"Set LimitNOFILE={need} in the unit, or 'ulimit -n {need}'.")
    return passed(seen)


def _threads(subject: Subject) -> CheckOutcome:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = subject.config.hardware.threads
    seen = f"{cores} cores usable, hardware.threads is {wanted or 'all'}"
    if wanted > cores:
        return warned(seen, f"Set hardware.threads to {cores} or less: more threads than cores run slower.")
    return passed(seen)


CHECKS = (
    Check("python", "interpreter, platform and SQLite", _python),
    Check("clock", "the clock is plausible", _clock),
    Check("memory", "the local models fit into memory", _memory),
    Check("threads", "no more threads than cores", _threads),
    Check("open-files", "enough files may be open", _open_files),
)

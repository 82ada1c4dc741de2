"""Checks of what is this host's own: configuration, secrets, state directory, disk, databases, audit."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

from appliance.config import named_secret, secret_of
from appliance.doctor.check import Check, CheckOutcome, Subject, failed, passed, skipped, warned
from appliance.errors import StateInvalid, WeirError
from appliance.identity import PUBLIC, load_public
from appliance.store.audit.chain import Entry
from appliance.store.audit.log import DATABASE, HEAD
from appliance.store.audit.verify import verify
from appliance.store.node_db import DATABASE as TENANTS
from appliance.store.tenants import Tenants

DATABASES = ("telemetry.db", "cache.db", "node.db", "audit.db")
LEAST_FREE = 256 << 20
CHECK_S = 20.0
_KEEP = "Keep audit.db and audit.head as evidence; 'weir audit verify' and docs/audit.md say what comes next."
# SQLite's write-ahead log needs shared memory, which these do not give.
_PRIVATE = (".key", ".salt")  # of the node's own files
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs")


def _config(subject: Subject) -> CheckOutcome:
    if error := subject.invalid:
        fix = "Correct the lines named; 'weir config check' shows them. Other checks used the defaults."
        return failed("; ".join(error.details) or error.message, fix, findings=list(error.details))
    config = subject.config
    if config.listen.loopback:
        return passed("valid")
    try:
        known = len(Tenants(config.state_dir).all()) if (config.state_dir / TENANTS).exists() else 0
    except WeirError as error:
        return failed(error.message, error.next_step)
    if not known:
        return warned(
            f"listen.host is {config.listen.host}, and without a tenant the node serves this host only",
            "Make a tenant with 'weir tenant add NAME'.",
        )
    return warned(
        f"the node listens on {config.listen.host}: keys and answers cross the network in the clear",
        "Put a proxy that speaks TLS in front of it, or keep that network to yourself.",
    )


def _secrets(subject: Subject) -> CheckOutcome:
    own = dict(subject.config.secrets)
    of_cards = {
        f"{item.card.id} {name}".strip(): named_secret(one.api_key_ref, own)
        for item in subject.shelf[0]
        if item.card.endpoint is not None
        for name, one in zip(item.card.endpoint.names, item.card.endpoint.pool, strict=True)
        if one.api_key_ref
    }
    if not own and not of_cards:
        return skipped("neither weir.yaml nor a card refers to a secret")
    files = {ref.removeprefix("file:") for ref in (*own.values(), *of_cards.values()) if ref.startswith("file:")}
    open_to_all = sorted(path for path in files if Path(path).is_file() and Path(path).stat().st_mode & 0o077)
    lacking, without = _lacking(own), _lacking(of_cards)
    found = [
        (lacking, "not to be had", "set them on this host, see 'secrets' in weir.yaml"),
        (open_to_all, "readable by others", f"chmod 600 {' '.join(open_to_all)}"),
        (without, "paths without their key", "set the key, or take the card out"),
    ]
    seen = "; ".join(f"{what}: {', '.join(which)}" for which, what, _ in found if which)
    mend = "; ".join(fix for which, _, fix in found if which)
    if seen:
        return failed(seen, mend) if lacking else warned(seen, mend)
    return passed(f"{len(own) + len(of_cards)} found")


def _lacking(references: dict[str, str]) -> list[str]:
    told = [(name, reference, secret_of(reference)[1]) for name, reference in references.items()]
    return [f"{name} ({reference}) {lacking}" for name, reference, lacking in told if lacking]


def _state_dir(subject: Subject) -> CheckOutcome:
    path = subject.config.state_dir
    try:
        facts = path.stat()
    except FileNotFoundError:
        return skipped(f"{path} is not there yet; 'weir init' or the first 'weir serve' makes it")
    except OSError as error:
        return failed(f"{path}: {error.strerror}", "Run doctor as the user that the node runs as.")
    if not stat.S_ISDIR(facts.st_mode):
        return failed(f"{path} is not a directory", "Name another with --state DIR.")
    mode = stat.S_IMODE(facts.st_mode)
    seen = f"{path}, mode {mode:04o}, owner {facts.st_uid}"
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return failed(f"{seen}: not writable for user {os.geteuid()}", f"chown -R {os.geteuid()} {path}")
    if (kind := _filesystem(path)) in _REMOTE:
        return failed(f"{seen}, on {kind}", "Use a local disk: SQLite's log does not work over a network.")
    if mode & 0o077:
        return warned(f"{seen}: open to other users", f"chmod 700 {path}")
    if loose := sorted(f.name for f in path.iterdir() if f.suffix in _PRIVATE and f.stat().st_mode & 0o077):
        names = " ".join(str(path / name) for name in loose)
        return warned(f"{seen}: readable by others: {', '.join(loose)}", f"chmod 600 {names}")
    if facts.st_uid != os.geteuid() and os.geteuid() != 0:
        return warned(f"{seen}: owned by somebody else", "Run the node as the owner of its state directory.")
    return passed(seen)


def _filesystem(path: Path) -> str:
    """The type of the filesystem that holds the path, '' where unknown."""
    best, kind = "", ""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        _, mount, type_, *_ = line.split(" ")
        if path.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, type_
    return kind


def _disk(subject: Subject) -> CheckOutcome:
    path = subject.config.state_dir
    while not path.exists() and path != path.parent:
        path = path.parent
    usage = shutil.disk_usage(path)
    inodes = os.statvfs(path)
    used = sum(f.stat().st_size for name in DATABASES if (f := subject.config.state_dir / name).is_file())
    want = max(0, subject.config.records.max_bytes + subject.config.cache.max_bytes - used)
    free, more_gib = usage.free / (1 << 30), want / (1 << 30)
    seen = f"{free:.1f} GiB free on the disk of {path}; quotas may take {more_gib:.1f} GiB more"
    more = {"free_bytes": usage.free, "quota_left_bytes": want}
    if usage.free < LEAST_FREE or (inodes.f_files and inodes.f_favail < 1000):
        return failed(seen, "Free space: a full disk stops records, caches and updates.", **more)
    if usage.free < want:
        return warned(seen, "Lower records.max_bytes or cache.max_bytes, or free space.", **more)
    return passed(seen, **more)


def _databases(subject: Subject) -> CheckOutcome:
    there = [path for name in DATABASES if (path := subject.config.state_dir / name).is_file()]
    if not there:
        return skipped("there are no databases yet")
    bad, unfinished = {}, []
    for path in there:
        problem = _quick_check(path)
        if problem == "interrupted":
            unfinished.append(path.name)
        elif problem:
            bad[path.name] = problem
    if bad:
        said = "; ".join(f"{name}: {problem}" for name, problem in bad.items())
        fix = "Stop the node, move the file away and restore it from a backup; cache.db may simply be deleted."
        return failed(said, fix, damaged=bad)
    if unfinished:
        fix = "Stop the node and run 'PRAGMA quick_check' by hand."
        return warned(f"{', '.join(unfinished)}: not finished within {CHECK_S:g} s", fix)
    return passed(f"quick_check ok: {', '.join(path.name for path in there)}")


def _quick_check(path: Path) -> str:
    """'' when sound, 'interrupted' when it took too long, else SQLite's words."""
    end = time.monotonic() + CHECK_S
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            connection.set_progress_handler(lambda: int(time.monotonic() > end), 100_000)
            rows = connection.execute("PRAGMA quick_check(5)").fetchall()
    except sqlite3.OperationalError as error:
        return "interrupted" if "interrupted" in str(error) else str(error)
    except sqlite3.Error as error:
        return str(error)
    words = [str(row[0]) for row in rows]
    return "" if words == ["ok"] else "; ".join(words)


class _TooLong(Exception):
    """The walk took more time than a check may take."""


def _audit(subject: Subject) -> CheckOutcome:
    directory = subject.config.state_dir
    if not any((directory / name).is_file() for name in (DATABASE, HEAD)):
        if (directory / "telemetry.db").is_file():
            fix = "Restore audit.db and audit.head from a backup; where this version never ran here, start the node."
            return warned("a node has run here, and there is no audit: it was deleted, or an older version ran", fix)
        return skipped("there is no audit yet; the first start of the node begins it")
    end = time.monotonic() + CHECK_S

    def in_time(_: Entry) -> None:
        if time.monotonic() > end:
            raise _TooLong

    try:
        verdict = verify(directory, load_public(directory / PUBLIC), visit=in_time)
    except _TooLong:
        return warned(f"not finished within {CHECK_S:g} s", "Run 'weir audit verify', which takes the time it needs.")
    except StateInvalid as error:
        return failed(error.message, error.next_step or _KEEP)
    found = verdict.finding
    facts = {"entries": verdict.entries, "key": verdict.key, "clock_set_back": verdict.steps_back}
    if found is not None:
        more = {**facts, "seq": found.seq, "code": found.code}
        return failed(f"not whole: entry {found.seq}: {found.text} ({found.code})", _KEEP, **more)
    return passed(f"whole: {verdict.entries} entries, {len(verdict.signed)} signatures of key {verdict.key}", **facts)


CHECKS = (
    Check("config", "weir.yaml is valid, and who is served is no accident", _config),
    Check("secrets", "every secret that is referred to is there", _secrets),
    Check("state-dir", "the state directory is private and local", _state_dir),
    Check("disk", "there is room for the quotas", _disk),
    Check("databases", "the databases are sound", _databases),
    Check("audit", "the audit is whole and as it was written", _audit),
)

"""Reading the audit: is every entry as it was written, and is it still all of it?

Rules kept here:
1. Nothing that is read is believed: every type, hash, link and signature is looked at, and the first entry that does
   not fit ends the walk.
2. audit.head is read before the log, so that a node that goes on writing is no finding; a log that ends before a mark
   was cut, and one that has another hash there was replaced.
3. It changes nothing and needs no node.

What cannot be seen from here: log and audit.head cut back to the same mark, and a chain written anew by whoever holds
the node's key. A mark that was taken elsewhere before (`against`) shows both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.errors import StateInvalid
from appliance.identity import fingerprint
from appliance.store.audit.chain import ChainFault, Entry, Mark, Walk, canonical, parse_mark, parse_marks
from appliance.store.audit.log import DATABASE, HEAD

FORMAT = "weir-audit-export-1"
_MAX_LINE = 1 << 20  # bytes of one line of an export
Visit = Callable[[Entry], None]


@dataclass(frozen=True)
class Verdict:
    """What a walk came to. `finding` is the first that is wrong, None where nothing is."""

    entries: int
    first: Entry | None
    last: Entry | None
    signed: tuple[int, ...]  # sequences of the signed entries, ascending
    steps_back: int
    key: str  # fingerprint
    finding: ChainFault | None
    mark: Mark | None = None  # the newest one outside the log: of audit.head, or of the export


def verify(
    state_dir: Path, key: Ed25519PublicKey, *, against: tuple[Mark, ...] = (), visit: Visit | None = None
) -> Verdict:
    """Walk the log of a state directory from its first entry. `visit` sees every entry that fits.

    `against` are marks that were taken elsewhere. Raises StateInvalid where there is no log and never was one.
    """
    database = state_dir / DATABASE
    if not database.is_file() and not (state_dir / HEAD).is_file():
        raise StateInvalid(
            f"{state_dir} holds no audit.", next_step="Name the node's state directory with --state DIR."
        )
    marks, finding = _read_head(state_dir / HEAD, key)
    if finding is None and not all(mark.signed_by(key) for mark in against):
        finding = ChainFault(against[0].seq, "foreign", "a mark to compare with is not signed by the node's key")
    expected = {mark.seq for mark in (*marks, *against)}
    found: dict[int, str] = {}
    walk = Walk(key)
    first: Entry | None = None
    try:
        for entry in _rows(database):
            if not walk.step(entry):
                break
            first = first or entry
            if entry.seq in expected:
                found[entry.seq] = entry.hash
            if visit is not None:
                visit(entry)
    except sqlite3.Error as error:
        finding = ChainFault(walk.entries + 1, "unreadable", f"the database cannot be read: {error}")
    finding = walk.finish() or finding or _compared((*marks, *against), found, walk)
    newest = max(marks, key=lambda mark: mark.seq, default=None)
    if finding is None:
        finding = _head_is_near(state_dir / HEAD, key, walk)
    return Verdict(
        walk.entries, first, walk.last, tuple(walk.signed), walk.steps_back, fingerprint(key), finding, newest
    )


def _rows(database: Path) -> Iterator[Entry]:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        query = "SELECT seq, time, kind, payload, previous, hash, signature FROM entries ORDER BY seq"
        for row in connection.execute(query):
            yield Entry(*row)


def _read_head(file: Path, key: Ed25519PublicKey) -> tuple[list[Mark], ChainFault | None]:
    try:
        marks = parse_marks(file.read_bytes().splitlines())
    except OSError:
        return [], None
    for mark in marks:
        if not mark.signed_by(key):
            return [], ChainFault(mark.seq, "head-forged", f"a mark of {HEAD} is not signed by the node's key")
    return marks, None


def _compared(marks: tuple[Mark, ...], found: dict[int, str], walk: Walk) -> ChainFault | None:
    """The first entry that a mark knows and the log does not have, or has otherwise."""
    for mark in sorted(marks, key=lambda mark: mark.seq):
        if found.get(mark.seq) == mark.hash:
            continue
        if mark.seq in found:
            return ChainFault(mark.seq, "replaced", "a signed mark knows another entry of this sequence")
        end = walk.last.seq if walk.last is not None else 0
        return ChainFault(end + 1, "cut", f"the log ends with entry {end}; a signed mark knows entry {mark.seq}")
    return None


def _head_is_near(file: Path, key: Ed25519PublicKey, walk: Walk) -> ChainFault | None:
    """audit.head trails the log by one commit at most: more was never written, or was cut from it."""
    newest = max((mark.seq for mark in _read_head(file, key)[0]), default=0)
    beyond = [seq for seq in walk.signed if seq > newest]
    if len(beyond) <= 1 and newest:
        return None
    return ChainFault(
        beyond[0] if beyond else 1, "head-cut", f"{HEAD} is missing or was cut: it ends with entry {newest}"
    )


def marks_of(file: Path) -> tuple[Mark, ...]:
    """The marks of an export or of a copy of audit.head. Raises StateInvalid where there is none."""
    marks: list[Mark] = []
    try:
        with file.open("rb") as stream:
            while line := stream.readline(_MAX_LINE):
                mark = parse_mark(line)
                if mark is not None:
                    marks.append(mark)
    except OSError as error:
        raise StateInvalid(f"{file} cannot be read: {error.strerror}.") from None
    if not marks:
        raise StateInvalid(f"{file} holds no mark.", next_step="Name an export, or a copy of audit.head.")
    return tuple(marks)


def verify_export(file: Path, key: Ed25519PublicKey) -> Verdict:
    """Walk an export: a header, entries, and the mark that signs the last of them.

    That it begins where it should, only who asked for it can say. Raises StateInvalid for another file.
    """
    walk: Walk | None = None
    first: Entry | None = None
    held: bytes | None = None  # the newest line, known to be the mark only at the end
    finding: ChainFault | None = None
    try:
        with file.open("rb") as stream:
            if not _is_header(stream.readline(_MAX_LINE)):
                raise StateInvalid(f"{file} is no export of an audit.", next_step="'weir audit export' writes one.")
            while line := stream.readline(_MAX_LINE):
                if held is not None and finding is None:
                    entry = parse_entry(held)
                    if entry is None:
                        after = walk.last.seq if walk is not None and walk.last is not None else 0
                        finding = ChainFault(after + 1, "malformed", "a line is no entry in its canonical form")
                        break
                    if walk is None:
                        walk, first = Walk(key, first=entry.seq, link=entry.previous), entry
                    if not walk.step(entry):
                        finding = walk.finding
                held = line
    except OSError as error:
        raise StateInvalid(f"{file} cannot be read: {error.strerror}.") from None
    mark = parse_mark(held) if held is not None else None
    last = walk.last if walk is not None else None
    if finding is None and (last is None or mark is None or held != mark.line()):
        finding = ChainFault(last.seq if last else 1, "cut", "the export does not end with entries and their mark")
    if finding is None and last is not None and mark is not None:
        if not mark.signed_by(key):
            finding = ChainFault(mark.seq, "forged", "the mark is not signed by this key")
        elif (mark.seq, mark.hash) != (last.seq, last.hash):
            finding = ChainFault(last.seq, "cut", f"the last entry is {last.seq}; the mark is of entry {mark.seq}")
    return Verdict(
        walk.entries if walk else 0,
        first,
        last,
        tuple(walk.signed) if walk else (),
        walk.steps_back if walk else 0,
        fingerprint(key),
        finding,
        mark,
    )


def _is_header(line: bytes) -> bool:
    try:
        header = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(header, dict) and header.get("format") == FORMAT


def entry_line(entry: Entry) -> bytes:
    """An entry as one line of canonical JSON."""
    fields = {
        "hash": entry.hash,
        "kind": entry.kind,
        "payload": orjson.loads(entry.payload),
        "previous": entry.previous,
        "seq": entry.seq,
        "signature": entry.signature,
        "time": entry.time,
    }
    return canonical(fields) + b"\n"


def parse_entry(line: bytes) -> Entry | None:
    """Inverse of `entry_line`; None for any other bytes, however alike."""
    try:
        value = orjson.loads(line)
        payload = canonical(value["payload"]).decode()
        entry = Entry(
            value["seq"],
            value["time"],
            value["kind"],
            payload,
            value["previous"],
            value["hash"],
            value["signature"],
        )
        return entry if entry_line(entry) == line else None
    except (orjson.JSONDecodeError, ValueError, KeyError, TypeError):
        return None

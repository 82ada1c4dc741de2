"""The chain: how entries are written down, hashed, linked and signed. Pure.

Rules kept here:
1. An entry's hash is SHA-256 over all its columns but the signature; its `previous` is SHA-256 over the hash and the
   signature of the entry before it. So no column of an entry can change without the next one showing it.
2. The last entry of every commit carries a signature: Ed25519 (RFC 8032) over its sequence, hash and time. So no column
   of the last entry can change either without the node's key.
3. A payload is canonical JSON: sorted ASCII keys, no blanks, UTF-8, whole numbers only. That is the part of RFC 8785 in
   which orjson's output agrees with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.records.value import value

Kind = Literal["start", "stop", "admin", "egress", "refusal"]
KINDS: tuple[Kind, ...] = ("start", "stop", "admin", "egress", "refusal")
GENESIS = "0" * 64  # what the first entry names as its previous one
_WHOLE = 2**53  # beyond it JSON readers disagree


@value(slots=True)
class Entry:
    """One row. `time` in microseconds since 1970 UTC, hashes and signatures in lower-case hexadecimal."""

    seq: int
    time: int
    kind: str
    payload: str
    previous: str
    hash: str
    signature: str = ""

    @property
    def link(self) -> str:
        """What the next entry names as its previous one."""
        return hashlib.sha256(f"{self.hash}\n{self.signature}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Mark:
    """A signed statement that the chain had this hash at this sequence: a checkpoint. `time` in microseconds."""

    seq: int
    hash: str
    time: int
    signature: str

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        try:
            signature = bytes.fromhex(self.signature)
            key.verify(signature, statement(self.seq, self.hash, self.time))
        except (InvalidSignature, ValueError):
            return False
        return self.signature == signature.hex()  # one spelling

    def line(self) -> bytes:
        """As one line of JSON, as audit.head and exports hold it."""
        return canonical({"hash": self.hash, "seq": self.seq, "signature": self.signature, "time": self.time}) + b"\n"


def canonical(value: object) -> bytes:
    """Canonical JSON (rule 3). Raises ValueError for what has none."""
    _check(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise ValueError("a payload holds something that JSON cannot carry") from error


def _check(value: object) -> None:
    if isinstance(value, str):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise ValueError("keys of a payload are ASCII text")
            if type(item) is not str:
                _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) >= _WHOLE):
        raise ValueError("numbers of a payload are whole and below 2^53")


def digest(seq: int, time: int, kind: str, payload: str, previous: str) -> str:
    """The hash of an entry (rule 1). No column but the last can hold a line break, so nothing reads two ways."""
    head = f"weir-audit-1\n{seq}\n{time}\n{kind}\n{previous}\n"
    return hashlib.sha256(head.encode() + payload.encode("utf-8", "surrogateescape")).hexdigest()


def statement(seq: int, hash: str, time: int) -> bytes:
    """The bytes that a signature signs (rule 2)."""
    return f"weir-audit-mark-1\n{seq}\n{hash}\n{time}\n".encode("utf-8", "surrogateescape")


def parse_mark(line: bytes) -> Mark | None:
    """A line of audit.head, or the last one of an export; None where it is none."""
    try:
        value = orjson.loads(line)
        mark = Mark(value["seq"], value["hash"], value["time"], value["signature"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    texts, numbers = (mark.hash, mark.signature), (mark.seq, mark.time)
    if len(value) != 4 or not all(type(t) is str for t in texts):
        return None
    return mark if all(type(n) is int and abs(n) < _WHOLE for n in numbers) else None


def parse_marks(lines: Iterable[bytes]) -> list[Mark]:
    """Every mark among these lines. A torn line, as a power failure leaves it, is none."""
    return [mark for line in lines if (mark := parse_mark(line)) is not None]


@dataclass(frozen=True, slots=True)
class ChainFault:
    """What is wrong, and from which sequence on; `code` is stable."""

    seq: int
    code: str
    text: str


class Walk:
    """Goes along a chain, entry by entry, until the first that does not fit. `first` and `link` say where it begins."""

    def __init__(self, key: Ed25519PublicKey, *, first: int = 1, link: str = GENESIS) -> None:
        self._key = key
        self._expected = first
        self._link = link
        self.entries = 0
        self.signed: list[int] = []  # sequences of the signed entries
        self.steps_back = 0  # entries older than the one before: the host's clock was set back
        self.last: Entry | None = None
        self.finding: ChainFault | None = None

    def step(self, entry: Entry) -> bool:
        """False where the entry does not fit; `finding` then says how."""
        if self.finding is None:
            self.finding = self._fault(entry)
        if self.finding is not None:
            return False
        if entry.signature:
            self.signed.append(entry.seq)
        if self.last is not None and entry.time < self.last.time:
            self.steps_back += 1
        self.entries += 1
        self._expected += 1
        self._link = entry.link
        self.last = entry
        return True

    def _fault(self, entry: Entry) -> ChainFault | None:
        expected = self._expected
        texts = (entry.kind, entry.payload, entry.previous, entry.hash, entry.signature)
        if type(entry.seq) is not int or type(entry.time) is not int or not all(type(text) is str for text in texts):
            return ChainFault(expected, "malformed", "a column holds a value of another type")
        if entry.seq != expected:
            missing = f"entry {expected} is missing; the next one is {entry.seq}"
            return ChainFault(expected, "missing", missing)
        if entry.kind not in KINDS:
            return ChainFault(expected, "malformed", "its kind is none that this program writes")
        if entry.previous != self._link:
            return ChainFault(expected, "unlinked", "it does not follow from the entry before it")
        if entry.hash != digest(entry.seq, entry.time, entry.kind, entry.payload, entry.previous):
            return ChainFault(expected, "altered", "its content does not give its hash")
        if entry.signature and not mark_of(entry).signed_by(self._key):
            return ChainFault(expected, "forged", "its signature is not by the node's key")
        return None

    def finish(self) -> ChainFault | None:
        """The first finding; an end that nobody signed is one."""
        if self.finding is None and self.last is not None and not self.last.signature:
            self.finding = ChainFault(self.last.seq, "unsigned", "the last entry is not signed: the tail was cut")
        return self.finding


def mark_of(entry: Entry) -> Mark:
    """The signature of an entry as a statement of its own."""
    return Mark(entry.seq, entry.hash, entry.time, entry.signature)

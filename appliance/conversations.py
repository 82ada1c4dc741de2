"""Sensitive conversations stay sensitive: what was found in one is remembered, also where it is no longer sent along.

A conversation is known by what its caller calls it (`X-Weir-Conversation`). Where nothing is stated, by its turns: by
the opening (first message of the user and first answer), and by links, the pairs of adjacent turns. Each request of a
sensitive conversation leaves its opening and its newest link; whatever has one of these among its own continues it. So
the label holds where the newest turns were dropped, and where the oldest were.

Rules kept here:
1. Marks are keyed digests (BLAKE2b under a key of this node alone) and tell nobody what was said, not even who guesses.
2. A tenant's marks are its own. So are those of each `user` that a request names.
3. A mistake of identity tightens only. Turns that are too short to be told apart are no mark, and a request without
   history has none: it continues nothing.
4. Bounded: `most` marks for each tenant, the longest unused go first; those that nobody used for `keep_s` go too.
5. Memory is what is asked; the database is for after a restart, and may be a moment behind.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import orjson

from appliance.decide.labels import strictest
from appliance.errors import StateInvalid
from appliance.records.decision import Carried
from appliance.records.request import CLASSIFICATIONS, Message, Request
from appliance.store import Store
from appliance.store.room import FULL, reading

KEY = "conversations.key"
_KEY_BYTES = 32
_SHORTEST = 64  # characters of two turns that are told apart from others
_LINKS = 64  # the newest are looked at
_INSERT = "INSERT OR REPLACE INTO conversations (mark, tenant, label, redacted, seen) VALUES (?,?,?,?,?)"
Known = tuple[Carried, float]  # what is carried, and when it was last seen, in Unix seconds


class Conversations:
    """The sensitive conversations of one node."""

    def __init__(self, store: Store, *, most: int = 10_000) -> None:
        """Raises StateInvalid where the key cannot be read or made."""
        self._store = store
        self._most = most
        self._key = _key_in(store.state_dir)
        self._known: dict[str, OrderedDict[bytes, Known]] = {}
        for mark, tenant, label, redacted, seen in _remembered(store.telemetry_path):
            if label in CLASSIFICATIONS and redacted in CLASSIFICATIONS:
                self._known.setdefault(tenant, OrderedDict())[mark] = Carried(label, redacted), seen

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))

    def carried(self, request: Request, now: float, keep_s: float) -> Carried | None:
        """What the request's conversation carries; None where it is not known as sensitive."""
        known = self._known.get(request.tenant)
        if not known:
            return None
        found = [
            entry[0]
            for mark in self._marks(request)
            if (entry := known.get(mark)) is not None and now - entry[1] < keep_s
        ]
        return _together(found) if found else None

    def thread(self, request: Request) -> str:
        """What marks the request's conversation from its first turn on; '' where nothing tells it from others."""
        stated = request.labels.conversation
        if stated:
            return self._digest(request.tenant.encode(), b"", b"thread", stated.encode()).hex()
        first = next((message for message in request.messages if message.role == "user"), None)
        if first is None:
            return ""
        who = (request.tenant.encode(), request.user.encode("utf-8", "replace"))
        return self._digest(*who, b"thread", self._turn(first)[1]).hex()

    def note(self, request: Request, carried: Carried, now: float) -> None:
        """Remember that the request's conversation carries this."""
        marks = self._marks(request)
        if not marks:
            return
        known = self._known.setdefault(request.tenant, OrderedDict())
        for mark in (marks[0], *marks[1:][-1:]):  # the opening and the newest link
            before = known.pop(mark, None)
            together = carried if before is None else _together([carried, before[0]])
            known[mark] = together, now
            self._write(_INSERT, (mark, request.tenant, together.label, together.redacted, now))
        while len(known) > self._most:
            mark, _ = known.popitem(last=False)
            self._write("DELETE FROM conversations WHERE mark = ?", (mark,))

    def sweep(self, now: float, keep_s: float) -> None:
        """Forget what nobody has continued for `keep_s`."""
        oldest = now - keep_s
        for tenant, known in list(self._known.items()):
            while known and next(iter(known.values()))[1] <= oldest:
                known.popitem(last=False)
            if not known:
                del self._known[tenant]
        self._write("DELETE FROM conversations WHERE seen <= ?", (oldest,))

    def _write(self, sql: str, values: tuple[object, ...]) -> None:
        self._store.writer.put("telemetry", lambda connection: connection.execute(sql, values))

    # ---- marks ----------------------------------------------------------------------------------------------

    def _marks(self, request: Request) -> list[bytes]:
        """All that the request's conversation is known by."""
        who = (request.tenant.encode(), b"")
        if request.labels.conversation:
            return [self._digest(*who, b"stated", request.labels.conversation.encode())]
        turns = [message for message in request.messages if message.role not in ("system", "developer")]
        answer = next((turn for turn in turns if turn.role == "assistant"), None)
        if answer is None:
            return []
        who = (request.tenant.encode(), request.user.encode("utf-8", "replace"))
        first = next((turn for turn in turns if turn.role == "user"), None)
        marks = []
        if first is not None:
            said, answered = self._turn(first), self._turn(answer)
            if said[0] + answered[0] >= _SHORTEST:
                marks.append(self._digest(*who, b"opening", said[1], answered[1]))
        for (length, one), (next_length, next_one) in pairwise(map(self._turn, turns[-_LINKS - 1 :])):
            if length + next_length >= _SHORTEST:
                marks.append(self._digest(*who, b"link", one, next_one))
        return marks

    def _turn(self, message: Message) -> tuple[int, bytes]:
        """Length and digest of what was said in one turn."""
        said = message.content.strip().encode("utf-8", "replace")
        if message.tool_calls:
            said += orjson.dumps(message.tool_calls)
        return len(said), self._digest(message.role.encode(), said)

    def _digest(self, *parts: bytes) -> bytes:
        made = hashlib.blake2b(key=self._key, digest_size=16)
        for part in parts:
            made.update(len(part).to_bytes(8, "big"))
            made.update(part)
        return made.digest()


def _together(several: list[Carried]) -> Carried:
    return Carried(strictest(one.label for one in several), strictest(one.redacted for one in several))


def _remembered(database: Path) -> list[tuple[bytes, str, str, str, float]]:
    """What is on the disk; nothing where a full disk kept the table from being made."""
    if not database.exists():
        return []
    with reading(database) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'conversations'").fetchone() is None:
            return []
        return connection.execute(
            "SELECT mark, tenant, label, redacted, seen FROM conversations ORDER BY seen"
        ).fetchall()


def _key_in(state_dir: Path) -> bytes:
    """The node's key for marks, made where there is none. Without it what was remembered fits nobody.

    Where a full disk takes none, it is kept nowhere, and what is remembered ends with this process.
    """
    file = state_dir / KEY
    draft = file.with_name(f"{KEY}.{secrets.token_hex(4)}")
    try:
        if not file.exists():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(secrets.token_bytes(_KEY_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(file)
        key = file.read_bytes()
    except OSError as error:
        if error.errno in FULL:
            draft.unlink(missing_ok=True)
            return secrets.token_bytes(_KEY_BYTES)
        raise StateInvalid(f"{file} cannot be read or made: {error.strerror}.", next_step="Check its owner.") from None
    if len(key) != _KEY_BYTES:
        raise StateInvalid(
            f"{file} is no key.", next_step="Restore it, or remove it: conversations then begin without a past."
        )
    return key

"""Tenants, their keys and what they spent, in node.db: written by the commands, read by the node.

Rules kept here:
1. Keys are here as digests only. node.db is its owner's alone.
2. A change and its number in `changes` are one transaction, so that a running node sees each change once and whole.
3. A revoked tenant or key stays on record: a name is never somebody else's later.
4. A node that has had tenants never again serves without a key, also where node.db was lost: the file `keys-needed`
   says so, and only a person removes it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from appliance.config_places import OPERATOR_KEY
from appliance.errors import BadRequest, DiskFull, StateInvalid
from appliance.records.tenant import Tenant
from appliance.store.holds import left_over
from appliance.store.node_db import DATABASE
from appliance.store.room import FULL, full, reading
from appliance.store.schema import migrate, node
from appliance.tenancy.budget import Spent
from appliance.tenancy.keys import Key, Roll, digest, make_key

NEEDED = "keys-needed"
NUMBER = "SELECT n FROM changes"  # grows with every change
Note = Callable[[Mapping[str, object]], object]
_KEYS = "id, digest, tenant, created, expires, revoked"
_MOST = (1 << 63) - 1  # of one figure: SQLite's integers have 64 bits
_SPEND = """INSERT INTO spending VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant, day) DO UPDATE SET
    picos = picos + excluded.picos, requests = requests + excluded.requests, tokens = tokens + excluded.tokens"""


@dataclass(frozen=True)
class Held:
    """One tenant with all that is on record of it. `spending` by UTC day; `set_aside` for requests in work, and for
    those that died with their node until it starts again.
    """

    tenant: Tenant
    created: float
    keys: tuple[Key, ...]
    spending: Mapping[str, Spent]
    set_aside: Spent


class Tenants:
    """The tenants of one state directory. `note` is told of every change before it is made, and its error prevents it.

    Raises StateInvalid where node.db is damaged, newer or out of reach.
    """

    def __init__(self, state_dir: Path, *, note: Note | None = None) -> None:
        self.path = state_dir / DATABASE
        self._note = note
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            if error.errno in FULL:
                raise full(state_dir) from None
            raise StateInvalid(
                f"{self.path} cannot be opened: {error.strerror}.", next_step="Check its owner and the disk."
            ) from None
        with suppress(DiskFull):  # what is there can be read; whoever changes it, and the node's writer, try again
            migrate(self.path, node)

    @property
    def needed(self) -> bool:
        """Whether this node has, or had, tenants."""
        return (self.path.parent / NEEDED).exists()

    # ---- reading --------------------------------------------------------------------------------------------

    def changes(self) -> int:
        """A number that grows with every change."""
        with self._reading() as connection:
            return int(connection.execute(NUMBER).fetchone()[0]) if _made(connection) else 0

    def all(self) -> tuple[Held, ...]:
        """Every tenant, by name."""
        with self._reading() as connection:
            if not _made(connection):
                return ()
            rows = connection.execute("SELECT name, created, settings FROM tenants ORDER BY name").fetchall()
            keys = [Key(*row) for row in connection.execute(f"SELECT {_KEYS} FROM keys ORDER BY created, id")]  # noqa: S608 - constant
            spending: dict[str, dict[str, Spent]] = {}
            for name, day, *spent in connection.execute("SELECT * FROM spending ORDER BY day"):
                spending.setdefault(name, {})[day] = Spent(*spent)
            set_aside: dict[str, Spent] = {}
            for row in left_over(connection):
                set_aside[row.tenant] = set_aside.get(row.tenant, Spent()).plus(Spent(row.amount, 1))
        return tuple(
            Held(
                _tenant(name, text),
                created,
                tuple(k for k in keys if k.tenant == name),
                spending.get(name, {}),
                set_aside.get(name, Spent()),
            )
            for name, created, text in rows
        )

    def one(self, name: str) -> Held:
        """Raises BadRequest where there is none of that name."""
        for held in self.all():
            if held.tenant.name == name:
                return held
        raise _unknown(name)

    # ---- changing -------------------------------------------------------------------------------------------

    def add(self, tenant: Tenant, *, now: float, expires: float | None = None) -> tuple[Key, str]:
        """A new tenant; returns its key and the key's text, which is nowhere else. Raises BadRequest where the name is
        or was somebody's.
        """
        with self._changing() as connection:
            (self.path.parent / NEEDED).touch(mode=0o600)
            try:
                connection.execute("INSERT INTO tenants VALUES (?, ?, ?)", (tenant.name, now, _settings(tenant)))
            except sqlite3.IntegrityError:
                raise BadRequest(
                    f"There is a tenant '{tenant.name}' already, or there was.",
                    param="name",
                    next_step="'weir tenant set' changes it, 'weir tenant rotate' gives it a new key.",
                ) from None
            key, text = _new_key(connection, tenant.name, now, expires)
            self._say("tenant-add", tenant.name, key=key.id, expires=_whole(expires), settings=_stated(tenant))
        return key, text

    def set(self, name: str, change: Callable[[Tenant], Tenant]) -> Tenant:
        """Change a tenant's settings; nobody else changes them meanwhile. Raises BadRequest for an unknown tenant."""
        with self._changing() as connection:
            row = connection.execute("SELECT settings FROM tenants WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise _unknown(name)
            tenant = change(_tenant(name, row[0]))
            connection.execute("UPDATE tenants SET settings = ? WHERE name = ?", (_settings(tenant), name))
            self._say("tenant-set", name, settings=_stated(tenant))
        return tenant

    def rotate(self, name: str, *, now: float, grace_s: float, expires: float | None = None) -> tuple[Key, str]:
        """A new key; those that it has end after `grace_s` seconds. Raises BadRequest for an unknown tenant."""
        self.one(name)
        with self._changing() as connection:
            connection.execute(
                "UPDATE keys SET expires = min(coalesce(expires, ?1), ?1) WHERE tenant = ?2 AND revoked IS NULL",
                (now + grace_s, name),
            )
            key, text = _new_key(connection, name, now, expires)
            self._say("tenant-rotate", name, key=key.id, expires=_whole(expires), grace_s=_whole(grace_s))
        return key, text

    def revoke(self, name: str, *, now: float, key: str = "") -> tuple[str, ...]:
        """End all keys of a tenant, or the one with this id, at once; returns their ids. Raises BadRequest."""
        keys = [one for one in self.one(name).keys if one.id == key or not key]
        if key and not keys:
            raise BadRequest(
                f"Tenant '{name}' has no key '{key}'.", param="key", next_step="'weir tenant show' has all."
            )
        ended = tuple(one.id for one in keys if one.revoked is None)
        with self._changing() as connection:
            connection.executemany("UPDATE keys SET revoked = ? WHERE id = ?", [(now, id) for id in ended])
            self._say("tenant-revoke", name, keys=list(ended))
        return ended

    def _say(self, act: str, name: str, **facts: object) -> None:
        if self._note is not None:
            self._note({"act": act, "tenant": name, **facts})

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        return reading(self.path)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that is on disk when it ends, or did not happen."""
        migrate(self.path, node)
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=30)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("UPDATE changes SET n = n + 1")
            connection.execute("COMMIT")


def roll_of(held: tuple[Held, ...], operator_key: str, *, needed: bool) -> Roll:
    """What a node needs to know whose a key is."""
    keys = {key.digest: key for one in held for key in one.keys}
    return Roll({one.tenant.name: one.tenant for one in held}, keys, digest(operator_key), needed or bool(held))


def _made(connection: sqlite3.Connection) -> bool:
    """Whether the tables are there: on a full disk they cannot be made."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'changes'").fetchone() is not None


def _unknown(name: str) -> BadRequest:
    return BadRequest(f"There is no tenant '{name}'.", param="name", next_step="'weir tenant list' names them.")


def make_operator_key(state_dir: Path) -> str:
    """A new one, replacing what was there. Raises StateInvalid.

    On a full disk it is written nowhere: commands of this host then ask as anybody does.
    """
    _, key = make_key()
    file = state_dir / OPERATOR_KEY
    try:
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as stream:  # noqa: PTH123 - of a descriptor
            stream.write(f"{key}\n")
    except OSError as error:
        if error.errno not in FULL:
            raise StateInvalid(f"{file} cannot be written: {error.strerror}.", next_step="Check its owner.") from None
        with suppress(OSError):
            file.unlink()
    return key


def spend(used: Mapping[tuple[str, str], Spent], connection: sqlite3.Connection) -> None:
    """Add use, by tenant and UTC day."""
    connection.executemany(_SPEND, [(*who, *(min(one, _MOST) for one in each)) for who, each in used.items()])


def _new_key(connection: sqlite3.Connection, tenant: str, now: float, expires: float | None) -> tuple[Key, str]:
    id, text = make_key()
    key = Key(id, digest(text), tenant, now, expires)
    connection.execute("INSERT INTO keys VALUES (?,?,?,?,?,NULL)", (id, key.digest, tenant, now, expires))
    return key, text


def _stated(tenant: Tenant) -> dict[str, object]:
    """The settings as the audit takes them, which knows whole numbers only."""
    stated = tenant.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    return {name: str(value) if isinstance(value, float) else value for name, value in stated.items()}


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _settings(tenant: Tenant) -> str:
    return tenant.model_dump_json(exclude_defaults=True)


def _tenant(name: str, text: str) -> Tenant:
    try:
        return Tenant.model_validate_json(text)
    except ValidationError:
        raise StateInvalid(
            f"The settings of tenant '{name}' in {DATABASE} cannot be read.", next_step="Restore a backup of the file."
        ) from None

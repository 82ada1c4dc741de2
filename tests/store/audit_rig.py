"""What the tests of the audit share: a log with entries of every kind, and hands that tamper."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from appliance import identity
from appliance.records.card import Place
from appliance.records.departure import Departure
from appliance.store.audit.chain import ChainFault, Entry, digest
from appliance.store.audit.log import Audit
from appliance.store.audit.verify import Verdict, verify

DESTINATION = {"scheme": "https", "host": "api.example", "port": 443}
COLUMNS = ("seq", "time", "kind", "payload", "previous", "hash", "signature")


def departure(**over: Any) -> Departure:
    base: dict[str, Any] = {
        "decision": "wr_1",
        "tenant": "acme",
        "classification": "internal",
        "residency": "",
        "path": "site/one",
        "tier": "site",
        "place": Place(site="plant", country="CH"),
        "rules": ("t:class/internal",),
        "generation": "g1",
    }
    return Departure(**(base | over))


def leave(audit: Audit, body: bytes = b"{}", **over: Any) -> None:
    asyncio.run(audit.leaving(departure(**over), DESTINATION, body))


def filled(directory: Path, count: int = 12, **over: Any) -> Path:
    """A state directory whose log has `count` egress entries and some others."""
    directory.mkdir(exist_ok=True)
    audit = Audit(directory, **over)
    audit.write("start", {"generation": "g1"})
    for number in range(count):
        leave(audit, decision=f"wr_{number}")
        if number % 4 == 0:
            audit.note("refusal", {"decision": f"no_{number}", "rules": ["residency"]})
    audit.write("stop", {})
    audit.close()
    return directory


def rows(directory: Path) -> list[Entry]:
    with closing(sqlite3.connect(directory / "audit.db")) as db:
        return [Entry(*row) for row in db.execute(f"SELECT {', '.join(COLUMNS)} FROM entries ORDER BY seq")]


def tamper(directory: Path, sql: str, *parameters: object) -> None:
    with closing(sqlite3.connect(directory / "audit.db")) as db, db:
        db.execute(sql, parameters)
        db.commit()
    with closing(sqlite3.connect(directory / "audit.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def rehash(directory: Path, first: int) -> None:
    """Hash and link all entries from `first` on anew, as somebody without the key can."""
    entries = rows(directory)
    link = "" if first == 1 else entries[first - 2].link
    for entry in entries[first - 1 :]:
        previous = link or entry.previous
        hash = digest(entry.seq, entry.time, entry.kind, entry.payload, previous)
        tamper(directory, "UPDATE entries SET previous = ?, hash = ? WHERE seq = ?", previous, hash, entry.seq)
        link = Entry(entry.seq, entry.time, entry.kind, entry.payload, previous, hash, entry.signature).link


def verified(directory: Path, **over: Any) -> Verdict:
    return verify(directory, identity.load_public(directory / "audit.pub"), **over)


def finding(directory: Path, **over: Any) -> ChainFault:
    """What is wrong; fails where nothing is."""
    found = verified(directory, **over).finding
    assert found is not None
    return found

"""A disk that is full when a node, an audit or a command begins: what starts, what is refused, and what is said."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import AuditUnavailable, DiskFull
from appliance.store import Store, floors, room, slots
from appliance.store.audit.log import Audit
from appliance.store.tenants import Tenants, make_operator_key
from tests.bundle.mounts import full, mounted
from tests.bundle.rig import Rig
from tests.cli.conftest import Weir
from tests.node.conftest import Running, fake_card, running_node, until, upstream_card
from tests.node.doubles import FakePath, answer
from tests.standins.openai_server import Behaviour, OpenAIStandIn
from tests.store.audit_rig import filled, leave, rows, verified


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    with mounted(tmp_path, "memory", 24) as medium:
        yield medium.path


def test_room_is_looked_for_by_taking_it_and_nothing_stays(disk: Path) -> None:
    before = (os.listdir(disk), os.statvfs(disk).f_bfree)
    assert not room.lacking(disk)
    assert (os.listdir(disk), os.statvfs(disk).f_bfree) == before
    with full(disk):
        assert room.lacking(disk)
        with pytest.raises(DiskFull) as raised:
            room.demand(disk)
    error = raised.value
    assert error.code == "disk_full"
    assert str(disk) in error.message and str(room.NEEDED) in error.message and "Make room" in error.next_step
    room.demand(disk)


async def test_a_node_starts_on_a_full_disk_serves_what_is_local_and_goes_on_when_there_is_room(
    disk: Path, tmp_path: Path
) -> None:
    (disk / "state").mkdir()
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "state").symlink_to(disk / "state")
    async with OpenAIStandIn(Behaviour()) as upstream:
        card = upstream_card(upstream.base_url)
        async with running_node(tmp_path / "node", card, fakes=(local(),)) as weir:
            assert (await weir.ask("first", model="device/here"))[0] == 200
            assert (await weir.ask("of the site", model="site/one"))[0] == 200
            await weir.records()
        with full(disk):
            async with running_node(tmp_path / "node", card, fakes=(local(),)) as weir:
                await on_a_full_disk(weir, upstream, disk)
    assert verified(disk / "state").finding is None


def local() -> FakePath:
    return FakePath(fake_card("device/here"), answer("I am here"))


async def on_a_full_disk(weir: Running, upstream: OpenAIStandIn, disk: Path) -> None:
    status, body = await weir.get("/readyz")
    assert (status, body["state"]) == (200, "degraded")
    assert sum("is full" in reason for reason in body["reasons"]) == 2, body["reasons"]
    assert (await weir.get("/weir/v1/status"))[0] == 200
    assert (await weir.ask("second", model="device/here"))[0] == 200
    left = upstream.seen["chat/completions"]
    assert (await weir.ask("third", model="site/one"))[0] >= 500
    assert upstream.seen["chat/completions"] == left > 0, "what cannot be written down does not leave"
    (disk / "filler").unlink()
    assert (await weir.ask("fourth", model="site/one"))[0] == 200
    assert (await weir.ask("fifth", model="device/here"))[0] == 200

    async def well() -> bool:
        return not any("full" in reason for reason in (await weir.get("/readyz"))[1]["reasons"])

    await until(well)
    assert len(await weir.records()) >= 3


def test_what_is_in_force_is_read_on_a_full_disk_also_after_a_crash(disk: Path, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.state = disk / "state"
    rig.state.mkdir()
    rig.apply(rig.press("a-2026.1"))
    before = rig.slots, rig.floors
    node_db = rig.state / "node.db"
    with closing(sqlite3.connect(node_db)) as held:  # as killed: a log that nobody took over, and no index beside it
        held.execute("PRAGMA wal_autocheckpoint=0")
        held.execute("UPDATE bundle_slots SET previous = 'b-2026.1'")
        held.commit()
        copies = {name: (rig.state / name).read_bytes() for name in ("node.db", "node.db-wal")}
    for name in ("node.db-shm", "node.db-wal", "node.db"):
        (rig.state / name).unlink(missing_ok=True)
    for name, data in copies.items():
        (rig.state / name).write_bytes(data)
    with full(disk):
        assert slots.read(rig.state) == slots.Slots(good="a-2026.1", previous="b-2026.1")
        assert rig.floors == before[1]
        with pytest.raises(DiskFull):
            slots.write(rig.state, slots.Slots(good="c-2026.1"))
        state = floors.read(rig.state)
        assert isinstance(state, floors.TrustState)
        tenants = Tenants(rig.state)
        assert (tenants.changes(), tenants.all()) == (0, ())
        make_operator_key(rig.state)
    assert slots.read(rig.state) == slots.Slots(good="a-2026.1", previous="b-2026.1")
    assert Tenants(rig.state).all() == ()


def test_an_audit_opens_on_a_full_disk_lets_nothing_leave_and_goes_on_with_its_chain(disk: Path) -> None:
    state = filled(disk / "state")
    before = len(rows(state))
    with full(disk):
        audit = Audit(state)
        assert "is full" in audit.trouble
        audit.note("refusal", {"decision": "no_1", "rules": ["residency"]})
        with pytest.raises(AuditUnavailable):
            leave(audit)
        with pytest.raises(AuditUnavailable, match="is full") as raised:
            audit.write("admin", {"act": "x"})
        assert str(state) in raised.value.message and "Make room" in raised.value.next_step
    leave(audit)
    assert audit.trouble == ""
    audit.close()
    assert len(rows(state)) == before + 2, "what nobody waited for was kept"
    assert verified(state).finding is None


def test_a_log_that_does_not_fit_its_head_is_not_continued_either_once_there_is_room(disk: Path) -> None:
    state = filled(disk / "state")
    with full(disk):
        audit = Audit(state)
        with closing(sqlite3.connect(state / "audit.db")) as db:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            last = db.execute("SELECT max(seq) FROM entries").fetchone()[0]
    with closing(sqlite3.connect(state / "audit.db")) as db:
        db.execute("DELETE FROM entries WHERE seq = ?", (last,))
        db.commit()
    with pytest.raises(AuditUnavailable):
        leave(audit)
    assert "does not fit its head" in audit.trouble
    audit.close()
    assert rows(state)[-1].seq == last - 1


def test_a_store_that_never_had_room_makes_its_databases_later(disk: Path) -> None:
    state = disk / "state"
    state.mkdir()
    with full(disk):
        store = Store(state)
        store.writer.flush()
        assert "telemetry.db" in store.writer.trouble and "cache.db" in store.writer.trouble
    for name in ("telemetry", "cache", "node"):
        store.writer.submit(name, lambda db: db.execute("CREATE TABLE proof (n)")).result(10)
    assert store.writer.trouble == ""
    store.close()
    with closing(sqlite3.connect(state / "telemetry.db")) as db:
        assert db.execute("SELECT count(*) FROM records").fetchone() == (0,)


def test_an_import_on_a_full_disk_says_which_disk_how_much_and_what_to_do(disk: Path, tmp_path: Path) -> None:
    weir = Weir(tmp_path)
    rig = Rig(tmp_path)
    rig.state = disk / "state"
    rig.state.mkdir()
    place = rig.press("a-2026.1")
    with full(disk):
        ended = weir("bundle", "apply", str(place), "--state", str(rig.state), "--json")
    assert ended.code == 2
    error = ended.json["error"]
    assert error["code"] == "disk_full"
    assert str(rig.state) in error["message"] and str(room.NEEDED) in error["message"]
    assert "Make room" in error["next_step"]

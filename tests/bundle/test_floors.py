"""Claims about what a node remembers: two copies, whole or not at all, and never used where they differ."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import StateInvalid
from appliance.records.tenant import Tenant
from appliance.store import floors
from appliance.store.floors import Floors, Lost, TrustState
from appliance.store.tenants import Tenants

FIRST = TrustState(1, {1: b'{"root": 1}'}, {}, Floors({"root": 1}))
SECOND = TrustState(
    2,
    {1: b'{"root": 1}', 2: b'{"root": 2}'},
    {"timestamp": b'{"t": "\xc3\xa9"}'},
    Floors({"root": 2, "timestamp": 7}, {"timestamp": ("a", "b")}, 1_790_000_000, 3),
    b'{"id": "x"}\n',
)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    floors.write(tmp_path, FIRST)
    floors.write(tmp_path, SECOND)
    return tmp_path


def row(state_dir: Path, *, of: TrustState | None) -> None:
    """Put another state into the row, or take the row out."""
    with sqlite3.connect(state_dir / "node.db") as db:
        db.execute("DELETE FROM bundle_trust")
        if of is not None:
            db.execute("INSERT INTO bundle_trust VALUES (1, ?, ?)", (of.revision, floors.to_text(of)))
    db.close()


def file(state_dir: Path, *, of: TrustState) -> None:
    (state_dir / "trust/state.json").write_text(floors.to_text(of))


def test_a_new_node_trusts_nothing(tmp_path: Path) -> None:
    assert floors.read(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_is_read(both: Path) -> None:
    assert floors.read(both) == SECOND
    assert (both / "trust/state.json").stat().st_mode & 0o777 == 0o600
    assert (both / "node.db").stat().st_mode & 0o777 == 0o600


def test_tenants_and_floors_share_one_database(both: Path) -> None:
    tenants = Tenants(both)
    tenants.add(Tenant(name="acme"), now=0)
    assert floors.read(both) == SECOND
    floors.write(both, replace(SECOND, revision=3))
    assert [held.tenant.name for held in Tenants(both).all()] == ["acme"]


def test_the_row_is_written_with_full_synchronisation_and_a_log(both: Path) -> None:
    db = sqlite3.connect(both / "node.db")
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


def test_tables_of_others_in_the_same_database_are_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "node.db") as db:
        db.execute("CREATE TABLE tenants (id TEXT)")
        db.execute("INSERT INTO tenants VALUES ('acme')")
    assert floors.read(tmp_path) is None
    floors.write(tmp_path, FIRST)
    assert db.execute("SELECT id FROM tenants").fetchall() == [("acme",)]
    db.close()


@pytest.mark.parametrize("harm", ["missing", "empty", "cut", "flipped", "older", "directory"])
def test_a_file_that_is_lost_or_short_is_noticed_and_restored(both: Path, harm: str) -> None:
    path = both / "trust/state.json"
    data = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "directory":
        path.unlink()
        path.parent.rmdir()
    elif harm == "older":
        file(both, of=FIRST)
    else:
        path.write_bytes({"empty": b"", "cut": data[:-9], "flipped": data.replace(b"7", b"1", 1)}[harm])
    lost = floors.read(both)
    assert isinstance(lost, Lost)
    assert (lost.copy, lost.state) == ("file", SECOND)
    with pytest.raises(StateInvalid):
        floors.write(both, replace(SECOND, revision=3))
    floors.restore(both, lost)
    assert floors.read(both) == SECOND


@pytest.mark.parametrize("harm", ["database", "row", "older"])
def test_a_row_that_is_lost_or_old_is_noticed_and_restored(both: Path, harm: str) -> None:
    if harm == "database":
        for path in both.glob("node.db*"):
            path.unlink()
    else:
        row(both, of=FIRST if harm == "older" else None)
    lost = floors.read(both)
    assert isinstance(lost, Lost)
    assert (lost.copy, lost.state) == ("database", SECOND)
    floors.restore(both, lost)
    assert floors.read(both) == SECOND


def test_two_damaged_copies_are_not_a_new_node(both: Path) -> None:
    (both / "trust/state.json").write_bytes(b"damaged")
    row(both, of=None)
    with pytest.raises(StateInvalid, match="Neither"):
        floors.read(both)
    (both / "trust/state.json").unlink()
    with sqlite3.connect(both / "node.db") as db:
        db.execute("INSERT INTO bundle_trust VALUES (1, 9, 'damaged')")
    db.close()
    with pytest.raises(StateInvalid, match="Neither"):
        floors.read(both)


def test_a_damaged_database_is_said_to_be(both: Path) -> None:
    for path in both.glob("node.db-*"):
        path.unlink()
    (both / "node.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StateInvalid, match="damaged"):
        floors.read(both)


def test_of_two_writers_the_second_is_refused(both: Path) -> None:
    floors.write(both, replace(SECOND, revision=3))
    for stale in (3, 2, 5):
        with pytest.raises(StateInvalid, match="Another import"):
            floors.write(both, replace(SECOND, revision=stale))


def test_root_version_and_epoch_never_fall(both: Path) -> None:
    for lower in (
        replace(SECOND, revision=3, floors=replace(SECOND.floors, epoch=2)),
        replace(SECOND, revision=3, roots={1: b"x"}),
        replace(SECOND, revision=3, floors=replace(SECOND.floors, versions={"root": 1})),
    ):
        with pytest.raises(StateInvalid, match="never falls"):
            floors.write(both, lower)
    assert floors.read(both) == SECOND


def test_killed_at_every_write_no_floor_is_lost(tmp_path: Path) -> None:
    """kill -9 at the n-th event that touches a file, for every n: the old state, the new, or a loss that is seen."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from appliance.store import floors\n"
        "second = floors.from_text(Path(sys.argv[3]).read_text())\n"
        "left = int(sys.argv[2])\n"
        "def hook(event, arguments):\n"
        "    global left\n"
        "    watched = ('open', 'os.rename', 'os.remove', 'os.mkdir', 'sqlite3.connect')\n"
        "    if event in watched and sys.argv[1] in str(arguments[0]):\n"
        "        left -= 1\n"
        "        if left < 0: os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(hook)\n"
        "floors.write(Path(sys.argv[1]), second)\n"
    )
    seen = set()
    second = tmp_path / "second"
    second.write_text(floors.to_text(SECOND))
    for point in range(40):
        state_dir = tmp_path / str(point)
        state_dir.mkdir()
        floors.write(state_dir, FIRST)
        command = [sys.executable, "-c", code, state_dir, str(point), second]
        ended = subprocess.run(command, capture_output=True, check=False)
        found = floors.read(state_dir)
        if isinstance(found, Lost):
            assert found.state == SECOND
            floors.restore(state_dir, found)
            assert floors.read(state_dir) == SECOND
            seen.add("between")
        else:
            assert found in (FIRST, SECOND)
            seen.add("old" if found == FIRST else "new")
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert seen == {"old", "between", "new"}


@given(
    st.builds(
        TrustState,
        st.integers(1, 2**40),
        st.dictionaries(st.integers(1, 300), st.text().map(str.encode), min_size=1),
        st.dictionaries(st.text(), st.text().map(str.encode)),
        st.builds(
            Floors,
            st.dictionaries(st.text(), st.integers(0)),
            st.dictionaries(st.text(), st.lists(st.text()).map(tuple)),
            st.integers(0, 2**40),
            st.integers(0, 2**31),
        ),
        st.text(st.characters(max_codepoint=127)).map(str.encode),
    )
)
def test_every_state_comes_back_from_its_text(state: TrustState) -> None:
    assert floors.from_text(floors.to_text(state)) == state

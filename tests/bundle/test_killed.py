"""Claims about kill -9 and a full disk at every write point of an import: enumerated, none left out.

The interpreter counts the points: its audit events (PEP 578) announce every file that is opened for writing, every
link, rename, directory and removal, and every connection to a database, before they happen. A forked child is killed
at the first of them, the next one at the second, until one gets through. The health check starts a process, which is
such a point too. Between two points of SQLite's own files its journal answers.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance import identity
from appliance.bundle import activate, generations
from appliance.bundle.activate import ActivationResult, Means
from appliance.bundle.refusal import BundleRefused
from appliance.errors import WeirError
from appliance.store import floors
from appliance.store.audit.log import Audit
from appliance.store.audit.verify import verify
from appliance.store.slots import Slots
from tests.bundle.publisher import NOW
from tests.bundle.rig import CUT_FILE, Rig, content, failing_in_use, not_below, sound

_WRITES = frozenset(
    (
        "os.mkdir", "os.link", "os.symlink", "os.rename", "os.remove", "os.rmdir", "os.truncate", "sqlite3.connect",
        "shutil.rmtree", "subprocess.Popen",
    )
)  # fmt: skip
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OLD, NEW = "a-2026.1", "a-2026.2"
_at: dict[str, Any] = {"number": 0, "left": None, "act": None}


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _at["left"] is None:
        return
    opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & _FOR_WRITING
    if event in _WRITES or opened:
        _at["left"] -= 1
        if _at["left"] == 0:
            _at["act"](event)


def in_child(number: int, act: Callable[[str], None], work: Callable[[], None]) -> int:
    """The status of a forked child that does `work`, and `act` at its write point with this number.

    0 and 1: it ended well or was refused. 2: there is no point with this number. 9: it ended in no way that it may.
    """
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    status = 9
    try:
        signal.alarm(30)  # waiting for ever is none of the ways to end
        sys.addaudithook(_hook)
        _at.update(number=number, act=act, left=number if act is killed else None)
        work()
        status, _at["left"] = 2 if _at["left"] > 0 else 0, None
    except (WeirError, OSError):
        status = 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def killed(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full(event: str) -> None:
    if event == "sqlite3.connect":
        raise sqlite3.OperationalError("database or disk is full")
    raise OSError(errno.ENOSPC, "No space left on device")


class Case:
    """A node with what it ran before, and something to do. `again` begins each round from the same state."""

    def __init__(self, top: Path, *before: str) -> None:
        self.rig = Rig(top)
        for id in before:
            self.rig.apply(self.press(id))
        self.new = self.press(NEW) if NEW not in before else None
        audit = Audit(self.rig.state)
        audit.write("start", {"generation": "g"})
        audit.close()
        self.kept = top / "kept"
        shutil.copytree(self.rig.state, self.kept, symlinks=True)
        found = floors.read(self.rig.state)
        self.floors = found.floors if isinstance(found, floors.TrustState) else floors.Floors()
        self.may_run = {*before, NEW} if before else {"", NEW}

    def press(self, id: str) -> Path:
        """With nothing of the others' in it but the policy: a cut file of its own, too."""
        files = content(self.rig.top / id, site=f"site/{id}") | {"models/desk.gguf": CUT_FILE + id.encode() * 1000}
        return self.rig.press(id, files)

    def again(self) -> None:
        shutil.rmtree(self.rig.state)
        shutil.copytree(self.kept, self.rig.state, symlinks=True)

    def run(self, do: Callable[[Means], object], check: Callable[[Path], str] = lambda _: "") -> None:
        """As the command does it, its audit real, its health check in a process of its own."""
        audit = Audit(self.rig.state)
        audit.write("start", {"generation": "g"})
        _at["left"] = (
            _at["left"] if _at["act"] is killed else _at["number"]
        )  # a disk that is full before the audit opens is the audit's matter

        def checked(folder: Path) -> str:
            subprocess.run(["true"], check=True)
            return check(folder)

        try:
            do(self.rig.means(checked, note=lambda facts: audit.write("admin", facts)))
        finally:
            audit.close()

    def take(self, means: Means) -> ActivationResult:
        assert self.new is not None
        return activate.apply(self.new, means, self.rig.terms())

    def holds(self) -> None:
        """Whatever happened: nothing mixed, nothing unsigned, no floor lost, something whole to run."""
        state = self.rig.state
        sound(state)
        not_below(state, self.floors)
        assert generations.current(state) in self.may_run
        if self.new is not None and generations.current(state) == NEW:  # floors are raised before anything new runs
            assert self.rig.floors.issued == int(NOW.timestamp())
            assert self.rig.floors.versions["timestamp"] > self.floors.versions.get("timestamp", 0)
        assert chain_of(state) is None

    def next_command(self, do: Callable[[], object]) -> None:
        """At most one run that only restores the floors' copies, then what was asked."""
        if isinstance(floors.read(self.rig.state), floors.Lost):
            with pytest.raises(BundleRefused) as raised:
                do()
            assert raised.value.reason == "state_lost"
        do()
        sound(self.rig.state)
        not_below(self.rig.state, self.floors)
        assert not (self.rig.state / generations.FOLDER / ".part").exists()
        assert generations.current(self.rig.state) == self.rig.slots.good
        assert self.rig.slots.trial == ""


def chain_of(state: Path) -> Any:
    """What is wrong with the audit once its next writer has opened it; None where nothing is."""
    audit = Audit(state)
    audit.close()
    assert audit.trouble == ""
    return verify(state, identity.load(state).public).finding


@pytest.fixture
def top() -> Iterator[Path]:
    """In memory where the host has such a place: there syncing costs nothing, and a kill is the same."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


def rounds(case: Case, act: Callable[[str], None], work: Callable[[], None]) -> Iterator[None]:
    """A round for each write point, the work stopped there; ends with the round that none stopped."""
    for number in range(1, 1000):  # far beyond what there is
        case.again()
        status = in_child(number, act, work)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL and act is killed, number
        else:
            assert os.WEXITSTATUS(status) in ((2,) if act is killed else (0, 1, 2)), number
        yield
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 2:
            return


@pytest.mark.timeout(600)
@pytest.mark.parametrize("before", [(), (OLD,)], ids=["bare", "running"])
@pytest.mark.parametrize("act", [killed, full])
def test_at_every_write_point_of_an_import(top: Path, before: tuple[str, ...], act: Callable[[str], None]) -> None:
    case = Case(top, *before)
    points = 0
    for _ in rounds(case, act, lambda: case.run(case.take)):
        points += 1
        case.holds()
        case.next_command(lambda: case.rig.apply(case.new or top))
        assert case.rig.slots == Slots(good=NEW, previous=before[0] if before else "")
    assert points > 60  # staging, the generation, floors, trial, health check, commit and collection


@pytest.mark.timeout(600)
@pytest.mark.parametrize("act", [killed, full])
def test_at_every_write_point_of_an_import_whose_health_check_fails(top: Path, act: Callable[[str], None]) -> None:
    case = Case(top, OLD)
    ill = failing_in_use(case.rig.state, NEW)
    points = 0
    for _ in rounds(case, act, lambda: case.run(case.take, ill)):
        points += 1
        case.holds()
        case.next_command(lambda: activate.settle(case.rig.means(ill)))
        assert case.rig.slots.good == OLD
    assert case.rig.slots.bad == {NEW: "no answer"}
    assert points > 60


@pytest.mark.timeout(600)
@pytest.mark.parametrize("act", [killed, full])
def test_at_every_write_point_of_a_rollback(top: Path, act: Callable[[str], None]) -> None:
    case = Case(top, OLD, NEW)
    for _ in rounds(case, act, lambda: case.run(activate.roll_back)):
        case.holds()
        case.next_command(lambda: activate.settle(case.rig.means()))
        assert {case.rig.slots.good, case.rig.slots.previous} == {OLD, NEW}
    assert case.rig.slots.good == OLD


@pytest.mark.timeout(600)
def test_a_disk_that_takes_only_so_many_bytes_of_a_file(top: Path) -> None:
    """The kernel refuses every write beyond the limit, in the middle of blobs, joined files and databases alike."""
    case = Case(top, OLD)
    ended = set()
    for limit in (0, 64, 1024, 4000, 8192, 11_000, 16_384, 20_480, 24_576, 32_768, 49_152, 65_536, 131_072, 1 << 30):

        def limited(means: Means, limit: int = limit) -> ActivationResult:
            sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  where they lead is limited too
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            return case.take(means)

        case.again()
        status = in_child(10**6, full, lambda: case.run(limited))
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (1, 2), limit
        ended.add(os.WEXITSTATUS(status))
        case.holds()
        case.next_command(lambda: case.rig.apply(case.new or top))
        assert case.rig.slots == Slots(good=NEW, previous=OLD)
    assert ended == {1, 2}

"""Claims about kill -9 and a full disk at every write point of an import: enumerated, none left out.

The interpreter counts the points: its audit events (PEP 578) announce every file that is opened for writing, every
link, rename, directory and removal, and every connection to a database, before they happen. A forked child is killed
at the first of them, the next one at the second, until one gets through. The health check starts a process, which is
such a point too. Between two points of SQLite's own files its journal answers.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.bundle import activate, generations
from appliance.bundle.refusal import BundleRefused
from appliance.errors import WeirError
from appliance.store import floors
from appliance.store.audit.log import Audit
from appliance.store.audit.verify import verify
from appliance.store.slots import Slots
from tests.bundle.rig import Rig, content, failing_in_use, not_below, sound

_WRITES = frozenset(
    (
        "os.mkdir", "os.link", "os.symlink", "os.rename", "os.remove", "os.rmdir", "os.truncate", "sqlite3.connect",
        "shutil.rmtree", "subprocess.Popen",
    )
)  # fmt: skip
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OLD, NEW = "a-2026.1", "a-2026.2"
_at: dict[str, Any] = {"left": None, "act": None}


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _at["left"] is None:
        return
    opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & _FOR_WRITING
    if event in _WRITES or opened:
        _at["left"] -= 1
        if _at["left"] == 0:
            _at["act"](event)


def in_child(number: int, act: Callable[[str], None], work: Callable[[], None]) -> int:
    """The status of a forked child that does `work`, and `act` at its write point with this number."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    status = 9
    try:
        sys.addaudithook(_hook)
        _at.update(left=number, act=act)
        work()
        _at["left"] = None
        status = 0
    except (WeirError, OSError):
        status = 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def killed(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full(_: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class Case:
    """A node on OLD, and the way to NEW. `again` begins each round from the same state."""

    def __init__(self, top: Path) -> None:
        self.rig = Rig(top)
        self.old = self.rig.press(OLD)
        self.rig.apply(self.old)
        self.new = self.rig.press(NEW, content(top / "other", site="site/two"), security_epoch=1)
        self.kept = top / "kept"
        shutil.copytree(self.rig.state, self.kept, symlinks=True)
        self.floors = self.rig.floors

    def again(self) -> None:
        shutil.rmtree(self.rig.state)
        shutil.copytree(self.kept, self.rig.state, symlinks=True)

    def run(self, check: Callable[[Path], str] = lambda _: "") -> None:
        """An import as the command does it, its audit real, its health check in a process of its own."""
        audit = Audit(self.rig.state)

        def checked(folder: Path) -> str:
            subprocess.run(["true"], check=True)
            return check(folder)

        means = self.rig.means(checked, note=lambda facts: audit.write("admin", facts))
        try:
            activate.apply(self.new, means, self.rig.terms())
        finally:
            audit.close()

    def holds(self) -> None:
        """Whatever happened: nothing mixed, nothing unsigned, no floor lost, something whole to run."""
        state = self.rig.state
        sound(state)
        not_below(state, self.floors)
        assert generations.current(state) in (OLD, NEW)
        assert {self.rig.slots.good, self.rig.slots.trial} <= {OLD, NEW, ""}
        if NEW in (self.rig.slots.good, self.rig.slots.trial):  # floors are raised before anything new runs
            assert self.rig.floors.versions["timestamp"] == 2
        assert not verify(state).findings if (state / "audit.db").stat().st_size else True

    def recover(self) -> None:
        """The next command: at most one run that only restores the floors' copies, then NEW is in use."""
        try:
            self.rig.apply(self.new)
        except BundleRefused as error:
            assert error.reason == "state_lost"
            assert isinstance(floors.read(self.rig.state), floors.TrustState)
            self.rig.apply(self.new)
        assert self.rig.slots == Slots(good=NEW, previous=OLD)
        assert generations.current(self.rig.state) == NEW
        assert not (self.rig.state / generations.FOLDER / ".part").exists()
        assert self.rig.floors.versions["timestamp"] == 2
        sound(self.rig.state)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("killed"))


def rounds(case: Case, act: Callable[[str], None], work: Callable[[], None]) -> Iterator[tuple[int, int]]:
    """Number and status of every round, up to the one that no point stopped."""
    number, status = 0, -1
    while status != 0:
        number += 1
        assert number < 1000
        case.again()
        status = in_child(number, act, work)
        assert not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == 9), number
        yield number, status


@pytest.mark.timeout(600)
def test_kill_at_every_write_point_of_an_import(case: Case) -> None:
    for number, status in rounds(case, killed, case.run):
        assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
        case.holds()
        case.recover()
    assert number > 100  # staging, the generation, floors, trial, health check, commit and collection

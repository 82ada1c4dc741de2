"""A node's state directory and a publisher for it: content that loads, and what holds whatever happened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.bundle import activate, generations, stage
from appliance.bundle.activate import ActivationResult, Means, Terms
from appliance.bundle.content import load_generation
from appliance.bundle.freshness import Moment
from appliance.records.record import Record
from appliance.store import floors, slots
from appliance.store.floors import Floors, Lost
from tests.bundle.publisher import NOW, Publisher, write_tree
from tests.node.conftest import upstream_card, write_content

CUT_FILE = b"GGUF" + bytes(range(256)) * 40  # of three blobs


def content(folder: Path, *, site: str = "site/one", **over: Any) -> dict[str, bytes]:
    """The files of a small content directory that loads, by path. `over` as for `write_content`."""
    write_content(folder, upstream_card("http://127.0.0.1:9/v1", site), **over)
    files = {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
    return files | {"models/desk.gguf": CUT_FILE}


class Rig:
    """One node and one publisher. `entries` is what the audit was told."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.state = top / "state"
        self.state.mkdir()
        self.publisher = Publisher()
        self.entries: list[dict[str, Any]] = []
        self.checked: list[str] = []

    def press(self, id: str, files: Mapping[str, bytes] | None = None, **over: Any) -> Path:
        """A bundle with this id as a directory; its content differs from every other's in one file."""
        files = files if files is not None else content(self.top / f"content-{id}")
        named = {**files, "evals/name.jsonl": f'"{id}"\n'.encode()}
        return write_tree(self.publisher.release(named, id=id, **over), self.top / f"usb-{id}" / f"{id}.bundle")

    def means(
        self, check: Callable[[Path], str] = lambda _: "", records: Callable[[], Iterable[Record]] = tuple, **over: Any
    ) -> Means:
        def checked(folder: Path, _: Path | None) -> str:
            self.checked.append(folder.name)
            return check(folder)

        def note(facts: Mapping[str, object]) -> None:
            self.entries.append(dict(facts))

        return Means(self.state, load_generation, checked, over.pop("note", note), records, **over)

    def terms(self, clock: datetime = NOW, **over: Any) -> Terms:
        return Terms(Moment(clock, over.pop("trusted", False)), root=self.publisher.roots[1], **over)

    def apply(self, place: Path, check: Callable[[Path], str] = lambda _: "", **over: Any) -> ActivationResult:
        return activate.apply(place, self.means(check), self.terms(**over))

    @property
    def slots(self) -> slots.Slots:
        return slots.read(self.state) or slots.Slots()

    @property
    def floors(self) -> Floors:
        state = floors.read(self.state)
        assert isinstance(state, floors.TrustState)
        return state.floors

    def steps(self) -> list[Any]:
        return [entry["step"] for entry in self.entries]


def failing_in_use(state: Path, ill: str) -> Callable[[Path], str]:
    """A health check that this generation passes in rehearsal and fails once it is pointed at."""
    return lambda folder: "no answer" if folder.name == ill == generations.current(state) else ""


def sound(state: Path) -> None:
    """What must hold at any moment, also right after a kill: nothing half or unsigned under a final name."""
    for blob in (state / stage.STORE / "sha256").glob("??/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    link = state / generations.CURRENT
    if link.is_symlink():
        assert link.readlink().parent == Path(generations.FOLDER)
        assert generations.current(state) in generations.listed(state)
        assert (link / generations.MARKER).is_file()
    else:
        assert not link.exists()
    there = generations.listed(state)
    folder = state / generations.FOLDER
    assert {name for name in (os.listdir(folder) if folder.is_dir() else ()) if name[0] != "."} == set(there)
    for manifest in there.values():
        assert generations.rotten(manifest, state) == ()


def not_below(state: Path, before: Floors) -> None:
    """No floor fell, whichever copies there are."""
    found = floors.read(state)
    now = found.state.floors if isinstance(found, Lost) else found.floors if found else Floors()
    assert now.epoch >= before.epoch and now.issued >= before.issued
    assert all(now.versions.get(role, 0) >= version for role, version in before.versions.items())


def at(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)

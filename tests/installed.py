"""Content as a node has it: signed by a publisher of the test and taken into use, its health check left out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from appliance.bundle import activate, generations
from appliance.bundle.activate import Means, Terms
from appliance.bundle.content import load_generation
from appliance.bundle.freshness import Moment
from appliance.bundle.in_force import in_force
from appliance.store import slots
from tests.bundle.publisher import NOW, Publisher, write_tree


def install(state: Path, content: Path, id: str = "test-2026.1", publisher: Publisher | None = None) -> Publisher:
    """Press the files of a content directory and apply the bundle. A second one needs the publisher of the first."""
    publisher = publisher or Publisher()
    found = (Path(top) / name for top, _, names in os.walk(content, followlinks=True) for name in names)
    files = {str(file.relative_to(content)): file.read_bytes() for file in found}
    state.mkdir(mode=0o700, exist_ok=True)
    means = Means(state, load_generation, check=lambda *_: "", note=lambda _: None)
    with tempfile.TemporaryDirectory() as stick:
        bundle = write_tree(publisher.release(files, id=id), Path(stick) / f"{id}.bundle")
        ended = activate.apply(bundle, means, Terms(Moment(NOW, trusted=False), root=publisher.roots[1]))
    assert in_force(state).id == ended.runs == id
    return publisher


def placed(state: Path, id: str = "test-2026.1") -> Path:
    """The folder of a generation that is in force by name only: content can be laid there that no import would take."""
    folder = generations.place(state, id)
    folder.mkdir(parents=True)
    slots.write(state, slots.Slots(good=id))
    return folder

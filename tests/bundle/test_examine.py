"""Claims about who reads a medium: what is said of it, and that whoever reads it can do nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.bundle import discover, verify
from appliance.bundle.discover import NOT_EXAMINED, Watch
from appliance.bundle.manifest import blob_path
from appliance.cli.status import _text as status_text
from appliance.config import Config, load
from appliance.doctor.child import command
from appliance.doctor.medium import examiner, is_examiner, surroundings
from appliance.store import floors
from tests.bundle import test_golden
from tests.bundle.publisher import FILES, Publisher, write_tar, write_tree
from tests.paths.confine.test_confine import landlocked

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def node(publisher: Publisher, tmp_path: Path) -> Config:
    (tmp_path / "state").mkdir()
    floors.write(tmp_path / "state", verify.begin(publisher.roots[1]))
    return load(tmp_path / "state")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "media/stick").mkdir(parents=True)
    return tmp_path / "media/stick"


def test_a_bundle_is_examined_as_verify_would_and_nothing_is_written(
    publisher: Publisher, node: Config, stick: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in node.state_dir.rglob("*")}
    assert examiner(node)(str(stick)) == []
    write_tree(publisher.release(), stick / "a.bundle")
    write_tar(publisher.release(id="test-2026.2"), stick / "b.bundle.tar")
    (stick / "._b.bundle.tar").write_bytes(b"what another system leaves")
    first, second = examiner(node)(str(stick))
    assert (first.path, first.place, first.id, first.taken) == (
        str(stick / "a.bundle"),
        str(stick),
        "test-2026.1",
        True,
    )
    assert (first.root, first.evaluation) == ("Test publisher", True)
    assert (first.added, first.changed, first.removed, first.same) == (len(FILES), 0, 0, False)
    assert first.issued.startswith("2026-")
    assert (second.id, second.taken) == ("test-2026.2", True)
    assert before == {path: path.stat().st_mtime_ns for path in node.state_dir.rglob("*")}


Harm = Callable[[Path, Publisher], object]
HARMS: dict[str, tuple[str, Harm]] = {
    "half a stick": ("incomplete", lambda a, p: (a / blob_path(next(iter(p.manifest(FILES).blobs)))).unlink()),
    "a flipped bit": ("threshold_missed", lambda a, _: flip(a / "metadata/1.targets.json")),
    "a pipe": ("not_a_plain_file", lambda a, _: pipe(a / "metadata/timestamp.json")),
    "a link out": ("not_a_plain_file", lambda a, _: link(a / "metadata/timestamp.json", a.parents[2] / "state")),
    "no metadata": ("missing_metadata", lambda a, _: (a / "metadata/timestamp.json").unlink()),
    "a stranger": ("threshold_missed", lambda a, _: write_tree(Publisher().release(), a.parent / "z.bundle")),
}


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link(file: Path, to: Path) -> None:
    file.unlink()
    file.symlink_to(to)


@pytest.mark.parametrize("harm", HARMS)
def test_a_hostile_medium_is_a_refusal_with_its_reason(
    publisher: Publisher, node: Config, stick: Path, harm: str
) -> None:
    reason, do = HARMS[harm]
    do(write_tree(publisher.release(), stick / "a.bundle"), publisher)
    found = examiner(node)(str(stick))[-1]
    assert not found.taken
    assert found.message
    assert found.next_step
    if harm == "a flipped bit":
        assert found.reason in ("threshold_missed", "mixed_metadata", "bad_metadata")
    else:
        assert found.reason == reason


def test_that_there_are_more_bundles_than_are_examined_is_found_too(
    publisher: Publisher, node: Config, stick: Path
) -> None:
    for number in range(discover.MAX_BUNDLES):
        (stick / f"{number:02}.bundle").mkdir()
    found = examiner(node)(str(stick))
    assert [each.reason for each in found] == ["no_bundle"] * discover.MAX_BUNDLES
    write_tree(publisher.release(), stick / "z.bundle")
    (stick / "zz.bundle").mkdir()
    *found, last = examiner(node)(str(stick))
    assert len(found) == discover.MAX_BUNDLES
    assert (last.reason, last.taken, last.place) == (discover.MORE, False, str(stick))
    assert last.message.startswith("2 more bundles")
    assert "weir bundle find" in last.next_step
    told = status_text({"media": [last.model_dump()]}, "http://127.0.0.1")
    assert f"{stick}: {last.message}" in told.splitlines()


def test_a_node_that_trusts_nothing_says_so(publisher: Publisher, tmp_path: Path, stick: Path) -> None:
    write_tree(publisher.release(), stick / "a.bundle")
    (found,) = examiner(load(tmp_path / "none"))(str(stick))
    assert (found.taken, found.reason, found.id) == (False, "no_root", "")


def test_a_process_that_comes_to_no_verdict_is_said_so(node: Config, stick: Path) -> None:
    (node.state_dir / "trust/state.json").write_text("damaged")
    (node.state_dir / "node.db").write_bytes(b"damaged" * 1000)
    (found,) = examiner(node)(str(stick))
    assert (found.taken, found.reason) == (False, NOT_EXAMINED)
    assert "node.db is damaged" in found.message


def test_who_examines_can_read_the_place_and_do_nothing_else(publisher: Publisher, node: Config, stick: Path) -> None:
    write_tree(publisher.release(), stick / "a.bundle")
    code = """
import json, os, socket, sys
from datetime import timedelta
from pathlib import Path
from appliance.bundle.examine import examine
place, state = Path(sys.argv[1]), Path(sys.argv[2])
(found,) = examine(place, state, "airgap", timedelta(days=180), clock_trusted=False, unconfined=False)
def tried(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return type(error).__name__
    return "done"
print(json.dumps({
    "taken": found.taken,
    "socket": tried(socket.socket),
    "child": tried(os.fork),
    "writing the medium": tried(open, place / "x", "w"),
    "writing the state": tried(open, state / "x", "w"),
    "reading the state": tried(open, state / "trust/state.json"),
    "reading another file": tried(open, "/etc/passwd"),
    "reading the medium": tried(open, place / "a.bundle/metadata/timestamp.json"),
}))
"""
    arguments = [sys.executable, "-c", code, stick, node.state_dir]
    ended = subprocess.run(arguments, cwd=ROOT, env=surroundings(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    refused = "PermissionError"
    if not landlocked():
        told["reading the state"] = told["reading another file"] = refused
    assert told == {
        "taken": True, "socket": refused, "child": refused, "writing the medium": refused,
        "writing the state": refused, "reading the state": refused, "reading another file": refused,
        "reading the medium": "done",
    }  # fmt: skip


def test_who_examines_has_loaded_all_it_needs_before_it_gives_up_reading(tmp_path: Path) -> None:
    """By every way a golden bundle ends: whoever imports later could not, in a frozen program."""
    good = test_golden.good()
    (tmp_path / "state").mkdir()
    floors.write(tmp_path / "state", verify.begin(good["metadata/1.root.json"]))
    code = """
import sys
from datetime import timedelta
from pathlib import Path
from appliance.bundle import examine as module
def noted(*arguments, **named):
    global before
    before = set(sys.modules)
module.confine = noted
place, state = Path(sys.argv[1]), Path(sys.argv[2])
found = module.examine(place, state, "airgap", timedelta(days=3650), clock_trusted=False, unconfined=False)
print(len(found), *(set(sys.modules) - before))
"""
    ways = [json.loads(file.read_text()) for file in test_golden.BAD]
    for at in range(0, len(ways), discover.MAX_BUNDLES - 1):
        stick = tmp_path / f"stick-{at}"
        stick.mkdir()
        write_tar(good, stick / "good.bundle.tar", test_golden.BUNDLE.name)
        for number, bad in enumerate(ways[at : at + discover.MAX_BUNDLES - 1]):
            tree = {path: data for path, data in good.items() if path not in bad["remove"]}
            write_tree(tree | {path: text.encode() for path, text in bad["put"].items()}, stick / f"{number}.bundle")
        arguments = [sys.executable, "-c", code, stick, tmp_path / "state"]
        ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.split() == [str(len(ways[at : at + discover.MAX_BUNDLES - 1]) + 1)]


def test_the_examining_process_knows_no_secret_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_TOKEN", "secret")
    assert "secret" not in surroundings().values()


def test_the_node_knows_the_examining_process_and_no_other() -> None:
    head = command()
    assert is_examiner(head[0], [*head, "probe", "medium", "{}"])
    assert not is_examiner(head[0], [*head, "probe", "generation", "{}"])
    assert not is_examiner("/bin/sh", [*head, "probe", "medium", "{}"])
    assert not is_examiner(head[0], head)


@pytest.mark.parametrize("known", [True, False])
def test_the_nodes_audit_hook_lets_it_through_by_name_and_not_otherwise(
    publisher: Publisher, node: Config, stick: Path, known: bool
) -> None:
    write_tree(publisher.release(), stick / "a.bundle")
    code = """
import json, sys
from pathlib import Path
from appliance.config import load
from appliance.doctor.medium import examiner, is_examiner
from appliance.egress import install_audit_hook
state, known = Path(sys.argv[2]), sys.argv[3] == "True"
children = is_examiner if known else lambda executable, arguments: False
install_audit_hook(frozenset(), state_dir=state, children=children)
print(json.dumps([each.model_dump() for each in examiner(load(state))(sys.argv[1])]))
"""
    arguments = [sys.executable, "-c", code, stick, node.state_dir, str(known)]
    ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (found,) = json.loads(ended.stdout)
    assert (found["taken"], found["reason"]) == ((True, "") if known else (False, NOT_EXAMINED))


def test_a_directory_that_is_plugged_in_is_examined_by_a_real_process(
    publisher: Publisher, node: Config, stick: Path
) -> None:
    async def run() -> None:
        write_tree(publisher.release(), stick / "a.bundle")
        watch = Watch([stick.parent], examiner(node), look_s=0.01)
        found = await asyncio.wait_for(anext(watch.news()), 60)
        assert (found.id, found.taken) == ("test-2026.1", True)

    asyncio.run(run())

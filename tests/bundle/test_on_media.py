"""Claims about real media and disks: ext4 and FAT32 where this host mounts them, and directories."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from appliance.bundle import activate, media, stage, verify
from appliance.bundle.activate import ActivationResult
from appliance.bundle.discover import Watch
from appliance.bundle.manifest import blob_path
from appliance.bundle.refusal import BundleRefused
from appliance.config import load
from appliance.doctor.medium import examiner
from appliance.errors import StateInvalid
from appliance.store import floors
from tests.bundle import publisher as bench
from tests.bundle import test_golden
from tests.bundle.mounts import KINDS, Medium, full, mounted
from tests.bundle.publisher import FILES, Publisher, write_tar, write_tree
from tests.bundle.rig import Rig, content, not_below, sound

ROOT = Path(__file__).resolve().parents[2]
Mount = Callable[[str, int], Medium]
# The whole way of an import up to the store, in a process that may have no socket.
IMPORT = """
import errno, json, socket, sys
from pathlib import Path
from appliance.bundle import freshness, media, preflight, stage, verify
from appliance.paths.confine import seccomp
from appliance.paths.confine.syscalls import Rule
from appliance.store import floors
from datetime import UTC, datetime
here = seccomp.architecture()
seccomp.install(seccomp.program((Rule("socket"), Rule("socketpair"), Rule("connect"), Rule("bind")), here), here)
try:
    socket.socket()
except PermissionError:
    pass
else:
    sys.exit("the kernel gave out a socket")
state_dir = Path(sys.argv[2])
state = floors.read(state_dir)
with media.opened(Path(sys.argv[1])) as source:
    bundle = verify.trusted(source, state)
    freshness.judge(bundle, freshness.Moment(datetime.now(UTC)), "airgap")
    preflight.check(bundle, source, verify.host_of(state_dir, state))
    copied = stage.stage(bundle.manifest, source, state_dir)
floors.write(state_dir, verify.accepted(state, bundle))
print(json.dumps({"id": bundle.manifest.id, "copied": copied}))
"""


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    with ExitStack() as stack:
        yield lambda kind, megabytes: stack.enter_context(mounted(tmp_path, kind, megabytes))


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def state(publisher: Publisher, tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    floors.write(tmp_path / "state", verify.begin(publisher.roots[1]))
    return tmp_path / "state"


@pytest.mark.parametrize("kind", ["directory", "tar"])
@pytest.mark.parametrize("system", KINDS)
def test_an_import_needs_no_socket_and_no_writable_medium(
    publisher: Publisher, mount: Mount, state: Path, system: str, kind: str
) -> None:
    medium = mount(system, 8)
    tree = publisher.release()
    if kind == "tar":
        write_tar(tree, medium.path / "a.bundle.tar")
    else:
        write_tree(tree, medium.path / "a.bundle")
    medium.again()
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT, medium.path, state], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"id": "test-2026.1", "copied": publisher.manifest(FILES).stored}
    after = floors.read(state)
    assert isinstance(after, floors.TrustState) and after.floors.versions["targets"] == 1


@pytest.mark.parametrize("system", KINDS)
def test_a_stick_that_is_pulled_out_leaves_no_half_blob_and_the_next_import_goes_on(
    publisher: Publisher, mount: Mount, state: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "CUT", 64 << 10)
    medium = mount(system, 16)
    # Random bytes, so that every blob has its own.
    files = {**FILES, "models/large.gguf": os.urandom(4 << 20)}
    tree = write_tree(publisher.release(files), medium.path / "a.bundle")
    copy = shutil.copytree(tree, state.parent / "copy.bundle")
    medium.again()
    before = floors.read(state)
    assert isinstance(before, floors.TrustState)
    pulled = False

    def pull(progress: stage.Progress) -> None:
        nonlocal pulled
        if progress.blobs_done == 20 and not pulled:
            pulled = True
            medium.pull()

    with media.opened(medium.path) as source:
        bundle = verify.trusted(source, before)
        with pytest.raises(BundleRefused) as raised:
            stage.stage(bundle.manifest, source, state, pull)
    assert raised.value.reason == "medium_gone"
    stored = [path for path in (state / "store/sha256").rglob("*") if path.is_file()]
    assert len(stored) >= 20
    assert all(stage.held(state, path.name, bundle.manifest.blobs[path.name]) for path in stored)
    assert not list((state / "store/part").iterdir())
    assert floors.read(state) == before
    held = sum(path.stat().st_size for path in stored)
    with media.opened(copy) as source:
        bundle = verify.trusted(source, before)
        assert stage.stage(bundle.manifest, source, state) == bundle.manifest.stored - held


def test_what_other_systems_leave_on_a_stick_is_passed_over(publisher: Publisher, mount: Mount, state: Path) -> None:
    medium = mount("fat", 8)
    place = write_tree(publisher.release(), medium.path / "a.bundle")
    for folder in (medium.path, place, place / "metadata"):
        for name in (
            "._a.bundle",
            "._1.root.json",
            "Thumbs.db",
            "desktop.ini",
            "FSCK0000.REC",
            "Copy (1) of it.txt",
            "NOTES~1.TXT",
        ):
            (folder / name).write_bytes(b"left behind")
        for name in ("System Volume Information", "$RECYCLE.BIN", ".Trashes", ".fseventsd", "Neuer Ordner.bundle.old"):
            (folder / name).mkdir()
    medium.again()
    assert [found.path for found in media.find(medium.path)] == [place]
    assert staged(medium.path, state) > 0


def test_names_in_capitals_as_fat_gives_them_are_a_bundle_or_a_refusal(
    publisher: Publisher, mount: Mount, state: Path
) -> None:
    medium = mount("fat", 8)
    place = write_tree(publisher.release(), medium.path / "a.bundle")
    for file in [*(place / "metadata").iterdir(), place / "metadata"]:
        aside = file.with_name("aside")
        file.rename(aside)
        aside.rename(file.with_name(file.name.upper()))
    medium.again()
    assert "METADATA" in os.listdir(place)
    if (place / "metadata/timestamp.json").is_file():  # as every driver answers that takes case as FAT does
        assert staged(medium.path, state) > 0
        return
    with pytest.raises(BundleRefused) as raised:
        staged(medium.path, state)
    assert raised.value.reason in ("missing_metadata", "no_bundle")


def test_case_twins_are_refused_where_a_file_system_has_them(publisher: Publisher, mount: Mount, state: Path) -> None:
    medium = mount("ext4", 8)
    place = write_tree(publisher.release(), medium.path / "a.bundle")
    (place / "metadata/Timestamp.json").write_bytes(b"{}")
    medium.again()
    with pytest.raises(BundleRefused) as raised:
        staged(medium.path, state)
    assert raised.value.reason == "name_twins"


@pytest.mark.parametrize("ill", ["link", "pipe", "device"])
def test_what_is_no_file_is_never_opened(publisher: Publisher, mount: Mount, state: Path, ill: str) -> None:
    medium = mount("ext4", 8)
    at = write_tree(publisher.release(), medium.path / "a.bundle") / "metadata/timestamp.json"
    at.unlink()
    if ill == "link":
        at.symlink_to(state / "trust/state.json")
    elif ill == "pipe":
        os.mkfifo(at)
    else:
        os.mknod(at, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero, without an end
    medium.again()
    with pytest.raises(BundleRefused) as raised:
        staged(medium.path, state)
    assert raised.value.reason == "not_a_plain_file"


@pytest.mark.parametrize("system", ["ext4", "fat"])
def test_every_golden_bundle_ends_on_a_real_medium_as_it_does_in_a_directory(mount: Mount, system: str) -> None:
    medium = mount(system, 32)
    good, ways = test_golden.good(), {file.stem: json.loads(file.read_text()) for file in test_golden.BAD}
    for name, bad in ways.items():
        tree = {path: data for path, data in good.items() if path not in bad["remove"]}
        write_tree(tree | {path: text.encode() for path, text in bad["put"].items()}, medium.path / f"{name}.bundle")
    medium.again()
    ended = {}
    for name, bad in ways.items():
        state = medium.path.parent / name
        state.mkdir()
        trusts = floors.from_text(bad["state"]) if bad["state"] else verify.begin(good["metadata/1.root.json"])
        floors._write_both(state, trusts)
        try:
            test_golden.imported(medium.path / f"{name}.bundle", state)
        except BundleRefused as error:
            ended[name] = error.reason
        assert floors.read(state) == trusts
    assert ended == {name: bad["reason"] for name, bad in ways.items()}


@pytest.mark.parametrize("system", ["ext4", "fat"])
def test_a_stick_that_is_plugged_in_is_announced_and_one_that_is_gone_is_not_there(
    publisher: Publisher, tmp_path: Path, state: Path, system: str
) -> None:
    async def run() -> None:
        (tmp_path / "media").mkdir()
        watch = Watch([tmp_path / "media"], examiner(load(state)), look_s=0.05)
        news = watch.news()
        with mounted(tmp_path / "media", system, 8) as medium:
            write_tree(publisher.release(), medium.path / "a.bundle")
            medium.again()
            found = await asyncio.wait_for(anext(news), 60)
            assert (found.id, found.taken, found.place) == ("test-2026.1", True, str(medium.path))
            assert watch.found == (found,)
        medium.path.rmdir()
        following = asyncio.ensure_future(anext(news))
        async with asyncio.timeout(60):
            while watch.found:
                await asyncio.sleep(0.02)
        following.cancel()

    asyncio.run(run())


# ---- a full disk ------------------------------------------------------------------------------------------------


STEPS = ("import", "verified", "staged", "rehearsed", "floors", "trial", "attempt", "health", "good")


@pytest.mark.parametrize("at", STEPS)
def test_a_state_disk_that_is_full_from_some_step_on_loses_nothing_and_the_next_import_works(
    mount: Mount, tmp_path: Path, at: str
) -> None:
    """Store, generations and databases are on that disk; each step is the first at which one of them must write."""
    disk = mount("ext4", 24).path
    rig = Rig(tmp_path)
    rig.state = disk / "state"
    rig.state.mkdir()
    assert rig.apply(rig.press("a-2026.1")).outcome == "good"
    floors_before = rig.floors
    place = rig.press("a-2026.2")
    with ExitStack() as filled:

        def note(facts: Mapping[str, object]) -> None:
            if facts["step"] == at:
                filled.enter_context(full(disk))

        refusal: BundleRefused | StateInvalid | None = None
        try:
            # Where all of it fits into what was there already, it may well end as if there were room.
            assert activate.apply(place, rig.means(note=note), rig.terms()).outcome == "good"
        except (BundleRefused, StateInvalid) as error:
            refusal = error
    if refusal is not None:
        reason = refusal.reason if isinstance(refusal, BundleRefused) else refusal.code
        assert reason in ("disk_full", "no_space", "state_invalid")
        assert refusal.next_step
    sound(rig.state)
    not_below(rig.state, floors_before)
    assert rig.slots.good in ("a-2026.1", "a-2026.2")
    again = applied_at_last(rig, place)
    assert again.runs == "a-2026.2"
    sound(rig.state)


def applied_at_last(rig: Rig, place: Path) -> ActivationResult:
    """The import that follows; where one of two copies of the floors is behind, it restores that and is run again."""
    if isinstance(floors.read(rig.state), floors.Lost):
        with pytest.raises(BundleRefused, match="restored"):
            rig.apply(place)
    return rig.apply(place)


def test_a_state_disk_that_fills_up_in_the_middle_of_a_copy_keeps_what_is_whole(
    mount: Mount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "CUT", 256 << 10)
    disk = mount("ext4", 24).path
    rig = Rig(tmp_path)
    rig.state = disk / "state"
    rig.state.mkdir()
    large = content(tmp_path / "content") | {"models/large.gguf": b"GGUF" + os.urandom(3 << 20)}
    place = rig.press("a-2026.1", large)
    with ExitStack() as filled:
        done: list[int] = []

        def show(progress: stage.Progress) -> None:
            if progress.blobs_done == 5 and not done:
                done.append(5)
                filled.enter_context(full(disk))

        with pytest.raises(BundleRefused) as raised:
            activate.apply(place, rig.means(show=show), rig.terms())
        assert raised.value.reason == "disk_full"
        assert not list((rig.state / "store/part").iterdir())
        assert len(list((rig.state / "store/sha256").glob("??/*"))) >= 5
        sound(rig.state)
    ended = rig.apply(place)
    assert ended.outcome == "good"
    sound(rig.state)


def test_a_full_temporary_directory_is_nothing_to_an_import(
    publisher: Publisher, mount: Mount, state: Path, tmp_path: Path
) -> None:
    temporary = mount("ext4", 4).path
    place = write_tree(publisher.release(), tmp_path / "a.bundle")
    env = {**os.environ, "TMPDIR": str(temporary), "SQLITE_TMPDIR": str(temporary)}
    with full(temporary):
        ended = subprocess.run(
            [sys.executable, "-c", IMPORT, place, state],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr


def test_the_command_on_a_full_disk_says_so_and_works_once_there_is_room(
    publisher: Publisher, mount: Mount, tmp_path: Path
) -> None:
    """The whole of `weir bundle apply`, its audit included, without and with room for a byte."""
    disk = mount("ext4", 24).path
    (disk / "state").mkdir()
    (tmp_path / "root.json").write_bytes(publisher.roots[1])
    place = write_tree(publisher.release(content(tmp_path / "content"), id="a-2026.1"), tmp_path / "a.bundle")
    words = [sys.executable, "-m", "appliance.cli.main", "bundle", "apply", place, "--state", disk / "state"]
    words += ["--root", tmp_path / "root.json", "--json"]

    def run() -> tuple[int, dict[str, Any]]:
        ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert "Traceback" not in ended.stderr
        return ended.returncode, json.loads(ended.stdout)

    with full(disk):
        code, told = run()
        assert code in (1, 2)
        assert told["error"]["message"]
        assert told["error"]["next_step"]
    code, told = run()
    assert (code, told["outcome"]) == (0, "good")
    with full(disk):
        code, told = run()
        assert code in (1, 2)
    code, told = run()
    assert (code, told["outcome"]) == (0, "no_change")


def staged(place: Path, state: Path) -> int:
    """All that an import does up to the store; the bytes that were copied."""
    return test_golden.imported(place, state)


def test_blobs_lie_where_the_format_says(publisher: Publisher) -> None:
    tree = publisher.release()
    named = {blob_path(blob.sha256) for pieces in publisher.manifest(FILES).files.values() for blob in pieces}
    assert named == {path for path in tree if path.startswith("blobs/")}

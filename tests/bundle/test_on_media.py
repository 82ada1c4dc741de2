"""Claims about real media: file systems of their own where this host may mount them, directories where not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from appliance.bundle import media, stage, verify
from appliance.bundle.manifest import blob_path
from appliance.bundle.refusal import BundleRefused
from appliance.store import floors
from tests.bundle import publisher as bench
from tests.bundle.publisher import FILES, Publisher, write_tar, write_tree

ROOT = Path(__file__).resolve().parents[2]
Mount = Callable[..., "Medium"]
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


class Medium:
    """A mounted image of its own, or a plain directory where this host mounts nothing."""

    def __init__(self, path: Path, image: Path | None) -> None:
        self.path, self.image = path, image

    def again(self) -> None:
        """As after plugging in: read-only, and nothing of it in memory."""
        if self.image is not None:
            subprocess.run(["umount", self.path], check=True)
            subprocess.run(["mount", "-o", "loop,ro", self.image, self.path], check=True)

    def pull(self) -> None:
        """Take away what lies beneath: reading on gives EIO, or where nothing is mounted, no file."""
        if self.image is None:
            shutil.rmtree(self.path / "a.bundle/blobs")
            return
        os.truncate(self.image, 4096)


@contextmanager
def mounted(top: Path, megabytes: int) -> Iterator[Medium]:
    image, path = top / f"{megabytes}.img", top / f"mount-{megabytes}"
    path.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    made = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    try:
        subprocess.run([made or "mkfs.ext4", "-q", "-m", "0", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield Medium(path, None)
        return
    try:
        yield Medium(path, image)
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[int], Medium]]:
    with ExitStack() as stack:
        yield lambda megabytes: stack.enter_context(mounted(tmp_path, megabytes))


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def state(publisher: Publisher, tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    floors.write(tmp_path / "state", verify.begin(publisher.roots[1]))
    return tmp_path / "state"


@pytest.mark.parametrize("kind", ["directory", "tar"])
def test_an_import_needs_no_socket_and_no_writable_medium(
    publisher: Publisher, mount: Callable[[int], Medium], state: Path, kind: str
) -> None:
    medium = mount(8)
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


def test_a_stick_that_is_pulled_out_leaves_no_half_blob(
    publisher: Publisher, mount: Callable[[int], Medium], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "CUT", 64 << 10)
    medium = mount(16)
    # Random bytes, so that every blob has its own.
    files = {**FILES, "models/large.gguf": os.urandom(4 << 20)}
    write_tree(publisher.release(files), medium.path / "a.bundle")
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


def test_a_state_disk_that_fills_up_keeps_what_it_has_whole(
    publisher: Publisher, mount: Callable[[int], Medium], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "CUT", 256 << 10)
    medium = mount(5)
    files = {"models/a.gguf": os.urandom(3 << 20), "models/b.gguf": os.urandom(3 << 20)}
    place = write_tree(publisher.release(files), tmp_path / "a.bundle")
    state = medium.path / "state"
    state.mkdir()
    with media.opened(place) as source:
        bundle = verify.trusted(source, verify.begin(publisher.roots[1]))
        if medium.image is None:
            return  # no disk of its own to fill; the limit on the size of files stands in, in test_stage
        with pytest.raises(BundleRefused) as raised:
            stage.stage(bundle.manifest, source, state)
    assert raised.value.reason == "disk_full"
    stored = [path for path in (state / "store/sha256").rglob("*") if path.is_file()]
    assert stored and all(stage.held(state, path.name, bundle.manifest.blobs[path.name]) for path in stored)
    assert not list((state / "store/part").iterdir())


def test_a_full_state_disk_takes_no_floor_and_loses_none(publisher: Publisher, mount: Callable[[int], Medium]) -> None:
    medium = mount(6)
    state = medium.path / "state"
    state.mkdir()
    floors.write(state, verify.begin(publisher.roots[1]))
    before = floors.read(state)
    assert isinstance(before, floors.TrustState)
    if medium.image is None:
        return
    filler = medium.path / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    large = floors.TrustState(2, before.roots, {"targets": b" " * (3 << 20)}, before.floors)
    with pytest.raises(Exception, match=r"node\.db|state\.json"):
        floors.write(state, large)
    filler.unlink()
    found = floors.read(state)
    assert found == before or (isinstance(found, floors.Lost) and found.state in (before, large))


def test_blobs_lie_where_the_format_says(publisher: Publisher) -> None:
    tree = publisher.release()
    named = {blob_path(blob.sha256) for pieces in publisher.manifest(FILES).files.values() for blob in pieces}
    assert named == {path for path in tree if path.startswith("blobs/")}

"""Claims about filling the store: what has its final name is whole and signed, whatever goes wrong on the way."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.bundle import manifest as form
from appliance.bundle import media, stage
from appliance.bundle.manifest import Blob, Manifest
from appliance.bundle.refusal import BundleRefused
from tests.bundle.publisher import FILES, Publisher, Tree, pieces, sha256, write_tar, write_tree


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.fixture
def tree() -> Tree:
    return {form.blob_path(sha256(piece)): piece for data in FILES.values() for piece in pieces(data)}


MANIFEST = Publisher().manifest(FILES)


def staged(place: Path, state: Path, show: stage.Show = lambda _: None) -> int:
    with media.opened(place) as source:
        return stage.stage(MANIFEST, source, state, show)


def refused(place: Path, state: Path) -> BundleRefused:
    with pytest.raises(BundleRefused) as raised:
        staged(place, state)
    assert raised.value.next_step
    return raised.value


def stored(state: Path) -> dict[str, bytes]:
    """Every file under a final name."""
    return {file.name: file.read_bytes() for file in (state / "store/sha256").rglob("*") if file.is_file()}


def whole(state: Path) -> bool:
    return all(sha256(data) == name for name, data in stored(state).items()) and not list(
        (state / "store/part").iterdir()
    )


def directory(tree: Tree, tmp_path: Path) -> Path:
    return write_tree(tree | {"metadata/timestamp.json": b""}, tmp_path / "a.bundle")


def test_every_blob_gets_into_the_store_once(tree: Tree, tmp_path: Path, state: Path) -> None:
    seen: list[stage.Progress] = []
    assert staged(directory(tree, tmp_path), state, seen.append) == MANIFEST.stored
    assert stored(state) == {sha256(data): data for data in tree.values()}
    assert seen[-1] == stage.Progress(MANIFEST.stored, MANIFEST.stored, len(MANIFEST.blobs), len(MANIFEST.blobs))
    assert [each.done for each in seen] == sorted(each.done for each in seen)
    assert staged(directory(tree, tmp_path), state) == 0


def test_a_blob_of_the_store_that_lost_its_end_is_copied_again(tree: Tree, tmp_path: Path, state: Path) -> None:
    place = directory(tree, tmp_path)
    staged(place, state)
    file = next(path for path in (state / "store/sha256").rglob("*") if path.is_file())
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1])
    assert staged(place, state) == MANIFEST.blobs[file.name]
    assert whole(state)


def test_a_tar_fills_the_same_store(tree: Tree, tmp_path: Path, state: Path) -> None:
    assert staged(write_tar(tree, tmp_path / "a.bundle.tar"), state) == MANIFEST.stored
    assert stored(state) == {sha256(data): data for data in tree.values()}


@pytest.mark.parametrize("kind", ["flipped", "cut", "longer", "endless"])
def test_a_blob_that_is_not_what_was_signed_gets_no_name(tree: Tree, tmp_path: Path, state: Path, kind: str) -> None:
    name = form.blob_path(MANIFEST.files["models/desk.gguf"][1].sha256)
    data = tree[name]
    tree[name] = {
        "flipped": data[:-1] + bytes([data[-1] ^ 1]),
        "cut": data[:-1],
        "longer": data + b"x",
        "endless": data + b"\0" * 20_000_000,
    }[kind]
    error = refused(directory(tree, tmp_path), state)
    assert error.reason == ("damaged_blob" if kind in ("flipped", "cut") else "too_large")
    assert name in error.message
    assert whole(state)
    assert Path(name).name not in stored(state)


def test_what_a_pulled_stick_left_is_kept_and_taken_up_again(tree: Tree, tmp_path: Path, state: Path) -> None:
    place = directory(tree, tmp_path)
    for more in range(1, len(tree)):
        with media.opened(place) as source, pytest.raises(BundleRefused) as raised:
            stage.stage(MANIFEST, Pulled(source, 2), state)
        assert raised.value.reason == "medium_gone"
        assert whole(state)
        assert len(stored(state)) == more
    assert staged(place, state) == list(MANIFEST.blobs.values())[-1]


class Pulled:
    """A stick that is pulled out in the middle of the blob with this number."""

    def __init__(self, source: media.Source, at: int) -> None:
        self.label = source.label
        self._source = source
        self._left = at

    def size(self, path: str) -> int | None:
        return self._source.size(path)

    def names(self, folder: str) -> frozenset[str] | None:
        return self._source.names(folder)

    def close(self) -> None: ...

    @contextmanager
    def open(self, path: str, at: int = 0) -> Iterator[media.Stream | None]:
        self._left -= 1
        if self._left:
            with self._source.open(path, at) as stream:
                yield stream
        else:
            yield Half()


class Half:
    size = 10

    def __init__(self) -> None:
        self._read = False

    def readinto(self, buffer: memoryview) -> int:
        if self._read:
            raise media.refusal_of("blob", OSError(5, "Input/output error"))
        self._read = True
        buffer[:3] = b"abc"
        return 3


def test_a_blob_that_vanishes_after_the_check_is_named(tree: Tree, tmp_path: Path, state: Path) -> None:
    place = directory(tree, tmp_path)
    name = next(iter(tree))
    (place / name).unlink()
    error = refused(place, state)
    assert (error.reason, name in error.message) == ("medium_gone", True)


def test_a_link_in_a_blobs_place_is_refused(tree: Tree, tmp_path: Path, state: Path) -> None:
    place = directory(tree, tmp_path)
    name = next(iter(tree))
    (place / name).rename(tmp_path / "blob")
    (place / name).symlink_to(tmp_path / "blob")
    assert refused(place, state).reason == "not_a_plain_file"


def test_a_full_disk_is_said_to_be_and_leaves_nothing(tree: Tree, tmp_path: Path, state: Path) -> None:
    place = directory(tree, tmp_path)
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from tests.bundle.test_stage import staged; staged(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, place, state], capture_output=True, text=True, check=False)
    assert "BundleRefused: The disk is full" in ended.stderr
    assert whole(state)
    assert all(len(data) <= 1000 for data in stored(state).values())
    assert staged(place, state) > 0


def test_a_store_that_cannot_be_written_is_said_to_be(tree: Tree, tmp_path: Path) -> None:
    place = directory(tree, tmp_path)
    error = refused(place, tmp_path / "nowhere")
    assert error.reason == "store_trouble"
    (tmp_path / "state").mkdir()
    (tmp_path / "state/store").write_bytes(b"")
    assert refused(place, tmp_path / "state").reason == "store_trouble"


def test_two_imports_at_once_do_not_mix(tree: Tree, tmp_path: Path, state: Path) -> None:
    place = directory(tree, tmp_path)
    (state / "store").mkdir()
    with (state / "store/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refused(place, state).reason == "import_in_progress"
    assert staged(place, state) == MANIFEST.stored


def test_killed_at_every_write_the_store_is_whole_and_goes_on(tmp_path: Path, state: Path) -> None:
    """kill -9 before the n-th call that opens, makes, renames or removes a file of the store, for every n."""
    files = {"policy/policy.json": b"policy", "taxonomy.json": b"t" * 5000}
    manifest = tmp_path / "generation.json"
    manifest.write_bytes(form.write_manifest(Publisher().manifest(files)))
    tree = {form.blob_path(sha256(piece)): piece for data in files.values() for piece in pieces(data)}
    place = directory(tree, tmp_path)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from appliance.bundle import manifest, media, stage\n"
        "left = int(sys.argv[4])\n"
        "def hook(event, arguments):\n"
        "    global left\n"
        "    if event in ('open', 'os.rename', 'os.mkdir', 'os.remove') and '/store' in str(arguments[0]):\n"
        "        left -= 1\n"
        "        if left < 0: os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(hook)\n"
        "with media.opened(Path(sys.argv[1])) as source:\n"
        "    stage.stage(manifest.read_manifest(Path(sys.argv[3]).read_bytes()), source, Path(sys.argv[2]))"
    )
    killed = 0
    for point in range(200):
        state = tmp_path / f"state-{point}"
        state.mkdir()
        command = [sys.executable, "-c", code, place, state, manifest]
        ended = subprocess.run([*command, str(point)], capture_output=True, check=False)
        assert all(sha256(data) == name for name, data in stored(state).items())
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        killed += 1
        with media.opened(place) as source:
            stage.stage(form.read_manifest(manifest.read_bytes()), source, state)
        assert whole(state)
        assert stored(state) == {sha256(data): data for data in tree.values()}
    assert 15 < killed < 200


def test_memory_does_not_grow_with_the_size_of_a_blob(tmp_path: Path, state: Path) -> None:
    length = 256 << 20
    zeros = sha256(bytes(length))
    manifest = Manifest(
        id="big-2026.1",
        security_epoch=0,
        least_appliance="0.1.0",
        architectures=("any",),
        files={"models/big.gguf": (Blob(zeros, length),)},
        disk_bytes=length,
    )
    file = tmp_path / "big.bundle" / form.blob_path(zeros)
    file.parent.mkdir(parents=True)
    (tmp_path / "big.bundle/metadata").mkdir()
    with file.open("wb") as stream:
        stream.truncate(length)
    code = (
        "import sys; from pathlib import Path\n"
        "from appliance.bundle import manifest, media, stage\n"
        "with media.opened(Path(sys.argv[1])) as source:\n"
        "    stage.stage(manifest.read_manifest(Path(sys.argv[3]).read_bytes()), source, Path(sys.argv[2]))\n"
        "(line,) = (line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(line.split()[1])"
    )
    (tmp_path / "generation.json").write_bytes(form.write_manifest(manifest))
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "big.bundle", state, tmp_path / "generation.json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ended.stdout) < 64 * 1024  # KiB

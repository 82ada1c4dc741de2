"""Claims about a mirror: clients can use it after every interruption, and it is never taken back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.bundle import media, verify
from appliance.bundle.trust import Trusted
from appliance.store.floors import TrustState
from signing import declare as declaring
from signing import publish, station, tree
from signing.errors import BenchError
from signing.station import Station
from tests.signing.conftest import NOW, YEAR, Bench, Publisher
from tests.signing.interrupted import points


def used(mirror: Path, state: TrustState) -> Trusted:
    """What a client gets: everything verified, and every blob there whole."""
    with media.opened(mirror) as source:
        found = verify.trusted(source, state)
    for digest, length in found.manifest.blobs.items():
        assert (mirror / "blobs" / "sha256" / digest[:2] / digest).stat().st_size == length
    return found


def begin(publisher: Publisher) -> TrustState:
    return verify.begin((publisher.station.metadata / "1.root.json").read_bytes())


def publish_to(publisher: Publisher, mirror: Path, *, at_once: bool = False) -> int:
    return publish.mirror(tree.Folder(publisher.station.directory), mirror, at_once=at_once)


def changed(publisher: Publisher, content: Path, note: str) -> None:
    (content / "detectors.json").write_text(f'{{"note": "{note}"}}\n')
    publisher.press(content, NOW + timedelta(minutes=1))


def test_a_mirror_is_written_once_and_then_only_what_is_new(
    publisher: Publisher, content: Path, tmp_path: Path
) -> None:
    publisher.press(content)
    mirror = tmp_path / "mirror"
    assert publish_to(publisher, mirror) > 10
    assert publish_to(publisher, mirror) == 0
    state = begin(publisher)
    state = verify.accepted(state, used(mirror, state))
    changed(publisher, content, "two")
    assert publish_to(publisher, mirror) == 6  # a blob, the manifest, two roles, snapshot, timestamp
    assert used(mirror, state).manifest.id == f"site-{YEAR}.2"


def test_the_timestamp_comes_last_and_blobs_first(publisher: Publisher, content: Path) -> None:
    publisher.press(content)
    order = list(publish.order(tree.verify(tree.Folder(publisher.station.directory))))
    kinds = [path.split("/")[0] for path in order]
    assert kinds == sorted(kinds, key=["blobs", "targets", "metadata"].index)
    assert order[-1] == "metadata/timestamp.json"
    assert order[-2] == "metadata/1.root.json"
    assert (
        order.index("metadata/2.snapshot.json")
        > order.index("metadata/2.targets.json")
        > order.index(next(path for path in order if path.startswith("targets/")))
    )


def publication(publisher: Publisher, content: Path, quick_disk: Path) -> Callable[[int], Callable[[], object]]:
    """A mirror of the first generation, and the publication of what the station holds by then."""
    publisher.press(content)
    publish_to(publisher, quick_disk / "first")

    def prepare(at: int) -> Callable[[], object]:
        shutil.copytree(quick_disk / "first", quick_disk / str(at))
        return lambda: publish_to(publisher, quick_disk / str(at))

    return prepare


def test_interrupted_at_any_point_clients_can_use_the_mirror(
    publisher: Publisher, content: Path, quick_disk: Path
) -> None:
    prepare = publication(publisher, content, quick_disk)
    old = begin(publisher)
    known = verify.accepted(old, used(quick_disk / "first", old))
    changed(publisher, content, "two")
    seen = set()
    for at in points(prepare):
        mirror = quick_disk / str(at)
        seen |= {used(mirror, state).manifest.id for state in (old, known)}
        publish_to(publisher, mirror)
        assert used(mirror, known).manifest.id == f"site-{YEAR}.2"
        assert not list(mirror.rglob(".*"))
    assert f"site-{YEAR}.1" in seen


def test_interrupted_in_a_planned_change_of_keys_clients_can_use_the_mirror(
    publisher: Publisher, content: Path, quick_disk: Path
) -> None:
    """A root that accepts both station keys, then one that accepts the new one: no moment without a valid state."""
    prepare = publication(publisher, content, quick_disk)
    old = begin(publisher)
    known = verify.accepted(old, used(quick_disk / "first", old))
    publisher.holder("station-two")
    for before, after in (("[station]", "[station, station-two]"), ("[station, station-two]", "[station-two]")):
        publisher.roles(before, after)
        declaring.declare(publisher.station, NOW)
        publisher.sign_all()
        publisher.seal(NOW + timedelta(minutes=1))
        for at in points(prepare):
            mirror = quick_disk / str(at)
            assert used(mirror, old).manifest == used(mirror, known).manifest
            publish_to(publisher, mirror)
            assert used(mirror, known).role["timestamp"].version > known.floors.versions["timestamp"]
            shutil.rmtree(mirror)
        shutil.rmtree(quick_disk / str(at + 1))  # the one that was not interrupted
        publish_to(publisher, quick_disk / "first")


def test_a_root_that_does_not_accept_what_the_mirror_holds_must_be_meant(
    publisher: Publisher, content: Path, tmp_path: Path
) -> None:
    publisher.press(content)
    mirror = tmp_path / "mirror"
    publish_to(publisher, mirror)
    publisher.holder("station-two")
    publisher.roles("[station]", "[station-two]")
    declaring.declare(publisher.station, NOW)
    publisher.sign_all()
    publisher.seal(NOW + timedelta(minutes=1))
    with pytest.raises(BenchError) as refused:
        publish_to(publisher, mirror)
    assert refused.value.code == "mirror_gap"
    assert not (mirror / "metadata/2.root.json").exists()
    publish_to(publisher, mirror, at_once=True)
    assert used(mirror, begin(publisher)).role["root"].version == 2


def test_a_mirror_is_never_taken_back(publisher: Publisher, content: Path, tmp_path: Path) -> None:
    publisher.press(content)
    shutil.copytree(publisher.station.directory, tmp_path / "old")
    mirror = tmp_path / "mirror"
    changed(publisher, content, "two")
    publish_to(publisher, mirror)
    before = (mirror / "metadata/timestamp.json").read_bytes()
    with pytest.raises(BenchError) as refused:
        publish.mirror(tree.Folder(tmp_path / "old"), mirror)
    assert refused.value.code == "mirror_behind"
    assert (mirror / "metadata/timestamp.json").read_bytes() == before


def test_a_mirror_of_another_publisher_is_left_alone(publisher: Publisher, content: Path, tmp_path: Path) -> None:
    publisher.press(content)
    other = Publisher(Station.make(tmp_path / "other", "Other"), tmp_path / "other-keys")
    for name in ("anna", "boris", "chen", "dora", "emil", "station"):
        other.holder(name)
    declaring.declare(other.station, NOW)
    other.sign_all()
    other.seal()
    other.press(content)
    publish_to(publisher, tmp_path / "mirror")
    with pytest.raises(BenchError) as refused:
        publish_to(other, tmp_path / "mirror")
    assert refused.value.code == "mirror_behind"


def test_a_timestamp_that_a_revoked_key_pushed_forward_holds_nobody_up(
    publisher: Publisher, content: Path, tmp_path: Path
) -> None:
    publisher.press(content)
    mirror = tmp_path / "mirror"
    publish_to(publisher, mirror)
    pushed = publisher.station.published("timestamp")
    assert pushed is not None
    pushed.signed.version = 2_000_000_000
    pushed.sign(publisher.signers["station"])
    (mirror / "metadata/timestamp.json").write_bytes(station.to_bytes(pushed))
    with pytest.raises(BenchError) as refused:
        publish_to(publisher, mirror)
    assert refused.value.code == "mirror_behind"
    publisher.holder("station-two")
    publisher.roles("[station]", "[station-two]")
    declaring.declare(publisher.station, NOW)
    publisher.sign_all()
    publisher.seal(NOW + timedelta(minutes=1))
    publish_to(publisher, mirror, at_once=True)
    assert used(mirror, begin(publisher)).role["timestamp"].version < 10


def test_a_bundle_that_came_by_stick_is_published_to_a_mirror(
    publisher: Publisher, content: Path, tmp_path: Path, bench: Bench
) -> None:
    publisher.press(content)
    tar = publish.tar(tree.Folder(publisher.station.directory), tmp_path)
    assert bench("mirror", tar, tmp_path / "mirror").code == 0
    assert used(tmp_path / "mirror", begin(publisher)).manifest.id == f"site-{YEAR}.1"
    assert bench("mirror", tar, tmp_path / "mirror").out == "Nothing is new.\n"


def test_what_cannot_be_written_is_said_and_nothing_half_is_left(
    publisher: Publisher, content: Path, tmp_path: Path
) -> None:
    """The kernel refuses files beyond a length, as a full disk would."""
    (content / "evals" / "large.jsonl").write_bytes(b"x" * 100_000)
    publisher.press(content)
    mirror = tmp_path / "mirror"
    command = [sys.executable, "-m", "signing.cli.main", "mirror", str(publisher.station.directory), str(mirror)]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 64; exec "$@"', "-", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith("[write_failed]")
    assert not (mirror / "metadata").exists()
    assert not list(mirror.rglob("*.part"))
    publish_to(publisher, mirror)
    assert used(mirror, begin(publisher)).manifest.id == f"site-{YEAR}.1"

"""Claims about the look before anything is copied: all that is missing is named, and what this host cannot take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.bundle import manifest as form
from appliance.bundle import media, preflight, stage, verify
from appliance.bundle.preflight import Host, Preflight
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.trust import Trusted
from appliance.store.floors import Floors
from tests.bundle.publisher import Publisher, Tree, write_tar, write_tree

HOST = Host("x86_64", "0.1.0", 10**12, lambda _sha256, _length: False)


class Offer:
    """A bundle in a directory, verified."""

    def __init__(self, place: Path, tree: Tree, bundle: Trusted) -> None:
        self.place, self.tree, self.bundle = place, tree, bundle

    def check(self, host: Host = HOST, **over: Any) -> Preflight:
        with media.opened(self.place) as source:
            return preflight.check(replace(self.bundle, **over), source, host)

    def refused(self, host: Host = HOST, **over: Any) -> BundleRefused:
        with pytest.raises(BundleRefused) as raised:
            self.check(host, **over)
        assert raised.value.next_step
        return raised.value


def offer(tmp_path: Path, **over: Any) -> Offer:
    publisher = Publisher()
    tree = publisher.release(**over)
    place = write_tree(tree, tmp_path / "a.bundle")
    with media.opened(place) as source:
        return Offer(place, tree, verify.trusted(source, verify.begin(publisher.roots[1])))


def test_a_whole_bundle_is_counted(tmp_path: Path) -> None:
    given = offer(tmp_path)
    total = given.bundle.manifest.stored
    assert given.check() == Preflight(total, total, -(-total * 11 // 10))


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    given = offer(tmp_path)
    blobs = [name for name in given.tree if name.startswith("blobs/")]
    for name in blobs:
        (given.place / name).unlink()
    error = given.refused()
    assert error.reason == "incomplete"
    assert {detail.split(",")[0] for detail in error.details} == set(blobs)
    assert len(error.details) == len(blobs)
    assert any("models/desk.gguf: missing" in detail for detail in error.details)


def test_a_blob_of_another_size_is_named(tmp_path: Path) -> None:
    given = offer(tmp_path)
    name = form.blob_path(given.bundle.manifest.files["models/desk.gguf"][0].sha256)
    (given.place / name).write_bytes(b"short")
    (detail,) = given.refused().details
    assert detail == f"{name}, of models/desk.gguf: has 5 bytes and must have 4096"


def test_half_a_tar_is_incomplete_too(tmp_path: Path) -> None:
    given = offer(tmp_path)
    blobs = [name for name in given.tree if name.startswith("blobs/")]
    tar = write_tar({k: v for k, v in given.tree.items() if k not in blobs[:2]}, tmp_path / "b.bundle.tar")
    given.place = tar
    assert len(given.refused().details) == 2


def test_what_the_store_has_need_not_be_on_the_medium(tmp_path: Path) -> None:
    given = offer(tmp_path)
    state = tmp_path / "state"
    state.mkdir()
    with media.opened(given.place) as source:
        stage.stage(given.bundle.manifest, source, state)
    for name in given.tree:
        if name.startswith("blobs/"):
            (given.place / name).unlink()
    host = replace(HOST, free=0, held=lambda sha256, length: stage.held(state, sha256, length))
    assert given.check(host).to_copy == given.check(host).needed == 0


def test_the_disk_needs_a_tenth_more_than_is_copied(tmp_path: Path) -> None:
    given = offer(tmp_path)
    needed = given.check().needed
    assert given.check(replace(HOST, free=needed)).needed == needed
    assert given.refused(replace(HOST, free=needed - 1)).reason == "no_space"


def test_room_that_the_manifest_asks_for_besides_counts(tmp_path: Path) -> None:
    given = offer(tmp_path, disk_bytes=10**9)
    assert given.check().needed == 1_100_000_000


@pytest.mark.parametrize(("stated", "fits"), [(("any",), True), (("x86_64", "aarch64"), True), (("aarch64",), False)])
def test_a_bundle_for_another_architecture_is_refused(tmp_path: Path, stated: tuple[str, ...], fits: bool) -> None:
    given = offer(tmp_path, architectures=stated)
    if fits:
        given.check()
    else:
        assert given.refused().reason == "wrong_architecture"


@pytest.mark.parametrize(
    ("needs", "has", "fits"),
    [("0.1.0", "0.1.0", True), ("0.2", "0.1.9", False), ("0.9.0", "0.10.0", True), ("1.0.0", "0.99.99", False),
     ("0.1.0", "0.1.0+local", True), ("0.1.0", "0.1.0rc1", True), ("2", "2.0.1.dev3", True)],
)  # fmt: skip
def test_a_program_that_is_too_old_is_told(tmp_path: Path, needs: str, has: str, fits: bool) -> None:
    given = offer(tmp_path, least_appliance=needs)
    host = replace(HOST, version=has)
    if fits:
        given.check(host)
    else:
        assert given.refused(host).reason == "program_too_old"


def test_a_security_epoch_below_the_accepted_one_is_refused(tmp_path: Path) -> None:
    given = offer(tmp_path, security_epoch=4)
    assert given.check(before=Floors(epoch=4))
    assert given.refused(before=Floors(epoch=5)).reason == "epoch_below_floor"


def test_one_id_for_two_contents_is_refused(tmp_path: Path) -> None:
    given = offer(tmp_path)
    same = replace(HOST, generation="test-2026.1", manifest_sha256=given.bundle.manifest_sha256)
    assert given.check(same)
    assert given.refused(replace(same, manifest_sha256="0" * 64)).reason == "id_reused"

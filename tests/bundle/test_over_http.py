"""Claims about the client core over HTTP: the same verification, strict, as any conformance harness would drive it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata

from appliance.bundle import manifest as form
from tests.bundle import tuf_client
from tests.bundle.publisher import Publisher, sha256, write_tree
from tests.standins.static import Ill, Static


@contextmanager
def served(folder: Path, ill: Ill = lambda _: "") -> Iterator[str]:
    with Static(folder, ill) as web:
        yield web.url


@pytest.fixture
def publisher() -> Publisher:
    far = datetime.now(UTC).replace(microsecond=0) + timedelta(days=100)
    return Publisher(expires=far, late=far)


class Node:
    """A metadata directory and a target directory, and the command line run on them."""

    def __init__(self, top: Path, url: str, root: bytes) -> None:
        self.metadata, self.targets, self.url = top / "metadata-dir", top / "target-dir", url
        for folder in (self.metadata, self.targets):
            folder.mkdir()
        (top / "bootstrap.json").write_bytes(root)
        assert self("init", str(top / "bootstrap.json")) == 0

    def __call__(self, *command: str, name: str = "") -> int:
        options = ["--metadata-dir", str(self.metadata), "--metadata-url", f"{self.url}/metadata"]
        target = ["--target-name", name, "--target-base-url", f"{self.url}/targets", "--target-dir", str(self.targets)]
        return tuf_client.main([*options, *(target if name else []), *command])

    def version(self, role: str) -> int:
        path = self.metadata / f"{role}.json"
        return Metadata.from_file(str(path)).signed.version if path.exists() else 0


def test_a_mirror_is_refreshed_and_the_manifest_downloaded(publisher: Publisher, tmp_path: Path) -> None:
    publisher.rotate("timestamp")
    tree = publisher.release()
    with served(write_tree(tree, tmp_path / "mirror")) as url:
        node = Node(tmp_path, url, publisher.roots[1])
        assert node("refresh") == 0
        assert [node.version(role) for role in ("root", "timestamp", "snapshot", "targets", "models")] == [
            2,
            1,
            1,
            1,
            0,
        ]
        assert node("download", name=form.MANIFEST) == 0
        (file,) = node.targets.iterdir()
        assert form.target_path(form.MANIFEST, sha256(file.read_bytes())) in tree
        assert node("download", name="models/desk.gguf") == 1  # its bytes are blobs (R8)
        assert node.version("models") == 1


def test_what_was_accepted_before_a_refusal_stays_and_the_rest_does_not(publisher: Publisher, tmp_path: Path) -> None:
    tree = publisher.release()
    mirror = write_tree(tree, tmp_path / "mirror")
    with served(mirror) as url:
        node = Node(tmp_path, url, publisher.roots[1])
        assert node("refresh") == 0
        publisher.rotate("root")
        second = publisher.release()
        second["metadata/2.snapshot.json"] = b"{}"
        write_tree(second, mirror)
        assert node("refresh") == 1
        assert [node.version(role) for role in ("root", "timestamp", "snapshot")] == [2, 2, 1]
        write_tree(tree, mirror)  # the older timestamp again
        assert node("refresh") == 1
        assert node.version("timestamp") == 2


@pytest.mark.parametrize("late", ["timestamp", "root"])
def test_expiry_holds_where_tuf_checks_it(tmp_path: Path, late: str) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    past, far = now - timedelta(days=1), now + timedelta(days=1)
    publisher = Publisher(expires=past if late == "root" else far, late=past if late == "timestamp" else far)
    with served(write_tree(publisher.release(), tmp_path / "mirror")) as url:
        node = Node(tmp_path, url, publisher.roots[1])
        assert node("refresh") == 1
        assert [node.version(role) for role in ("timestamp", "snapshot", "targets")] == [0, 0, 0]


def test_an_endless_answer_is_cut_off(publisher: Publisher, tmp_path: Path) -> None:
    tree = publisher.release()
    tree["metadata/timestamp.json"] += b" " * form.MAX_TIMESTAMP
    with served(write_tree(tree, tmp_path / "mirror")) as url:
        assert Node(tmp_path, url, publisher.roots[1])("refresh") == 1
    (tmp_path / "endless").mkdir()
    with served(tmp_path / "mirror", lambda asked: "endless" if "snapshot" in asked.path else "") as url:
        assert Node(tmp_path / "endless", url, publisher.roots[1])("refresh") == 1


def test_a_role_whose_file_begins_with_a_dot_is_asked_for_too(tmp_path: Path) -> None:
    """Without consistent snapshots '..' is a role's file name; a harness has such, and M1's names begin otherwise."""
    asked: list[str] = []
    (tmp_path / "mirror").mkdir()
    with served(tmp_path / "mirror", lambda each: asked.append(each.path) or "") as url:
        assert tuf_client.fetch(url, "metadata/...json", 10) is None
        assert tuf_client.fetch(url, "metadata/..%2Fdelegated.json", 10) is None
    assert asked == ["metadata/%2E..json", "metadata/%2E.%2Fdelegated.json"]

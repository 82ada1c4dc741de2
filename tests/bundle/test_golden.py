"""Claims about bundles that were pressed before: the good one is taken, each bad one refused for its reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.bundle import freshness, media, preflight, stage, verify
from appliance.bundle import manifest as form
from appliance.bundle.refusal import BundleRefused
from appliance.store import floors
from tests.bundle import golden
from tests.bundle.publisher import Tree, write_tree

BUNDLE = golden.GOLDEN / form.bundle_name(golden.GOOD)
BAD = sorted((golden.GOLDEN / "bad").glob("*.json"))


def good() -> Tree:
    return {str(path.relative_to(BUNDLE)): path.read_bytes() for path in BUNDLE.rglob("*") if path.is_file()}


def imported(place: Path, state_dir: Path) -> int:
    """All that an import does up to the store; the bytes that were copied."""
    state = floors.read(state_dir)
    with media.opened(place) as source:
        bundle = verify.trusted(source, state)
        assert isinstance(state, floors.TrustState)
        freshness.judge(bundle, freshness.Moment(datetime.now(UTC)), "airgap")
        preflight.check(bundle, source, verify.host_of(state_dir, state))
        return stage.stage(bundle.manifest, source, state_dir)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def test_the_good_one_is_taken(state_dir: Path) -> None:
    floors.write(state_dir, verify.begin(good()["metadata/1.root.json"]))
    assert imported(BUNDLE, state_dir) > 0


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_bad_one_is_refused_and_leaves_nothing(file: Path, state_dir: Path, tmp_path: Path) -> None:
    bad = json.loads(file.read_text())
    root = good()["metadata/1.root.json"]
    state = floors.from_text(bad["state"]) if bad["state"] else verify.begin(root)
    floors._write_both(state_dir, state)
    tree = {path: data for path, data in good().items() if path not in bad["remove"]}
    tree |= {path: text.encode() for path, text in bad["put"].items()}
    with pytest.raises(BundleRefused) as raised:
        imported(write_tree(tree, tmp_path / "bad.bundle"), state_dir)
    assert raised.value.reason == bad["reason"]
    assert floors.read(state_dir) == state
    stored = [path for path in (state_dir / "store").rglob("*") if path.is_file() and path.name != "lock"]
    if bad["reason"] == "damaged_blob":
        assert all(path.parent.parent.name == "sha256" for path in stored)
        assert all(form.is_digest(path.name) for path in stored)
    else:
        assert stored == []


def test_there_is_one_for_every_way(tmp_path: Path) -> None:
    by = golden.publisher()
    pressed = {name: reason for name, reason, _, _ in golden.ways(by, golden.release(by))}
    assert pressed == {file.stem: json.loads(file.read_text())["reason"] for file in BAD}
    assert sum(path.stat().st_size for path in golden.GOLDEN.rglob("*") if path.is_file()) < 400_000

"""Claims about the starter content as a bundle: from the medium through the store, it is what the node reads today."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.bundle import freshness, media, preflight, stage, verify
from appliance.bundle.content import damaged, load_generation
from appliance.store import floors
from tests.bundle import publisher as bench
from tests.bundle.publisher import Publisher, write_tar

STARTER = Path(__file__).resolve().parents[2] / "build/starter"


def test_the_starter_content_comes_through_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CUT", 4 << 20)
    publisher = Publisher()
    files = {str(path.relative_to(STARTER)): path.read_bytes() for path in STARTER.rglob("*") if path.is_file()}
    tar = write_tar(publisher.release(files, id="starter-2026.1"), tmp_path / "starter.bundle.tar")
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    floors.write(state_dir, verify.begin(publisher.root))
    state = floors.read(state_dir)
    assert isinstance(state, floors.TrustState)
    with media.opened(tar) as source:
        bundle = verify.trusted(source, state)
        freshness.judge(bundle, freshness.Moment(datetime.now(UTC)), "airgap")
        room = preflight.check(bundle, source, verify.host_of(state_dir, state))
        assert stage.stage(bundle.manifest, source, state_dir) == room.to_copy
    rebuilt = tmp_path / "rebuilt"
    for path, pieces in bundle.manifest.files.items():
        (rebuilt / path).parent.mkdir(parents=True, exist_ok=True)
        with (rebuilt / path).open("wb") as out:
            for blob in pieces:
                out.write((state_dir / "store/sha256" / blob.sha256[:2] / blob.sha256).read_bytes())
    generation = load_generation(rebuilt)
    assert generation.id == load_generation(STARTER).id
    assert [damaged(card, rebuilt) for card in generation.cards] == [""] * len(generation.cards)

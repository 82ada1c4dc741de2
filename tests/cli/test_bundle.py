"""Claims about `weir bundle`: what it says of good and bad media, its exit codes, and that it changes nothing."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.bundle import manifest as form
from appliance.bundle import media, verify
from appliance.store import floors
from tests.bundle.publisher import FILES, Publisher, write_tar, write_tree
from tests.bundle.rig import content
from tests.cli.conftest import Weir
from tests.standins.static import Static

ROOT = Path(__file__).resolve().parents[2]
DOCS = (ROOT / "docs/bundles.md").read_text(encoding="utf-8")


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def stick(publisher: Publisher, tmp_path: Path) -> Path:
    """A medium with one good bundle, and the root beside it."""
    write_tree(publisher.release(), tmp_path / "usb/test-2026.1.bundle")
    (tmp_path / "root.json").write_bytes(publisher.roots[1])
    return tmp_path / "usb"


@pytest.fixture
def state(publisher: Publisher, tmp_path: Path) -> Path:
    """A node that trusts the root."""
    (tmp_path / "state").mkdir()
    floors.write(tmp_path / "state", verify.begin(publisher.roots[1]))
    return tmp_path / "state"


def accept(state: Path, place: Path) -> None:
    """What an import does once everything held."""
    before = floors.read(state)
    assert isinstance(before, floors.TrustState)
    with media.opened(place) as source:
        floors.write(state, verify.accepted(before, verify.trusted(source, before)))


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def told(weir: Weir, *arguments: str | Path, code: int = 0) -> Any:
    ended = weir("bundle", *map(str, arguments), "--json")
    assert ended.code == code, ended.err
    return json.loads(ended.out)


def test_a_good_bundle_is_shown_with_who_signed_it(weir: Weir, publisher: Publisher, stick: Path, state: Path) -> None:
    before = everything(state) | everything(stick)
    found = told(weir, "verify", stick, "--state", state)
    assert found["taken"] is True
    assert found["id"] == "test-2026.1"
    assert found["root"] == {"name": "Test publisher", "evaluation": True, "version": 1}
    for role in found["roles"]:
        assert set(role["keys"]) == {key.public_key.keyid for key in publisher.keys[role["role"]]}
    assert found["changes"]["added"] == sorted(FILES)
    assert found["room"]["to_copy"] == found["room"]["total"] == publisher.manifest(FILES).stored
    assert everything(state) | everything(stick) == before


def test_people_read_the_same(weir: Weir, stick: Path, state: Path) -> None:
    ended = weir("bundle", "verify", str(stick), "--state", str(state))
    assert ended.code == 0
    assert "FOR EVALUATION ONLY" in ended.out and "would take it" in ended.out
    assert "+ models/desk.gguf" in ended.out


def test_the_same_bundle_again_is_no_change(weir: Weir, stick: Path, state: Path) -> None:
    accept(state, stick)
    found = told(weir, "verify", stick, "--state", state)
    assert (found["taken"], found["same"]) == (True, True)
    assert found["changes"]["against"] == "test-2026.1"
    assert "no change" in weir("bundle", "verify", str(stick), "--state", str(state)).out


def test_a_tar_and_a_named_root_do_on_any_host(weir: Weir, publisher: Publisher, stick: Path, tmp_path: Path) -> None:
    tar = write_tar(publisher.release(), tmp_path / "x.bundle.tar")
    none = tmp_path / "none"
    assert told(weir, "verify", tar, "--state", none, code=1)["error"]["code"] == "no_root"
    assert told(weir, "verify", tar, "--state", none, "--root", tmp_path / "root.json", "--blobs")["blobs_read"] is True
    assert not none.exists()


def test_show_names_every_file_and_its_role(weir: Weir, stick: Path, state: Path) -> None:
    found = told(weir, "show", stick, "--state", state)
    roles = {file["path"]: (file["role"], file["length"]) for file in found["files"]}
    assert roles["policy/policy.json"] == ("policies", len(FILES["policy/policy.json"]))
    assert roles["models/desk.gguf"] == ("models", len(FILES["models/desk.gguf"]))
    assert roles.keys() == FILES.keys()


def test_find_lists_and_of_two_none_is_chosen(weir: Weir, publisher: Publisher, stick: Path, state: Path) -> None:
    (stick / "._x.bundle").mkdir()
    assert [each["kind"] for each in told(weir, "find", stick)["bundles"]] == ["directory"]
    write_tar(publisher.release(), stick / "other-2026.2.bundle.tar")
    assert len(told(weir, "find", stick)["bundles"]) == 2
    error = told(weir, "verify", stick, "--state", state, code=1)["error"]
    assert error["code"] == "several_bundles"
    assert len(error["details"]) == 2
    for number in range(15):
        (stick / f"{number}.bundle").mkdir()
    ended = weir("bundle", "find", str(stick))
    assert len(ended.out.splitlines()) == 17
    assert "examines the first 16 only" in ended.err
    (stick.parent / "empty").mkdir()
    assert told(weir, "find", stick.parent / "empty", code=1) == {"bundles": []}
    assert told(weir, "find", stick / "nowhere", code=1)["error"]["code"] == "no_bundle"


def test_a_missing_blob_a_flipped_one_and_half_a_stick_are_named(weir: Weir, stick: Path, state: Path) -> None:
    blobs = [path for path in (stick / "test-2026.1.bundle/blobs").rglob("*") if path.is_file()]
    content = blobs[0].read_bytes()
    blobs[0].write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert told(weir, "verify", stick, "--state", state)["taken"] is True
    found = told(weir, "verify", stick, "--state", state, "--blobs", code=1)
    assert found["refused"]["reason"] == "damaged_blob"
    for blob in blobs[:3]:
        blob.unlink()
    found = told(weir, "verify", stick, "--state", state, code=1)
    assert (found["taken"], found["refused"]["reason"]) == (False, "incomplete")
    assert len(found["refused"]["details"]) == 3
    ended = weir("bundle", "verify", str(stick), "--state", str(state))
    assert ended.code == 1
    assert all(blob.name in ended.out for blob in blobs[:3])
    assert "(incomplete)" in ended.err and "Copy the bundle" in ended.err


def test_an_older_bundle_and_a_wiped_state_are_refused(
    weir: Weir, publisher: Publisher, stick: Path, state: Path, tmp_path: Path
) -> None:
    newer = write_tree(publisher.release(id="test-2026.2"), tmp_path / "new/test-2026.2.bundle")
    accept(state, newer)
    assert told(weir, "verify", stick, "--state", state, code=1)["error"]["code"] == "older_bundle"
    (state / "trust/state.json").unlink()
    assert told(weir, "verify", stick, "--state", state, code=1)["error"]["code"] == "state_lost"
    assert told(weir, "verify", newer, "--state", state, code=1)["error"]["code"] == "state_lost"


def test_a_strangers_bundle_is_refused(weir: Weir, state: Path, tmp_path: Path) -> None:
    place = write_tree(Publisher().release(), tmp_path / "evil.bundle")
    error = told(weir, "verify", place, "--state", state, code=1)["error"]
    assert error["code"] == "threshold_missed"
    assert error["next_step"]


def test_a_late_bundle_waits_for_an_acknowledgement_and_strict_takes_none(
    weir: Weir, publisher: Publisher, state: Path, tmp_path: Path
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    publisher.late = now - timedelta(days=1)
    place = write_tree(publisher.release(issued=now - timedelta(days=30)), tmp_path / "late.bundle")
    config = tmp_path / "weir.yaml"
    config.write_text(f"state_dir: {state}\nbundles: {{clock_trusted: true}}\n")
    asked = ("verify", place, "--config", config)
    assert told(weir, *asked, code=1)["refused"]["reason"] == "needs_acknowledgement"
    found = told(weir, *asked, "--acknowledge")
    assert found["age"]["expired"] == ["timestamp", "snapshot"]
    config.write_text(f"state_dir: {state}\nbundles: {{clock_trusted: true, freshness: strict}}\n")
    assert told(weir, *asked, "--acknowledge", code=1)["refused"]["reason"] == "expired"
    config.write_text(f"state_dir: {state}\nbundles: {{clock_trusted: true, max_age_days: 20}}\n")
    assert told(weir, *asked, "--acknowledge", code=1)["refused"]["reason"] == "too_old"


def test_a_changelog_cannot_speak_to_the_terminal(
    weir: Weir, publisher: Publisher, state: Path, tmp_path: Path
) -> None:
    place = write_tree(publisher.release(changelog="fine\x1b[2J\u202e"), tmp_path / "a.bundle")
    out = weir("bundle", "show", str(place), "--state", str(state)).out
    assert "\x1b" not in out and "\u202e" not in out and "fine" in out


def test_no_root_json_is_said_so(weir: Weir, stick: Path, tmp_path: Path) -> None:
    error = told(weir, "verify", stick, "--root", tmp_path / "none.json", code=2)["error"]
    assert error["code"] == "not_found"
    (tmp_path / "bad.json").write_bytes(b"{" * 600_000)
    assert told(weir, "verify", stick, "--root", tmp_path / "bad.json", code=1)["error"]["code"] == "bad_metadata"


def test_the_commands_of_the_page_run_as_they_stand_there(
    weir: Weir, publisher: Publisher, state: Path, tmp_path: Path
) -> None:
    stick = tmp_path / "usb"
    write_tree(publisher.release(content(tmp_path / "content")), stick / "test-2026.1.bundle")
    (tmp_path / "root.json").write_bytes(publisher.roots[1])
    lines = [line for block in re.findall(r"```sh\n(.*?)```", DOCS, re.S) for line in block.splitlines()]
    assert len(lines) >= 6
    (configured,) = re.findall(r"```yaml\n(.*?)```", DOCS.split("## From a mirror")[1], re.S)
    with Static(stick / "test-2026.1.bundle") as web:
        (state / "weir.yaml").write_text(configured.replace("https://mirror.site.example/weir", web.url))
        for line in lines:
            here = {"/media/usb": str(stick), "root.json": str(stick.parent / "root.json")}
            words = [here.get(word, word) for word in shlex.split(line)]
            state_option = [] if words[1:3] == ["bundle", "find"] else ["--state", str(state)]
            ended = weir(*words[1:], *state_option)
            assert ended.code == 0, (line, ended.err)
    assert web.asked


def test_the_page_names_real_reasons() -> None:
    from appliance.bundle.refusal import REASONS

    rows = DOCS.split("## When it is refused")[1]
    assert set(re.findall(r"`([a-z_]+)`", rows)) <= set(REASONS)
    assert form.TAR_SUFFIX in DOCS

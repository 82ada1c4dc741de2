"""Claims about the form: one byte form per manifest, and no path that some file system reads as another."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bundle import manifest as form
from appliance.bundle.content import load_generation
from appliance.bundle.manifest import Blob, Manifest, ManifestInvalid
from appliance.bundle.refusal import REASONS
from tests.bundle.publisher import FILES, Publisher

ROOT = Path(__file__).resolve().parents[2]
FORMAT = (ROOT / "bundles/FORMAT.md").read_text(encoding="utf-8")
GOOD = Publisher().manifest(FILES)


def written(**over: Any) -> bytes:
    """A manifest's canonical bytes with fields replaced, valid or not."""
    content = json.loads(form.write_manifest(GOOD)) | over
    return (json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n").encode()


def with_files(files: object) -> bytes:
    return written(files=files)


def test_a_manifest_comes_back_from_its_bytes() -> None:
    assert form.read_manifest(form.write_manifest(GOOD)) == GOOD


def test_health_checks_come_back_from_their_bytes() -> None:
    prompt = {"name": "sorts", "card": "desk", "prompt": "Sort 3 1 2", "contains": ["1"], "lacks": ["4"]}
    denial = {"name": "stays", "card": "far", "labels": {"classification": "secret", "residency": "node"}}
    health = {"prompts": [prompt | {"max_tokens": 8, "min_characters": 5}], "denials": [denial]}
    read = form.read_manifest(written(health=health))
    assert read.health.prompts[0].contains == ("1",)
    assert read.health.denials[0].labels == {"classification": "secret", "residency": "node"}
    for bad in ({"colour": "red"}, {"classification": 1}):
        with pytest.raises(ManifestInvalid):
            form.read_manifest(written(health=health | {"denials": [denial | {"labels": bad}]}))


PLAIN = st.text(st.sampled_from("abzABZ019._+-"), min_size=1, max_size=20)


@given(st.lists(PLAIN, min_size=1, max_size=6).map("/".join))
def test_a_path_that_is_accepted_is_one_everywhere(path: str) -> None:
    try:
        form.check_path(path)
    except ValueError:
        return
    assert str(PurePosixPath(path)) == path == os.path.normpath(path)
    assert not PurePosixPath(path).is_absolute() and ".." not in path.split("/")
    assert not PureWindowsPath(path).drive
    assert not {part.partition(".")[0].upper() for part in path.split("/")} & {
        "CON",
        "PRN",
        "AUX",
        "NUL",
        "COM1",
        "LPT1",
    }


@given(st.text(max_size=30))
def test_a_path_of_any_text_stays_below_its_folder(path: str) -> None:
    try:
        form.check_path(path)
    except ValueError:
        return
    assert Path("/top", path).resolve().is_relative_to("/top")
    assert path.isascii() and path.isprintable()


@pytest.mark.parametrize(
    "path",
    ["", "/", "a/", "/a", "a//b", ".", "..", "a/..", "a/./b", ".a", "a/.b", "a\\b", "a b", "a\0", "ä", "a:b", "-a",
     "a/b/c/d/e", "x" * 129, "CON", "nul.txt", "a/Com1", "lpt9.json", "a.", "a/b.", "a\n", "~a", "*"],
)  # fmt: skip
def test_odd_names_are_refused(path: str) -> None:
    with pytest.raises(ManifestInvalid):
        form.read_manifest(with_files({path: []}))


def test_names_that_meet_on_some_file_system_are_refused() -> None:
    for files in ({"a": [], "A": []}, {"a/b": [], "A/c": []}, {"a": [], "a/b": []}, {"x/a": [], "X/A": []}):
        with pytest.raises(ManifestInvalid):
            form.read_manifest(with_files(files))


@pytest.mark.parametrize(
    "blob",
    [["0" * 63, 1], ["0" * 64, 0], ["0" * 64, -1], ["0" * 64, 2**30 + 1], ["G" * 64, 1], ["A" * 64, 1], ["0" * 64, 1.0],
     ["0" * 64, True], ["0" * 64, "1"], ["0" * 64], ["0" * 64, 1, 1], {}, None, "00", [None, 1], ["0" * 64 + "\n", 1]],
)  # fmt: skip
def test_a_blob_is_a_digest_and_a_length(blob: object) -> None:
    with pytest.raises(ManifestInvalid):
        form.read_manifest(with_files({"a": [blob]}))


@pytest.mark.parametrize(
    "over",
    [{"format": 2}, {"format": "1"}, {"id": "x"}, {"id": "X-2026.1"}, {"id": "../x-2026.1"}, {"id": "x-2026.1\n"},
     {"security_epoch": -1}, {"security_epoch": 1.0}, {"security_epoch": True}, {"least_appliance": "1.0-rc"},
     {"architectures": []}, {"architectures": ["riscv64"]}, {"architectures": ["any", "x86_64"]}, {"files": {}},
     {"files": []}, {"disk_bytes": 0}, {"disk_bytes": 10**20}, {"health": None}, {"health": {"prompts": [{}]}},
     {"sbom_sha256": "x"}, {"changelog": "x" * 16_385}, {"more": 1},
     {"health": {"denials": [], "prompts": [], "x": 1}}],
)  # fmt: skip
def test_a_field_of_another_form_is_refused(over: dict[str, Any]) -> None:
    with pytest.raises(ManifestInvalid):
        form.read_manifest(written(**over))


def test_other_bytes_of_the_same_meaning_are_refused() -> None:
    good = form.write_manifest(GOOD)
    content = json.loads(good)
    without = {key: value for key, value in content.items() if key != "changelog"}
    for bad in (
        good.rstrip(),
        good + b" ",
        b"\xef\xbb\xbf" + good,
        json.dumps(content, indent=1, sort_keys=True).encode(),
        good.replace(b'"format":1', b'"format":1,"format":1'),
        (json.dumps(without, sort_keys=True, separators=(",", ":")) + "\n").encode(),
        b"{" * 100_000,
        b"",
        b"\xff",
    ):
        with pytest.raises(ManifestInvalid):
            form.read_manifest(bad)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_refused(data: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        form.read_manifest(data)


@given(st.integers(0, 5 * 2**30), st.integers(0, 5 * 2**30))
def test_a_cut_file_is_whole_and_every_piece_within_the_limit(length: int, head: int) -> None:
    head = min(head, length)
    cuts = form.cuts(length, head)
    assert sum(size for _, size in cuts) == length
    assert [at for at, _ in cuts] == [sum(size for _, size in cuts[:n]) for n in range(len(cuts))]
    assert all(0 < size <= form.MAX_BLOB for _, size in cuts)
    assert head in {0, length, *(at for at, _ in cuts)}


def test_a_manifest_with_the_most_blobs_is_read_and_one_more_is_not() -> None:
    def listed(count: int) -> bytes:
        return with_files({"a": [[f"{number:064x}", 1] for number in range(count)]})

    assert len(form.read_manifest(listed(form.MAX_BLOBS).replace(b'"disk_bytes":', b'"disk_bytes":1')).blobs) == 100_000
    with pytest.raises(ManifestInvalid):
        form.read_manifest(listed(form.MAX_BLOBS + 1))


def test_the_starter_content_is_a_generation_of_this_form(tmp_path: Path) -> None:
    """Cut into blobs and put together again by the manifest alone, it is what the node reads today."""
    starter = ROOT / "build/starter"
    files = {str(path.relative_to(starter)): path.read_bytes() for path in starter.rglob("*") if path.is_file()}
    store: dict[str, bytes] = {}
    listed: dict[str, tuple[Blob, ...]] = {}
    import hashlib

    for path, data in files.items():
        parts = [data[at : at + size] for at, size in form.cuts(len(data), len(data) // 3)]
        listed[path] = tuple(Blob(hashlib.sha256(part).hexdigest(), len(part)) for part in parts)
        store |= {blob.sha256: part for blob, part in zip(listed[path], parts, strict=True)}
    stated = Publisher().manifest({"a": b"a"}).model_dump() | {"files": listed, "disk_bytes": 10**12}
    read = form.read_manifest(form.write_manifest(Manifest(**stated)))
    for path, pieces in read.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"".join(store[blob.sha256] for blob in pieces))
    assert load_generation(tmp_path).id == load_generation(starter).id
    patterns = [pattern for each in form.DELEGATIONS for pattern in each.patterns]
    from tuf.api.metadata import DelegatedRole

    anyone = DelegatedRole("x", [], 1, True, patterns)
    assert all(anyone.is_delegated_path(path) for path in files)


def test_the_bench_imports_no_more_of_the_node_than_this_module() -> None:
    code = (
        "import sys, appliance.bundle.manifest; print(*(name for name in sys.modules if name.startswith('appliance')))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) == {"appliance", "appliance.bundle", "appliance.bundle.manifest"}


# ---- the page -------------------------------------------------------------------------------------------------------


def test_every_rule_that_code_names_is_in_the_page_once() -> None:
    rules = re.findall(r"^- \*\*([LRBPGNCFM]\d+)\*\*", FORMAT, re.M)
    assert len(rules) == len(set(rules))
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "appliance/bundle").glob("*.py"))
    named = set(re.findall(r"\b([LRBPGNCFM]\d{1,2})\b(?!\.)", code))
    assert named <= set(rules), named - set(rules)


def test_the_page_lists_every_reason_and_limit() -> None:
    listed = re.findall(r"^\| `([a-z_]+)` \|", FORMAT.split("## Reason codes")[1], re.M)
    assert listed == list(REASONS)
    spaced = FORMAT.replace("\u202f", " ")
    for limit in (form.MAX_ROOT, form.MAX_TIMESTAMP, form.MAX_SNAPSHOT, form.MAX_TARGETS):
        assert f"{limit:,}".replace(",", " ") in spaced


# ---- no signing code ------------------------------------------------------------------------------------------------

# The node's own key signs its audit, and that of a host's account at Google asks for tokens; neither is a publisher's.
OWN_KEY = {"appliance/identity.py", "appliance/paths/google_tokens.py"}
PRIVATE = re.compile(
    r"PrivateKey|\b[A-Z]\w*Signer\b|\bSigner\b|load_\w*private|from_priv_key|\bsigning\b\s*import|import signing"
)


def test_the_node_names_no_private_key_and_no_signer() -> None:
    for path in sorted((ROOT / "appliance").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name not in OWN_KEY:
            assert not PRIVATE.findall(path.read_text(encoding="utf-8")), name

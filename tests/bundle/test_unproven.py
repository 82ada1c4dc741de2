"""Claims about which models the checks of a generation load again: all but those that passed as they are."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from appliance.bundle.generations import MARKER
from appliance.bundle.health import unproven
from appliance.bundle.manifest import write_manifest
from tests import factories
from tests.bundle.publisher import Publisher

WEIGHTS = b"weights"
PROMPT = {"name": "sum", "card": "one", "prompt": "2 + 2", "contains": ("4",)}


def generation(folder: Path, **over: Any) -> Path:
    """A folder with a local model, a server and a marker, as a generation has them."""
    file = {"path": "models/one/m.gguf", "sha256": hashlib.sha256(WEIGHTS).hexdigest(), "bytes": len(WEIGHTS)}
    one = factories.card("one", runtime="llama_cpp", files=[file], **over.pop("card", {}))
    far = factories.card("far", tier="site", endpoint={"base_url": "http://127.0.0.1:9", "model": "m"})
    files = {
        "cards/one.json": one.model_dump_json().encode(),
        "cards/far.json": far.model_dump_json().encode(),
        "models/one/m.gguf": WEIGHTS,
        "models/one/manifest.json": over.pop("beside", b"{}"),
    }
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    manifest = Publisher().manifest(files, health={"prompts": over.pop("prompts", (PROMPT,))})
    (folder / MARKER).write_bytes(write_manifest(manifest))
    return folder


def linked(folder: Path, other: Path, **over: Any) -> Path:
    """Another generation, whose model files are those of `other` on the disk."""
    generation(folder, **over)
    for name in ("m.gguf", "manifest.json"):
        mine, theirs = folder / "models/one" / name, other / "models/one" / name
        if mine.read_bytes() == theirs.read_bytes():
            mine.unlink()
            os.link(theirs, mine)
    return folder


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return generation(tmp_path / "good")


def test_without_one_that_passed_every_model_of_this_host_is_loaded(good: Path) -> None:
    assert unproven(good, None) == {"one"}


def test_what_is_the_same_in_all_is_not_loaded_again(tmp_path: Path, good: Path) -> None:
    assert unproven(linked(tmp_path / "next", good), good) == set()


def test_directories_of_other_models_below_do_not_count(tmp_path: Path, good: Path) -> None:
    after = linked(tmp_path / "next", good)
    for folder in (good, after):
        (folder / "models/one/another").mkdir()
        (folder / "models/one/another/m.gguf").write_bytes(b"of its own")
    assert unproven(after, good) == set()


@pytest.mark.parametrize(
    "over",
    [
        {"card": {"max_output_tokens": 7}},
        {"prompts": ({**PROMPT, "contains": ("5",)},)},
        {"prompts": ()},
        {"beside": b'{"another": "golden vector"}'},
    ],
    ids=["card", "prompt", "no prompt", "what the runtime reads besides"],
)
def test_whatever_differs_is_loaded(tmp_path: Path, good: Path, over: dict[str, Any]) -> None:
    assert unproven(linked(tmp_path / "next", good, **over), good) == {"one"}


def test_a_copy_is_not_the_same_file(tmp_path: Path, good: Path) -> None:
    assert unproven(generation(tmp_path / "next"), good) == {"one"}


@pytest.mark.parametrize("gone", [MARKER, "models/one/m.gguf", "cards/one.json"])
def test_one_that_cannot_be_read_proves_nothing(tmp_path: Path, good: Path, gone: str) -> None:
    after = linked(tmp_path / "next", good)
    (good / gone).unlink()
    assert unproven(after, good) == {"one"}


def test_a_card_that_cannot_be_read_proves_nothing(tmp_path: Path, good: Path) -> None:
    after = linked(tmp_path / "next", good)
    (good / "cards/far.json").write_text(json.dumps({"id": 1}))
    assert unproven(after, good) == {"one"}

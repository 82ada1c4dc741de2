"""What a node would refuse is refused on the bench, before anything is cut, drafted or signed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.bundle import check
from appliance.bundle.manifest import Health
from signing import judged, recipe
from signing.errors import BenchError
from tests.signing.conftest import Bench, Publisher, gguf, place_model

# The first rule of the policy, spoiled in its third line.
BROKEN = '@id("open")\n@why("for all")\npermit(principal, action resource);\n'


def replaced(path: str, old: str, new: str) -> Callable[[Path], object]:
    def spoil(content: Path) -> None:
        text = (content / path).read_text(encoding="utf-8")
        assert old in text
        (content / path).write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def written(path: str, text: str) -> Callable[[Path], object]:
    def spoil(content: Path) -> None:
        (content / path).parent.mkdir(exist_ok=True)
        (content / path).write_text(text, encoding="utf-8")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (written("policy/a.cedar", BROKEN), r"policy/a\.cedar:3:26: .+"),
        (
            replaced("policy/tests.json", '"expect": "permit"', '"expect": "refuse"'),
            r"policy/tests\.json:\d+:\d+: .*expected refuse by .+",
        ),
        (written("cards/x.json", "["), r"x\.json: \(file\): .*JSON.*"),
        (
            written("cards/x.json", '{"id": "x", "runtime": "onnx", "tier": "moon", "modalities": ["chat"]}'),
            r"x\.json: tier: .+",
        ),
        (written("taxonomy.json", '{\n "tasks": [1,\n}'), r"taxonomy\.json:3:1: not JSON: .+"),
        (written("evals/desk.jsonl", '{"a": 1}\n\n{"b": \n'), r"evals/desk\.jsonl:3:\d+: not JSON: .+"),
        (written("router/weights.json", '{"surprise": 1}'), r"weights\.json: surprise: .+"),
        (lambda content: (content / "detectors.json").unlink(), r"detectors\.json: missing"),
    ],
)  # fmt: skip
def test_what_a_node_would_refuse_is_not_pressed(
    publisher: Publisher, content: Path, bench: Bench, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(content)
    blobs = sorted(publisher.station.directory.rglob("blobs/**/*"))
    done = bench("press", publisher.station.directory, content, "--name", "site", "--json")
    assert done.code == 2
    error = json.loads(done.out)["error"]
    assert error["code"] == "content_refused"
    assert any(re.fullmatch(said, detail) for detail in error["details"]), error["details"]
    assert publisher.station.drafted() == ()
    assert sorted(publisher.station.directory.rglob("blobs/**/*")) == blobs


def test_a_denial_that_does_not_hold_and_a_prompt_for_nobody_are_found_on_the_bench(content: Path) -> None:
    health = {
        "prompts": [{"name": "one", "card": "nobody", "prompt": "Hello"}],
        "denials": [{"name": "two", "card": "small", "labels": {"classification": "public"}}],
    }
    found = check.findings(content, Health.model_validate(health), now=1_800_000_000)
    assert found == ("denial two: small is permitted", "prompt one: there is no card nobody")


def test_all_findings_come_at_once(content: Path) -> None:
    written("policy/a.cedar", BROKEN)(content)
    written("cards/x.json", "{}")(content)
    written("taxonomy.json", "{")(content)
    found = check.findings(content, Health(), now=1_800_000_000)
    assert {each.split(":")[0] for each in found} == {"policy/a.cedar", "x.json", "taxonomy.json"}


def test_where_no_node_can_be_asked_nothing_is_pressed_unless_that_is_said(
    publisher: Publisher, content: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named cedarpy' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    press = ("press", publisher.station.directory, content, "--name", "site", "--json")
    refused = bench(*press)
    assert (refused.code, json.loads(refused.out)["error"]["code"]) == (2, "not_checked")
    assert "No module named cedarpy" in refused.err and "--unchecked" in refused.err
    assert publisher.station.drafted() == ()
    done = bench(*press, "--unchecked")
    assert done.code == 1, "it waits for signatures"
    assert json.loads(done.out)["checked"] is False
    assert "NOT CHECKED" in done.err


def test_what_lies_in_the_working_directory_is_not_run(
    content: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "appliance").mkdir()
    (tmp_path / "appliance" / "__init__.py").write_text("raise SystemExit('run from the working directory')")
    monkeypatch.chdir(tmp_path)
    judged.judge(recipe.read(content, "site"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (gguf()[:-200], "it was cut off"),
        (gguf()[:60], "its header runs past its end"),
        (b"GGML" + gguf()[4:], "does not begin with GGUF"),
        (b"", "its header runs past its end"),
    ],
)
def test_a_model_that_no_runtime_would_read_is_not_pressed(
    publisher: Publisher, content: Path, bench: Bench, model: bytes, words: str
) -> None:
    place_model(content, model)
    done = bench("press", publisher.station.directory, content, "--name", "site")
    assert done.code == 2
    assert done.err.splitlines()[0].endswith("[gguf_invalid]")
    assert words in done.err and str(content / "models/small.gguf") in done.err
    assert publisher.station.drafted() == ()


def test_a_recipe_for_a_model_that_was_cut_off_is_not_written(content: Path) -> None:
    file = content / "models/small.gguf"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(BenchError) as refused:
        recipe.for_model(file, content)
    assert refused.value.code == "gguf_invalid"

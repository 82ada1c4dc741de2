"""Claims about the commands that need no node: init, serve, models, config, version, the reference."""

from __future__ import annotations

import hashlib
import json
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli import reference
from appliance.cli.out import clean, table, width
from appliance.config import Config, load
from appliance.config_show import example
from appliance.decide import decide
from appliance.records.card import ModelCard
from tests import factories, policies
from tests.cli.conftest import Weir

# ---- init, serve ----------------------------------------------------------------------------------------------


def test_init_makes_a_private_directory_with_an_example_and_an_id(weir: Weir, tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    made = weir("init", "--state", str(state), "--json", env={"PATH": "/usr/bin"}).json
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in state.iterdir()} == {0o600}
    assert (state / "weir.yaml").read_text() == example()
    assert (state / "node-id").read_text().strip() == made["node_id"]
    assert weir("config", "check", "--state", str(state)).code == 0


def test_init_overwrites_nothing(weir: Weir, tmp_path: Path) -> None:
    weir("init", "--state", str(tmp_path / "s"))
    before = {file: file.read_bytes() for file in (tmp_path / "s").iterdir()}
    ended = weir("init", "--state", str(tmp_path / "s"))
    assert (ended.code, ended.out) == (2, "")
    assert "is there already" in ended.err
    assert {file: file.read_bytes() for file in (tmp_path / "s").iterdir()} == before


def test_init_does_not_follow_a_link_to_somebody_elses_file(weir: Weir, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "weir.yaml").symlink_to(tmp_path / "elsewhere")
    assert weir("init", "--state", str(tmp_path / "s")).code == 2
    assert not (tmp_path / "elsewhere").exists()


def test_init_of_a_directory_that_cannot_be_made_is_a_sentence(weir: Weir, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = weir("init", "--state", str(tmp_path / "file" / "state"))
    assert ended.code == 2
    assert "cannot be used as a state directory" in ended.err


def test_serve_on_a_port_that_is_taken_is_a_sentence(weir: Weir, tmp_path: Path) -> None:
    (tmp_path / "content" / "cards").mkdir(parents=True)
    policies.write(tmp_path / "content" / "policy")
    (tmp_path / "content" / "detectors.json").write_text("{}")
    card = {"id": "m", "runtime": "openai_http", "tier": "site", "modalities": ["chat"]}
    endpoint = {"base_url": "http://127.0.0.1:9", "model": "m"}
    (tmp_path / "content" / "cards" / "m.json").write_text(json.dumps({**card, "endpoint": endpoint}))
    (tmp_path / "weir.yaml").write_text("content_dir: content\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = weir("serve", "--state", str(tmp_path), "--port", port)
        looked = weir("doctor", "--only", "port", "--state", str(tmp_path), "--port", port)
    assert ended.code == 2
    assert (looked.code, f"127.0.0.1:{port} is taken by another program" in looked.out) == (2, True)
    assert f"weir: The node cannot listen on 127.0.0.1:{port}: Address already in use." in ended.err
    assert f"'weir doctor --only port --state {tmp_path} --port {port}' says what holds it" in ended.err
    assert "Traceback" not in ended.err


def test_serve_with_content_that_cannot_be_used_names_what_is_wrong(weir: Weir, tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_text("content_dir: nowhere\n")
    ended = weir("serve", "--state", str(tmp_path))
    assert ended.code == 4
    assert "policy: missing" in ended.err


# ---- models ---------------------------------------------------------------------------------------------------


def content(directory: Path, data: bytes = b"weights", **over: object) -> Path:
    """Content with one card and its file; returns a configuration that names it."""
    (directory / "cards").mkdir(parents=True)
    (directory / "models").mkdir()
    (directory / "models" / "m.gguf").write_bytes(data)
    file = {"path": "models/m.gguf", "sha256": hashlib.sha256(b"weights").hexdigest(), "bytes": 7}
    card = {
        "id": "tiny",
        "runtime": "llama_cpp",
        "tier": "device",
        "modalities": ["chat"],
        "files": [{**file, **over}],
    }
    (directory / "cards" / "tiny.json").write_text(json.dumps(card))
    config = directory / "weir.yaml"
    config.write_text(f"content_dir: {directory}\nlisten: {{port: 9}}\n")
    return config


def test_models_lists_cards_and_verifies_digests(weir: Weir, tmp_path: Path) -> None:
    config = str(content(tmp_path / "c"))
    listed = weir("models", "--config", config)
    assert listed.code == 0
    assert "tiny" in listed.out
    assert "present" in listed.out
    verified = weir("models", "--verify", "--json", "--config", config)
    assert verified.code == 0
    assert verified.json["models"][0]["state"] == "verified"


@pytest.mark.parametrize(
    ("data", "over", "problem"),
    [
        (b"weightx", {}, "has SHA-256"),
        (b"weights!", {}, "has 8 bytes, the card says 7"),
        (b"weights", {"path": "models/absent.gguf"}, "is missing"),
        (b"weights", {"path": "../c/../../etc/passwd"}, "lies outside the content directory"),
    ],
)
def test_a_file_that_is_not_the_cards_ends_with_one_and_says_how(
    weir: Weir, tmp_path: Path, data: bytes, over: dict[str, object], problem: str
) -> None:
    config = str(content(tmp_path / "c", data, **over))
    ended = weir("models", "--verify", "--config", config)
    assert ended.code == 1
    assert problem in ended.out


def test_a_card_that_cannot_be_read_does_not_hide_the_others(weir: Weir, tmp_path: Path) -> None:
    config = content(tmp_path / "c")
    (tmp_path / "c" / "cards" / "odd.json").write_text('{"id": "odd", "colour": "red"}')
    ended = weir("models", "--config", str(config))
    assert ended.code == 1
    assert "tiny" in ended.out
    assert "colour: Extra inputs are not permitted" in ended.out


def test_a_card_of_the_host_is_marked_and_alone_may_name_a_file_outside_the_content(weir: Weir, tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"weights")
    config = content(tmp_path / "c", path=str(own))
    card = json.loads((tmp_path / "c" / "cards" / "tiny.json").read_text())
    (tmp_path / "mine.json").write_text(json.dumps({**card, "id": "mine"}))
    config.write_text(config.read_text() + f"paths: {{unsigned_cards: [{tmp_path / 'mine.json'}]}}\n")
    models = weir("models", "--verify", "--json", "--config", str(config)).json["models"]
    assert [(model["id"], model["source"], model["state"]) for model in models] == [
        ("tiny", "content", "files wrong"),
        ("mine", "host", "verified"),
    ]
    assert "lies outside the content directory" in models[0]["reason"]
    row = next(line for line in weir("models", "--config", str(config)).out.splitlines() if line.startswith("mine"))
    assert row.split()[-2:] == ["host", "present"]


# ---- config, version ------------------------------------------------------------------------------------------


def test_config_show_can_be_read_again(weir: Weir, tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_text("limits: {body_bytes: 2 MiB}\nsecrets: {k: 'env:K'}\nplace: {site: 'a: #b'}\n")
    shown = weir("config", "show", "--effective", "--state", str(tmp_path)).out
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "weir.yaml").write_text(shown)
    assert load(file=tmp_path / "again" / "weir.yaml") == load(tmp_path)


def test_config_show_changed_shows_only_that_with_its_line(weir: Weir, tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_text("cache:\n  ttl_s: 60\nlogging: {level: info}\n")
    shown = weir("config", "show", "--changed", "--json", "--state", str(tmp_path)).json
    assert shown["values"] == {"state_dir": str(tmp_path), "cache": {"ttl_s": 60.0}}
    assert shown["origin"]["cache.ttl_s"] == f"{tmp_path}/weir.yaml:2"


def test_config_check_puts_findings_on_stdout_for_editors(weir: Weir, tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_text("cach: {}\n")
    ended = weir("config", "check", str(tmp_path / "weir.yaml"))
    assert ended.code == 4
    assert ended.out == f"{tmp_path}/weir.yaml:1:1: cach: unknown key; did you mean 'cache'?\n"
    assert weir("config", "check", str(tmp_path / "weir.yaml"), "--json").json["valid"] is False


def test_config_check_names_cards_that_are_missing_or_are_none(weir: Weir, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("{")
    (tmp_path / "weir.yaml").write_text("paths:\n  unsigned_cards: [absent.json, odd.json]\n")
    ended = weir("config", "check", "--state", str(tmp_path))
    absent, odd = ended.out.splitlines()
    assert ended.code == 4
    assert absent == (
        f"{tmp_path}/weir.yaml:2:20: paths.unsigned_cards.0: {tmp_path}/absent.json: No such file or directory"
    )
    assert odd.startswith(f"{tmp_path}/weir.yaml:2:33: paths.unsigned_cards.1: {tmp_path}/odd.json: (file): ")
    assert weir("config", "check", "--state", str(tmp_path), "--json").json["findings"] == [absent, odd]


def test_version_says_build_generation_and_model_digests(weir: Weir, tmp_path: Path) -> None:
    (tmp_path / "generations" / "g7").mkdir(parents=True)
    (tmp_path / "current").symlink_to("generations/g7")
    about = weir("version", "--json", "--state", str(tmp_path)).json
    assert about["generation"] == "g7"
    assert {"version", "python", "platform", "build", "libraries", "models"} <= about.keys()
    for file in about["models"]:
        assert len(file["sha256"]) == 64


# ---- output ---------------------------------------------------------------------------------------------------


@given(text=st.text(max_size=50))
def test_no_text_keeps_a_control_character(text: str) -> None:
    shown = clean(text)
    assert all(char.isprintable() or char.isspace() for char in shown if ord(char) < 0xA0)
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in shown)
    assert not any(char in shown for char in "\u202a\u202e\u2066\u2028")


def test_columns_line_up_for_wide_and_combining_characters() -> None:
    lines = table(("A", "B"), [("日本", "x"), ("e\u0301", "y"), ("abcd", "z")]).splitlines()
    assert {width(line) for line in lines} == {7}


# ---- the reference --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(reference.PARTS))
def test_the_reference_says_what_the_code_says(name: str) -> None:
    text = (reference.DOCS / name).read_text(encoding="utf-8")
    assert reference.fill(text, name) == text, "stale: run 'python -m appliance.cli.reference'"


def test_the_reference_is_the_same_for_whoever_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference.settings() + reference.example()
    monkeypatch.setenv("HOME", "/home/other")
    monkeypatch.setattr("os.geteuid", lambda: 1234)
    assert Config().state_dir == Path("/home/other/.local/state/weir")
    assert reference.settings() + reference.example() == before


def test_card_describes_a_gguf_so_that_the_node_takes_it(weir: Weir, tmp_path: Path) -> None:
    model = tmp_path / "My model (v2).gguf"
    model.write_bytes(b"GGUF and the rest")
    done = weir("card", str(model))
    card = ModelCard.model_validate_json(done.out)
    assert card.id == "My-model-v2"
    assert card.files[0].sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    assert card.files[0].path == str(model)


def test_auto_does_not_choose_a_card_that_claims_nothing(weir: Weir, tmp_path: Path) -> None:
    model = tmp_path / "mine.gguf"
    model.write_bytes(b"GGUF and the rest")
    mine = ModelCard.model_validate_json(weir("card", str(model)).out)
    # Dear, slow to be trusted and far below the floor, but somebody has measured it.
    poor = factories.card("poor", accuracy_default=0.2, price={"per_request": 0.001})
    both = factories.generation(mine, poor, quality_floor=0.9)
    for asked, chosen in (("auto", "poor"), ("mine", "mine")):
        made = decide(factories.asked(model=asked), factories.features(), both, factories.snapshot("mine", "poor"))
        assert [step.path for step in made.steps] == [chosen]


def test_card_refuses_what_is_no_gguf(weir: Weir, tmp_path: Path) -> None:
    other = tmp_path / "model.bin"
    other.write_bytes(b"something else")
    done = weir("card", str(other))
    assert done.code == 2
    assert "not a GGUF" in done.err

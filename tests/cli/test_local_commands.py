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
from tests import policies
from tests.cli.conftest import Weir
from tests.installed import install, placed

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


def with_a_server(state: Path) -> Path:
    """The state directory of a node with one server, which nobody asks."""
    (state / "content" / "cards").mkdir(parents=True)
    policies.write(state / "content" / "policy")
    (state / "content" / "detectors.json").write_text("{}")
    card = {"id": "m", "runtime": "openai_http", "tier": "site", "modalities": ["chat"]}
    endpoint = {"base_url": "http://127.0.0.1:9", "model": "m"}
    (state / "content" / "cards" / "m.json").write_text(json.dumps({**card, "endpoint": endpoint}))
    install(state, state / "content")
    return state


def test_serve_on_an_address_of_no_interface_is_a_sentence(weir: Weir, tmp_path: Path) -> None:
    ended = weir("serve", "--state", str(with_a_server(tmp_path)), "--host", "::1%nowhere", "--port", "0")
    assert ended.code == 2
    assert "weir: The node cannot listen on ::1%nowhere:0: " in ended.err
    assert "'weir doctor --only port " in ended.err
    assert "Traceback" not in ended.err


def test_serve_on_a_port_that_is_taken_is_a_sentence(weir: Weir, tmp_path: Path) -> None:
    with_a_server(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = weir("serve", "--state", str(tmp_path), "--port", port)
        looked = weir("doctor", "--only", "port", "--state", str(tmp_path), "--port", port)
    assert ended.code == 2
    assert (looked.code, f"127.0.0.1:{port} is taken by another program" in looked.out) == (2, True)
    assert f"weir: The node cannot listen on 127.0.0.1:{port}: Address already in use." in ended.err
    assert f"'weir doctor --only port --state {tmp_path} --port {port}' says what holds it" in ended.err
    assert "Traceback" not in ended.err


def test_serve_without_a_generation_says_how_the_first_one_comes(weir: Weir, tmp_path: Path) -> None:
    ended = weir("serve", "--state", str(tmp_path))
    assert ended.code == 2
    assert "No generation is in force. The first comes with the root to be trusted: weir bundle apply" in ended.err
    assert weir("models", "--state", str(tmp_path)).code == 2


# ---- models ---------------------------------------------------------------------------------------------------


def content(directory: Path, data: bytes = b"weights", **over: object) -> Path:
    """A state directory whose content has one card and its file; returns its configuration."""
    folder = placed(directory)
    (folder / "cards").mkdir()
    (folder / "models").mkdir()
    (folder / "models" / "m.gguf").write_bytes(data)
    file = {"path": "models/m.gguf", "sha256": hashlib.sha256(b"weights").hexdigest(), "bytes": 7}
    card = {
        "id": "tiny",
        "runtime": "llama_cpp",
        "tier": "device",
        "modalities": ["chat"],
        "files": [{**file, **over}],
    }
    (folder / "cards" / "tiny.json").write_text(json.dumps(card))
    config = directory / "weir.yaml"
    config.write_text(f"state_dir: {directory}\nlisten: {{port: 9}}\n")
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
        (b"weights", {"path": "../other/m.gguf"}, "lies outside the content directory"),
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
    (tmp_path / "c/generations/test-2026.1/cards/odd.json").write_text('{"id": "odd", "colour": "red"}')
    ended = weir("models", "--config", str(config))
    assert ended.code == 1
    assert "tiny" in ended.out
    assert "colour: Extra inputs are not permitted" in ended.out


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

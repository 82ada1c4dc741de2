"""Claims about weir.yaml: what holds without it, what is refused, and how that is said."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance import config_show
from appliance.cli import client
from appliance.config import Config, listening_on, load, load_with_origin, resolve_secret, secret_of
from appliance.config_read import parse_yaml
from appliance.doctor.check import Subject
from appliance.errors import ConfigInvalid, StateInvalid


def write(directory: Path, text: str) -> Path:
    file = directory / "weir.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def findings(directory: Path, text: str) -> list[str]:
    """The findings for a file with this text, each without the directory."""
    file = write(directory, text)
    with pytest.raises(ConfigInvalid) as caught:
        load(directory)
    return [detail.removeprefix(f"{file}:") for detail in caught.value.details]


# ---- what holds without a file --------------------------------------------------------------------------------


def test_a_node_starts_without_any_file_on_loopback_with_nothing_let_out(tmp_path: Path) -> None:
    config = load(tmp_path / "fresh")
    assert config.listen.host == "127.0.0.1"
    assert config.url == "http://127.0.0.1:8377"
    assert config.egress.deny_all
    assert config.routing.quality_floor is None, "as the content says"
    assert config.state_dir == tmp_path / "fresh"
    assert not (tmp_path / "fresh").exists(), "reading the configuration makes nothing"


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="There is no file"):
        load(file=tmp_path / "absent.yaml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "listen:\nlogging:\nsecrets:\n", "{}"])
def test_a_file_that_says_nothing_leaves_the_defaults(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert load(tmp_path) == Config(state_dir=tmp_path)


def test_environment_variables_set_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(tmp_path)
    for name in ("WEIR_PORT", "WEIR_LISTEN_PORT", "WEIR_LISTEN__PORT", "LISTEN_PORT", "PORT", "listen"):
        monkeypatch.setenv(name, "9999")
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert load(tmp_path) == before


def test_values_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        load(tmp_path).listen.port = 1  # type: ignore[misc]


# ---- errors ---------------------------------------------------------------------------------------------------

SIZES = "must be a number of bytes, or a number with KiB, MiB, GiB, kB, MB or GB"
NAMES = "must be one of 'balanced', 'cheap', 'fast' or 'best'"
MANY = """\
listne:
  port: 1
listen:
  prot: 80
  port: "8377"
  host: example.org
port: 8
place:
  country: no
cache:
  enabled: yes
  max_bytes: 2 GiBs
  max_bytes: 2 GiB
routing:
  preference: cheapest
  quality_floor: 1.5
logging: 3
records: {keep_days: }
"""


def test_every_mistake_is_named_at_once_with_its_line_and_likely_meaning(tmp_path: Path) -> None:
    assert findings(tmp_path, MANY) == [
        "1:1: listne: unknown key; did you mean 'listen'?",
        "4:3: listen.prot: unknown key; did you mean 'listen.port'?",
        "5:9: listen.port: must be a whole number, not '8377'",
        "6:9: listen.host: must be an IP address, such as 127.0.0.1, ::1 or 0.0.0.0, not 'example.org'",
        "7:1: port: unknown key here; did you mean 'listen.port'?",
        "9:12: place.country: must be an ISO 3166 code in capitals: write NO, not 'no'",
        "11:12: cache.enabled: must be true or false, not 'yes'",
        f"12:14: cache.max_bytes: {SIZES}, not '2 GiBs'",
        "13:3: cache.max_bytes: is stated twice, first in line 12",
        f"15:15: routing.preference: {NAMES}, not 'cheapest'; did you mean 'cheap'?",
        "16:18: routing.quality_floor: must be at most 1.0, not 1.5",
        "17:10: logging: must be a section of keys and values, not 3",
        "18:21: records.keep_days: must be a whole number, but is empty",
    ]


def test_norway_stays_a_string_and_can_be_written(tmp_path: Path) -> None:
    write(tmp_path, "place:\n  country: NO\n")
    assert load(tmp_path).place.country == "NO"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listen:\n  port: [1\nlogging: {}\n", r"3:8: not YAML: "),
        ("listen:\n\tport: 1\n", r"2:1: not YAML: .*spaces, not tabs"),
        ("a: 1\n---\nb: 2\n", r"not YAML: but found another document"),
        ("- 1\n", r"1:1: must be a mapping"),
        ("listen: &a {port: 1}\ncache: *a\n", r"2:8: cache: aliases|1:9: cache: aliases"),
        ("listen: {<<: {port: 1}}\n", r"listen: merge keys"),
        ("listen: !!python/object:os.system {}\n", r"1:9: listen: the tag"),
        ("listen: !foo 1\n", r"1:9: listen: the tag"),
        ("? [a]\n: 1\n", r"a key must be plain text"),
        ("logging:\n  level: \x07\n", r"2:10: not YAML: the character U\+0007"),
        ("limits: {body_bytes: -1}\n", r"limits.body_bytes: must be at least 1024, not -1"),
        ("limits: {header_timeout_s: .inf}\n", r"must be (a finite number|at most)"),
        ("state_dir: 3\n", r"1:12: state_dir: must be a path, not 3"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert re.search(expected, "\n".join(findings(tmp_path, text)))


def test_a_file_that_is_not_utf_8_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_bytes(b"logging:\n  level: \xff\n")
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path)
    assert caught.value.details[0].endswith(":2:10: is not UTF-8 text")


def test_a_date_is_text(tmp_path: Path) -> None:
    write(tmp_path, "place: {site: 2026-01-31}\n")
    assert load(tmp_path).place.site == "2026-01-31"


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    write(tmp_path, "#" * (1 << 20) + "\n")
    with pytest.raises(ConfigInvalid, match="larger than"):
        load(tmp_path)


def test_a_key_far_from_any_other_gets_the_list_of_known_keys(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "logging: {zzz: 1}\n")
    assert found == "1:11: logging.zzz: unknown key; known here: level, format"


# ---- secrets --------------------------------------------------------------------------------------------------


def test_a_secret_written_out_is_refused_and_never_printed(tmp_path: Path) -> None:
    said = findings(tmp_path, "secrets:\n  key: sk-very-secret\n  other: 12345678\n")
    assert len(said) == 2
    assert "must be a reference" in said[0]
    assert not any("very-secret" in line or "12345678" in line for line in said)


def test_a_secret_is_found_through_its_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "one")
    (tmp_path / "key").write_text("two\n")
    assert resolve_secret("env:THE_KEY") == "one"
    assert resolve_secret(f"file:{tmp_path / 'key'}") == "two"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert resolve_secret("credential:key") == "two"


@pytest.mark.parametrize(
    "reference", ["env:WEIR_ABSENT", "file:/nowhere/key", "credential:key", "credential:../key", "sk-value"]
)
def test_a_secret_that_is_not_there_is_an_error_without_a_value(reference: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        resolve_secret(reference)
    assert "sk-value" not in caught.value.message


@pytest.mark.parametrize(
    ("reference", "lacking"),
    [
        ("env:WEIR_ABSENT", "is not set"),
        ("env:WEIR_BLANK", "is empty"),
        ("file:/nowhere/key", "cannot be read: No such file or directory"),
        ("file:{top}", "cannot be read: Is a directory"),
        ("file:{top}/empty", "is empty"),
        ("file:{top}/bytes", "is no text in UTF-8"),
        ("credential:key", "is no credential: systemd handed none over"),
        ("secret:key", "is not among the 'secrets' of weir.yaml"),
        ("sk-value", "is not given as env:NAME, file:/path or credential:NAME"),
    ],
)
def test_what_is_wrong_with_a_secret_is_told_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, lacking: str
) -> None:
    monkeypatch.setenv("WEIR_BLANK", " \n")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert secret_of(reference.format(top=tmp_path)) == ("", lacking)


# ---- values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4096", 4096),
        ("1 MiB", 1 << 20),
        ("1MB", 10**6),
        ("1.5 GiB", 3 << 29),
        ("0x1000", 4096),
        ("1_024", 1024),
    ],
)
def test_a_size_is_bytes_or_has_a_unit(tmp_path: Path, text: str, expected: int) -> None:
    write(tmp_path, f"limits: {{body_bytes: {text}}}\n")
    assert load(tmp_path).limits.body_bytes == expected


def test_a_size_beyond_all_numbers_is_a_finding(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, f"limits: {{body_bytes: {'9' * 400} GiB}}\n")
    assert found.startswith("1:22: limits.body_bytes: must be a smaller number of bytes")


def test_a_relative_path_counts_from_the_file_and_a_tilde_from_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    write(tmp_path, "state_dir: state\n")
    assert load(file=tmp_path / "weir.yaml").state_dir == tmp_path / "state"
    write(tmp_path, "state_dir: ~/state\n")
    assert load(file=tmp_path / "weir.yaml").state_dir == Path("/home/someone/state")


@pytest.mark.parametrize("text", ["state_dir: ~nobody.at.all/state", "bundles: {media: [~nobody.at.all/media]}"])
def test_a_home_that_nobody_has_is_a_finding(tmp_path: Path, text: str) -> None:
    write(tmp_path, f"{text}\n")
    with pytest.raises(ConfigInvalid) as refused:
        load(file=tmp_path / "weir.yaml")
    (found,) = refused.value.details
    assert "names a home directory that this host does not know, not '~nobody.at.all/" in found


def test_a_user_without_a_home_is_told_to_name_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs under a number of no account."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(pwd, "getpwuid", dict[int, object]().__getitem__)
    for ask in (load, lambda: client.find(None, None, None), lambda: Subject.of(None)):
        with pytest.raises(StateInvalid, match=r"no home directory for ~/\.local/state/weir") as refused:
            ask()
        assert "--state DIR" in refused.value.next_step
    file = write(tmp_path, "state_dir: /srv/weir\n")
    assert load(file=file).state_dir == Path("/srv/weir")
    assert client.find(None, file, None).state_dir == Path("/srv/weir")
    assert load(tmp_path).state_dir == tmp_path


def test_the_state_directory_of_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, "state_dir: /elsewhere\n")
    assert load(tmp_path).state_dir == tmp_path
    assert load(file=tmp_path / "weir.yaml").state_dir == Path("/elsewhere")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8377"),
        ("::", "http://[::1]:8377"),
        ("::1", "http://[::1]:8377"),
        ("localhost", "http://127.0.0.1:8377"),
        ("10.1.2.3", "http://10.1.2.3:8377"),
    ],
)
def test_the_own_commands_reach_the_node_wherever_it_listens(tmp_path: Path, host: str, url: str) -> None:
    assert listening_on(load(tmp_path), host, None).url == url


def test_the_names_of_a_node_are_its_own_whatever_the_command_line_says(tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_text('listen: {port: 8500, names: ["ai.plant.example"]}')
    for host, port in ((None, None), ("::1", 8400)):
        listen = listening_on(load(tmp_path), host, port).listen
        assert (listen.names, listen.port) == (("ai.plant.example",), port or 8500)


def test_an_address_on_the_command_line_is_checked_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="--host must be an IP address"):
        listening_on(load(tmp_path), "nowhere.example", None)


# ---- what is shown --------------------------------------------------------------------------------------------


def test_the_example_says_every_key_and_changes_nothing(tmp_path: Path) -> None:
    example = config_show.example()
    write(tmp_path, example)
    assert load(tmp_path) == Config(state_dir=tmp_path)
    keys = [line for line in example.splitlines() if re.match(r"# +[a-z_]+:|# [a-z_]+: ", line)]
    uncommented = "\n".join(line.removeprefix("# ") for line in keys)
    shown = uncommented.replace("/var/lib/weir", str(tmp_path))
    write(tmp_path, shown)
    loaded = load_with_origin(tmp_path)
    assert loaded.config == Config(state_dir=tmp_path)
    stated = {".".join(path) for path in loaded.marks}
    assert {setting.name for setting in config_show.settings()} <= stated


def test_what_is_shown_says_where_it_comes_from(tmp_path: Path) -> None:
    file = write(tmp_path, "logging:\n  level: debug\nlisten: {port: 8377}\n")
    shown = {item.name: item for item in config_show.effective(load_with_origin(tmp_path))}
    assert (shown["logging.level"].origin, shown["logging.level"].changed) == (f"{file}:2", True)
    assert (shown["listen.port"].origin, shown["listen.port"].changed) == (f"{file}:3", False)
    assert shown["state_dir"].origin == "command line"
    assert shown["cache.ttl_s"].origin == "default"


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co", "Cf")), max_size=20)
configs = st.fixed_dictionaries(
    {},
    optional={
        "listen": st.fixed_dictionaries({"port": st.integers(0, 65535)}),
        "limits": st.fixed_dictionaries({"body_bytes": st.integers(1024, 1 << 40)}),
        "place": st.fixed_dictionaries({"site": names, "region": names}),
        "routing": st.fixed_dictionaries({"quality_floor": st.floats(0, 1), "business_value": st.floats(0, 1e9)}),
        "cache": st.fixed_dictionaries({"enabled": st.booleans(), "ttl_s": st.floats(0.001, 1e6)}),
    },
)


@settings(max_examples=40, deadline=None)
@given(stated=configs)
def test_what_is_shown_can_be_read_again_as_the_same_configuration(
    tmp_path_factory: pytest.TempPathFactory, stated: dict[str, Any]
) -> None:
    directory = tmp_path_factory.mktemp("shown")
    config = Config.model_validate({"state_dir": directory, **stated})
    nested: dict[str, list[str]] = {}
    for path, value in _leaves(config):
        nested.setdefault(path[0] if len(path) > 1 else "", []).append(f"{path[-1]}: {value}")
    text = "\n".join(nested.pop("", []))
    for section, lines in nested.items():
        text += f"\n{section}:\n  " + "\n  ".join(lines)
    write(directory, text)
    assert load(directory) == config


def _leaves(config: Config) -> list[tuple[tuple[str, ...], str]]:
    from appliance.config import Loaded

    shown = config_show.effective(Loaded(config, None, {}))
    return [(tuple(item.name.split(".")), item.text) for item in shown]


@settings(max_examples=150, deadline=None)
@given(
    raw=st.one_of(st.binary(max_size=200), st.text("abc:-[]{}&*!|>'\"#%@`, \n\t0123~?<.", max_size=80).map(str.encode))
)
def test_no_bytes_make_the_reader_raise(raw: bytes) -> None:
    tree = parse_yaml(raw)
    assert tree.findings or isinstance(tree.value, dict)


# ---- the mirror -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["https://mirror.site.example/weir/", "http://[::1]:8080", "http://192.0.2.1:80/a/b"])
def test_a_mirror_is_an_address_of_the_web(tmp_path: Path, url: str) -> None:
    write(tmp_path, f"bundles: {{mirror: '{url}'}}\n")
    assert load(tmp_path).bundles.mirror == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "mirror.site.example", "ftp://h/x", "file:///srv/mirror", "https://", "https:///x", "http://u:hunter2@h/x",
        "http://hunter2@h", "http://h/x?hunter2", "http://h/#hunter2", "http://h:0/x", "http://h:99999/x", "http://h:x/y",
        "http://h/a b", "http://h\\\\@g/", "http://[::1/x", "http://é.example/",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_and_not_echoed(tmp_path: Path, url: str) -> None:
    (finding,) = findings(tmp_path, f"bundles: {{mirror: '{url}'}}\n")
    assert "bundles.mirror: must be an address such as https://mirror.site.example/weir" in finding
    assert "hunter2" not in finding

"""Claims about `weir-sign` itself: its help, its errors, and the page that describes it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from signing import __version__
from signing.cli.common import BenchCommand
from signing.cli.main import COMMANDS, cli
from signing.errors import CODES
from tests.signing.conftest import Bench, gguf

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")


def every_command() -> list[tuple[str, click.Command]]:
    found = []
    context = click.Context(cli, info_name="weir-sign")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        subs = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        found += [(f"{name} {sub}".strip(), each) for sub, each in subs]
    return found


@pytest.mark.parametrize(("path", "command"), every_command())
def test_every_help_has_an_example_that_the_command_understands(path: str, command: click.Command) -> None:
    assert isinstance(command, BenchCommand)
    assert command.examples
    shown = CliRunner().invoke(cli, [*path.split(), "--help"])
    assert shown.exit_code == 0
    assert (command.help or "").startswith(command.short_help or "-")
    for example in command.examples:
        words = shlex.split(example.split(" > ")[0])
        assert words[: 1 + len(path.split())] == ["weir-sign", *path.split()]
        command.make_context(path, words[1 + len(path.split()) :])


def test_help_names_every_command_with_the_first_sentence_of_its_own_help(bench: Bench) -> None:
    shown = bench("--help").out
    for name, (_, short) in COMMANDS.items():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert (command.name, command.short_help) == (name, short)
        assert short in " ".join(shown.split())


def test_no_option_and_no_variable_carries_a_passphrase() -> None:
    for _, command in every_command():
        for param in command.params:
            assert param.envvar is None
            assert param.name == "descriptor" or "pass" not in (param.name or "")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "signing").rglob("*.py")]
    assert sum("os.environ" in source for source in sources) == 1, "only where the PKCS#11 module is named"


def test_the_version_is_said(bench: Bench) -> None:
    assert bench("--version").out == f"weir-sign {__version__}\n"


@pytest.mark.parametrize("arguments", [["surprise"], ["show"], ["show", "x", "nobody"], ["sign", "--passphrase", "x"]])
def test_wrong_usage_ends_with_two(bench: Bench, arguments: list[str]) -> None:
    ended = bench(*arguments)
    assert (ended.code, ended.out) == (2, "")


def test_with_json_an_error_is_json_on_stdout_too(bench: Bench, tmp_path: Path) -> None:
    ended = bench("status", tmp_path, "--json")
    assert ended.code == 2
    assert json.loads(ended.out)["error"]["code"] == "station_invalid"
    assert ended.err.endswith("[station_invalid]\n")


def test_what_came_from_a_file_reaches_no_terminal_raw(bench: Bench, tmp_path: Path) -> None:
    ended = bench("status", tmp_path / "\x1b[2Jx\u202e")
    assert "\x1b" not in ended.err
    assert "\u202e" not in ended.err


def test_the_page_has_every_code_and_no_other() -> None:
    table = PAGE.split("<!-- generated: codes -->")[1].split("<!-- end: codes -->")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.M)) == CODES


def test_every_code_is_used_and_every_code_that_is_used_is_known() -> None:
    text = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "signing").rglob("*.py") if path.name != "errors.py"
    )
    spoken = set(re.findall(r'"([a-z_]+)"', text))
    assert set(CODES) - spoken == set()
    raised = set(re.findall(r'BenchError\(\s*"([a-z_]+)"', text))
    assert raised - set(CODES) == set()


def test_the_commands_of_the_page_work_as_they_stand_there(tmp_path: Path) -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
    model = tmp_path / "my-model.gguf"
    model.write_bytes(gguf())
    for line in lines:
        command = line.replace("/tmp/", f"{tmp_path}/").replace("/srv/models/my-model.gguf", str(model))
        command = command.replace(" my-model.yaml", f" {tmp_path}/my-model.yaml")
        command = command.replace(".venv/bin/weir-sign", shlex.join([sys.executable, "-m", "signing.cli.main"]))
        command = command.replace(".venv/bin/weir ", f"{shlex.join([sys.executable, '-m', 'appliance.cli.main'])} ")
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert len(list((tmp_path / "weir-bundles").glob("with-my-model-*.1.bundle"))) == 1


@pytest.mark.parametrize("target", re.findall(r"\]\(((?!http)[^)#]+)\)", PAGE))
def test_every_link_of_the_page_leads_somewhere(target: str) -> None:
    assert (ROOT / "docs" / target).exists()

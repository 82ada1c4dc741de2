"""Claims about `weir` itself: what it imports, how it ends, what its help says."""

from __future__ import annotations

import resource
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from appliance import __version__
from appliance.cli.common import EXIT_CODES, WeirCommand
from appliance.cli.main import COMMANDS, cli
from tests.cli.conftest import Weir

HEAVY = ("pydantic", "aiohttp", "numpy", "onnxruntime", "llama_cpp", "ruamel", "structlog", "sqlite_utils")
BUDGET_S = 0.3


def every_command() -> list[tuple[str, click.Command]]:
    """Every command with its path, hidden ones and subcommands included."""
    found = []
    context = click.Context(cli, info_name="weir")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        subs = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        found += [(f"{name} {sub}".strip(), each) for sub, each in subs]
    return found


@pytest.mark.parametrize(
    "arguments", [["--help"], ["version"], ["version", "--json"], ["status", "--help"], ["status"]]
)
def test_a_quick_command_imports_nothing_heavy(weir: Weir, arguments: list[str]) -> None:
    if arguments == ["status"]:
        arguments = ["status", "--url", "http://127.0.0.1:9", "--state", str(weir.home / "none")]
    code = f"import sys; from appliance.cli.main import run; run({arguments!r}); print(*sys.modules, file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=weir.env, capture_output=True, text=True, timeout=60, check=True
    )
    loaded = {name.partition(".")[0] for name in ended.stderr.split()}
    assert loaded & set(HEAVY) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["why", "--help"]])
def test_a_quick_command_costs_less_than_its_budget_of_processor_time(weir: Weir, arguments: list[str]) -> None:
    # Processor time, the least of three: the clock on the wall belongs to whatever else runs here.
    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert weir(*arguments).code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cost() for _ in range(3)) < BUDGET_S


def test_help_names_every_command_with_the_first_sentence_of_its_own_help(weir: Weir) -> None:
    shown = weir("--help").out
    for name, (_, short, hidden) in COMMANDS.items():
        assert (short in shown) is not hidden
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.name == name
        assert command.hidden == hidden
        assert command.short_help == short
        assert (command.help or "").startswith(short)


@pytest.mark.parametrize(("path", "command"), every_command())
def test_every_help_has_an_example_that_the_command_understands(path: str, command: click.Command) -> None:
    import shlex

    assert isinstance(command, WeirCommand), "every command shares the handling of errors"
    result = CliRunner().invoke(cli, [*path.split(), "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output
    for example in command.examples:
        assert example in result.output
        words = shlex.split(example.split(" > ")[0].split(" < ")[0], comments=True)
        assert words[: 1 + len(path.split())] == ["weir", *path.split()]
        command.make_context(path, words[1 + len(path.split()) :])


def test_every_read_command_offers_json() -> None:
    for path, command in every_command():
        has = any(param.name == "as_json" for param in command.params)
        assert has is (path not in ("serve", "completion", "probe"))


@pytest.mark.parametrize("words", ["init", "status", "version", "cost", "doctor --only config", "bundle list"])
def test_a_home_that_nobody_has_is_said_in_a_sentence(weir: Weir, words: str) -> None:
    ran = weir(*words.split(), "--state", "~nobody.at.all/weir")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(
        "weir: This host knows no home directory for ~nobody.at.all/weir. Name the state directory"
    )


def test_the_version_is_said_as_an_option_too(weir: Weir) -> None:
    assert weir("--version").out == f"weir {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["stats"], "There is no command 'stats'. Did you mean 'status'?"),
        (["status", "--jsn"], "No such option"),
        (["why"], "Missing argument 'ID'"),
        (["status", "--url", "ftp://x"], "ftp://x is not an address"),
    ],
)
def test_wrong_usage_ends_with_two_and_a_sentence_on_stderr(weir: Weir, arguments: list[str], sentence: str) -> None:
    ended = weir(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert sentence in ended.err


def test_without_a_node_the_sentence_says_how_to_start_one(weir: Weir) -> None:
    (weir.home / "weir.yaml").write_text("listen: {port: 9}\n")
    for arguments in (["status"], ["route", "hello"], ["tail"]):
        ended = weir(*arguments, "--state", str(weir.home))
        assert (ended.code, ended.out) == (3, "")
        assert ended.err == "weir: No node is running at http://127.0.0.1:9. Start one with 'weir serve'.\n"


def test_with_json_an_error_is_json_on_stdout_too(weir: Weir) -> None:
    ended = weir("status", "--json", "--url", "http://127.0.0.1:9")
    assert ended.code == 3
    assert ended.json["error"]["code"] == "no_node"
    assert ended.err.startswith("weir: No node is running")


def test_an_invalid_configuration_ends_with_four_and_names_the_lines(weir: Weir) -> None:
    (weir.home / "weir.yaml").write_text("listen: {prot: 1}\n")
    for arguments in (["status"], ["models"], ["serve"], ["config", "show"], ["config", "check"]):
        ended = weir(*arguments, "--state", str(weir.home))
        assert ended.code == 4, arguments
        assert (
            f"{weir.home}/weir.yaml:1:10: listen.prot: unknown key; did you mean 'listen.port'?"
            in ended.out + ended.err
        )


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef weir"), ("fish", "complete --")]
)
def test_the_completion_script_is_for_the_shell(weir: Weir, shell: str, word: str) -> None:
    ended = weir("completion", shell)
    assert ended.code == 0
    assert word in ended.out


def test_completion_completes_commands(weir: Weir) -> None:
    ended = weir(env={"_WEIR_COMPLETE": "bash_complete", "COMP_WORDS": "weir st", "COMP_CWORD": "1"})
    assert "plain,status" in ended.out


def test_a_reader_that_leaves_early_is_no_traceback(weir: Weir) -> None:
    code = f"{' '.join(weir.command('config', 'show'))} | head -n 1"
    ended = subprocess.run(
        ["bash", "-c", code],
        env=weir.env,
        cwd=weir.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_exit_codes_are_these_and_stay_these() -> None:
    assert sorted(EXIT_CODES) == [0, 1, 2, 3, 4, 130]

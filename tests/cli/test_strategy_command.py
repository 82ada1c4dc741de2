"""Claims about `weir strategy`: what is in force, in which order, with which parameters, and for whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from appliance.cli.main import cli
from appliance.decide.strategies import Strategies
from tests.cli.conftest import Ran
from tests.installed import placed
from tests.node.conftest import fake_card, write_content

STRATEGIES: dict[str, Any] = {
    "careful": {
        "kind": "fallback", "paths": ["site/b", "device/a", "auto"], "description": "Contracts \x1b[31mstay near.",
    },
    "table": {"kind": "tasks", "cells": {"code/hard": ["site/b"]}, "otherwise": ["device/a"]},
    "trial": {"kind": "split", "shares": {"device/a": 95, "site/b": 5}},
    "vote": {"kind": "ensemble", "members": ["site/b", "device/a", "device/a"], "arbiter": ["site/b"]},
}  # fmt: skip


def weir(*arguments: str) -> Ran:
    """The command in this process: what it imports is dear, and here by now."""
    ended = CliRunner().invoke(cli, arguments, prog_name="weir")
    return Ran(ended.exit_code, ended.stdout, ended.stderr)


def state(tmp_path: Path, stated: object) -> str:
    """A state directory whose content has these strategies; nobody listens at its port."""
    content = write_content(placed(tmp_path / "s"), fake_card("device/a"), fake_card("site/b", "site"))
    if stated is not None:
        (content / "router" / "strategies.json").write_text(json.dumps(stated))
    (tmp_path / "s" / "weir.yaml").write_text("listen: {port: 9}\n")
    return str(tmp_path / "s")


@pytest.fixture
def place(tmp_path: Path) -> str:
    return state(tmp_path, {"default": "careful", "strategies": STRATEGIES})


def test_the_list_says_what_each_states_and_for_whom_it_holds(place: str) -> None:
    for name, options in (("press", ["--strategy", "vote"]), ("desk", ["--may-choose", "careful"])):
        assert weir("tenant", "add", name, *options, "--state", place).code == 0
    ended = weir("strategy", "list", "--state", place)
    assert ended.code == 0
    lines = {line.split()[0]: line for line in ended.out.splitlines()}
    assert list(lines) == ["NAME", "careful", "table", "trial", "vote"]
    assert "paths site/b, device/a, auto" in lines["careful"]
    assert "whoever has no other (the default)" in lines["careful"]
    assert "tenant press; requests that name it" in lines["vote"]
    assert "shares device/a: 95.0; site/b: 5.0" in lines["trial"]
    listed = weir("strategy", "list", "--json", "--state", place).json
    assert (listed["generation"], listed["default"]) == ("test-2026.1", "careful")
    found = {one["name"]: one for one in listed["strategies"]}
    assert found["vote"]["tenants"] == ["press"] and found["vote"]["not_for"] == ["desk"]
    assert found["careful"]["not_for"] == [] and found["careful"]["default"]


def test_what_is_shown_is_what_is_in_force_with_every_parameter(place: str) -> None:
    shown = weir("strategy", "show", "--json", "vote", "--state", place).json
    known = Strategies.model_validate({"strategies": STRATEGIES}).strategies["vote"]
    stated = {key: one["value"] for key, one in shown["parameters"].items()}
    assert stated == known.model_dump(mode="json", exclude={"kind", "description"})
    assert {key for key, one in shown["parameters"].items() if one["stated"]} == {"members", "arbiter"}
    assert [(one["path"], one["tier"]) for one in shown["paths"]] == [("site/b", "site"), ("device/a", "device")]


def test_a_strategy_is_shown_to_a_person_with_its_order_its_reason_and_no_sign_that_a_terminal_obeys(
    place: str,
) -> None:
    ended = weir("strategy", "show", "careful", "--state", place)
    assert ended.code == 0 and "\x1b" not in ended.out
    assert "does      The first path, and where it fails the next" in ended.out
    assert r"because   Contracts \x1b[31mstay near." in ended.out
    rows = [line.split(maxsplit=2) for line in ended.out.partition("PATH")[2].splitlines()[1:]]
    assert rows[0] == ["site/b", "site", "no node is running"]
    assert rows[2] == ["auto", "all", "others, best utility first"]


@pytest.mark.parametrize(("name", "paths"), [("table", ["site/b", "device/a"]), ("trial", ["device/a", "site/b"])])
def test_paths_of_tables_and_shares_are_shown(place: str, name: str, paths: list[str]) -> None:
    shown = weir("strategy", "show", "--json", name, "--state", place).json
    assert [one["path"] for one in shown["paths"]] == paths


def test_a_name_that_is_not_there_ends_with_one_and_those_that_are(place: str) -> None:
    ended = weir("strategy", "show", "carefull", "--state", place)
    assert (ended.code, ended.out) == (1, "")
    assert "There are: careful, table, trial, vote." in ended.err
    assert weir("strategy", "show", "--json", "x", "--state", place).json["error"]["code"] == "not_found"


@pytest.mark.parametrize("stated", [None, {"strategies": {}}])
def test_without_strategies_the_list_says_what_holds_instead(tmp_path: Path, stated: object) -> None:
    place = state(tmp_path, stated)
    ended = weir("strategy", "list", "--state", place)
    assert ended.code == 0
    assert "There are no strategies in test-2026.1: the plan of the highest utility is taken." in ended.out
    assert weir("strategy", "list", "--json", "--state", place).json["strategies"] == []
    assert weir("strategy", "show", "any", "--state", place).code == 1


def test_names_are_completed_and_nothing_where_there_is_no_content(place: str, tmp_path: Path) -> None:
    for where, found in ((place, ["table", "trial"]), (str(tmp_path / "none"), [])):
        shell = ShellComplete(cli, {}, "weir", "_WEIR_COMPLETE")
        assert [one.value for one in shell.get_completions(["strategy", "show", "--state", where], "t")] == found

"""Claims about `weir policy`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from appliance.policy import read_policy
from tests import factories, policies
from tests.cli.conftest import ROOT, Weir
from tests.installed import placed


def content(directory: Path) -> Path:
    """Content with a path on this host and one far away; returns a configuration that names it."""
    (directory / "content" / "cards").mkdir(parents=True)
    policies.write(directory / "content" / "policy")
    (directory / "content" / "detectors.json").write_text("{}")
    endpoint = {"base_url": "http://127.0.0.1:9", "model": "m"}
    for card in (factories.card("near", endpoint=endpoint), factories.card("far", tier="frontier", endpoint=endpoint)):
        (directory / "content" / "cards" / f"{card.id}.json").write_text(card.model_dump_json())
    config = directory / "weir.yaml"
    placed(directory / "state").rmdir()
    (directory / "state/generations/test-2026.1").symlink_to(directory / "content")
    config.write_text("state_dir: state\n")
    return config


def test_check_says_that_a_policy_is_valid_by_folder_content_or_configuration(weir: Weir, tmp_path: Path) -> None:
    config = content(tmp_path)
    for arguments in ((str(tmp_path / "content" / "policy"),), (str(tmp_path / "content"),), ("--config", str(config))):
        ended = weir("policy", "check", *arguments)
        assert (ended.code, "is valid: 9 rules" in ended.out) == (0, True)
    assert weir("policy", "check", "--config", str(config), "--json").json["valid"] is True


def test_check_names_file_line_and_column_and_ends_with_4(weir: Weir, tmp_path: Path) -> None:
    content(tmp_path)
    folder = tmp_path / "content" / "policy"
    (folder / "more.cedar").write_text('@id("x") @why("y")\nforbid (principal, action, resource) when { resource.ti };')
    ended = weir("policy", "check", str(folder))
    assert ended.code == 4
    assert f"{folder}/more.cedar:2:54: attribute `ti` on entity type " in ended.out
    found = weir("policy", "check", str(folder), "--json")
    assert (found.code, found.json["valid"], len(found.json["findings"]) >= 1) == (4, False, True)


def test_test_runs_the_tests_and_ends_with_1_when_one_fails(weir: Weir, tmp_path: Path) -> None:
    content(tmp_path)
    folder = tmp_path / "content" / "policy"
    ended = weir("policy", "test", str(folder))
    assert (ended.code, "1 of 1 tests of test hold." in ended.out, "class/restricted/tiers" in ended.out) == (
        0,
        True,
        True,
    )
    tests = json.loads((folder / "tests.json").read_text())
    tests["tests"][0]["expect"] = "refuse"
    (folder / "tests.json").write_text(json.dumps(tests))
    ended = weir("policy", "test", str(folder), "--json")
    assert (ended.code, ended.json["passed"]) == (1, False)
    assert "came permit by use" in ended.json["tests"][0]["problem"]
    assert weir("policy", "test", str(tmp_path / "nowhere")).code == 2


def test_explain_names_every_rule_per_path(weir: Weir, tmp_path: Path) -> None:
    config = str(content(tmp_path))
    shown = weir("policy", "explain", "--config", config, "--classification", "restricted", "--json")
    paths = {row["path"]: row for row in shown.json["paths"]}
    assert (shown.code, paths["near"]["permitted"], paths["far"]["permitted"]) == (0, True, False)
    (rule,) = paths["far"]["rules"]
    assert (rule["rule"], rule["effect"], rule["at"]) == ("class/restricted/tiers", "forbid", "rules.cedar:4")
    alone = weir("policy", "explain", "--config", config, "--classification", "secret", "--path", "far")
    assert (alone.code, "class/secret/tiers" in alone.out, "near" in alone.out) == (1, True, False)
    assert weir("policy", "explain", "--config", config, "--path", "nobody").code == 2
    wrong = weir("policy", "explain", "--config", config, "--residency", "Bern")
    assert (wrong.code, "--residency must be node, site, country:XX" in wrong.err) == (2, True)


def test_explain_is_told_what_was_found_and_whether_it_is_replaced(weir: Weir, tmp_path: Path) -> None:
    config = str(content(tmp_path))
    ended = weir("policy", "explain", "--config", config, "--finding", "iban", "--finding", "email", "--redacted")
    assert (ended.code, ended.out.count("as-it-is"), "nothing is sent redacted" in ended.out) == (1, 2, True)
    assert weir("policy", "explain", "--config", config, "--finding", "email").code == 0
    wrong = weir("policy", "explain", "--config", config, "--finding", "e-mail")
    assert (wrong.code, "No detector finds 'e-mail'." in wrong.err, "email, phone" in wrong.err) == (2, True, True)


def test_what_the_page_tells_to_type_works_on_the_starter(weir: Weir, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.S) for line in block.splitlines()]
    config = tmp_path / "weir.yaml"
    placed(tmp_path / "state").rmdir()
    (tmp_path / "state/generations/test-2026.1").symlink_to(ROOT / "bundles/starter")
    config.write_text("state_dir: state\n")
    assert len(lines) == 3
    for line in lines:
        words = line.replace("bundles/starter", str(ROOT / "bundles/starter")).split()[1:]
        ended = weir(*words, *(("--config", str(config)) if "explain" in words else ()))
        assert ended.code == 0, (line, ended.err)
    (rule,) = re.findall(r"```cedar\n(.*?)```", page, re.S)
    assert len(read_policy(policies.starter_files() | {"site.cedar": rule.encode()}).rules) > 20

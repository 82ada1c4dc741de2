"""A policy that is not sound is refused with file, line, column and reason, and nothing of it is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.bundle.content import load_generation
from appliance.errors import ConfigInvalid
from appliance.policy import read_policy
from tests import policies
from tests.node.conftest import fake_card, write_content

HEAD = '@id("a")\n@why("b")\nforbid (principal, action == Action::"use", resource)\n'


def found(files: dict[str, bytes]) -> list[str]:
    try:
        read_policy(files)
    except ConfigInvalid as error:
        return list(error.details)
    return []


def with_rule(text: str) -> list[str]:
    """What is found in a file of its own with this rule."""
    return found(policies.files() | {"z.cedar": text.encode()})


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (HEAD + "when { resource.tir == 'x' };", "policy/z.cedar:4:24: invalid token"),
        (
            HEAD + 'when { resource.tir == "x" };',
            "policy/z.cedar:4:17: attribute `tir` on entity type `Path` not found",
        ),
        (HEAD + 'when { resource.tier = "x" };', "policy/z.cedar:4:22: '=' is not a valid operator in Cedar"),
        (HEAD + 'whn { resource.tier == "x" };', "policy/z.cedar:4:1: invalid policy condition: whn"),
        (HEAD + "when { resource.tier == };", "policy/z.cedar:4:25: unexpected token `}`"),
        (HEAD + "when { resource.own", "policy/z.cedar:4:17: ends too early"),
        (HEAD + "when { resource.own == 3 };", "policy/z.cedar:1:1: the types "),
        (HEAD + 'when { context.locale == "de" };', "policy/z.cedar:4:16: unable to guarantee safety"),
        (HEAD + "when { context.age_days + 1 > 3 };", "policy/z.cedar:4:25: '+' can overflow"),
        (HEAD + "when { context has age_days && -context.age_days > 3 };", "policy/z.cedar:4:32: '-' can overflow"),
        (HEAD + 'when { resource.place in Plce::"x" };', "policy/z.cedar:4:26: unrecognized entity type `Plce`"),
        (HEAD.replace('"use"', '"us"') + ";", 'policy/z.cedar:3:38: unrecognized action `Action::"us"`'),
        (HEAD.replace("forbid", "frbid") + ";", "policy/z.cedar:3:1: invalid policy effect: frbid"),
        (HEAD.replace("principal", "principal == ?principal") + ";", "policy/z.cedar:1:1: is a template"),
        ('@id("a") forbid (principal, action, resource);', "policy/z.cedar:1:1: needs a sentence that says why"),
        ('@why("a") forbid (principal, action, resource);', "policy/z.cedar:1:1: needs an id"),
        ('@why("a") @id("A b") forbid (principal, action, resource);', "policy/z.cedar:1:1: needs an id"),
        (HEAD.replace('"a"', '"use"') + ";", "policy/z.cedar:1:1: the id 'use' stands twice, first in rules.cedar:2"),
        (HEAD + "when { " + "(" * 40 + "true" + ")" * 40 + " };", "policy/z.cedar:4:39: is nested deeper than 32"),
        (HEAD + "when { " + "true && " * 1500 + "true };", "policy/z.cedar:1:1: has more than 2000 words"),
    ],
)
def test_a_rule_that_is_wrong_is_named_with_its_place(text: str, finding: str) -> None:
    assert any(line.startswith(finding) for line in with_rule(text)), with_rule(text)


def test_all_findings_come_at_once() -> None:
    lines = with_rule(HEAD + "when { resource.tir };\n" + HEAD.replace('"a"', '"b"') + "when { resource.tir };")
    assert [line.split(" ")[0] for line in lines] == ["policy/z.cedar:4:17:", "policy/z.cedar:8:17:"]


@pytest.mark.parametrize(
    ("over", "finding"),
    [
        ({"rules": b""}, "policy/rules.cedar:1:1: holds no rule"),
        ({"rules": b"// permit (principal, action, resource);\n"}, "policy/rules.cedar:1:1: holds no rule"),
        ({"rules": b'@id("\xff")'}, "policy/rules.cedar:1:6: is not UTF-8 text"),
        ({"rules": b" " * (1 << 20)}, "policy/rules.cedar:1:1: is larger than 256 KiB"),
        ({"schema": b""}, "policy/schema.cedarschema:1:1: is empty"),
        ({"schema": b"entity Place;\nentiti Path;"}, "policy/schema.cedarschema:2:1: unexpected token `entiti`"),
        ({"schema": b"entity Place in [Plce];"}, "policy/schema.cedarschema:1:18: failed to resolve type"),
        ({"policy": b'{"id": "x"}'}, "policy/policy.json:1:1: issued: Field required"),
        ({"policy": b'{"id": "x",\n "issued": "soon"}'}, "policy/policy.json:2:12: issued: "),
        ({"policy": b'{"id": "x" "issued"}'}, "policy/policy.json:1:12: not JSON: Expecting ',' delimiter"),
        ({"policy": b'{"id": "x", "id": "y"}'}, "policy/policy.json:1:1: not usable JSON: 'id' is stated twice"),
        ({"places": b'{"home": {}, "places": {"town:x": []}}'}, "policy/places.json:1:24: places: "),
        ({"places": b'{"home": {}, "places": {"region:EU": ["country:DE"]}}'}, "policy/places.json:1:24: places: "),
        (
            {"places": b'{"home": {}, "places": {"region:A": ["region:B"], "region:B": ["region:A"]}}'},
            "policy/places.json:1:24: regions lie in one another in a circle",
        ),
        ({"tests": b'{"home": {}, "tests": []}'}, "policy/tests.json:1:23: tests: "),
        (
            {"tests": b'{"home": {}, "tests": [\n{"name": "n", "expect": "permit", "rule": "use", "crd": {}}]}'},
            "policy/tests.json:2:57: tests.0.crd: Extra inputs are not permitted",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_place(over: dict[str, bytes], finding: str) -> None:
    lines = found(policies.files(**over))
    assert any(line.startswith(finding) for line in lines), lines


def test_a_comment_that_the_engine_ends_elsewhere_is_no_crash() -> None:
    schema = b"// \rWhat the rules may speak of.\n" + policies.files()["schema.cedarschema"]
    assert found(policies.files(schema=schema)) == []


@pytest.mark.parametrize("name", sorted(policies.files()))
def test_no_file_may_be_missing(name: str) -> None:
    files = policies.files()
    del files[name]
    (line, *_) = [line for line in found(files) if name.rpartition(".")[2] in line]
    assert line.endswith(": missing") or "holds no rule" in line


def test_a_file_that_no_rule_is_read_from_is_a_finding() -> None:
    lines = found(policies.files() | {"extra.ceder": b"forbid (principal, action, resource);"})
    assert lines == ["policy/extra.ceder:1:1: is no file of a policy: rules are in *.cedar"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("  locale?: String", "  place?: String", "action use"),
        ("  classification: String,    //", "  classification: Long,  //", "action use"),
        ("  provenance: Bool", "  origin: Bool", "action use"),
        ("context: { act: String }", "context: { act: Long }", "action administer"),
        ("entity Person { role: String }", "entity Person { rank: Long }", "action administer"),
    ],
)
def test_a_schema_that_does_not_take_what_the_node_states_is_refused(old: str, new: str, place: str) -> None:
    schema = policies.files()["schema.cedarschema"].decode()
    assert old in schema
    changed = schema.replace(old, new)
    rules = '@id("use") @why("w") permit (principal, action, resource);'
    (first, *_) = found(policies.files(rules, schema=changed.encode()))
    line = changed[: changed.index(place)].count("\n") + 1
    assert first.startswith(f"policy/schema.cedarschema:{line}:8: does not take what this program states for ")


def test_a_failing_policy_test_is_refused_with_its_place_and_what_came_instead() -> None:
    test = {"name": "far", "labels": {"classification": "secret"}, "card": {"tier": "frontier"}}
    raw = json.dumps({"home": {}, "tests": [test | {"expect": "permit", "rule": "use"}]}, indent=1)
    (line,) = found(policies.files(tests=raw.encode()))
    assert line == "policy/tests.json:4:3: far: expected permit by use, came refuse by class/secret/tiers, training"
    right_verdict_wrong_rule = raw.replace('"permit"', '"refuse"').replace('"use"', '"training"')
    (line,) = found(policies.files(tests=right_verdict_wrong_rule.encode()))
    assert "expected the rule training, came class/secret/tiers" in line


def test_content_with_a_bad_policy_does_not_load_and_says_all_that_is_wrong(tmp_path: Path) -> None:
    write_content(tmp_path, fake_card("device/m"))
    before = load_generation(tmp_path)
    (tmp_path / "policy" / "z.cedar").write_text(HEAD + "when { resource.tir };")
    (tmp_path / "cards" / "bad.json").write_text("{}")
    with pytest.raises(ConfigInvalid) as caught:
        load_generation(tmp_path)
    assert any("policy/z.cedar:4:17" in line for line in caught.value.details)
    assert any(line.startswith("bad.json") for line in caught.value.details)
    assert before.policy.rules


def test_every_byte_of_the_policy_counts_for_the_generation(tmp_path: Path) -> None:
    write_content(tmp_path, fake_card("device/m"))
    seen = {load_generation(tmp_path).id}
    for path in sorted((tmp_path / "policy").iterdir()):
        path.write_bytes(path.read_bytes() + b"\n")
        seen.add(load_generation(tmp_path).id)
    assert len(seen) == 6


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damage_to_a_policy_ends_in_findings_or_in_a_policy_never_in_a_crash(data: st.DataObject) -> None:
    files = policies.files()
    name = data.draw(st.sampled_from(sorted(files)))
    raw = files[name]
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 20)))
    files[name] = raw[:start] + data.draw(st.binary(max_size=8)) + raw[end:]
    for line in found(files):
        assert line.startswith(f"policy/{name}:") or "policy/" in line

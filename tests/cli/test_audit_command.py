"""`weir audit`, on a log with entries of every kind and on what somebody made of it; docs/audit.md as it stands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from appliance.records.card import Place
from appliance.store.audit.log import Audit
from tests.cli.conftest import ROOT, Weir
from tests.store.audit_rig import filled, leave, tamper

DOCS = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
SPAN = ("--from", "2020-01-01", "--to", "2099-12-31")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return filled(tmp_path / "state")


def test_what_the_page_tells_to_type_works(weir: Weir, state: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", DOCS, re.S)
    lines = block.splitlines()
    assert len(lines) == 7
    for typed in lines:
        line = typed.replace("/tmp/weir-export", str(weir.home / "export")).replace("/tmp/weir", str(state))
        ran = weir(*shlex.split(line, comments=True)[1:])
        assert ran.code == 0, (line, ran)


def test_verify_ends_with_1_and_names_the_first_wrong_sequence(weir: Weir, state: Path) -> None:
    whole = weir("audit", "verify", "--json", "--state", str(state)).json
    assert (whole["ok"], whole["entries"], whole["last"]["seq"]) == (True, 18, 18)
    tamper(state, "UPDATE entries SET payload = '{}' WHERE seq = 6")
    ran = weir("audit", "verify", "--json", "--state", str(state))
    assert (ran.code, ran.json["finding"]["seq"], ran.json["finding"]["code"]) == (1, 6, "altered")
    assert "entry 6" in weir("audit", "verify", "--state", str(state)).out
    refused = weir("audit", "export", *SPAN, "out.jsonl", "--state", str(state))
    assert (refused.code, "from entry 6 on" in refused.err) == (2, True)
    assert weir("audit", "prove", "--label", "secret", "--not-to", "any", *SPAN, "--state", str(state)).code == 1


def test_an_export_needs_a_key_from_elsewhere(weir: Weir, state: Path) -> None:
    assert weir("audit", "export", *SPAN, "out.jsonl", "--state", str(state)).code == 0
    assert weir("audit", "verify", "--file", "out.jsonl").code == 2
    file = weir.home / "out.jsonl"
    file.write_bytes(file.read_bytes().replace(b"site/one", b"site/two", 1))
    ran = weir("audit", "verify", "--file", "out.jsonl", "--key", str(state / "audit.pub"), "--json")
    assert (ran.code, ran.json["finding"]["code"]) == (1, "altered")


@pytest.mark.parametrize(
    ("label", "claim", "code", "against"),
    [
        ("secret", ("--not-to", "frontier"), 0, 0),
        ("internal", ("--not-to", "frontier"), 1, 1),
        ("internal", ("--not-to", "country:CH"), 1, 13),  # one whose place is not stated speaks against it too
        ("internal", ("--only-to", "country:CH"), 1, 1),
        ("restricted", ("--only-to", "country:CH"), 0, 0),
        ("restricted", ("--not-to", "site"), 1, 1),
        ("country:CH", ("--not-to", "frontier"), 0, 0),
        ("tenant=acme", ("--not-to", "frontier"), 0, 0),
        ("tenant=other", ("--not-to", "frontier"), 1, 1),
        ("any", ("--not-to", "any"), 1, 14),
        # in whatever capitals it is asked
        ("Restricted", ("--not-to", "site"), 1, 1),
        ("country:ch", ("--not-to", "site"), 1, 1),
        ("internal", ("--not-to", "country:ch"), 1, 13),
    ],
)
def test_a_claim_is_answered_with_what_speaks_against_it(
    weir: Weir, state: Path, label: str, claim: tuple[str, str], code: int, against: int
) -> None:
    audit = Audit(state)
    leave(audit, tenant="other", path="cloud", tier="frontier", place=Place())
    leave(audit, classification="restricted", residency="country:CH")
    audit.close()
    ran = weir("audit", "prove", "--label", label, *claim, *SPAN, "--json", "--state", str(state))
    assert (ran.code, ran.json["counter_examples"], ran.json["holds"]) == (code, against, code == 0)
    assert ran.json["left"] == 14
    assert ran.json["log"]["ok"]
    assert ran.json["covered_by_signature_of"] == 20
    assert len(ran.json["examples"]) == against
    spoken = weir("audit", "prove", "--label", label, *claim, *SPAN, "--state", str(state))
    assert spoken.out.startswith("Proved" if code == 0 else "Not proved")


@pytest.mark.parametrize(
    ("label", "known"),
    [("tenant=Other", True), ("tenant=made", True), ("tenant=local", True), ("tenant=othre", False), ("secret", True)],
)
def test_a_tenant_that_the_log_does_not_know_is_said(weir: Weir, state: Path, label: str, known: bool) -> None:
    """Of a misspelt one anything would be proved."""
    audit = Audit(state)
    leave(audit, tenant="other")
    audit.write("admin", {"act": "tenant-add", "tenant": "made"})
    audit.close()
    asked = ("audit", "prove", "--label", label, "--not-to", "frontier", *SPAN, "--state", str(state))
    ran = weir(*asked, "--json")
    assert (ran.code, ran.json["tenant_known"]) == (0, known)
    assert ("names that tenant" in weir(*asked).out) == (not known)


def test_a_claim_about_another_time_scans_none_of_it(weir: Weir, state: Path) -> None:
    span = ("--from", "2001-01-01", "--to", "2001-12-31T12:00+02:00")
    ran = weir("audit", "prove", "--label", "any", "--not-to", "any", *span, "--json", "--state", str(state))
    assert (ran.code, ran.json["left"], ran.json["range"]["entries"]) == (0, 0, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("prove", "--label", "x", *SPAN),
        ("prove", "--label", "x", "--not-to", "site", "--only-to", "site", *SPAN),
        ("prove", "--label", "colour=red", "--not-to", "site", *SPAN),
        ("prove", "--label", "any", "--not-to", "moon:far", *SPAN),
        ("prove", "--label", "any", "--not-to", "country:Switzerland", *SPAN),
        ("prove", "--label", "any", "--not-to", "site", "--from", "yesterday", "--to", "2026-01-01"),
        ("prove", "--label", "any", "--not-to", "site", "--from", "2026-01-01", "--to", "9999-12-31"),
        ("prove", "--label", "any", "--not-to", "site", "--from", "2026-01-02", "--to", "2026-01-01"),
        # what no request can carry was never seen to leave: that would prove everything
        ("prove", "--label", "restrictd", "--not-to", "site", *SPAN),
        ("prove", "--label", "classification=any", "--not-to", "site", *SPAN),
        ("prove", "--label", "residency=secret", "--not-to", "site", *SPAN),
        ("prove", "--label", "classification=site", "--not-to", "site", *SPAN),
        ("prove", "--label", "country:Switzerland", "--not-to", "site", *SPAN),
        ("export", "--from", "2026-01-02", "--to", "2026-01-01", "none.jsonl"),
        ("export", "--from", "2001-01-01", "--to", "2001-01-02", "none.jsonl"),
        ("verify", "--against", "missing.jsonl"),
        ("verify", "--key", "missing.pub"),
    ],
)
def test_what_cannot_be_answered_is_said_and_ends_with_2(weir: Weir, state: Path, arguments: tuple[str, ...]) -> None:
    ran = weir("audit", arguments[0], *arguments[1:], "--json", "--state", str(state))
    assert ran.code == 2
    assert "Traceback" not in ran.err
    if ran.out:
        assert json.loads(ran.out)["error"]["message"]


def test_without_an_audit_it_says_so(weir: Weir) -> None:
    ran = weir("audit", "verify", "--state", str(weir.home / "none"))
    assert (ran.code, "Traceback" in ran.err) == (2, False)


def test_init_makes_a_key_that_only_its_owner_reads_and_the_first_entry(weir: Weir, tmp_path: Path) -> None:
    made = weir("init", "--json", "--state", str(tmp_path / "new")).json
    for name in ("audit.key", "audit.salt", "audit.head"):
        assert (tmp_path / "new" / name).stat().st_mode & 0o077 == 0
    weir("audit", "export", *SPAN, "first.jsonl", "--state", str(tmp_path / "new"))
    entry = json.loads((weir.home / "first.jsonl").read_text().splitlines()[1])
    assert (entry["kind"], entry["payload"]["act"], entry["payload"]["node"]) == ("admin", "init", made["node_id"])

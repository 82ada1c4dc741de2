"""`weir tenant`: docs/tenants.md as it stands, what is refused, and what is written down."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from appliance.records.money import PICOS
from appliance.store.holds import Kept, keep
from tests.cli.conftest import ROOT, Weir
from tests.installed import placed
from tests.node.conftest import fake_card, write_content

DOCS = (ROOT / "docs" / "tenants.md").read_text(encoding="utf-8")


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


def test_what_the_page_tells_to_type_works(weir: Weir, state: str) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", DOCS, re.S)
    lines = block.splitlines()
    assert len(lines) == 8
    for typed in lines:
        ran = weir(*shlex.split(typed.replace("/tmp/weir", state), comments=True)[1:])
        assert ran.code == 0, (typed, ran)
        if typed.split()[2] in ("add", "rotate"):
            assert re.fullmatch(r"weir_[0-9a-f]{8}_[A-Za-z0-9_-]{43}\n", ran.out)
            assert "not shown again" in ran.err


def test_a_state_directory_that_was_not_there_is_said(weir: Weir, state: str) -> None:
    """It may be misspelt."""
    assert "is now the state directory of a new node" in weir("tenant", "add", "acme", "--state", state).err
    assert "new node" not in weir("tenant", "add", "other", "--state", state).err


def test_a_key_is_nowhere_but_on_the_screen(weir: Weir, state: str) -> None:
    key = weir("tenant", "add", "acme", "--state", state).out.strip()
    for file in Path(state).iterdir():
        assert key.encode() not in file.read_bytes()
        assert key.split("_", 2)[2].encode() not in file.read_bytes()
    assert stat.S_IMODE((Path(state) / "node.db").stat().st_mode) == 0o600
    for shown in (weir("tenant", "show", "acme", "--state", state), weir("tenant", "list", "--json", "--state", state)):
        assert key not in shown.out


def test_what_is_set_aside_is_shown_beside_what_was_spent(weir: Weir, state: str) -> None:
    """Or nobody sees why a budget that is not spent refuses."""
    weir("tenant", "add", "acme", "--budget-day", "5", "--state", state)
    assert "set aside" not in weir("tenant", "show", "acme", "--state", state).out
    with closing(sqlite3.connect(Path(state) / "node.db", isolation_level=None)) as connection:
        for id, amount in (("r1", 2 * PICOS), ("r2", PICOS // 2)):
            keep([Kept(id, "acme", 1_795_262_400.0, amount, "far", "", "USD", "g")], connection)
    assert "set aside   2 requests in work, 2.5 at most" in weir("tenant", "show", "acme", "--state", state).out
    shown = weir("tenant", "show", "acme", "--json", "--state", state).json
    assert shown["set_aside"] == {"requests": 2, "cost": 2.5}


def test_every_change_is_in_the_audit_with_who_made_it(weir: Weir, state: str) -> None:
    weir("tenant", "add", "acme", "--tier", "device", "--state", state)
    weir("tenant", "set", "acme", "--tier", "none", "--budget-day", "3", "--state", state)
    weir("tenant", "rotate", "acme", "--state", state)
    weir("tenant", "revoke", "acme", "--state", state)
    with sqlite3.connect(Path(state) / "audit.db") as connection:
        rows = connection.execute("SELECT payload FROM entries WHERE kind = 'admin' ORDER BY seq").fetchall()
    acts = [json.loads(row[0]) for row in rows][1:]
    assert [act["act"] for act in acts] == ["tenant-add", "tenant-set", "tenant-rotate", "tenant-revoke"]
    assert all(act["tenant"] == "acme" and act["by"] for act in acts)
    assert acts[0]["settings"] == {"tiers": ["device"]}
    assert acts[1]["settings"] == {"budget_day": "3.0"}
    assert len(acts[3]["keys"]) == 2
    assert weir("audit", "verify", "--state", state).code == 0


def test_nothing_changes_where_the_audit_cannot_be_written(weir: Weir, state: str) -> None:
    weir("tenant", "add", "acme", "--state", state)
    with sqlite3.connect(Path(state) / "audit.db") as connection:
        connection.execute("DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)")
    ran = weir("tenant", "add", "other", "--state", state)
    assert ran.code == 2
    assert "audit" in ran.err
    assert [t["name"] for t in weir("tenant", "list", "--json", "--state", state).json["tenants"]] == ["acme"]


def test_settings_come_and_go_and_the_rest_stays(weir: Weir, state: str) -> None:
    weir("tenant", "add", "acme", "--model", "a", "--model", "b", "--quality-floor", "0.9", "--state", state)
    ran = weir("tenant", "set", "acme", "--quality-floor", "none", "--locale", "DE-ch", "--json", "--state", state)
    assert ran.json["settings"] == {"models": ["a", "b"], "locale": "de-CH"}
    shown = weir("tenant", "show", "acme", "--state", state).out
    assert "a, b" in shown and "de-CH" in shown and "active" in shown


def test_a_path_that_is_not_in_force_is_warned_of_and_taken(weir: Weir, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    write_content(placed(tmp_path / "state"), fake_card("site/one", "site"))
    for command in ("add", "set"):
        ran = weir("tenant", command, "acme", "--model", "site/one", "--model", "site/noe", "--state", state)
        assert ran.code == 0
        (said,) = [line for line in ran.err.splitlines() if "warning" in line]
        assert "no path in force has the id site/noe" in said
    assert weir("tenant", "show", "acme", "--json", "--state", state).json["settings"]["models"] == [
        "site/one",
        "site/noe",
    ]
    for models in ("site/one", "none"):
        assert weir("tenant", "set", "acme", "--model", models, "--state", state).err == ""


def test_before_the_first_bundle_no_path_is_warned_of(weir: Weir, state: str) -> None:
    assert "warning" not in weir("tenant", "add", "acme", "--model", "site/one", "--state", state).err


def test_two_changes_at_once_lose_nothing(weir: Weir, state: str) -> None:
    weir("tenant", "add", "acme", "--state", state)
    changes = (
        ("--classification", "restricted"),
        ("--budget-day", "7"),
        ("--rights", "reserved"),
        ("--locale", "de-CH"),
    )
    running = [
        subprocess.Popen(weir.command("tenant", "set", "acme", *change, "--state", state), cwd=weir.home, env=weir.env)
        for change in changes
    ]
    assert [each.wait(90) for each in running] == [0] * 4
    settings = weir("tenant", "show", "acme", "--json", "--state", state).json["settings"]
    assert settings == {"classification": "restricted", "budget_day": 7.0, "rights": "reserved", "locale": "de-CH"}


def test_looking_makes_nothing(weir: Weir, state: str) -> None:
    assert weir("tenant", "list", "--state", state).code == 0
    assert weir("tenant", "show", "acme", "--state", state).code == 2
    assert not (Path(state) / "node.db").exists()


def test_one_key_of_several_is_revoked(weir: Weir, state: str) -> None:
    first = weir("tenant", "add", "acme", "--json", "--state", state).json
    weir("tenant", "rotate", "acme", "--grace", "1h", "--state", state)
    assert weir("tenant", "revoke", "acme", "--key", first["key_id"], "--json", "--state", state).json["revoked"] == [
        first["key_id"]
    ]
    keys = weir("tenant", "show", "acme", "--json", "--state", state).json["keys"]
    assert sorted(key["state"] for key in keys) == ["active", "revoked"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "local"), "The name: must be"),
        (("add", "Big Corp"), "The name: must be"),
        (("add", "acme"), "already, or there was"),
        (("add", "x", "--tier", "moon"), "--tier:"),
        (("add", "x", "--classification", "hush"), "--classification:"),
        (("add", "x", "--residency", "mars"), "--residency must be node"),
        (("add", "x", "--locale", "!!"), "--locale"),
        (("add", "x", "--requests-per-minute", "0"), "--requests-per-minute:"),
        (("add", "x", "--budget-day", "nan"), "--budget-day:"),
        (("add", "x", "--business-value", "inf"), "--business-value:"),
        (("add", "x", "--expires", "0d"), "must be a number above 0 with m, h or d"),
        (("rotate", "acme", "--expires", "0m"), "must be a number above 0 with m, h or d"),
        (("add", "x", "--budget-day", "-1"), "--budget-day:"),
        (("add", "x", "--quality-floor", "2"), "--quality-floor:"),
        (("add", "x", "--expires", "soon"), "90d"),
        (("set", "nobody", "--tier", "device"), "There is no tenant 'nobody'"),
        (("show", "nobody"), "There is no tenant 'nobody'"),
        (("rotate", "nobody"), "There is no tenant 'nobody'"),
        (("revoke", "nobody"), "There is no tenant 'nobody'"),
        (("revoke", "acme", "--key", "nokey"), "has no key 'nokey'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    weir: Weir, state: str, arguments: tuple[str, ...], said: str
) -> None:
    weir("tenant", "add", "acme", "--state", state)
    ran = weir("tenant", *arguments, "--state", state)
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert [t["name"] for t in weir("tenant", "list", "--json", "--state", state).json["tenants"]] == ["acme"]


def test_a_newer_or_damaged_database_is_refused_with_a_reason(weir: Weir, state: str) -> None:
    weir("tenant", "add", "acme", "--state", state)
    (Path(state) / "node.db").write_bytes(b"not a database" * 100)
    for name in ("node.db-wal", "node.db-shm"):
        (Path(state) / name).unlink(missing_ok=True)
    ran = weir("tenant", "list", "--state", state)
    assert ran.code == 2
    assert "node.db is damaged" in ran.err

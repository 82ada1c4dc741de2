"""`weir cost`: what was spent where, without a node; estimates are marked, and nothing is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.main import run
from appliance.store import Store
from tests.store.test_totals import DAY, record, step


@pytest.fixture
def state(tmp_path: Path) -> Path:
    store = Store(tmp_path)
    store.add(record("r1", step("site/one", 2_500_000), tenant="newsroom"))
    store.add(record("r2", step("site/one", 500_000), tenant="claims", time=DAY + 86_400))
    store.add(record("r3", step("far/two", 10**12, status="cancelled", cost_known=False), status="cancelled"))
    store.close()
    router = tmp_path / "current" / "router"
    router.mkdir(parents=True)
    (router / "weights.json").write_text('{"frontier": {"name": "far-reference"}}')
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], state: Path, *options: str) -> str:
    assert run(["cost", "--state", str(state), *options]) == 0
    return capsys.readouterr().out


def rows(capsys: pytest.CaptureFixture[str], state: Path, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said(capsys, state, "--json", *options))["rows"]
    return found


def test_people_see_a_table_with_its_sum_and_what_is_estimated(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, state)
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert lines["PATH"][1:3] == ["REQUESTS", "IN"]
    assert lines["site/one"][1:8] == ["2", "20", "6", "8", "2", "0.000003", "USD"]
    assert lines["far/two"][6] == "~1"
    assert lines["total"][1] == "3"
    assert "~ estimated in part" in out
    assert "far-reference" in out


def test_programs_get_whole_numbers(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {(row["tenant"], row["day"]): row for row in rows(capsys, state, "--by", "tenant", "--by", "day")}
    assert found["newsroom", "2026-11-21"]["cost_picos"] == 2_500_000
    assert found["claims", "2026-11-22"]["requests"] == 1
    assert found["t", "2026-11-21"]["estimated_tokens"] == 14
    assert found["t", "2026-11-21"]["estimated_cost"] == 1.0


def test_days_and_tenants_are_chosen(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["tenant"] for row in rows(capsys, state, "--by", "tenant", "--since", "2026-11-22")] == ["claims"]
    assert len(rows(capsys, state, "--by", "tenant", "--until", "2026-11-21")) == 2
    assert [row["requests"] for row in rows(capsys, state, "--tenant", "newsroom")] == [1]
    assert "No request is on record" in said(capsys, state, "--tenant", "nobody")


def test_where_there_is_nothing_to_read_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "--state", str(tmp_path)]) == 2
    assert "holds no records" in capsys.readouterr().err
    assert not (tmp_path / "telemetry.db").exists()

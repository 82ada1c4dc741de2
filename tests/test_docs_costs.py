"""docs/costs.md: its commands run, its price is one, its figures are the program's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from appliance.cli.main import run
from appliance.decide import price, usage
from appliance.doctor.content import PRICES_LAST
from appliance.records.card import Price
from appliance.store import Store
from tests.store.test_totals import record, step

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "costs.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M))


def test_its_commands_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    store.add(record("r1", step("site/one"), tenant="local"))
    store.close()
    lines = BLOCKS["sh"].splitlines()
    assert len(lines) == 3
    for line in lines:
        program, *words = shlex.split(line.replace("/tmp/weir", str(tmp_path)), comments=True)
        assert program == "weir"
        assert run(words) == 0
        assert "1" in capsys.readouterr().out


def test_its_price_is_one() -> None:
    assert not Price.model_validate_json(BLOCKS["json"]).free


def test_every_field_of_a_price_is_named() -> None:
    assert [name for name in Price.model_fields if f"`{name}`" not in PAGE and f'"{name}"' not in PAGE] == []


def test_its_figures_are_the_programs() -> None:
    assert f"{price.ASSUMED_OUTPUT:,}" in PAGE
    assert f"older than {PRICES_LAST.days} days" in PAGE
    assert f"{usage.PROMPT_SLACK:,} tokens of a prompt, {usage.ANSWER_SLACK} of an answer" in PAGE
    assert f"one token for {usage.CHARACTERS_A_TOKEN} characters" in PAGE

"""docs/failing.md: its examples are valid, and its table names every limit with its default."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic import BaseModel

from appliance.decide.failing import Failing
from appliance.records.card import Endpoint

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "failing.md").read_text(encoding="utf-8")
ENDPOINT, WEIGHTS = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.S))


def test_the_endpoint_of_the_page_is_one_and_has_its_members() -> None:
    pool = Endpoint.model_validate(ENDPOINT).pool
    assert [one.base_url for one in pool] == [
        "https://one.example/v1",
        "https://one.example/v1",
        "https://two.example/v1",
    ]
    assert [one.api_key_ref for one in pool] == ["secret:first", "secret:second", "secret:first"]
    assert not any(one.members for one in pool)


def test_the_limits_of_the_page_are_taken_and_its_table_says_every_default() -> None:
    assert Failing.model_validate(WEIGHTS["failing"]).hedging.on
    told = dict(re.findall(r"^\| `([a-z_.]+)` \| (\S+) \|", PAGE, re.M))
    stated = {}
    for group, limits in Failing():
        assert isinstance(limits, BaseModel)
        stated |= {f"{group}.{name}": str(value).lower() for name, value in limits}
    assert told == stated

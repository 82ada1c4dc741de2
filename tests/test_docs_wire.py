"""docs/wire.md: its examples run as they stand there, and its tables are those of the code."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path

import orjson
import pytest

from appliance import errors
from appliance.intake.anthropic import MESSAGES
from appliance.intake.blocks import HOLDS
from appliance.intake.fields import Refuse
from appliance.intake.items import ITEMS, PARTS
from appliance.intake.responses import RESPONSES
from appliance.respond.anthropic import error_body
from appliance.web.dialects import DIALECTS
from tests.node import test_every_adapter as every
from tests.node.conftest import running_node, upstream_card
from tests.standins.openai_server import Behaviour, OpenAIStandIn

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "wire.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M)
HOST = "http://127.0.0.1:8377"


def rows(heading: str) -> list[tuple[str, str]]:
    """First and second cells of the table that begins so."""
    table = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [(cells[1], cells[2]) for line in table.splitlines()[2:] if (cells := line.split("|"))]


def words(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


async def test_its_examples_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with OpenAIStandIn(Behaviour()) as upstream, running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        for language, block in BLOCKS:
            if language == "python":
                code, names = compile(block.replace(HOST, weir.url), "docs/wire.md", "exec"), {}
                await asyncio.to_thread(exec, code, names)
                names["client"].close()
                assert capfd.readouterr().out == "What is 12 + 7?\n"
        line = dict(BLOCKS)["sh"].replace(HOST, weir.url)
        done = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", line], capture_output=True, timeout=30, check=True
        )
    assert 1 <= json.loads(done.stdout)["input_tokens"] <= 9


def test_its_tables_name_every_parameter_and_block() -> None:
    refused = PAGE.split("Refused by name: ", 1)[1].split("\n\n", 1)[0]
    taken = {name for cell, _ in rows("Parameter") for name in words(cell)}
    turned_down = {name for name, take in MESSAGES.items() if isinstance(take, Refuse)} - {"speed"}
    assert taken == set(MESSAGES) - turned_down
    assert turned_down <= words(refused)
    assert {name for cell, _ in rows("Block") for name in words(cell)} == set(HOLDS)


def test_its_tables_name_everything_of_a_response() -> None:
    refused = PAGE.split("Refused by name, with what to do instead: ", 1)[1].split("\n\n", 1)[0]
    taken = {name for cell, _ in rows("Of a response") for name in words(cell)}
    turned_down = {name for name, take in RESPONSES.items() if isinstance(take, Refuse)}
    assert taken == set(RESPONSES) - turned_down | {"truncation", "store", "background"}
    assert turned_down - {"route"} <= words(refused) | taken
    assert {name for cell, _ in rows("Item") for name in words(cell)} == set(ITEMS)
    assert set(PARTS) <= {name for _, cell in rows("Item") for name in words(cell)}


def test_its_table_of_sdks_is_that_of_the_tests() -> None:
    section = PAGE.split("## What was tried", 1)[1]
    assert words(section.split("| SDK |", 1)[0]) >= set(every.ADAPTERS)
    table = section.split("| SDK |", 1)[1].splitlines()
    assert [cell.strip() for cell in table[0].split("|")[:-1]] == list(every.FEATURES)
    shown = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[2:] if line]
    assert shown == [[sdk.name, *["yes"] * len(every.FEATURES)] for sdk in every.SDKS]


def test_its_addresses_are_those_that_are_served() -> None:
    served = {one.address for dialect in DIALECTS for one in (*dialect.endpoints, *dialect.inquiries)}
    named = {word for _, cell in rows("Dialect") for word in words(cell) if word.startswith("/")}
    assert named == served | {"/v1/models"}


@pytest.mark.parametrize(
    "error",
    [
        errors.BadRequest,
        errors.SlowClient,
        errors.WrongMethod,
        errors.Unauthorized,
        errors.PolicyRefused,
        errors.UnknownModel,
        errors.BodyTooLarge,
        errors.RateLimited,
        errors.NoCapacity,
        errors.UpstreamFailed,
        errors.NotGoodEnough,
    ],
)
def test_its_types_of_errors_are_those_that_are_sent(error: type[errors.WeirError]) -> None:
    (said,) = {
        word
        for status, cell in rows("Status")
        for word in words(cell)
        if str(error.status) in status and (error.status != 503 or ("want" in status) == (error.kind == "capacity"))
    }
    assert said == orjson.loads(error_body(error("x")))["error"]["type"]

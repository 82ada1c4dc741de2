"""Who may speak to a node on loopback: programs of this host, not pages of a browser; and one node a state."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from pydantic import ValidationError

from appliance.config import Listen
from appliance.errors import StateInvalid
from appliance.store import Store
from tests.node.conftest import Running, fake_card, running_node


async def ask(weir: Running, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"{weir.url}/v1/models", headers=headers) as reply:
        body = await reply.json()
        return reply.status, body.get("error", {}).get("code", "")


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "localhost:8377", "[::1]:8377"])
async def test_a_program_is_answered_by_any_name_of_loopback(weir: Running, host: str) -> None:
    assert await ask(weir, Host=host) == (200, "")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8377", "127.0.0.1.evil.example", "2130706433"])
async def test_a_page_that_rebinds_its_name_to_loopback_is_refused(weir: Running, host: str) -> None:
    assert await ask(weir, Host=host) == (403, "foreign_origin")


NAMED = {
    "weir.site.example": 200,
    "Weir.Site.Example:8377": 200,
    "127.0.0.1:1": 200,
    "x.weir.site.example": 403,
    "weir.site.example.": 403,
    "weir.site.example:8377:1": 403,
    "weir.site.example:": 403,
}


async def test_a_name_that_the_configuration_states_is_one_of_the_nodes_and_a_page_under_it_no_program(
    tmp_path: Path,
) -> None:
    card = fake_card("device/a")
    async with running_node(tmp_path, card, listen={"names": ("weir.site.example",)}) as weir:
        for host, status in NAMED.items():
            assert (await ask(weir, Host=host))[0] == status, host
        page = {"Host": "weir.site.example", "Origin": "http://evil.example"}
        assert await ask(weir, **page) == (403, "foreign_origin")


@pytest.mark.parametrize("name", ["", "*", "Weir.example", "weir.example:80", "-x", "a b", "http://x", "x" * 254])
def test_what_is_no_host_name_is_not_taken(name: str) -> None:
    with pytest.raises(ValidationError):
        Listen(names=(name,))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example"])
async def test_a_page_of_another_origin_is_refused(weir: Running, origin: str) -> None:
    assert await ask(weir, Origin=origin) == (403, "foreign_origin")


def test_a_second_node_on_the_same_state_is_told_so(tmp_path: Path) -> None:
    first = Store(tmp_path)
    try:
        with pytest.raises(StateInvalid, match="Another node"):
            Store(tmp_path)
    finally:
        first.close()
    Store(tmp_path).close()

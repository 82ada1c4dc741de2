"""Gemini on Vertex AI: tokens for an account are had through our own door, and sent where they belong alone."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from appliance.paths.contract import PathError
from tests.paths.gemini_rig import both, vertex
from tests.paths.rig import HELLO, KEY, PROMPT, card_for, collect, fault, started, text
from tests.standins.gemini_server import VERTEX, gemini
from tests.standins.google_accounts import MAIL, account
from tests.standins.openai_answers import Behaviour


@pytest.mark.asyncio
@both
async def test_a_service_account_gets_a_token_for_many_calls(stream: bool) -> None:
    async with gemini(Behaviour(key=KEY)) as server, started(vertex(server), account()) as path:
        answers = await asyncio.gather(*(collect(path, replace(HELLO, stream=stream)) for _ in range(5)))
        assert [text(chunks) for chunks in answers] == [PROMPT] * 5
        assert server.wire.tokens == ["ya29.stand-in-0"], "one token was had for all"
        assert {headers["Authorization"] for headers in server.headers} == {"Bearer ya29.stand-in-0"}
        assert not any("x-goog-api-key" in headers for headers in server.headers)
        assert "ya29" not in repr(path) and "PRIVATE" not in repr(path)


@pytest.mark.asyncio
async def test_a_token_is_had_anew_before_it_ends() -> None:
    async with gemini(Behaviour(key=KEY)) as server, started(vertex(server), account()) as path:
        runtime: Any = path.inner  # type: ignore[attr-defined]
        began, server.wire.lives_s = time.time(), 4
        for later, count in ((0.0, 1), (1.0, 1), (2.5, 2), (4.0, 2)):
            runtime._wall = lambda later=later: began + later
            await collect(path)
            assert len(server.wire.tokens) == count
        runtime._wall = lambda: began + 100_000.0  # this host's clock is wrong
        assert (await fault(path)).fault == "auth"


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["500", "shapeless", "hang"])
async def test_a_token_server_in_trouble_is_a_fault_of_the_path(mode: str) -> None:
    clocks = {"first_byte_timeout_s": 1.0} if mode == "hang" else {}
    async with gemini(Behaviour(key=KEY)) as server, started(vertex(server, **clocks), account()) as path:
        server.wire.token_mode = mode
        assert (await fault(path)).fault == ("timeout" if mode == "hang" else "unavailable")
        assert not server.bodies, "nothing was sent without a token"
        server.wire.token_mode = ""
        assert text(await collect(path)) == PROMPT


@pytest.mark.asyncio
async def test_an_account_that_the_server_refuses_is_an_error_without_its_words() -> None:
    async with gemini(Behaviour(key=KEY)) as server:
        async with started(vertex(server), account(client_email="nobody@p.example")) as path:
            error = await fault(path)
        assert (error.fault, error.message) == ("auth", "The token server refused the service account. (HTTP 400)")
        for wrong in ("sk-no-account", "{}", json.dumps({"client_email": MAIL, "private_key": "none"})):
            with pytest.raises(PathError) as caught:
                async with started(vertex(server), wrong):
                    pass
            assert (caught.value.fault, caught.value.message) == (
                "auth",
                "What the card's key refers to is no service account.",
            )


@pytest.mark.asyncio
async def test_tokens_are_had_through_the_door_or_not_at_all() -> None:
    async with gemini(Behaviour(key=KEY)) as server:
        card = vertex(server, token_url="https://oauth2.example/token")
        assert set(card.endpoint.addresses) == {server.base_url + VERTEX, "https://oauth2.example/token"}
        with pytest.raises(PathError) as caught:
            async with started(card, account()):
                pass
        assert caught.value.fault == "unavailable"
        assert not server.seen
    loaded = [name for name in sys.modules if name.startswith("google.auth.transport.")]
    assert not loaded, "google-auth's own transports are not even imported"


@pytest.mark.asyncio
async def test_an_account_is_never_sent_where_a_key_is_wanted() -> None:
    async with gemini() as server:
        with pytest.raises(PathError) as caught:
            async with started(card_for(server, "gemini_http"), account()):
                pass
        assert caught.value.fault == "auth"
        assert not server.seen


@pytest.mark.asyncio
async def test_a_token_that_was_refused_is_not_sent_again() -> None:
    async with gemini(Behaviour(key=KEY)) as server, started(vertex(server), account()) as path:
        await collect(path)
        server.wire.tokens.clear()  # as if the account's tokens were revoked
        assert (await fault(path)).fault == "auth"
        assert text(await collect(path)) == PROMPT

"""Anthropic's models on Vertex AI: the same Messages, at Google's address and with Google's tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.egress import Egress
from appliance.errors import ConfigInvalid
from appliance.paths.anthropic_vertex import VertexDialect
from appliance.paths.contract import Done, Job, PathError, Usage
from appliance.paths.registry import PathContext, build_path
from appliance.records.card import ModelCard
from appliance.records.request import Format, Message
from tests.paths.rig import HELLO, PROMPT, calls, card_for, collect, fault, started, text, thought
from tests.standins.anthropic_server import SEAL, THOUGHT, VERTEX, AnthropicStandIn, anthropic
from tests.standins.google_accounts import account
from tests.standins.ledger import MemoryLedger
from tests.standins.openai_answers import Behaviour

MODEL = "claude-sonnet-4-5@20250929"
TOOL = {"type": "function", "function": {"name": "now"}}
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
AWAY = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def vertex(server: AnthropicStandIn, model: str = MODEL, **over: Any) -> ModelCard:
    where = {"base_url": server.base_url + VERTEX, "token_url": server.token_url}
    return card_for(server, "anthropic_http", model, endpoint={**where, **over.pop("endpoint", {})}, **over)


@both
async def test_an_answer_comes_from_google_s_address_with_google_s_token(stream: bool) -> None:
    async with anthropic(Behaviour(key="none")) as server, started(vertex(server), account()) as path:
        picture = Message("user", PROMPT, parts=(PIXEL,))
        for _ in range(2):
            chunks = await collect(path, replace(HELLO, messages=(picture,), stream=stream))
            assert (text(chunks), chunks[-1]) == (PROMPT, Done(Usage(6, 6)))
        assert server.wire.tokens == ["ya29.stand-in-0"], "one token was had for both"
        (address,) = server.seen
        assert address == f"{VERTEX}/models/{MODEL}:{'streamRawPredict' if stream else 'rawPredict'}"
        headers, body = server.headers[0], server.bodies[0]
        assert headers["Authorization"] == "Bearer ya29.stand-in-0"
        assert not {"x-api-key", "anthropic-version"} & {name.lower() for name in headers}
        assert (body["anthropic_version"], "model" in body, body["max_tokens"]) == ("vertex-2023-10-16", False, 4096)
        assert "PRIVATE" not in repr(path) and "ya29" not in repr(path)


@both
async def test_tools_schemas_and_thinking_are_those_of_the_messages_api(stream: bool) -> None:
    async with anthropic(Behaviour(key="none")) as server:
        async with started(vertex(server), account()) as path:
            chunks = await collect(path, replace(HELLO, tools=(TOOL,), tool_choice="required", stream=stream))
            assert calls(chunks) == [("toolu_1", "now", "{}")]
            schema = Format("json_schema", {"type": "object", "properties": {"a": {"type": "string"}}}, "thing")
            assert '"a"' in text(await collect(path, replace(HELLO, format=schema, stream=stream)))
        async with started(vertex(server, "mode:think"), account()) as path:
            assert thought(await collect(path, replace(HELLO, stream=stream))) == (THOUGHT, [f"anthropic:{SEAL}"])


@pytest.mark.parametrize(
    ("over", "param"),
    [
        ({"messages": (Message("user", "", parts=(AWAY,)),)}, "messages[0].content"),
        ({"messages": (*HELLO.messages, Message("tool", "", tool_call_id="c", parts=(AWAY,)))}, "messages[1].content"),
        ({"forwarded": {"service_tier": "auto"}}, "service_tier"),
        ({"n": 2}, "n"),
    ],
)
async def test_what_vertex_does_not_take_is_refused_by_name_before_anything_leaves(
    over: dict[str, Any], param: str
) -> None:
    async with anthropic(Behaviour(key="none")) as server, started(vertex(server), account()) as path:
        error = await fault(path, replace(HELLO, **over))
        assert (error.fault, error.param) == ("unsupported", param)
        assert not server.seen and not server.wire.tokens


@both
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("429", "overloaded"), ("500", "unavailable"), ("401", "auth"), ("404", "rejected"), ("400", "rejected"),
        ("too-long", "context_too_long"), ("overloaded", "overloaded"), ("cut", "broken_stream"),
        ("malformed", "broken_stream"), ("strange-tool", "broken_stream"),
    ],
)  # fmt: skip
async def test_each_failure_has_its_fault(mode: str, expected: str, stream: bool) -> None:
    async with anthropic(Behaviour(key="none")) as server, started(vertex(server, f"mode:{mode}"), account()) as path:
        assert (await fault(path, replace(HELLO, stream=stream))).fault == expected


async def test_a_token_that_was_refused_is_not_sent_again() -> None:
    async with anthropic(Behaviour(key="none")) as server, started(vertex(server), account()) as path:
        await collect(path)
        server.wire.tokens.clear()  # as if the account's tokens were revoked
        assert (await fault(path)).fault == "auth"
        assert text(await collect(path)) == PROMPT


def test_what_google_says_in_its_own_words_is_read_by_its_status_and_not_shown() -> None:
    dialect = VertexDialect(vertex(anthropic(port=1)))
    for status, expected in (
        (401, "auth"),
        (403, "auth"),
        (429, "overloaded"),
        (404, "rejected"),
        (503, "unavailable"),
    ):
        raw = orjson.dumps([{"error": {"code": status, "message": PROMPT, "status": "SOME_STATUS"}}])
        error = dialect.error(status, {}, raw, "")
        assert (error.fault, PROMPT in error.message) == (expected, False)


def test_a_card_without_a_token_server_is_refused() -> None:
    card = vertex(anthropic(port=1), endpoint={"token_url": None})
    with pytest.raises(ConfigInvalid, match="token_url"):
        build_path(card, PathContext(Path(), Egress(frozenset(), MemoryLedger())))


def test_a_model_s_name_stays_in_its_place_in_the_address() -> None:
    card = vertex(anthropic(port=1), "../../x:predict?y#z")
    assert card.endpoint is not None
    url = VertexDialect(card).call(Job("j", "chat", HELLO.messages), card.endpoint, streaming=False).url
    assert url.raw_path_qs == f"{VERTEX}/models/..%2F..%2Fx%3Apredict%3Fy%23z:rawPredict"
    with pytest.raises(PathError):
        VertexDialect(card).call(Job("j", "chat", (Message("nobody", "x"),)), card.endpoint, streaming=False)

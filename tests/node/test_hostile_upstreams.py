"""A node whose best path is a server that means harm answers all the same, by the next one."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.node.conftest import Start, said, sse, upstream_card
from tests.node.failing import FAST
from tests.paths.providers import EVERY
from tests.paths.test_hostile_upstreams import STREAMS, certificate
from tests.standins.hostile_server import HostileStandIn
from tests.standins.openai_server import Behaviour, OpenAIStandIn

STATED = {
    "tier": "site",
    "retention": "none",
    "trains_on_input": "no",
    "place": {"site": "s1", "country": "CH", "region": "EU"},
    "accuracy_default": 0.99,
    "accuracy_default_n": 1000,
}
# Each script by an adapter, each adapter by a script or two.
TRIED = [
    ("openai", "endless-header"),
    ("openai", "invalid-json"),
    ("openai", "strange-tool"),
    ("anthropic", "no-content"),
    ("anthropic", "no-newline"),
    ("anthropic", "endless-body"),
    ("gemini", "gzip-bomb-streamed"),
    ("gemini", "redirect"),
    ("bedrock", "bad-crc"),
    ("bedrock", "huge-frame"),
    ("cohere", "split-utf8"),
    ("cohere", "not-http"),
]


@pytest.mark.parametrize(("name", "script"), TRIED)
async def test_the_next_path_answers(start: Start, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    monkeypatch.setenv("K", EVERY[name].secret)
    async with (
        HostileStandIn(script, stream_type=STREAMS.get(name, "text/event-stream")) as hostile,
        OpenAIStandIn(Behaviour()) as honest,
    ):
        best = EVERY[name].card(hostile.base_url, over={**STATED, "id": "site/best", "price": {}}, gap_timeout_s=1.0)
        next_best = upstream_card(honest.base_url, "site/next", price={"per_request": 0.01})
        async with start(best, next_best, failing=FAST) as weir:
            for path in weir.node.fleet.paths.values():
                path.inner._limit = 1 << 20  # type: ignore[attr-defined]
            status, body, headers = await weir.ask("one two")
            assert (status, headers["x-weir-path"]) == (200, "site/next")
            assert body["choices"][0]["message"]["content"] == "one two"
            async with weir.chat("three four", stream=True) as response:
                assert response.headers["x-weir-path"] == "site/next"
                assert said(sse(await response.read())) == "three four"
            steps = (await weir.records())[0]["outcome"]["steps"]
            assert [step["path"] for step in steps] == ["site/best", "site/next"]
            assert steps[0]["fault"] in ("broken_stream", "unavailable", "timeout")
            assert hostile.asked >= 1


@pytest.mark.parametrize(
    ("script", "tokens", "known", "words"),
    [
        ("no-content", 0, False, "The server's answer is empty. (HTTP 204)"),
        ("empty-body", 0, False, "The server's answer is empty. (HTTP 200)"),
        ("strange-tool", 7, True, "The model called a tool that the request does not offer."),
    ],
)
async def test_an_odd_answer_costs_what_is_known_of_it_and_the_record_says_what_it_was(
    start: Start, script: str, tokens: int, known: bool, words: str
) -> None:
    async with HostileStandIn(script) as odd, OpenAIStandIn(Behaviour()) as honest:
        best = upstream_card(f"{odd.base_url}/v1", "site/best", price={"output_per_million": 1.0})
        next_best = upstream_card(honest.base_url, "site/next", price={"per_request": 0.01})
        async with start(best, next_best, failing=FAST) as weir:
            status, body, headers = await weir.ask("one two", max_tokens=4000)
            assert (status, headers["x-weir-path"]) == (200, "site/next")
            assert not body["choices"][0]["message"].get("tool_calls")
            steps = (await weir.records())[0]["outcome"]["steps"]
    assert (steps[0]["fault"], steps[0]["message"]) == ("broken_stream", words)
    assert (steps[0]["completion_tokens"], steps[0]["cost_known"]) == (tokens, known)
    assert steps[0]["cost"] == tokens / 1e6
    assert odd.asked == 1, "what may have done work is not paid for twice"


async def test_a_certificate_that_does_not_hold_is_no_reason_to_fail(start: Start, tmp_path: Path) -> None:
    wrong, _ = certificate(tmp_path, "elsewhere.example")
    assert isinstance(wrong, ssl.SSLContext)
    async with HostileStandIn("invalid-json", tls=wrong) as hostile, OpenAIStandIn(Behaviour()) as honest:
        best = upstream_card(f"{hostile.base_url}/v1", "site/best", price={})
        next_best = upstream_card(honest.base_url, "site/next", price={"per_request": 0.01})
        async with start(best, next_best, failing=FAST) as weir:
            status, _, headers = await weir.ask("one two")
            assert (status, headers["x-weir-path"], hostile.asked) == (200, "site/next", 0)
            steps = (await weir.records())[0]["outcome"]["steps"]
            assert (steps[0]["fault"], "certificate" in steps[0]["message"]) == ("unavailable", True)

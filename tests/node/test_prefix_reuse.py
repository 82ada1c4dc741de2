"""Reuse of prompts at a running node: what is said of it is true, and it stays within a tenant and a label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.paths.llama_cpp.path import LlamaCppPath
from tests.node.conftest import Running, running_node, sse, upstream_card
from tests.node.test_local_models import tiny_card
from tests.node.test_tenants import bearer, key
from tests.standins.openai_answers import tokens_of
from tests.standins.openai_server import Behaviour, OpenAIStandIn

SYSTEM = "You answer questions about the pump in hall 3, which was serviced on 14 March. " * 5
NO_STORE = {"Cache-Control": "no-store"}


async def cached(weir: Running, headers: dict[str, str], *, text: str = "Is it worn?", **over: Any) -> tuple[int, int]:
    """Cached and all prompt tokens of a chat, as its usage states them."""
    body = {
        "model": "auto",
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}],
        "max_tokens": 2,
        "temperature": 0,
        **over,
    }
    address = f"{weir.url}/v1/chat/completions"
    async with weir.session.post(address, json=body, headers={**NO_STORE, **headers}) as response:
        assert response.status == 200, await response.text()
        if body.get("stream"):
            usage = next(e["usage"] for e in sse(await response.read()) if isinstance(e, dict) and e.get("usage"))
        else:
            usage = (await response.json())["usage"]
    return usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"]


def worker(weir: Running) -> LlamaCppPath:
    inner = weir.node.paths["device/tiny"].inner  # type: ignore[attr-defined]
    assert isinstance(inner, LlamaCppPath)
    return inner


async def test_no_prompt_is_reused_across_tenants_labels_or_keys_of_callers(tmp_path: Path) -> None:
    acme, beta = bearer(key(tmp_path, "acme")), bearer(key(tmp_path, "beta"))
    asked: list[tuple[dict[str, str], dict[str, Any]]] = [
        (acme, {}),
        (beta, {}),  # another tenant
        ({**acme, "X-Weir-Classification": "restricted"}, {}),  # may not be probed from below
        ({**acme, "X-Weir-Residency": "node"}, {}),
        (acme, {"prompt_cache_key": "k"}),  # a caller may part further
        (beta, {"prompt_cache_key": "k"}),  # and joins nobody
        (beta, {"prompt_cache_key": "acme"}),
    ]
    async with running_node(tmp_path, tiny_card(tmp_path)) as weir:
        for headers, over in asked:
            before = worker(weir).work.computed
            found, prompt = await cached(weir, headers, **over)
            assert (found, worker(weir).work.computed - before) == (0, prompt)
        # Each finds its own again, and no more than the worker did not compute.
        for headers, over in asked[-2:]:
            before = worker(weir).work.computed
            found, prompt = await cached(weir, headers, text="Does it leak?", **over)
            assert 200 < found == prompt - (worker(weir).work.computed - before)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_cached_is_said_in_every_dialect_and_recorded(tmp_path: Path, stream: bool) -> None:
    said = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    async with running_node(tmp_path, tiny_card(tmp_path)) as weir:
        assert (await cached(weir, {}, **said))[0] == 0
        found, prompt = await cached(weir, {}, text="Does it leak?", **said)
        assert 200 < found < prompt
        body = {"model": "auto", "prompt": SYSTEM, "max_tokens": 2, "temperature": 0, **said}
        for expected in (False, True):
            async with weir.session.post(f"{weir.url}/v1/completions", json=body, headers=NO_STORE) as response:
                raw = await response.read()
                events = sse(raw) if stream else [await response.json()]
            usage = next(event["usage"] for event in events if isinstance(event, dict) and event.get("usage"))
            assert (usage["prompt_tokens_details"]["cached_tokens"] > 200) == expected
        steps = [row["outcome"]["steps"][0] for row in await weir.records()]
        assert [step["cached_tokens"] > 200 for step in steps] == [False, True, False, True]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_an_upstream_had_cached_is_passed_on(tmp_path: Path, stream: bool) -> None:
    said = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    async with (
        OpenAIStandIn(Behaviour(prefix_cache=True)) as server,
        running_node(tmp_path, upstream_card(server.base_url)) as weir,
    ):
        assert (await cached(weir, {}, **said))[0] == 0
        found, prompt = await cached(weir, {}, text="Does it leak?", **said)
        assert found == len(tokens_of(SYSTEM))
        row = (await weir.records())[-1]["outcome"]["steps"][0]
        assert (row["cached_tokens"], row["prompt_tokens"]) == (found, prompt)


async def test_an_upstream_that_takes_a_salt_reuses_nothing_across_tenants(tmp_path: Path) -> None:
    acme, beta = bearer(key(tmp_path, "acme")), bearer(key(tmp_path, "beta"))
    async with OpenAIStandIn(Behaviour(prefix_cache=True)) as server:
        card = upstream_card(server.base_url, endpoint={"cache_salt": True})
        async with running_node(tmp_path, card) as weir:
            assert (await cached(weir, acme))[0] == 0
            assert (await cached(weir, beta))[0] == 0
            assert (await cached(weir, acme))[0] > 50
        salts = [body["cache_salt"] for body in server.bodies]
        assert salts[0] == salts[2] != salts[1]
        assert not any("acme" in salt or "beta" in salt for salt in salts)


async def test_a_callers_key_reaches_an_upstream_as_one_that_no_other_tenant_can_name(tmp_path: Path) -> None:
    acme, beta = bearer(key(tmp_path, "acme")), bearer(key(tmp_path, "beta"))
    async with OpenAIStandIn(Behaviour()) as server, running_node(tmp_path, upstream_card(server.base_url)) as weir:
        for headers, own in ((acme, "k"), (beta, "k"), (acme, "k"), (acme, "other"), (acme, None)):
            await cached(weir, headers, **({} if own is None else {"prompt_cache_key": own}))
        sent = [body.get("prompt_cache_key") for body in server.bodies]
        assert sent[0] == sent[2]
        assert len({*sent[:2], *sent[3:]}) == 4
        assert sent[4] is None
        for other in sent[:4]:  # what was sent for one tenant names nothing for another
            await cached(weir, beta, prompt_cache_key=other)
        assert not {body["prompt_cache_key"] for body in server.bodies[5:]} & set(sent)
        assert not any("cache_salt" in body for body in server.bodies)


async def test_of_two_equal_servers_the_one_that_holds_the_prompt_is_asked_again(tmp_path: Path) -> None:
    async with OpenAIStandIn(Behaviour(prefix_cache=True)) as one, OpenAIStandIn(Behaviour(prefix_cache=True)) as two:
        cards = [upstream_card(server.base_url, f"site/{name}") for name, server in (("one", one), ("two", two))]
        async with running_node(tmp_path, *cards) as weir:
            for text in ("One?", "Two?"):  # the second server is warmed by name, the first by nobody
                await cached(weir, {}, text=text, model="site/two")
            await cached(weir, {}, text="Three?")  # nobody asked before what is held: the first of equals
            for text in ("Four?", "Five?"):
                await cached(weir, {}, text=text, model="site/two")
            before = two.seen["chat/completions"]
            found, _ = await cached(weir, {}, text="Six?")
            assert two.seen["chat/completions"] == before + 1
            assert found > 50
            decided = (await weir.records())[-1]["snapshot"]["paths"]
            held = {state["path"]: state["cached_prompt_tokens"] for state in decided}
            assert held["site/two"] > held["site/one"] == 0
            # Another tenant's label, or a short prompt, has nothing there.
            await cached(weir, {"X-Weir-Classification": "public"}, text="Seven?")
            decided = (await weir.records())[-1]["snapshot"]["paths"]
            assert {state["cached_prompt_tokens"] for state in decided} == {0}

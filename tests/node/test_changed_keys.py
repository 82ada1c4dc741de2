"""A key that was changed on the host while the node runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.status import readiness_of
from tests.node.conftest import Start, until, upstream_card
from tests.node.failing import FAST
from tests.standins.openai_server import Behaviour, OpenAIStandIn


async def test_a_caller_does_not_notice_that_the_key_was_changed(start: Start, tmp_path: Path) -> None:
    (file := tmp_path / "upstream.key").write_text("sk-old")
    behaviour = Behaviour(key="sk-old")
    async with OpenAIStandIn(behaviour) as server:
        card = upstream_card(server.base_url, "site/one", endpoint={"api_key_ref": f"file:{file}"})
        async with start(card, failing=FAST) as weir:
            assert (await weir.ask("one"))[0] == 200
            behaviour.key = "sk-new"
            file.write_text("sk-new\n")
            answers = await asyncio.gather(*(weir.ask(f"two {at}") for at in range(8)))
            assert {status for status, _, _ in answers} == {200}
            steps = [step for row in await weir.records() for step in row["outcome"]["steps"]]
            told = {one["message"] for step in steps for one in step["attempts"]}
            assert told == {"The key was refused, and is another by now."}
            assert {step["fault"] for step in steps} == {""}


async def test_operators_are_told_that_a_key_is_refused_wherever_they_look(start: Start, tmp_path: Path) -> None:
    (file := tmp_path / "upstream.key").write_text("sk-old-secret")
    behaviour = Behaviour(key="sk-new-secret")
    failing = {**FAST, "breaking": {"least_calls": 3, "pause_s": 0.5, "longest_pause_s": 0.5, "probes": 1}}
    async with OpenAIStandIn(behaviour) as server:
        card = upstream_card(server.base_url, "site/one", endpoint={"api_key_ref": f"file:{file}"})
        async with start(card, failing=failing) as weir:
            before = (await weir.get("/readyz"))[1]["state"]
            assert (await weir.ask("one"))[0] == 502
            http, ready = await weir.get("/readyz")
            (said,) = [reason for reason in ready["reasons"] if reason.startswith("site/one: ")]
            assert (http, ready["state"]) == (200, "degraded")
            assert said.startswith("site/one: its key is refused since 2")
            assert "The server refused the key. (HTTP 401" in said and " Next step: " in said
            _, status = await weir.get("/weir/v1/status")
            (path,) = [one for one in status["paths"] if one["id"] == "site/one"]
            assert path["ready"] and f"site/one: {path['trouble']}" == said and said in status["reasons"]
            for at in range(3):
                await weir.ask(f"two {at}")
            _, status = await weir.get("/weir/v1/status")
            (path,) = [one for one in status["paths"] if one["id"] == "site/one"]
            assert not path["ready"] and "circuit breaker" in path["reason"] and "its key is refused" in path["reason"]
            assert "secret" not in str(status) + said
            file.write_text("sk-new-secret")
            await until(lambda: "refused" not in str(readiness_of(weir.node)), 10.0)
            await asyncio.sleep(0.55)
            assert (await weir.ask("three"))[0] == 200
            assert (await weir.get("/readyz"))[1]["state"] == before


async def test_a_path_comes_up_without_a_restart_when_its_key_is_put_there(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "upstream.key"
    async with OpenAIStandIn(Behaviour(key="sk-new")) as server:
        card = upstream_card(server.base_url, "site/one", endpoint={"api_key_ref": f"file:{file}"})
        async with start(card, failing=FAST) as weir:
            _, ready = await weir.get("/readyz")
            (said,) = [reason for reason in ready["reasons"] if reason.startswith("site/one: ")]
            assert "there is no key yet since 2" in said and "(file:...)" in said
            assert (await weir.ask("one"))[0] == 503
            file.write_text("sk-new")
            await until(lambda: "site/one" not in str(readiness_of(weir.node)), 10.0)
            assert (await weir.ask("two"))[0] == 200

"""A key that was changed on the host while the node runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.node.conftest import Start, upstream_card
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

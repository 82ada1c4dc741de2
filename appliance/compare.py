"""Labels stored answers by fresh ones: whether they say the same. Nobody waits for it.

Where the measures are unsure, a model of this host that policy permits for the request is asked.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor

from appliance.fleet import Fleet
from appliance.records.card import ModelCard
from appliance.records.request import Request, last_user_text
from appliance.same import say_the_same
from appliance.semantic import Match, Semantic
from appliance.similar.agree import Agreement

_LABELLED_S = 5.0  # for comparisons that are at work when the node stops


class Comparisons:
    """Those of one node. `judge` is the id of the path that is asked, '' where none is."""

    def __init__(self, semantic: Semantic, thread: Executor, judge: str) -> None:
        self._semantic = semantic
        self._thread = thread
        self._judge = judge
        self._labelling: set[asyncio.Task[None]] = set()

    def begin(self, match: Match, fresh: str, request: Request, fleet: Fleet) -> None:
        """Label a stored answer by a fresh one, '' where there is none."""
        self._labelling.add(task := asyncio.create_task(self._compare(match, fresh, request, fleet)))
        task.add_done_callback(self._labelling.discard)

    async def stop(self) -> None:
        """Wait for those at work a while; give up the others."""
        if self._labelling:
            await asyncio.wait(self._labelling, timeout=_LABELLED_S)
        for task in self._labelling:
            task.cancel()

    async def _compare(self, match: Match, fresh: str, request: Request, fleet: Fleet) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, self._semantic.compare, match, fresh, fleet.classifier)
        judge = fleet.paths.get(self._judge)
        if found.outcome == "unsure" and fresh and judge is not None and _may_judge(judge.card, request, fleet):
            question = last_user_text(request)
            said = await say_the_same(judge, request.id, request.tenant, question, match.stored, fresh)
            if said is not None:
                found = Agreement("agreed" if said else "wrong", "judge")
        await loop.run_in_executor(self._thread, self._semantic.label, match, found)


def _may_judge(card: ModelCard, request: Request, fleet: Fleet) -> bool:
    refusal = fleet.generation.policy.refusal(card, request.labels, time.time(), request.tenant)
    return card.tier == "device" and card.endpoint is None and refusal is None

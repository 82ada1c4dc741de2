"""Several addresses or keys of one provider as one path: each member is a path of its own.

Rules kept here:
1. Which member a job goes to is said by the job. A path knows nothing of breakers or load.
2. A member that does not come up costs the pool that member; none of them coming up is a failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from appliance.paths.contract import Chunk, ExecutionPath, Job, PathError, Readiness
from appliance.records.card import ModelCard


class Pool:
    """The members of one card, in its order."""

    def __init__(self, card: ModelCard, members: tuple[ExecutionPath, ...]) -> None:
        self._card = card
        self.members = members

    @property
    def card(self) -> ModelCard:
        return self._card

    async def start(self) -> None:
        """Raises PathError where no member comes up."""
        came = await asyncio.gather(*(one.start() for one in self.members), return_exceptions=True)
        for error in came:
            if error is not None and not isinstance(error, PathError):
                raise error
        if all(came):
            raise next(error for error in came if error is not None)

    async def stop(self) -> None:
        await asyncio.gather(*(one.stop() for one in self.members))

    def ready(self) -> Readiness:
        """As the members are together; the first one's reason where none takes jobs."""
        found = [one.ready() for one in self.members]
        taking = [one for one in found if one.ok]
        trouble = ""
        if len(taking) < len(found) or any(one.trouble for one in taking):
            trouble = self._trouble(found)
        return Readiness(
            bool(taking),
            "" if taking else found[0].reason,
            sum(one.busy for one in found),
            sum(one.queued for one in found),
            sum(one.slots for one in taking or found),
            trouble,
        )

    def _trouble(self, found: list[Readiness]) -> str:
        """What is wrong with each of them."""
        names = self._card.endpoint.names if self._card.endpoint is not None else ()
        told = [(name, one.trouble or one.reason) for name, one in zip(names, found, strict=True)]
        return "; ".join([f"member {name}: {said}" for name, said in told if said])

    def stream(self, job: Job) -> AsyncIterator[Chunk]:
        return self.members[job.member].stream(job)

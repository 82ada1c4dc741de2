"""Follows what is in force: which fleet new requests run on, and which before it still have requests.

Rules kept here:
1. What cannot be run leaves everything as it is, and is tried again.
2. A generation is not run on where a model of this host that ran before does not come up.
3. Destinations stay open while a request is in work that may need them, and no longer.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from appliance.bundle.in_force import InForce, in_force
from appliance.config import Config
from appliance.egress import Destination, Egress
from appliance.errors import ConfigInvalid
from appliance.fleet import Fleet
from appliance.hosted import generation_of
from appliance.paths.registry import PathContext
from appliance.store.audit.log import Audit
from appliance.store.changes import ChangeWatch

log = structlog.get_logger("weir.fleets")
_SWITCH_S = 0.001
_AGAIN_S = 1.0  # before what is in force is tried again, where that failed
_LOOK_S = 0.25


class Fleets:
    """The fleet of now, and those that end. `start`, then `follow` as a task, then `stop`."""

    def __init__(self, config: Config, found: InForce) -> None:
        """`found` is what is in force, read once, so that what runs and what is said of it agree.

        Raises ConfigInvalid, OSError.
        """
        if found.folder is None:
            raise ConfigInvalid("No generation is in force.", next_step="Import a bundle.")
        self._config = config
        self.node = secrets.token_hex(8)  # what this node calls itself towards other nodes, until it ends
        self.in_force = found
        self._content = found.folder
        self.current = Fleet(generation_of(config, found.folder), found.folder, safe=found.safe)
        self._all = [self.current]  # that have requests, or will have
        self.look = ChangeWatch(config.state_dir)
        self._seen: object = None  # the first look sees what changed while the node was made
        self.not_taken_over = ""  # why the generation in force does not run here
        self._retiring: set[asyncio.Task[None]] = set()

    def destinations(self) -> frozenset[Destination]:
        """What requests may reach that are in work or can begin."""
        deny_all = self._config.egress.deny_all
        return frozenset().union(*(fleet.destinations(deny_all=deny_all) for fleet in self._all))

    async def start(self, egress: Egress) -> None:
        """Start every path; one that does not come up costs the node that path, not its life."""
        await self.current.start(self._context(self._content, egress), threads=self._config.hardware.threads)

    async def stop(self) -> None:
        """Stop every path."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*(fleet.stop() for fleet in self._all))
        self.look.close()

    async def follow(self, egress: Egress, audit: Audit) -> None:
        """Run on what is in force, also when it changes. Does not return."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                seen = self.look.seen()
                if seen == self._seen:
                    continue
                wanted = await asyncio.to_thread(in_force, self._config.state_dir)
                why = await self._take_over(wanted, egress, audit)
                self.in_force = replace(self.in_force, root=wanted.root) if why else wanted
                self._seen = seen
            except Exception as error:  # noqa: BLE001 - whatever it is, it may pass, and the node looks again
                self._seen, why = None, f"what is in force cannot be taken over: {error}"
            if why and why != self.not_taken_over:
                log.error("not-taken-over", why=why)
            self.not_taken_over = why
            if why and self._seen is None:
                await asyncio.sleep(_AGAIN_S)

    async def _take_over(self, wanted: InForce, egress: Egress, audit: Audit) -> str:
        """Begin new requests on what is in force; why not, where a model that should come up there does not."""
        content, safe = wanted.folder, wanted.safe
        if content is None or (content == self._content and safe == self.current.safe):
            return ""
        with _yielding_threads():
            generation = await asyncio.to_thread(generation_of, self._config, content)
        before, after = self.current, Fleet(generation, content, safe=safe)
        self._all.append(after)
        try:
            await egress.replace(self.destinations())
            await after.start(self._context(content, egress), threads=self._config.hardware.threads, before=before)
        except Exception:
            await self._let_go(after, egress)
            raise
        if worse := after.down() - before.never_ran():
            why = after.problems + [
                f"{name}: {after.paths[name].ready().reason}" for name in worse & after.paths.keys()
            ]
            await self._let_go(after, egress)
            return f"{content.name} is in force and does not run here: {'; '.join(why)}"
        audit.note("admin", {"act": "generation", "from": before.generation.id, "to": generation.id})
        self.current, self._content = after, content
        after.settle(content)
        log.info("generation", name=content.name, generation=generation.id)
        self._retiring.add(task := asyncio.create_task(self._retire(before, egress)))
        task.add_done_callback(self._retiring.discard)
        return ""

    async def _retire(self, fleet: Fleet, egress: Egress) -> None:
        await fleet.left()
        await self._let_go(fleet, egress)

    async def _let_go(self, fleet: Fleet, egress: Egress) -> None:
        """Stop what only this fleet ran on."""
        self._all.remove(fleet)
        await fleet.stop(self._all)
        await egress.replace(self.destinations())

    def _context(self, content: Path, egress: Egress) -> PathContext:
        config = self._config
        unconfined = config.paths.unconfined_workers
        return PathContext(content, egress, names=config.secrets, unconfined_workers=unconfined, node=self.node)


@contextmanager
def _yielding_threads() -> Iterator[None]:
    """Let threads at work keep the loop waiting for less, meanwhile; at all times it would cost a fifth of the rate."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)

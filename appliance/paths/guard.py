"""What every path is wrapped in: the same contract, with its promises kept for runtimes that forget them.

Rules kept here:
1. Only PathError escapes. Anything else becomes 'internal' with a fixed sentence and is logged by class name
   alone, because an exception's text may quote a prompt.
2. Exactly one Done, as the last chunk. It is held until the runtime's iterator has ended, so nothing follows
   it.
3. However the iterator ends, the runtime's is closed: cancelling a job reaches the runtime.
4. The job's deadline holds even where the runtime has no clock of its own.
5. No figure of usage leaves that cannot be: none is negative, none beyond what a call can have used.
6. What the runtime was given and counted is remembered, without its text, as `prefixes` has it.
7. An answer calls tools of its job alone, as `called` has it; any other is broken.

It neither retries nor judges.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from appliance.decide.usage import possible
from appliance.paths.clock import Clock
from appliance.paths.contract import (
    Chunk,
    Counting,
    Done,
    ExecutionPath,
    Job,
    PathError,
    Readiness,
    Reasoning,
    Signals,
    Text,
    ToolCall,
    Vector,
)
from appliance.paths.prefixes import Links, Prefixes, links_of_prompt
from appliance.paths.tool_calls import ToolCalls
from appliance.records.card import ModelCard

_log = logging.getLogger("weir.paths")
_KNOWN = (Text, Reasoning, Vector, Signals)


class Guarded:
    """A path with the promises of `contract` enforced. `inner` is the runtime itself."""

    __slots__ = ("inner", "prefixes")

    def __init__(self, inner: ExecutionPath) -> None:
        self.inner = inner
        self.prefixes = Prefixes()

    @property
    def card(self) -> ModelCard:
        return self.inner.card

    def __repr__(self) -> str:
        return f"Guarded({self.inner.card.id!r})"

    async def start(self) -> None:
        """Raises PathError only."""
        try:
            await self.inner.start()
        except PathError:
            raise
        except Exception as error:  # noqa: BLE001 -- rule 1
            raise self._internal("start", error) from None

    async def stop(self) -> None:
        """Never raises: whoever stops a path can do nothing about its failure to."""
        try:
            await self.inner.stop()
        except Exception as error:  # noqa: BLE001 -- rule 1
            self._internal("stop", error)

    async def count(self, job: Job) -> int | None:
        """Tokens of the job's prompt; None where the runtime has no tokenizer. Raises PathError only."""
        if not isinstance(self.inner, Counting):
            return None
        try:
            return await self.inner.count(job)
        except PathError:
            raise
        except Exception as error:  # noqa: BLE001 -- rule 1
            raise self._internal("count", error) from None

    def ready(self) -> Readiness:
        try:
            return self.inner.ready()
        except Exception as error:  # noqa: BLE001 -- rule 1
            self._internal("ready", error)
            return Readiness(False, "the path does not say")

    async def stream(self, job: Job) -> AsyncIterator[Chunk]:
        done: Done | None = None
        inner: AsyncIterator[Chunk] | None = None
        clock: Clock | None = None
        calls: ToolCalls | None = None
        links: Links = ()
        held = 0
        if self.prefixes.asked:
            links = links_of_prompt(job, job.tenant_salt)
            held = self.prefixes.depth(links)
        if job.deadline_s is not None:
            clock = Clock(asyncio.get_running_loop().time() + job.deadline_s)
        try:
            inner = self.inner.stream(job)
            step = inner.__anext__
            while True:
                if clock is None:
                    chunk = await step()
                else:
                    with clock:
                        chunk = await step()
                if done is not None:
                    raise PathError("broken_stream", "The path went on after its end.")
                if type(chunk) is Done:
                    used = possible(chunk.usage)
                    done = chunk if used is chunk.usage else replace(chunk, usage=used)
                elif isinstance(chunk, _KNOWN):
                    yield chunk
                elif isinstance(chunk, ToolCall):
                    calls = calls or ToolCalls(job)
                    piece = calls.note(chunk)
                    if piece is not None:
                        yield piece
                else:
                    raise PathError("broken_stream", "The path yielded something that is not a chunk.")
        except StopAsyncIteration:
            pass
        except PathError as error:
            if error.fault == "unavailable":
                self.prefixes.clear()
            raise
        except TimeoutError:
            raise PathError("timeout", "The job's time ran out.") from None
        except Exception as error:  # noqa: BLE001 -- rule 1
            raise self._internal("stream", error) from None
        finally:
            if clock is not None:
                clock.stop()
            if inner is not None:
                await self._close(inner)
        if done is None:
            raise PathError("broken_stream", "The path ended without saying that it was done.")
        if calls is not None:
            calls.end()
        if links:
            self.prefixes.note(links, held, done.usage)
        yield done

    async def _close(self, inner: AsyncIterator[Chunk]) -> None:
        close = getattr(inner, "aclose", None)
        if close is None:
            return
        try:
            await close()
        except Exception as error:  # noqa: BLE001 -- rule 1
            self._internal("close", error)

    def _internal(self, during: str, error: Exception) -> PathError:
        _log.error("path %s failed during %s: %s", self._name(), during, type(error).__name__)
        return PathError("internal", "The path failed in a way it should not; the node's log names the kind.")

    def _name(self) -> str:
        try:
            return self.inner.card.id
        except Exception:  # noqa: BLE001 -- a path whose card raises is still only a path that fails
            return "unnamed"

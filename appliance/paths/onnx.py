"""Path kind `onnx`: embeddings and classification by small models on this host's CPU, in one thread of this
process.

Rules kept here:
1. One job at a time on the path's own thread; the event loop never waits for a computation. A cancelled job
   ends with the text that is being computed.
2. Tokens are counted as they were read: a text beyond the model's length is cut, and usage says so.
3. `Done.device` is the device whose result was compared with the model's stored one at start, not the one
   asked for.

It holds the contract around `features.embedder` and `features.classify`, which hold the computation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from appliance.features.classify import Classifier, TaskClassifier
from appliance.features.embedder import CPU, Embedded, Embedder, ModelInvalid, Shelf
from appliance.features.shape import excerpt
from appliance.paths.contract import Chunk, Done, FinishReason, Job, PathError, Readiness, Usage, Vector
from appliance.records.card import ModelCard

T = TypeVar("T")
PER_TURN = 8  # texts computed before the loop and a cancellation get their turn: about 30 ms of short ones
MOST_INPUTS = 100_000


def _embed(embedder: Embedder, texts: Sequence[str]) -> list[Embedded]:
    return [embedder.embed(text) for text in texts]


def _classify(embedder: Embedder, head: TaskClassifier, texts: Sequence[str]) -> list[Embedded]:
    rows = [(seen, embedder.embed(seen)) for seen in map(excerpt, texts)]
    return [Embedded(head.probabilities(row.vector, seen), row.tokens) for seen, row in rows]


class OnnxPath:
    """An embedder, or an embedder with a classifier on it, as an execution path.

    `directory` holds the embedder's files; paths with one `shelf` share it. With `head`, the path serves
    `classification`: one distribution over the classifier's cells for each input, in the order of `cells`.
    """

    def __init__(
        self,
        card: ModelCard,
        directory: Path,
        *,
        head: Path | None = None,
        providers: Sequence[str] = (CPU,),
        shelf: Shelf | None = None,
    ) -> None:
        self._card = card
        self._directory = directory
        self._head_path = head
        self._providers = tuple(providers)
        self._shelf = shelf or Shelf()
        self._embedder: Embedder | None = None
        self._head: TaskClassifier | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._reason = "not started"
        self._running = 0

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def embedder(self) -> Embedder:
        """The loaded embedder, to be shared with the cache. Raises PathError before `start`."""
        if self._embedder is None:
            raise PathError("unavailable", f"{self._card.id} is {self._reason}")
        return self._embedder

    @property
    def classifier(self) -> Classifier:
        """Embedder and head, to be shared with `features.describe`. Raises PathError without a head."""
        if self._head is None:
            raise PathError("unavailable", f"{self._card.id} has no classifier")
        return Classifier(self.embedder, self._head)

    @property
    def cells(self) -> tuple[str, ...]:
        """What the values of a classification stand for; empty for an embedder."""
        return self._head.cells if self._head is not None else ()

    async def start(self) -> None:
        """Loads and probes the model. Raises PathError, and `ready` then says why."""
        if self._embedder is not None:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="onnx")
        try:
            self._embedder, self._head = await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        except ModelInvalid as error:
            self._reason = f"not loaded: {error}"
            raise PathError("unavailable", f"{self._card.id} does not load: {error}") from None
        self._reason = ""

    def _load(self) -> tuple[Embedder, TaskClassifier | None]:
        embedder = self._shelf.take(self._directory, self._providers)
        if self._head_path is None:
            return embedder, None
        return embedder, TaskClassifier(self._head_path, embedder_digest=embedder.digest)

    async def stop(self) -> None:
        """Lets the text in hand finish and frees the model."""
        thread, self._thread = self._thread, None
        self._embedder, self._head, self._reason = None, None, "stopped"
        if thread is not None:
            await asyncio.to_thread(thread.shutdown, wait=True, cancel_futures=True)

    def ready(self) -> Readiness:
        busy = min(1, self._running)
        return Readiness(not self._reason, self._reason, busy=busy, queued=self._running - busy, slots=1)

    async def stream(self, job: Job) -> AsyncIterator[Chunk]:
        """One Vector for each input, in order, then Done. Raises PathError."""
        embedder, head = self.embedder, self._head
        kind = "embedding" if head is None else "classification"
        if job.kind != kind:
            raise PathError("unsupported", f"{self._card.id} serves {kind}, not {job.kind}")
        if not job.inputs:
            raise PathError("rejected", "there is no input to work on", param="input")
        if len(job.inputs) > MOST_INPUTS:
            raise PathError("rejected", f"more than {MOST_INPUTS} inputs in one job", param="input")

        work = partial(_embed, embedder) if head is None else partial(_classify, embedder, head)
        tokens = 0
        self._running += 1
        try:
            for start in range(0, len(job.inputs), PER_TURN):
                part = job.inputs[start : start + PER_TURN]
                for offset, row in enumerate(await self._run(partial(work, part))):
                    if row.cut and head is None:
                        raise PathError(
                            "context_too_long",
                            f"Input {start + offset} is longer than the {embedder.max_tokens} tokens that are read.",
                            param="input",
                        )
                    tokens += row.tokens
                    yield Vector(tuple(row.vector.tolist()), start + offset)
        finally:
            self._running -= 1
        stop: FinishReason = "stop"
        yield Done(Usage(prompt_tokens=tokens), (stop,) * len(job.inputs), embedder.device)

    async def _run(self, work: Callable[[], T]) -> T:
        """`work` on the path's thread, with its failures as PathError."""
        if self._thread is None:
            raise PathError("unavailable", f"{self._card.id} was stopped")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except ModelInvalid as error:
            raise PathError("internal", f"{self._card.id}: {error}") from None
        except RuntimeError:  # the executor was shut down between the check and the call
            raise PathError("unavailable", f"{self._card.id} was stopped") from None

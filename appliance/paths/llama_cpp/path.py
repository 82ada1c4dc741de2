"""The execution path for local GGUF models: a card, a supervised worker, and chunks.

Rules kept here:
1. The contract of `appliance.paths.contract`, and nothing of policy, price, retry or cache.
2. Closing the iterator cancels the job in the worker before its next token.
3. What it cannot give is refused by name: tools, sound, a search of the web.
4. More than `QUEUE_PER_SLOT` waiting answers a slot are refused as 'overloaded', at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from appliance.paths.contract import Chunk, Done, Job, PathError, Readiness, Signals, Text, TokenLogprob, Usage
from appliance.paths.llama_cpp.protocol import Settings, Work
from appliance.paths.llama_cpp.supervisor import Supervisor
from appliance.records.card import ModelCard

QUEUE_PER_SLOT = 16
MAX_CHOICES = 128
_GIB = 1 << 30


class LlamaCppPath:
    """One local generative model."""

    def __init__(self, card: ModelCard, content_dir: Path, *, unconfined: bool = False) -> None:
        """`content_dir` is where the card's files lie; `unconfined` lets the worker run without a seccomp filter.

        Raises ValueError for a card without a GGUF file.
        """
        files = [file for file in card.files if file.path.endswith(".gguf")] or list(card.files)
        if not files:
            raise ValueError(f"{card.id}: a llama_cpp card names a GGUF file")
        self._card = card
        self._file = files[0].path
        size = max(files[0].bytes, card.memory_bytes)
        llama = card.llama
        self._worker = Supervisor(
            card.id,
            Settings(
                model=str(content_dir / self._file),
                context=llama.context_per_sequence or card.context_tokens,
                sequences=llama.sequences,
                batch_tokens=llama.batch_tokens,
                threads=llama.threads,
                gpu_layers=llama.gpu_layers,
                max_output_tokens=card.max_output_tokens,
                # Generous: the file is mapped once, may be repacked once, and computing takes about as much again.
                address_space=0 if llama.gpu_layers else 3 * size + 8 * _GIB,
                kv_bytes=max(size, 2 * _GIB),
                parked_bytes=llama.parked_bytes,
                unconfined=unconfined,
            ),
        )

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def worker_pid(self) -> int | None:
        """The present worker process, for the status page."""
        return self._worker.pid

    @property
    def restarts(self) -> int:
        """How often the worker was started again."""
        return self._worker.restarts

    @property
    def work(self) -> Work:
        """What the present worker did with prompts, for the status page."""
        return self._worker.work

    def lies_in(self, content_dir: Path) -> None:
        """Where the next worker finds the file; the present one has it open."""
        self._worker.settings = replace(self._worker.settings, model=str(content_dir / self._file))

    async def start(self) -> None:
        """Start the worker; returns when it is ready or has failed, which `ready` then tells."""
        await self._worker.start()

    async def stop(self) -> None:
        await self._worker.stop()

    def ready(self) -> Readiness:
        facts = self._worker.facts
        if facts is None:
            return Readiness(False, self._worker.reason, slots=self._card.llama.sequences)
        asked = self._worker.choices
        busy = min(asked, facts.sequences)
        return Readiness(True, "", busy=busy, queued=asked - busy, slots=facts.sequences)

    async def count(self, job: Job) -> int:
        """Tokens of the job's prompt as `stream` would compute it. Raises PathError where it would not."""
        self._check(job)
        call = self._worker.open(job, run=False)
        try:
            kind, event = await call.get()
            if kind != "end":
                raise event
            tokens: int = event[2][0]
            return tokens
        finally:
            self._worker.close(call)

    def _check(self, job: Job) -> None:
        if job.kind not in ("chat", "completion") or job.kind not in self._card.modalities:
            raise PathError("unsupported", f"This path does not serve {job.kind} requests.")
        if job.tools:
            raise PathError("unsupported", "This path does not call tools.", param="tools")
        if "web_search_options" in job.forwarded:
            raise PathError("unsupported", "This path does not search the web.", param="web_search_options")
        if any(part.get("type") == "input_audio" for message in job.messages for part in message.parts):
            raise PathError("unsupported", "This path hears no sound.", param="messages")

    async def stream(self, job: Job) -> AsyncIterator[Chunk]:
        """Run a job. Text chunks carry the tokens sampled for them; Signals come just before Done."""
        self._check(job)
        if not 1 <= job.n <= MAX_CHOICES:
            raise PathError("unsupported", f"This path gives 1 to {MAX_CHOICES} answers at once.", param="n")
        facts = self._worker.facts
        if facts is not None and self._worker.choices >= facts.sequences * (1 + QUEUE_PER_SLOT):
            raise PathError("overloaded", "The model's queue is full.", retry_after_s=5.0)
        call = self._worker.open(job)
        try:
            while True:
                kind, event = await call.get()
                if kind == "text":
                    _, index, text, tokens, logprobs = event
                    yield Text(text, index, tokens, _logprobs(logprobs) if logprobs else ())
                elif kind == "end":
                    _, reasons, counts, signals, stops = event
                    for one in signals:
                        yield _signals(*one)
                    yield Done(Usage(*counts), tuple(reasons), facts.device if facts else "", tuple(stops))
                    return
                else:
                    raise event
        finally:
            self._worker.close(call)


def _signals(
    index: int,
    tokens: int,
    total: float,
    mean: float,
    low: float,
    quantiles: list[float],
    entropy: float,
    margin: float,
) -> Signals:
    tenth, quarter, half = quantiles
    return Signals(index, tokens, total, mean, low, (tenth, quarter, half), entropy, margin)


def _logprobs(raw: list[tuple[str, float, list[tuple[str, float]]]]) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(token, logprob, tuple((one, value) for one, value in top)) for token, logprob, top in raw)

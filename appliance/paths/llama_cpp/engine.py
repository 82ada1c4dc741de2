"""Continuous batching: every step computes one batch out of all choices' next tokens and pieces of new prompts.

Rules kept here:
1. First come, first served; a choice starts as soon as a slot is free.
2. Prompts are computed in pieces beside running choices, and a piece is sized so that those are not kept waiting.
3. Several answers to one prompt compute it once: the others wait for the first and then share what it computed.
4. Whatever goes wrong with one job is that job's fault message; only a failed computation ends all running jobs.
5. Nothing here blocks except the computation itself, and nothing is kept of a job after it has ended but its sequence,
   as `sequences` has it.
6. What is said to be cached is the prompt less the tokens that went into a batch.

It speaks in the layouts of `protocol` and knows neither the socket nor the process around it.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import astuple
from typing import Any

import numpy as np

from appliance.paths.contract import Job, PathError
from appliance.paths.llama_cpp import grammar
from appliance.paths.llama_cpp.library import Candidates, Context, Floats, Ints, Model
from appliance.paths.llama_cpp.sampling import Ambiguous, Plan, Sampler, Tally, best, draws, statistics
from appliance.paths.llama_cpp.sequences import Sequences
from appliance.paths.llama_cpp.slots import Slot
from appliance.paths.llama_cpp.template import Chat
from appliance.paths.llama_cpp.text import Tail

PIECE_S = 0.05  # seconds that running choices may wait for a piece of somebody's prompt
_AMBIGUOUS = (
    "What the wanted form allows can be read in too many ways at once; let no two alternatives begin alike, "
    "or use another path."
)
_NO_ROWS = np.empty((0, 0), np.float32)


class Running:
    """A job while it is here."""

    __slots__ = ("choices", "computed", "deadline", "job", "leader_fed", "number", "open", "prompt")

    def __init__(self, number: int, job: Job, prompt: Ints) -> None:
        self.number, self.job, self.prompt = number, job, prompt
        self.choices: list[Choice] = []
        self.open = job.n
        self.computed = 0  # prompt tokens, for the first choice
        self.leader_fed = False
        self.deadline = None if job.deadline_s is None else time.monotonic() + job.deadline_s


class Choice:
    """One answer in the making."""

    __slots__ = (
        "fed", "finish", "index", "last", "limit", "logprobs", "produced", "run", "sampler", "slot", "tail", "tally",
        "texts", "unsent",
    )  # fmt: skip

    def __init__(self, run: Running, index: int, sampler: Sampler, limit: int) -> None:
        self.run, self.index, self.sampler, self.limit = run, index, sampler, limit
        self.slot: Slot | None = None
        self.fed = 0  # prompt tokens that are computed
        self.last = -1
        self.produced = 0
        self.unsent = 0
        self.tail = Tail(run.job.sampling.stop)
        self.texts: list[str] = []
        self.logprobs: list[Any] | None = [] if run.job.sampling.logprobs else None
        self.tally = Tally([]) if run.job.signals or run.job.sampling.logprobs else None
        self.finish: str | None = None


class Engine:
    """Drives one context. Call `submit` and `cancel` between steps, `step` while `busy`, and collect `take`."""

    def __init__(
        self, model: Model, context: Context, *, length: int, sequences: int, max_output: int, parked_bytes: int = 0
    ) -> None:
        self._model, self._context = model, context
        self._length, self._max_output = length, max_output
        self._candidates = Candidates(model.n_vocab)
        self._chat = Chat(model)
        self._sequences = Sequences(
            context,
            count=sequences,
            length=length,
            token_bytes=model.kv_bytes_per_token,
            parked_bytes=parked_bytes,
        )
        self._computed = 0  # prompt tokens, since the start
        self._waiting: deque[Choice] = deque()
        self._active: list[Choice] = []  # in slot order
        self._jobs: dict[int, Running] = {}
        self._prefill_s = 0.001  # per prompt token, a running mean
        self._longest_piece = 256  # bytes; no vocabulary seen so far has a longer token
        self._texts: list[Any] = []
        self._ends: list[Any] = []
        self._faults: list[Any] = []

    # -- jobs come and go

    @property
    def busy(self) -> bool:
        return bool(self._active or self._waiting)

    @property
    def counts(self) -> tuple[int, int]:
        """Choices running and waiting."""
        return len(self._active), len(self._waiting)

    @property
    def work(self) -> tuple[int, int, int, int]:
        """The fields of protocol.Work."""
        return self._computed, self._sequences.restored, *self._sequences.parked

    def rest(self) -> bool:
        """Forget what is too old; whether anything is left to forget later."""
        return self._sequences.rest()

    def submit(self, number: int, job: Job) -> None:
        """Queue a job; what is wrong with it is reported under its number."""
        try:
            run = Running(number, job, self._prompt(job))
            room = self._length - len(run.prompt)
            limit = min(filter(None, (room, job.sampling.max_tokens, self._max_output)))
            rules = grammar.of(job.format)
            for index in range(job.n):
                try:
                    sampler = Sampler(Plan.of(job.sampling, index), self._model, rules)
                except ValueError:
                    raise PathError("unsupported", "llama.cpp refuses the grammar of the wanted form.") from None
                run.choices.append(Choice(run, index, sampler, limit))
        except Exception as error:  # noqa: BLE001 - rule 4
            self._refuse(number, error)
            return
        self._jobs[number] = run
        self._waiting.extend(run.choices)

    def count(self, number: int, job: Job) -> None:
        """Report how long a job's prompt is, under its number."""
        try:
            self._ends.append([number, [], [len(self._prompt(job)), 0, 0], [], []])
        except Exception as error:  # noqa: BLE001 - rule 4
            self._refuse(number, error)

    def _refuse(self, number: int, error: Exception) -> None:
        if not isinstance(error, PathError):
            error = PathError("rejected", f"The runtime cannot read this request ({type(error).__name__}).")
        self._faults.append([number, error.fault, error.message, error.param])

    def _prompt(self, job: Job) -> Ints:
        size = len(job.prompt) + sum(len(message.content) for message in job.messages)
        if size > self._length * self._longest_piece:  # cannot fit; not worth tokenising
            raise self._too_long(f"at least {size // self._longest_piece}")
        if job.kind == "chat":
            tokens = self._chat.tokens(job.messages, continues=job.continues)
        elif job.kind == "completion":
            tokens = self._model.tokenize(job.prompt, add_special=True)
        else:
            raise PathError("unsupported", f"This path does not serve {job.kind} requests.")
        if len(tokens) >= self._length:
            raise self._too_long(str(len(tokens)))
        if not len(tokens):
            if self._model.bos < 0:
                raise PathError("rejected", "The prompt is empty.")
            tokens = np.array([self._model.bos], np.int32)
        return tokens

    def _too_long(self, count: str) -> PathError:
        return PathError(
            "context_too_long",
            f"The prompt has {count} tokens; this model takes {self._length} together with the answer.",
        )

    def cancel(self, number: int) -> None:
        """Forget a job; its slots are free at once."""
        run = self._jobs.pop(number, None)
        if run is not None:
            for choice in run.choices:
                self._leave(choice)

    def fail(self, number: int, fault: str, message: str) -> None:
        """End a job with an error."""
        if number in self._jobs:
            self.cancel(number)
            self._faults.append([number, fault, message, None])

    def _leave(self, choice: Choice) -> None:
        if choice.slot is not None:
            self._active.remove(choice)
            self._sequences.free(choice.slot)
            choice.slot = None
        elif choice.finish is None and choice in self._waiting:
            self._waiting.remove(choice)
        choice.sampler.close()

    def take(self) -> list[Any] | None:
        """All that happened since the last call, as the parts of a STEP frame."""
        if not (self._texts or self._ends or self._faults):
            return None
        out = [self._texts, self._ends, self._faults, self.counts, self.work]
        self._texts, self._ends, self._faults = [], [], []
        return out

    # -- one step

    def step(self) -> None:
        """Admit what fits, compute one batch, and give every finished row its token."""
        self._expire()
        if self._waiting:
            self._admit()
        count, ready = self._fill()
        if not count:
            return
        started = time.perf_counter()
        code = self._context.decode(count)
        if code:
            self._broken(code)
            return
        self._sequences.computed()
        rows = self._context.logits(len(ready)) if ready else _NO_ROWS
        if count > len(ready):
            each = (time.perf_counter() - started) / count
            self._prefill_s += 0.2 * (each - self._prefill_s)
        if ready:
            self._choose(ready, rows)

    def _expire(self) -> None:
        late = [n for n, run in self._jobs.items() if run.deadline is not None and run.deadline < time.monotonic()]
        for number in late:
            self.fail(number, "timeout", "The time for this request ran out.")

    def _admit(self) -> None:
        held: list[Choice] = []
        while self._waiting and not self._sequences.full:
            choice = self._waiting[0]
            run = choice.run
            if choice.index and not run.leader_fed:  # rule 3
                held.append(self._waiting.popleft())
                continue
            self._waiting.popleft()
            choice.slot, choice.fed = self._sequences.place(run.prompt, run.job.tenant_salt, self._prefill_s)
            self._active.append(choice)
        self._waiting.extendleft(reversed(held))
        self._active.sort(key=lambda one: one.slot.id if one.slot else 0)

    def _fill(self) -> tuple[int, list[tuple[Choice, int]]]:
        """Write the batch. Returns its size, and who gets logits from which entry."""
        context = self._context
        token, pos, seq, want = context.token, context.pos, context.seq, context.want
        shares = self._shares()
        at = 0
        ready: list[tuple[Choice, int]] = []
        for choice in self._active:
            slot = choice.slot
            assert slot is not None
            length = slot.length
            if choice.last >= 0:
                token[at] = slot.tokens[length] = choice.last
                pos[at] = length
                seq[at] = slot.id
                want[at] = 1
                slot.length = length + 1
                ready.append((choice, at))
                at += 1
                continue
            size = shares.get(choice, 0)
            if not size:
                continue
            piece = choice.run.prompt[choice.fed : choice.fed + size]
            token[at : at + size] = piece
            pos[at : at + size] = np.arange(length, length + size)
            seq[at : at + size] = slot.id
            want[at : at + size] = 0
            slot.tokens[length : length + size] = piece
            slot.length = length + size
            choice.fed += size
            self._computed += size
            if not choice.index:
                choice.run.computed += size
            at += size
            if choice.fed == len(choice.run.prompt):
                want[at - 1] = 1
                ready.append((choice, at - 1))
        return at, ready

    def _shares(self) -> dict[Choice, int]:
        """How many prompt tokens of whom go into this batch; the longest here go first."""
        starting = [choice for choice in self._active if choice.last < 0]
        if not starting:
            return {}
        running = len(self._active) - len(starting)
        budget = self._context.batch_tokens - running
        if running:
            budget = min(budget, max(int(PIECE_S / self._prefill_s), 16))
        out: dict[Choice, int] = {}
        for choice in sorted(starting, key=lambda one: one.run.number):
            out[choice] = size = min(len(choice.run.prompt) - choice.fed, budget)
            budget -= size
        return out

    def _broken(self, code: int) -> None:
        for number in {choice.run.number for choice in self._active}:
            self.fail(number, "internal", f"llama.cpp could not compute this batch (code {code}).")
        self._sequences.clear()

    def _choose(self, ready: list[tuple[Choice, int]], rows: Floats) -> None:
        measured = [i for i, (choice, _) in enumerate(ready) if choice.tally is not None]
        if measured:
            numbers = statistics(rows if len(measured) == len(ready) else rows[measured])
            raw = [rows[i].copy() if ready[i][0].logprobs is not None else None for i in measured]
            # Read before a sampler changes a row in place.
            before = [rows[i].copy() if ready[i][0].sampler.changes else rows[i] for i in measured]
        chosen = self._tokens(ready, rows)
        if measured:
            for k, i in enumerate(measured):
                if chosen[i] >= 0:
                    self._measure(ready[i][0], chosen[i], before[k], raw[k], numbers, k)
        for (choice, _), token in zip(ready, chosen, strict=True):
            if token >= 0 and choice.slot is not None:
                self._accept(choice, token)

    def _tokens(self, ready: list[tuple[Choice, int]], rows: Floats) -> list[int]:
        """Everyone's next token; -1 where none can be chosen, and the job has failed."""
        if len(ready) > 1 and all(choice.sampler.simple for choice, _ in ready):
            chosen: list[int] = rows.argmax(axis=1).tolist()
            broken = ~np.isfinite(rows[np.arange(len(chosen)), chosen])
            if broken.any():
                chosen = [-1 if bad else token for token, bad in zip(chosen, broken.tolist(), strict=True)]
        else:
            chosen = [-1] * len(ready)
            drawn = [i for i, (choice, _) in enumerate(ready) if choice.sampler.drawn]
            if len(drawn) > 1:
                points = [ready[i][0].sampler.point() for i in drawn]
                some = rows if len(drawn) == len(ready) else rows[drawn]
                tokens = draws(some, [heat for heat, _ in points], [point for _, point in points])
                for i, token in zip(drawn, tokens, strict=True):
                    chosen[i] = token
                rest = set(range(len(ready))) - set(drawn)
            else:
                rest = set(range(len(ready)))
            for i in rest:
                choice, at = ready[i]
                try:
                    chosen[i] = choice.sampler.choose(rows[i], at, self._context, self._candidates)
                except ValueError as error:
                    self.fail(choice.run.number, "internal", f"No token can be chosen: {error}.")
                except Ambiguous:
                    self.fail(choice.run.number, "unsupported", _AMBIGUOUS)
        for (choice, _), token in zip(ready, chosen, strict=True):
            if token < 0:
                self.fail(choice.run.number, "internal", "No token can be chosen: the model's numbers are broken.")
        return chosen

    def _measure(self, choice: Choice, token: int, row: Floats, raw: Floats | None, numbers: Any, at: int) -> None:
        tally = choice.tally
        assert tally is not None
        logprob = float(row[token] - numbers.log_sum[at])
        tally.logprobs.append(logprob)
        tally.entropy += float(numbers.entropy[at])
        tally.margin += float(numbers.margin[at])
        if choice.logprobs is not None and raw is not None and token not in self._model.eog:
            top = [
                [self._written(other), float(raw[other] - numbers.log_sum[at])]
                for other in best(raw, choice.run.job.sampling.top_logprobs)
            ]
            choice.logprobs.append([self._written(token), logprob, top])

    def _written(self, token: int) -> str:
        return self._model.piece(token).decode("utf-8", "replace")

    def _accept(self, choice: Choice, token: int) -> None:
        choice.produced += 1
        choice.unsent += 1
        run = choice.run
        if choice.last < 0 and not choice.index:
            run.leader_fed = True
        if token in self._model.eog:
            self._finish(choice, "stop", choice.tail.end())
            return
        choice.last = token
        text = choice.tail.add(self._model.piece(token))
        if choice.tail.stopped:
            self._finish(choice, "stop", text)
        elif choice.produced >= choice.limit:
            self._finish(choice, "length", text + choice.tail.end())
        elif text:
            if run.job.stream:
                self._emit(choice, text)
            else:
                choice.texts.append(text)

    def _emit(self, choice: Choice, text: str) -> None:
        self._texts.append([choice.run.number, choice.index, text, choice.unsent, choice.logprobs])
        choice.unsent = 0
        if choice.logprobs is not None:
            choice.logprobs = []

    def _finish(self, choice: Choice, reason: str, text: str) -> None:
        run = choice.run
        choice.finish = reason
        choice.texts.append(text)
        whole = "".join(choice.texts)
        if whole or choice.unsent:
            self._emit(choice, whole)
        self._leave(choice)
        run.open -= 1
        if run.open:
            return
        del self._jobs[run.number]
        signals = [
            list(astuple(choice.tally.signals(choice.index))) for choice in run.choices if choice.tally is not None
        ]
        self._ends.append(
            [
                run.number,
                [choice.finish for choice in run.choices],
                [len(run.prompt), sum(choice.produced for choice in run.choices), len(run.prompt) - run.computed],
                signals if run.job.signals else [],
                [choice.tail.stop for choice in run.choices] if run.job.sampling.stop else [],
            ]
        )

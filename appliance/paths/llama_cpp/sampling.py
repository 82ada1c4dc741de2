"""How the next token is chosen, and what its choice says about the model's confidence.

Rules kept here:
1. Defaults live in `Plan.of` and nowhere else; where the caller said nothing they are OpenAI's.
2. Statistics are taken from the raw logits, before bias, penalties, temperature or a grammar change them.
3. A choice depends on its own logits, its own seed and its own past: never on what else was in the batch.
4. A grammar is asked about the chosen token first; only when it refuses is it applied to the whole vocabulary.
5. Under a grammar the bytes stay valid UTF-8, which llama.cpp's grammars do not check between tokens.
6. A grammar that takes too long for one token is given up: the next may take twice as long, and nobody else is served
   meanwhile.

Statistics of all rows of a step are computed in one NumPy operation each.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.paths.contract import Signals
from appliance.paths.llama_cpp.library import C, Candidates, Context, Floats, Model
from appliance.records.request import Sampling

_BLOCK = 64
_MOST_GRAMMAR_S = 0.5  # of the processor, for one token; a vocabulary of 150,000 takes a tenth of it


@dataclass(frozen=True, slots=True)
class Plan:
    """A Sampling with every default filled in."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    seed: int
    frequency: float
    presence: float
    repeat: float
    bias: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, sampling: Sampling, choice: int) -> Plan:
        """`choice` parts the seeds of several answers to one request."""
        seed = secrets.randbits(32) if sampling.seed is None else (sampling.seed + choice) & 0xFFFFFFFF
        return cls(
            temperature=1.0 if sampling.temperature is None else sampling.temperature,
            top_p=1.0 if sampling.top_p is None else sampling.top_p,
            top_k=sampling.top_k or 0,
            min_p=sampling.min_p or 0.0,
            seed=seed,
            frequency=sampling.frequency_penalty or 0.0,
            presence=sampling.presence_penalty or 0.0,
            repeat=sampling.repeat_penalty or 1.0,
            bias=sampling.logit_bias,
        )

    @property
    def greedy(self) -> bool:
        return self.temperature < 1e-4 or self.top_k == 1

    @property
    def plain(self) -> bool:
        """Temperature only: one draw from the softmax, made in NumPy."""
        return self.top_k <= 0 and self.top_p >= 1.0 and self.min_p <= 0.0


class Ambiguous(Exception):
    """The wanted form can be read in so many ways at once that following them takes too long."""


class Sampler:
    """One choice's way to its next token. Owns C samplers: call `close`."""

    __slots__ = ("_chain", "_counts", "_draw", "_grammar", "_model", "_open", "_plan", "adjusts", "greedy")

    def __init__(self, plan: Plan, model: Model, grammar: str | None) -> None:
        """Raises ValueError where llama.cpp refuses the grammar."""
        self._plan, self._model = plan, model
        self._open = b""  # of a character begun under a grammar
        self.greedy = plan.greedy
        self._counts: dict[int, int] = {}
        self.adjusts = bool(plan.bias or plan.frequency or plan.presence or plan.repeat != 1.0)
        self._draw = np.random.default_rng(plan.seed) if plan.plain and not plan.greedy else None
        self._chain: Any = None
        self._grammar: Any = None
        if grammar is not None:
            self._grammar = C.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
            if not self._grammar:
                raise ValueError("llama.cpp refused the grammar")
        if not plan.greedy and not plan.plain:
            self._chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
            add = C.llama_sampler_chain_add
            if plan.top_k > 0:
                add(self._chain, C.llama_sampler_init_top_k(plan.top_k))
            if plan.top_p < 1.0:
                add(self._chain, C.llama_sampler_init_top_p(plan.top_p, 1))
            if plan.min_p > 0.0:
                add(self._chain, C.llama_sampler_init_min_p(plan.min_p, 1))
            add(self._chain, C.llama_sampler_init_temp(plan.temperature))
            add(self._chain, C.llama_sampler_init_dist(plan.seed))

    @property
    def changes(self) -> bool:
        """Whether `choose` may change the row."""
        return self.adjusts or self._grammar is not None

    @property
    def simple(self) -> bool:
        """Whether the token is the row's largest entry and nothing more."""
        return self.greedy and not self.changes

    @property
    def drawn(self) -> bool:
        """Whether the token is one draw from the softmax of the row and nothing more."""
        return self._draw is not None and not self.changes

    def point(self) -> tuple[float, float]:
        """Temperature and place of the next draw."""
        assert self._draw is not None
        return self._plan.temperature, self._draw.random()

    def choose(self, row: Floats, at: int, context: Context, candidates: Candidates) -> int:
        """The next token from `row` (changed in place), which is batch entry `at` of the last decode.

        Raises ValueError where no token is possible: the numbers are broken, or the grammar has no way on; Ambiguous.
        """
        if self.adjusts:
            self._adjust(row)
        token = self._pick(row, at, context)
        if self._grammar is not None:
            token = self._constrain(token, row, at, context, candidates)
        if self.adjusts:
            self._counts[token] = self._counts.get(token, 0) + 1
        return token

    def _constrain(self, token: int, row: Floats, at: int, context: Context, candidates: Candidates) -> int:
        masked, began = False, time.thread_time()
        while True:
            if not masked and not candidates.allows(self._grammar, token):
                candidates.mask(self._grammar, row)
                masked = True
            elif (left := unfinished(self._open + self._model.piece(token))) is None:
                row[token] = -np.inf
            else:
                # Accepting a token that the grammar forbids would abort the process: only here, after `allows`.
                C.llama_sampler_accept(self._grammar, token)
                self._open = left
                if time.thread_time() - began > _MOST_GRAMMAR_S:
                    raise Ambiguous
                return token
            if row.max() == -np.inf:
                raise ValueError("the wanted form allows no token of this model here")
            token = self._pick(row, at, context)

    def _pick(self, row: Floats, at: int, context: Context) -> int:
        if self.greedy:
            token = int(row.argmax())
            if np.isfinite(row[token]):
                return token
        top = float(row.max())
        if self.greedy or not np.isfinite(top):
            raise ValueError("the model's numbers are broken")  # C samplers abort the process on NaN
        if self._draw is None:
            return int(C.llama_sampler_sample(self._chain, context.raw, at))
        return draw(row, top, self._plan.temperature, self._draw.random())

    def _adjust(self, row: Floats) -> None:
        plan = self._plan
        for token, bias in plan.bias:
            if 0 <= token < len(row):
                row[token] += bias
        if self._counts and (plan.frequency or plan.presence or plan.repeat != 1.0):
            ids = np.fromiter(self._counts.keys(), np.int64, len(self._counts))
            times = np.fromiter(self._counts.values(), np.float32, len(self._counts))
            seen = row[ids]
            if plan.repeat != 1.0:
                seen = np.where(seen > 0, seen / plan.repeat, seen * plan.repeat)
            row[ids] = seen - times * plan.frequency - plan.presence

    def close(self) -> None:
        for sampler in (self._chain, self._grammar):
            if sampler:
                C.llama_sampler_free(sampler)
        self._chain = self._grammar = None


def unfinished(raw: bytes) -> bytes | None:
    """The bytes of a begun character at the end of `raw`; None where `raw` is no UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return raw[error.start :] if error.reason == "unexpected end of data" else None
    return b""


def draw(row: Floats, top: float, temperature: float, point: float) -> int:
    """What `draws` gives for one row whose largest entry is `top`: the same arithmetic, a third of the time."""
    width = len(row)
    padded = np.full(-(-width // _BLOCK) * _BLOCK, -np.inf, np.float32)
    np.subtract(row, np.float32(top), out=padded[:width])
    if temperature != 1.0:
        padded /= np.float32(temperature)
    np.exp(padded, out=padded)
    cubes = padded.reshape(-1, _BLOCK)
    sums = cubes.sum(axis=1).cumsum(dtype=np.float64)
    goal = point * float(sums[-1])
    found = min(int(sums.searchsorted(goal, side="right")), len(sums) - 1)
    inside = cubes[found].cumsum(dtype=np.float64)
    rest = goal - (float(sums[found - 1]) if found else 0.0)
    token = found * _BLOCK + min(int(inside.searchsorted(rest, side="right")), _BLOCK - 1)
    return token if padded[token] > 0.0 else draws(row[None], [temperature], [point])[0]


def draws(rows: Floats, temperatures: list[float], points: list[float]) -> list[int]:
    """For each row the token at its point in [0, 1) of softmax(row / temperature); -1 for a row of broken numbers.

    Found through block sums: two short cumulative sums a row instead of one over the vocabulary.
    """
    count, width = rows.shape
    padded = np.full((count, -(-width // _BLOCK) * _BLOCK), -np.inf, np.float32)
    tops = rows.max(axis=1)
    with np.errstate(invalid="ignore"):
        np.subtract(rows, tops[:, None], out=padded[:, :width])
        if any(one != 1.0 for one in temperatures):
            padded /= np.array(temperatures, np.float32)[:, None]
        np.exp(padded, out=padded)
    cubes = padded.reshape(count, -1, _BLOCK)
    sums = cubes.sum(axis=2).cumsum(axis=1, dtype=np.float64)
    goals = np.array(points) * sums[:, -1]
    index = np.arange(count)
    found = np.minimum((sums <= goals[:, None]).sum(axis=1), sums.shape[1] - 1)
    inside = cubes[index, found].cumsum(axis=1, dtype=np.float64)
    goals -= np.where(found > 0, sums[index, found - 1], 0.0)
    tokens = found * _BLOCK + np.minimum((inside <= goals[:, None]).sum(axis=1), _BLOCK - 1)
    out: list[int] = tokens.tolist()
    for row in np.flatnonzero((padded[index, tokens] == 0.0) | ~np.isfinite(tops)).tolist():
        # Rounding may end behind the last possible token: take that one.
        possible = np.flatnonzero(padded[row, : out[row] + 1] > 0.0)
        out[row] = int(possible[-1]) if np.isfinite(tops[row]) and len(possible) else -1
    return out


@dataclass(slots=True)
class Statistics:
    """Of several rows at once: log of the partition sum, entropy and margin each, natural logs."""

    log_sum: Floats
    entropy: Floats
    margin: Floats


def statistics(rows: Floats) -> Statistics:
    """Of raw logits, shape (n, vocabulary). Entropy is log Z minus the mean logit under the softmax."""
    top = rows.max(axis=1, keepdims=True)
    shifted = rows - top
    weights = np.exp(shifted)
    total = weights.sum(axis=1)
    log_total = np.log(total)
    np.multiply(weights, shifted, out=weights)
    entropy = log_total - weights.sum(axis=1) / total
    index = np.arange(len(rows))
    shifted[index, shifted.argmax(axis=1)] = -np.inf
    return Statistics(log_total + top[:, 0], np.maximum(entropy, 0.0), -shifted.max(axis=1))


@dataclass(slots=True)
class Tally:
    """One choice's statistics so far."""

    logprobs: list[float]
    entropy: float = 0.0
    margin: float = 0.0

    def signals(self, index: int) -> Signals:
        count = len(self.logprobs)
        ordered = sorted(self.logprobs)

        def at(share: float) -> float:
            low = int(spot := share * (count - 1))
            high = min(low + 1, count - 1)
            return ordered[low] + (ordered[high] - ordered[low]) * (spot - low)

        if not count:
            return Signals(index, 0, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0), 0.0, 0.0)
        total = sum(ordered)
        return Signals(
            index, count, total, total / count, ordered[0], (at(0.1), at(0.25), at(0.5)),
            self.entropy / count, self.margin / count,
        )  # fmt: skip


def best(row: Floats, count: int) -> list[int]:
    """The `count` most probable tokens, best first."""
    count = min(count, len(row))
    if count <= 0:
        return []
    top = np.argpartition(row, -count)[-count:]
    ordered: list[int] = top[np.argsort(-row[top], kind="stable")].tolist()
    return ordered

"""Train the starter generator: samples made on the fly, loss on answers alone, the schedule governed by the clock.

Rules kept here:
1. Only the `train` split is trained on. The running accuracy uses `calibration`; `test` is never opened here.
2. Warm-up, then linear decay to zero, by share of `--minutes`: the decay ends on time on any machine.
3. A checkpoint replaces the one before it atomically; `--resume` continues its clock as well as its weights.

`python models/generator/train.py OUT` trains into the folder OUT; `--setting gpu` needs a GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import os
import queue
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed
from evaluate import is_right
from language_tasks import TASKS as LANGUAGE
from model import Model, Shape, generate
from sample import DIFFICULTIES, Difficulty, Sample
from symbolic_tasks import TASKS as SYMBOLIC
from tokenizer import END_ID, PAD_ID, Tokenizer, chat_ids, learn, prompt_ids, training_texts
from torch import Tensor
from torch.nn import functional as F

TASKS = {**LANGUAGE, **SYMBOLIC}

# Share of samples per task, relative to 1; and how often each difficulty, at the start and after a fifth of the time.
# Cells that a model of this size does not learn get less than their share.
TASK_WEIGHTS: dict[str, float] = {"passage_qa": 1.3, "rewrite": 1.3}
MIX_START = (0.60, 0.30, 0.10)
MIX = (0.38, 0.36, 0.26)
CELL_WEIGHTS: dict[tuple[str, str], float] = {
    ("arithmetic", "medium"): 0.6,
    ("arithmetic", "hard"): 0.2,
    ("dates", "hard"): 0.5,
    ("filter", "medium"): 0.6,
    ("filter", "hard"): 0.3,
    ("sort", "hard"): 0.3,
}

SYSTEM_SHARE = 0.15
CHAT_SHARE = 0.02  # Samples that are a long chat, up to the full context: they train the far positions.
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a helpful, concise assistant.",
    "You are an assistant.",
    "Answer the user's question.",
    "Answer briefly and correctly.",
    "You are a careful assistant. Reply with the answer only.",
    "Follow the user's instructions exactly.",
    "You work at the front desk and answer short requests.",
    "Be precise. Do not explain.",
    "You are the local model of this node.",
    "Reply in the format the user asks for.",
    "You are a friendly office assistant.",
    "Give short, exact answers.",
    "You help staff with small text tasks.",
    "If the user asks for JSON, reply with JSON only.",
    "You are an AI assistant that follows instructions.",
    "Help the user with their request. Keep it short.",
    "You are Weir, an assistant that runs on site.",
    "Please assist the user as well as you can.",
    "Only output the answer, with no extra words.",
)


@dataclass(frozen=True)
class Setting:
    """What differs between machines."""

    shape: Shape
    tokens: int  # Padded tokens of one micro-batch.
    parts: int  # Micro-batches of one process and step, drawn from different lengths.
    muon_rate: float
    adam_rate: float
    workers: int


SETTINGS = {
    "cpu": Setting(Shape(width=160, layers=4, heads=5, hidden=432), 2048, 1, 0.007, 3e-3, 1),
    "gpu": Setting(Shape(width=288, layers=5, heads=9, hidden=768), 65_536, 2, 0.02, 3e-3, 14),
}


@dataclass(frozen=True)
class Batch:
    """One micro-batch: ids (B, T) padded on the right; flat positions asked for, their next tokens and weights (N,)."""

    ids: np.ndarray
    wanted: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    samples: int
    tokens: int


def draw(rng: random.Random, progress: float) -> Sample:
    """One training sample, harder ones more often as training goes on."""
    share = min(1.0, progress / 0.2)
    mix = [a + (b - a) * share for a, b in zip(MIX_START, MIX, strict=True)]
    names = sorted(TASKS)
    name = rng.choices(names, [TASK_WEIGHTS.get(name, 1.0) for name in names])[0]
    weights = [w * CELL_WEIGHTS.get((name, d), 1.0) for d, w in zip(DIFFICULTIES, mix, strict=True)]
    difficulty: Difficulty = rng.choices(DIFFICULTIES, weights)[0]
    return TASKS[name](rng, "train", difficulty)


def sequence(
    rng: random.Random, tokenizer: Tokenizer, context: int, progress: float
) -> tuple[list[int], list[int], int]:
    """Ids, wanted positions and number of turns of one training sequence no longer than the context."""
    while True:
        system = rng.choice(SYSTEMS) if rng.random() < SYSTEM_SHARE else None
        sample = draw(rng, progress)
        turns = [(sample.prompt, sample.answer)]
        ids, wanted = chat_ids(tokenizer, turns, system)
        if rng.random() < CHAT_SHARE:
            goal = rng.randint(context // 4, context)
            while len(ids) < goal:
                sample = draw(rng, progress)
                longer = chat_ids(tokenizer, [*turns, (sample.prompt, sample.answer)], system)
                if len(longer[0]) > context:
                    break
                turns.append((sample.prompt, sample.answer))
                ids, wanted = longer
        if len(ids) <= context:
            return ids, wanted, len(turns)


def answer_weights(places: Sequence[int]) -> list[float]:
    """A weight per position: an answer of n tokens weighs √n in all, so that long lists do not drown one-word labels."""
    weights: list[float] = []
    start = 0
    for at in range(1, len(places) + 1):
        if at == len(places) or places[at] != places[at - 1] + 1:
            weights += [(at - start) ** -0.5] * (at - start)
            start = at
    return weights


def batches(rng: random.Random, tokenizer: Tokenizer, setting: Setting, progress: float) -> Iterator[Batch]:
    """Micro-batches of alike lengths, in random order, from one large draw."""
    context = setting.shape.context
    rows = [sequence(rng, tokenizer, context, progress) for _ in range(max(1024, setting.tokens * setting.parts // 8))]
    rows.sort(key=lambda row: len(row[0]))
    groups: list[list[tuple[list[int], list[int], int]]] = [[]]
    for row in rows:
        if groups[-1] and len(row[0]) * (len(groups[-1]) + 1) > setting.tokens:
            groups.append([])
        groups[-1].append(row)
    rng.shuffle(groups)
    for group in groups:
        length = max(len(ids) for ids, _, _ in group) - 1
        ids = np.full((len(group), length), PAD_ID, dtype=np.int64)
        wanted: list[int] = []
        targets: list[int] = []
        weights: list[float] = []
        for number, (row, places, _) in enumerate(group):
            ids[number, : len(row) - 1] = row[:-1]
            wanted += (number * length + place for place in places)
            targets += (row[place + 1] for place in places)
            weights += answer_weights(places)
        yield Batch(
            ids,
            np.array(wanted, dtype=np.int64),
            np.array(targets, dtype=np.int64),
            np.array(weights, dtype=np.float32),
            sum(turns for _, _, turns in group),
            sum(len(row) - 1 for row, _, _ in group),
        )


def feed(
    out: multiprocessing.Queue[list[Batch]], progress: object, tokenizer: str, setting: Setting, seed: int
) -> None:
    """Endless steps of micro-batches, made in a process of their own."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    rng = random.Random(seed)
    loaded = Tokenizer.from_str(tokenizer)
    step: list[Batch] = []
    while True:
        for batch in batches(rng, loaded, setting, progress.value):  # type: ignore[attr-defined]
            step.append(batch)
            if len(step) == setting.parts:
                out.put(step)
                step = []


@torch.no_grad()
def orthogonal(stack: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrices with singular values near one (n, r ≤ c, c), by Newton and Schulz (Jordan's Muon)."""
    x = stack.bfloat16() if stack.is_cuda else stack
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.to(stack.dtype)


@dataclass(frozen=True)
class Team:
    """The processes that share one training step; each computes its own micro-batches with one thread.

    Two processes that meet once a step lose less than one operation split over two cores, which waits for the slower
    core every time, and less than two threads, which share the allocator's locks and the page table's.
    """

    rank: int = 0
    size: int = 1

    def add_up(self, values: Tensor) -> None:
        """Replace values by their sum over the team; every member gets the same bits."""
        if self.size > 1:
            torch.distributed.all_reduce(values)


class Muon:
    """Momentum, then orthogonalisation, of all 2-D weights; those of one shape go through it as one stack.

    A fused weight (queries, keys and values; gate and up) is cut into its matrices first. The team shares the
    matrices out.
    """

    def __init__(self, weights: Sequence[tuple[Tensor, int]], momentum: float = 0.95, decay: float = 0.05) -> None:
        self.weights = [part for weight, parts in weights for part in weight.detach().chunk(parts)]
        self.sources = list(weights)
        self.momentum, self.decay = momentum, decay
        self.memory = [torch.zeros_like(weight) for weight in self.weights]

    @torch.no_grad()
    def step(self, rate: float, team: Team) -> None:
        """One update at a learning rate."""
        grads = [part for weight, parts in self.sources for part in weight.grad.chunk(parts)]  # type: ignore[union-attr]
        torch._foreach_lerp_(self.memory, grads, 1 - self.momentum)
        groups: dict[tuple[int, int], list[int]] = {}
        for number, weight in enumerate(self.weights):
            groups.setdefault((min(weight.shape), max(weight.shape)), []).append(number)
        every = torch.zeros(sum(weight.numel() for weight in self.weights), device=self.weights[0].device)
        updates = [part.view_as(w) for part, w in zip(every.split([w.numel() for w in self.weights]), self.weights)]
        for members in groups.values():
            mine = members[team.rank :: team.size]
            if mine:
                blends = [torch.lerp(grads[number], self.memory[number], self.momentum) for number in mine]
                stack = torch.stack([blend.mT if blend.shape[0] > blend.shape[1] else blend for blend in blends])
                for number, update in zip(mine, orthogonal(stack), strict=True):
                    tall = updates[number].shape[0] > updates[number].shape[1]
                    updates[number].copy_(update.mT if tall else update)
        team.add_up(every)
        for weight, update in zip(self.weights, updates, strict=True):
            weight.mul_(1 - rate * self.decay)
            weight.add_(update, alpha=-rate * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5)


def optimisers(model: Model, setting: Setting) -> tuple[Muon, torch.optim.AdamW]:
    """Muon for the layers' matrices, AdamW for embeddings and norms."""
    matrices: list[tuple[Tensor, int]] = []
    for block in model.blocks:
        matrices += [(block.qkv, 3), (block.out, 1), (block.gate_up, 2), (block.down, 1)]
    chosen = {id(weight) for weight, _ in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in chosen]
    return Muon(matrices), torch.optim.AdamW(
        rest, lr=setting.adam_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
    )


def rate_at(progress: float, warm_up: float = 0.02, hold: float = 0.05) -> float:
    """The learning rate's factor at a share of the time."""
    if progress < warm_up:
        return 0.05 + 0.95 * progress / warm_up
    return 1.0 if progress < hold else max(0.0, (1 - progress) / (1 - hold))


def gradients(model: Model, batches: Sequence[Batch], team: Team, progress: float) -> tuple[float, float]:
    """Leave in the model the gradients of the weighted mean loss of the team's answer tokens.

    Returns that loss and the progress of the team's first member, by which all members go on or stop.
    """
    device = model.embedding.device
    loss = torch.zeros((), device=device)
    for batch in batches:
        ids, wanted, targets, weights = (
            torch.from_numpy(part).to(device, non_blocking=True)
            for part in (batch.ids, batch.wanted, batch.targets, batch.weights)
        )
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            logits = model(ids, wanted)
        part = F.cross_entropy(logits.float(), targets, reduction="none") @ weights
        part.backward()
        loss += part.detach()
    parameters = list(model.parameters())
    total = torch.tensor(float(sum(batch.weights.sum() for batch in batches)), device=device)
    first = torch.tensor(progress if team.rank == 0 else 0.0, device=device)
    flat = torch.cat([*(weight.grad.flatten() for weight in parameters), torch.stack((loss, total, first))])  # type: ignore[union-attr]
    team.add_up(flat)
    flat[:-2] /= flat[-2]
    for weight, grad in zip(parameters, flat[:-3].split([weight.numel() for weight in parameters]), strict=True):
        weight.grad = grad.view_as(weight)
    return flat[-3].item(), flat[-1].item()


def look(model: Model, tokenizer: Tokenizer, each: int, seed: int = 7) -> str:
    """Greedy accuracy on a few fixed calibration samples of each cell, as one line."""
    rng = random.Random(seed)
    samples = [TASKS[name](rng, "calibration", d) for name in sorted(TASKS) for d in DIFFICULTIES for _ in range(each)]
    prompts = [prompt_ids(tokenizer, sample.prompt) for sample in samples]
    order = [i for i in sorted(range(len(samples)), key=lambda i: len(prompts[i])) if len(prompts[i]) < 800]
    hits: dict[tuple[str, str], list[bool]] = {}
    model.eval()
    for start in range(0, len(order), 64):
        part = order[start : start + 64]
        for i, answer in zip(part, generate(model, [prompts[i] for i in part], END_ID, 64), strict=True):
            text = tokenizer.decode(list(answer.ids))
            hits.setdefault((samples[i].task, samples[i].difficulty), []).append(
                is_right(samples[i].task, samples[i].answer, text)
            )
    model.train()
    every = [hit for cell in hits.values() for hit in cell]
    cells = "  ".join(
        f"{name} " + "/".join(f"{sum(hits.get((name, d), []))}" for d in DIFFICULTIES)
        for name in sorted({task for task, _ in hits})
    )
    return f"accuracy {sum(every) / len(every):.3f} of {len(every)} ({each} each): {cells}"


def save(path: Path, content: dict[str, object]) -> None:
    """Write a checkpoint beside the old one, then replace it."""
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


def measure(device: torch.device, tokens: int) -> None:
    """Tokens a second of one process for a few shapes, on random ids: a start for choosing one."""
    for shape in (
        Shape(width=192, layers=4),
        Shape(width=192, layers=5),
        Shape(width=192, layers=6),
        Shape(width=224, layers=4, heads=7, hidden=608),
    ):
        setting = dataclasses.replace(SETTINGS["cpu"], shape=shape)
        model = Model(shape).to(device)
        muon, adam = optimisers(model, setting)
        step = []
        for length in (50, 70, 90, 130):
            rows = tokens // length
            wanted = np.concatenate([np.arange(length - 15, length - 1) + row * length for row in range(rows)])
            ids = np.random.default_rng(0).integers(0, shape.vocabulary, (rows, length))
            step.append(Batch(ids, wanted, wanted % 1000, np.ones(len(wanted), np.float32), rows, rows * length))
        spent = []
        for _ in range(8):
            begun = time.monotonic()
            gradients(model, step, Team(), 0.0)
            muon.step(0.01, Team())
            adam.step()
            model.zero_grad()
            spent.append(time.monotonic() - begun)
        best = sorted(spent)[len(spent) // 2]
        print(
            shape,
            sum(w.numel() for w in model.parameters()),
            f"{sum(b.tokens for b in step) / best:.0f} tokens/s, {best:.2f} s a step",
            flush=True,
        )


def train(out: Path, options: argparse.Namespace, team: Team) -> None:
    """Train until the time is spent; OUT holds tokenizer.json, checkpoint.pt and, at the end, final.pt.

    The team's first member alone prints, looks and saves, and its clock counts.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setting = SETTINGS[options.setting]
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    torch.manual_seed(options.seed)
    model = Model(setting.shape).to(device)
    muon, adam = optimisers(model, setting)
    steps = samples = tokens = 0
    before = 0.0
    if options.resume and (out / "checkpoint.pt").exists():
        kept = torch.load(out / "checkpoint.pt", map_location=device, weights_only=True)
        model.load_state_dict(kept["model"])
        adam.load_state_dict(kept["adam"])
        for memory, value in zip(muon.memory, kept["muon"], strict=True):
            memory.copy_(value)
        steps, samples, tokens, before = kept["steps"], kept["samples"], kept["tokens"], kept["elapsed"]
    context = multiprocessing.get_context("spawn")
    steps_ready: multiprocessing.Queue[list[Batch]] = context.Queue(maxsize=24)
    progress_now = context.Value("d", 0.0)
    feeders = [
        context.Process(
            target=feed,
            args=(
                steps_ready,
                progress_now,
                tokenizer.to_str(),
                setting,
                options.seed * 1_000_003 + steps * 101 + 17 * team.rank + number,
            ),
            daemon=True,
        )
        for number in range(setting.workers)
    ]
    for feeder in feeders:
        feeder.start()
    content = lambda: {  # noqa: E731
        "model": model.state_dict(),
        "adam": adam.state_dict(),
        "muon": muon.memory,
        "steps": steps,
        "samples": samples,
        "tokens": tokens,
        "elapsed": elapsed,
        "shape": dataclasses.asdict(setting.shape),
        "minutes": options.minutes,
    }

    def take() -> list[Batch]:
        while True:
            try:
                return steps_ready.get(timeout=20)
            except queue.Empty:
                if not all(feeder.is_alive() for feeder in feeders):
                    raise RuntimeError("a process that makes samples has died; its traceback stands above") from None

    step = take()
    begun = last_line = last_save = time.monotonic()
    last_look = begun
    budget = options.minutes * 60
    elapsed = before
    waited = 0.0
    loss_sum, loss_count, line_tokens = 0.0, 0, 0
    if team.rank == 0:
        print(f"{device}, {sum(w.numel() for w in model.parameters())} parameters, {setting}, {team}", flush=True)
    while True:
        now = time.monotonic()
        elapsed = before + now - begun
        loss, progress = gradients(model, step, team, elapsed / budget)
        if progress >= 1:
            break
        progress_now.value = progress
        factor = min(options.cap, rate_at(progress))
        muon.step(setting.muon_rate * factor, team)
        for group in adam.param_groups:
            group["lr"] = setting.adam_rate * factor
        adam.step()
        model.zero_grad(set_to_none=True)
        steps += 1
        samples += team.size * sum(batch.samples for batch in step)
        count = team.size * sum(batch.tokens for batch in step)
        tokens += count
        line_tokens += count
        loss_sum += loss
        loss_count += 1
        asked = time.monotonic()
        step = take()
        waited += time.monotonic() - asked
        if team.rank:
            continue
        if asked - last_line >= options.line:
            print(
                f"{time.strftime('%H:%M:%S')} {elapsed / 60:.1f} min  step {steps}  samples {samples}  "
                f"tokens {tokens}  loss {loss_sum / loss_count:.4f}  {line_tokens / (asked - last_line):.0f} tokens/s  "
                f"rate {factor:.2f}  waited {waited:.1f} s",
                flush=True,
            )
            last_line, waited, line_tokens, loss_count, loss_sum = asked, 0.0, 0, 0, 0.0
        if asked - last_look >= options.look:
            print("   " + look(model, tokenizer, 4), flush=True)
            last_look = time.monotonic()
        if asked - last_save >= 300:
            save(out / "checkpoint.pt", content())
            last_save = asked
    if team.rank == 0:
        save(out / "final.pt", content())
        print("   " + look(model, tokenizer, 10), flush=True)
        print(f"done: step {steps}, samples {samples}, tokens {tokens}, {elapsed / 60:.1f} min", flush=True)
    for feeder in feeders:
        feeder.terminate()


def member(rank: int, out: Path, options: argparse.Namespace, meeting: str) -> None:
    """Train as one process of a team that meets through a file."""
    torch.set_num_threads(1)
    # Numbers too small for the normal format are computed a hundred times slower.
    torch.set_flush_denormal(True)
    team = Team(rank, 1 if torch.cuda.is_available() else options.processes)
    if team.size > 1:
        torch.distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=team.size)
    train(out, options, team)


def main() -> None:
    """Read the options and train, or measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=Path("/tmp/weir-generator"))
    parser.add_argument("--minutes", type=float, default=60.0, help="the whole budget, decay included")
    parser.add_argument("--setting", choices=sorted(SETTINGS), default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="one for each CPU core; a GPU takes one")
    parser.add_argument("--line", type=float, default=60.0, help="seconds between progress lines")
    parser.add_argument("--look", type=float, default=240.0, help="seconds between quick accuracies")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--cap", type=float, default=1.0, help="most of the learning rate's factor, for a second leg")
    parser.add_argument("--measure", action="store_true", help="measure tokens/s of a few shapes, and stop")
    options = parser.parse_args()
    if options.measure:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        measure(torch.device("cuda" if torch.cuda.is_available() else "cpu"), SETTINGS["cpu"].tokens)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    vocabulary = options.out / "tokenizer.json"
    if not vocabulary.exists():
        learn(training_texts(40_000, 1)).save(str(vocabulary))
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        others = [
            context.Process(target=member, args=(rank, options.out, options, f"{folder}/meeting"))
            for rank in range(1, 1 if torch.cuda.is_available() else options.processes)
        ]
        for other in others:
            other.start()
        member(0, options.out, options, f"{folder}/meeting")
        for other in others:
            other.join()


if __name__ == "__main__":
    main()

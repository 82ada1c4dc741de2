"""The health check of a generation: its denials, its models loaded, its golden prompts asked. For a child process.

Rules kept here:
1. Everything that is wrong is named; nothing is written, and nothing leaves: only models of this host are asked.
2. Whoever calls this runs it in a process of its own with a time limit: a crash or a hang is a failed check.
3. What cannot be asked here (a golden prompt for a path that is a server) is said so and fails nothing; `servers` asks
   it, where the host lets something leave.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from appliance.bundle import content, rehearse
from appliance.bundle.generations import MARKER
from appliance.bundle.manifest import MAX_MANIFEST, Health, ManifestInvalid, Prompt, read_manifest
from appliance.decide.generation import Generation
from appliance.errors import ConfigInvalid
from appliance.paths.contract import ExecutionPath, Job, PathError, Text
from appliance.records.card import ModelCard
from appliance.records.request import Message, Sampling

if TYPE_CHECKING:
    from appliance.paths.registry import PathContext

LIMIT_S = 900  # for all of it
_LOCAL = ("llama_cpp", "onnx")


@dataclass(frozen=True)
class Checked:
    """What the check came to; `problems` is empty where all is well."""

    problems: tuple[str, ...]
    loaded: int = 0
    asked: int = 0
    unasked: tuple[str, ...] = ()


def check(folder: Path, now: float, *, known: Path | None = None, unconfined: bool = False) -> Checked:
    """Check the generation in this folder at this moment (Unix seconds). Loads models; may block, crash or hang.

    `known` is the folder of one that passed: a model that it has with the same card, the very same files on the disk
    and the same prompts is not loaded again.
    """
    try:
        health = read(folder)
        generation = content.load_generation(folder)
    except (OSError, ManifestInvalid) as error:
        return Checked((f"it is not complete: {error}",))
    except ConfigInvalid as error:
        return Checked(error.details or (error.message,))
    problems = rehearse.undenied(generation, health.denials, now)
    tried = asyncio.run(_models(generation, folder, health, unproven(folder, known), unconfined=unconfined))
    return Checked(problems + tried.problems, tried.loaded, tried.asked, tried.unasked)


def unproven(folder: Path, known: Path | None) -> frozenset[str]:
    """The models of this host, by id, that did not pass in `known` as they are. Raises as reading content does."""
    here = {id: card for id, card in content.cards_in(folder).items() if card.runtime in _LOCAL}
    if known is None:
        return frozenset(here)
    try:
        before, prompts_before = content.cards_in(known), by_card(read(known))
    except (OSError, ManifestInvalid, ConfigInvalid):
        return frozenset(here)
    prompts = by_card(read(folder))
    return frozenset(
        id
        for id, card in here.items()
        if before.get(id) != card
        or prompts[id] != prompts_before[id]
        or not all(_same_files(folder, known, PurePath(file.path).parent) for file in card.files)
    )


def read(folder: Path) -> Health:
    """The health set of a generation in a folder. Raises OSError and ManifestInvalid."""
    with (folder / MARKER).open("rb") as stream:
        return read_manifest(stream.read(MAX_MANIFEST + 1)).health


def _same_files(folder: Path, known: Path, where: PurePath) -> bool:
    """Whether all files there are the same: a runtime reads more than its card names (the embedder its manifest).
    What is in directories below is other models'.
    """
    try:
        names = _files(folder / where)
        same = names == _files(known / where)
        return same and all((folder / where / name).samefile(known / where / name) for name in names)
    except OSError:
        return False


def _files(where: Path) -> set[str]:
    return {entry.name for entry in where.iterdir() if not entry.is_dir()}


def by_card(health: Health) -> dict[str, list[Prompt]]:
    """The golden prompts of each card, in their order."""
    prompts: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in health.prompts:
        prompts[prompt.card].append(prompt)
    return prompts


async def _models(
    generation: Generation, folder: Path, health: Health, to_load: frozenset[str], *, unconfined: bool
) -> Checked:
    """Load each of these models alone, one after the other, and ask it what is for it."""
    from appliance.egress import Egress, NoLedger
    from appliance.paths.registry import PathContext

    context = PathContext(folder, Egress(frozenset(), NoLedger()), unconfined_workers=unconfined)
    prompts = by_card(health)
    problems = [
        f"prompt {p.name}: there is no card {p.card}" for p in health.prompts if p.card not in generation.card_by_id
    ]
    loaded = asked = 0
    unasked: list[str] = []
    for card in generation.cards:
        for_it = prompts[card.id]
        if card.id in to_load:
            found = await _model(card, context, for_it)
            problems += found
            loaded += 1
            asked += len(for_it)
        elif card.runtime not in _LOCAL:
            unasked += (prompt.name for prompt in for_it)
    return Checked(tuple(problems), loaded, asked, tuple(unasked))


async def _model(card: ModelCard, context: PathContext, prompts: Sequence[Prompt]) -> list[str]:
    """What is wrong with one model, in words."""
    if fault := content.damaged(card, context.content_dir):
        return [f"{card.id}: {fault}"]
    from appliance.paths.registry import build_path

    try:
        path = build_path(card, context)
    except ConfigInvalid as error:
        return [error.message]
    try:
        await path.start()
        ready = path.ready()
        if not ready.ok:
            return [f"{card.id} does not load: {ready.reason}"]
        return [problem for prompt in prompts for problem in await wrong(path, prompt)]
    except PathError as error:
        return [f"{card.id}: {error.message}"]
    finally:
        await path.stop()


async def wrong(path: ExecutionPath, prompt: Prompt) -> list[str]:
    """What the answer to a golden prompt lacks, in words. The answer itself is not repeated. Raises PathError."""
    sampling = Sampling(max_tokens=prompt.max_tokens, temperature=0.0)
    if "chat" in path.card.modalities:
        job = Job(prompt.name, "chat", messages=(Message("user", prompt.prompt),), sampling=sampling)
    else:
        job = Job(prompt.name, "completion", prompt=prompt.prompt, sampling=sampling)
    answer = "".join([chunk.text async for chunk in path.stream(job) if isinstance(chunk, Text)])
    problems = [f"does not contain {word!r}" for word in prompt.contains if word not in answer]
    problems += [f"contains {word!r}" for word in prompt.lacks if word in answer]
    if len(answer) < prompt.min_characters:
        problems.append(f"has {len(answer)} characters and must have {prompt.min_characters}")
    return [f"prompt {prompt.name}: the answer {problem}" for problem in problems]

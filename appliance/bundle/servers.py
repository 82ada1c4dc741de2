"""Golden prompts of paths that are servers: asked through the door, each in the audit before it leaves.

Rules kept here:
1. What is sent is the publisher's own text, public by its nature, and goes where the generation's policy lets a public
   request go and the door is open, nowhere else.
2. A wrong answer is a problem, and so is a server that refuses the request. A server that is away, too busy, or does
   not take this host's key says nothing about the bundle: that is told, and fails nothing.
3. A server is given up after the first prompt that does not reach it. All of it has a time limit.
4. What passed before, with the same card and the same prompts, is not asked again.

Answers are compared and dropped; none is kept or repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.bundle import content, health
from appliance.bundle.manifest import ManifestInvalid, Prompt
from appliance.decide.generation import Generation
from appliance.errors import ConfigInvalid
from appliance.paths.contract import ExecutionPath, PathError, PathFault
from appliance.paths.registry import PathContext, build_path
from appliance.records.card import ModelCard
from appliance.records.departure import Departure, departing
from appliance.records.request import LOCAL, Labels

LIMIT_S = 120.0
_PUBLIC = Labels(classification="public")
_REFUSED: frozenset[PathFault] = frozenset({"rejected", "context_too_long", "unsupported"})


@dataclass(frozen=True)
class Answers:
    """What came of it: `problems` fail the check; `unreached` says of each prompt that came to nothing why."""

    asked: int = 0
    problems: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()


def to_ask(generation: Generation, folder: Path, known: Path | None) -> Iterator[tuple[ModelCard, list[Prompt]]]:
    """The servers with prompts that did not pass in `known` as they are. Raises OSError, ManifestInvalid."""
    prompts = health.by_card(health.read(folder))
    cards_before: dict[str, ModelCard] = {}
    before: dict[str, list[Prompt]] = {}
    if known is not None:
        with suppress(OSError, ManifestInvalid, ConfigInvalid):
            cards_before, before = content.cards_in(known), health.by_card(health.read(known))
    here = content.cards_in(folder)
    for card in generation.cards:
        for_it = prompts.get(card.id, [])
        same = here.get(card.id) == cards_before.get(card.id) and for_it == before.get(card.id)
        if for_it and card.endpoint is not None and not same:
            yield card, for_it


async def ask(
    generation: Generation, folder: Path, known: Path | None, context: PathContext, now: float, limit_s: float = LIMIT_S
) -> Answers:
    """Ask what is to be asked, at this moment (Unix seconds). Raises OSError, ManifestInvalid, ConfigInvalid."""
    found = Answers()
    loop = asyncio.get_running_loop()
    ends = loop.time() + limit_s
    for card, prompts in to_ask(generation, folder, known):
        why = _closed(generation, card, context, now)
        if why:
            found = replace(found, unreached=(*found.unreached, *(_said(prompt, card, why) for prompt in prompts)))
        else:
            found = await _server(generation, card, prompts, context, now, found, ends)
    return found


def _closed(generation: Generation, card: ModelCard, context: PathContext, now: float) -> str:
    """Why nothing may be sent there, in words; '' where it may."""
    if generation.policy.refusal(card, _PUBLIC, now) is not None:
        return "the policy lets no public request go there"
    assert card.endpoint is not None
    open_to = all(map(context.egress.permits, card.endpoint.addresses))
    return "" if open_to else "the door is closed to it (egress.deny_all)"


async def _server(
    generation: Generation,
    card: ModelCard,
    prompts: list[Prompt],
    context: PathContext,
    now: float,
    found: Answers,
    ends: float,
) -> Answers:
    """One server, its prompts one after the other. `ends` by the loop's clock."""
    rules = generation.policy.permitting(card, _PUBLIC, now)
    stated = tuple(f"{generation.policy.id}:{rule}" for rule in rules)
    departure = Departure(
        "health", LOCAL, _PUBLIC.classification, "", card.id, card.tier, card.place, stated, generation.id
    )
    path, why = build_path(card, context), ""
    try:
        for prompt in prompts:
            wrong: list[str] = []
            if not why:
                wrong, why = await _prompt(path, prompt, departure, ends)
            if why:
                found = replace(found, unreached=(*found.unreached, _said(prompt, card, why)))
            else:
                found = replace(found, asked=found.asked + 1, problems=(*found.problems, *wrong))
    finally:
        await path.stop()
    return found


async def _prompt(path: ExecutionPath, prompt: Prompt, departure: Departure, ends: float) -> tuple[list[str], str]:
    """What is wrong with the answer, or why there is none (rule 2)."""
    try:
        async with asyncio.timeout_at(ends):
            await path.start()
            with departing(departure):
                return await health.wrong(path, prompt), ""
    except TimeoutError:
        return [], "the time for all servers is over"
    except PathError as error:
        if error.fault in _REFUSED:
            return [f"prompt {prompt.name}: {path.card.id}: {error.message.rstrip('.')}"], ""
        return [], error.message


def _said(prompt: Prompt, card: ModelCard, why: str) -> str:
    return f"prompt {prompt.name} of {card.id} could not be reached: {why.rstrip('.')}"

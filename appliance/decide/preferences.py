"""What a caller prefers, as OpenRouter has it said: `provider` takes paths away; it and `models` order them.

Rules kept here:
1. Policy was asked before, of every path; what stands here only takes away and orders.
2. A name that no path bears is refused by name: who misspells what is to be ignored must not be sent there.
3. What a card does not state meets no demand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from appliance.decide.generation import Generation
from appliance.records.card import ModelCard
from appliance.records.decision import Asked, Candidate, PathState, Reason
from appliance.records.request import Priced, Providers
from appliance.records.tenant import Scope

_QUANTISATIONS = frozenset({"int4", "int8", "fp4", "fp6", "fp8", "fp16", "bf16", "fp32", "unknown"})  # OpenRouter's
_PASSES_ON = "openai_http"  # the runtime that posts what Weir does not interpret as it came
_NOT_STATED = "unknown"


def named(asked: Asked) -> frozenset[str] | None:
    """The paths that the caller names; None where any will do."""
    if not asked.models:
        return None if asked.model == "auto" else frozenset((asked.model,))
    return None if "auto" in asked.models else frozenset(asked.models)


def unmet(asked: Asked, generation: Generation) -> tuple[str, str]:
    """What is asked for by name and is not there, and in words what is; both '' where all is there."""
    cards = [card for card in generation.cards if card.tier not in ("cache", "reuse")]
    known = {card.id for card in cards}
    mine = [card for card in cards if _covered(card, asked.scope)]  # who asks is told of no others
    there = ", ".join(sorted({name for card in mine for name in (card.id, card.operator) if name}))
    for name in asked.models:
        if name != "auto" and name not in known:
            return "models", f"'models' names '{name}', which is not on this node"
    providers = asked.providers
    if providers is None:
        return "", ""
    for field in ("only", "order", "ignore"):
        for name in getattr(providers, field):
            if not any(bears(card.id, card.operator, name) for card in cards):
                return "provider", f"'provider.{field}' names '{_shown(name)}', which no path bears; there are: {there}"
    kinds = {kind for card in cards for kind in _kinds(card.quantisation)}
    for word in providers.quantisations:
        if word not in _QUANTISATIONS | kinds:
            there = ", ".join(sorted({kind for card in mine for kind in _kinds(card.quantisation)}))
            return "provider", f"'provider.quantizations' names '{word}', which no path has; there are: {there}"
    return "", ""


@lru_cache(maxsize=4096)
def bears(path: str, operator: str, name: str) -> bool:
    """Whether a path goes by this name of a provider: that of its operator, its id, or how its id begins.

    Case and punctuation do not count in an operator's name: 'google-vertex' is 'Google Vertex'.
    """
    wanted = name.casefold().rstrip("/")
    return (bool(operator) and _slug(operator) == _slug(name)) or f"{path.casefold()}/".startswith(f"{wanted}/")


def unfit(card: ModelCard, asked: Asked, providers: Providers) -> list[Reason]:
    """Why the caller does not want this path; empty where it will do."""
    found = []

    def out(field: str, text: str) -> None:
        found.append(Reason("preference", text, f"provider.{field}"))

    if providers.only and not _any(card, providers.only):
        out("only", "the caller wants others only")
    if _any(card, providers.ignore):
        out("ignore", "the caller wants it left out")
    if providers.order and not providers.allow_fallbacks and not _any(card, providers.order):
        out("order", "the caller wants nobody who is not in the order")
    if providers.data_collection == "deny":
        if card.retention not in ("none", "transient"):
            out("data_collection", f"what it is sent may be kept: retention '{card.retention}'")
        if card.trains_on_input != "no":
            out("data_collection", f"it may be trained with what it is sent: '{card.trains_on_input}'")
    if providers.zdr and card.retention != "none":
        out("zdr", f"it may keep what it is sent: retention '{card.retention}'")
    for what, most in providers.max_price:
        price = _price(card, what)
        if not card.priced:
            out("max_price", f"its price by {what} is not stated")
        elif price > most:
            out("max_price", f"its price by {what} is {price:g}, more than {most:g}")
    if providers.quantisations and not _kinds(card.quantisation) & set(providers.quantisations):
        out("quantizations", f"its quantisation is '{card.quantisation or _NOT_STATED}'")
    if asked.passed_on and card.runtime != _PASSES_ON:
        out("require_parameters", "it does not take: " + ", ".join(asked.passed_on))
    return found


def orders(providers: Providers | None) -> bool:
    """Whether anything of it says which path comes first."""
    return providers is not None and bool(providers.order or providers.sort)


def ordered(
    found: Iterable[Candidate], providers: Providers, generation: Generation, states: dict[str, PathState]
) -> list[tuple[Candidate, str]]:
    """The candidates as `order` or `sort` has them, and why each stands where it does; ties stay as they come."""

    def key(candidate: Candidate) -> float:
        card = generation.card_by_id[candidate.path]
        if providers.order:
            return float(_place(card, providers.order))
        state, expected = states[candidate.path], candidate.estimate
        if providers.sort == "price":
            return expected.cost if expected is not None and card.priced else math.inf
        if providers.sort == "throughput":
            return -(state.decode_tokens_per_s or card.speed.decode_tokens_per_s)
        return card.speed.first_token_s if state.first_token_s is None else state.first_token_s

    def why(candidate: Candidate) -> str:
        card = generation.card_by_id[candidate.path]
        if not providers.order:
            known = providers.sort != "price" or card.priced
            return f"sorted by {providers.sort}" + ("" if known else ": not stated")
        place = _place(card, providers.order)
        return f"number {place + 1} of the order" if place < len(providers.order) else "behind the order"

    return [(candidate, why(candidate)) for candidate in sorted(found, key=key)]


def _covered(card: ModelCard, scope: Scope | None) -> bool:
    return scope is None or (
        (not scope.models or card.id in scope.models) and (not scope.tiers or card.tier in scope.tiers)
    )


def _place(card: ModelCard, order: tuple[str, ...]) -> int:
    return next((at for at, name in enumerate(order) if bears(card.id, card.operator, name)), len(order))


def _any(card: ModelCard, names: tuple[str, ...]) -> bool:
    return any(bears(card.id, card.operator, name) for name in names)


def _price(card: ModelCard, what: Priced) -> float:
    price = card.price
    if what == "prompt":
        return price.input_per_million
    if what == "completion":
        return price.output_per_million
    return price.per_request if what == "request" else price.per_image


@lru_cache(maxsize=1024)
def _kinds(quantisation: str) -> frozenset[str]:
    """What a card's quantisation is called: its own first word, and OpenRouter's word for it."""
    words = quantisation.casefold().split()
    if not words:
        return frozenset((_NOT_STATED,))
    word = words[0].rstrip(",;:")
    if word in _QUANTISATIONS:
        return frozenset((word,))
    common = {"f16": "fp16", "f32": "fp32"}.get(word)
    for beginning, bits in (("q4", "int4"), ("iq4", "int4"), ("q8", "int8"), ("w4", "int4"), ("w8", "int8")):
        if word.startswith(beginning):
            common = bits
    return frozenset((word, common or _NOT_STATED))


@lru_cache(maxsize=1024)
def _slug(name: str) -> str:
    """Letters and digits, small, with one dash for all between them."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.casefold()).split())


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:64])

"""What tokens, images, seconds and requests cost by a card's price. Pure integer arithmetic.

Rules kept here:
1. Every rate is a whole number of picos (the card refuses prices that are not), so that a price is exact, whatever the
   order in which calls are added up.
2. Cached and written tokens are part of the prompt's, reasoning tokens of the completion's; none is charged twice.
3. Seconds count by the microsecond; half a pico rounds up.
4. The most that a call may cost is a bound, no estimate: of the bytes that are sent, of the caller's limit or the
   card's, of the dearest rate that applies. Where neither states a limit, one is assumed, and `weir doctor` says so.
"""

from __future__ import annotations

from typing import Protocol

from appliance.records.card import ModelCard, Price
from appliance.records.chunks import Usage
from appliance.records.features import Features
from appliance.records.money import amount_of
from appliance.records.request import Kind, Labels

ASSUMED_OUTPUT = 32_768  # tokens of one choice, where neither caller nor card states a limit
ASSUMED_SECONDS = 600.0  # of a call without a deadline


def price_of(price: Price, usage: Usage, *, images: int = 0, seconds: float = 0.0) -> float:
    """What one call costs, in the price's currency: the double nearest to `picos_of`."""
    cost = picos_of(price, usage, images=images, seconds=seconds)
    return amount_of(cost) if cost else 0.0


def picos_of(price: Price, usage: Usage, *, images: int = 0, seconds: float = 0.0) -> int:
    """What one call costs, in picos. Parts of usage that are more than their whole count as the whole."""
    rates = price.rates
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    cost = rates.request + prompt * rates.input + completion * rates.output
    if usage.cached_tokens or usage.cache_write_tokens or usage.reasoning_tokens:
        cached = min(usage.cached_tokens, prompt)
        cost += cached * (rates.cached - rates.input)
        written = min(usage.cache_write_tokens, prompt - cached)
        cost += written * (rates.write - rates.input)
        cost += min(usage.hour_write_tokens, written) * (rates.hour_write - rates.write)
        cost += min(usage.reasoning_tokens, completion) * (rates.reasoning - rates.output)
    if images:
        cost += images * rates.image
    if seconds > 0 and rates.second:
        cost += (round(seconds * 1e6) * rates.second + 500_000) // 1_000_000
    return cost


class Asks(Protocol):
    """What bounds a call besides its text: a Request or an Asked."""

    @property
    def kind(self) -> Kind: ...
    @property
    def n(self) -> int: ...
    @property
    def labels(self) -> Labels: ...


def most_of(card: ModelCard, asked: Asks, features: Features) -> float:
    """The most that one call of this path may cost for this request, in the card's currency."""
    return 0.0 if card.price.free else amount_of(most_picos_of(card, asked, features))


def most_picos_of(card: ModelCard, asked: Asks, features: Features) -> int:
    """The same in picos."""
    rates = card.price.rates
    prompt = features.most_prompt_tokens or features.estimated_prompt_tokens
    embedding = asked.kind == "embedding"
    if card.context_tokens and not embedding:  # of texts to embed each may be as long
        prompt = min(prompt, card.context_tokens)
    choices = 0 if embedding else max(1, asked.n)
    output = choices * most_output(card, features)
    cost = rates.request + prompt * max(rates.input, rates.cached, rates.write, rates.hour_write)
    cost += output * max(rates.output, rates.reasoning) + features.images * rates.image
    if rates.second:
        stated = asked.labels.deadline_s
        cost += round((ASSUMED_SECONDS if stated is None else stated) * 1e6) * rates.second // 1_000_000 + 1
    return cost


def most_output(card: ModelCard, features: Features) -> int:
    """Tokens of one choice, at most."""
    limits = [limit for limit in (features.most_output_tokens, card.max_output_tokens) if limit]
    return min(limits) if limits else card.context_tokens or ASSUMED_OUTPUT

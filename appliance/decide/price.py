"""What tokens, images, seconds and requests cost by a card's price. Pure integer arithmetic.

Rules kept here:
1. Every rate is a whole number of picos (the card refuses prices that are not), so that a price is exact, whatever the
   order in which calls are added up.
2. Cached and written tokens are part of the prompt's, reasoning tokens of the completion's; none is charged twice.
3. Seconds count by the microsecond; half a pico rounds up.
"""

from __future__ import annotations

from appliance.records.card import Price
from appliance.records.chunks import Usage
from appliance.records.money import amount_of


def price_of(price: Price, usage: Usage, *, images: int = 0, seconds: float = 0.0) -> float:
    """What one call costs, in the price's currency: the double nearest to `picos_of`."""
    return 0.0 if price.free else amount_of(picos_of(price, usage, images=images, seconds=seconds))


def picos_of(price: Price, usage: Usage, *, images: int = 0, seconds: float = 0.0) -> int:
    """What one call costs, in picos. Parts of usage that are more than their whole count as the whole."""
    rates = price.rates
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    cached = min(usage.cached_tokens, prompt)
    written = min(usage.cache_write_tokens, prompt - cached)
    thought = min(usage.reasoning_tokens, completion)
    cost = rates.request + (prompt - cached - written) * rates.input + (completion - thought) * rates.output
    if cached or written or thought:
        cost += cached * rates.cached + written * rates.write + thought * rates.reasoning
    if images:
        cost += images * rates.image
    if rates.second and seconds > 0:
        cost += (round(seconds * 1e6) * rates.second + 500_000) // 1_000_000
    return cost
